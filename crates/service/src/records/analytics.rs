//! Events for analytics (triggers-security.md §17): what users do through the clients that have an
//! `AnalyticsConfiguration`.
//!
//! Operations tell them after their commit. Only the API does, and only of local users: neither the login pages, which
//! call the same operations ([`crate::OwnWishes`]), nor users of other identity providers.

use domain::{Client, Medium, Pool, User};
use serde_json::{Map, Value};
use wire::{AnalyticsMetadataType, ErrorKind, LogLevel, UserStatusType};

use super::{Record, tell_analytics};
use crate::{ApiError, Ctx};

/// What has happened.
///
/// Decision: the service's names of the first three are known; those of the others are made in their likeness, one for
/// each step, so that each can be counted by itself. What is refused before the caller could have proven anything, such
/// as a request with a member missing, is no `auth_fail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody got tokens. A refresh is no sign-in.
    SignIn,
    /// Somebody registered.
    SignUp,
    /// Somebody's sign-in was refused.
    AuthFail,
    /// Somebody confirmed a sign-up by its code.
    SignUpConfirmed,
    /// Somebody asked for a code that replaces a password.
    Recovery,
    /// Somebody replaced a password by that code.
    RecoveryConfirmed,
}

impl Event {
    const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "_userauth.sign_in",
            Self::SignUp => "_userauth.sign_up",
            Self::AuthFail => "_userauth.auth_fail",
            Self::SignUpConfirmed => "_userauth.sign_up_confirm",
            Self::Recovery => "_userauth.recovery",
            Self::RecoveryConfirmed => "_userauth.recovery_confirm",
        }
    }
}

/// The longest name of an endpoint, in bytes. The model allows texts that would fill the memory with what waits.
const LONGEST_ENDPOINT: usize = 256;

/// The endpoint that a request names; an empty one counts as none.
///
/// Decision: so does one that is longer than 256 bytes.
#[must_use]
pub fn endpoint(metadata: Option<AnalyticsMetadataType>) -> Option<String> {
    let endpoint = metadata.and_then(|metadata| metadata.analytics_endpoint_id);
    endpoint.filter(|endpoint| (1..=LONGEST_ENDPOINT).contains(&endpoint.len()))
}

/// Tells of an event, where the client wants it. `user` is who has proven to be that user, and nobody otherwise: whoever
/// fails to sign in, or merely asks for a code, must not put somebody else's name to an endpoint.
pub fn tell(ctx: &Ctx, pool: &Pool, client: &Client, endpoint: Option<&str>, event: Event, user: Option<&User>) {
    let Some(analytics) = client.analytics.as_ref().filter(|_| !ctx.own.is_login_page) else { return };
    if user.is_some_and(|user| user.status == UserStatusType::ExternalProvider) {
        return;
    }
    let mut body = Map::new();
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), Value::from(value));
        }
    };
    add("event_id", Some(&ctx.uuid()));
    add("event_type", Some(event.name()));
    add("user_pool_id", Some(&pool.id));
    add("client_id", Some(&client.id));
    add("application_id", analytics.application_id.as_deref());
    add("application_arn", analytics.application_arn.as_deref());
    add("endpoint_id", endpoint);
    body.insert("event_timestamp".to_owned(), Value::from(ctx.now.milliseconds()));
    if let Some(user) = user.filter(|_| analytics.user_data_shared == Some(true)) {
        body.insert("user".to_owned(), shared(user));
    }
    let record = Record {
        name: event.name(),
        pool_id: pool.id.clone(),
        arn: None,
        moment: ctx.now,
        level: LogLevel::Info,
        body: Value::Object(body),
    };
    tell_analytics(&ctx.app, record);
}

/// Tells of a refused sign-in.
pub fn tell_refused(ctx: &Ctx, pool: &Pool, client: &Client, endpoint: Option<&str>, refusal: &ApiError) {
    if is_failed_sign_in(refusal.kind) {
        tell(ctx, pool, client, endpoint, Event::AuthFail, None);
    }
}

/// Whether a refusal says that the user is not, or may not be, who it claims to be.
pub(crate) const fn is_failed_sign_in(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotAuthorized
            | ErrorKind::UserNotFound
            | ErrorKind::UserNotConfirmed
            | ErrorKind::PasswordResetRequired
            | ErrorKind::CodeMismatch
            | ErrorKind::ExpiredCode
            | ErrorKind::TooManyFailedAttempts
            | ErrorKind::EnableSoftwareTokenMFA
            | ErrorKind::UserLambdaValidation
    )
}

/// What `UserDataShared` shares: who it is, and the addresses that are known to be theirs.
fn shared(user: &User) -> Value {
    let mut shared = Map::new();
    shared.insert("user_id".to_owned(), Value::from(user.sub.as_str()));
    for medium in [Medium::Email, Medium::Sms] {
        if let Some(address) = user.address(medium).filter(|_| user.has_verified(medium.attribute())) {
            shared.insert(medium.attribute().to_owned(), Value::from(address));
        }
    }
    Value::Object(shared)
}
