//! Documents that other issuers of tokens publish: their keys, and where these are.

use std::path::PathBuf;

use http::{HeaderValue, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use service::issuers::{FetchDocuments, Fetching};

use crate::url::{Error, HttpClient, client, with_causes};

/// Gets documents over https. Redirects are not followed, and nothing of this server or of a request is sent along.
#[derive(Debug)]
pub struct Documents {
    client: HttpClient,
}

impl Documents {
    /// `ca_file` is a PEM file with the certificates that are trusted instead of the public authorities. Nobody is asked
    /// yet.
    ///
    /// # Errors
    /// When the file with certificates cannot be used.
    pub fn new(ca_file: Option<PathBuf>) -> Result<Self, Error> {
        Ok(Self { client: client(ca_file)? })
    }
}

impl FetchDocuments for Documents {
    fn fetch(&self, url: &str, most: usize) -> Fetching {
        Box::pin(fetch(self.client.clone(), url.to_owned(), most))
    }
}

async fn fetch(client: HttpClient, url: String, most: usize) -> Result<Vec<u8>, String> {
    let uri: Uri = url.parse().map_err(|_| "not a URL".to_owned())?;
    if uri.scheme() != Some(&Scheme::HTTPS) {
        return Err("not an https URL".to_owned());
    }
    let json = HeaderValue::from_static("application/json");
    let request = Request::get(uri).header(header::ACCEPT, json).body(Full::new(Bytes::new()));
    let answer = client.request(request.map_err(|error| error.to_string())?).await;
    let answer = answer.map_err(|error| with_causes(&error))?;
    if answer.status() != StatusCode::OK {
        return Err(format!("the answer is {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), most).collect().await.map_err(|error| with_causes(error.as_ref()))?;
    Ok(body.to_bytes().to_vec())
}
