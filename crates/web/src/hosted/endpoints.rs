//! The endpoints for applications: `/oauth2/token`, `/oauth2/userInfo`, `/oauth2/revoke` (oauth-federation.md §6 to §8).
//! They know nothing of cookies, and pages of any origin may call them.

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
    request::Parts,
};
use serde_json::{Value, json};
use service::{
    ApiError, Ctx,
    hosted::{
        Parameters, revoke,
        token::{self, Refusal},
        user_info,
    },
};

use super::{OfSite, form};
use crate::{bodies::Held, cors, state::Web};

/// `POST /oauth2/token`.
pub(super) async fn token(State(web): State<Web>, Extension(site): OfSite, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let ctx = web.context(&parts);
    let (form, _held) = match read(&web, &parts.headers, body).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    match token::answer(&ctx, &site, authorization(&parts), &form).await {
        Ok(tokens) => json_answer(StatusCode::OK, &tokens),
        Err(refusal) => refused(&ctx, StatusCode::BAD_REQUEST, refusal),
    }
}

/// `POST /oauth2/revoke`.
pub(super) async fn revoke(State(web): State<Web>, Extension(site): OfSite, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let ctx = web.context(&parts);
    let (form, _held) = match read(&web, &parts.headers, body).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    match revoke::answer(&ctx, &site, authorization(&parts), &form).await {
        Ok(()) => answer(StatusCode::OK, Body::empty()),
        Err(refusal @ Refusal::Known("invalid_client", _)) => refused(&ctx, StatusCode::UNAUTHORIZED, refusal),
        Err(refusal) => refused(&ctx, StatusCode::BAD_REQUEST, refusal),
    }
}

/// `GET` and `POST /oauth2/userInfo`.
pub(super) async fn user_info(State(web): State<Web>, Extension(site): OfSite, parts: Parts) -> Response {
    let ctx = web.context(&parts);
    let (status, error, description) = match user_info::show(&ctx, &site, authorization(&parts)).await {
        Ok(shown) => return json_answer(StatusCode::OK, &shown),
        Err(user_info::Refusal::Failed(error)) => return failed(&ctx, &error),
        Err(user_info::Refusal::NoToken) => {
            (StatusCode::BAD_REQUEST, "invalid_request", "Bad OAuth2 request at UserInfo Endpoint")
        }
        Err(user_info::Refusal::InvalidToken(description)) => (StatusCode::UNAUTHORIZED, "invalid_token", description),
    };
    let mut response = json_answer(status, &json!({"error": error, "error_description": description}));
    let challenge = format!("error=\"{error}\", error_description=\"{description}\"");
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The header of that name; one that is no text cannot be a credential, and is none that anybody knows either.
fn authorization(parts: &Parts) -> Option<&str> {
    parts.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default())
}

/// The form of a request.
async fn read(web: &Web, headers: &HeaderMap, body: Body) -> Result<(Parameters, Held), Response> {
    form::read(web, headers, body, form::WITH_A_TOKEN).await.map_err(|status| match status {
        StatusCode::SERVICE_UNAVAILABLE => json_answer(status, &json!({"error": "temporarily_unavailable"})),
        _ => json_answer(StatusCode::BAD_REQUEST, &json!({"error": "invalid_request"})),
    })
}

fn refused(ctx: &Ctx, status: StatusCode, refusal: Refusal) -> Response {
    match refusal {
        Refusal::Known(error, None) => json_answer(status, &json!({"error": error})),
        Refusal::Known(error, Some(description)) => {
            json_answer(status, &json!({"error": error, "error_description": description}))
        }
        Refusal::Failed(error) => failed(ctx, &error),
    }
}

/// Whether this path of a domain is one of these endpoints.
pub(super) fn are_at(path: &str) -> bool {
    matches!(path, "/oauth2/token" | "/oauth2/userInfo" | "/oauth2/revoke")
}

/// Decision: neither status nor body are recorded for a server that fails, or has too much to do.
pub(super) fn failed(ctx: &Ctx, error: &ApiError) -> Response {
    if !error.kind.is_server_fault() {
        let body = json!({"error": "temporarily_unavailable", "error_description": error.message});
        return json_answer(StatusCode::TOO_MANY_REQUESTS, &body);
    }
    tracing::error!(id = ctx.request_id, cause = error.cause.as_deref(), "an OAuth2 endpoint failed");
    json_answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "server_error"}))
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    let mut response = answer(status, Body::from(body.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    response
}

fn answer(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    cors::open(response.headers_mut());
    response
}
