//! Test controls (`poolkeeper dev` only): what was sent, what time it is, and a fresh start. JSON, stable, made for
//! scripts; documented in docs/test-controls.md.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use service::{ApiError, Reading, messages};
use wire::Timestamp;

use crate::{answer, state::Web};

/// Messages per answer unless `limit` says otherwise.
const USUAL_LIMIT: usize = 100;
/// Most messages per answer: all that the inbox keeps.
const LARGEST_LIMIT: usize = 10_000;
/// First and last moment that the clock can show: the years 1970 to 9999.
const EARLIEST: i64 = 0;
const LATEST: i64 = 253_402_300_799_999;

/// The query of `GET /_poolkeeper/messages`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessagesQuery {
    user_pool_id: Option<String>,
    username: Option<String>,
    limit: Option<usize>,
}

/// `GET /_poolkeeper/messages`: newest first.
pub(crate) async fn messages(
    State(web): State<Web>,
    query: Result<Query<MessagesQuery>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Query(query) = query.map_err(|rejection| Refusal::request(rejection.body_text()))?;
    let limit = query.limit.unwrap_or(USUAL_LIMIT);
    if limit > LARGEST_LIMIT {
        return Err(Refusal::request(format!("limit must be at most {LARGEST_LIMIT}")));
    }
    let query = messages::InboxQuery {
        user_pool_id: query.user_pool_id.filter(|text| !text.is_empty()),
        username: query.username.filter(|text| !text.is_empty()),
        limit,
    };
    let found = messages::inbox(&web.app, query).await?;
    Ok(Json(json!({"messages": found})))
}

/// `DELETE /_poolkeeper/messages`: empties the inbox.
pub(crate) async fn clear_messages(State(web): State<Web>) -> Result<Json<Value>, Refusal> {
    messages::clear(&web.app).await?;
    Ok(Json(json!({})))
}

/// `GET /_poolkeeper/clock`.
pub(crate) async fn clock(State(web): State<Web>) -> Result<Json<Value>, Refusal> {
    reading(web.app.clock.read())
}

/// The body of `POST /_poolkeeper/clock`. Several members are applied in this order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    /// Back to the system's clock.
    reset: Option<bool>,
    /// To this moment.
    set: Option<String>,
    /// By that many seconds; negative goes back.
    advance_seconds: Option<f64>,
    /// Stops it, or lets it go on.
    freeze: Option<bool>,
}

/// `POST /_poolkeeper/clock`: moves, stops or resets the clock, and answers what it shows then.
pub(crate) async fn set_clock(State(web): State<Web>, body: axum::body::Bytes) -> Result<Json<Value>, Refusal> {
    let change: ClockChange = serde_json::from_slice(&body).map_err(|error| Refusal::request(error.to_string()))?;
    let clock = &web.app.clock;
    if change.reset == Some(false) {
        return Err(Refusal::request("reset can only be true"));
    }
    if change.reset.is_none() && change.set.is_none() && change.advance_seconds.is_none() && change.freeze.is_none() {
        return Err(Refusal::request("one of advance_seconds, set, freeze and reset is needed"));
    }
    let advance = change.advance_seconds.map_or(Ok(0), milliseconds)?;
    let set = change.set.map(|text| text.parse().map(jiff::Timestamp::as_millisecond)).transpose();
    let set = set.map_err(|_| Refusal::request("set must be a moment in RFC 3339, such as 2026-01-02T03:04:05Z"))?;
    if let Some(start) = set.or_else(|| change.reset.is_none().then(|| clock.now().milliseconds())) {
        let aim = start.saturating_add(advance);
        if !(EARLIEST..=LATEST).contains(&aim) {
            return Err(Refusal::request("the clock shows moments from 1970 to 9999"));
        }
    }
    if change.reset == Some(true) {
        clock.reset();
    }
    if let Some(moment) = set {
        clock.set(Timestamp(moment));
    }
    if advance != 0 {
        clock.advance(advance);
    }
    if let Some(frozen) = change.freeze {
        clock.freeze(frozen);
    }
    reading(clock.read())
}

/// Whole milliseconds; a step beyond ten thousand years is none.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn milliseconds(seconds: f64) -> Result<i64, Refusal> {
    let milliseconds = (seconds * 1_000.0).round();
    if milliseconds.abs() > 400_000_000_000_000.0 || !milliseconds.is_finite() {
        return Err(Refusal::request("advance_seconds is out of range"));
    }
    Ok(milliseconds as i64)
}

#[expect(clippy::cast_precision_loss, reason = "exact for all moments that the clock can show")]
fn reading(reading: Reading) -> Result<Json<Value>, Refusal> {
    let now = moment(reading.now)?;
    let offset = if reading.offset % 1_000 == 0 {
        Value::from(reading.offset / 1_000)
    } else {
        Value::from(reading.offset as f64 / 1_000.0)
    };
    Ok(Json(json!({"now": now, "offset_seconds": offset, "frozen": reading.frozen})))
}

/// RFC 3339.
fn moment(at: Timestamp) -> Result<String, Refusal> {
    jiff::Timestamp::from_millisecond(at.milliseconds())
        .map(|moment| moment.to_string())
        .map_err(|error| Refusal::from(ApiError::internal(error)))
}

/// `POST /_poolkeeper/reset`: pools, clients, users, messages, all gone; the clock is the system's again.
pub(crate) async fn reset(State(web): State<Web>) -> Result<Json<Value>, Refusal> {
    web.app.store.reset().await.map_err(ApiError::from)?;
    web.app.forget_all();
    web.app.clock.reset();
    Ok(Json(json!({})))
}

/// What a test control answers when it does not do what it was asked: `{"error": …}`.
pub(crate) struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    fn request(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, text: text.into() }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        if let Some(cause) = &error.cause {
            tracing::error!(cause = cause.as_ref(), "a test control failed");
        }
        Self { status: answer::status(error.kind), text: error.message }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"error": self.text}))).into_response()
    }
}
