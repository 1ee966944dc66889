//! Requests to identity providers: the documents that they publish, and what their endpoints answer.

use std::path::PathBuf;

use http::{HeaderValue, Request, Uri, header, uri::Scheme};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use service::{
    issuers::{FetchDocuments, Outgoing, Received, Receiving},
    operations::identity_providers::{is_https, is_on_this_machine},
};

use crate::url::{Error, HttpClient, Trust, client, with_causes};

/// What the service says that it is (oauth-federation.md §5): providers may let nobody else through.
const USER_AGENT: HeaderValue = HeaderValue::from_static("Amazon/Cognito");

/// Sends requests over https, and where that is allowed also over http to this machine. Redirects are not followed, and nothing is sent along that the request does not say.
#[derive(Debug)]
pub struct Documents {
    client: HttpClient,
    is_local: bool,
}

impl Documents {
    /// `ca_file` is a PEM file with certificates that are trusted beside the public authorities. `is_local` is whether
    /// servers on this machine may be asked over http, and on any port. Nobody is asked yet.
    ///
    /// # Errors
    /// When the file with certificates cannot be used.
    pub fn new(ca_file: Option<PathBuf>, is_local: bool) -> Result<Self, Error> {
        Ok(Self { client: client(Trust::Also(ca_file))?, is_local })
    }
}

impl FetchDocuments for Documents {
    fn reaches(&self, url: &str) -> bool {
        is_https(url) || (self.is_local && is_on_this_machine(url))
    }

    fn send(&self, request: Outgoing, most: usize) -> Receiving {
        let is_local = self.is_local && is_on_this_machine(&request.url);
        Box::pin(send(self.client.clone(), request, most, is_local))
    }
}

async fn send(client: HttpClient, outgoing: Outgoing, most: usize, is_local: bool) -> Result<Received, String> {
    let uri: Uri = outgoing.url.parse().map_err(|_| "not a URL".to_owned())?;
    if uri.scheme() != Some(&Scheme::HTTPS) && !is_local {
        return Err("not an https URL".to_owned());
    }
    let mut request = match outgoing.form {
        None => Request::get(uri).body(Full::new(Bytes::new())),
        Some(form) => Request::post(uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form.reveal().clone()))),
    }
    .map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, USER_AGENT);
    if let Some(token) = outgoing.bearer {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
            .map_err(|_| "the token cannot be sent in a header".to_owned())?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    let answer = client.request(request).await.map_err(|error| with_causes(&error))?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), most).collect().await.map_err(|error| with_causes(error.as_ref()))?;
    Ok(Received { status, body: body.to_bytes().to_vec() })
}
