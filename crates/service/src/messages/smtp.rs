//! The mail server that takes mails.

use std::{path::PathBuf, time::Duration};

use domain::{Message, Secret, message::MessageContent};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
    },
};

use super::mail;

/// The longest that one try may take, in seconds: less than the lease, so that nobody else takes the message
/// meanwhile.
const LONGEST_TRY: Duration = Duration::from_secs(45);

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
    #[error("the sender {0:?} is not a mail address: write `address` or `Name <address>`")]
    From(String),
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
    Tls(lettre::transport::smtp::Error),
}

/// Hands mails to one mail server.
pub struct SmtpSender {
    // Boxed, so that `Sender` is small where there is no mail server.
    transport: Box<AsyncSmtpTransport<Tokio1Executor>>,
    from: Mailbox,
    timeout: Duration,
}

/// Why a try failed. The text is for the operator and holds nothing of the message: servers like to repeat addresses
/// in their answers, so only their codes are kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether trying again is useless.
    pub is_permanent: bool,
    /// What happened.
    pub reason: String,
}

impl SmtpSender {
    /// A sender; connects only when there is something to send. Reads the file of certificates.
    ///
    /// # Errors
    /// When the settings contradict themselves or a file cannot be used.
    pub fn new(settings: &SmtpSettings) -> Result<Self, SmtpError> {
        let from = mail::parse(&settings.from).ok_or_else(|| SmtpError::From(settings.from.clone()))?;
        let timeout = settings.timeout.min(LONGEST_TRY);
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.host.as_str())
            .port(settings.port)
            .timeout(Some(timeout))
            .tls(tls(settings)?);
        match (&settings.username, &settings.password) {
            (Some(username), Some(password)) => {
                builder = builder.credentials(Credentials::new(username.clone(), password.reveal().clone()));
            }
            (None, None) => {}
            _ => return Err(SmtpError::HalfCredentials),
        }
        Ok(Self { transport: Box::new(builder.build()), from, timeout })
    }

    /// Connects, encrypts and says who we are, as for a mail, and sends none.
    ///
    /// # Errors
    /// What stands in the way, in words for the operator.
    pub async fn greet(&self) -> Result<(), String> {
        match tokio::time::timeout(self.timeout, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the mail server took the greeting and nothing else".to_owned()),
            Ok(Err(error)) => Err(judge(&error).reason),
            Err(_) => Err("the mail server did not answer in time".to_owned()),
        }
    }

    /// Hands a mail over. When this answers `Ok`, the server has taken responsibility for it.
    pub(super) async fn send(&self, message: &Message, content: &MessageContent) -> Result<(), Failure> {
        let mail = mail::build(&message.id, message.created_at, content, &self.from)
            .map_err(|error| Failure { is_permanent: true, reason: error.to_string() })?;
        match tokio::time::timeout(self.timeout, self.transport.send(mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(judge(&error)),
            Err(_) => Err(Failure { is_permanent: false, reason: "the mail server did not answer in time".to_owned() }),
        }
    }
}

fn tls(settings: &SmtpSettings) -> Result<Tls, SmtpError> {
    if settings.encryption == Encryption::None {
        return if settings.ca_file.is_some() { Err(SmtpError::UselessCertificates) } else { Ok(Tls::None) };
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
    Ok(if settings.encryption == Encryption::Tls { Tls::Wrapper(parameters) } else { Tls::Required(parameters) })
}

/// Only answers about the message itself are final. Codes 500 to 504 and 53x complain about how we talk or who we
/// are: settings that an operator can mend while the message waits.
fn judge(error: &lettre::transport::smtp::Error) -> Failure {
    if let Some(code) = error.status() {
        let code = u16::from(code);
        let is_permanent = error.is_permanent() && !matches!(code, 500..=504 | 530..=539);
        let advice = if matches!(code, 530..=539) { "; check username, password and encryption" } else { "" };
        return Failure { is_permanent, reason: format!("the mail server answered {code}{advice}") };
    }
    let what = match error {
        error if error.is_timeout() => "the mail server did not answer in time".to_owned(),
        error if error.is_tls() => format!("no encrypted connection to the mail server: {}", root_cause(error)),
        error if error.is_response() => "the mail server's answer makes no sense".to_owned(),
        error if error.is_client() => format!("the mail server lacks something: {}", root_cause(error)),
        error => format!("no connection to the mail server: {}", root_cause(error)),
    };
    Failure { is_permanent: false, reason: what }
}

fn root_cause(error: &lettre::transport::smtp::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::Secret;

    use super::{Encryption, SmtpSender, SmtpSettings};

    fn settings() -> SmtpSettings {
        SmtpSettings {
            host: "mail.example".to_owned(),
            port: 587,
            encryption: Encryption::StartTls,
            username: Some("poolkeeper".to_owned()),
            password: Some(Secret::new("hunter2".to_owned())),
            from: "Poolkeeper <no-reply@mail.example>".to_owned(),
            ca_file: None,
            timeout: Duration::from_secs(10),
        }
    }

    fn refusal(settings: &SmtpSettings) -> String {
        SmtpSender::new(settings).err().unwrap().to_string()
    }

    #[test]
    fn settings_that_make_sense_are_taken() {
        for encryption in [Encryption::None, Encryption::StartTls, Encryption::Tls] {
            assert!(SmtpSender::new(&SmtpSettings { encryption, ..settings() }).is_ok());
        }
    }

    #[test]
    fn contradicting_settings_are_refused_with_advice() {
        let file = std::env::temp_dir().join("poolkeeper-no-such-file.pem");
        insta::assert_snapshot!(refusal(&SmtpSettings { from: "nobody".to_owned(), ..settings() }),
            @"the sender \"nobody\" is not a mail address: write `address` or `Name <address>`");
        insta::assert_snapshot!(refusal(&SmtpSettings { password: None, ..settings() }),
            @"username and password of the mail server belong together: set both or neither");
        let useless = SmtpSettings { encryption: Encryption::None, ca_file: Some(file.clone()), ..settings() };
        insta::assert_snapshot!(refusal(&useless),
            @"a ca_file has no effect without encryption: set encryption to starttls or tls, or leave it out");
        assert!(refusal(&SmtpSettings { ca_file: Some(file), ..settings() }).contains("cannot be read: No such file"));
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into();
        assert!(refusal(&SmtpSettings { ca_file: Some(manifest), ..settings() }).contains("holds no certificates"));
    }

    #[test]
    fn the_password_is_never_printed() {
        assert!(!format!("{:?}", settings()).contains("hunter2"));
    }
}
