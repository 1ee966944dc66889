//! USER_PASSWORD_AUTH and ADMIN_USER_PASSWORD_AUTH: the password itself, as text (auth-flows.md §4).

use domain::{Spent, session::SignIn};
use store::SignInSnapshot;
use wire::AuthFlowType;

use super::{
    Proven, Request, device,
    first_factor::{self, Proof},
};
use crate::{ApiError, Ctx, lookup, passwords};

/// A password as text.
pub(super) struct Clear<'a> {
    /// The name as it was typed.
    pub username: &'a str,
    /// The password.
    pub password: &'a str,
    /// The session that it is an answer to, if it is one.
    pub spends: Option<Spent>,
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
        self.spends.clone()
    }
}

/// Checks USERNAME and PASSWORD.
///
/// # Errors
/// See auth-flows.md §8 and §9.
pub(super) async fn verify(ctx: &Ctx, request: &Request, flow: AuthFlowType) -> Result<Proven, ApiError> {
    let (username, password) = (request.required("USERNAME")?, request.required("PASSWORD")?);
    let proof = Clear { username, password, spends: None };
    request.check_secret_hash(ctx, proof.username)?;
    let (sub, snapshot) = lookup::sign_in_by_name(ctx, &request.pool, proof.username).await?;
    let device_key = device::named(ctx, request, &sub).await?;
    let sign_in = SignIn { device_key, ..SignIn::new(flow) };
    first_factor::prove(ctx, request, &sub, &proof, &sign_in, Some(snapshot)).await
}
