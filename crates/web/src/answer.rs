//! Answers of the API: one map from outcome to status, headers and body (accounts.md §1.2).

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::json;
use service::ApiError;
use wire::ErrorKind;

use crate::{cors, header_text};

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const ERROR_MESSAGE: HeaderName = HeaderName::from_static("x-amzn-errormessage");

/// Headers of an answer at most, with those that the protocol adds.
const HEADERS: usize = 9;

/// 200 with the operation's body, which is empty for operations without an output.
pub(crate) fn success(request_id: &str, body: Vec<u8>) -> Response {
    response(StatusCode::OK, request_id, body)
}

/// The error as the service phrases it.
pub(crate) fn error(request_id: &str, error: &ApiError) -> Response {
    named(status(error.kind), request_id, error.kind.as_str(), &error.message)
}

/// An error that is none of the service's: `name` becomes its type.
pub(crate) fn named(status: StatusCode, request_id: &str, name: &str, message: &str) -> Response {
    // What is told before an operation begins is spelled so (triggers-security.md §19.3). Decision: only this error, the
    // one that was seen.
    let member = if name == ErrorKind::AccessDenied.as_str() { "Message" } else { "message" };
    let body = json!({"__type": name, (member): message}).to_string();
    let mut response = response(status, request_id, body.into_bytes());
    let headers = response.headers_mut();
    headers.insert(ERROR_TYPE, header_text::value(&format!("{name}:")));
    headers.insert(ERROR_MESSAGE, header_text::value(message));
    response
}

/// All faults of the client are 400, whatever the model's traits say (accounts.md §1.2).
pub(crate) const fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InternalError | ErrorKind::InternalServer => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::RequestEntityTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn response(status: StatusCode, request_id: &str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(CONTENT_TYPE, JSON);
    // Ids are made by this server, of characters that stand for themselves.
    headers.insert(REQUEST_ID, HeaderValue::from_str(request_id).unwrap_or(HeaderValue::from_static("")));
    cors::open(headers);
    response
}
