//! The messages that were "sent", as a page for people (`poolkeeper dev` only). It works without a script, by keyboard
//! and by screen reader; it reloads by itself only when asked to.

use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use serde::Deserialize;
use service::messages::{self, InboxMessage, InboxQuery};

use crate::{controls::Refusal, page, state::Web};

/// Messages on the page.
const SHOWN: usize = 100;
/// Seconds between reloads, when they are asked for.
const RELOAD_SECONDS: u32 = 5;

/// The query of the page: the filter form's fields.
#[derive(Default, Deserialize)]
pub(crate) struct PageQuery {
    #[serde(default)]
    user_pool_id: String,
    #[serde(default)]
    username: String,
    /// Present when the page is to reload by itself.
    reload: Option<String>,
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct Page {
    user_pool_id: String,
    username: String,
    reload_seconds: Option<u32>,
    shown: usize,
    messages: Vec<Entry>,
}

struct Entry {
    message: InboxMessage,
    /// The operation behind it, as the JSON has it.
    purpose: String,
    /// Where the link in the mail leads, if it leads to this server.
    link: Option<String>,
}

/// `GET /_poolkeeper/inbox`.
pub(crate) async fn page(
    State(web): State<Web>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let chosen = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let wanted =
        InboxQuery { user_pool_id: chosen(&query.user_pool_id), username: chosen(&query.username), limit: SHOWN };
    let base_url = &web.app.settings.base_url;
    let found = messages::inbox(&web.app, wanted).await?;
    let messages = found
        .into_iter()
        .map(|message| Entry {
            purpose: serde_json::to_value(message.purpose)
                .ok()
                .and_then(|name| name.as_str().map(str::to_owned))
                .unwrap_or_default(),
            link: link(&message.body, base_url),
            message,
        })
        .collect();
    let page = Page {
        user_pool_id: query.user_pool_id,
        username: query.username,
        reload_seconds: query.reload.map(|_| RELOAD_SECONDS),
        shown: SHOWN,
        messages,
    };
    Ok(page::render(StatusCode::OK, &page))
}

/// `POST /_poolkeeper/inbox/clear`: the page's button.
pub(crate) async fn clear(State(web): State<Web>) -> Result<Response, Refusal> {
    messages::clear(&web.app).await?;
    Ok(Redirect::to("/_poolkeeper/inbox").into_response())
}

/// The first link in the mail that leads to this server. Others are not made clickable.
fn link(body: &str, base_url: &str) -> Option<String> {
    body.split("href=").skip(1).find_map(|rest| {
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (target, _) = rest.get(1..)?.split_once(quote)?;
        let target = target.replace("&amp;", "&");
        target.strip_prefix(base_url)?.starts_with('/').then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::link;

    #[test]
    fn only_links_to_this_server_are_offered() {
        let base = "http://127.0.0.1:9229";
        let body =
            r#"<a href="http://evil.example/">x</a> <a href="http://127.0.0.1:9229/confirmUser/?a=1&amp;b=2">y</a>"#;
        assert_eq!(link(body, base).as_deref(), Some("http://127.0.0.1:9229/confirmUser/?a=1&b=2"));
        assert_eq!(link(r#"<a href="http://127.0.0.1:92290/">"#, base), None);
        assert_eq!(link(r#"<a href="javascript:alert(1)">"#, base), None);
        assert_eq!(link("href=", base), None);
        assert_eq!(link("href=\"", base), None);
        assert_eq!(link("href=é\"", base), None);
    }
}
