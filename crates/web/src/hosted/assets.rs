//! What belongs to the pages: their style sheet and icon, the script for passkeys, and what a pool's administrators have
//! made of the classic pages (oauth-federation.md §12.3), more style rules and a logo. The paths of these name the version,
//! so that browsers may keep them.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use domain::UiCustomization;
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use service::hosted::look;

use super::{OfSite, page::Look};
use crate::state::Web;

/// How long browsers keep what never changes, in seconds: a day.
const KEPT: &str = "public, max-age=86400";
/// What pictures of this kind begin with.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// `GET /_assets/style.css`.
pub(super) async fn style() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=3600")];
    (headers, include_str!("../../templates/hosted/style.css"))
}

/// `GET /_assets/icon.svg`. Of a page that names none, browsers ask the server for `/favicon.ico`, which no domain has.
pub(super) async fn icon() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "public, max-age=3600")];
    (headers, include_str!("../../templates/hosted/icon.svg"))
}

/// `GET /_assets/passkey.js`.
pub(super) async fn passkey_script() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/javascript; charset=utf-8"), (CACHE_CONTROL, "public, max-age=3600")];
    (headers, include_str!("../../templates/hosted/passkey.js"))
}

/// Where the parts of a look are found, below the domain.
pub(super) fn look(look: &UiCustomization) -> Look {
    Look {
        style: look.css.as_ref().filter(|css| !css.is_empty()).map(|_| look::style_path(look)),
        logo: look.image.as_ref().map(|_| look::image_path(look)),
    }
}

/// `GET /{client id}/{version}/assets/CSS/custom-css.css`.
pub(super) async fn custom_style(web: State<Web>, site: OfSite, path: Path<Vec<(String, String)>>) -> Response {
    let found = find(web, site, path).await;
    answer(found.map(|look| look.css.map(|css| ("text/css; charset=utf-8", css.into_bytes()))))
}

/// `GET /{client id}/{version}/assets/images/image.jpg`; the picture may be a PNG all the same.
pub(super) async fn custom_logo(web: State<Web>, site: OfSite, path: Path<Vec<(String, String)>>) -> Response {
    let found = find(web, site, path).await;
    answer(found.map(|look| {
        let bytes = look.image?.0;
        Some((if bytes.starts_with(PNG) { "image/png" } else { "image/jpeg" }, bytes))
    }))
}

/// The look of the client, or of all clients, that the path names.
async fn find(
    State(web): State<Web>,
    Extension(site): OfSite,
    Path(path): Path<Vec<(String, String)>>,
) -> Result<UiCustomization, StatusCode> {
    let (_, client_id) = path.into_iter().find(|(name, _)| name == "client_id").ok_or(StatusCode::NOT_FOUND)?;
    let found = look::exactly(&web.app, &site.pool.id, &client_id).await.map_err(|error| {
        tracing::error!(cause = %error, "a style could not be looked up");
        StatusCode::SERVICE_UNAVAILABLE
    })?;
    found.ok_or(StatusCode::NOT_FOUND)
}

fn answer(found: Result<Option<(&'static str, Vec<u8>)>, StatusCode>) -> Response {
    match found {
        Ok(Some((kind, bytes))) => {
            let headers =
                [(CONTENT_TYPE, HeaderValue::from_static(kind)), (CACHE_CONTROL, HeaderValue::from_static(KEPT))];
            (headers, bytes).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(status) => status.into_response(),
    }
}
