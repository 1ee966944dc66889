//! The cookies of a domain (oauth-federation.md §5).
//!
//! Of the service's, these are not set: `csrf-state-legacy`, which is for browsers of before 2020 that do not know
//! `SameSite=None`; `cognito-fl`, which says nothing; `lang`, since the pages are in one language; and `page-data`, since pages
//! carry what they need in their forms.

use axum::response::Response;
use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};
use service::hosted::Site;

use crate::state::Web;

/// What forms repeat, so that pages of others cannot send them.
pub(super) const CSRF: &str = "XSRF-TOKEN";
/// The browser's session.
pub(super) const SESSION: &str = "cognito";
/// What ties a way to another provider and back to one browser.
pub(super) const PROVIDER: &str = "csrf-state";

/// The token of this browser that forms must repeat.
#[derive(Clone)]
pub(super) struct CsrfToken(pub(super) String);

/// The browser's token, or a new one.
pub(super) fn csrf_token(web: &Web, headers: &HeaderMap) -> CsrfToken {
    let is_ours = |value: &str| value.len() == 36 && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let known = read(headers, CSRF).filter(|value| is_ours(value)).map(str::to_owned);
    CsrfToken(known.unwrap_or_else(|| crypto::random::uuid_v4(&*web.app.entropy)))
}

/// The value of a cookie.
pub(super) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(other, _)| *other == name)
        .map(|(_, value)| value.trim_matches('"'))
}

/// A cookie for this domain alone, which scripts do not see. `seconds` is how long it is kept: none is until the browser
/// is closed. Over plain http, for tests, browsers would not keep a secure one.
pub(super) fn write(site: &Site, name: &str, value: &str, seconds: Option<i64>, same_site: &str) -> String {
    let path = if site.path.is_empty() { "/" } else { &site.path };
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    // Browsers refuse `None` from connections that are not secure.
    let (secure, same_site) = match (site.is_secure(), same_site) {
        (true, same_site) => ("; Secure", format!("; SameSite={same_site}")),
        (false, "None") => ("", String::new()),
        (false, same_site) => ("", format!("; SameSite={same_site}")),
    };
    format!("{name}={value}; Path={path}{age}{secure}; HttpOnly{same_site}")
}

/// A cookie that is to go.
pub(super) fn clear(site: &Site, name: &str, same_site: &str) -> String {
    let expired = "; Expires=Thu, 01 Jan 1970 00:00:10 GMT";
    write(site, name, "", Some(0), same_site) + expired
}

/// Adds a cookie to an answer.
pub(super) fn add(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}
