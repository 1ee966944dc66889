//! `[email]`: who takes mails.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use domain::Secret;
use serde::{Deserialize, Deserializer, de::Error};
use service::messages::{Encryption, MailBuilder, Sender, SmtpSender, SmtpSettings};

use super::{AwsSection, secret_file};
use crate::{
    mode::Mode,
    senders::{Lines, Place, SesMails},
};

/// `[email]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmailSection {
    /// Who takes mails.
    pub sender: Option<SenderChoice>,
    /// The sender of mails whose pool names none.
    pub from: Option<String>,
    /// Mails a second at most.
    pub messages_per_second: Option<u32>,
    /// Where lines of JSON go.
    pub file: Option<FileChoice>,
    /// How SES is reached.
    pub aws: Option<AwsSection>,
    /// The mail server.
    pub smtp: Option<SmtpSection>,
}

/// Who takes mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SenderChoice {
    /// The inbox of `dev`.
    Inbox,
    /// A mail server.
    Smtp,
    /// SES.
    Ses,
    /// Lines of JSON.
    File,
    /// Nobody.
    None,
}

/// A file, or `-` for standard output.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct FileChoice(PathBuf);

impl FileChoice {
    /// The path starts from where the configuration file is.
    pub fn resolve(&mut self, folder: &Path) {
        if self.0 != Path::new("-") {
            self.0 = folder.join(&self.0);
        }
    }

    /// # Errors
    /// When the folder is not there.
    pub fn place(&self) -> anyhow::Result<Place> {
        if self.0 == Path::new("-") {
            return Ok(Place::Output);
        }
        let folder = self.0.parent().unwrap_or(Path::new(""));
        let is_there = folder.as_os_str().is_empty() || folder.is_dir();
        anyhow::ensure!(is_there, "{} is no folder, so messages cannot be written into it: make it", folder.display());
        Ok(Place::File(self.0.clone()))
    }
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
    /// Paths in the file start from where the file is.
    pub fn resolve_paths(&mut self, folder: &Path) {
        let smtp = self.smtp.iter_mut().flat_map(|smtp| smtp.password_file.iter_mut().chain(&mut smtp.ca_file));
        smtp.for_each(|path| *path = folder.join(&*path));
        self.file.iter_mut().for_each(|file| file.resolve(folder));
        self.aws.iter_mut().for_each(|aws| aws.resolve_paths(folder));
    }

    /// Who takes mails in this mode: in `dev` the inbox unless another one is chosen, in `serve` nobody. Nobody is asked
    /// yet.
    ///
    /// # Errors
    /// When the choice cannot work.
    pub async fn sender(&self, mode: Mode) -> anyhow::Result<Sender> {
        let usual = if mode == Mode::Dev { SenderChoice::Inbox } else { SenderChoice::None };
        let choice = self.sender.unwrap_or(usual);
        self.has_only(choice)?;
        match (choice, mode) {
            (SenderChoice::Inbox, Mode::Dev) => Ok(Sender::Inbox),
            (SenderChoice::Inbox, Mode::Serve) => {
                bail!(
                    "email.sender = \"inbox\" works in dev only, nobody could read the messages here: choose \"smtp\""
                )
            }
            (SenderChoice::Smtp, _) => Ok(Sender::Smtp(self.smtp_sender()?)),
            (SenderChoice::Ses, _) => self.ses().await.context("[email]"),
            (SenderChoice::File, _) => {
                let place = self.file.as_ref().context("email.sender = \"file\" needs email.file")?.place()?;
                let from = self.from()?;
                MailBuilder::new(from).context("[email]")?;
                Ok(Sender::Other(Box::new(Lines::new(place, Some(from.to_owned())))))
            }
            (SenderChoice::None, _) => Ok(Sender::Nobody),
        }
    }

    /// Mails a second that the sender is given at most; 0 is no limit.
    pub fn rate(&self) -> u32 {
        self.messages_per_second.unwrap_or_default()
    }

    /// Refuses what would have no effect.
    fn has_only(&self, choice: SenderChoice) -> anyhow::Result<()> {
        let is_sent = !matches!(choice, SenderChoice::Inbox | SenderChoice::None);
        let given = [
            ("email.from", self.from.is_some(), is_sent),
            ("email.messages_per_second", self.messages_per_second.is_some(), is_sent),
            ("[email.smtp]", self.smtp.is_some(), choice == SenderChoice::Smtp),
            ("email.aws", self.aws.is_some(), choice == SenderChoice::Ses),
            ("email.file", self.file.is_some(), choice == SenderChoice::File),
        ];
        match given.iter().find(|(_, is_given, is_used)| *is_given && !is_used) {
            Some((key, ..)) => {
                bail!("{key} has no effect with this email.sender: choose the one that it is for, or leave it out")
            }
            None => Ok(()),
        }
    }

    fn from(&self) -> anyhow::Result<&str> {
        self.from.as_deref().context("email.from is missing: the address that mails come from whose pool names none")
    }

    async fn ses(&self) -> anyhow::Result<Sender> {
        let mails = MailBuilder::new(self.from()?)?;
        let aws = self.aws.clone().unwrap_or_default();
        let ses = aws::Connection::open(&aws.settings()?).await?.ses()?;
        Ok(Sender::Other(Box::new(SesMails::new(ses, mails, aws.region.is_some()))))
    }

    fn smtp_sender(&self) -> anyhow::Result<SmtpSender> {
        let Some(smtp) = &self.smtp else { bail!("email.sender = \"smtp\" needs a section [email.smtp] with a host") };
        let from = self.from()?;
        let password = match (&smtp.password, &smtp.password_file) {
            (Some(_), Some(_)) => bail!("email.smtp.password and email.smtp.password_file exclude each other"),
            (Some(password), None) => Some(password.clone()),
            (None, Some(path)) => Some(Secret::new(secret_file(path, "email.smtp.password_file")?)),
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
            from: from.to_owned(),
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

    async fn sender(text: &str, mode: Mode) -> Result<&'static str, String> {
        match Configuration::parse(text).unwrap().email.sender(mode).await {
            Ok(Sender::Inbox) => Ok("inbox"),
            Ok(Sender::Smtp(_)) => Ok("smtp"),
            Ok(Sender::Other(_)) => Ok("other"),
            Ok(Sender::Nobody) => Ok("nobody"),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    #[tokio::test]
    async fn mails_go_where_somebody_reads_them() {
        let smtp = "[email]\nsender = \"smtp\"\nfrom = \"a@example.com\"\n[email.smtp]\nhost = \"localhost\"\n";
        let ses = "[email]\nsender = \"ses\"\nfrom = \"a@example.com\"\naws = { region = \"eu-west-1\" }\n";
        let file = "[email]\nsender = \"file\"\nfrom = \"a@example.com\"\nfile = \"-\"\nmessages_per_second = 5\n";
        for (text, mode, expected) in [
            ("", Mode::Dev, "inbox"),
            ("", Mode::Serve, "nobody"),
            ("[email]\nsender = \"none\"", Mode::Dev, "nobody"),
            (smtp, Mode::Serve, "smtp"),
            (ses, Mode::Serve, "other"),
            (file, Mode::Dev, "other"),
        ] {
            assert_eq!(sender(text, mode).await.unwrap(), expected, "{text}");
        }
        for (text, mode, part) in [
            ("[email]\nsender = \"inbox\"".to_owned(), Mode::Serve, "dev only"),
            ("[email]\nfrom = \"a@example.com\"".to_owned(), Mode::Dev, "email.from has no effect"),
            ("[email]\nmessages_per_second = 1".to_owned(), Mode::Dev, "email.messages_per_second has no effect"),
            ("[email]\nsender = \"smtp\"\nfrom = \"a@b.c\"".to_owned(), Mode::Dev, "[email.smtp]"),
            (smtp.replace("from", "#"), Mode::Dev, "email.from is missing"),
            (format!("{smtp}username = \"u\"\npassword = \"p\"\npassword_file = \"f\"\n"), Mode::Dev, "exclude"),
            (format!("{smtp}username = \"u\"\npassword_file = \"/no/such/file\"\n"), Mode::Dev, "/no/such/file"),
            (ses.replace("from", "#"), Mode::Serve, "email.from is missing"),
            (ses.replace("a@example.com", "nobody"), Mode::Serve, "not a mail address"),
            (ses.replace("eu-west-1", "Ireland"), Mode::Serve, "Ireland"),
            (ses.replace("ses", "file"), Mode::Serve, "email.aws has no effect"),
            (file.replace("file =", "#"), Mode::Serve, "needs email.file"),
            (file.replace("\"-\"", "\"/no/such/folder/m.jsonl\""), Mode::Serve, "/no/such/folder is no folder"),
            (file.replace("\"file\"", "\"ses\""), Mode::Serve, "email.file has no effect"),
        ] {
            let error = sender(&text, mode).await.unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_rate_is_what_is_set() {
        let rate = |text: &str| Configuration::parse(text).unwrap().email.rate();
        assert_eq!((rate(""), rate("[email]\nmessages_per_second = 14")), (0, 14));
    }

    #[test]
    fn the_password_is_not_printed() {
        let text = "[email.smtp]\nhost = \"h\"\npassword = \"hunter2\"\n";
        assert!(!format!("{:?}", Configuration::parse(text).unwrap()).contains("hunter2"));
        let (line, reason) = Configuration::parse("[email.smtp]\nhost = \"h\"\npassword = 424242\n").unwrap_err();
        assert!(line == 3 && reason.contains("in quotes") && !reason.contains("424242"), "{line} {reason}");
    }
}
