//! Mails to SES and text messages to SNS.

use aws::{Mail, SendError, Ses, Sns, TextMessage};
use service::messages::{Failure, MailBuilder, Outgoing, Sending, Transport};

/// Hands mails to SES.
pub struct SesMails {
    ses: Ses,
    mails: MailBuilder,
    /// Whether the configuration names the region, so that pools do not.
    region_is_given: bool,
}

impl SesMails {
    /// `region_is_given`: the region is that of the connection, whatever a pool's `SourceArn` says.
    pub const fn new(ses: Ses, mails: MailBuilder, region_is_given: bool) -> Self {
        Self { ses, mails, region_is_given }
    }

    async fn hand_over(&self, outgoing: Outgoing<'_>) -> Result<(), Failure> {
        let content = outgoing.content;
        let raw = self.mails.raw(outgoing)?;
        let mail = Mail {
            message: &raw.bytes,
            from: &raw.from,
            to: &raw.to,
            source_arn: content.source_arn.as_deref(),
            configuration_set: content.configuration_set.as_deref(),
            region: content.region.as_deref().filter(|_| !self.region_is_given),
        };
        self.ses.send(mail).await.map(drop).map_err(failure)
    }
}

impl Transport for SesMails {
    fn send<'a>(&'a self, outgoing: Outgoing<'a>) -> Sending<'a> {
        Box::pin(self.hand_over(outgoing))
    }
}

/// Hands text messages to SNS.
pub struct SnsTexts {
    sns: Sns,
    /// What is shown as the sender where the country allows it.
    sender_id: Option<String>,
    region_is_given: bool,
}

impl SnsTexts {
    /// `region_is_given`: the region is that of the connection, whatever a pool's `SnsRegion` says.
    pub const fn new(sns: Sns, sender_id: Option<String>, region_is_given: bool) -> Self {
        Self { sns, sender_id, region_is_given }
    }

    async fn hand_over(&self, Outgoing { content, .. }: Outgoing<'_>) -> Result<(), Failure> {
        let text = TextMessage {
            phone_number: &content.destination,
            text: &content.body,
            sender_id: self.sender_id.as_deref(),
            region: content.region.as_deref().filter(|_| !self.region_is_given),
        };
        self.sns.publish(text).await.map(drop).map_err(failure)
    }
}

impl Transport for SnsTexts {
    fn send<'a>(&'a self, outgoing: Outgoing<'a>) -> Sending<'a> {
        Box::pin(self.hand_over(outgoing))
    }
}

fn failure(SendError { is_permanent, reason }: SendError) -> Failure {
    Failure { is_permanent, reason }
}

#[cfg(test)]
mod tests {
    use aws::{AccessKey, Connection, Settings};
    use base64::{Engine, engine::general_purpose::STANDARD};
    use domain::{Medium, Secret, message::MessageContent};
    use serde_json::Value;
    use service::messages::{MailBuilder, Outgoing, Transport};

    use super::{SesMails, SnsTexts};
    use crate::{
        destinations::testing::serve,
        senders::testing::{content, message},
    };

    async fn connection(endpoint: &http::Uri, region: &str) -> Connection {
        let secret = Secret::new("secret".to_owned());
        let access_key = AccessKey { id: "AKIAEXAMPLE".to_owned(), secret, session_token: None };
        let endpoint = format!("http://{}", endpoint.authority().unwrap());
        let settings =
            Settings { region: Some(region.to_owned()), endpoint: Some(endpoint), access_key: Some(access_key) };
        Connection::open(&settings).await.unwrap()
    }

    #[tokio::test]
    async fn ses_is_told_what_the_pool_says() {
        let (url, mut requests) = serve(&[200, 200, 400, 500]).await;
        let connection = connection(&url, "eu-west-1").await;
        let mails = MailBuilder::new("Poolkeeper <no-reply@example.com>").unwrap();
        let arn = "arn:aws:ses:eu-central-1:123456789012:identity/shop@example.org";
        let mail = MessageContent {
            destination: "alice@example.com".to_owned(),
            from: Some("Shop <shop@example.org>".to_owned()),
            source_arn: Some(arn.to_owned()),
            configuration_set: Some("codes".to_owned()),
            region: Some("eu-central-1".to_owned()),
            ..content()
        };
        let row = message(Medium::Email);
        for (region_is_given, region) in [(false, "eu-central-1"), (true, "eu-west-1")] {
            let sender = SesMails::new(connection.ses().unwrap(), mails.clone(), region_is_given);
            // The stand-in's answer is no answer of SES's; what it was asked counts.
            _ = sender.send(Outgoing { message: &row, content: &mail }).await;
            let request = requests.recv().await.unwrap();
            assert!(request.header("authorization").contains(&format!("/{region}/ses/")), "{}", request.text);
            let body: Value = serde_json::from_str(&request.body).unwrap();
            assert_eq!(body["FromEmailAddress"], "Shop <shop@example.org>");
            assert_eq!(body["FromEmailAddressIdentityArn"], arn);
            assert_eq!(body["ConfigurationSetName"], "codes");
            assert_eq!(body["Destination"]["ToAddresses"][0], "alice@example.com");
            let raw = STANDARD.decode(body["Content"]["Raw"]["Data"].as_str().unwrap()).unwrap();
            let raw = String::from_utf8(raw).unwrap();
            assert!(raw.contains("\r\nFrom: Shop <shop@example.org>\r\n") && raw.contains("Your code is 123456."));
        }
        let sender = SesMails::new(connection.ses().unwrap(), mails, false);
        for _ in ["400", "500"] {
            let failure = sender.send(Outgoing { message: &row, content: &mail }).await.unwrap_err();
            // Neither answer names an error that is about the message.
            assert!(!failure.is_permanent && failure.reason.starts_with("SES answered "), "{failure:?}");
            assert!(!failure.reason.contains("alice") && !failure.reason.contains("123456"), "{failure:?}");
        }
        let nobody = MessageContent { destination: "alice".to_owned(), ..mail };
        let failure = sender.send(Outgoing { message: &row, content: &nobody }).await.unwrap_err();
        assert!(failure.is_permanent && failure.reason == "the destination is not a mail address", "{failure:?}");
    }

    #[tokio::test]
    async fn sns_is_told_what_the_pool_says() {
        let (url, mut requests) = serve(&[200, 200]).await;
        let connection = connection(&url, "eu-west-1").await;
        let text = MessageContent { region: Some("us-west-2".to_owned()), ..content() };
        let row = message(Medium::Sms);
        for (region_is_given, region) in [(false, "us-west-2"), (true, "eu-west-1")] {
            let sender = SnsTexts::new(connection.sns().unwrap(), Some("SHOP".to_owned()), region_is_given);
            _ = sender.send(Outgoing { message: &row, content: &text }).await;
            let request = requests.recv().await.unwrap();
            assert!(request.header("authorization").contains(&format!("/{region}/sns/")), "{}", request.text);
            for part in ["PhoneNumber=%2B4915112345678", "Message=Your%20code%20is%20123456.%20", "StringValue=SHOP"] {
                assert!(request.body.contains(part), "{}", request.body);
            }
        }
    }
}
