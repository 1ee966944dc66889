//! CreateUserPool (accounts.md §13, §11.2, §2.1).

use std::collections::BTreeMap;

use domain::{FactorSettings, PasswordPolicy, Pool, SigningKeyRecord, SigningKeyUse, schema};
use store::{Changes, Stored};
use wire::{
    AliasAttributeType, CreateUserPoolRequest, CreateUserPoolResponse, EmailConfigurationType, UserPoolTierType,
    VerificationMessageTemplateType,
};

use super::{
    answer, lambda_config,
    settings::{self, Settings},
};
use crate::{ApiError, Ctx, quotas, retry};

/// Characters of the part of a pool's id that is drawn.
const ID_ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many are drawn.
const ID_LENGTH: usize = 9;

/// Makes a pool and gives it two signing keys out of the stock.
///
/// # Errors
/// `InvalidParameterException` and the others of §13.5.
pub async fn run(ctx: &Ctx, input: CreateUserPoolRequest) -> Result<CreateUserPoolResponse, ApiError> {
    // Decide. Only the id and the keys are drawn anew when another request was faster.
    let mut pool = blank(ctx, &input)?;
    settings::apply(ctx, &mut pool, &Settings::from(input))?;

    // Load and commit.
    let pool = retry::on_conflict(ctx, async || {
        let mut pool = pool.clone();
        pool.id = ctx.own.pool_id.clone().unwrap_or_else(|| new_id(ctx));
        let most = ctx.app.settings.quotas.counts.pools;
        quotas::room(most, ctx.app.store.count_pools(most).await?, "user pools")?;
        let [id_key, access_key] = ctx.app.tokens.take_keys(ctx).await?;
        let mut changes = Changes::new();
        changes.insert(pool.clone());
        give(&mut changes, id_key, &pool.id, SigningKeyUse::Id);
        give(&mut changes, access_key, &pool.id, SigningKeyUse::Access);
        ctx.app.commit(changes).await?;
        Ok(pool)
    })
    .await?;
    lambda_config::warn_of_unknown(ctx, &pool);
    Ok(CreateUserPoolResponse { user_pool: Some(answer::user_pool(ctx, &pool, 0, &[])) })
}

fn new_id(ctx: &Ctx) -> String {
    format!("{}_{}", ctx.region, crypto::random::alphanumeric(ctx.entropy(), ID_LENGTH, ID_ALPHABET))
}

/// The pool with what can only be said now, everything else being the default.
fn blank(ctx: &Ctx, input: &CreateUserPoolRequest) -> Result<Pool, ApiError> {
    let alias_attributes = settings::distinct(input.alias_attributes.as_deref().unwrap_or_default());
    let username_attributes = settings::distinct(input.username_attributes.as_deref().unwrap_or_default());
    if !alias_attributes.is_empty() && !username_attributes.is_empty() {
        return Err(ApiError::invalid_parameter(
            "Only one of the aliasAttributes or usernameAttributes can be set in a User pool.",
        ));
    }
    let schema = schema::of_new_pool(input.schema.as_deref().unwrap_or_default())?;
    let requires_preferred =
        schema.iter().any(|entry| entry.name.as_deref() == Some("preferred_username") && entry.required == Some(true));
    if requires_preferred && alias_attributes.contains(&AliasAttributeType::PreferredUsername) {
        // Decision: the service's words are not recorded. The alias can only be set after confirmation.
        return Err(ApiError::invalid_parameter(
            "preferred_username cannot be both a required attribute and an alias.",
        ));
    }
    if !is_region(&ctx.region) {
        return Err(ApiError::invalid_parameter("The region in the request's credential scope is invalid."));
    }
    Ok(Pool {
        // The rest of the id is drawn when the pool is saved.
        id: format!("{}_", ctx.region),
        name: input.pool_name.clone(),
        created_at: ctx.now,
        modified_at: ctx.now,
        deletion_protected: false,
        password_policy: PasswordPolicy::default(),
        schema,
        alias_attributes,
        username_attributes,
        case_sensitive: input.username_configuration.as_ref().map(|configuration| configuration.case_sensitive),
        auto_verified_attributes: Vec::new(),
        verification_before_update: Vec::new(),
        recovery: None,
        verification_template: VerificationMessageTemplateType::default(),
        email: EmailConfigurationType::default(),
        sms: None,
        admin_create_user_only: false,
        invite_template: None,
        tags: BTreeMap::new(),
        tier: UserPoolTierType::Essentials,
        add_ons: None,
        factors: FactorSettings::default(),
        sign_in: Default::default(),
        log_delivery: Vec::new(),
        risk: None,
    })
}

/// A region becomes part of the pool's id, whose first `_` ends it.
fn is_region(region: &str) -> bool {
    (1..=32).contains(&region.len()) && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn give(changes: &mut Changes, key: Stored<SigningKeyRecord>, pool_id: &str, usage: SigningKeyUse) {
    changes.save(key.value.given(pool_id, usage), Some(key.version));
}
