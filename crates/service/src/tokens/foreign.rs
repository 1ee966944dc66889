//! Tokens of other issuers that somebody brings to be exchanged (auth-flows.md §19, GetDerivedToken; oauth-federation.md
//! §15, §16, §18): those of identity providers of the pool that sign JSON Web Tokens.
//!
//! Order: provider, form, key, signature, kind, issuer, audience, times, user, status.

use crypto::token::foreign::{self, ForeignToken};
use domain::{IdentityProvider, Pool, identity};
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::bearer::{Bearer, Kind, Role, linked};
use crate::{
    ApiError, Ctx,
    hosted::federation::{mapped, oidc::has_id_tokens},
    issuers::{Issuer, is_same},
};

/// How far another issuer's clock may be ahead, in seconds.
pub(crate) const AHEAD: i64 = 60;
/// Longest `sub`, in bytes (OpenID Connect Core §2).
pub(crate) const LONGEST_SUBJECT: usize = 255;

/// What is looked at of the claims.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    aud: Audience,
    exp: Number,
    iat: Number,
    nbf: Option<Number>,
    /// Somebody acts for the user already.
    act: Option<Value>,
    /// It tells of something, such as the end of a session, and vouches for nobody.
    events: Option<Value>,
}

/// `aud`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    /// A text.
    One(String),
    /// A list.
    Several(Vec<String>),
}

impl Audience {
    /// Whether a token is meant for this client.
    pub(crate) fn has(&self, client_id: &str) -> bool {
        match self {
            Self::One(audience) => audience == client_id,
            Self::Several(audiences) => audiences.iter().any(|audience| audience == client_id),
        }
    }
}

/// Reads a token of an identity provider, which must be meant for the pool: its audience is the id that the pool has at
/// the provider. An access token is taken when it is such a token as well; one that only its issuer can read is not.
///
/// Decision: the user is the one to whom this user of the provider is linked by the provider's own id, or the one who was
/// made when it signed in first. The id is in the same claim as at a sign-in, and a token without it is refused. Usernames
/// are not looked at, since everybody may choose one that looks like a provider's, nor other attributes, which may change
/// hands. The token counts as a sign-in at the moment when it was made: one from before a sign-out everywhere is refused.
/// It sets no limit to scopes, which are those of another service there. How the user signed in there is not handed on,
/// and a token with which somebody acts for the user already is refused, because nobody here knows who that is. To whom
/// the provider has given it (`azp`) is not looked at: the service that brings it may have it from another client there.
///
/// # Errors
/// `NotAuthorizedException`, also when the issuer's keys cannot be read; `UserNotFoundException` when nobody is linked;
/// `InvalidParameterException` for a provider that signs no such tokens.
pub async fn read(
    ctx: &Ctx,
    pool: &Pool,
    provider: &IdentityProvider,
    token: &str,
    kind: Kind,
    role: Role,
) -> Result<Bearer, ApiError> {
    let invalid = || role.refused("Invalid {}");
    let detail = |key: &str| provider.details.get(key);
    let signs_tokens = has_id_tokens(provider.provider_type);
    let (true, Some(issuer), Some(client_id)) = (signs_tokens, detail("oidc_issuer"), detail("client_id")) else {
        let kind = provider.provider_type.as_str();
        return Err(ApiError::not_supported(&format!("A token of a provider of type {kind}")));
    };
    let issuer = Issuer { issuer: issuer.clone(), jwks_uri: detail("jwks_uri").cloned() };
    let kid = foreign::unverified_kid(token).map_err(|_| invalid())?;
    let keys = ctx.app.issuers.keys(&issuer, &kid, ctx.now).await.map_err(|_| invalid())?;
    let ForeignToken { typ, claims } = keys.verify(token).map_err(|_| invalid())?;
    let all: Map<String, Value> = serde_json::from_slice(&claims).map_err(|_| invalid())?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| invalid())?;
    if !is_of(kind, typ.as_deref()) || claims.act.is_some() || claims.events.is_some() {
        return Err(invalid());
    }
    if !is_same(&issuer.issuer, &claims.iss) || !claims.aud.has(client_id) {
        return Err(invalid());
    }
    let now = ctx.now.seconds();
    let (expires_at, made_at) = (seconds(&claims.exp), seconds(&claims.iat));
    if now >= expires_at {
        return Err(role.refused("{} has expired"));
    }
    if made_at > now + AHEAD || claims.nbf.is_some_and(|not_before| seconds(&not_before) > now + AHEAD) {
        return Err(invalid());
    }
    if claims.sub.is_empty() || claims.sub.len() > LONGEST_SUBJECT {
        return Err(invalid());
    }
    let subject =
        mapped::subject(provider, &all).filter(|subject| identity::is_subject(subject)).ok_or_else(invalid)?;
    linked(ctx, pool, provider, &subject, made_at.min(now), expires_at, role).await
}

/// Whether a token of that `typ` may be one of this kind. Issuers sign other things with the same keys.
pub(crate) fn is_of(kind: Kind, typ: Option<&str>) -> bool {
    let typ = typ.map(str::to_ascii_lowercase);
    match typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ)) {
        None | Some("jwt") => true,
        Some("at+jwt") => kind == Kind::Access,
        Some(_) => false,
    }
}

/// A moment in whole seconds; issuers may write fractions.
pub(crate) fn seconds(number: &Number) -> i64 {
    number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Kind, Number, is_of, seconds};

    #[test]
    fn kinds_of_tokens_are_told_apart() {
        for typ in [None, Some("JWT"), Some("jwt"), Some("application/jwt")] {
            assert!(is_of(Kind::Id, typ) && is_of(Kind::Access, typ), "{typ:?}");
        }
        for typ in ["at+jwt", "application/at+JWT"] {
            assert!(!is_of(Kind::Id, Some(typ)) && is_of(Kind::Access, Some(typ)), "{typ}");
        }
        for typ in ["logout+jwt", "secevent+jwt", "dpop+jwt", ""] {
            assert!(!is_of(Kind::Id, Some(typ)) && !is_of(Kind::Access, Some(typ)), "{typ}");
        }
    }

    #[test]
    fn moments_may_have_fractions() {
        let of = |text: &str| seconds(&serde_json::from_str::<Number>(text).unwrap());
        assert_eq!(
            [of("1767323045"), of("1767323045.9"), of("1e30"), of("-1e30")],
            [1_767_323_045, 1_767_323_045, i64::MAX, i64::MIN]
        );
    }
}
