//! ConfirmSignUp (accounts.md §9.2): the code of a sign-up makes the user CONFIRMED, verifies the address that it was
//! sent to, and thereby makes that address an alias where the pool has them. Where client and pool can go on with it, the
//! answer holds the session by which USER_AUTH takes the code for the first factor.

use domain::{AttemptPurpose, Client, Code, CodePurpose, NameKind, Pool, User};
use store::{Changes, CommitError, Stored};
use wire::{ConfirmSignUpRequest, ConfirmSignUpResponse, ErrorKind, UserStatusType};

use crate::{
    ApiError, Ctx, attributes,
    codes::{self, Checked, WrongCodes},
    lookup,
    records::analytics::{self, Event},
    retry, secret_hash,
    sign_in::after_sign_up::{self, Stage},
    threat::activity,
    triggers::post_confirmation::{self, Confirmed},
    users,
};

/// Confirms a user.
///
/// # Errors
/// Those of ConfirmSignUp in accounts.md §9.2 and §21.
pub async fn run(ctx: &Ctx, input: ConfirmSignUpRequest) -> Result<ConfirmSignUpResponse, ApiError> {
    let (client, pool) = lookup::client_and_pool(ctx, &input.client_id).await?;
    secret_hash::check(ctx, &client, &input.username, input.secret_hash.as_deref())?;
    activity::check_app(ctx, &pool, &client, input.user_context_data.as_ref())?;
    if let Some(session) = &input.session {
        let user = lookup::user(ctx, &pool, &input.username).await?;
        let sub = lookup::subject(ctx, &pool, &input.username, user.as_deref());
        after_sign_up::check(ctx, &client, &sub, session)?;
    }
    let force = input.force_alias_creation.unwrap_or(false);
    let (user, spent) = take_code(ctx, &client, &pool, &input.username, &input.confirmation_code, force).await?;
    let endpoint = analytics::endpoint(input.analytics_metadata);
    analytics::tell(ctx, &pool, &client, endpoint.as_deref(), Event::SignUpConfirmed, Some(&user));
    let (client_id, metadata) = (Some(client.id.as_str()), input.client_metadata.as_ref());
    post_confirmation::tell(ctx, &pool, Confirmed::SignUp, &user, client_id, metadata).await?;
    let session = after_sign_up::issue(ctx, &client, &pool, &spent, Stage::Confirmed)?;
    Ok(ConfirmSignUpResponse { session })
}

/// Confirms the user named `username` with the code of the link in a mail. PostConfirmation is told afterwards; when it
/// fails, the user is confirmed all the same.
///
/// # Errors
/// See accounts.md §9.2 and [`crate::triggers::call`].
pub async fn confirm(ctx: &Ctx, client: &Client, pool: &Pool, username: &str, code: &str) -> Result<(), ApiError> {
    let (user, _spent) = take_code(ctx, client, pool, username, code, false).await?;
    post_confirmation::tell(ctx, pool, Confirmed::SignUp, &user, Some(&client.id), None).await
}

/// Confirms the user named `username` with a code, and answers both as they are kept. `force` takes the verified address
/// away from whoever has it as an alias.
async fn take_code(
    ctx: &Ctx,
    client: &Client,
    pool: &Pool,
    username: &str,
    code: &str,
    force: bool,
) -> Result<(User, Code), ApiError> {
    // Nobody else need wait for what comes after it, such as a function.
    let _turn = lookup::turn(ctx, pool, username).await?;
    retry::on_conflict(ctx, || attempt(ctx, client, pool, username, code, force)).await
}

async fn attempt(
    ctx: &Ctx,
    client: &Client,
    pool: &Pool,
    username: &str,
    code: &str,
    force: bool,
) -> Result<(User, Code), ApiError> {
    let user = lookup::user(ctx, pool, username).await?;
    let hides = client.hides_unknown_users();
    match &user {
        None if !hides => return Err(ApiError::no_such_username_for_client()),
        // A client that hides unknown users hides disabled ones too, from whoever does not have their code.
        Some(user) if !user.enabled && !hides => return Err(ApiError::user_disabled()),
        Some(user) if user.status != UserStatusType::Unconfirmed => {
            return Err(ApiError::cannot_be_confirmed(user.status));
        }
        _ => {}
    }

    // Decision: a user who must not be known to be missing answers like one without a code (ExpiredCodeException),
    // or, after a resend that sent nothing, like one with another code (CodeMismatchException).
    let sub = lookup::subject(ctx, pool, username, user.as_deref());
    let outstanding = ctx.app.store.code(&pool.id, &sub, CodePurpose::SignUp).await?;
    let attempts = ctx.app.store.attempts(&pool.id, &sub, AttemptPurpose::ConfirmSignUp).await?;
    let limits = &ctx.app.settings.limits;
    let limits = WrongCodes {
        purpose: AttemptPurpose::ConfirmSignUp,
        per_hour: limits.wrong_sign_up_codes_per_hour,
        per_day: limits.wrong_codes_per_day,
    };
    let checked = codes::check(ctx, outstanding.as_ref(), attempts.as_ref(), (&pool.id, &sub), limits, code).await?;
    let (Checked::Right { spend, keep }, Some(before), Some(outstanding)) = (checked, user, outstanding) else {
        return Err(ApiError::code_mismatch());
    };
    let outcome = if before.enabled {
        confirm_user(ctx, pool, spend, &before, &outstanding, force).await
    } else {
        Err(ApiError::user_disabled())
    };
    if let Err(refusal) = &outcome
        && matches!(refusal.kind, ErrorKind::AliasExists | ErrorKind::NotAuthorized)
    {
        ctx.app.commit(keep).await?;
    }
    outcome.map(|user| (user, outstanding.value))
}

/// Confirms a user whose code was right, and spends the code.
async fn confirm_user(
    ctx: &Ctx,
    pool: &Pool,
    mut changes: Changes,
    before: &Stored<User>,
    spent: &Code,
    force: bool,
) -> Result<User, ApiError> {
    let mut after = before.value.clone();
    after.status = UserStatusType::Confirmed;
    after.modified_at = ctx.now;
    // The code proves that one address belongs to the user; if an administrator has changed it since, it proves
    // nothing about the new one.
    if after.address(spent.medium) == Some(spent.destination.as_str()) {
        after.attributes.insert(spent.medium.verified_attribute().to_owned(), "true".to_owned());
    }
    if force {
        attributes::take_over_aliases(ctx, pool, &mut changes, Some(before), &after).await?;
    } else {
        let wanted = attributes::new_claims(pool, Some(before), &after);
        if let Some((kind, _)) = attributes::other_owner(ctx, pool, &before.sub, &wanted).await? {
            return Err(alias_exists(kind));
        }
    }
    users::replace(&mut changes, pool, before, after.clone());
    // With `force` a clash means that somebody got the alias a moment ago: look again, then take it.
    let taken = |kind| if force { CommitError::Conflict.into() } else { alias_exists(kind) };
    attributes::committed(ctx.app.commit(changes).await, taken)?;
    Ok(after)
}

fn alias_exists(kind: NameKind) -> ApiError {
    let attribute = kind.attribute().unwrap_or("username");
    ApiError::new(ErrorKind::AliasExists, format!("An account with the {attribute} already exists."))
}
