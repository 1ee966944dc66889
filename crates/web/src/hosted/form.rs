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

use crate::{
    bodies::{Held, Unread},
    state::Web,
};

/// Longest form of a page, in bytes. The longest of our own carries what a browser asks twenty passkeys for.
pub(super) const OF_A_PAGE: usize = 65_536;
/// Longest form with a token in it, in bytes: the longest token twice over, since a form may escape some of it.
pub(super) const WITH_A_TOKEN: usize = 262_144;

/// The parameters of a form of at most `longest` bytes, and its place among the bodies in memory, to be kept until the
/// answer is made: pages are made of what forms hold, several times over.
///
/// # Errors
/// What is wrong with the body; it is no form, too long, or names something twice.
pub(super) async fn read(
    web: &Web,
    headers: &HeaderMap,
    body: Body,
    longest: usize,
) -> Result<(Parameters, Held), StatusCode> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = content_type
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    if !is_form {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let held = web.shared.bodies.read_up_to(longest, body).await.map_err(|unread| match unread {
        Unread::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Unread::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        Unread::Broken => StatusCode::BAD_REQUEST,
    })?;
    let parameters = Parameters::read(&held.bytes).map_err(|_repeated| StatusCode::BAD_REQUEST)?;
    Ok((parameters, held))
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
