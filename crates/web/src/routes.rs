//! Which path leads where.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::Request,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get, post, put},
};
use http::{Method, StatusCode};
use serde_json::json;
use service::App;

use crate::{
    Options, api, confirmation, controls, cors, discovery, feedback, health, hosted, inbox, own_host, panics,
    same_origin, state::Web, uploads,
};

/// Everything that is served on the listener for clients.
pub fn router(app: Arc<App>, options: Options) -> Router {
    let test_controls = options.test_controls;
    let web = Web::new(app, options);
    let api = Router::new()
        .route("/", post(api::post).get(discovery::unknown).options(cors::preflight).fallback(api::other_method))
        .with_state(web.clone());
    let mut rest = Router::new()
        .route("/{pool_id}/.well-known/jwks.json", get(discovery::jwks).options(cors::preflight))
        .route("/{pool_id}/.well-known/openid-configuration", get(discovery::configuration).options(cors::preflight))
        .route("/confirmUser", get(confirmation::page))
        .route("/confirmUser/", get(confirmation::page))
        .route("/eventFeedback", get(feedback::ask).post(feedback::give))
        .route("/eventFeedback/", get(feedback::ask).post(feedback::give))
        .merge(hosted::by_host(&web))
        .nest("/_domain/{prefix}", hosted::by_path(&web))
        .route("/_poolkeeper/health", get(health::health))
        .route("/_poolkeeper/imports/{pool_id}/{job_id}/users.csv", put(uploads::put))
        .route("/_poolkeeper/imports/{pool_id}/{job_id}/log", get(uploads::log))
        .route("/_poolkeeper/{*rest}", any(no_such_control));
    if test_controls {
        rest = rest.merge(control_routes(&web)).merge(admin_routes());
    }
    let rest = rest.fallback(unrouted).layer(middleware::from_fn(survive)).with_state(web);
    api.merge(rest)
}

/// What is served on the listener for operators: health, readiness and metrics.
pub fn admin_router(app: Arc<App>, options: Options) -> Router {
    let web = Web::new(app, options);
    admin_routes()
        .route("/_poolkeeper/health", get(health::health))
        .fallback(no_such_control)
        .layer(middleware::from_fn(survive))
        .with_state(web)
}

fn admin_routes() -> Router<Web> {
    Router::new().route("/_poolkeeper/ready", get(health::ready)).route("/metrics", get(health::metrics))
}

fn control_routes(web: &Web) -> Router<Web> {
    Router::new()
        .route("/_poolkeeper/messages", get(controls::messages).delete(controls::clear_messages))
        .route("/_poolkeeper/clock", get(controls::clock).post(controls::set_clock))
        .route("/_poolkeeper/reset", post(controls::reset))
        .route("/_poolkeeper/inbox", get(inbox::page))
        .route("/_poolkeeper/inbox/clear", post(inbox::clear))
        .route("/_poolkeeper/style.css", get(crate::page::style))
        .layer(middleware::from_fn(same_origin::only))
        .layer(middleware::from_fn_with_state(web.clone(), own_host::only))
}

/// Paths that lead nowhere: preflights are granted, everything else is answered as the service answers it.
pub(crate) async fn unrouted(request: Request) -> Response {
    if request.method() == Method::OPTIONS {
        return cors::preflight(request.headers().clone()).await;
    }
    discovery::unknown().await
}

async fn no_such_control() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"error": "There is nothing here."}))).into_response()
}

/// An answer even after a panic.
async fn survive(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match panics::catch(next.run(request)).await {
        Ok(response) => response,
        Err(panic) => {
            tracing::error!(path, cause = %panic, "the request failed");
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": "Something went wrong on the server."})))
                .into_response()
        }
    }
}
