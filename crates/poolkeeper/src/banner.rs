//! The first words on standard output. Scripts read the address from the first line.

use std::{io::Write, net::SocketAddr};

use crate::mode::Mode;

/// `http://` and an address that can be connected to: the unspecified address is written as the local one.
pub fn address(bound: SocketAddr, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    let mut address = bound;
    if bound.ip().is_unspecified() {
        address.set_ip(if bound.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    format!("{scheme}://{address}")
}

/// Prints where the server is and, in `dev`, what to type next. That nobody reads it is no reason to stop.
pub fn print(mode: Mode, address: &str, base_url: &str, data: &str, region: &str) {
    let mut text = format!("Poolkeeper {} ({}) listening on {address}\n", env!("CARGO_PKG_VERSION"), mode.name());
    if mode == Mode::Dev {
        text.push_str(&format!(
            "\n  Inbox   {base_url}/_poolkeeper/inbox\n  Data    {data}\n\n\
             Any AWS credentials are accepted. Make your first user pool:\n\n  \
             aws cognito-idp create-user-pool --pool-name demo --endpoint-url {base_url} --region {region} \
             --no-sign-request\n\n"
        ));
    }
    let mut out = std::io::stdout().lock();
    _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints what was made before the first request, after the rest.
pub fn add(lines: &[String]) {
    if !lines.is_empty() {
        let mut out = std::io::stdout().lock();
        _ = out.write_all(format!("{}\n\n", lines.join("\n")).as_bytes()).and_then(|()| out.flush());
    }
}
