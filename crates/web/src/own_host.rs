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

/// Whether a host (with its port) is another name of this machine than the base URL has, for the same port. Those that
/// browsers write in one way only count, so that nobody is sent in a circle.
pub(crate) fn is_other_name(host: &str, base_url: &str) -> bool {
    let is_known =
        |name: &str| ["localhost", "127.0.0.1", "[::1]"].iter().any(|known| known.eq_ignore_ascii_case(name));
    let base = authority_in(base_url);
    let (name, own) = (without_port(host), without_port(base));
    let usual = if base_url.starts_with("https://") { ":443" } else { ":80" };
    let port = |authority: &str, name: &str| match authority.strip_prefix(name) {
        None | Some("") => usual.to_owned(),
        Some(port) => port.to_owned(),
    };
    is_known(name) && is_known(own) && !name.eq_ignore_ascii_case(own) && port(host, name) == port(base, own)
}

/// The name or address in a URL.
fn name_in(url: &str) -> &str {
    without_port(authority_in(url))
}

/// The name or address in a URL, with its port.
fn authority_in(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
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
    use super::{is_other_name, is_own};

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
    fn one_machine_has_several_names() {
        for (host, base) in [
            ("localhost:9229", "http://127.0.0.1:9229"),
            ("[::1]:9229", "http://127.0.0.1:9229"),
            ("127.0.0.1", "http://localhost:80"),
            ("127.0.0.1:443", "https://LOCALHOST"),
        ] {
            assert!(is_other_name(host, base), "{host} {base}");
        }
        for (host, base) in [
            // The same name: whoever is sent there comes back with it.
            ("127.0.0.1:9229", "http://127.0.0.1:9229"),
            ("localhost", "http://LOCALHOST:80"),
            ("localhost", "https://localhost:443"),
            // A proxy on this machine may ask by a name and a port that browsers do not know.
            ("127.0.0.1:9229", "https://localhost"),
            ("127.0.0.1:9229", "https://auth.example.com"),
            // There are many ways to write these.
            ("127.0.0.1:9229", "http://127.1:9229"),
            ("127.0.0.1:9229", "http://a.localhost:9229"),
            ("evil.example:9229", "http://127.0.0.1:9229"),
            ("", "http://127.0.0.1:9229"),
            ("localhost:9229", ""),
        ] {
            assert!(!is_other_name(host, base), "{host} {base}");
        }
    }
}
