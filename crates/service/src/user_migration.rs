//! UserMigration: a function knows users whom this pool does not, and brings them along when they come
//! (triggers-security.md §10).
//!
//! Order: the function, whether it knows the user, attributes, what else it asks for, names that others have, PreSignUp,
//! the slow hashing of the password; then one changeset with user, names, password and welcome message. Of several
//! requests that bring the same user at the same time one stores it, and the others find it.

use std::collections::BTreeMap;

use domain::{
    Client, Medium, MessagePurpose, MfaMethod, NameKind, Pool, User,
    attributes::{Writer, for_new_user},
    names,
};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Changes, CommitError, Stored, Taken};
use wire::{AttributeType, ErrorKind, UserPoolMfaType, UserStatusType};

use crate::{
    ApiError, Ctx,
    attributes::{self, NewName, Wording},
    lookup,
    messages::{self, Functions, Letter},
    passwords,
    triggers::{self, Event, Metadata, Trigger, pre_sign_up},
    users,
};

/// Somebody whom nobody knows.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'a> {
    /// The client.
    pub client: &'a Client,
    /// The name as it was typed.
    pub username: &'a str,
    /// The password; none when it was forgotten.
    pub password: Option<&'a str>,
    /// What functions are told as `validationData`.
    pub validation_data: Option<&'a Metadata>,
    /// What functions are told as `clientMetadata`.
    pub metadata: Option<&'a Metadata>,
}

/// What UserMigration answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    user_attributes: Option<BTreeMap<String, Option<String>>>,
    final_user_status: Option<String>,
    message_action: Option<String>,
    desired_delivery_mediums: Option<Vec<String>>,
    force_alias_creation: Option<bool>,
    #[serde(rename = "enableSMSMFA")]
    enable_sms_mfa: Option<bool>,
}

/// The user, brought along and stored; none where the pool has no such function, or it does not know the user either.
///
/// Decision: what the function wants and cannot have (attributes against the schema, a name that is taken, a second
/// factor that the pool does not have) is a response that makes no sense.
///
/// # Errors
/// See [`triggers::call`]; `InvalidLambdaResponseException`.
pub async fn bring(ctx: &Ctx, pool: &Pool, newcomer: &Newcomer<'_>) -> Result<Option<Stored<User>>, ApiError> {
    let Some(arn) = triggers::function(pool, Trigger::UserMigration) else { return Ok(None) };
    let response = match ask(ctx, pool, arn, newcomer).await {
        Err(thrown) if thrown.kind == ErrorKind::UserLambdaValidation && newcomer.password.is_none() => {
            return Ok(None);
        }
        answered => answered?,
    };
    let given = response.user_attributes.as_ref().filter(|attributes| !attributes.is_empty());
    let Some(given) = given else { return Ok(None) };
    let given: Vec<AttributeType> = given
        .iter()
        .filter_map(|(name, value)| Some(AttributeType { name: name.clone(), value: Some(value.clone()?) }))
        .collect();
    let (name, given) = name(ctx, pool, newcomer.username, given)?;
    let identity = name.identity.map(|medium| (medium, newcomer.username));
    let stored = for_new_user(pool, Writer::Administrator, &given, identity)
        .map_err(|refusal| nonsense(&attributes::refused(refusal, Wording::NewUser).message))?;
    let is_confirmed = response.final_user_status.as_deref() == Some(UserStatusType::Confirmed.as_str());
    let status = if is_confirmed { UserStatusType::Confirmed } else { UserStatusType::ResetRequired };
    let mut user = User::new(&pool.id, &name.sub, &name.username, status, stored, ctx.now);
    if response.enable_sms_mfa == Some(true) {
        let has_mfa = pool.factors.mfa.is_some_and(|mfa| mfa != UserPoolMfaType::Off);
        let is_possible = has_mfa && user.address(Medium::Sms).is_some();
        if !is_possible {
            return Err(nonsense("enableSMSMFA needs a pool with MFA and a phone number."));
        }
        user.mfa.set(MfaMethod::Sms, true);
    }

    let force = response.force_alias_creation == Some(true);
    for attempt in 0..MOST_TRIES {
        // While the function was asked, somebody else may have brought the same user.
        if let Some(user) = lookup::user(ctx, pool, newcomer.username).await? {
            return Ok(Some(user));
        }
        let mut changes = Changes::new();
        if force {
            attributes::take_over_aliases(ctx, pool, &mut changes, None, &user).await?;
        }
        check_names(ctx, pool, &user, force).await?;
        if attempt == 0 {
            tell_pre_sign_up(ctx, pool, newcomer, &user.username, &given, identity).await?;
        }
        if let Some(password) = newcomer.password {
            changes.insert(passwords::row(ctx, pool, &user, None, password, false).await?);
        }
        users::insert(&mut changes, pool, user.clone());
        if response.message_action.as_deref() != Some("SUPPRESS")
            && let Some(message) = welcome(ctx, pool, &user, response.desired_delivery_mediums.as_deref()).await?
        {
            changes.insert(message);
        }
        match ctx.app.commit(changes).await {
            Ok(()) => {
                ctx.app.outbox.notify();
                return Ok(Some(Stored { value: user, version: 1 }));
            }
            // Somebody else has brought the same user, or got an alias, a moment ago.
            Err(CommitError::Conflict | CommitError::Taken(Taken::Name { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// How often storing a user is tried again.
const MOST_TRIES: usize = 8;

/// The same for somebody who has forgotten the password, when nobody is known by that name.
///
/// Decision: a function that throws knows nobody by that name either, as handlers mean it that were written for the
/// service; clients that hide unknown users are told nothing of it (accounts.md §5.8).
///
/// # Errors
/// `UserNotFoundException`, for clients that do not hide unknown users, and those of [`bring`].
pub async fn bring_forgetful(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    username: &str,
    metadata: Option<&Metadata>,
) -> Result<(), ApiError> {
    if triggers::function(pool, Trigger::UserMigration).is_none() || lookup::user(ctx, pool, username).await?.is_some()
    {
        return Ok(());
    }
    let newcomer = Newcomer { client, username, password: None, validation_data: None, metadata };
    if bring(ctx, pool, &newcomer).await?.is_none() && !client.hides_unknown_users() {
        let message = format!("Exception migrating user in app client {}", client.id);
        return Err(ApiError::new(ErrorKind::UserNotFound, message));
    }
    Ok(())
}

async fn ask(ctx: &Ctx, pool: &Pool, arn: &str, newcomer: &Newcomer<'_>) -> Result<Response, ApiError> {
    let Newcomer { client, username, password, validation_data, metadata } = *newcomer;
    let members = [("userAttributes", Value::Null), ("validationData", json!(validation_data))];
    let source = if password.is_some() { "Authentication" } else { "ForgotPassword" };
    let password = password.map(|password| ("password", Value::from(password)));
    let event = Event {
        trigger: Trigger::UserMigration,
        source,
        user_name: username,
        client_id: Some(&client.id),
        request: triggers::request(members.into_iter().chain(password), metadata),
        response: json!({
            "userAttributes": null, "forceAliasCreation": null, "enableSMSMFA": null, "finalUserStatus": null,
            "messageAction": null, "desiredDeliveryMediums": null,
        }),
    };
    triggers::call(ctx, pool, arn, event).await
}

/// How the user will be called, and the attributes that are left. A function may give a `username` to somebody who has
/// typed an alias.
fn name(
    ctx: &Ctx,
    pool: &Pool,
    typed: &str,
    given: Vec<AttributeType>,
) -> Result<(NewName, Vec<AttributeType>), ApiError> {
    let value = |attribute: &AttributeType| attribute.value.clone().unwrap_or_default();
    let (names, attributes): (Vec<_>, Vec<_>) = given.into_iter().partition(|attribute| attribute.name == "username");
    let wanted = names.first().map(value).filter(|name| pool.fold(name) != pool.fold(typed));
    if wanted.is_some() {
        let mut aliases = attributes
            .iter()
            .filter(|attribute| matches!(attribute.name.as_str(), "email" | "phone_number" | "preferred_username"));
        if !aliases.any(|alias| pool.fold(&value(alias)) == pool.fold(typed)) {
            return Err(nonsense("username is for users who have typed one of their aliases."));
        }
    }
    let name = attributes::new_name(ctx, pool, wanted.as_deref().unwrap_or(typed))
        .map_err(|refusal| nonsense(&refusal.message))?;
    Ok((name, attributes))
}

/// Refuses names that others have.
async fn check_names(ctx: &Ctx, pool: &Pool, user: &User, force: bool) -> Result<(), ApiError> {
    let moves = |kind: NameKind| {
        force && pool.username_attributes.is_empty() && matches!(kind, NameKind::Email | NameKind::PhoneNumber)
    };
    let claims: Vec<_> = names::claims(pool, user).into_iter().filter(|(kind, _)| !moves(*kind)).collect();
    match attributes::other_owner(ctx, pool, &user.sub, &claims).await? {
        Some((kind, _)) => {
            let words = attributes::name_exists(ErrorKind::AliasExists, kind, "User already exists");
            Err(nonsense(&words.message))
        }
        None => Ok(()),
    }
}

async fn tell_pre_sign_up(
    ctx: &Ctx,
    pool: &Pool,
    newcomer: &Newcomer<'_>,
    user_name: &str,
    attributes: &[AttributeType],
    identity: Option<(Medium, &str)>,
) -> Result<(), ApiError> {
    let validation_data: Option<Vec<AttributeType>> = newcomer.validation_data.map(|data| {
        data.iter().map(|(name, value)| AttributeType { name: name.clone(), value: Some(value.clone()) }).collect()
    });
    let user = pre_sign_up::NewUser {
        user_name,
        attributes,
        identity,
        validation_data: validation_data.as_deref(),
        metadata: newcomer.metadata,
    };
    pre_sign_up::admin_create_user(ctx, pool, user).await
}

/// The message that welcomes a user.
///
/// Decision: it never carries the password, which the user knows; a text of the pool's that would is not sent. Without
/// an address, or a sender for it, none is sent.
async fn welcome(
    ctx: &Ctx,
    pool: &Pool,
    user: &User,
    desired: Option<&[String]>,
) -> Result<Option<domain::Message>, ApiError> {
    let wants = |medium: Medium| match desired.filter(|desired| !desired.is_empty()) {
        Some(desired) => desired.iter().any(|desired| desired == medium.delivery_medium().as_str()),
        None => medium == Medium::Sms,
    };
    let mut mediums = [Medium::Sms, Medium::Email].into_iter().filter(|medium| wants(*medium));
    let Some((medium, destination)) = mediums.find_map(|medium| Some((medium, user.address(medium)?))) else {
        return Ok(None);
    };
    if let Err(refusal) = ctx.app.outbox.can_deliver(pool, medium) {
        tracing::warn!(pool = pool.id, ?medium, %refusal, "a user was brought along and cannot be welcomed");
        return Ok(None);
    }
    let purpose = MessagePurpose::AdminCreateUser;
    let letter = Letter { pool, client_id: None, user, purpose, medium, destination, code: "" };
    messages::write(ctx, &letter, &Functions::default()).await.map(Some)
}

fn nonsense(reason: &str) -> ApiError {
    tracing::warn!(reason, "UserMigration brings a user who cannot be stored");
    triggers::invalid_response(format!("UserMigration: {}", reason.trim_end()))
}
