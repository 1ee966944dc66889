//! CreateUserPoolClient (accounts.md §14.1, §14.2).

use domain::{Client, OAuthSettings};
use store::{Changes, Key};
use wire::{CreateUserPoolClientRequest, CreateUserPoolClientResponse};

use super::{
    answer, oauth, secrets,
    settings::{self, Deed, Settings},
};
use crate::{ApiError, Ctx, lookup, quotas, retry};

/// Characters in a client's id.
const ID_LENGTH: usize = 26;

/// Makes a client, with a secret when the request asks for one or brings one.
///
/// # Errors
/// `ResourceNotFoundException` and the errors of §14.2.
pub async fn run(ctx: &Ctx, input: CreateUserPoolClientRequest) -> Result<CreateUserPoolClientResponse, ApiError> {
    let pool_id = input.user_pool_id.clone();
    let name = input.client_name.clone();
    let secret = secret(ctx, &input)?;
    let settings = Settings::from(input);
    retry::on_conflict(ctx, async || {
        // Load.
        let pool = lookup::current_pool(ctx, &pool_id).await?;
        let most = ctx.app.settings.quotas.counts.clients_per_pool;
        quotas::room(most, ctx.app.store.count_clients(&pool_id, most).await?, "clients in this user pool")?;
        let known = oauth::known(ctx, &pool, &settings).await?;

        // Decide.
        let mut client = blank(ctx, &pool_id, &name, secret.as_deref());
        settings::apply(ctx, &mut client, &pool, &settings, &known, Deed::Creating)?;
        let answer = answer::user_pool_client(ctx, &client)?;

        // Commit. A pool that is deleted meanwhile must not leave a client behind.
        let mut changes = Changes::new();
        changes.assert(Key::Pool { id: pool.id.clone() }, pool.version);
        changes.insert(client);
        ctx.app.commit(changes).await?;
        Ok(CreateUserPoolClientResponse { user_pool_client: Some(answer) })
    })
    .await
}

fn secret(ctx: &Ctx, input: &CreateUserPoolClientRequest) -> Result<Option<String>, ApiError> {
    match (input.generate_secret, &input.client_secret) {
        // Decision: the service's words are not recorded.
        (Some(true), Some(_)) => {
            Err(ApiError::invalid_parameter("ClientSecret cannot be given when GenerateSecret is true."))
        }
        (Some(true), None) => Ok(Some(secrets::generate(ctx))),
        (_, given) => Ok(given.clone()),
    }
}

/// The client with what can only be said now, everything else being empty until the settings are applied.
fn blank(ctx: &Ctx, pool_id: &str, name: &str, secret: Option<&str>) -> Client {
    let drawn = || crypto::random::alphanumeric(ctx.entropy(), ID_LENGTH, secrets::ALPHABET);
    let id = ctx.own.client_id.clone().unwrap_or_else(drawn);
    let mut client = Client {
        id,
        pool_id: pool_id.to_owned(),
        name: name.to_owned(),
        created_at: ctx.now,
        modified_at: ctx.now,
        secrets: Vec::new(),
        refresh_token_validity: 0,
        access_token_validity: None,
        id_token_validity: None,
        token_validity_units: None,
        read_attributes: None,
        write_attributes: None,
        explicit_auth_flows: Vec::new(),
        prevent_user_existence_errors: None,
        enable_token_revocation: true,
        auth_session_validity: 0,
        supported_identity_providers: Vec::new(),
        refresh_token_rotation: None,
        oauth: OAuthSettings::default(),
        propagates_user_context: false,
        sso_minutes: None,
        analytics: None,
        risk: None,
    };
    if let Some(secret) = secret {
        secrets::add(ctx, &mut client, secret);
    }
    client
}
