//! A client as answers show it (accounts.md §14.1).

use domain::Client;
use wire::UserPoolClientType;

use crate::{ApiError, Ctx, secret_hash};

/// The whole client, with its newest secret in clear. What was never set is left out, as the service does.
///
/// # Errors
/// When the secret cannot be opened with the master keys.
pub fn user_pool_client(ctx: &Ctx, client: &Client) -> Result<UserPoolClientType, ApiError> {
    let secret = client.secrets.last().map(|secret| secret_hash::reveal(ctx, client, secret)).transpose()?;
    Ok(UserPoolClientType {
        user_pool_id: Some(client.pool_id.clone()),
        client_name: Some(client.name.clone()),
        client_id: Some(client.id.clone()),
        client_secret: secret,
        last_modified_date: Some(client.modified_at),
        creation_date: Some(client.created_at),
        refresh_token_validity: Some(client.refresh_token_validity),
        access_token_validity: client.access_token_validity,
        id_token_validity: client.id_token_validity,
        token_validity_units: Some(client.token_validity_units.clone().unwrap_or_default()),
        read_attributes: client.read_attributes.clone(),
        write_attributes: client.write_attributes.clone(),
        explicit_auth_flows: listed(&client.explicit_auth_flows),
        supported_identity_providers: listed(&client.supported_identity_providers),
        callback_urls: listed(&client.oauth.callback_urls),
        logout_urls: listed(&client.oauth.logout_urls),
        default_redirect_uri: client.oauth.default_redirect_uri.clone(),
        allowed_o_auth_flows: listed(&client.oauth.flows),
        allowed_o_auth_scopes: listed(&client.oauth.scopes),
        allowed_o_auth_flows_user_pool_client: Some(client.oauth.enabled),
        analytics_configuration: client.analytics.clone(),
        prevent_user_existence_errors: client.prevent_user_existence_errors,
        enable_token_revocation: Some(client.enable_token_revocation),
        enable_propagate_additional_user_context_data: Some(client.propagates_user_context),
        auth_session_validity: Some(client.auth_session_validity),
        refresh_token_rotation: client.refresh_token_rotation.clone(),
        client_type: None,
    })
}

fn listed<T: Clone>(items: &[T]) -> Option<Vec<T>> {
    (!items.is_empty()).then(|| items.to_vec())
}
