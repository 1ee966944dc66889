//! From a request's bytes to an operation and back to bytes: parse, check every constraint, run, serialize.

mod generated;

use std::{future::ready, pin::Pin};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use wire::{ErrorKind, Operation};

use crate::{ApiError, Ctx, quotas};

/// Runs `operation` on a request body. The answer's body is empty where the model says so.
///
/// # Errors
/// `SerializationException` for what is not JSON or of the wrong type, `TooManyRequestsException` beyond the quotas,
/// `InvalidParameterException` with every violated constraint, and whatever the operation answers.
pub async fn call(ctx: &Ctx, operation: Operation, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut body: Value = serde_json::from_slice(body)
        .map_err(|_| ApiError::new(ErrorKind::Serialization, "The request body could not be parsed as JSON"))?;
    quotas::check(ctx, operation, &body)?;
    wire::check(operation.input(), &body).map_err(|rejection| ApiError::new(rejection.kind, rejection.message))?;
    drop_nulls(&mut body);
    let _until_answered = ctx.app.store.begin();
    generated::dispatch(ctx, operation, body).await.map_err(|error| in_words_of(operation, error))
}

/// An error by the name that the operation's model has for it.
///
/// Where the model does not know concurrent modifications, they are called throttling: clients take it for that, and try
/// again after a while. A few operations have another name for the server's own faults.
#[must_use]
pub fn in_words_of(operation: Operation, mut error: ApiError) -> ApiError {
    let known = operation.errors();
    error.kind = match error.kind {
        ErrorKind::ConcurrentModification if !known.contains(&error.kind) => ErrorKind::TooManyRequests,
        ErrorKind::InternalError if known.contains(&ErrorKind::InternalServer) => ErrorKind::InternalServer,
        kind => kind,
    };
    error
}

/// A null counts as absent, in maps too: clients send `"DEVICE_KEY": null` (auth-flows.md §21).
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// An operation that is under way. It is boxed, because otherwise every request would carry the largest of them around,
/// and made here and not by whoever calls it, whose stack would have to hold one of each.
type Running<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, ApiError>> + Send + 'a>>;

fn run<'a, I, O, F>(ctx: &'a Ctx, body: Value, operation: fn(&'a Ctx, I) -> F) -> Running<'a>
where
    I: DeserializeOwned + Send + 'a,
    O: Serialize + Send + 'a,
    F: Future<Output = Result<O, ApiError>> + Send + 'a,
{
    Box::pin(async move {
        let input = serde_json::from_value(body)?;
        let output = serde_json::to_vec(&operation(ctx, input).await?)?;
        // An operation without an output shape answers `()`, which has no body.
        if output == b"null" { Ok(Vec::new()) } else { Ok(output) }
    })
}

fn not_built<'a>(operation: Operation) -> Running<'a> {
    let name = operation.name();
    Box::pin(ready(Err(ApiError::new(
        ErrorKind::UnknownOperation,
        format!("{name} is not built yet in this version of Poolkeeper. docs/compatibility.md lists what is."),
    ))))
}
