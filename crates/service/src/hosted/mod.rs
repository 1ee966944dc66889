//! What a pool's domain serves (oauth-federation.md §2 to §8, §16 to §18), without HTTP: the endpoints of OAuth2 and
//! OpenID Connect, browser sessions, and sign-ins at other providers. Pages and routes are in `web::hosted`.
//!
//! ```text
//! /oauth2/authorize ── authorize::check ─┬─ browser_session::usable ──────────────┐
//!                                        ├─ federation::begin → the provider →    │
//!                                        │  /oauth2/idpresponse federation::finish ┤
//!                                        └─ /login … sign_in → Completed ──────────┴─ grant::give → the application
//! /oauth2/token ── token::answer
//! ```

pub mod authorize;
pub mod browser_session;
mod client_authentication;
pub mod federation;
pub mod grant;
pub mod interactive;
pub mod look;
mod parameters;
pub mod revoke;
mod site;
pub mod token;
pub mod user_info;

pub(crate) use self::site::LOCAL;
pub use self::{
    parameters::{Parameters, Repeated, query},
    site::{Site, base_of, public_base},
};
