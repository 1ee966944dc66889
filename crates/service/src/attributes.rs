//! Attributes in the service's words, and sign-in names that change hands (accounts.md §2, §9.1, §9.2, §10.1, §11.5).
//! The rules themselves are pure and live in [`domain::attributes`].

use domain::{
    Medium, NameKind, Pool, User,
    attributes::{self, NameRefusal, Refusal, Violation},
    names,
};
use store::{Changes, CommitError, Stored, Taken};
use wire::{AliasAttributeType, ErrorKind};

use crate::{ApiError, Ctx, lookup, users};

/// Which operation refuses attributes: the words differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wording {
    /// SignUp, AdminCreateUser, NEW_PASSWORD_REQUIRED.
    NewUser,
    /// UpdateUserAttributes, AdminUpdateUserAttributes.
    Update,
    /// DeleteUserAttributes, AdminDeleteUserAttributes.
    Deletion,
}

/// The service's error for attributes that are not taken.
///
/// Every line about the schema ends with a newline, one line an attribute.
#[must_use]
pub fn refused(refusal: Refusal, wording: Wording) -> ApiError {
    match refusal {
        Refusal::Schema(violations) => ApiError::invalid_parameter(schema_text(&violations, wording)),
        Refusal::Unauthorized => ApiError::not_authorized("A client attempted to write unauthorized attribute"),
        Refusal::Malformed(Medium::Email) => ApiError::invalid_parameter("Invalid email address format."),
        Refusal::Malformed(Medium::Sms) => ApiError::invalid_parameter("Invalid phone number format."),
        // Decision: the words of the next four are not recorded anywhere that can be trusted.
        Refusal::NothingToVerify(Medium::Email) => {
            ApiError::invalid_parameter("Email is required to verify/un-verify an email")
        }
        Refusal::NothingToVerify(Medium::Sms) => {
            ApiError::invalid_parameter("Phone number is required to verify/un-verify a phone number")
        }
        Refusal::UsernameDisagrees(medium) => {
            ApiError::invalid_parameter(format!("Username and the attribute {} must be the same.", medium.attribute()))
        }
        Refusal::AliasTooEarly => ApiError::invalid_parameter(
            "preferred_username cannot be set before the user is confirmed, since user pool is configured for preferred_username alias.",
        ),
    }
}

fn schema_text(violations: &[Violation], wording: Wording) -> String {
    let lead = match wording {
        Wording::NewUser => "Attributes did not conform to the schema: ",
        Wording::Update => "",
        Wording::Deletion => "Invalid user attributes: ",
    };
    let prefix = match wording {
        Wording::NewUser => "",
        Wording::Update | Wording::Deletion => "user.",
    };
    let lines: String = violations.iter().map(|violation| format!("{prefix}{violation}\n")).collect();
    format!("{lead}{lines}")
}

/// How a new user will be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewName {
    /// The new user's id.
    pub sub: String,
    /// The stored username: what was given, lower-cased where the pool ignores case; the `sub` where users sign in by
    /// email or phone.
    pub username: String,
    /// The attribute that the given name fills, if any.
    pub identity: Option<Medium>,
}

/// Checks the form of a new user's name and makes the user's id.
///
/// # Errors
/// `InvalidParameterException` with the texts of accounts.md §2.4.
pub fn new_name(ctx: &Ctx, pool: &Pool, given: &str) -> Result<NewName, ApiError> {
    let identity = attributes::identity(pool, given).map_err(|refusal| {
        ApiError::invalid_parameter(match refusal {
            NameRefusal::LooksLikeEmail => {
                "Username cannot be of email format, since user pool is configured for email alias."
            }
            NameRefusal::LooksLikePhoneNumber => {
                "Username cannot be of phone number format, since user pool is configured for phone number alias."
            }
            NameRefusal::NeitherEmailNorPhoneNumber => "Username should be either an email or a phone number.",
            NameRefusal::NotAnEmail => "Username should be an email.",
            NameRefusal::NotAPhoneNumber => "Username should be a phone number.",
        })
    })?;
    let sub = ctx.own.sub.clone().unwrap_or_else(|| ctx.uuid());
    let username = if identity.is_some() { sub.clone() } else { pool.fold(given) };
    Ok(NewName { sub, username, identity })
}

/// What a name clash is called.
///
/// Decision: the chapter knows no words for `preferred_username`; they follow those for email.
#[must_use]
pub fn name_exists(error: ErrorKind, kind: NameKind, username_text: &str) -> ApiError {
    match kind.attribute() {
        None => ApiError::new(error, username_text),
        Some(attribute) => ApiError::new(error, format!("An account with the given {attribute} already exists.")),
    }
}

/// A name that a change of attributes wants is somebody else's.
#[must_use]
pub fn alias_exists(kind: NameKind) -> ApiError {
    name_exists(ErrorKind::AliasExists, kind, "User already exists")
}

/// The outcome of a commit that claimed names; `taken` makes the error for a name that somebody else owns.
///
/// # Errors
/// `taken`'s error, or what the store says.
pub fn committed(outcome: Result<(), CommitError>, taken: impl FnOnce(NameKind) -> ApiError) -> Result<(), ApiError> {
    match outcome {
        Err(CommitError::Taken(Taken::Name { kind, .. })) => Err(taken(kind)),
        outcome => Ok(outcome?),
    }
}

/// The user, other than `sub`, who owns one of these names or answers to it, and the kind of the name.
///
/// A name is free only if nobody at all is found by it, whatever its kind: a user named like another one's
/// `preferred_username`, or like another one's `sub`, would catch what is meant for that one.
///
/// # Errors
/// When the store cannot be read.
pub async fn other_owner(
    ctx: &Ctx,
    pool: &Pool,
    sub: &str,
    wanted: &[(NameKind, String)],
) -> Result<Option<(NameKind, Stored<User>)>, ApiError> {
    for (kind, name) in wanted {
        if let Some(owner) = lookup::user(ctx, pool, name).await?.filter(|owner| owner.sub != sub) {
            return Ok(Some((*kind, owner)));
        }
    }
    Ok(None)
}

/// The names that `after` claims and `before` did not.
#[must_use]
pub fn new_claims(pool: &Pool, before: Option<&User>, after: &User) -> Vec<(NameKind, String)> {
    let old = before.map(|before| names::claims(pool, before)).unwrap_or_default();
    names::claims(pool, after).into_iter().filter(|claim| !old.contains(claim)).collect()
}

/// Takes aliases that `after` is about to claim away from whoever owns them (ForceAliasCreation): the former owner's
/// address stays but is no longer verified. Only email and phone aliases move; names of users never do.
///
/// # Errors
/// When the store cannot be read.
pub async fn take_over_aliases(
    ctx: &Ctx,
    pool: &Pool,
    changes: &mut Changes,
    before: Option<&User>,
    after: &User,
) -> Result<(), ApiError> {
    let mut losers: Vec<(Stored<User>, User)> = Vec::new();
    for (kind, name) in new_claims(pool, before, after) {
        let medium = match kind {
            NameKind::Email if pool.uses_as_alias(AliasAttributeType::Email) => Medium::Email,
            NameKind::PhoneNumber if pool.uses_as_alias(AliasAttributeType::PhoneNumber) => Medium::Sms,
            _ => continue,
        };
        let owner = ctx.app.store.name_owner(&pool.id, &name, kind).await?.filter(|owner| *owner != after.sub);
        let Some(owner) = owner else { continue };
        let Some(owner) = ctx.app.store.user(&pool.id, &owner).await? else { continue };
        let flag = (medium.verified_attribute().to_owned(), "false".to_owned());
        if let Some((_, loser)) = losers.iter_mut().find(|(_, loser)| loser.sub == owner.sub) {
            // The same user loses both the email and the phone alias.
            loser.attributes.extend([flag]);
        } else {
            let mut loser = owner.value.clone();
            loser.attributes.extend([flag]);
            loser.modified_at = ctx.now;
            losers.push((owner, loser));
        }
    }
    for (owner, loser) in losers {
        users::replace(changes, pool, &owner, loser);
    }
    Ok(())
}
