//! `GET /{pool}/.well-known/jwks.json` and `openid-configuration`: what verifiers of tokens fetch
//! (oauth-federation.md §1).

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
    request::Parts,
};
use serde_json::{Value, json};
use service::ApiError;

use crate::{cors, state::Web};

/// How long anybody may keep the keys of a pool: a day.
const KEYS_ARE_KEPT: &str = "public, max-age=86400";
/// What the issuer offers changes with the pool's domains, and is asked for anew.
const OFFER_IS_KEPT: &str = "no-cache";

/// The keys of a pool.
pub(crate) async fn jwks(State(web): State<Web>, Path(pool_id): Path<String>, parts: Parts) -> Response {
    let outcome = service::tokens::jwks(&web.app, &pool_id).await;
    document(&web, &parts, &pool_id, outcome, KEYS_ARE_KEPT)
}

/// What the pool's issuer offers.
pub(crate) async fn configuration(State(web): State<Web>, Path(pool_id): Path<String>, parts: Parts) -> Response {
    let outcome = service::tokens::discovery(&web.app, &pool_id).await;
    document(&web, &parts, &pool_id, outcome, OFFER_IS_KEPT)
}

/// Any other document: the service's answer on the issuer's host.
pub(crate) async fn unknown() -> Response {
    let text = "The server did not understand the operation that was requested.";
    refusal(StatusCode::BAD_REQUEST, "BadRequest", text)
}

fn document(
    web: &Web,
    parts: &Parts,
    pool_id: &str,
    outcome: Result<Option<Value>, ApiError>,
    kept: &'static str,
) -> Response {
    match outcome {
        Ok(Some(document)) => {
            let mut response = json_response(StatusCode::OK, &document);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(kept));
            response
        }
        // Decision: 400 like the service's other refusals; neither status nor form is known.
        Ok(None) => {
            let text = format!("User pool {pool_id} does not exist.");
            refusal(StatusCode::BAD_REQUEST, "ResourceNotFoundException", &text)
        }
        Err(error) => {
            let id = web.context(parts).request_id;
            tracing::error!(id, cause = error.cause.as_deref(), "a discovery document could not be made");
            let document = json!({"code": "InternalError", "message": error.message, "type": "server"});
            json_response(StatusCode::INTERNAL_SERVER_ERROR, &document)
        }
    }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    json_response(status, &json!({"code": code, "message": message, "type": "client"}))
}

fn json_response(status: StatusCode, document: &Value) -> Response {
    let mut response = Response::new(axum::body::Body::from(document.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    cors::open(headers);
    response
}
