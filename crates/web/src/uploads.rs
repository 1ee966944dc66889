//! Files of import jobs (accounts.md §18): `PUT` to the address that CreateUserImportJob answers, and the log of a job.
//!
//! The address is signed instead of the request, like a pre-signed one of the original, and errors are XML as there.
//! Neither a file nor a log is ever in memory as a whole.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Path, Query, Request, State},
    response::Response,
};
use crypto::sigv4::SERVICE;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::CONTENT_TYPE, request::Parts};
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde::Deserialize;
use service::{
    ApiError, Ctx,
    import::{
        self, address,
        upload::{Upload, UploadError},
    },
    lookup,
};
use tokio::{sync::mpsc, time::timeout};
use wire::Operation;

use crate::{answer, api, state::Web};

/// Beginning of the paths of uploads.
const PATH: &str = "/_poolkeeper/imports/";
/// How long an upload may take.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// How long nothing may come of a file.
const STANDSTILL: Duration = Duration::from_secs(30);
/// The header that the service demands of uploads, and its value. Files are not encrypted here; a request that works on
/// this server works on the original.
const ENCRYPTION: (&str, &str) = ("x-amz-server-side-encryption", "aws:kms");

/// How long a request may take that takes longer than others; `None` for all others.
pub(crate) fn time<B>(request: &http::Request<B>) -> Option<Duration> {
    (request.method() == Method::PUT && request.uri().path().starts_with(PATH)).then_some(LONGEST)
}

/// The query of an address.
#[derive(Deserialize)]
pub(crate) struct Signed {
    #[serde(default)]
    signature: String,
}

/// Why a file is not taken.
enum Refusal {
    /// The address was not made here.
    Signature,
    /// The header is not there.
    Encryption,
    /// The file ended early, or stood still.
    Broken,
    Upload(UploadError),
}

impl From<UploadError> for Refusal {
    fn from(error: UploadError) -> Self {
        Self::Upload(error)
    }
}

/// `PUT /_poolkeeper/imports/{pool}/{job}/users.csv?signature=…`.
pub(crate) async fn put(
    State(web): State<Web>,
    Path((pool_id, job_id)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let ctx = web.context(&parts);
    match take(&ctx, &parts, &pool_id, &job_id, body).await {
        Ok(()) => Response::new(Body::empty()),
        Err(refusal) => refused(&ctx, &refusal),
    }
}

async fn take(ctx: &Ctx, parts: &Parts, pool_id: &str, job_id: &str, body: Body) -> Result<(), Refusal> {
    let signed = Query::<Signed>::try_from_uri(&parts.uri).map_err(|_| Refusal::Signature)?;
    if !address::is_signed(&ctx.app, pool_id, job_id, &signed.signature) {
        return Err(Refusal::Signature);
    }
    if !is_as_demanded(&parts.headers) {
        return Err(Refusal::Encryption);
    }
    let mut upload = Upload::begin(ctx, pool_id, job_id).await?;
    match receive(&mut upload, body).await {
        Ok(()) => Ok(upload.finish().await?),
        Err(refusal) => {
            upload.give_up().await;
            Err(refusal)
        }
    }
}

fn is_as_demanded(headers: &HeaderMap) -> bool {
    let (name, value) = ENCRYPTION;
    headers.get(name).is_some_and(|given| given == value)
}

async fn receive(upload: &mut Upload<'_>, mut body: Body) -> Result<(), Refusal> {
    loop {
        let frame = timeout(STANDSTILL, body.frame()).await.map_err(|_| Refusal::Broken)?;
        let Some(frame) = frame else { return Ok(()) };
        // Trailers say nothing that matters here.
        if let Ok(data) = frame.map_err(|_| Refusal::Broken)?.into_data() {
            upload.add(&data).await?;
        }
    }
}

/// Decision: status and code are those of the original's file store where it has one for the case; the words are ours
/// where more than the case is to be said.
fn refused(ctx: &Ctx, refusal: &Refusal) -> Response {
    let (status, code, text) = match refusal {
        Refusal::Signature => {
            let text = "The request signature we calculated does not match the signature you provided. Use the address \
                        as CreateUserImportJob answers it.";
            (StatusCode::FORBIDDEN, "SignatureDoesNotMatch", text.to_owned())
        }
        Refusal::Encryption => {
            let (name, value) = ENCRYPTION;
            let text = format!("The header {name} must be there, with the value {value}.");
            (StatusCode::FORBIDDEN, "AccessDenied", text)
        }
        Refusal::Broken => {
            let text = "The request body ended early, or stood still for too long.";
            (StatusCode::BAD_REQUEST, "IncompleteBody", text.to_owned())
        }
        Refusal::Upload(error) => {
            let (status, code) = match error {
                UploadError::NoJob => (StatusCode::NOT_FOUND, "NoSuchKey"),
                UploadError::Expired => (StatusCode::FORBIDDEN, "AccessDenied"),
                UploadError::Overtaken => (StatusCode::CONFLICT, "OperationAborted"),
                UploadError::TooLarge => (StatusCode::BAD_REQUEST, "EntityTooLarge"),
                UploadError::Failed(error) => {
                    tracing::error!(id = ctx.request_id, cause = error.cause.as_deref(), "an upload failed");
                    (StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
                }
            };
            let text = match error {
                UploadError::Failed(error) => error.message.clone(),
                error => error.to_string(),
            };
            (status, code, text)
        }
    };
    // Nothing in it comes from the request, so that nothing has to be escaped.
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{text}</Message><RequestId>{}</RequestId></Error>",
        ctx.request_id
    );
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// `GET /_poolkeeper/imports/{pool}/{job}/log`: which lines of the file are no users, and why. Signed like the
/// operations of administrators; errors are those of the API.
///
/// Decision: whoever may see the job may see its log, which the service keeps elsewhere.
pub(crate) async fn log(
    State(web): State<Web>,
    Path((pool_id, job_id)): Path<(String, String)>,
    parts: Parts,
) -> Response {
    let mut ctx = web.context(&parts);
    let job = async {
        api::administrator(&mut ctx, SERVICE, Operation::DescribeUserImportJob.name(), &parts, b"").await?;
        let pool = lookup::current_pool(&ctx, &pool_id).await?;
        import::job(&ctx, &pool, &job_id).await
    };
    let job = match job.await {
        Ok(job) => job.value,
        Err(error) => return answer::error(&ctx.request_id, &error),
    };
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        for number in 0.. {
            let piece = import::log::piece(&ctx, &job, number).await.transpose();
            let Some(piece) = piece else { return };
            let is_last = piece.is_err();
            // Whoever has hung up wants no more.
            if sender.send(piece.map(Bytes::from)).await.is_err() || is_last {
                return;
            }
        }
    });
    let mut response = Response::new(Body::new(Pieces(pieces)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// A body that comes piece by piece.
struct Pieces(mpsc::Receiver<Result<Bytes, ApiError>>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = ApiError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ApiError>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
