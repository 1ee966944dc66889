//! Threat protection (triggers-security.md §14 to §16): its configuration, what is remembered of users' activity, how
//! risky it is, and what is done about that.

mod configuration;
mod context;
mod events;
mod floods;
mod notices;
mod risk;
mod sign_in;

use serde_json::{Value, json};
use testkit::Server;

use crate::pools::with;

/// The members of a pool that looks at risks in this mode, `AUDIT` or `ENFORCED`.
pub fn members(mode: &str) -> Value {
    json!({"UserPoolTier": "PLUS", "UserPoolAddOns": {"AdvancedSecurityMode": mode}})
}

/// A pool that looks at risks in this mode, with these members besides.
pub async fn pool(server: &Server, mode: &str, more: &Value) -> String {
    server.pool(with(members(mode), more)).await
}
