//! Mail by SES.

use std::time::Duration;

use aws_sdk_sesv2::{
    Client,
    config::{Builder, Region},
    primitives::Blob,
    types::{Destination, EmailContent, RawMessage},
};

use crate::{CallError, Connection, SendError, connection::within};

/// How long a mail may take: less than the outbox keeps others from it.
const LONGEST: Duration = Duration::from_secs(30);
/// What comes of the mail itself.
const PERMANENT: [&str; 2] = ["BadRequestException", "MessageRejected"];

/// A mail that is ready to be sent.
#[derive(Clone, Copy)]
pub struct Mail<'a> {
    /// The whole mail, headers and body (RFC 5322), at most 40 MB.
    pub message: &'a [u8],
    /// Who sends it: an address that SES has verified.
    pub from: &'a str,
    /// Who gets it.
    pub to: &'a str,
    /// ARN of the verified identity, when it is another account's or region's (`EmailConfiguration.SourceArn`).
    pub source_arn: Option<&'a str>,
    /// `EmailConfiguration.ConfigurationSet`.
    pub configuration_set: Option<&'a str>,
    /// A region instead of the connection's.
    pub region: Option<&'a str>,
}

/// What SES says of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SesAccount {
    /// Whether it may send at all.
    pub may_send: bool,
    /// Whether it sends to verified addresses alone.
    pub is_in_sandbox: bool,
}

/// Hands mails to SES.
#[derive(Clone, Debug)]
pub struct Ses {
    client: Client,
}

impl Ses {
    pub(crate) fn new(connection: &Connection) -> Self {
        let config = Builder::from(connection.config()).timeout_config(within(LONGEST)).build();
        Self { client: Client::from_conf(config) }
    }

    /// Hands a mail over. When this answers `Ok`, SES has taken responsibility for it; the answer is SES's id of it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, mail: Mail<'_>) -> Result<String, SendError> {
        let unbuilt = || SendError { is_permanent: true, reason: "the message does not make a mail".to_owned() };
        let raw = RawMessage::builder().data(Blob::new(mail.message)).build().map_err(|_missing| unbuilt())?;
        let call = self
            .client
            .send_email()
            .from_email_address(mail.from)
            .set_from_email_address_identity_arn(mail.source_arn.map(str::to_owned))
            .destination(Destination::builder().to_addresses(mail.to).build())
            .content(EmailContent::builder().raw(raw).build())
            .set_configuration_set_name(mail.configuration_set.map(str::to_owned));
        let mut change = Builder::new();
        if let Some(region) = mail.region {
            change = change.region(Region::new(region.to_owned()));
        }
        let answer = call.customize().config_override(change).send().await;
        let answer = answer.map_err(|error| CallError::new("SES", &error).of_message(&PERMANENT))?;
        Ok(answer.message_id.unwrap_or_default())
    }

    /// Asks about the account, and sends nothing. The server needs `ses:GetAccount`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn look(&self) -> Result<SesAccount, CallError> {
        let answer = self.client.get_account().send().await.map_err(|error| CallError::new("SES", &error))?;
        Ok(SesAccount { may_send: answer.sending_enabled, is_in_sandbox: !answer.production_access_enabled })
    }
}
