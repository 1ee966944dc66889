//! ID tokens of providers (oauth-federation.md §16; OpenID Connect Core §3.1.3.7).
//!
//! Order: key, signature, kind, issuer, audience, times, nonce.
//!
//! Decision: the service takes tokens that are signed with HMAC as well. Here they are refused: with a secret that both
//! sides know, nobody can tell a token of the provider from one of whoever else has learned the secret.
//!
//! Decision: a token for several audiences need not say whom it was given to (`azp`); where it does, that is this client.

use crypto::token::foreign::{self, ForeignToken};
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use crate::{
    Ctx,
    issuers::{Issuer, Unanswered, is_same},
    tokens::{
        bearer::Kind,
        foreign::{AHEAD, Audience, LONGEST_SUBJECT, is_of, seconds},
    },
};

/// What is looked at of the claims.
#[derive(Deserialize)]
struct Checked {
    sub: String,
    iss: String,
    aud: Audience,
    azp: Option<String>,
    exp: Number,
    iat: Number,
    nbf: Option<Number>,
    nonce: Option<String>,
    /// It tells of something, such as the end of a session, and vouches for nobody.
    events: Option<Value>,
}

/// The claims of a token that the issuer has made for this client, now, and for the sign-in with this nonce.
///
/// # Errors
/// What is wrong with it, in words.
///
/// Decision: but for the time-out (§3.1) the service's words are not recorded.
pub(super) async fn read(
    ctx: &Ctx,
    issuer: &Issuer,
    client_id: &str,
    nonce: &str,
    token: &str,
) -> Result<Map<String, Value>, String> {
    let refused = |what: &str| format!("Invalid ID token received: {what}");
    let kid = foreign::unverified_kid(token).map_err(|error| refused(&error.to_string()))?;
    let keys = ctx.app.issuers.keys(issuer, &kid, ctx.now).await.map_err(|unanswered| match unanswered {
        Unanswered::TimedOut => "Timeout in calling jwks uri".to_owned(),
        Unanswered::Failed(_) => "Error in calling jwks uri".to_owned(),
    })?;
    let ForeignToken { typ, claims } = keys.verify(token).map_err(|error| refused(&error.to_string()))?;
    let checked: Checked = serde_json::from_slice(&claims).map_err(|_| refused("claims are missing"))?;
    let now = ctx.now.seconds();
    let is_early = |moment: &Number| seconds(moment) > now + AHEAD;
    let is_for_us = checked.aud.has(client_id) && checked.azp.as_deref().is_none_or(|presenter| presenter == client_id);
    let faults = [
        (!is_of(Kind::Id, typ.as_deref()) || checked.events.is_some(), "it is another kind of token"),
        (!is_same(&issuer.issuer, &checked.iss), "it is another issuer's"),
        (!is_for_us, "it is meant for another audience"),
        (now >= seconds(&checked.exp), "it has expired"),
        (is_early(&checked.iat) || checked.nbf.as_ref().is_some_and(is_early), "it is not good yet"),
        (checked.nonce.as_deref() != Some(nonce), "the nonce is another one"),
        (checked.sub.is_empty() || checked.sub.len() > LONGEST_SUBJECT, "it names nobody"),
    ];
    if let Some((_, fault)) = faults.into_iter().find(|(is_so, _)| *is_so) {
        return Err(refused(fault));
    }
    serde_json::from_slice(&claims).map_err(|_| refused("claims are missing"))
}
