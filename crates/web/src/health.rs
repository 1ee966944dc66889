//! What load balancers and monitoring ask.

use std::fmt::Write;

use axum::{Json, extract::State, response::IntoResponse};
use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use store::Store;

use crate::state::Web;

/// `GET /_poolkeeper/health`: the process answers.
pub(crate) async fn health() -> Json<Value> {
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

/// `GET /_poolkeeper/ready`: requests can be served, which takes a store that reads and writes, and no shutdown under
/// way. The write is one that changes nothing after the first time, so that asking often costs no disk.
pub(crate) async fn ready(State(web): State<Web>) -> impl IntoResponse {
    let reason = if web.shared.options.shutdown.is_cancelled() {
        Some("shutting down".to_owned())
    } else {
        works(&web.app.store).await.err().map(|error| error.to_string())
    };
    match reason {
        None => (StatusCode::OK, Json(json!({"status": "ready"}))),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "not ready", "reason": reason}))),
    }
}

/// Reads, and goes the whole way of a change.
async fn works(store: &Store) -> Result<(), store::Error> {
    store.pools(None, 1).await?;
    store.set_meta_if_absent("ready", "yes").await.map(|_value| ())
}

/// `GET /metrics`: counters in OpenMetrics text.
pub(crate) async fn metrics(State(web): State<Web>) -> impl IntoResponse {
    let statistics = web.app.store.statistics();
    let mut text = web.app.metrics.text();
    // The text ends with this mark; the store's counters are told before it.
    let end = "# EOF\n";
    text.truncate(text.len() - if text.ends_with(end) { end.len() } else { 0 });
    let counters = [
        ("store_commits", "Changesets applied", statistics.commits),
        ("store_conflicts", "Changesets refused because a row had changed", statistics.conflicts),
        ("store_taken", "Changesets refused because a name or a one-time thing was taken", statistics.taken),
        ("store_failures", "Changesets that the engine failed to apply", statistics.failures),
        ("store_groups", "Groups of changesets made durable together", statistics.groups),
    ];
    for (name, help, value) in counters {
        // Writing to a string cannot fail.
        _ = write!(
            text,
            "# HELP poolkeeper_{name} {help}.\n# TYPE poolkeeper_{name} counter\npoolkeeper_{name}_total {value}\n"
        );
    }
    _ = write!(
        text,
        "# HELP poolkeeper_store_largest_group Changesets in the largest group so far.\n\
         # TYPE poolkeeper_store_largest_group gauge\npoolkeeper_store_largest_group {}\n{end}",
        statistics.largest_group
    );
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}
