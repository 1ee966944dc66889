//! Tokens that are given in exchange for others (auth-flows.md §19, GetDerivedToken): about the same user and of the
//! same sign-in, so that they end with it; for the client that asked, for fewer scopes, and for one service.

use domain::{Client, Pool, User, claims::Overrides};
use serde_json::{Map, Value, json};

use super::{
    access::AccessClaims,
    bearer::{Bearer, Kind},
    groups::{self, GroupClaims},
    issue::{IdClaims, attribute_claims, encoded},
    issuer,
    pre_token_generation::{self, Occasion},
};
use crate::{ApiError, Ctx};

/// Most services that act for each other in a row.
const LONGEST_CHAIN: usize = 8;

/// What a token that is given in exchange shall be.
pub struct Derived<'a> {
    /// The token that it is given for.
    pub subject: &'a Bearer,
    /// The claim `act`.
    pub act: Option<&'a Value>,
    /// The last second of the tokens that it is given for.
    pub expires_at: i64,
    /// What it is good for, where it is an access token.
    pub scopes: &'a [String],
    /// The service that it is for.
    pub audience: Option<&'a str>,
}

/// Makes the token; answers also for how many seconds it is good.
///
/// Decision: which occasion PreTokenGeneration is told of is not recorded. It is that of a sign-in, since the token is
/// about one. What the function does to the scopes shows in the token alone.
///
/// # Errors
/// When the store cannot be read, or the pool's keys cannot be opened; those of the pool's function.
pub async fn derive(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    user: &User,
    kind: Kind,
    derived: Derived<'_>,
) -> Result<(String, i64), ApiError> {
    let Derived { subject, act, expires_at, scopes, audience } = derived;
    let claims = groups::claims(ctx, user).await?;
    let known = scopes.iter().map(String::as_str).collect();
    let occasion = Occasion::sign_in(None, None);
    let overrides = pre_token_generation::ask(ctx, pool, client, user, &claims, known, &occasion).await?;
    let GroupClaims { groups, roles, preferred_role } = claims;
    let keys = ctx.app.tokens.pool_keys(&ctx.app, &pool.id).await?;
    let iss = issuer(&ctx.app.settings, &pool.id);
    let (event_id, jti, iat) = (ctx.uuid(), ctx.uuid(), ctx.now.seconds());
    let life = match kind {
        Kind::Access => client.access_token_seconds(),
        Kind::Id => client.id_token_seconds(),
    };
    let exp = iat.saturating_add(life).min(expires_at);
    let signed = match kind {
        Kind::Access => {
            let access = AccessClaims {
                sub: user.sub.clone(),
                device_key: None,
                groups,
                iss,
                client_id: client.id.clone(),
                origin_jti: subject.origin_jti.clone(),
                event_id,
                acr: subject.acr.clone(),
                amr: subject.amr.clone(),
                act: act.cloned(),
                aud: audience.map(str::to_owned),
                token_use: "access".to_owned(),
                scope: scopes.join(" "),
                auth_time: subject.auth_time,
                exp,
                iat,
                jti,
                username: user.username.clone(),
                version: None,
            };
            let change = |overrides: &Overrides, claims: &mut _| overrides.change_access_token(claims, &client.id);
            keys.access.sign(&encoded(&access, overrides, change)?)
        }
        Kind::Id => {
            let id = IdClaims {
                sub: &user.sub,
                groups: &groups,
                preferred_role: preferred_role.as_deref(),
                roles: &roles,
                attributes: attribute_claims(client, user, None),
                nonce: None,
                at_hash: None,
                iss: &iss,
                username: &user.username,
                origin_jti: subject.origin_jti.as_deref(),
                aud: audience.unwrap_or(&client.id),
                event_id: &event_id,
                acr: subject.acr.as_deref(),
                amr: &subject.amr,
                act,
                token_use: "id",
                auth_time: subject.auth_time,
                exp,
                iat,
                jti: &jti,
            };
            keys.id.sign(&encoded(&id, overrides, Overrides::change_id_token)?)
        }
    };
    Ok((signed.map_err(ApiError::internal)?, exp.saturating_sub(iat)))
}

/// The claim `act` of a token that `actor` gets for acting for `subject`: who acts, and within it those who have acted
/// before (RFC 8693 §4.1).
///
/// Decision: an actor is named by `sub` and `client_id`, as tokens name users and clients; by `sub` alone where another
/// issuer's token says who acts. Without a new actor the old
/// ones stay: a token that was delegated does not become one that the user holds.
///
/// # Errors
/// `InvalidParameterException` when too many act for each other.
pub fn act(subject: &Bearer, actor: Option<&Bearer>) -> Result<Option<Value>, ApiError> {
    let Some(actor) = actor else { return Ok(subject.act.clone()) };
    let mut members = Map::from_iter([("sub".to_owned(), json!(actor.sub))]);
    members.extend(actor.client_id.iter().map(|client_id| ("client_id".to_owned(), json!(client_id))));
    members.extend(subject.act.iter().map(|before| ("act".to_owned(), before.clone())));
    let act = Value::Object(members);
    let chain = std::iter::successors(Some(&act), |act| act.get("act")).take(LONGEST_CHAIN + 1).count();
    if chain > LONGEST_CHAIN {
        return Err(ApiError::invalid_parameter(format!(
            "More than {LONGEST_CHAIN} actors act for each other. Exchange a token with fewer actors."
        )));
    }
    Ok(Some(act))
}
