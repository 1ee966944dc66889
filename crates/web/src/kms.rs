//! `TrentService.Decrypt`, the one operation of KMS that functions need which decrypt codes (triggers-security.md §12.3).
//!
//! A function that sends messages gets the code encrypted under the pool's KMS key. Where this server plays that key, the
//! function's AWS Encryption SDK is pointed at it (`AWS_ENDPOINT_URL_KMS`) and asks for the message's data key, as it
//! would ask KMS. What is answered was sealed by a server with the same master key, for the same encryption context.
//!
//! Where signatures are checked, it takes an access key that may be used for `kms:Decrypt`. Decision: which codes of which
//! pools a key decrypts is not limited any further.

use std::collections::BTreeMap;

use axum::{body::Body, response::Response};
use crypto::envelope::{Context, local_key};
use http::{HeaderMap, StatusCode, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};
use service::{ApiError, Ctx, RequestLabels};
use wire::{Blob, ErrorKind};

use crate::{
    answer,
    api::{self, Refusal},
    panics,
    state::Web,
};

const TARGET_PREFIX: &str = "TrentService.";
/// The service that requests are signed for.
const SERVICE: &str = "kms";
/// The only algorithm of symmetric keys.
const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// `Decrypt`'s request. Grants add to what a caller may, and whoever may decrypt at all may decrypt everything, so that
/// `GrantTokens` say nothing here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DecryptRequest {
    ciphertext_blob: Blob,
    key_id: Option<String>,
    #[serde(default)]
    encryption_context: BTreeMap<String, String>,
    encryption_algorithm: Option<String>,
    recipient: Option<Value>,
    dry_run: Option<bool>,
}

/// Why nothing is decrypted.
enum Fault {
    /// In the words of KMS: name and text.
    Kms(&'static str, &'static str),
    Api(ApiError),
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

/// The operation of KMS that a request names, if any.
pub(crate) fn operation(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-amz-target")?.to_str().ok()?.strip_prefix(TARGET_PREFIX)
}

/// `POST /` with such an operation.
pub(crate) async fn post(web: &Web, mut ctx: Ctx, parts: &Parts, body: Body) -> Response {
    let outcome = match api::body_of(web, parts, body).await {
        Ok(body) => {
            let outcome = panics::catch(serve(&mut ctx, parts, &body.bytes)).await;
            outcome.unwrap_or_else(|panic| Err(Fault::Api(ApiError::internal(panic))))
        }
        Err(Refusal::Api(error)) => Err(Fault::Api(error)),
        Err(Refusal::Broken) => Err(Fault::Kms("MalformedHttpRequestException", "The request body ended early.")),
    };
    let name = match &outcome {
        Ok(_) => "ok",
        Err(Fault::Kms(name, _)) => name,
        Err(Fault::Api(error)) => error.kind.as_str(),
    };
    ctx.app.metrics.requests.get_or_create(&RequestLabels { operation: "kms", outcome: name }).inc();
    let id = &ctx.request_id;
    tracing::debug!(id, outcome = name, client = %ctx.client_address, "a data key was asked for");
    match outcome {
        Ok(body) => answer::success(id, body.to_string().into_bytes()),
        Err(Fault::Kms(name, text)) => answer::named(StatusCode::BAD_REQUEST, id, name, text),
        Err(Fault::Api(error)) => {
            if let Some(cause) = &error.cause {
                tracing::error!(id, cause = cause.as_ref(), "a data key could not be decrypted");
            }
            answer::error(id, &error)
        }
    }
}

async fn serve(ctx: &mut Ctx, parts: &Parts, body: &[u8]) -> Result<Value, Fault> {
    let operation = operation(&parts.headers).unwrap_or_default();
    api::administrator(ctx, SERVICE, &api::shortened(operation), parts, body).await?;
    if operation != "Decrypt" {
        let text = "Of the operations of KMS, this server has Decrypt only.";
        return Err(ApiError::new(ErrorKind::UnknownOperation, text).into());
    }
    let request: DecryptRequest = serde_json::from_slice(body).map_err(|_error| {
        let text = "The request is no JSON of the form that Decrypt takes: CiphertextBlob, KeyId, EncryptionContext.";
        ApiError::new(ErrorKind::Serialization, text)
    })?;
    decrypt(ctx, &request)
}

fn decrypt(ctx: &Ctx, request: &DecryptRequest) -> Result<Value, Fault> {
    if request.recipient.is_some() || request.dry_run == Some(true) {
        let text = "This server takes neither Recipient nor DryRun.";
        return Err(Fault::Kms("UnsupportedOperationException", text));
    }
    if request.encryption_algorithm.as_deref().is_some_and(|algorithm| algorithm != SYMMETRIC) {
        let text = "The keys of this server are symmetric: EncryptionAlgorithm must be SYMMETRIC_DEFAULT.";
        return Err(Fault::Kms("InvalidKeyUsageException", text));
    }
    let invalid = || {
        let text = "The ciphertext was not made by a server with this master key, or not for this encryption context.";
        Fault::Kms("InvalidCiphertextException", text)
    };
    let pairs = request.encryption_context.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let context = Context::new(pairs).map_err(|_too_long| invalid())?;
    let decrypted = local_key::decrypt(&ctx.app.ring, &request.ciphertext_blob.0, &context).ok_or_else(invalid)?;
    if request.key_id.as_deref().is_some_and(|named| !names(named, &decrypted.key_arn)) {
        let text = "The key ID in the request does not identify the key that the ciphertext was made with.";
        return Err(Fault::Kms("IncorrectKeyException", text));
    }
    let plaintext = Blob(decrypted.plaintext.to_vec());
    Ok(json!({"KeyId": decrypted.key_arn, "Plaintext": plaintext, "EncryptionAlgorithm": SYMMETRIC}))
}

/// Whether a `KeyId` means the key with this ARN: the ARN, or the id at its end.
fn names(key_id: &str, arn: &str) -> bool {
    key_id == arn || arn.rsplit_once(":key/").is_some_and(|(_, id)| id == key_id)
}
