//! The PreTokenGeneration trigger: a function says what tokens contain (triggers-security.md §9). What it may change is
//! ruled by [`domain::claims`].

use std::collections::BTreeMap;

use domain::{
    Client, Pool, User,
    claims::{ClaimChanges, Groups, Overrides},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use wire::PreTokenGenerationLambdaVersionType;

use super::groups::GroupClaims;
use crate::{
    ApiError, Ctx,
    triggers::{self, Event, Once, Trigger},
};

/// What clients that speak for themselves have in the place of a user's name, and as the occasion.
const CLIENT_CREDENTIALS: &str = "ClientCredentials";

/// Why tokens are made.
#[derive(Debug)]
pub struct Occasion<'a> {
    /// The end of `triggerSource`.
    source: &'static str,
    /// `ClientMetadata` that the function gets to see.
    metadata: Option<&'a BTreeMap<String, String>>,
    said: Once<Option<Overrides>>,
}

impl<'a> Occasion<'a> {
    /// A sign-in is complete, and this was its last challenge.
    #[must_use]
    pub fn sign_in(challenge: Option<wire::ChallengeNameType>, metadata: Option<&'a BTreeMap<String, String>>) -> Self {
        let source = match challenge {
            Some(wire::ChallengeNameType::NewPasswordRequired) => "NewPasswordChallenge",
            Some(wire::ChallengeNameType::DevicePasswordVerifier) => "AuthenticateDevice",
            _ => "Authentication",
        };
        Self { source, metadata, said: Once::default() }
    }

    /// An application gets what it was granted at the authorization endpoint.
    #[must_use]
    pub fn hosted() -> Self {
        Self { source: "HostedAuth", metadata: None, said: Once::default() }
    }

    /// A refresh token came through a sign-in flow, which tells functions nothing.
    #[must_use]
    pub fn refresh() -> Self {
        Self { source: "RefreshTokens", metadata: None, said: Once::default() }
    }
}

/// Whose tokens they are.
struct Subject<'a> {
    name: &'a str,
    attributes: BTreeMap<String, String>,
    /// None for a client, which is in no groups.
    groups: Option<&'a GroupClaims>,
    scopes: Vec<&'a str>,
}

/// What the pool's function, if it has one, says about the tokens of a user. It is asked once for an occasion.
///
/// # Errors
/// See [`triggers::call`].
pub(super) async fn ask<'a>(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    user: &User,
    groups: &GroupClaims,
    scopes: Vec<&str>,
    occasion: &'a Occasion<'_>,
) -> Result<Option<&'a Overrides>, ApiError> {
    let Some(function) = triggers::function(pool, Trigger::PreTokenGeneration) else { return Ok(None) };
    let said = occasion.said.ask(async || {
        let attributes = triggers::user_attributes(pool, user);
        let subject = Subject { name: &user.username, attributes, groups: Some(groups), scopes };
        call(ctx, pool, client, function, occasion.source, subject, occasion.metadata).await
    });
    Ok(said.await?.as_ref())
}

/// What the pool's function, if it has one of the third version, says about the token of a client that speaks for
/// itself (oauth-federation.md §6).
///
/// # Errors
/// See [`triggers::call`].
pub(super) async fn ask_for_client(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    scopes: &[String],
    metadata: Option<&BTreeMap<String, String>>,
) -> Result<Option<Overrides>, ApiError> {
    let is_third = version(pool) == PreTokenGenerationLambdaVersionType::V30;
    let Some(function) = triggers::function(pool, Trigger::PreTokenGeneration).filter(|_| is_third) else {
        return Ok(None);
    };
    let scopes = scopes.iter().map(String::as_str).collect();
    let subject = Subject { name: CLIENT_CREDENTIALS, attributes: BTreeMap::new(), groups: None, scopes };
    call(ctx, pool, client, function, CLIENT_CREDENTIALS, subject, metadata).await
}

async fn call(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    function: &str,
    source: &'static str,
    subject: Subject<'_>,
    metadata: Option<&BTreeMap<String, String>>,
) -> Result<Option<Overrides>, ApiError> {
    let Subject { name, attributes, groups, scopes } = subject;
    let configuration = groups.map(|groups| {
        json!({
            "groupsToOverride": groups.groups,
            "iamRolesToOverride": groups.roles,
            "preferredRole": groups.preferred_role,
        })
    });
    let members = [("userAttributes", json!(attributes)), ("groupConfiguration", json!(configuration))];
    let is_first = version(pool) == PreTokenGenerationLambdaVersionType::V10;
    let scopes = (!is_first).then(|| ("scopes", json!(scopes)));
    let details = if is_first { "claimsOverrideDetails" } else { "claimsAndScopeOverrideDetails" };
    let event = Event {
        trigger: Trigger::PreTokenGeneration,
        source,
        user_name: name,
        client_id: Some(&client.id),
        request: triggers::request(members.into_iter().chain(scopes), metadata),
        response: json!({ details: null }),
    };
    let overrides = if is_first {
        let said: First = triggers::call(ctx, pool, function, event).await?;
        said.claims_override_details.map(Overrides::from)
    } else {
        let said: Second = triggers::call(ctx, pool, function, event).await?;
        said.claims_and_scope_override_details.map(Overrides::from)
    };
    match overrides {
        Some(overrides) if !overrides.is_valid() => Err(triggers::unrecognizable()),
        overrides => Ok(overrides),
    }
}

/// In which version the pool's function is called.
fn version(pool: &Pool) -> PreTokenGenerationLambdaVersionType {
    let triggers = pool.sign_in.triggers.as_ref();
    let versioned = triggers.and_then(|triggers| triggers.pre_token_generation_config.as_ref());
    versioned.map_or(PreTokenGenerationLambdaVersionType::V10, |function| function.lambda_version)
}

/// `response` of the first version.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct First {
    claims_override_details: Option<FirstDetails>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FirstDetails {
    claims_to_add_or_override: Option<BTreeMap<String, String>>,
    claims_to_suppress: Option<Vec<String>>,
    #[serde(default, deserialize_with = "even_if_null")]
    group_override_details: Option<Option<GroupDetails>>,
}

/// `response` of the second and third versions.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Second {
    claims_and_scope_override_details: Option<SecondDetails>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecondDetails {
    id_token_generation: Option<TokenDetails>,
    access_token_generation: Option<TokenDetails>,
    #[serde(default, deserialize_with = "even_if_null")]
    group_override_details: Option<Option<GroupDetails>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TokenDetails {
    claims_to_add_or_override: Option<Map<String, Value>>,
    claims_to_suppress: Option<Vec<String>>,
    scopes_to_add: Option<Vec<String>>,
    scopes_to_suppress: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GroupDetails {
    groups_to_override: Option<Vec<String>>,
    iam_roles_to_override: Option<Vec<String>>,
    preferred_role: Option<String>,
}

/// Groups that are null are no groups. Decision: groups that are not mentioned are as they were.
fn even_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<GroupDetails>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn groups(details: Option<Option<GroupDetails>>) -> Option<Groups> {
    details.map(|details| {
        let GroupDetails { groups_to_override, iam_roles_to_override, preferred_role } = details.unwrap_or_default();
        Groups {
            groups: groups_to_override.unwrap_or_default(),
            roles: iam_roles_to_override.unwrap_or_default(),
            preferred_role,
        }
    })
}

impl From<FirstDetails> for Overrides {
    fn from(details: FirstDetails) -> Self {
        let add = details.claims_to_add_or_override.unwrap_or_default();
        Self {
            id: ClaimChanges {
                add: add.into_iter().map(|(name, value)| (name, Value::from(value))).collect(),
                suppress: details.claims_to_suppress.unwrap_or_default(),
            },
            groups: groups(details.group_override_details),
            ..Self::default()
        }
    }
}

impl From<SecondDetails> for Overrides {
    fn from(details: SecondDetails) -> Self {
        let (id, access) =
            (details.id_token_generation.unwrap_or_default(), details.access_token_generation.unwrap_or_default());
        let changes = |add: Option<Map<String, Value>>, suppress: Option<Vec<String>>| ClaimChanges {
            add: add.unwrap_or_default(),
            suppress: suppress.unwrap_or_default(),
        };
        Self {
            id: changes(id.claims_to_add_or_override, id.claims_to_suppress),
            access: changes(access.claims_to_add_or_override, access.claims_to_suppress),
            scopes_to_add: access.scopes_to_add.unwrap_or_default(),
            scopes_to_suppress: access.scopes_to_suppress.unwrap_or_default(),
            groups: groups(details.group_override_details),
        }
    }
}
