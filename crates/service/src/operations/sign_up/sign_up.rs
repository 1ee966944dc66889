//! SignUp (accounts.md §9.1): a user registers and gets a code.
//!
//! Order: client, secret hash, whether sign-up is open, form of the name, attributes, password policy, whether the
//! password is stolen, whether the names are free, what PreSignUp says, how CustomMessage has the code sent, and only then the slow hashing of the
//! password; then one changeset with user, names, password, code and message; then PostConfirmation where PreSignUp has
//! confirmed the user. In pools that take codes as first factors the password may be left out.

use domain::{
    Client, CodePurpose, Medium, MessagePurpose, NameKind, Pool, User,
    attributes::{Refusal, Writer, for_new_user},
    auth_event::EventRisk,
    names,
};
use store::{Changes, CommitError};
use wire::{
    AliasAttributeType, ErrorKind, EventResponseType, EventType, SignUpRequest, SignUpResponse, UserStatusType,
};

use super::verification_medium;
use crate::{
    ApiError, Ctx,
    attributes::{self, NewName, Wording},
    codes, lookup,
    messages::{self, Functions, Letter},
    operations::recovery::delivery,
    passwords::{self, Wording as PasswordWording},
    records::analytics::{self, Event},
    retry, secret_hash,
    sign_in::after_sign_up::{self, Stage},
    threat::{
        activity::{Activity, Whose},
        compromised,
    },
    triggers::{
        Once,
        post_confirmation::{self, Confirmed},
        pre_sign_up::{self, NewUser, Waived},
    },
    users,
};

/// What stays the same when a sign-up is decided anew.
struct SignUp<'a> {
    client: &'a Client,
    pool: &'a Pool,
    input: &'a SignUpRequest,
    activity: Activity<'a>,
    name: NewName,
    waived: Once<Waived>,
    functions: Functions<'a>,
}

/// Registers a user.
///
/// # Errors
/// Those of SignUp in accounts.md §9.1 and §21.
pub async fn run(ctx: &Ctx, input: SignUpRequest) -> Result<SignUpResponse, ApiError> {
    let (client, pool) = lookup::client_and_pool(ctx, &input.client_id).await?;
    secret_hash::check(ctx, &client, &input.username, input.secret_hash.as_deref())?;
    let said = input.user_context_data.as_ref();
    let activity = Activity::of_app(ctx, &pool, &client, said, EventType::SignUp)?;
    if pool.admin_create_user_only {
        return Err(ApiError::not_authorized("SignUp is not permitted for this user pool"));
    }
    let (name, metadata) = (attributes::new_name(ctx, &pool, &input.username)?, input.client_metadata.as_ref());
    let sign_up = SignUp {
        client: &client,
        pool: &pool,
        input: &input,
        activity,
        name,
        waived: Once::default(),
        functions: Functions::told(metadata, metadata),
    };
    // A conflict is rare: a name that was taken became free at that moment.
    let (user, response) = retry::on_conflict(ctx, || register(ctx, &sign_up)).await?;
    let endpoint = analytics::endpoint(input.analytics_metadata.clone());
    analytics::tell(ctx, &pool, &client, endpoint.as_deref(), Event::SignUp, Some(&user));
    if response.code_delivery_details.is_some() {
        ctx.app.outbox.notify();
    }
    if response.user_confirmed {
        post_confirmation::tell(ctx, &pool, Confirmed::SignUp, &user, Some(&client.id), metadata).await?;
    }
    Ok(response)
}

async fn register(ctx: &Ctx, sign_up: &SignUp<'_>) -> Result<(User, SignUpResponse), ApiError> {
    let SignUp { client, pool, input, activity, name, waived, functions } = sign_up;
    let given = input.user_attributes.as_deref().unwrap_or_default();
    let identity = name.identity.map(|medium| (medium, input.username.as_str()));
    let user_attributes = for_new_user(pool, Writer::Client(client), given, identity)
        .map_err(|refusal| attributes::refused(refusal, Wording::NewUser))?;
    let password = input.password.as_deref().filter(|password| !password.is_empty());
    let risk = match password {
        Some(password) => {
            passwords::check_policy(pool, password, PasswordWording::DidNotConform)?;
            let risk = activity.judge_password(ctx, password).await?;
            compromised::refuse(&risk)?;
            risk
        }
        None if pool.takes_users_without_password() => EventRisk::NONE,
        // Decision: the service's words are not known.
        None => return Err(ApiError::invalid_parameter("Password is required.")),
    };

    let status = UserStatusType::Unconfirmed;
    let mut user = User::new(&pool.id, &name.sub, &name.username, status, user_attributes, ctx.now);
    let claims = names::claims(pool, &user);
    if let Some((kind, _)) = attributes::other_owner(ctx, pool, &user.sub, &claims).await? {
        return Err(exists(kind));
    }

    let new_user = NewUser {
        user_name: &name.username,
        attributes: given,
        identity,
        validation_data: input.validation_data.as_deref(),
        metadata: input.client_metadata.as_ref(),
    };
    let waived = waived.ask(|| pre_sign_up::sign_up(ctx, pool, &client.id, new_user)).await?;
    waive(&mut user, waived)?;

    let mut changes = Changes::new();
    attributes::take_over_aliases(ctx, pool, &mut changes, None, &user).await?;
    let (mut details, mut session) = (None, None);
    let unproven = verification_medium(pool, &user).filter(|_| !waived.confirmation);
    if let Some((medium, destination)) = unproven {
        ctx.app.outbox.can_deliver(pool, medium)?;
        let (code, row) = codes::issue(ctx, &pool.id, &user.sub, CodePurpose::SignUp, medium, destination);
        let (client_id, purpose) = (Some(client.id.as_str()), MessagePurpose::SignUp);
        let letter = Letter { pool, client_id, user: &user, purpose, medium, destination, code: &code };
        let message = messages::write(ctx, &letter, functions).await?;
        details = Some(delivery(medium, destination));
        session = after_sign_up::issue(ctx, client, pool, &row, Stage::SignedUp)?;
        changes.insert(row).insert(message);
    }
    if let Some(password) = password {
        changes.insert(passwords::row(ctx, pool, &user, None, password, false).await?);
    }
    users::insert(&mut changes, pool, user.clone());
    // A clash over an alias that moves means that somebody got it a moment ago: look again, then take it.
    let taken = |kind| if moves(pool, waived, kind) { CommitError::Conflict.into() } else { exists(kind) };
    let (whose, passed) = (Whose::user(&user), EventResponseType::Pass);
    attributes::committed(activity.commit(ctx, changes, whose, passed, risk).await, taken)?;
    let (user_confirmed, user_sub) = (waived.confirmation, user.sub.clone());
    Ok((user, SignUpResponse { user_confirmed, code_delivery_details: details, user_sub, session }))
}

/// Makes the user what PreSignUp says.
///
/// Decision: an address that is verified in this way is verified whether the code goes to it or to another one.
fn waive(user: &mut User, waived: &Waived) -> Result<(), ApiError> {
    for medium in &waived.verification {
        if user.address(*medium).is_none() {
            return Err(attributes::refused(Refusal::NothingToVerify(*medium), Wording::NewUser));
        }
        user.attributes.insert(medium.verified_attribute().to_owned(), "true".to_owned());
    }
    if waived.confirmation {
        user.status = UserStatusType::Confirmed;
    }
    Ok(())
}

/// Whether a name of this kind moves to the new user: an alias that PreSignUp says is verified.
fn moves(pool: &Pool, waived: &Waived, kind: NameKind) -> bool {
    let (medium, alias) = match kind {
        NameKind::Email => (Medium::Email, AliasAttributeType::Email),
        NameKind::PhoneNumber => (Medium::Sms, AliasAttributeType::PhoneNumber),
        _ => return false,
    };
    pool.uses_as_alias(alias) && waived.verification.contains(&medium)
}

fn exists(kind: NameKind) -> ApiError {
    attributes::name_exists(ErrorKind::UsernameExists, kind, "User already exists")
}
