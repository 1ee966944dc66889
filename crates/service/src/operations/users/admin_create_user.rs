//! AdminCreateUser (accounts.md §10.1): a user with a temporary password, and the invitation that carries it.
//!
//! In pools that take codes as first factors a user for whom no password is given has none.
//!
//! Order: pool, form of the name, attributes, whether the names are free, password policy, where invitations go, what
//! PreSignUp says, how CustomMessage has the invitations, and only then the slow hashing; then one changeset with user,
//! names, password and invitations. RESEND takes the second half of that way for a user who exists.

use domain::{
    Medium, Message, MessagePurpose, NameKind, Pool, User,
    attributes::{Writer, for_new_user},
    names,
};
use store::{Changes, CommitError};
use wire::{
    AdminCreateUserRequest, AdminCreateUserResponse, DeliveryMediumType, ErrorKind, MessageActionType, UserStatusType,
};

use super::user_type;
use crate::{
    ApiError, Ctx,
    attributes::{self, NewName, Wording},
    lookup,
    messages::{self, Functions, Letter},
    passwords::{self, Wording as PasswordWording},
    retry,
    triggers::{
        Once,
        pre_sign_up::{self, NewUser},
    },
    users,
};

/// Characters of generated passwords. Without those that a mail's HTML or a hurried reader could change.
const TEMPORARY_ALPHABET: &str = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789!#$%*+-=?@^_";
/// Fewest characters of generated passwords.
const TEMPORARY_LENGTH: i64 = 12;
/// How often a password is drawn until it meets the policy: the chance to need more is below one in 10^30.
const MOST_DRAWS: usize = 1_000;

/// Creates a user, or invites one again.
///
/// # Errors
/// Those of AdminCreateUser in accounts.md §10.1 and §21.
pub async fn run(ctx: &Ctx, input: AdminCreateUserRequest) -> Result<AdminCreateUserResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    // CustomMessage is not told of ClientMetadata, nor is who sends invitations (triggers-security.md §4.2).
    let functions = Functions::default();
    let user = match input.message_action {
        Some(MessageActionType::Resend) => retry::on_conflict(ctx, || resend(ctx, &pool, &input, &functions)).await?,
        _ => {
            let (name, allowed) = (attributes::new_name(ctx, &pool, &input.username)?, Once::default());
            retry::on_conflict(ctx, || create(ctx, &pool, &input, &name, &allowed, &functions)).await?
        }
    };
    ctx.app.outbox.notify();
    Ok(AdminCreateUserResponse { user: Some(user_type(&user)) })
}

async fn create(
    ctx: &Ctx,
    pool: &Pool,
    input: &AdminCreateUserRequest,
    name: &NewName,
    allowed: &Once<()>,
    functions: &Functions<'_>,
) -> Result<User, ApiError> {
    let given = input.user_attributes.as_deref().unwrap_or_default();
    let identity = name.identity.map(|medium| (medium, input.username.as_str()));
    let user_attributes = for_new_user(pool, Writer::Administrator, given, identity)
        .map_err(|refusal| attributes::refused(refusal, Wording::NewUser))?;
    let given_password = input.temporary_password.as_deref().filter(|given| !given.is_empty());
    let has_password = given_password.is_some() || !pool.takes_users_without_password();
    // Decision: who needs no password has nothing left to do.
    let status = if has_password { UserStatusType::ForceChangePassword } else { UserStatusType::Confirmed };
    let user = User::new(&pool.id, &name.sub, &name.username, status, user_attributes, ctx.now);

    let mut changes = Changes::new();
    let force = input.force_alias_creation.unwrap_or(false);
    if force {
        attributes::take_over_aliases(ctx, pool, &mut changes, None, &user).await?;
    }
    let claims: Vec<_> =
        names::claims(pool, &user).into_iter().filter(|(kind, _)| !moves(pool, force, *kind)).collect();
    if let Some((kind, _)) = attributes::other_owner(ctx, pool, &user.sub, &claims).await? {
        return Err(exists(kind));
    }
    let password = if has_password { Some(temporary_password(ctx, pool, given_password)?) } else { None };
    let media = match input.message_action {
        Some(MessageActionType::Suppress) => Vec::new(),
        _ => media(ctx, pool, &user, input.desired_delivery_mediums.as_deref(), has_password)?,
    };
    let new_user = NewUser {
        user_name: &name.username,
        attributes: given,
        identity,
        validation_data: input.validation_data.as_deref(),
        metadata: input.client_metadata.as_ref(),
    };
    allowed.ask(|| pre_sign_up::admin_create_user(ctx, pool, new_user)).await?;
    let invitations = invitations(ctx, pool, &user, media, password.as_deref(), functions).await?;
    if let Some(password) = &password {
        changes.insert(passwords::row(ctx, pool, &user, None, password, true).await?);
    }
    users::insert(&mut changes, pool, user.clone());
    for invitation in invitations {
        changes.insert(invitation);
    }
    // With `force` a clash over an alias means that somebody got it a moment ago: look again, then take it.
    let taken = |kind| if moves(pool, force, kind) { CommitError::Conflict.into() } else { exists(kind) };
    attributes::committed(ctx.app.commit(changes).await, taken)?;
    Ok(user)
}

/// Invites again with a new temporary password.
///
/// Decision: attributes in the request are ignored, and PreSignUp is not asked again.
async fn resend(
    ctx: &Ctx,
    pool: &Pool,
    input: &AdminCreateUserRequest,
    functions: &Functions<'_>,
) -> Result<User, ApiError> {
    let before = lookup::user_for_administrator(ctx, pool, &input.username).await?;
    if before.status != UserStatusType::ForceChangePassword {
        return Err(ApiError::new(
            ErrorKind::UnsupportedUserState,
            format!("Resend not possible. {} status is not FORCE_CHANGE_PASSWORD", input.username),
        ));
    }
    let password = temporary_password(ctx, pool, input.temporary_password.as_deref())?;
    let media = media(ctx, pool, &before, input.desired_delivery_mediums.as_deref(), true)?;
    let invitations = invitations(ctx, pool, &before, media, Some(&password), functions).await?;
    let old = ctx.app.store.password(&pool.id, &before.sub).await?;
    let row = passwords::row(ctx, pool, &before, old.as_deref(), &password, true).await?;
    let mut after = before.value.clone();
    after.modified_at = ctx.now;
    let mut changes = Changes::new();
    changes.put(old.as_ref(), row);
    passwords::end_reset_code(ctx, &mut changes, pool, &before.sub).await?;
    users::replace(&mut changes, pool, &before, after.clone());
    for invitation in invitations {
        changes.insert(invitation);
    }
    ctx.app.commit(changes).await?;
    Ok(after)
}

/// Whether ForceAliasCreation takes a name of this kind away from its owner: verified addresses where they are
/// aliases, never names that users sign in with by the pool's mode.
fn moves(pool: &Pool, force: bool, kind: NameKind) -> bool {
    force && pool.username_attributes.is_empty() && matches!(kind, NameKind::Email | NameKind::PhoneNumber)
}

fn exists(kind: NameKind) -> ApiError {
    attributes::name_exists(ErrorKind::UsernameExists, kind, "User account already exists")
}

/// The password that the administrator chose, or a random one that the policy takes.
fn temporary_password(ctx: &Ctx, pool: &Pool, given: Option<&str>) -> Result<String, ApiError> {
    if let Some(given) = given.filter(|given| !given.is_empty()) {
        passwords::check_policy(pool, given, PasswordWording::DidNotConformWithPasswordPolicy)?;
        return Ok(given.to_owned());
    }
    let policy = &pool.password_policy;
    let length = usize::try_from(policy.minimum_length.max(TEMPORARY_LENGTH)).map_err(ApiError::internal)?;
    // Drawing whole passwords until one will do makes all that will do equally likely.
    std::iter::repeat_with(|| crypto::random::alphanumeric(ctx.entropy(), length, TEMPORARY_ALPHABET))
        .take(MOST_DRAWS)
        .find(|password| policy.miss(password).is_none())
        .ok_or_else(|| ApiError::internal("no random password met the policy"))
}

/// How invitations go out: by each desired medium, SMS when none is named.
///
/// Decision: a medium that the request names needs its address; the default one is passed over without it, and the
/// user is created without an invitation.
fn media(
    ctx: &Ctx,
    pool: &Pool,
    user: &User,
    desired: Option<&[DeliveryMediumType]>,
    has_password: bool,
) -> Result<Vec<Medium>, ApiError> {
    let named = desired.filter(|desired| !desired.is_empty());
    let mut media = Vec::new();
    for medium in [Medium::Sms, Medium::Email] {
        let wanted = named.map_or(medium == Medium::Sms, |named| named.contains(&medium.delivery_medium()));
        match user.address(medium) {
            // A text without the password would invite nobody. Decision: that holds whatever functions would make of it.
            Some(_) if wanted && has_password && messages::invitation_is_suppressed(pool, medium) => {}
            Some(_) if wanted => {
                ctx.app.outbox.can_deliver(pool, medium)?;
                media.push(medium);
            }
            None if wanted && named.is_some() => {
                return Err(ApiError::invalid_parameter(format!(
                    "DesiredDeliveryMediums contains {} but the user has no {}.",
                    medium.delivery_medium().as_str(),
                    medium.attribute()
                )));
            }
            _ => {}
        }
    }
    Ok(media)
}

/// One invitation by each of these media, all of which the user can be reached by.
async fn invitations(
    ctx: &Ctx,
    pool: &Pool,
    user: &User,
    media: Vec<Medium>,
    password: Option<&str>,
    functions: &Functions<'_>,
) -> Result<Vec<Message>, ApiError> {
    let (purpose, code) = (MessagePurpose::AdminCreateUser, password.unwrap_or_default());
    let mut invitations = Vec::new();
    for medium in media {
        let destination = user.address(medium).unwrap_or_default();
        let letter = Letter { pool, client_id: None, user, purpose, medium, destination, code };
        invitations.push(messages::write(ctx, &letter, functions).await?);
    }
    Ok(invitations)
}
