//! Text messages to a webhook, signed as the calls of functions are (docs/functions.md).

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use service::messages::{Failure, Outgoing, Sending, Transport};

use crate::system;

/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(10);

/// Hands text messages to a webhook.
#[derive(Debug)]
pub struct WebhookTexts {
    webhook: functions::Webhook,
    longest: Duration,
}

impl WebhookTexts {
    /// Nobody is asked before the first message.
    pub const fn new(webhook: functions::Webhook) -> Self {
        Self { webhook, longest: LONGEST }
    }

    async fn hand_over(&self, Outgoing { message, content }: Outgoing<'_>) -> Result<(), Failure> {
        let body = json!({
            "id": message.id,
            "poolId": message.pool_id,
            "to": content.destination,
            "text": content.body,
            "purpose": message.purpose,
        });
        let posting = self.webhook.post(body.to_string().into_bytes(), system::now().seconds(), &[]);
        let reason = match tokio::time::timeout(self.longest, posting).await {
            Ok(Ok(status)) if status.is_success() => return Ok(()),
            Ok(Ok(status)) => {
                let reason = format!("the webhook answered {}", status.as_u16());
                return Err(Failure { is_permanent: is_permanent(status), reason });
            }
            Ok(Err(reason)) => format!("no answer from the webhook: {reason}"),
            Err(_elapsed) => format!("the webhook did not answer within {} seconds", self.longest.as_secs()),
        };
        Err(Failure { is_permanent: false, reason })
    }
}

/// Whether an answer is about the message itself.
fn is_permanent(status: StatusCode) -> bool {
    status.is_client_error() && !matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

impl Transport for WebhookTexts {
    fn send<'a>(&'a self, outgoing: Outgoing<'a>) -> Sending<'a> {
        Box::pin(self.hand_over(outgoing))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Medium, Secret};
    use serde_json::{Value, json};
    use service::messages::{Failure, Outgoing, Transport};

    use super::WebhookTexts;
    use crate::{
        destinations::testing::serve,
        senders::testing::{content, message},
    };

    const SECRET: &str = "a secret of the webhook";

    async fn send(texts: &WebhookTexts) -> Result<(), Failure> {
        texts.send(Outgoing { message: &message(Medium::Sms), content: &content() }).await
    }

    #[tokio::test]
    async fn texts_come_signed_and_answers_mean_what_they_say() {
        let (url, mut requests) = serve(&[204, 200, 400, 404, 408, 429, 500, 503, 302]).await;
        let secret = Secret::new(SECRET.to_owned());
        let texts = WebhookTexts::new(functions::Webhook::new(url, Some(secret.clone()), None).unwrap());
        send(&texts).await.unwrap();
        let request = requests.recv().await.unwrap();
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(
            body,
            json!({
                "id": message(Medium::Sms).id, "poolId": "us-east-1_AbCdEfGh1", "to": "+4915112345678",
                "text": "Your code is 123456. ", "purpose": "SignUp",
            })
        );
        let seconds: i64 = request.header("x-poolkeeper-timestamp").parse().unwrap();
        assert!((crate::system::now().seconds() - seconds).abs() < 60);
        let signature = functions::url::signature(&secret, seconds, request.body.as_bytes());
        assert_eq!(request.header("x-poolkeeper-signature"), signature);
        assert!(!request.text.contains(SECRET) && !format!("{texts:?}").contains(SECRET));
        send(&texts).await.unwrap();
        for (status, is_permanent) in
            [(400, true), (404, true), (408, false), (429, false), (500, false), (503, false), (302, false)]
        {
            let failure = send(&texts).await.unwrap_err();
            assert_eq!(failure, Failure { is_permanent, reason: format!("the webhook answered {status}") });
        }
    }

    #[tokio::test]
    async fn silence_and_absence_pass() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: http::Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let texts = |url| WebhookTexts {
            webhook: functions::Webhook::new(url, None, None).unwrap(),
            longest: Duration::from_millis(50),
        };
        let failure = send(&texts(url.clone())).await.unwrap_err();
        assert!(!failure.is_permanent && failure.reason.contains("did not answer"), "{failure:?}");
        drop(listener);
        let failure = send(&texts(url)).await.unwrap_err();
        assert!(!failure.is_permanent && failure.reason.starts_with("no answer from the webhook"), "{failure:?}");
        assert!(!failure.reason.contains("123456") && !failure.reason.contains("+49"), "{failure:?}");
    }
}
