//! A request and a session for unit tests of what happens when others are quicker.

use std::sync::Arc;

use domain::session::{Entrance, SignIn, SignInSession, Waiting};
use serde_json::json;
use store::Stored;
use wire::{AuthFlowType, ChallengeNameType};

use super::{
    Request, session,
    watch::{Said, Watch},
};
use crate::{Ctx, messages::testing::pool};

/// A request of a client of this pool, through the public entrance.
pub(super) fn request(pool_id: &str) -> Request {
    let client = json!({
        "id": "client", "pool_id": pool_id, "name": "c", "created_at": 0.0, "modified_at": 0.0, "secrets": [],
        "refresh_token_validity": 30, "explicit_auth_flows": [], "enable_token_revocation": true,
        "auth_session_validity": 3,
    });
    Request {
        entrance: Entrance::Public,
        client: Arc::new(Stored { value: serde_json::from_value(client).unwrap(), version: 1 }),
        pool: Arc::new(Stored { value: pool(), version: 1 }),
        parameters: [].into(),
        session: None,
        challenge: None,
        client_metadata: None,
        validation_data: None,
        endpoint: None,
        watch: Watch::new(Said::Public(None)),
    }
}

/// A session of this user that waits for the answer to a challenge.
pub(super) fn waiting(ctx: &Ctx, request: &Request, sub: &str, challenge: ChallengeNameType) -> SignInSession {
    session::new(ctx, request, sub, SignIn::new(AuthFlowType::UserAuth), challenge, Waiting::Nothing)
}
