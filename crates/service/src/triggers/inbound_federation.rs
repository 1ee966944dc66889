//! InboundFederation (oauth-federation.md §18; triggers-security.md §11): what another identity provider says of a user,
//! before it is taken over.

use std::collections::BTreeMap;

use domain::{IdentityProvider, Pool};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Event, Trigger, call, function, request};
use crate::{ApiError, Ctx};

/// What InboundFederation answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    user_attributes_to_map: Option<BTreeMap<String, String>>,
}

/// Asks the pool's function what is to be mapped instead of what the provider has said; none where that stays as it is.
/// `user_name` is what the user is called, or will be, where nobody else was linked; `attributes` are what the provider has
/// said, as texts.
///
/// # Errors
/// See [`call`].
pub async fn ask(
    ctx: &Ctx,
    pool: &Pool,
    client_id: &str,
    provider: &IdentityProvider,
    user_name: &str,
    attributes: &Value,
) -> Result<Option<BTreeMap<String, String>>, ApiError> {
    let Some(arn) = function(pool, Trigger::InboundFederation) else { return Ok(None) };
    let members = [
        ("providerName", json!(provider.name)),
        ("providerType", json!(provider.provider_type.as_str())),
        ("attributes", attributes.clone()),
    ];
    let event = Event {
        trigger: Trigger::InboundFederation,
        source: "ExternalProvider",
        user_name,
        client_id: Some(client_id),
        request: request(members, None),
        response: json!({"userAttributesToMap": {}}),
    };
    let response: Response = call(ctx, pool, arn, event).await?;
    Ok(response.user_attributes_to_map.filter(|attributes| !attributes.is_empty()))
}
