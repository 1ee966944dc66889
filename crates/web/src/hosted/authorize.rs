//! `GET /oauth2/authorize` and the error page (oauth-federation.md §3).
//!
//! Order: what is asked for, the browser's session, another provider, the login page. However users sign in, they end at
//! [`arrive`]; whatever goes wrong on the way ends at [`refused`].

use askama::Template;
use axum::{Extension, extract::State, response::Response};
use domain::{AuthorizationRequest, BrowserSession, Client, oauth::Authentication};
use http::{StatusCode, request::Parts};
use service::{
    ApiError, Ctx,
    hosted::{
        Site,
        authorize::{self, Asked, Back, Refusal},
        browser_session,
        federation::{self, Failure},
        grant, query,
    },
};
use wire::ErrorKind;

use super::{OfSite, cookies, form};
use crate::{page, state::Web};

/// What the error page shows of `error`; other words it does not repeat, since anybody can make a link to it.
const KNOWN: [&str; 8] = [
    "Client does not exist",
    "redirect_mismatch",
    "Required parameters missing",
    "invalid_request",
    "server_error",
    "Invalid relayState from identity provider",
    "Invalid state from identity provider",
    "Something went wrong",
];

#[derive(Template)]
#[template(path = "hosted/error.html")]
struct ErrorPage<'a> {
    path: &'a str,
    error: Option<&'static str>,
}

/// `GET /oauth2/authorize`.
pub(super) async fn authorize(State(web): State<Web>, Extension(site): OfSite, parts: Parts) -> Response {
    let ctx = web.context(&parts);
    let Ok(parameters) = form::query(&parts.uri) else { return error_page(&site, "invalid_request", None) };
    let asked = match authorize::check(&ctx, &site.pool, site.domain.is_managed(), &parameters).await {
        Ok(asked) => asked,
        Err(refusal) => return refused(&ctx, &site, refusal),
    };
    if let Some(cookie) = cookies::read(&parts.headers, cookies::SESSION)
        && !asked.prompts("login")
    {
        match browser_session::usable(&ctx, &site, &asked.client, &asked, cookie).await {
            Ok(Some(session)) => return resume(&ctx, &site, &asked, &session).await,
            Ok(None) => {}
            Err(error) => return failed(&ctx, &asked.request, error),
        }
    }
    if asked.prompts("none") {
        return form::redirect(&Back::to(&asked.request, "login_required", None).location());
    }
    if asked.external().is_some() {
        return match federation::begin(&ctx, &site, &asked).await {
            Ok(departure) => {
                let mut response = form::redirect(&departure.location);
                let seconds = Some(federation::ATTEMPT_SECONDS);
                let cookie = cookies::write(&site, cookies::PROVIDER, &departure.browser, seconds, "None");
                cookies::add(&mut response, &cookie);
                response
            }
            Err(failure) => failed_elsewhere(&ctx, &site, failure),
        };
    }
    form::redirect(&format!("{}/login?{}", site.base, parts.uri.query().unwrap_or_default()))
}

/// The way back to the application after an interactive sign-in: the browser gets a session, and the application what it
/// has asked for.
pub(super) async fn arrive(
    ctx: &Ctx,
    site: &Site,
    client: &Client,
    request: &AuthorizationRequest,
    authentication: Authentication,
) -> Response {
    let begun = match browser_session::begin(ctx, site, client, authentication).await {
        Ok(begun) => begun,
        Err(error) => return failed(ctx, request, error),
    };
    match grant::give(ctx, &site.pool, client, request, &begun.authentication).await {
        Ok(location) => {
            let mut response = form::redirect(&location);
            let cookie = cookies::write(site, cookies::SESSION, &begun.cookie, Some(begun.seconds), "Lax");
            cookies::add(&mut response, &cookie);
            response
        }
        Err(error) => failed(ctx, request, error),
    }
}

/// The same for a user whose browser has a session.
async fn resume(ctx: &Ctx, site: &Site, asked: &Asked, session: &BrowserSession) -> Response {
    if authorize::count(ctx).is_err() {
        return held_back(site);
    }
    match grant::give(ctx, &site.pool, &asked.client, &asked.request, &session.authentication).await {
        Ok(location) => form::redirect(&location),
        Err(error) => failed(ctx, &asked.request, error),
    }
}

/// Somebody asks too often.
pub(super) fn held_back(site: &Site) -> Response {
    page::render(StatusCode::TOO_MANY_REQUESTS, &ErrorPage { path: &site.path, error: None })
}

/// Tells the application that its user could not be signed in after all.
pub(super) fn failed(ctx: &Ctx, request: &AuthorizationRequest, error: ApiError) -> Response {
    let (code, description) = if error.kind.is_server_fault() {
        tracing::error!(id = ctx.request_id, cause = error.cause.as_deref(), "a sign-in at the login pages failed");
        ("server_error", None)
    } else {
        ("invalid_request", Some(error.message))
    };
    form::redirect(&Back::to(request, code, description).location())
}

/// Sends the browser back with an error, or to the error page where nobody knows where back is.
pub(super) fn refused(ctx: &Ctx, site: &Site, refusal: Refusal) -> Response {
    match refusal {
        Refusal::Page { error, client_id } => error_page(site, error, client_id.as_deref()),
        Refusal::Back(back) => form::redirect(&back.location()),
        Refusal::Failed(error) if error.kind == ErrorKind::TooManyRequests => held_back(site),
        Refusal::Failed(error) => {
            tracing::error!(id = ctx.request_id, cause = error.cause.as_deref(), "an authorization request failed");
            error_page(site, "server_error", None)
        }
    }
}

/// The same after a visit to another provider.
pub(super) fn failed_elsewhere(ctx: &Ctx, site: &Site, failure: Failure) -> Response {
    match failure {
        Failure::Page(error) => error_page(site, &error, None),
        Failure::Back(back) => refused(ctx, site, Refusal::Back(*back)),
        Failure::Failed(error) => refused(ctx, site, Refusal::Failed(error)),
    }
}

/// Sends the browser to the error page.
pub(super) fn error_page(site: &Site, error: &str, client_id: Option<&str>) -> Response {
    let pairs = [("error", Some(error)), ("client_id", client_id)];
    let query = query(pairs.into_iter().filter_map(|(name, value)| Some((name, value?))));
    form::redirect(&format!("{}/error?{query}", site.base))
}

/// `GET /error`.
pub(super) async fn error(Extension(site): OfSite, parts: Parts) -> Response {
    let parameters = form::query(&parts.uri).unwrap_or_default();
    let given = parameters.get("error");
    let error = KNOWN.into_iter().find(|known| given == Some(*known));
    page::render(StatusCode::BAD_REQUEST, &ErrorPage { path: &site.path, error })
}
