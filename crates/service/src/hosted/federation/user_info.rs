//! What a provider says of its user beside the ID token, or instead of one (oauth-federation.md §16).

use domain::{IdentityProvider, Secret};
use serde_json::{Map, Value};
use wire::IdentityProviderTypeType;

use super::oidc::{connection, detail, place};
use crate::{
    Ctx,
    issuers::{Outgoing, Received},
};

/// What Google's interface for people has of a user besides what its ID tokens say.
const OF_PEOPLE: [&str; 12] = [
    "addresses",
    "ageRanges",
    "biographies",
    "birthdays",
    "emailAddresses",
    "genders",
    "locales",
    "names",
    "nicknames",
    "organizations",
    "phoneNumbers",
    "photos",
];

/// What the provider says of whoever the access token is for; nothing where there is nothing to ask, or where it does not
/// answer and has sent an ID token.
///
/// # Errors
/// In words, when nobody knows who it is without an answer, or when the answer is about somebody else than the ID token.
pub(super) async fn ask(
    ctx: &Ctx,
    provider: &IdentityProvider,
    access_token: &str,
    id_token: Option<&Map<String, Value>>,
) -> Result<Map<String, Value>, String> {
    let Some(url) = url(ctx, provider).await else { return Ok(Map::new()) };
    let is_post = detail(provider, "attributes_request_method") == "POST";
    let form = is_post.then(|| Secret::new(String::new()));
    let outgoing = Outgoing { url, form, bearer: Some(Secret::new(access_token.to_owned())) };
    let answer = match ctx.app.issuers.send(outgoing).await {
        Ok(Received { status: 200, body }) => serde_json::from_slice::<Map<String, Value>>(&body)
            .map_err(|_| format!("{} Error - 200 error getting attributes", provider.name)),
        Ok(Received { status, .. }) => Err(format!("{} Error - {status} error getting attributes", provider.name)),
        Err(unanswered) => Err(connection(&unanswered).to_owned()),
    };
    let Some(id_token) = id_token else { return answer };
    let answer = answer.unwrap_or_else(|reason| {
        tracing::warn!(
            pool = provider.pool_id,
            provider = provider.name,
            reason,
            "an identity provider describes nobody"
        );
        Map::new()
    });
    if provider.provider_type == IdentityProviderTypeType::Google {
        return Ok(person(&answer));
    }
    // OpenID Connect Core §5.3.2: else somebody's token could be exchanged for another one's.
    if !answer.is_empty() && answer.get("sub") != id_token.get("sub") {
        return Err("The identity provider describes another user than its ID token.".to_owned());
    }
    Ok(answer)
}

/// Where to ask; nowhere if there is nothing that is not known already.
async fn url(ctx: &Ctx, provider: &IdentityProvider) -> Option<String> {
    let url = place(ctx, provider, "attributes_url", |found| found.user_info.as_ref()).await.ok()??;
    if detail(provider, "attributes_url_add_attributes") != "true" {
        return Some(url);
    }
    let is_known = |name: &str| match provider.provider_type {
        IdentityProviderTypeType::Google => OF_PEOPLE.contains(&name),
        _ => !["access_token", "id_token"].contains(&name),
    };
    // Names stand in the URL as they are: what would be more than a name is none.
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
    let mut names: Vec<&str> = provider
        .attribute_mapping
        .values()
        .map(String::as_str)
        .filter(|name| is_known(name) && is_name(name))
        .collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty()).then(|| format!("{url}{}", names.join(",")))
}

/// What Google's interface for people answers, in the form of claims: of each list the first entry's value.
fn person(answer: &Map<String, Value>) -> Map<String, Value> {
    let value = |entry: &Value| {
        let text = ["value", "displayName", "formattedValue", "url", "name"].iter().find_map(|name| entry.get(name));
        text.cloned().or_else(|| date(entry.get("date")?))
    };
    let lists = answer.iter().filter(|(name, _)| OF_PEOPLE.contains(&name.as_str()));
    lists.filter_map(|(name, list)| Some((name.clone(), value(list.get(0)?)?))).collect()
}

/// A date in three numbers as one text; without a year where Google is told none.
fn date(parts: &Value) -> Option<Value> {
    let part = |name: &str| parts.get(name).and_then(Value::as_i64);
    let (year, month, day) = (part("year").unwrap_or_default(), part("month")?, part("day")?);
    Some(Value::from(format!("{year:04}-{month:02}-{day:02}")))
}
