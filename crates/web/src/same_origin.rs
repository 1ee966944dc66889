//! Pages of other origins must not press the buttons of a developer's server: a browser sends a plain POST anywhere
//! without asking first, but it says whose page sent it.

use axum::{
    Json,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, Method, StatusCode,
    header::{HOST, ORIGIN},
};
use serde_json::json;

/// Refuses changes that a browser sends on behalf of a page of another origin. Programs send no `Origin`.
pub(crate) async fn only(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || is_own(request.headers(), request.uri()) {
        return next.run(request).await;
    }
    let text = "Test controls cannot be used by pages of another origin.";
    (StatusCode::FORBIDDEN, Json(json!({"error": text}))).into_response()
}

fn is_own(headers: &HeaderMap, uri: &http::Uri) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let host =
        headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(|| uri.authority().map(|host| host.as_str()));
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Uri};

    use super::is_own;

    #[test]
    fn pages_of_others_are_recognised() {
        let own = |origin: Option<&str>, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("host", host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert("origin", origin.parse().unwrap());
            }
            is_own(&headers, &Uri::from_static("/"))
        };
        assert!(own(None, "127.0.0.1:9229"));
        assert!(own(Some("http://127.0.0.1:9229"), "127.0.0.1:9229"));
        assert!(!own(Some("http://127.0.0.1:3000"), "127.0.0.1:9229"));
        assert!(!own(Some("https://evil.example"), "127.0.0.1:9229"));
        assert!(!own(Some("null"), "127.0.0.1:9229"));
    }
}
