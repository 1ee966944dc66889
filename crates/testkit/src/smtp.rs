//! The sender of mails to a server of the test's own.

use std::time::Duration;

use service::messages::{Encryption, Sender, SmtpSender, SmtpSettings};

/// Hands mails to whatever listens on this port of this machine, without encryption. The server has so long to answer.
#[must_use]
pub fn smtp(port: u16, timeout: Duration) -> Sender {
    let settings = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port,
        encryption: Encryption::None,
        username: None,
        password: None,
        from: "no-reply@mail.example".to_owned(),
        ca_file: None,
        timeout,
    };
    Sender::Smtp(SmtpSender::new(&settings).expect("settings that make sense"))
}
