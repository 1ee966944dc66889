//! SignUp (accounts.md §9.1): a user registers and gets a code.
//!
//! Order: client, secret hash, whether sign-up is open, form of the name, attributes, password policy, whether the
//! names are free, and only then the slow hashing of the password; then one changeset with user, names, password,
//! code and message. In pools that take codes as first factors the password may be left out.

use domain::{
    Client, CodePurpose, MessagePurpose, NameKind, Pool, User,
    attributes::{Writer, for_new_user},
    names,
};
use store::Changes;
use wire::{ErrorKind, SignUpRequest, SignUpResponse, UserStatusType};

use super::verification_medium;
use crate::{
    ApiError, Ctx,
    attributes::{self, Wording},
    codes, lookup, messages,
    operations::recovery::delivery,
    passwords::{self, Wording as PasswordWording},
    retry, secret_hash,
    sign_in::after_sign_up,
    users,
};

/// Registers a user.
///
/// # Errors
/// Those of SignUp in accounts.md §9.1 and §21.
pub async fn run(ctx: &Ctx, input: SignUpRequest) -> Result<SignUpResponse, ApiError> {
    let (client, pool) = lookup::client_and_pool(ctx, &input.client_id).await?;
    secret_hash::check(ctx, &client, &input.username, input.secret_hash.as_deref())?;
    if pool.admin_create_user_only {
        return Err(ApiError::not_authorized("SignUp is not permitted for this user pool"));
    }
    // A conflict is rare: a name that was taken became free at that moment.
    let response = retry::on_conflict(ctx, || register(ctx, &client, &pool, &input)).await?;
    if response.code_delivery_details.is_some() {
        ctx.app.outbox.notify();
    }
    Ok(response)
}

async fn register(ctx: &Ctx, client: &Client, pool: &Pool, input: &SignUpRequest) -> Result<SignUpResponse, ApiError> {
    let name = attributes::new_name(ctx, pool, &input.username)?;
    let given = input.user_attributes.as_deref().unwrap_or_default();
    let identity = name.identity.map(|medium| (medium, input.username.as_str()));
    let user_attributes = for_new_user(pool, Writer::Client(client), given, identity)
        .map_err(|refusal| attributes::refused(refusal, Wording::NewUser))?;
    let password = input.password.as_deref().filter(|password| !password.is_empty());
    match password {
        Some(password) => passwords::check_policy(pool, password, PasswordWording::DidNotConform)?,
        None if pool.takes_users_without_password() => {}
        // Decision: the service's words are not known.
        None => return Err(ApiError::invalid_parameter("Password is required.")),
    }

    let user = User {
        pool_id: pool.id.clone(),
        sub: name.sub,
        username: name.username,
        status: UserStatusType::Unconfirmed,
        enabled: true,
        attributes: user_attributes,
        created_at: ctx.now,
        modified_at: ctx.now,
        tokens_not_before: None,
        identities: Vec::new(),
        mfa: Default::default(),
    };
    let claims = names::claims(pool, &user);
    if let Some((kind, _)) = attributes::other_owner(ctx, pool, &user.sub, &claims).await? {
        return Err(exists(kind));
    }

    let mut changes = Changes::new();
    let (mut details, mut session) = (None, None);
    if let Some((medium, address)) = verification_medium(pool, &user) {
        ctx.app.outbox.can_deliver(medium)?;
        let (code, row) = codes::issue(ctx, &pool.id, &user.sub, CodePurpose::SignUp, medium, address);
        let message =
            messages::write(ctx, pool, Some(&client.id), &user, MessagePurpose::SignUp, medium, address, &code)?;
        changes.insert(row).insert(message);
        details = Some(delivery(medium, address));
        session = after_sign_up::signed_up(ctx, client, pool, &user, medium, address)?;
    }
    if let Some(password) = password {
        changes.insert(passwords::row(ctx, pool, &user, None, password, false).await?);
    }
    let user_sub = user.sub.clone();
    users::insert(&mut changes, pool, user);
    attributes::committed(ctx.app.commit(changes).await, exists)?;
    Ok(SignUpResponse { user_confirmed: false, code_delivery_details: details, user_sub, session })
}

fn exists(kind: NameKind) -> ApiError {
    attributes::name_exists(ErrorKind::UsernameExists, kind, "User already exists")
}
