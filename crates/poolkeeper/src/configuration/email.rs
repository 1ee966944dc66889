//! `[email]`: who takes messages.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use domain::Secret;
use serde::{Deserialize, Deserializer, de::Error};
use service::messages::{Encryption, Sender, SmtpSender, SmtpSettings};

use crate::mode::Mode;

/// `[email]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmailSection {
    /// Who takes messages.
    pub sender: Option<SenderChoice>,
    /// The sender of mails whose pool names none.
    pub from: Option<String>,
    /// The mail server.
    pub smtp: Option<SmtpSection>,
}

/// Who takes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SenderChoice {
    /// The inbox of `dev`.
    Inbox,
    /// A mail server.
    Smtp,
    /// Nobody.
    None,
}

/// `[email.smtp]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSection {
    /// Name or address.
    pub host: String,
    /// Port; by default the usual one of the encryption.
    pub port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub encryption: EncryptionChoice,
    /// Who we are to the server.
    pub username: Option<String>,
    /// The password that belongs to the username.
    #[serde(default, deserialize_with = "secret")]
    pub password: Option<Secret<String>>,
    /// A file with that password.
    pub password_file: Option<PathBuf>,
    /// Certificates that are trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncryptionChoice {
    /// Not at all.
    None,
    /// By STARTTLS.
    #[default]
    StartTls,
    /// From the first byte on.
    Tls,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    // The usual words would repeat a password that is written as a number.
    let text =
        String::deserialize(deserializer).map_err(|_error| D::Error::custom("a password is a text in quotes"))?;
    Ok(Some(Secret::new(text)))
}

impl EmailSection {
    /// Who takes messages in this mode: in `dev` the inbox unless another one is chosen, in `serve` nobody.
    ///
    /// # Errors
    /// When the choice cannot work.
    pub fn sender(&self, mode: Mode) -> anyhow::Result<Sender> {
        let usual = if mode == Mode::Dev { SenderChoice::Inbox } else { SenderChoice::None };
        let choice = self.sender.unwrap_or(usual);
        if choice != SenderChoice::Smtp && (self.smtp.is_some() || self.from.is_some()) {
            bail!(
                "email.from and [email.smtp] have no effect without email.sender = \"smtp\": add it, or leave them out"
            );
        }
        match (choice, mode) {
            (SenderChoice::Inbox, Mode::Dev) => Ok(Sender::Inbox),
            (SenderChoice::Inbox, Mode::Serve) => {
                bail!(
                    "email.sender = \"inbox\" works in dev only, nobody could read the messages here: choose \"smtp\""
                )
            }
            (SenderChoice::Smtp, _) => Ok(Sender::Smtp(self.smtp_sender()?)),
            (SenderChoice::None, _) => Ok(Sender::Nobody),
        }
    }

    fn smtp_sender(&self) -> anyhow::Result<SmtpSender> {
        let Some(smtp) = &self.smtp else { bail!("email.sender = \"smtp\" needs a section [email.smtp] with a host") };
        let Some(from) = &self.from else { bail!("email.sender = \"smtp\" needs email.from, the sender's address") };
        let password = match (&smtp.password, &smtp.password_file) {
            (Some(_), Some(_)) => bail!("email.smtp.password and email.smtp.password_file exclude each other"),
            (Some(password), None) => Some(password.clone()),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read email.smtp.password_file {}", path.display()))?;
                Some(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
            (None, None) => None,
        };
        let (encryption, usual_port) = match smtp.encryption {
            EncryptionChoice::None => (Encryption::None, 25),
            EncryptionChoice::StartTls => (Encryption::StartTls, 587),
            EncryptionChoice::Tls => (Encryption::Tls, 465),
        };
        let settings = SmtpSettings {
            host: smtp.host.clone(),
            port: smtp.port.unwrap_or(usual_port),
            encryption,
            username: smtp.username.clone(),
            password,
            from: from.clone(),
            ca_file: smtp.ca_file.clone(),
            timeout: Duration::from_secs(30),
        };
        SmtpSender::new(&settings).context("[email]")
    }
}

#[cfg(test)]
mod tests {
    use service::messages::Sender;

    use crate::{configuration::Configuration, mode::Mode};

    fn sender(text: &str, mode: Mode) -> Result<&'static str, String> {
        match Configuration::parse(text).unwrap().email.sender(mode) {
            Ok(Sender::Inbox) => Ok("inbox"),
            Ok(Sender::Smtp(_)) => Ok("smtp"),
            Ok(Sender::Nobody) => Ok("nobody"),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    #[tokio::test]
    async fn messages_go_where_somebody_reads_them() {
        assert_eq!(sender("", Mode::Dev).unwrap(), "inbox");
        assert_eq!(sender("", Mode::Serve).unwrap(), "nobody");
        assert_eq!(sender("[email]\nsender = \"none\"", Mode::Dev).unwrap(), "nobody");
        assert!(sender("[email]\nsender = \"inbox\"", Mode::Serve).unwrap_err().contains("dev only"));
        assert!(sender("[email]\nfrom = \"a@example.com\"", Mode::Dev).unwrap_err().contains("no effect"));
        let smtp = "[email]\nsender = \"smtp\"\nfrom = \"a@example.com\"\n[email.smtp]\nhost = \"localhost\"\n";
        assert_eq!(sender(smtp, Mode::Serve).unwrap(), "smtp");
        assert!(
            sender("[email]\nsender = \"smtp\"\nfrom = \"a@b.c\"", Mode::Dev).unwrap_err().contains("[email.smtp]")
        );
        assert!(sender(&smtp.replace("from", "#"), Mode::Dev).unwrap_err().contains("email.from"));
        let both = format!("{smtp}username = \"u\"\npassword = \"p\"\npassword_file = \"f\"\n");
        assert!(sender(&both, Mode::Dev).unwrap_err().contains("exclude"));
        let missing = format!("{smtp}username = \"u\"\npassword_file = \"/no/such/file\"\n");
        assert!(sender(&missing, Mode::Dev).unwrap_err().contains("/no/such/file"));
    }

    #[test]
    fn the_password_is_not_printed() {
        let text = "[email.smtp]\nhost = \"h\"\npassword = \"hunter2\"\n";
        assert!(!format!("{:?}", Configuration::parse(text).unwrap()).contains("hunter2"));
        let (line, reason) = Configuration::parse("[email.smtp]\nhost = \"h\"\npassword = 424242\n").unwrap_err();
        assert!(line == 3 && reason.contains("in quotes") && !reason.contains("424242"), "{line} {reason}");
    }
}
