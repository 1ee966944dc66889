//! What the server shows to the world: its configuration, its name, its certificate, its mail server.

use std::{net::IpAddr, time::Duration};

use domain::time::DAY;
use service::messages::Sender;

use super::finding::Finding;
use crate::{arguments::RunOptions, configuration::Configuration, mode::Mode, system};

/// How long before its end a certificate should be renewed, in milliseconds.
const RENEWAL: i64 = 21 * DAY;
/// How long the mail server may take.
const MAIL_PATIENCE: Duration = Duration::from_secs(15);

/// The configuration as a whole, which could be read.
pub fn configuration(configuration: &Configuration, options: &RunOptions) -> Finding {
    if let Err(error) = configuration.key_stock() {
        return Finding::of_error(&error, "Set keys.stock to a smaller number");
    }
    if let Err(error) = configuration.threat_protection.stolen_passwords() {
        return Finding::of_error(&error, "Correct threat_protection.stolen_passwords, or leave it out");
    }
    match &options.store.config {
        Some(path) => Finding::ok(&format!("{} is understood", path.display())),
        None => Finding::ok("no file: options, environment and what is usual"),
    }
}

/// Where clients reach the server.
pub fn base_url(configuration: &Configuration) -> Finding {
    let server = &configuration.server;
    let listens_everywhere = server.listen.ip().is_unspecified();
    let Some(url) = &server.base_url else {
        if !listens_everywhere && !server.listen.ip().is_loopback() {
            let found = format!("not set: tokens are issued in the name of {}", server.listen);
            return Finding::warning(&found, "Set server.base_url to the address that clients use");
        }
        let found = "not set: tokens are issued in the name of an address of this machine alone";
        return Finding::warning(
            found,
            "Set server.base_url to the address that clients use, unless this is for tests",
        );
    };
    let (scheme, host) = url.split_once("://").unwrap_or(("", url));
    let is_local = is_loopback(host);
    if is_local && listens_everywhere {
        let found = format!("{url} leads every client to itself, while the server listens on all addresses");
        return Finding::warning(&found, "Set server.base_url to the address that clients use");
    }
    if scheme == "http" && !is_local {
        let found = format!("{url} is in clear: passwords and tokens can be read on their way");
        return Finding::warning(&found, "Use https, with server.tls_certificate or a proxy that speaks TLS");
    }
    if scheme == "https" && server.tls_certificate.is_none() && server.trusted_proxies.is_empty() {
        let found = format!("{url} is https, but this server speaks HTTP in clear and trusts no proxy");
        let advice = "Set server.tls_certificate, or name the proxy in front in server.trusted_proxies, so that its \
                      clients are told apart";
        return Finding::warning(&found, advice);
    }
    Finding::ok(url)
}

/// Whether a host, perhaps with a port, is the machine that asks.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The certificate of the listener, where there is one.
pub fn certificate(configuration: &Configuration) -> Finding {
    if let Err(error) = configuration.server.listen_options() {
        return Finding::of_error(&error, "Correct server.tls_certificate and server.tls_key");
    }
    let Some(path) = &configuration.server.tls_certificate else { return Finding::ok("none") };
    let now = system::now();
    match web::tls::validity(path) {
        Err(error) => Finding::of_error(&error.into(), "Correct server.tls_certificate"),
        Ok(None) => Finding::ok(&format!("{} can be used; until when it does not say", path.display())),
        Ok(Some([begin, _])) if begin > now => {
            let found = format!("{} is not good yet", path.display());
            Finding::problem(&found, "Set the clock of this machine, or install another certificate")
        }
        Ok(Some([_, end])) => {
            let days = end.since(now) / DAY;
            let found = format!("{} is good for {days} more days", path.display());
            if end <= now {
                let found = format!("{} has expired", path.display());
                Finding::problem(&found, "Install a new certificate and start the server again")
            } else if end.since(now) < RENEWAL {
                Finding::warning(&found, "Renew it and start the server again")
            } else {
                Finding::ok(&found)
            }
        }
    }
}

/// The mail server, without sending anything.
pub async fn smtp(configuration: &Configuration) -> Finding {
    let sender = match configuration.email.sender(Mode::Serve).await {
        Ok(sender) => sender,
        Err(error) => return Finding::of_error(&error, "Correct [email]"),
    };
    let Sender::Smtp(sender) = sender else {
        return match sender {
            Sender::Other(_) => {
                Finding::skipped("mails do not go to a mail server", "See the servers' logs whether they are taken")
            }
            _ => Finding::skipped(
                "no mail server is configured: whatever needs a message is refused",
                "Set email.sender and [email.smtp] if users should get mails",
            ),
        };
    };
    match tokio::time::timeout(MAIL_PATIENCE, sender.greet()).await {
        Ok(Ok(())) => Finding::ok("the mail server takes the connection, its protection and who we are"),
        Ok(Err(reason)) => Finding::problem(&reason, "Check [email.smtp], and whether the mail server is there"),
        Err(_elapsed) => {
            let found = format!("the mail server did not answer within {} seconds", MAIL_PATIENCE.as_secs());
            Finding::problem(&found, "Check email.smtp.host and port, and what stands between")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{base_url, is_loopback};
    use crate::{configuration::Configuration, doctor::finding::Status};

    #[test]
    fn hosts_of_this_machine_are_known() {
        for own in ["localhost", "localhost:9229", "127.0.0.1:9229", "[::1]:9229", "a.localhost", "127.9.9.9"] {
            assert!(is_loopback(own), "{own}");
        }
        for other in ["auth.example.com", "10.0.0.1:80", "[2001:db8::1]", "localhost.example.com", ""] {
            assert!(!is_loopback(other), "{other}");
        }
    }

    #[test]
    fn names_that_lead_nowhere_are_warned_of() {
        let status = |text: &str| base_url(&Configuration::parse(&format!("[server]\n{text}")).unwrap()).status;
        assert_eq!(status(""), Status::Warning);
        assert_eq!(status("listen = \"10.0.0.1:9229\""), Status::Warning);
        assert_eq!(status("base_url = \"http://auth.example.com\""), Status::Warning);
        assert_eq!(status("base_url = \"https://auth.example.com\""), Status::Warning, "who speaks TLS?");
        let local = "base_url = \"http://127.0.0.1:9229\"";
        assert_eq!(status(local), Status::Ok);
        assert_eq!(status(&format!("{local}\nlisten = \"0.0.0.0:9229\"")), Status::Warning);
        let proxy = "base_url = \"https://auth.example.com\"\ntrusted_proxies = [\"10.0.0.0/8\"]";
        assert_eq!(status(proxy), Status::Ok);
    }
}
