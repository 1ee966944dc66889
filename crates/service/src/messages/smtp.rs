//! The mail server that takes mails: its settings, and the connections to it that are kept from mail to mail.
//!
//! Of what a mail comes to, only two things are beyond us. When a connection ends after the whole mail was given and
//! before the server has answered, nobody knows whether it has the mail, so that the next try may be a second copy
//! (RFC 5321 §4.5.4.1, RFC 1047). And so may the one after a server that took longer to answer than a try may. A
//! connection that ends any earlier costs nothing: the same try goes on with a new one.

mod connection;
#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::Secret;
use lettre::{
    address::Envelope,
    transport::smtp::{
        Error,
        authentication::Credentials,
        client::{Certificate, CertificateStore, TlsParameters},
        extension::ClientId,
    },
};
use tokio::time::Instant;

use self::connection::{Address, Connection, Problem, Protection, Refusal};
use super::{
    Failure, MailBuilder, Outgoing, Transport,
    mail::SenderAddressError,
    transport::{LONGEST_TRY, Sending},
};

/// How long a connection is kept for the next mail.
const IDLE: Duration = Duration::from_secs(5);
/// From when on a connection that nobody has used is asked whether it still stands.
const FRESH: Duration = Duration::from_secs(1);
/// Mails through one connection: many servers want no more than a hundred.
const MOST_MAILS: u32 = 50;
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// How to reach the mail server.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Name or address; the certificate must be for it.
    pub host: String,
    /// Port: usually 587 with STARTTLS, 465 with TLS.
    pub port: u16,
    /// How the connection is protected.
    pub encryption: Encryption,
    /// Who we are to the server; none sends without authentication.
    pub username: Option<String>,
    /// The password that belongs to the username.
    pub password: Option<Secret<String>>,
    /// `addr` or `Name <addr>`: the sender of mails whose pool names none.
    pub from: String,
    /// Certificates (PEM) that are trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// The longest that one try may take; at most 45 seconds.
    pub timeout: Duration,
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all: for servers on the same machine.
    None,
    /// By STARTTLS; a server that does not offer it gets nothing.
    StartTls,
    /// From the first byte on.
    Tls,
}

/// What is wrong with the settings, in a sentence for whoever wrote them.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// `from` is no address.
    #[error(transparent)]
    From(#[from] SenderAddressError),
    /// Only one of username and password is there.
    #[error("username and password of the mail server belong together: set both or neither")]
    HalfCredentials,
    /// A file of certificates without encryption would be ignored.
    #[error("a ca_file has no effect without encryption: set encryption to starttls or tls, or leave it out")]
    UselessCertificates,
    /// The file of certificates cannot be read.
    #[error("the certificates in {path} cannot be read: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The file holds no certificates.
    #[error("{0} holds no certificates in PEM form")]
    NoCertificates(PathBuf),
    /// Encryption cannot be set up.
    #[error("TLS to the mail server cannot be set up: {0}")]
    Tls(Error),
}

/// Hands mails to one mail server, over connections that several mails share.
pub struct SmtpSender(Arc<Server>);

struct Server {
    address: Address,
    mails: MailBuilder,
    timeout: Duration,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that waits for the next mail.
struct Idle {
    connection: Connection,
    mails: u32,
    since: Instant,
}

impl SmtpSender {
    /// A sender with these settings; connects when there is something to send.
    ///
    /// # Errors
    /// See [`SmtpError`].
    pub fn new(settings: &SmtpSettings) -> Result<Self, SmtpError> {
        let mails = MailBuilder::new(&settings.from)?;
        let protection = protection(settings)?;
        let credentials = match (&settings.username, &settings.password) {
            (Some(username), Some(password)) => Some(Credentials::new(username.clone(), password.reveal().clone())),
            (None, None) => None,
            _ => return Err(SmtpError::HalfCredentials),
        };
        let (host, port, hello) = (settings.host.clone(), settings.port, ClientId::default());
        Ok(Self(Arc::new(Server {
            address: Address { host, port, protection, credentials, hello },
            mails,
            timeout: settings.timeout.min(LONGEST_TRY),
            idle: Mutex::default(),
        })))
    }

    /// Connects, encrypts and says who we are, as for a mail, and sends none.
    ///
    /// # Errors
    /// What stands in the way, in words for the operator.
    pub async fn greet(&self) -> Result<(), String> {
        let greeting = async {
            let mut connection = Connection::open(&self.0.address).await?;
            let is_alive = connection.is_alive().await;
            connection.close().await;
            Ok::<bool, Problem>(is_alive)
        };
        match tokio::time::timeout(self.0.timeout, greeting).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the mail server took the greeting and nothing else".to_owned()),
            Ok(Err(problem)) => Err(judge(&problem).reason),
            Err(_) => Err("the mail server did not answer in time".to_owned()),
        }
    }

    async fn hand_over(&self, outgoing: Outgoing<'_>) -> Result<(), Failure> {
        let mail = self.0.mails.mail(outgoing)?;
        let text = String::from_utf8_lossy(&mail.formatted()).into_owned();
        match tokio::time::timeout(self.0.timeout, self.0.send(mail.envelope(), &text)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure { is_permanent: false, reason: "the mail server did not answer in time".to_owned() }),
        }
    }
}

impl Transport for SmtpSender {
    fn send<'a>(&'a self, outgoing: Outgoing<'a>) -> Sending<'a> {
        Box::pin(self.hand_over(outgoing))
    }

    fn rest(&self) {
        let old: Vec<Idle> = self.0.idle().extract_if(.., |idle| idle.since.elapsed() >= IDLE).collect();
        if !old.is_empty() {
            leave(old);
        }
    }
}

impl Server {
    /// Sends a mail.
    async fn send(&self, envelope: &Envelope, mail: &str) -> Result<(), Failure> {
        if let Some(idle) = self.kept().await {
            match self.send_through(idle, envelope, mail).await {
                // The server wants no more through this connection, or had closed it.
                Err(Refusal::Over(_)) => {}
                outcome => return outcome.map_err(|refusal| judge(&refusal.into())),
            }
        }
        let opened = Connection::open_for_mails(&self.address).await;
        // Whatever the server said, it was not about the mail, of which it knows nothing yet (554 as a greeting).
        let connection = opened.map_err(|problem| Failure { is_permanent: false, ..judge(&problem) })?;
        let new = Idle { connection, mails: 0, since: Instant::now() };
        self.send_through(new, envelope, mail).await.map_err(|refusal| judge(&refusal.into()))
    }

    /// Sends a mail, and keeps the connection for the next one if it can take one.
    async fn send_through(&self, mut idle: Idle, envelope: &Envelope, mail: &str) -> Result<(), Refusal> {
        let outcome = idle.connection.send(envelope, mail).await;
        idle.mails += 1;
        idle.since = Instant::now();
        if matches!(outcome, Ok(()) | Err(Refusal::Unwanted { is_usable: true, .. })) {
            if idle.mails < MOST_MAILS {
                self.idle().push(idle);
            } else {
                leave(vec![idle]);
            }
        }
        outcome
    }

    /// A connection that still stands.
    async fn kept(&self) -> Option<Idle> {
        loop {
            let mut idle = self.idle().pop()?;
            let age = idle.since.elapsed();
            if age < FRESH || (age < IDLE && idle.connection.is_alive().await) {
                return Some(idle);
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says goodbye on these connections, while nobody waits for it.
fn leave(connections: Vec<Idle>) {
    tokio::spawn(async move {
        for idle in connections {
            // A server that does not answer has been left all the same.
            _ = tokio::time::timeout(GOODBYE, idle.connection.close()).await;
        }
    });
}

fn protection(settings: &SmtpSettings) -> Result<Protection, SmtpError> {
    if settings.encryption == Encryption::None {
        return if settings.ca_file.is_some() { Err(SmtpError::UselessCertificates) } else { Ok(Protection::None) };
    }
    let mut parameters = TlsParameters::builder(settings.host.clone());
    if let Some(path) = &settings.ca_file {
        let pem = std::fs::read(path).map_err(|cause| SmtpError::Unreadable { path: path.clone(), cause })?;
        if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
            return Err(SmtpError::NoCertificates(path.clone()));
        }
        let certificates = Certificate::from_pem(&pem).map_err(|_| SmtpError::NoCertificates(path.clone()))?;
        parameters = parameters.certificate_store(CertificateStore::None).add_root_certificate(certificates);
    }
    let parameters = parameters.build().map_err(SmtpError::Tls)?;
    let is_from_the_start = settings.encryption == Encryption::Tls;
    Ok(if is_from_the_start { Protection::Tls(parameters) } else { Protection::StartTls(parameters) })
}

/// Only answers about the message itself are final. Codes 500 to 504 and 53x complain about how we talk or who we
/// are: settings that an operator can mend while the message waits.
fn judge(problem: &Problem) -> Failure {
    let passing = |reason: String| Failure { is_permanent: false, reason };
    let error = match problem {
        Problem::Smtp(error) => error,
        Problem::Unreachable(cause) => return passing(format!("no connection to the mail server: {cause}")),
        Problem::Lacks(what) => return passing(format!("the mail server lacks something: it does not take {what}")),
        Problem::Unanswered => {
            let what = "the connection to the mail server ended before it said whether it has the mail";
            return passing(what.to_owned());
        }
    };
    if let Some(code) = error.status() {
        let code = u16::from(code);
        let is_permanent = error.is_permanent() && !matches!(code, 500..=504 | 530..=539);
        let advice = if matches!(code, 530..=539) { "; check username, password and encryption" } else { "" };
        return Failure { is_permanent, reason: format!("the mail server answered {code}{advice}") };
    }
    passing(match error {
        error if error.is_timeout() => "the mail server did not answer in time".to_owned(),
        error if error.is_tls() => format!("no encrypted connection to the mail server: {}", root_cause(error)),
        error if error.is_response() => "the mail server's answer makes no sense".to_owned(),
        error if error.is_client() => format!("the mail server lacks something: {}", root_cause(error)),
        error => format!("no connection to the mail server: {}", root_cause(error)),
    })
}

fn root_cause(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
