//! Pools, clients and signing keys are kept in memory, and what another server changes is seen within a second.
//!
//! The bound is on requests: one that begins a second or more after the change was acknowledged sees it. So what is
//! measured is when the last request that saw the old state began, and no machine is too slow for that.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{SigningKeyState, SigningKeyUse};
use serde_json::{Value, json};
use store::{Changes, Key};
use testkit::{Answer, Server};
use tokio::time::Instant;

use crate::support::*;

/// How long others may see the old state after a change was acknowledged.
const BOUND: Duration = Duration::from_secs(1);
const CLIENT_GONE: &str = "ResourceNotFoundException: User pool client";
const POOL_GONE: &str = "ResourceNotFoundException: User pool";

/// Asks until the change is seen, which was acknowledged at `changed`. Answers for how long the old state was seen.
async fn seen(what: &str, changed: Instant, is_new: impl AsyncFn() -> bool) -> Duration {
    let mut last = Duration::ZERO;
    loop {
        let began = Instant::now();
        if is_new().await {
            return last;
        }
        last = began - changed;
        assert!(last < BOUND, "{what}: a request that began {last:?} after the change saw the old state");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until this server answers from memory: until a change of the row that bypasses all servers is not seen.
async fn remembers(server: &Server, client: &str) {
    let rename = |name: &str| {
        let sql = format!("UPDATE clients SET doc = REPLACE(doc, '\"name\":\"test\"', '\"name\":\"{name}\"')");
        server.scratch().sql(&sql).unwrap();
    };
    let restore = || server.scratch().sql("UPDATE clients SET doc = REPLACE(doc, '\"name\":\"other\"', '\"name\":\"test\"')");
    rename("other");
    restore().unwrap();
    until("the client is remembered", async || {
        server.app.client(client).await.unwrap().unwrap();
        rename("other");
        let name = server.app.client(client).await.unwrap().unwrap().name.clone();
        restore().unwrap();
        name == "test"
    })
    .await;
}
