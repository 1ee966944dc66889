//! Signing in (auth-flows.md §2 to §11). Both pairs of operations go through [`crate::sign_in`].

pub mod admin_initiate_auth;
pub mod admin_respond_to_auth_challenge;
pub mod initiate_auth;
pub mod respond_to_auth_challenge;
