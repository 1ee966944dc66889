//! The challenge NEW_PASSWORD_REQUIRED (auth-flows.md §6): a temporary password is replaced, and attributes that the
//! pool demands are filled in.

use std::collections::BTreeMap;

use domain::{
    Client, Pool, User,
    attributes::{self, Writer, is_readable},
    password::LONGEST_PASSWORD,
    session::SignInSession,
};
use serde_json::{Map, Value, json};
use store::{Changes, CommitError, Stored, Taken};
use wire::{
    AttributeType, ChallengeNameType, ErrorKind, EventFilterType, UserStatusType,
    schema::{Kind, Member, Pattern, Shape},
};

use super::{Proven, Request, Seen, guard, next, session};
use crate::{
    ApiError, Ctx,
    attributes::{Wording, committed, name_exists, new_claims, other_owner, refused},
    passwords, retry,
    threat::{self, compromised},
    users,
};

/// What attributes are prefixed with, in both directions.
const PREFIX: &str = "userAttributes.";

/// What passwords of every other operation must be (PasswordType).
static PASSWORD: Shape = Shape {
    name: "PasswordType",
    sensitive: true,
    kind: Kind::String { min: None, max: Some(LONGEST_PASSWORD as i64), pattern: Some(&NO_WHITE_SPACE), values: &[] },
};
/// White space is what it is to the service's patterns: that of ASCII.
static NO_WHITE_SPACE: Pattern = Pattern::new(r"[\S]+", r"^(?:[^ \t\n\x0B\f\r]+)$");
static ANSWER: Shape = Shape {
    name: "ChallengeResponsesType",
    sensitive: true,
    kind: Kind::Structure {
        members: &[Member {
            name: "NEW_PASSWORD",
            path: "challengeResponses.NEW_PASSWORD",
            shape: &PASSWORD,
            required: true,
        }],
    },
};

/// `ChallengeParameters`.
///
/// # Errors
/// When they cannot be written as JSON.
pub(super) fn parameters(pool: &Pool, client: &Client, user: &User) -> Result<BTreeMap<String, String>, ApiError> {
    let readable = user.attributes.iter().filter(|(name, _)| is_readable(client, name));
    let present: Map<String, Value> =
        readable.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let missing: Vec<String> = missing(pool, &user.attributes).iter().map(|name| format!("{PREFIX}{name}")).collect();
    Ok(BTreeMap::from([
        ("USER_ID_FOR_SRP".to_owned(), user.username.clone()),
        ("userAttributes".to_owned(), serde_json::to_string(&present)?),
        ("requiredAttributes".to_owned(), serde_json::to_string(&missing)?),
    ]))
}

/// Checks the answer and makes the user CONFIRMED with the new password.
///
/// # Errors
/// `InvalidParameterException` for what cannot be a password, those of the session, `InvalidPasswordException`, `PasswordHistoryPolicyViolationException`, and for attributes
/// `InvalidParameterException`, `NotAuthorizedException` and `AliasExistsException`.
pub(super) async fn verify(ctx: &Ctx, request: &Request) -> Result<Proven, ApiError> {
    request.required("USERNAME")?;
    let new_password = request.required("NEW_PASSWORD")?;
    check_form(new_password)?;
    let waiting = guard::resume(ctx, request, ChallengeNameType::NewPasswordRequired).await?;
    retry::on_conflict(ctx, || replace(ctx, request, &waiting, new_password)).await
}

/// Refuses what no operation takes as a password.
///
/// Decision: the model has only plain text here, and the service's words for a password that is not of PasswordType
/// are not known. It is refused as the other operations refuse one, before the session is looked at.
fn check_form(new_password: &str) -> Result<(), ApiError> {
    wire::check(&ANSWER, &json!({ "NEW_PASSWORD": new_password }))
        .map_err(|rejection| ApiError::new(rejection.kind, rejection.message))
}

async fn replace(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    new_password: &str,
) -> Result<Proven, ApiError> {
    let pool = &request.pool;
    let snapshot = ctx.app.store.sign_in_snapshot(&pool.id, &waiting.sub).await?;
    let user = snapshot.user.ok_or_else(session::invalid)?;
    let before = snapshot.password;
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    // An administrator may have set another password meanwhile: then this session has proven nothing.
    let is_same_password = before.as_ref().map(|password| password.version) == waiting.password_version;
    if user.status != UserStatusType::ForceChangePassword || !is_same_password {
        // Another answer may have been quicker since the session was looked at.
        let is_used = ctx.app.store.spent(&waiting.id).await?.is_some();
        return Err(if is_used { session::used() } else { session::invalid() });
    }

    let mut after = user.value.clone();
    after.attributes = attributes(pool, request, &user)?;
    after.status = UserStatusType::Confirmed;
    after.modified_at = ctx.now;
    let exists = |kind| name_exists(ErrorKind::AliasExists, kind, "User account already exists");
    let wanted = new_claims(pool, Some(&user), &after);
    if let Some((kind, _)) = other_owner(ctx, pool, &user.sub, &wanted).await? {
        return Err(exists(kind));
    }
    passwords::check_policy(pool, new_password, passwords::Wording::DoesNotConform)?;
    let (client, mode) = (&request.client, threat::mode_of_flow(pool, waiting.sign_in.flow));
    compromised::check_chosen(ctx, (pool, client), mode, EventFilterType::PasswordChange, new_password).await?;
    passwords::check_history(ctx, pool, &user, before.as_deref(), new_password).await?;
    let seen = Box::<Seen>::default();
    next::check(ctx, request, &after, &waiting.sign_in, &seen).await?;
    let password = passwords::row(ctx, pool, &after, before.as_deref(), new_password, false).await?;

    let version = before.map(|password| password.version);
    let mut changes = Changes::new();
    users::replace(&mut changes, pool, &user, after.clone());
    changes.save(password, version);
    passwords::end_reset_code(ctx, &mut changes, pool, &user.sub).await?;
    changes.insert(session::mark(waiting));
    match ctx.app.commit(changes).await {
        Err(CommitError::Taken(Taken::Spent { .. })) => return Err(session::used()),
        outcome => committed(outcome, exists)?,
    }
    let password_version = Some(version.map_or(1, |version| version + 1));
    let sign_in = waiting.sign_in.clone();
    Ok(Proven { user: Stored { value: after, version: user.version + 1 }, password_version, sign_in, seen })
}

/// The user's attributes with those of the answer.
fn attributes(pool: &Pool, request: &Request, user: &User) -> Result<BTreeMap<String, String>, ApiError> {
    let given: Vec<AttributeType> = request
        .parameters
        .iter()
        .filter_map(|(key, value)| {
            let name = key.strip_prefix(PREFIX)?;
            Some(AttributeType { name: name.to_owned(), value: Some(value.clone()) })
        })
        .collect();
    let mut provided = given.iter().map(|attribute| attribute.name.as_str());
    if let Some(name) = provided.find(|name| is_required(pool, name) && has(&user.attributes, name)) {
        return Err(ApiError::not_authorized(format!("Cannot modify an already provided {name}")));
    }
    let is_given = |name: &str| given.iter().any(|given| given.name == name && given.value.as_deref() != Some(""));
    if let Some(name) = missing(pool, &user.attributes).into_iter().find(|name| !is_given(name)) {
        return Err(ApiError::invalid_parameter(format!("Invalid attributes given, {name} is missing")));
    }
    // What never changes may still be given once.
    let mut lenient = pool.clone();
    for schema in &mut lenient.schema {
        let is_first = schema.name.as_deref().is_some_and(|name| name != "sub" && !has(&user.attributes, name));
        if is_first {
            schema.mutable = Some(true);
        }
    }
    attributes::updated(&lenient, Writer::Client(&request.client), user, &given)
        .map_err(|refusal| refused(refusal, Wording::NewUser))
}

/// Attributes that the pool demands and that have no value.
fn missing<'a>(pool: &'a Pool, attributes: &BTreeMap<String, String>) -> Vec<&'a str> {
    let required = pool.schema.iter().filter(|schema| schema.required == Some(true));
    let names = required.filter_map(|schema| schema.name.as_deref());
    names.filter(|name| *name != "sub" && !has(attributes, name)).collect()
}

fn is_required(pool: &Pool, name: &str) -> bool {
    attributes::schema_of(pool, name).is_some_and(|schema| schema.required == Some(true))
}

fn has(attributes: &BTreeMap<String, String>, name: &str) -> bool {
    attributes.get(name).is_some_and(|value| !value.is_empty())
}
