//! `/eventFeedback/`: the page behind the links in notices of threat protection (triggers-security.md §15.3). It asks whether
//! an event was the user's doing; the button on it says so, as UpdateAuthEventFeedback with the same token would.
//!
//! Following the link changes nothing: mail scanners follow links by themselves, and would say that every event was the
//! user's doing, and that none was. The form repeats the link's query, and nobody can make somebody else's browser send one
//! with a good token without having the token.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use http::{StatusCode, request::Parts};
use serde::Deserialize;
use service::{ApiError, threat::feedback};
use wire::{ErrorKind, FeedbackValueType};

use crate::{page, panics, state::Web};

/// The link's query.
#[derive(Deserialize)]
struct Link {
    token: String,
    value: FeedbackValueType,
}

#[derive(Template)]
#[template(path = "feedback.html")]
struct Page<'a> {
    title: &'static str,
    text: &'static str,
    button: Option<Button<'a>>,
}

/// What says what the link says.
struct Button<'a> {
    label: &'static str,
    token: &'a str,
    value: &'static str,
}

/// `GET /eventFeedback/?token=…&value=Valid|Invalid`: asks.
pub(crate) async fn ask(State(web): State<Web>, parts: Parts) -> Response {
    let Some(link) = link(&parts) else { return refused() };
    if feedback::subject(&web.context(&parts), &link.token).is_err() {
        return refused();
    }
    let (text, label) = match link.value {
        FeedbackValueType::Valid => {
            ("Press the button if the sign-in that the message tells of was yours.", "Yes, it was me")
        }
        FeedbackValueType::Invalid => {
            ("Press the button if the sign-in that the message tells of was not yours.", "No, it was not me")
        }
    };
    let button = Button { label, token: &link.token, value: link.value.as_str() };
    page::render(StatusCode::OK, &Page { title: "Was this you?", text, button: Some(button) })
}

/// `POST` of the same: keeps the answer. The link stays good, for those who change their minds.
pub(crate) async fn give(State(web): State<Web>, parts: Parts) -> Response {
    let Some(link) = link(&parts) else { return refused() };
    let ctx = web.context(&parts);
    let given = panics::catch(feedback::give_by_link(&ctx, &link.token, link.value)).await;
    let say = |status, title, text| page::render(status, &Page { title, text, button: None });
    match given.unwrap_or_else(|panic| Err(ApiError::internal(panic))) {
        Ok(()) => {
            let text = match link.value {
                FeedbackValueType::Valid => "Your answer has been recorded. There is nothing else to do.",
                FeedbackValueType::Invalid => {
                    "Your answer has been recorded. Somebody else may know your password: please change it now, here and \
                     wherever else you use it."
                }
            };
            say(StatusCode::OK, "Thank you", text)
        }
        Err(error) if error.kind.is_server_fault() => {
            tracing::error!(id = ctx.request_id, cause = error.cause.as_deref(), "feedback was not recorded");
            let text = "Something went wrong on the server. Please open the link again in a moment.";
            say(StatusCode::INTERNAL_SERVER_ERROR, "Please try again", text)
        }
        Err(error) if matches!(error.kind, ErrorKind::TooManyRequests | ErrorKind::ConcurrentModification) => {
            let text = "Too many answers arrive at once. Please open the link again in a moment.";
            say(StatusCode::TOO_MANY_REQUESTS, "Please try again", text)
        }
        Err(_) => refused(),
    }
}

fn link(parts: &Parts) -> Option<Link> {
    Query::<Link>::try_from_uri(&parts.uri).ok().map(|Query(link)| link)
}

fn refused() -> Response {
    let text =
        "This link is not valid or has expired. If you did not sign in yourself lately, please change your password.";
    page::render(StatusCode::BAD_REQUEST, &Page { title: "This link does not work", text, button: None })
}
