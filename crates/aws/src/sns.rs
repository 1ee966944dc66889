//! Text messages by SNS.

use std::time::Duration;

use aws_sdk_sns::{
    Client,
    config::{Builder, Region},
    error::BuildError,
    types::MessageAttributeValue,
};

use crate::{CallError, Connection, SendError, connection::within};

/// How long a text message may take: less than the outbox keeps others from it.
const LONGEST: Duration = Duration::from_secs(30);
/// What comes of the message or of its receiver.
const PERMANENT: [&str; 5] =
    ["InvalidParameter", "InvalidParameterException", "ParameterValueInvalid", "OptedOut", "ValidationException"];

/// A text message.
#[derive(Clone, Copy)]
pub struct TextMessage<'a> {
    /// The receiver's number in the form `+4915123456789`.
    pub phone_number: &'a str,
    /// The text.
    pub text: &'a str,
    /// What is shown as the sender where the country allows it: 1 to 11 letters and digits.
    pub sender_id: Option<&'a str>,
    /// A region instead of the connection's (`SmsConfiguration.SnsRegion`).
    pub region: Option<&'a str>,
}

/// Hands text messages to SNS.
#[derive(Clone, Debug)]
pub struct Sns {
    client: Client,
}

impl Sns {
    pub(crate) fn new(connection: &Connection) -> Self {
        let config = Builder::from(connection.config()).timeout_config(within(LONGEST)).build();
        Self { client: Client::from_conf(config) }
    }

    /// Hands a text message over, as a transactional one: codes are not advertising. When this answers `Ok`, SNS has
    /// taken responsibility for it; the answer is SNS's id of it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn publish(&self, message: TextMessage<'_>) -> Result<String, SendError> {
        let unbuilt =
            |_missing| SendError { is_permanent: true, reason: "the message does not make a text message".to_owned() };
        let mut call = self.client.publish().phone_number(message.phone_number).message(message.text);
        call = call.message_attributes("AWS.SNS.SMS.SMSType", text("Transactional").map_err(unbuilt)?);
        if let Some(sender_id) = message.sender_id {
            call = call.message_attributes("AWS.SNS.SMS.SenderID", text(sender_id).map_err(unbuilt)?);
        }
        let mut change = Builder::new();
        if let Some(region) = message.region {
            change = change.region(Region::new(region.to_owned()));
        }
        let answer = call.customize().config_override(change).send().await;
        let answer = answer.map_err(|error| CallError::new("SNS", &error).of_message(&PERMANENT))?;
        Ok(answer.message_id.unwrap_or_default())
    }

    /// Whether the account sends to verified numbers alone; nothing is sent. The server needs
    /// `sns:GetSMSSandboxAccountStatus`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn is_in_sandbox(&self) -> Result<bool, CallError> {
        let answer = self.client.get_sms_sandbox_account_status().send().await;
        answer.map(|answer| answer.is_in_sandbox).map_err(|error| CallError::new("SNS", &error))
    }
}

fn text(value: &str) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type("String").string_value(value).build()
}
