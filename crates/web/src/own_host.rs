//! Which names of this server the test controls answer to, and which are names of this machine.
//!
//! A page of another origin can have its own name resolved to 127.0.0.1 after it was loaded (DNS rebinding); for the
//! browser, that is the same origin still, and the page could read every message. The name it asked for gives it away.

use std::net::Ipv6Addr;

use axum::{
    Json,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::HOST};
use serde_json::json;

use crate::state::Web;

/// Lets requests through that name this machine or the host of the base URL.
pub(crate) async fn only(State(web): State<Web>, request: Request, next: Next) -> Response {
    let host = match request.headers().get(HOST) {
        Some(host) => host.to_str().ok(),
        // HTTP/2 carries the host as the authority of the request.
        None => request.uri().authority().map(|authority| authority.as_str()),
    };
    if host.is_some_and(|host| is_own(host, &web.app.settings.base_url)) {
        return next.run(request).await;
    }
    let text = "Test controls answer on localhost and on the host of the base URL only. To reach them by another name, \
                start the server with --base-url http://NAME:PORT.";
    (StatusCode::FORBIDDEN, Json(json!({"error": text}))).into_response()
}

fn is_own(host: &str, base_url: &str) -> bool {
    let name = without_port(host);
    is_loopback(name) || (!name.is_empty() && name.eq_ignore_ascii_case(name_in(base_url)))
}

/// Whether a URL leads to this machine.
pub(crate) fn is_local(url: &str) -> bool {
    is_loopback(name_in(url))
}

/// Whether a host (with its port) may stand for the one in the base URL: both are names of this machine.
pub(crate) fn is_alias(host: &str, base_url: &str) -> bool {
    let name = without_port(host);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    is_local(base_url) && is_loopback(name) && (name.starts_with('[') || name.bytes().all(is_plain))
}

/// The name or address in a URL.
fn name_in(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    without_port(rest.split(['/', '?', '#']).next().unwrap_or_default())
}

/// The name or address alone; an IPv6 address keeps its brackets.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.contains(']') => name,
        _ => host,
    }
}

fn is_loopback(name: &str) -> bool {
    let bracketed = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = bracketed {
        return address.parse::<Ipv6Addr>().is_ok_and(|address| address.to_canonical().is_loopback());
    }
    if let Ok(address) = name.parse::<std::net::Ipv4Addr>() {
        return address.is_loopback();
    }
    // RFC 6761 §6.3: these names never leave the machine.
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::{is_alias, is_own};

    #[test]
    fn names_of_this_machine_are_known() {
        let base = "https://Auth.example.com:8443";
        for own in [
            "127.0.0.1",
            "127.0.0.1:9229",
            "127.9.8.7:1",
            "[::1]",
            "[::1]:9229",
            "localhost",
            "LOCALHOST:80",
            "localhost.",
            "a.auth.localhost:9229",
            "auth.example.com",
            "AUTH.EXAMPLE.COM:1",
        ] {
            assert!(is_own(own, base), "{own}");
        }
        for other in [
            "",
            ":80",
            "evil.example",
            "evil.example:9229",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "10.0.0.1",
            "[::2]:9229",
            "::1",
            "[::1",
            "0.0.0.0",
            "x.auth.example.com",
            "127.0.0.1@evil",
        ] {
            assert!(!is_own(other, base), "{other}");
        }
        assert!(is_own("[fd00::1]:9229", "http://[fd00::1]:9229"));
        assert!(!is_own("", ""));
    }

    #[test]
    fn a_name_of_this_machine_stands_for_another_one() {
        let local = "http://127.0.0.1:9229";
        for alias in ["localhost:9229", "127.0.0.1:8080", "[::1]:9229", "a.auth.localhost"] {
            assert!(is_alias(alias, local) && is_alias(alias, "http://localhost:9229"), "{alias}");
            assert!(!is_alias(alias, "https://auth.example.com"), "a proxy may have written it: {alias}");
        }
        for other in ["", "auth.example.com", "evil.example/.localhost", "a:b.localhost", "a@b.localhost", "[::2]"] {
            assert!(!is_alias(other, local), "{other}");
        }
    }
}
