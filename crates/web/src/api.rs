//! The AWS-JSON endpoint: `POST /` with `X-Amz-Target` (accounts.md §1, auth-flows.md §1).
//!
//! Order: operation, content type, body (limits), caller, dispatch: nothing is kept in memory for requests that lead
//! nowhere. Everything after the operation's name is known is counted; everything after the body is read survives a
//! panic.

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use crypto::sigv4::SERVICE;
use http::{
    HeaderMap, StatusCode,
    header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    request::Parts,
};
use service::{ApiError, Caller, Ctx, RequestLabels, access_keys, settings::Signatures};
use tracing::Instrument;
use wire::{ErrorKind, Operation};

use crate::{
    answer,
    bodies::{Held, Unread},
    kms, panics,
    state::Web,
};

const TARGET_PREFIX: &str = "AWSCognitoIdentityProviderService.";

/// Longest text about a signature that lacks something, in bytes.
const LONGEST_ECHO: usize = 2_048;

/// `POST /`.
pub(crate) async fn post(State(web): State<Web>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut ctx = web.context(&parts);
    if kms::operation(&parts.headers).is_some() {
        return kms::post(&web, ctx, &parts, body).await;
    }
    let operation = match operation(&parts.headers) {
        Ok(operation) => operation,
        Err(error) => return refused(&ctx, &error),
    };
    let mut in_flight = web.shared.meters.begin(&web.app.metrics, operation);
    let outcome = match body_of(&web, &parts, body).await {
        Ok(body) => {
            // For those who look closely only: it would cost every request more than its counters do. What is logged
            // above that level names the request itself.
            let span = tracing::debug_span!("request", id = %ctx.request_id, operation = operation.name());
            let outcome = panics::catch(serve(&mut ctx, &parts, operation, &body.bytes)).instrument(span).await;
            let fault = |panic| service::dispatch::in_words_of(operation, ApiError::internal(panic));
            outcome.unwrap_or_else(|panic| Err(fault(panic)))
        }
        Err(Refusal::Api(error)) => Err(error),
        Err(Refusal::Broken) => {
            let text = "The request body ended early.";
            return answer::named(StatusCode::BAD_REQUEST, &ctx.request_id, "MalformedHttpRequestException", text);
        }
    };
    let error = outcome.as_ref().err().map(|error| error.kind);
    let seconds = in_flight.answered(error);
    let (id, operation) = (&ctx.request_id, operation.name());
    match outcome {
        Ok(body) => {
            tracing::debug!(id, operation, client = %ctx.client_address, seconds, "answered");
            answer::success(id, body)
        }
        Err(error) => {
            let (kind, message) = (error.kind.as_str(), fit_for_logs(&error));
            tracing::debug!(id, operation, outcome = kind, message, client = %ctx.client_address, seconds, "answered");
            // The cause of a server's fault goes to the log, and nowhere else.
            if let Some(cause) = &error.cause {
                tracing::error!(id, operation, kind, cause = cause.as_ref(), "the request failed");
            }
            answer::error(id, &error)
        }
    }
}

/// Any other method on `/` but GET, which is an unknown document (see `routes`).
pub(crate) async fn other_method(State(web): State<Web>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let text = format!("Operations are called by POST, not by {}.", parts.method);
    let id = web.context(&parts).request_id;
    let kind = ErrorKind::UnknownOperation.as_str();
    let mut response = answer::named(StatusCode::METHOD_NOT_ALLOWED, &id, kind, &text);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    response
}

async fn serve(ctx: &mut Ctx, parts: &Parts, operation: Operation, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    authenticate(ctx, parts, operation, body).await?;
    // Decision: no body at all is an empty object, as the protocol's specification has it (Smithy, AWS JSON 1.1).
    let body = if body.is_empty() { b"{}" } else { body };
    service::dispatch::call(ctx, operation, body).await
}

/// What the log may know of an error's text: the one about signatures repeats the whole `Authorization` header.
fn fit_for_logs(error: &ApiError) -> &str {
    if error.kind == ErrorKind::IncompleteSignature { "" } else { &error.message }
}

fn refused(ctx: &Ctx, error: &ApiError) -> Response {
    let labels = RequestLabels { operation: "none", outcome: error.kind.as_str() };
    ctx.app.metrics.requests.get_or_create(&labels).inc();
    answer::error(&ctx.request_id, error)
}

/// Why a request goes no further than its body.
pub(crate) enum Refusal {
    Api(ApiError),
    Broken,
}

/// Looks at the headers first.
pub(crate) async fn body_of(web: &Web, parts: &Parts, body: Body) -> Result<Held, Refusal> {
    content_type(&parts.headers).map_err(Refusal::Api)?;
    web.shared.bodies.read(body).await.map_err(|unread| match unread {
        Unread::TooLarge => {
            let limit = web.shared.options.max_body_bytes;
            let text = format!("Request size exceeded the limit of {limit} bytes.");
            Refusal::Api(ApiError::new(ErrorKind::RequestEntityTooLarge, text))
        }
        Unread::NoRoom => {
            let text = "Too many large requests are under way. Please try again.";
            Refusal::Api(ApiError::new(ErrorKind::ServiceUnavailable, text))
        }
        Unread::Broken => Refusal::Broken,
    })
}

/// Decision: an unknown operation is 400 like every other fault of the client (the two chapters differ: 400 and 404),
/// and says what was wrong with the target.
fn operation(headers: &HeaderMap) -> Result<Operation, ApiError> {
    let unknown = |message: String| ApiError::new(ErrorKind::UnknownOperation, message);
    let Some(target) = headers.get("x-amz-target") else {
        return Err(unknown("The request names no operation: the header X-Amz-Target is missing.".to_owned()));
    };
    let target = target.to_str().unwrap_or_default();
    let Some(name) = target.strip_prefix(TARGET_PREFIX) else {
        return Err(unknown(format!("X-Amz-Target must begin with {TARGET_PREFIX}")));
    };
    Operation::parse(name).ok_or_else(|| unknown(format!("There is no operation '{}'.", shortened(name))))
}

/// As much of a name that nobody knows as an error repeats.
pub(crate) fn shortened(name: &str) -> String {
    name.chars().take(128).collect()
}

/// Decision: `application/x-amz-json-1.1`, `-1.0`, `application/json`, or none at all; anything else is no JSON.
fn content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let value = value.to_str().unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-amz-json-1.1" | "application/x-amz-json-1.0" | "application/json" => Ok(()),
        _ => Err(ApiError::new(
            ErrorKind::Serialization,
            "The request body must be JSON with Content-Type application/x-amz-json-1.1",
        )),
    }
}

/// Public operations and those that carry an access token ignore whatever signature comes along (auth-flows.md §2).
async fn authenticate(ctx: &mut Ctx, parts: &Parts, operation: Operation, body: &[u8]) -> Result<(), ApiError> {
    if !access_keys::is_asked_for(operation) {
        return Ok(());
    }
    match administrator(ctx, SERVICE, operation.name(), parts, body).await {
        // Its client's secret does as well, and SDKs sign with whatever they have: a signature that does not hold is
        // none, and neither is that of a key which may not be used for it.
        Err(error) if operation == Operation::GetDerivedToken && error.kind != ErrorKind::InternalError => Ok(()),
        outcome => outcome,
    }
}

/// Finds out whose signature for this service a request carries that only administrators may send, and functions whose
/// keys may be used for this operation.
///
/// # Errors
/// What the service says of a request that is not signed, or not by anybody known, or by a key that is for other
/// operations.
pub(crate) async fn administrator(
    ctx: &mut Ctx,
    service: &str,
    operation: &str,
    parts: &Parts,
    body: &[u8],
) -> Result<(), ApiError> {
    let headers = &parts.headers;
    if ctx.app.settings.signatures == Signatures::Ignored {
        let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(region) = authorization.and_then(access_keys::region) {
            ctx.region = region;
        }
        return Ok(());
    }
    let mut listed: Vec<(&str, &str)> = Vec::with_capacity(headers.len() + 1);
    for (name, value) in headers {
        // A value that is no text cannot have been signed; what remains then does not match the signature.
        if let Ok(value) = value.to_str() {
            listed.push((name.as_str(), value));
        }
    }
    // HTTP/2 carries the host as the authority of the request.
    if !headers.contains_key(http::header::HOST)
        && let Some(authority) = parts.uri.authority()
    {
        listed.push(("host", authority.as_str()));
    }
    let request = crypto::sigv4::SignedRequest {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &listed,
        body,
    };
    let signer = access_keys::authenticate(&ctx.app, service, operation, &request, ctx.now).await;
    let signer = signer.map_err(without_echo)?;
    ctx.caller = Caller::AccessKey { id: signer.access_key_id };
    ctx.region = signer.region;
    Ok(())
}

/// Cuts the text that repeats the request's `Authorization` header, which the client may have made as long as it liked.
fn without_echo(mut error: ApiError) -> ApiError {
    if error.kind == ErrorKind::IncompleteSignature {
        error.message.truncate(error.message.floor_char_boundary(LONGEST_ECHO));
    }
    error
}
