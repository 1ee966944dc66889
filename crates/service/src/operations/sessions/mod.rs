//! Sign-ins that are kept track of, and the settings for it (auth-flows.md §19 "Session tracking"); what tracking is
//! stands in [`crate::tracking`].

pub mod admin_list_user_sessions;
pub mod admin_revoke_user_session;
pub mod get_user_pool_client_session_configuration;
pub mod get_user_pool_session_configuration;
pub mod list_user_sessions;
pub mod revoke_user_session;
pub mod set_user_pool_client_session_configuration;
pub mod set_user_pool_session_configuration;

use domain::{
    Client, Pool, SessionKind, TrackedSession, User, client::DEFAULT_SSO_MINUTES,
    tracked_session::DEFAULT_MOST_SESSIONS,
};
use wire::{
    ClientSSOSessionConfigType, GetUserPoolSessionConfigurationResponse, SessionDescriptionType, SessionLocationType,
    SessionTypeType, UserPoolTokenSessionConfigType, UserSessionTrackingType,
};

use crate::{ApiError, Ctx, paging, tracking};

/// Sessions on one page.
const PAGE: usize = 125;

/// What a pool says about sessions.
fn of_pool(pool: &Pool) -> GetUserPoolSessionConfigurationResponse {
    let tracking = match pool.sign_in.tracked_sessions {
        Some(_) => UserSessionTrackingType::Enabled,
        None => UserSessionTrackingType::Disabled,
    };
    let most = pool.sign_in.most_sessions.unwrap_or(DEFAULT_MOST_SESSIONS);
    GetUserPoolSessionConfigurationResponse {
        user_pool_id: Some(pool.id.clone()),
        user_session_tracking: Some(tracking),
        token_session: Some(UserPoolTokenSessionConfigType { max_per_user: most }),
    }
}

/// What a client says about sessions.
fn of_client(client: &Client) -> ClientSSOSessionConfigType {
    ClientSSOSessionConfigType { max_validity_minutes: client.sso_minutes.unwrap_or(DEFAULT_SSO_MINUTES) }
}

/// One page of a user's sessions by id, and the token for the next one. A page may hold fewer than there is room for,
/// since sessions that are over are left out.
async fn page(
    ctx: &Ctx,
    operation: &str,
    user: &User,
    token: Option<&str>,
    current: Option<&str>,
) -> Result<(Vec<SessionDescriptionType>, Option<String>), ApiError> {
    let scope = format!("{operation}\n{}\n{}", user.pool_id, user.sub);
    let after = paging::read(ctx, &scope, token)?;
    let (pool_id, sub, after) = (&user.pool_id, &user.sub, after.as_deref());
    let mut sessions = ctx.app.store.user_parts::<TrackedSession>(pool_id, sub, after, PAGE + 1).await?;
    let next_token = paging::cut(ctx, &scope, &mut sessions, PAGE, |session| &session.value.id);
    let mut descriptions = Vec::with_capacity(sessions.len());
    for session in sessions {
        if !tracking::is_over(ctx, user, &session).await? {
            let is_current = current == Some(session.id.as_str());
            descriptions.push(description(session.value, is_current));
        }
    }
    Ok((descriptions, next_token))
}

fn description(session: TrackedSession, is_current: bool) -> SessionDescriptionType {
    let origin = session.origin;
    let session_type = match session.kind {
        SessionKind::Token => SessionTypeType::Token,
        SessionKind::Sso => SessionTypeType::Sso,
    };
    SessionDescriptionType {
        session_id: Some(session.id),
        session_type: Some(session_type),
        client_id: Some(session.client_id),
        create_date: Some(session.created_at),
        last_active_date: Some(session.last_active_at),
        device_type: Some(origin.device),
        last_ip_address: Some(origin.address),
        last_location: Some(SessionLocationType { city: origin.city, country: Some(origin.country) }),
        origin_session_id: session.origin_session_id,
        is_current_session: Some(is_current),
    }
}
