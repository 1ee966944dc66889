//! The set-up of a software token in the middle of a sign-in (auth-flows.md §7, §13): AssociateSoftwareToken and
//! VerifySoftwareToken take the session of the challenge MFA_SETUP in place of an access token, and each answers the
//! session for what comes next.

use std::sync::Arc;

use domain::{
    MfaMethod, Pool, User,
    session::{SignInSession, Waiting},
};
use store::{Changes, Key, Stored};

use super::{
    Request, guard, second_factor, session,
    watch::{Said, Watch},
};
use crate::{ApiError, Ctx, lookup};

/// A sign-in that waits for MFA_SETUP.
pub struct SetUp {
    request: Request,
    session: SignInSession,
    /// The user, as stored now.
    pub user: Stored<User>,
}

/// The sign-in that waits for MFA_SETUP with this `Session`, if the user may still go on with it and has the choice to
/// set up a software token.
///
/// # Errors
/// Those of sessions (auth-flows.md §7), those of the user's status, and `ResourceNotFoundException` when the client is
/// gone.
pub async fn resume(ctx: &Ctx, text: &str) -> Result<SetUp, ApiError> {
    let waiting = session::resume_set_up(ctx, text).await?;
    let may_set_up = match &waiting.waiting {
        Waiting::Method(methods) => methods.contains(&MfaMethod::SoftwareToken),
        Waiting::SoftwareToken { .. } => true,
        _ => false,
    };
    if !may_set_up {
        return Err(session::invalid());
    }
    let (client, pool) = lookup::client_and_pool(ctx, &waiting.client_id).await?;
    let request = Request {
        entrance: waiting.entrance,
        client,
        pool,
        parameters: [].into(),
        session: Some(text.to_owned()),
        challenge: None,
        client_metadata: None,
        validation_data: None,
        endpoint: None,
        watch: Watch::new(Said::Public(None)),
    };
    let user = guard::standing(ctx, &request, &waiting).await?.user;
    // A pool that does not offer them any more is for the operations to name.
    if request.pool.offers(MfaMethod::SoftwareToken) {
        second_factor::check_set_up(ctx, &request, &user, &waiting, MfaMethod::SoftwareToken).await?;
    }
    Ok(SetUp { request, session: waiting, user })
}

impl SetUp {
    /// The user's pool.
    #[must_use]
    pub fn pool(&self) -> &Arc<Stored<Pool>> {
        &self.request.pool
    }

    /// What the session waits for.
    #[must_use]
    pub fn waiting(&self) -> &Waiting {
        &self.session.waiting
    }

    /// Not a session that can be used for this, or no longer.
    #[must_use]
    pub fn invalid() -> ApiError {
        session::invalid()
    }

    /// The session has led to success before.
    #[must_use]
    pub fn used() -> ApiError {
        session::used()
    }

    /// Demands that everything this rests on is still so when the changes are committed, and uses the session up.
    pub fn spend(&self, changes: &mut Changes) {
        let (pool_id, sub) = (self.user.pool_id.clone(), self.user.sub.clone());
        if let Some(version) = self.session.password_version {
            changes.assert(Key::Password { pool_id, sub }, version);
        }
        changes.insert(session::mark(&self.session));
    }

    /// The session that comes after this one: a new one with the time of a new step, within that of its sign-in.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn next(&self, ctx: &Ctx, waiting: Waiting) -> Result<String, ApiError> {
        let next = SignInSession {
            id: ctx.uuid(),
            expires_at: session::end_of_step(ctx, &self.request, &self.session.sign_in),
            waiting,
            ..self.session.clone()
        };
        session::seal(ctx, &self.request, &next)
    }
}
