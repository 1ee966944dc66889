//! USER_PASSWORD_AUTH and ADMIN_USER_PASSWORD_AUTH: the password itself, as text (auth-flows.md §4).

use domain::{Spent, session::SignIn};
use store::SignInSnapshot;
use wire::AuthFlowType;

use super::{
    Proven, Request,
    first_factor::{self, Proof},
};
use crate::{ApiError, Ctx, lookup, passwords};

struct Clear<'a> {
    username: &'a str,
    password: &'a str,
}

impl Proof for Clear<'_> {
    async fn holds(&self, ctx: &Ctx, request: &Request, snapshot: &SignInSnapshot) -> Result<bool, ApiError> {
        let known = match (&snapshot.user, &snapshot.password) {
            (Some(user), Some(password)) => Some((&user.value, &password.current)),
            _ => None,
        };
        passwords::matches_for_sign_in(ctx, &request.pool, known, self.username, self.password).await
    }

    fn password(&self) -> Option<&str> {
        Some(self.password)
    }

    fn spends(&self) -> Option<Spent> {
        None
    }
}

/// Checks USERNAME and PASSWORD.
///
/// # Errors
/// See auth-flows.md §8 and §9.
pub(super) async fn verify(ctx: &Ctx, request: &Request, flow: AuthFlowType) -> Result<Proven, ApiError> {
    let proof = Clear { username: request.required("USERNAME")?, password: request.required("PASSWORD")? };
    request.check_secret_hash(ctx, proof.username)?;
    request.check_device_key()?;
    let user = lookup::user(ctx, &request.pool, proof.username).await?;
    let subject = lookup::subject(ctx, &request.pool, proof.username, user.as_deref());
    first_factor::prove(ctx, request, &subject, &proof, &SignIn::new(flow)).await
}
