//! Forms and redirects.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use service::hosted::Parameters;

use crate::state::Web;

/// The parameters of a form.
///
/// # Errors
/// What is wrong with the body; it is no form, too long, or names something twice.
pub(super) async fn read(web: &Web, headers: &HeaderMap, body: Body) -> Result<Parameters, StatusCode> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = content_type
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    if !is_form {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let held = web.shared.bodies.read(body).await.map_err(|unread| match unread {
        crate::bodies::Unread::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        crate::bodies::Unread::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        crate::bodies::Unread::Broken => StatusCode::BAD_REQUEST,
    })?;
    Parameters::read(&held.bytes).map_err(|_repeated| StatusCode::BAD_REQUEST)
}

/// The parameters of the query.
///
/// # Errors
/// When one comes twice.
pub(super) fn query(uri: &http::Uri) -> Result<Parameters, StatusCode> {
    Parameters::read(uri.query().unwrap_or_default().as_bytes()).map_err(|_repeated| StatusCode::BAD_REQUEST)
}

/// Sends the browser elsewhere; after a form with a GET.
pub(super) fn redirect(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::FOUND, [(LOCATION, location)]).into_response(),
        // Registered addresses may hold what no header can.
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}
