//! A connection to a mail server: how it is opened, and how far one mail gets through it (RFC 5321, RFC 2920).
//!
//! lettre speaks the commands. What is said goes out in as few pieces as the server allows, each at once: a mail in two
//! small pieces would wait 40 ms for the server to acknowledge the first (Nagle's algorithm meets delayed
//! acknowledgements).

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::io::{AsyncRead as _, AsyncWrite as _};
#[expect(deprecated, reason = "lettre has no other way to begin with TLS on a socket whose options are set")]
use lettre::transport::smtp::client::AsyncNetworkStream;
use lettre::{
    address::Envelope,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters},
        commands::{Data, Ehlo, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
        response::Response,
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What a connection is opened with.
pub(super) struct Address {
    pub host: String,
    pub port: u16,
    pub protection: Protection,
    pub credentials: Option<Credentials>,
    pub hello: ClientId,
}

/// How a connection is protected.
pub(super) enum Protection {
    /// Not at all.
    None,
    /// From STARTTLS on.
    StartTls(TlsParameters),
    /// From the first byte on.
    Tls(TlsParameters),
}

/// What went wrong.
#[derive(Debug)]
pub(super) enum Problem {
    /// There is no connection.
    Unreachable(io::Error),
    /// What lettre says.
    Smtp(Error),
    /// The server cannot take this mail, and was not asked to.
    Lacks(&'static str),
    /// The connection ended after the whole mail was given and before there was an answer.
    Unanswered,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Smtp(error)
    }
}

/// Why a mail was not taken through a connection, and what that means for the connection.
pub(super) enum Refusal {
    /// The server does not want this mail.
    Unwanted {
        /// What it says.
        problem: Problem,
        /// Whether the connection can take the next one.
        is_usable: bool,
    },
    /// The connection is over, and the server has not got the mail: another connection may be tried.
    Over(Problem),
    /// The connection is over, and nobody knows whether the server has got the mail.
    Unclear,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unwanted { problem, .. } | Refusal::Over(problem) => problem,
            Refusal::Unclear => Self::Unanswered,
        }
    }
}

/// A connection that mails can be sent through, one after the other.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    /// Whether the server takes several commands at once (PIPELINING).
    pipelines: bool,
}

impl Connection {
    /// Connects, encrypts and says who we are.
    pub async fn open(address: &Address) -> Result<Self, Problem> {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(Problem::Unreachable)?;
        stream.set_nodelay(true).map_err(Problem::Unreachable)?;
        let stream: Box<dyn AsyncTokioStream> = match &address.protection {
            Protection::Tls(parameters) => Box::new(Encrypted::new(stream, parameters.clone()).await?),
            Protection::None | Protection::StartTls(_) => Box::new(stream),
        };
        let mut smtp = AsyncSmtpConnection::connect_with_transport(stream, &address.hello).await?;
        if let Protection::StartTls(parameters) = &address.protection {
            smtp.starttls(parameters.clone(), &address.hello).await?;
        }
        if let Some(credentials) = &address.credentials {
            smtp.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(Self { smtp, pipelines: false })
    }

    /// The same, and finds out whether mails may go in fewer pieces.
    pub async fn open_for_mails(address: &Address) -> Result<Self, Problem> {
        let mut connection = Self::open(address).await?;
        // lettre has read the answer to its own EHLO and does not say whether this was in it.
        match connection.smtp.command(Ehlo::new(address.hello.clone())).await {
            Ok(answer) => connection.pipelines = offers_pipelining(&answer),
            Err(error) if is_over(&error) => return Err(error.into()),
            Err(_) => {}
        }
        Ok(connection)
    }

    /// Whether the server is still there.
    pub async fn is_alive(&mut self) -> bool {
        self.smtp.test_connected().await
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        self.smtp.abort().await;
    }

    /// Sends a mail to everybody in the envelope, or to nobody.
    pub async fn send(&mut self, envelope: &Envelope, mail: &str) -> Result<(), Refusal> {
        let parameters =
            self.parameters(envelope, mail).map_err(|problem| Refusal::Unwanted { problem, is_usable: true })?;
        let sender = Mail::new(envelope.from().cloned(), parameters);
        let receivers = envelope.to().iter().map(|receiver| Rcpt::new(receiver.clone(), Vec::new()).to_string());
        let commands: Vec<String> =
            std::iter::once(sender.to_string()).chain(receivers).chain(std::iter::once(Data.to_string())).collect();
        let announced =
            if self.pipelines { self.announce_at_once(&commands).await } else { self.announce(&commands).await };
        if let Err(error) = announced {
            return Err(self.refused(error).await);
        }
        match self.smtp.command(content(mail)).await {
            Ok(_) => Ok(()),
            Err(error) if error.status().is_none() => Err(Refusal::Unclear),
            Err(error) => Err(self.refused(error).await),
        }
    }

    /// What the server has to be told of the mail, if it can take it.
    fn parameters(&self, envelope: &Envelope, mail: &str) -> Result<Vec<MailParameter>, Problem> {
        let server = self.smtp.server_info();
        let mut parameters = Vec::new();
        let mut addresses = envelope.from().into_iter().chain(envelope.to());
        if !addresses.all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
            if !server.supports_feature(Extension::SmtpUtfEight) {
                return Err(Problem::Lacks("addresses in other scripts (SMTPUTF8)"));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !mail.is_ascii() {
            if !server.supports_feature(Extension::EightBitMime) {
                return Err(Problem::Lacks("mails in other scripts (8BITMIME)"));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }

    async fn announce(&mut self, commands: &[String]) -> Result<(), Error> {
        for command in commands {
            self.smtp.command(command).await?;
        }
        Ok(())
    }

    /// Every command is answered, whatever came of the one before it.
    async fn announce_at_once(&mut self, commands: &[String]) -> Result<(), Error> {
        let mut answer = self.smtp.command(commands.concat()).await;
        let mut refusal = None;
        for _ in 1..commands.len() {
            match answer {
                Err(error) if error.status().is_none() => return Err(refusal.unwrap_or(error)),
                Err(error) => refusal = refusal.or(Some(error)),
                Ok(_) => {}
            }
            answer = self.smtp.read_response().await;
        }
        match (refusal, answer) {
            (None, answer) => answer.map(drop),
            (Some(refusal), Err(_)) => Err(refusal),
            (Some(refusal), Ok(_)) => {
                // It waits for a mail although nobody is to have it: an empty one goes to nobody (RFC 2920 §3.1).
                _ = self.smtp.command(".\r\n").await;
                Err(refusal)
            }
        }
    }

    /// What an answer to this mail means for the next one.
    async fn refused(&mut self, error: Error) -> Refusal {
        if is_over(&error) {
            return Refusal::Over(error.into());
        }
        let is_usable = self.smtp.command("RSET\r\n").await.is_ok();
        Refusal::Unwanted { problem: error.into(), is_usable }
    }
}

/// Whether the connection is of no use any more: it broke, or the server says that it leaves (421).
fn is_over(error: &Error) -> bool {
    error.status().is_none_or(|code| u16::from(code) == 421)
}

fn offers_pipelining(answer: &Response) -> bool {
    // The first line has the server's name.
    answer.message().skip(1).any(|line| line.trim().eq_ignore_ascii_case("PIPELINING"))
}

/// A mail as it follows DATA: no line of its own looks like its end.
fn content(mail: &str) -> String {
    let mut content = String::with_capacity(mail.len() + 16);
    if mail.starts_with('.') {
        content.push('.');
    }
    content.push_str(&mail.replace("\r\n.", "\r\n.."));
    content.push_str("\r\n.\r\n");
    content
}

/// A stream that lettre has encrypted, as one that it can be given.
#[derive(Debug)]
#[expect(deprecated, reason = "see the import")]
struct Encrypted {
    stream: AsyncNetworkStream,
    peer: SocketAddr,
}

impl Encrypted {
    #[expect(deprecated, reason = "see the import")]
    async fn new(stream: TcpStream, parameters: TlsParameters) -> Result<Self, Problem> {
        let peer = stream.peer_addr().map_err(Problem::Unreachable)?;
        let mut stream = AsyncNetworkStream::use_existing_tokio1(Box::new(stream));
        stream.upgrade_tls(parameters).await?;
        Ok(Self { stream, peer })
    }
}

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer.initialize_unfilled());
        read.map_ok(|bytes| buffer.advance(bytes))
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::content;

    #[test]
    fn no_line_of_a_mail_ends_it() {
        for (mail, expected) in [
            ("", "\r\n.\r\n"),
            ("a\r\n", "a\r\n\r\n.\r\n"),
            (".\r\n", "..\r\n\r\n.\r\n"),
            ("a\r\n.\r\n.b\r\n", "a\r\n..\r\n..b\r\n\r\n.\r\n"),
            ("a.\r\n..b", "a.\r\n...b\r\n.\r\n"),
        ] {
            assert_eq!(content(mail), expected, "{mail:?}");
        }
    }
}
