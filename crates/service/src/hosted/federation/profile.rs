//! Which user of the pool somebody is who has signed in at another provider, and what is written of them
//! (oauth-federation.md §15.2, §18).
//!
//! Order: InboundFederation; who it is: the user who owns the provider's id of them, the one to whom they are linked by an
//! attribute, or nobody yet. Somebody new: attributes, PreSignUp, one changeset with user, names and group,
//! PostConfirmation. Somebody known: whether enabled, and in a state to sign in, PreAuthentication, attributes,
//! PostAuthentication.
//!
//! Decision: nobody is found by a name or an address that the provider says, but only by what was linked or was made by a
//! sign-in before. A user who is called as the new one would be stands in the way of the sign-in, and nothing is taken
//! over.
//!
//! Decision: threat protection does not look at these sign-ins. The password, and what is known of devices, are the
//! provider's.

use std::collections::BTreeMap;

use domain::{
    AuthorizationRequest, Client, Factor, Group, Identity, IdentityProvider, Medium, NameKind, Pool, User,
    attributes::{Fault, MEDIA, Refusal, Violation, Writer, for_new_user, missing, schema_of, updated},
    identity::{self, SUBJECT},
    names,
    oauth::Authentication,
};
use store::{Changes, CommitError, Stored};
use wire::{AttributeType, ErrorKind, IdentityProviderTypeType, UserStatusType};

use super::{Failure, Said, mapped};
use crate::{
    ApiError, Ctx,
    attributes::{self, Wording},
    hosted::grant,
    retry,
    sign_in::{post_authentication, pre_authentication},
    triggers::{
        self, Once, Trigger, inbound_federation,
        post_confirmation::{self, Confirmed},
        pre_sign_up::{self, Waived},
    },
    users,
};

/// Longest username, in characters.
const LONGEST_USERNAME: usize = 128;

/// Somebody who has signed in at a provider.
struct Visitor<'a> {
    pool: &'a Pool,
    client: &'a Client,
    provider: &'a IdentityProvider,
    said: &'a Said,
    /// What a user of this identity's own is called, or would be.
    username: String,
    /// What the provider's mapping finds, by attribute.
    values: BTreeMap<String, String>,
    /// The same as far as it is written.
    given: Vec<AttributeType>,
    waived: Once<Waived>,
    let_in: Once<()>,
}

/// Finds the user or makes one, writes what is mapped, and asks and tells the pool's functions. `request` is what the
/// application has asked for: it is told of what goes wrong.
///
/// # Errors
/// Those of §3.1 that speak of attributes and triggers, as [`Failure::Back`].
pub async fn complete(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    provider: &IdentityProvider,
    request: &AuthorizationRequest,
    said: Said,
) -> Result<Authentication, Failure> {
    let user = sign_in(ctx, pool, client, provider, &said).await.map_err(|error| Failure::told(request, &error))?;
    Ok(Authentication {
        sub: user.sub.clone(),
        auth_time: user.auth_time(ctx.now),
        factors: vec![Factor::Provider],
        level: said.level,
        provider: provider.name.clone(),
        device_key: None,
        event_id: None,
        session_id: String::new(),
    })
}

async fn sign_in(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    provider: &IdentityProvider,
    said: &Said,
) -> Result<Stored<User>, ApiError> {
    if !identity::is_subject(&said.subject) {
        return Err(no_profile(provider));
    }
    let username = pool.fold(&format!("{}_{}", provider.name, said.subject));
    let replaced = inbound_federation::ask(ctx, pool, &client.id, provider, &username, &said.attributes).await?;
    let values = mapped::values(provider, &said.claims, replaced.as_ref());
    let written = values.iter().filter(|(name, _)| mapped::is_written(client, name));
    let given = written.map(|(name, value)| AttributeType { name: name.clone(), value: Some(value.clone()) }).collect();
    let (waived, let_in) = (Once::default(), Once::default());
    let visitor = Visitor { pool, client, provider, said, username, values, given, waived, let_in };
    let (user, is_new) = retry::on_conflict(ctx, || arrive(ctx, &visitor)).await?;
    if is_new {
        post_confirmation::tell(ctx, pool, Confirmed::SignUp, &user, Some(&client.id), None).await?;
    } else {
        post_authentication::tell_of(ctx, pool, client, &user, false, None).await?;
    }
    Ok(user)
}

/// The identity cannot have a user of its own.
///
/// Decision: ids of users that would make no username are refused unless they are linked; the service's words are not
/// recorded.
fn no_profile(provider: &IdentityProvider) -> ApiError {
    ApiError::invalid_parameter(format!(
        "The identity provider {} names no user that could have a profile.",
        provider.name
    ))
}

/// The user, as stored from now on, and whether this was the first time.
async fn arrive(ctx: &Ctx, visitor: &Visitor<'_>) -> Result<(Stored<User>, bool), ApiError> {
    match owner(ctx, visitor).await? {
        Some((sub, name)) => {
            let user = ctx.app.store.user(&visitor.pool.id, &sub).await?.ok_or_else(ApiError::no_such_user)?;
            welcome_back(ctx, visitor, user, &name).await.map(|user| (user, false))
        }
        None => welcome(ctx, visitor).await.map(|user| (user, true)),
    }
}

/// The `sub` of the user whom this identity is, and the name by which it was linked.
async fn owner(ctx: &Ctx, visitor: &Visitor<'_>) -> Result<Option<(String, String)>, ApiError> {
    let Visitor { pool, provider, said, values, .. } = visitor;
    let by_subject = [(SUBJECT, said.subject.as_str())].into_iter();
    let has_attributes =
        matches!(provider.provider_type, IdentityProviderTypeType::Oidc | IdentityProviderTypeType::Saml);
    let by_attribute = values.iter().filter(|(_, value)| has_attributes && !value.is_empty());
    for (attribute, value) in by_subject.chain(by_attribute.map(|(name, value)| (name.as_str(), value.as_str()))) {
        let name = identity::name(&provider.name, attribute, value);
        if let Some(sub) = ctx.app.store.name_owner(&pool.id, &name, NameKind::Identity).await? {
            return Ok(Some((sub, name)));
        }
    }
    Ok(None)
}

/// A user who was here before, or to whom the identity was linked by `name`.
///
/// Decision: one whose password must be reset, or who has not confirmed the sign-up, is refused as at the login pages,
/// before PreAuthentication is asked, and before anything is written or told.
async fn welcome_back(
    ctx: &Ctx,
    visitor: &Visitor<'_>,
    mut before: Stored<User>,
    name: &str,
) -> Result<Stored<User>, ApiError> {
    let Visitor { pool, client, said, given, .. } = visitor;
    check_standing(&before)?;
    // PreSignUp has linked it, in the middle of this sign-in.
    let is_own = before.identities.iter().any(|identity| identity.primary && identity.name() == name);
    if visitor.waived.answered().is_some() && !is_own {
        return Err(found_already(visitor));
    }
    if triggers::function(pool, Trigger::PreAuthentication).is_some() {
        let ask = || pre_authentication::may_sign_in(ctx, pool, client, &before.username, Some(&before), None);
        visitor.let_in.ask(ask).await?;
        // The function may have changed the user.
        before = ctx.app.store.user(&pool.id, &before.sub).await?.ok_or_else(ApiError::no_such_user)?;
        check_standing(&before)?;
    }
    let given = with_addresses(given, &before);
    check_mutable(pool, &given)?;
    let mut after = before.value.clone();
    after.attributes = updated(pool, Writer::Administrator, &before, &given).map_err(refused)?;
    // Attributes change hands; from its first sign-in on, the identity is known by the provider's own id (§18.2).
    for identity in after.identities.iter_mut().filter(|identity| identity.name() == name) {
        SUBJECT.clone_into(&mut identity.attribute_name);
        identity.attribute_value.clone_from(&said.subject);
        identity.issuer.clone_from(&said.issuer);
    }
    check_required(pool, &after.attributes)?;
    if after == before.value {
        return Ok(before);
    }
    let claims = attributes::new_claims(pool, Some(&before), &after);
    if let Some((kind, _)) = attributes::other_owner(ctx, pool, &before.sub, &claims).await? {
        return Err(attributes::alias_exists(kind));
    }
    after.modified_at = ctx.now;
    let mut changes = Changes::new();
    users::replace(&mut changes, pool, &before, after.clone());
    attributes::committed(ctx.app.commit(changes).await, attributes::alias_exists)?;
    Ok(Stored { value: after, version: before.version.saturating_add(1) })
}

/// Somebody new.
async fn welcome(ctx: &Ctx, visitor: &Visitor<'_>) -> Result<Stored<User>, ApiError> {
    let Visitor { pool, client, provider, said, given, username, .. } = visitor;
    if username.chars().nth(LONGEST_USERNAME).is_some() || username.chars().any(char::is_whitespace) {
        return Err(no_profile(provider));
    }
    let mut user = User::new(&pool.id, &ctx.uuid(), username, UserStatusType::ExternalProvider, [].into(), ctx.now);
    let given = with_addresses(given, &user);
    user.attributes = for_new_user(pool, Writer::Administrator, &given, None).map_err(refused)?;
    check_required(pool, &user.attributes)?;
    user.identities.push(Identity {
        provider_name: provider.name.clone(),
        provider_type: provider.provider_type,
        attribute_name: SUBJECT.to_owned(),
        attribute_value: said.subject.clone(),
        linked_at: ctx.now,
        primary: true,
        issuer: said.issuer.clone(),
    });
    let claims = names::claims(pool, &user);
    if attributes::other_owner(ctx, pool, &user.sub, &claims).await?.is_some() {
        return Err(found_already(visitor));
    }

    let mapped: Vec<_> = given.iter().filter(|given| !given.value.iter().all(String::is_empty)).cloned().collect();
    let ask = || pre_sign_up::external_provider(ctx, pool, &client.id, username, &mapped);
    let waived = visitor.waived.ask(ask).await?;
    // The function may have linked the identity by an attribute, which the new user would not own.
    if triggers::function(pool, Trigger::PreSignUp).is_some() && owner(ctx, visitor).await?.is_some() {
        return Err(CommitError::Conflict.into());
    }
    for medium in MEDIA {
        if user.address(medium).is_none() {
            continue;
        }
        let flag = user.attributes.entry(medium.verified_attribute().to_owned()).or_insert_with(|| "false".to_owned());
        if waived.verification.contains(&medium) {
            "true".clone_into(flag);
        }
    }

    let mut changes = Changes::new();
    join_group(ctx, &mut changes, visitor, &user).await?;
    users::insert(&mut changes, pool, user.clone());
    // Somebody was quicker: look again who it is.
    attributes::committed(ctx.app.commit(changes).await, |_| CommitError::Conflict.into())?;
    Ok(Stored { value: user, version: 1 })
}

/// Makes the user a member of the group of those who come from the provider, which the first of them brings about.
async fn join_group(ctx: &Ctx, changes: &mut Changes, visitor: &Visitor<'_>, user: &User) -> Result<(), ApiError> {
    let Visitor { pool, provider, .. } = visitor;
    let name = format!("{}_{}", pool.id, provider.name);
    if let Some(group) = ctx.app.store.part::<Group>(&pool.id, &name).await? {
        changes.assert_part(&group);
        changes.join(&group, &user.sub);
        return Ok(());
    }
    let group = Group {
        pool_id: pool.id.clone(),
        name,
        id: ctx.uuid(),
        description: Some(format!("Autogenerated group for users who sign in using {}", provider.name)),
        role_arn: None,
        precedence: None,
        created_at: ctx.now,
        modified_at: ctx.now,
    };
    changes.insert(&group);
    changes.join(&group, &user.sub);
    Ok(())
}

fn check_standing(user: &User) -> Result<(), ApiError> {
    if user.enabled { grant::check_status(user) } else { Err(ApiError::user_disabled()) }
}

/// What is given, without verified flags that speak of no address.
fn with_addresses(given: &[AttributeType], user: &User) -> Vec<AttributeType> {
    let has_address = |medium: Medium| {
        let address = given.iter().find(|given| given.name == medium.attribute());
        let address = address.map_or_else(|| user.address(medium), |given| given.value.as_deref());
        address.is_some_and(|address| !address.is_empty())
    };
    let speaks_of = |name: &str| MEDIA.into_iter().find(|medium| medium.verified_attribute() == name);
    given.iter().filter(|given| speaks_of(&given.name).is_none_or(has_address)).cloned().collect()
}

/// Decision: as it is known of the service, an attribute that never changes may not even be given the value that it has.
fn check_mutable(pool: &Pool, given: &[AttributeType]) -> Result<(), ApiError> {
    let is_immutable = |name: &str| schema_of(pool, name).is_some_and(|schema| schema.mutable == Some(false));
    let immutable = given.iter().filter(|given| is_immutable(&given.name));
    let violations: Vec<_> =
        immutable.map(|given| Violation { name: given.name.clone(), fault: Fault::Immutable }).collect();
    if violations.is_empty() { Ok(()) } else { Err(refused(Refusal::Schema(violations))) }
}

fn check_required(pool: &Pool, attributes: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let missing = missing(pool, attributes);
    if missing.is_empty() { Ok(()) } else { Err(refused(Refusal::Schema(missing))) }
}

/// What applications are told of attributes that cannot be written (§3.1).
///
/// Decision: of required attributes only the beginning of the service's words is known.
fn refused(refusal: Refusal) -> ApiError {
    let Refusal::Schema(violations) = refusal else { return attributes::refused(refusal, Wording::Update) };
    let line = |violation: &Violation| match violation.fault {
        Fault::Missing => {
            format!("Required attribute {} was not supplied by the identity provider.\n ", violation.name)
        }
        _ => format!("{violation}\n "),
    };
    ApiError::invalid_parameter(format!("Invalid user attributes: {}", violations.iter().map(line).collect::<String>()))
}

/// Somebody is called as the new user would be, or has just been linked to whoever signs in (§3.1).
fn found_already(visitor: &Visitor<'_>) -> ApiError {
    ApiError::new(ErrorKind::UsernameExists, format!("Already found an entry for username {}", visitor.username))
}
