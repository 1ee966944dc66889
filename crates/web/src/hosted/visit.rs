//! A visit to a login page: whose domain it is, and what the application asks for, which is checked anew for every page.
//! The server keeps nothing between pages: the query travels along, and whatever else the next step needs is sealed in its
//! form.

use std::collections::BTreeMap;

use axum::{
    Extension, RequestPartsExt,
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use domain::{BrandingOfClient, Client};
use http::{StatusCode, request::Parts};
use serde_json::{Value, json};
use service::{
    ApiError, Ctx,
    hosted::{
        Parameters, Site,
        authorize::{self, Asked},
        look, query,
    },
    operations::identity_providers::COGNITO,
    secret_hash,
};
use wire::{ErrorKind, Operation};

use super::{
    OfBrowser, OfSite, assets,
    authorize::{error_page, refused},
    form,
    page::{self, Link, Look, Page, Place},
};
use crate::{bodies::Held, state::Web};

/// A browser at a login page, with a request of an application that is in order.
pub(super) struct Visit {
    /// The context of this request.
    pub(super) ctx: Ctx,
    /// The domain.
    pub(super) site: Site,
    /// What the application asks for.
    pub(super) asked: Asked,
    /// The query as it came.
    query: String,
    parameters: Parameters,
    csrf: String,
    look: Look,
}

/// A form that was sent by one of the pages.
pub(super) struct Sent {
    /// The visit.
    pub(super) visit: Visit,
    /// What was filled in.
    pub(super) fields: Parameters,
    /// Its place in memory, until it is answered.
    _held: Held,
}

impl FromRequestParts<Web> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let lost = |_missing| StatusCode::INTERNAL_SERVER_ERROR.into_response();
        let Extension(site): OfSite = parts.extract().await.map_err(lost)?;
        let Extension(csrf): OfBrowser = parts.extract().await.map_err(lost)?;
        let mut ctx = web.context(parts);
        ctx.own.is_login_page = true;
        let Ok(parameters) = form::query(&parts.uri) else { return Err(error_page(&site, "invalid_request", None)) };
        let asked = authorize::check(&ctx, &site.pool, site.domain.is_managed(), &parameters)
            .await
            .map_err(|refusal| refused(&ctx, &site, refusal))?;
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let visit = Self { ctx, site, asked, query, parameters, csrf: csrf.0, look: Look::default() };
        visit.styled().await
    }
}

impl FromRequest<Web> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, web).await?;
        let read = form::read(web, &parts.headers, body, form::OF_A_PAGE).await;
        let (fields, held) = read.map_err(IntoResponse::into_response)?;
        let given = fields.get("_csrf").unwrap_or_default();
        if !crypto::hash::constant_time_eq(given.as_bytes(), visit.csrf.as_bytes()) {
            return Err(visit.closed(
                StatusCode::FORBIDDEN,
                "Please try again",
                "The form was not sent by a page that this browser has open. Allow cookies for this site, and begin anew.",
            ));
        }
        Ok(Self { visit, fields, _held: held })
    }
}

impl Visit {
    /// The same with the look that the pool's administrators have chosen; nobody is served at a managed domain for a
    /// client without one (oauth-federation.md §3.1).
    async fn styled(mut self) -> Result<Self, Response> {
        let (pool_id, client_id) = (&self.site.pool.id, &self.client().id);
        if !self.site.domain.is_managed() {
            let look = look::of(&self.ctx.app, pool_id, client_id).await;
            let look = look.map_err(|error| self.failed(error.into()))?;
            self.look = look.as_ref().map_or_else(Look::default, assets::look);
            return Ok(self);
        }
        match self.ctx.app.store.part::<BrandingOfClient>(pool_id, client_id).await {
            Ok(Some(_)) => Ok(self),
            Ok(None) => {
                // Decision: the service's words are not recorded.
                let text = "The login pages of this application have no style. Please contact an administrator.";
                Err(self.unlinked(StatusCode::SERVICE_UNAVAILABLE, "Login pages unavailable", text))
            }
            Err(error) => Err(self.failed(error.into())),
        }
    }

    /// The client whose users these are.
    pub(super) fn client(&self) -> &Client {
        &self.asked.client
    }

    /// Whether users sign in here, and not only at other providers.
    pub(super) fn has_own_users(&self) -> bool {
        let names = &self.client().supported_identity_providers;
        names.is_empty() || names.iter().any(|name| name == COGNITO)
    }

    /// A path of this domain with the query of this visit, below the domain's own path.
    pub(super) fn with_query(&self, path: &str) -> String {
        format!("{path}?{}", self.query)
    }

    /// A link to another page with the same query.
    pub(super) fn link(&self, path: &str, label: &str) -> Link {
        Link { href: self.with_query(path), label: label.to_owned() }
    }

    /// The query with some parameters in place of those of the same names, or of none.
    pub(super) fn query_with(&self, without: &[&str], more: &[(&str, &str)]) -> String {
        let kept = self.parameters.iter().filter(|(name, _)| !without.contains(name));
        query(kept.chain(more.iter().copied()))
    }

    /// Sends the browser to another page, which fills in this name.
    pub(super) fn go(&self, path: &str, username: &str) -> Response {
        let query = self.query_with(&["login_hint"], &[("login_hint", username)]);
        form::redirect(&format!("{}{path}?{query}", self.site.base))
    }

    /// Sends the browser to another page with the same query.
    pub(super) fn go_on(&self, path: &str) -> Response {
        form::redirect(&format!("{}{}", self.site.base, self.with_query(path)))
    }

    /// What the application, or the page before, says about who it is.
    pub(super) fn hint(&self) -> &str {
        self.asked.login_hint.as_deref().unwrap_or_default()
    }

    /// A page.
    pub(super) fn show(&self, page: &Page) -> Response {
        self.render(StatusCode::OK, page)
    }

    /// A page again, with what was wrong with the answer. `again` makes it.
    ///
    /// Decision: whether the service answers with a redirect or with a page is not known; here the page itself comes, with
    /// status 200, except for what is no fault of the user.
    pub(super) fn refuse(&self, error: ApiError, again: impl FnOnce(String) -> Page) -> Response {
        let status = match error.kind {
            kind if kind.is_server_fault() => {
                tracing::error!(id = self.ctx.request_id, cause = error.cause.as_deref(), "a login page failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            ErrorKind::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::OK,
        };
        self.render(status, &again(error.message.trim().to_owned()))
    }

    /// The page for what the server could not do.
    pub(super) fn failed(&self, error: ApiError) -> Response {
        let title = "Please try again";
        self.refuse(error, |error| Page { title, error: Some(error), ..Page::default() })
    }

    /// A page that says that there is nothing to do here, and leads back to the login page.
    pub(super) fn closed(&self, status: StatusCode, title: &'static str, text: &str) -> Response {
        let links = vec![self.link("/login", "Back to the login page")];
        self.render(status, &Page { title, error: Some(text.to_owned()), links, ..Page::default() })
    }

    fn unlinked(&self, status: StatusCode, title: &'static str, text: &str) -> Response {
        self.render(status, &Page { title, error: Some(text.to_owned()), ..Page::default() })
    }

    fn render(&self, status: StatusCode, page: &Page) -> Response {
        let place = Place { path: &self.site.path, query: &self.query, csrf: &self.csrf, look: &self.look };
        page::render(status, &place, page)
    }

    /// Calls an operation in the client's name, with all that holds for calls through the API: constraints, quotas, the
    /// client's secret. `members` are those beside the client and the user.
    ///
    /// # Errors
    /// Those of the operation.
    pub(super) async fn call(
        &self,
        operation: Operation,
        username: &str,
        members: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Value, ApiError> {
        let client = self.client();
        let of_client = [
            ("ClientId", json!(client.id)),
            ("Username", json!(username)),
            ("SecretHash", json!(secret_hash::made(&self.ctx, client, username)?)),
        ];
        let members: BTreeMap<&str, Value> = of_client.into_iter().chain(members).collect();
        call(&self.ctx, operation, &json!(members)).await
    }
}

/// Calls an operation as the API does.
///
/// # Errors
/// Those of the operation.
pub(super) async fn call(ctx: &Ctx, operation: Operation, request: &Value) -> Result<Value, ApiError> {
    let answer = service::dispatch::call(ctx, operation, &serde_json::to_vec(request)?).await?;
    if answer.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&answer)?) }
}
