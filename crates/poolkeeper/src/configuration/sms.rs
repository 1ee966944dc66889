//! `[sms]`: who takes text messages.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use domain::Secret;
use serde::Deserialize;
use service::messages::Sender;

use super::{
    AwsSection,
    email::FileChoice,
    functions::{address, is_long_enough},
    secret_file,
};
use crate::{
    mode::Mode,
    senders::{Lines, SnsTexts, WebhookTexts},
};

/// Where the webhook's secret is when no file is named.
const SECRET: &str = "POOLKEEPER_SMS_SECRET";
/// Longest sender that phones show, in letters and digits.
const LONGEST_SENDER_ID: usize = 11;

/// `[sms]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmsSection {
    /// Who takes text messages.
    pub sender: Option<SmsSenderChoice>,
    /// Text messages a second at most.
    pub messages_per_second: Option<u32>,
    /// Where the webhook is.
    pub url: Option<String>,
    /// A file with what its requests are signed with.
    pub secret_file: Option<PathBuf>,
    /// Certificates that are trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// What phones show as the sender.
    pub sender_id: Option<String>,
    /// How SNS is reached.
    pub aws: Option<AwsSection>,
    /// Where lines of JSON go.
    pub file: Option<FileChoice>,
}

/// Who takes text messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmsSenderChoice {
    /// The inbox of `dev`.
    Inbox,
    /// SNS.
    Sns,
    /// A webhook.
    Webhook,
    /// Lines of JSON.
    File,
    /// Nobody.
    None,
}

impl SmsSection {
    /// Paths in the file start from where the file is.
    pub fn resolve_paths(&mut self, folder: &Path) {
        self.secret_file.iter_mut().chain(&mut self.ca_file).for_each(|path| *path = folder.join(&*path));
        self.file.iter_mut().for_each(|file| file.resolve(folder));
        self.aws.iter_mut().for_each(|aws| aws.resolve_paths(folder));
    }

    /// Who takes text messages in this mode: in `dev` the inbox unless another one is chosen, in `serve` nobody. Nobody
    /// is asked yet.
    ///
    /// # Errors
    /// When the choice cannot work.
    pub async fn sender(&self, mode: Mode) -> anyhow::Result<Sender> {
        let usual = if mode == Mode::Dev { SmsSenderChoice::Inbox } else { SmsSenderChoice::None };
        self.of(self.sender.unwrap_or(usual), mode).await.context("[sms]")
    }

    /// Text messages a second that the sender is given at most; 0 is no limit.
    pub fn rate(&self) -> u32 {
        self.messages_per_second.unwrap_or_default()
    }

    async fn of(&self, choice: SmsSenderChoice, mode: Mode) -> anyhow::Result<Sender> {
        self.has_only(choice)?;
        Ok(match choice {
            SmsSenderChoice::Inbox if mode == Mode::Dev => Sender::Inbox,
            SmsSenderChoice::Inbox => {
                bail!("sender = \"inbox\" works in dev only, nobody could read the messages here: choose another one")
            }
            SmsSenderChoice::Sns => {
                let aws = self.aws.clone().unwrap_or_default();
                let sns = aws::Connection::open(&aws.settings()?).await?.sns()?;
                Sender::Other(Box::new(SnsTexts::new(sns, self.sender_id()?, aws.region.is_some())))
            }
            SmsSenderChoice::Webhook => {
                let url = address(self.url.as_deref().context("sender = \"webhook\" needs url")?)?;
                let webhook = functions::Webhook::new(url, Some(self.secret()?), self.ca_file.clone())?;
                Sender::Other(Box::new(WebhookTexts::new(webhook)))
            }
            SmsSenderChoice::File => {
                let place = self.file.as_ref().context("sender = \"file\" needs file")?.place()?;
                Sender::Other(Box::new(Lines::new(place, None)))
            }
            SmsSenderChoice::None => Sender::Nobody,
        })
    }

    /// Refuses what would have no effect.
    fn has_only(&self, choice: SmsSenderChoice) -> anyhow::Result<()> {
        let is_webhook = choice == SmsSenderChoice::Webhook;
        let is_sns = choice == SmsSenderChoice::Sns;
        let is_sent = !matches!(choice, SmsSenderChoice::Inbox | SmsSenderChoice::None);
        let given = [
            ("messages_per_second", self.messages_per_second.is_some(), is_sent),
            ("url", self.url.is_some(), is_webhook),
            ("secret_file", self.secret_file.is_some(), is_webhook),
            ("ca_file", self.ca_file.is_some(), is_webhook),
            ("sender_id", self.sender_id.is_some(), is_sns),
            ("aws", self.aws.is_some(), is_sns),
            ("file", self.file.is_some(), choice == SmsSenderChoice::File),
        ];
        match given.iter().find(|(_, is_given, is_used)| *is_given && !is_used) {
            Some((key, ..)) => {
                bail!("{key} has no effect with this sender: choose the one that it is for, or leave it out")
            }
            None => Ok(()),
        }
    }

    fn secret(&self) -> anyhow::Result<Secret<String>> {
        let text = match &self.secret_file {
            Some(path) => secret_file(path, "secret_file")?,
            None => std::env::var(SECRET).ok().with_context(|| {
                format!("sender = \"webhook\" needs secret_file or {SECRET}, which its requests are signed with")
            })?,
        };
        let secret = Secret::new(text);
        is_long_enough(&secret)?;
        Ok(secret)
    }

    fn sender_id(&self) -> anyhow::Result<Option<String>> {
        let is_shown = |id: &str| {
            (1..=LONGEST_SENDER_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if let Some(id) = &self.sender_id {
            ensure!(is_shown(id), "sender_id must have 1 to {LONGEST_SENDER_ID} letters and digits");
        }
        Ok(self.sender_id.clone())
    }
}

#[cfg(test)]
mod tests {
    use service::messages::Sender;

    use crate::{configuration::Configuration, mode::Mode};

    /// Who takes text messages, with this text in the file of the secret.
    async fn sender(text: &str, mode: Mode, secret: &str) -> Result<&'static str, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sms.secret"), secret).unwrap();
        let mut configuration = Configuration::parse(text).unwrap();
        configuration.sms.resolve_paths(folder.path());
        match configuration.sms.sender(mode).await {
            Ok(Sender::Inbox) => Ok("inbox"),
            Ok(Sender::Other(_)) => Ok("other"),
            Ok(Sender::Nobody) => Ok("nobody"),
            Ok(Sender::Smtp(_)) => Ok("smtp"),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    #[tokio::test]
    async fn text_messages_go_where_somebody_reads_them() {
        let good = "a secret of the webhook\n";
        let webhook = "[sms]\nsender = \"webhook\"\nurl = \"https://sms.example.com/\"\nsecret_file = \"sms.secret\"\n";
        let sns = "[sms]\nsender = \"sns\"\nsender_id = \"SHOP\"\naws = { region = \"eu-west-1\" }\n";
        let file = "[sms]\nsender = \"file\"\nfile = \"messages.jsonl\"\nmessages_per_second = 5\n";
        for (text, mode, expected) in [
            ("", Mode::Dev, "inbox"),
            ("", Mode::Serve, "nobody"),
            ("[sms]\nsender = \"none\"", Mode::Dev, "nobody"),
            (webhook, Mode::Serve, "other"),
            (sns, Mode::Serve, "other"),
            (file, Mode::Dev, "other"),
        ] {
            assert_eq!(sender(text, mode, good).await.unwrap(), expected, "{text}");
        }
        for (text, secret, part) in [
            ("[sms]\nsender = \"inbox\"".to_owned(), good, "dev only"),
            ("[sms]\nurl = \"https://x\"".to_owned(), good, "url has no effect"),
            (webhook.replace("url", "#"), good, "needs url"),
            (webhook.replace("https", "ftp"), good, "http or https"),
            (webhook.replace("secret_file", "#"), good, "POOLKEEPER_SMS_SECRET"),
            (webhook.replace("sms.secret", "no.secret"), good, "no.secret"),
            (webhook.to_owned(), "hunter2", "at least 16"),
            (webhook.replace("\"webhook\"", "\"sns\""), good, "url has no effect"),
            (sns.replace("SHOP", "A SHOP"), good, "sender_id must have"),
            (sns.replace("eu-west-1", "Ireland"), good, "Ireland"),
            (file.replace("file = ", "#"), good, "needs file"),
        ] {
            let error = sender(&text, Mode::Serve, secret).await.unwrap_err();
            assert!(error.starts_with("[sms]: ") && error.contains(part), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
