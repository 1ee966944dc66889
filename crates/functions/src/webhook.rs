//! Webhooks that are told something and say nothing back: JSON by POST, signed as the calls of functions are.

use std::path::PathBuf;

use domain::Secret;
use http::{HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;

use crate::url::{Error, HttpClient, SIGNATURE, TIMESTAMP, Trust, client, signature, with_causes};

/// Bytes that are read of an answer, so that its connection can be used again. What it says is of no interest.
const LONGEST_ANSWER: usize = 64 * 1_024;

/// A URL that takes JSON, and the connections to it.
#[derive(Debug)]
pub struct Webhook {
    url: Uri,
    secret: Option<Secret<String>>,
    client: HttpClient,
}

impl Webhook {
    /// What is at `url` (`http` or `https`). With a `secret`, requests are signed. `ca_file` is a PEM file with the
    /// certificates that are trusted instead of the public authorities. Nobody is asked yet.
    ///
    /// # Errors
    /// When the file with certificates cannot be used.
    pub fn new(url: Uri, secret: Option<Secret<String>>, ca_file: Option<PathBuf>) -> Result<Self, Error> {
        Ok(Self { url, secret, client: client(Trust::Only(ca_file))? })
    }

    /// Sends `body`, once, and answers the status. `seconds` since 1970 is when it is signed. There is no limit of time
    /// but for making the connection; dropping the future gives the request up.
    ///
    /// # Errors
    /// Why there is no answer, without anything secret.
    pub async fn post(
        &self,
        body: Vec<u8>,
        seconds: i64,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<StatusCode, String> {
        let body = Bytes::from(body);
        let mut request = Request::post(self.url.clone()).header(header::CONTENT_TYPE, "application/json");
        if let Some(secret) = &self.secret {
            request = request.header(TIMESTAMP, seconds).header(SIGNATURE, signature(secret, seconds, &body));
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await.map_err(|error| with_causes(&error))?;
        let status = answer.status();
        // An answer that is longer, or breaks off, has said all the same whether the request was taken.
        _ = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
        Ok(status)
    }
}
