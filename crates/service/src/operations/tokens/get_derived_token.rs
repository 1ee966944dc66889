//! GetDerivedToken (auth-flows.md §19; RFC 8693): a service exchanges the token of its caller for one that it can hand
//! on, about the same user.
//!
//! Order: client, its secret or the request's signature, parameters, flow, subject, actor, resource, scopes.

use domain::{Client, Pool};
use wire::{
    ExplicitAuthFlowsType, GetDerivedTokenRequest, GetDerivedTokenResponse, IssuedTokenTypeIdentifierType,
    OAuthTokenTypeType, TokenTypeIdentifierType,
};

use crate::{
    ApiError, Caller, Ctx, lookup,
    operations::{clients::settings::distinct, identity_providers, resource_servers},
    scopes, secret_hash,
    settings::Signatures,
    tokens::{
        assertions,
        bearer::{self, Bearer, Kind, Role},
        derived::{self, Derived},
        foreign,
    },
};

/// Answers a token of the pool, or of one of its identity providers, with a token for the client that asks. With an
/// actor's token the new one names the actor; without, it looks as if the user had got it.
///
/// Decision: the new token expires with those that it is given for, at the latest; otherwise a token could be kept alive
/// for ever by exchanging it for itself.
///
/// # Errors
/// `ResourceNotFoundException` for an unknown client or resource server; `NotAuthorizedException` for a client that does
/// not prove itself and for tokens that are not good; `TooManyRequestsException` after too many wrong secrets; `InvalidParameterException` for what does not go together or is
/// not allowed; `UserNotFoundException` when a user is gone.
pub async fn run(ctx: &Ctx, input: GetDerivedTokenRequest) -> Result<GetDerivedTokenResponse, ApiError> {
    // Load.
    let (client, pool) = lookup::client_and_pool(ctx, &input.client_id).await?;
    check_caller(ctx, &client, input.client_secret.as_deref())?;
    let kind = match input.requested_token_type {
        // Decision: an access token, as tokens for services are.
        None | Some(IssuedTokenTypeIdentifierType::AccessToken) => Kind::Access,
        Some(IssuedTokenTypeIdentifierType::IdToken) => Kind::Id,
    };
    check_parameters(&input, kind)?;
    check_flow(&client, input.actor_token.is_some())?;
    let provider = input.subject_token_provider_name.as_deref();
    let given = Given { token: &input.subject_token, kind: input.subject_token_type, provider, role: Role::Subject };
    let subject = given.read(ctx, &pool, &client).await?;
    // Decision: a token that a client got for itself is about no user; GetClientToken gives it another one.
    let user = subject.user.as_ref().ok_or_else(|| ApiError::not_authorized("Invalid Subject Token"))?;
    let actor = actor(ctx, &pool, &client, &input).await?;
    let resource = input.resources.iter().flatten().next();
    if let Some(identifier) = resource {
        resource_servers::find(ctx, &pool.id, identifier).await?;
    }
    let scopes = granted(ctx, &pool, &client, &subject, input.scopes.as_deref().unwrap_or_default()).await?;

    // Decide.
    let act = derived::act(&subject, actor.as_ref())?;
    let expires_at = actor.iter().map(|actor| actor.expires_at).fold(subject.expires_at, i64::min);
    let audience = resource.or_else(|| input.audiences.iter().flatten().next()).map(String::as_str);
    // Commit: what is good for once, before the pool's function is asked, which cannot be taken back.
    assertions::spend(ctx, &subject, Role::Subject).await?;
    if let Some(actor) = &actor {
        assertions::spend(ctx, actor, Role::Actor).await?;
    }
    let wanted = Derived { subject: &subject, act: act.as_ref(), expires_at, scopes: &scopes, audience };
    let (issued_token, expires_in) = derived::derive(ctx, &pool, &client, user, kind, wanted).await?;
    let (issued_token_type, token_type, scopes) = match kind {
        Kind::Access => (IssuedTokenTypeIdentifierType::AccessToken, OAuthTokenTypeType::Bearer, Some(scopes)),
        // Decision: nobody takes an ID token as a credential, which is what `N_A` stands for (RFC 8693 §2.2.1).
        Kind::Id => (IssuedTokenTypeIdentifierType::IdToken, OAuthTokenTypeType::NA, None),
    };
    Ok(GetDerivedTokenResponse { issued_token, issued_token_type, token_type, expires_in: Some(expires_in), scopes })
}

/// Whoever has signed the request needs no secret of the client; one that is shown must be right all the same.
fn check_caller(ctx: &Ctx, client: &Client, secret: Option<&str>) -> Result<(), ApiError> {
    let is_signed =
        ctx.app.settings.signatures == Signatures::Ignored || matches!(ctx.caller, Caller::AccessKey { .. });
    if is_signed && secret.is_none() || secret_hash::proves_itself(ctx, client, secret)? {
        return Ok(());
    }
    // Decision: the words are GetClientToken's.
    Err(ApiError::not_authorized("Invalid client or secret"))
}

/// Decision: the service's words are not recorded.
fn check_parameters(input: &GetDerivedTokenRequest, kind: Kind) -> Result<(), ApiError> {
    let is_given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let has_actor_members = input.actor_token_type.is_some() || input.actor_token_provider_name.is_some();
    let message = match &input.actor_token {
        Some(_) if input.actor_token_type.is_none() => "ActorTokenType is required with ActorToken.",
        Some(_)
            if input.actor_token_type == Some(TokenTypeIdentifierType::Saml2)
                && input.actor_token_provider_name.is_none() =>
        {
            "ActorTokenProviderName is required with ActorTokenType SAML2."
        }
        _ if input.subject_token_type == TokenTypeIdentifierType::Saml2
            && input.subject_token_provider_name.is_none() =>
        {
            "SubjectTokenProviderName is required with SubjectTokenType SAML2."
        }
        None if has_actor_members => "ActorTokenType and ActorTokenProviderName can only be given with ActorToken.",
        _ if is_given(&input.audiences) && is_given(&input.resources) => {
            "Audiences and Resources cannot be requested together."
        }
        _ if kind == Kind::Id && is_given(&input.scopes) => "Scopes cannot be requested for an ID token.",
        _ => return Ok(()),
    };
    Err(ApiError::invalid_parameter(message))
}

fn check_flow(client: &Client, has_actor: bool) -> Result<(), ApiError> {
    let flow = if has_actor {
        ExplicitAuthFlowsType::AllowTokenExchangeDelegation
    } else {
        ExplicitAuthFlowsType::AllowTokenExchangeImpersonation
    };
    if client.explicit_auth_flows.contains(&flow) {
        return Ok(());
    }
    // Decision: the service's words are not recorded.
    Err(ApiError::invalid_parameter(format!("{} is not enabled for the client.", flow.as_str())))
}

/// A token that was brought.
struct Given<'a> {
    token: &'a str,
    kind: TokenTypeIdentifierType,
    /// The identity provider that has made it; none where it is the pool's.
    provider: Option<&'a str>,
    role: Role,
}

impl Given<'_> {
    /// Decision: a client exchanges the tokens of those providers by which its users may sign in.
    async fn read(self, ctx: &Ctx, pool: &Pool, client: &Client) -> Result<Bearer, ApiError> {
        let Self { token, kind, provider, role } = self;
        let kind = match kind {
            TokenTypeIdentifierType::AccessToken => Some(Kind::Access),
            TokenTypeIdentifierType::IdToken => Some(Kind::Id),
            TokenTypeIdentifierType::Saml2 => None,
        };
        let Some(name) = provider else {
            // Assertions have a provider (`check_parameters`).
            let kind = kind.ok_or_else(|| role.refused("Invalid {}"))?;
            return bearer::read(ctx, pool, token, kind, role).await;
        };
        let provider = identity_providers::find(ctx, &pool.id, name).await?;
        if !client.supported_identity_providers.contains(&provider.name) {
            // Decision: the service's words are not recorded.
            return Err(ApiError::invalid_parameter(format!(
                "Identity provider {} is not enabled for the client.",
                provider.name
            )));
        }
        match kind {
            Some(kind) => foreign::read(ctx, pool, &provider, token, kind, role).await,
            None => assertions::read(ctx, pool, &provider, token, role).await,
        }
    }
}

async fn actor(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    input: &GetDerivedTokenRequest,
) -> Result<Option<Bearer>, ApiError> {
    let (Some(token), Some(kind)) = (&input.actor_token, input.actor_token_type) else { return Ok(None) };
    let provider = input.actor_token_provider_name.as_deref();
    Given { token, kind, provider, role: Role::Actor }.read(ctx, pool, client).await.map(Some)
}

/// What was asked for, of what the subject's token is good for and the client may have. Whoever asks for nothing gets
/// what the subject's token is good for.
///
/// Decision: an ID token is good for no scope. One of another issuer sets no limit, as a sign-in there sets none: who asks
/// gets what the client may have, and who asks for nothing gets nothing. Where nothing is left of what was asked for, the
/// exchange is refused.
async fn granted(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    subject: &Bearer,
    asked: &[String],
) -> Result<Vec<String>, ApiError> {
    if asked.is_empty() {
        return Ok(subject.scopes.clone().unwrap_or_default());
    }
    let is_allowed = |scope: &String| {
        subject.scopes.as_ref().is_none_or(|scopes| scopes.contains(scope)) && client.oauth.scopes.contains(scope)
    };
    let allowed: Vec<String> = distinct(asked).into_iter().filter(is_allowed).collect();
    let granted = scopes::existing(ctx, pool, &allowed).await?;
    if granted.is_empty() {
        return Err(ApiError::invalid_parameter(
            "None of the requested scopes is among those of the subject token and of the client.",
        ));
    }
    Ok(granted)
}
