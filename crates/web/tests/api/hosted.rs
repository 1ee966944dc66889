//! A pool's domain: login pages and the endpoints of OAuth2 and OpenID Connect (oauth-federation.md §2 to §8).

pub mod authorize;
pub mod browser_sessions;
mod challenges;
mod discovery;
mod every_request;
mod federation;
mod forms;
mod login;
mod logout;
mod recovery;
mod revoke;
mod saml;
mod sign_up;
pub mod token;
mod user_info;

use std::{cell::RefCell, collections::BTreeMap};

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use testkit::{Answer, Server};

/// Where the application of these tests is.
pub const CALLBACK: &str = "https://app.example/callback";
/// Where it has people sent who sign out.
pub const SIGNED_OUT: &str = "https://app.example/bye";
/// The prefix of the domain.
pub const PREFIX: &str = "my-app";
/// The password of the users of these tests.
pub const PASSWORD: &str = "Pa55word!";

/// A pool with a domain, a public client of its OAuth2 endpoints, and a user `alice` with a verified mail address.
pub struct Site {
    /// The pool.
    pub pool: String,
    /// The client's id.
    pub client: String,
    /// `sub` of alice.
    pub alice: String,
}

/// Members of a client that may do whatever applications may: codes and tokens, all scopes of users.
pub fn client_members(more: Value) -> Value {
    let mut members = json!({
        "AllowedOAuthFlowsUserPoolClient": true,
        "AllowedOAuthFlows": ["code", "implicit"],
        "AllowedOAuthScopes": ["openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"],
        "CallbackURLs": [CALLBACK],
        "LogoutURLs": [SIGNED_OUT],
        "SupportedIdentityProviders": ["COGNITO"],
    });
    for (name, value) in more.as_object().unwrap() {
        members[name] = value.clone();
    }
    members
}

/// A site; `pool` and `client` are added to the requests that make them.
pub async fn site(server: &Server, pool: Value, client: Value) -> Site {
    let pool = server.pool(pool).await;
    server.call("CreateUserPoolDomain", json!({"UserPoolId": pool, "Domain": PREFIX})).await.ok();
    let client = server.client_id(&pool, client_members(client)).await;
    let alice = server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    Site { pool, client, alice }
}

/// A client of the pool whose users may come from `Partner` as well, an OpenID Connect provider that nobody reaches.
pub async fn client_with_partner(server: &Server, pool: &str) -> String {
    let details = json!({
        "client_id": "x", "client_secret": "y", "authorize_scopes": "openid", "attributes_request_method": "GET",
        "oidc_issuer": "https://idp.example", "authorize_url": "https://idp.example/a",
        "token_url": "https://idp.example/t", "attributes_url": "https://idp.example/u",
        "jwks_uri": "https://idp.example/k",
    });
    let provider = json!({
        "UserPoolId": pool, "ProviderName": "Partner", "ProviderType": "OIDC", "ProviderDetails": details,
    });
    server.call("CreateIdentityProvider", provider).await.ok();
    let members = client_members(json!({"SupportedIdentityProviders": ["COGNITO", "Partner"]}));
    server.client_id(pool, members).await
}

/// A browser at the path form of the domain `my-app`, which keeps cookies.
pub struct Browser<'server> {
    server: &'server Server,
    host: &'server str,
    base: String,
    /// Cookies by name.
    pub cookies: RefCell<BTreeMap<String, String>>,
}

impl<'server> Browser<'server> {
    /// One without cookies.
    pub fn new(server: &'server Server) -> Self {
        Self::at(server, PREFIX)
    }

    /// One at another domain.
    pub fn at(server: &'server Server, prefix: &str) -> Self {
        Self { server, host: "127.0.0.1:9229", base: format!("/_domain/{prefix}"), cookies: RefCell::default() }
    }

    /// One at a domain that is a host of its own.
    pub fn at_host(server: &'server Server, host: &'server str) -> Self {
        Self { server, host, base: String::new(), cookies: RefCell::default() }
    }

    /// One that knows the server, and so the path form of `my-app`, by this name.
    pub fn by_name(server: &'server Server, host: &'server str) -> Self {
        Self { host, ..Self::new(server) }
    }

    /// A path of the domain, such as `/login?…`, or a whole URL of the server.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// A form.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send_form(path, query(fields)).await
    }

    /// A form as it is sent.
    pub async fn send_form(&self, path: &str, form: String) -> Answer {
        self.send(Method::POST, path, Some(form)).await
    }

    /// A form as the page has it: with the token against forms of others.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.cookies.borrow().get("XSRF-TOKEN").cloned().unwrap_or_default();
        let fields: Vec<_> = [("_csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
        self.post(path, &fields).await
    }

    async fn send(&self, method: Method, path: &str, form: Option<String>) -> Answer {
        let own = ["http://", "https://"].iter().find_map(|scheme| path.strip_prefix(scheme)?.strip_prefix(self.host));
        let own = own.unwrap_or(path);
        let uri = if own.starts_with("/_domain/") { own.to_owned() } else { format!("{}{own}", self.base) };
        let cookies: Vec<_> = self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(uri).header("host", self.host);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if form.is_some() {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        let answer = self.server.request(request.body(Body::from(form.unwrap_or_default())).unwrap()).await;
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() || line.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

/// Names and values as they stand in a URL or a form.
pub fn query(pairs: &[(&str, &str)]) -> String {
    service::hosted::query(pairs.iter().copied())
}

/// What an application asks for with nothing but what it must say, and more.
pub fn asked(client: &str, more: &[(&str, &str)]) -> String {
    let usual = [("client_id", client), ("response_type", "code"), ("redirect_uri", CALLBACK)];
    let usual = usual.into_iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    query(&usual.chain(more.iter().copied()).collect::<Vec<_>>())
}

/// Where an answer sends the browser.
pub fn location(answer: &Answer) -> String {
    assert_eq!(answer.status, 302, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

/// A parameter of a URL's query or fragment.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once(['?', '#'])?;
    let parameters = service::hosted::Parameters::read(query.as_bytes()).unwrap();
    parameters.get(name).map(str::to_owned)
}

/// The value of a field that a page carries along.
pub fn hidden(page: &Answer, name: &str) -> String {
    let text = page.body.as_str().unwrap();
    let field = text.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
    let value = field.split('"').next().unwrap();
    value.replace("&#38;", "&").replace("&amp;", "&")
}
