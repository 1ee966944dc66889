//! Finding users: ListUsers with a filter, and its pages without one.

use anyhow::Context;
use serde_json::{Value, json};

use crate::driver::Connection;

/// Users on a page, which is the most that there are.
const PAGE: usize = 60;
/// The page that lies deep.
const DEEP: usize = 1_000;

/// One user, by the whole address.
pub fn exact(pool: &str, name: &str) -> Value {
    json!({"UserPoolId": pool, "Filter": format!("email = \"{name}@example.com\"")})
}

/// Ten users, by how their addresses begin; fewer where the pool ends.
pub fn prefix(pool: &str, name: &str) -> Value {
    let prefix = name.get(..name.len().saturating_sub(1)).unwrap_or_default();
    json!({"UserPoolId": pool, "Filter": format!("email ^= \"{prefix}\"")})
}

/// A page of the whole list: the first, or the one after a token.
pub fn page(pool: &str, token: Option<&str>) -> Value {
    let mut request = json!({"UserPoolId": pool, "Limit": PAGE});
    if let (Some(request), Some(token)) = (request.as_object_mut(), token) {
        request.insert("PaginationToken".to_owned(), token.into());
    }
    request
}

/// The token of page 1,000, or of the last full page in a pool of fewer than 60,000 users, so that pages compare; none
/// where that is the first one.
pub async fn deep(connection: &mut Connection, pool: &str, users: usize) -> anyhow::Result<Option<String>> {
    let mut token: Option<String> = None;
    for _ in 1..DEEP.min(users / PAGE) {
        let answer = connection.json("ListUsers", page(pool, token.as_deref())).await?;
        token = Some(answer["PaginationToken"].as_str().context("a page that is not the last has a token")?.to_owned());
    }
    Ok(token)
}
