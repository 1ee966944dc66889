//! What load balancers and monitoring ask.

use axum::{Json, extract::State, response::IntoResponse};
use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::state::Web;

/// `GET /_poolkeeper/health`: the process answers.
pub(crate) async fn health() -> Json<Value> {
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

/// `GET /_poolkeeper/ready`: requests can be served, which takes a database that reads and writes, and no shutdown
/// under way.
pub(crate) async fn ready(State(web): State<Web>) -> impl IntoResponse {
    let found = if web.shared.options.leaving.is_cancelled() {
        Err("shutting down".to_owned())
    } else {
        web.shared.readiness.ask(&web.app).await
    };
    match found {
        Ok(()) => (StatusCode::OK, Json(json!({"status": "ready"}))),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "not ready", "reason": reason}))),
    }
}

/// `GET /metrics`: OpenMetrics text.
pub(crate) async fn metrics(State(web): State<Web>) -> impl IntoResponse {
    let text = service::scrape(&web.app).await;
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}
