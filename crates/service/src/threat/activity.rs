//! What is remembered of operations that are no sign-ins (triggers-security.md §15.4): sign-ups, codes that are sent, and
//! passwords that are replaced.
//!
//! | Operation | Event | `Pass` | `Fail` |
//! |---|---|---|---|
//! | SignUp | `SignUp` | there is a user | |
//! | ResendConfirmationCode | `ResendCode` | a code was sent | none was, and the client is not told |
//! | ForgotPassword | `ForgotPassword` | a code was sent | none was, and the client is not told |
//! | ConfirmForgotPassword | `PasswordChange` | the password is replaced | wrong code, or a password that is not taken |
//! | ChangePassword | `PasswordChange` | the password is replaced | wrong password, or a new one that is not taken |
//!
//! Decision: which of them the service calls `InProgress`, or leaves out, is not recorded. An event is written where
//! something is committed anyway, or a wrong answer was counted: nobody fills a user's history faster than the limits of
//! these operations let them.
//!
//! Decision: an address that is blocked is refused before anything of the user is read, and leaves no event. So it is at
//! ConfirmSignUp, of which there is no event either.

use domain::{
    Client, Pool, User,
    auth_event::{EventContext, EventRisk, KEPT_OF_NOBODY},
};
use store::{Changes, CommitError};
use wire::{EventFilterType, EventResponseType, EventType, UserContextDataType};

use super::{Mode, check_address, compromised, context, history, mode};
use crate::{ApiError, Ctx, metrics::RiskKind, records::activity};

/// What somebody is doing.
pub struct Activity<'a> {
    pool: &'a Pool,
    client: &'a Client,
    what: EventType,
    /// From where; nothing where threat protection is off, and nothing is remembered.
    context: Option<EventContext>,
}

/// Does for what has no event what [`Activity::of_app`] does: blocked addresses get nowhere.
///
/// # Errors
/// Those of [`Activity::of_app`].
pub fn check_app(ctx: &Ctx, pool: &Pool, client: &Client, said: Option<&UserContextDataType>) -> Result<(), ApiError> {
    of_app(ctx, pool, client, said, None).map(|_context| ())
}

fn of_app(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    said: Option<&UserContextDataType>,
    what: Option<EventType>,
) -> Result<Option<EventContext>, ApiError> {
    let is_proven = !client.secrets.is_empty();
    admitted(ctx, pool, client, what, || context::of_public(ctx, client, said, is_proven))
}

/// The context, where one is wanted, unless its address is blocked.
fn admitted(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    what: Option<EventType>,
    context: impl FnOnce() -> Result<EventContext, ApiError>,
) -> Result<Option<EventContext>, ApiError> {
    let mode = mode(pool);
    if mode == Mode::Off {
        return Ok(None);
    }
    let context = context()?;
    check_address(pool, client, mode, &context).inspect_err(|_refusal| {
        if let Some(occasion) = what.and_then(occasion) {
            ctx.app.metrics.count_risk(occasion, RiskKind::OverrideBlock, None);
        }
    })?;
    Ok(Some(context))
}

/// As what the metrics count it.
const fn occasion(what: EventType) -> Option<EventFilterType> {
    match what {
        EventType::SignIn => Some(EventFilterType::SignIn),
        EventType::SignUp => Some(EventFilterType::SignUp),
        EventType::PasswordChange => Some(EventFilterType::PasswordChange),
        EventType::ForgotPassword | EventType::ResendCode => None,
    }
}

/// Whose event it is.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    sub: &'a str,
    username: &'a str,
    is_nobodys: bool,
}

impl<'a> Whose<'a> {
    /// A user's.
    #[must_use]
    pub fn user(user: &'a User) -> Self {
        Self { sub: &user.sub, username: &user.username, is_nobodys: false }
    }

    /// That of the stand-in for the name that was typed. What is written is forgotten after a day.
    #[must_use]
    pub const fn nobody(stand_in: &'a str, typed: &'a str) -> Self {
        Self { sub: stand_in, username: typed, is_nobodys: true }
    }
}

impl<'a> Activity<'a> {
    /// Begins what an app asks for. Its secret hash, where it needs one, must have been checked: then the address that
    /// it names counts.
    ///
    /// # Errors
    /// `NotAuthorizedException` for a blocked address, `InvalidParameterException` for one that is none.
    pub fn of_app(
        ctx: &Ctx,
        pool: &'a Pool,
        client: &'a Client,
        said: Option<&UserContextDataType>,
        what: EventType,
    ) -> Result<Self, ApiError> {
        Ok(Self { pool, client, what, context: of_app(ctx, pool, client, said, Some(what))? })
    }

    /// Begins what the holder of a token asks for.
    ///
    /// # Errors
    /// `NotAuthorizedException` for a blocked address.
    pub fn of_user(ctx: &Ctx, pool: &'a Pool, client: &'a Client, what: EventType) -> Result<Self, ApiError> {
        let context = admitted(ctx, pool, client, Some(what), || Ok(context::of_connection(ctx)))?;
        Ok(Self { pool, client, what, context })
    }

    /// Looks at a password that is being chosen; the answer is what the event is to be told of it, and whether it is
    /// refused ([`compromised::refuse`]).
    ///
    /// # Errors
    /// Those of [`compromised::judge_chosen`].
    pub async fn judge_password(&self, ctx: &Ctx, password: &str) -> Result<EventRisk, ApiError> {
        let Some(occasion) = occasion(self.what) else { return Ok(EventRisk::NONE) };
        compromised::judge_chosen(ctx, (self.pool, self.client), mode(self.pool), occasion, password).await
    }

    /// Commits `changes` together with the event, and tells the log of the pool.
    ///
    /// # Errors
    /// Those of [`store::Store::commit`]; then there is no event either.
    pub async fn commit(
        &self,
        ctx: &Ctx,
        mut changes: Changes,
        whose: Whose<'_>,
        response: EventResponseType,
        risk: EventRisk,
    ) -> Result<(), CommitError> {
        let Some(context) = &self.context else {
            return if changes.is_empty() { Ok(()) } else { ctx.app.commit(changes).await };
        };
        let mut event = history::begin(ctx, self.pool, Some(self.client), whose.sub, self.what, context.clone());
        event.response = response;
        event.risk = risk;
        if whose.is_nobodys {
            event.expires_at = ctx.now.plus(KEPT_OF_NOBODY);
        }
        changes.insert_user_part(event.clone());
        ctx.app.commit(changes).await?;
        if let (EventResponseType::Pass, false, Some(occasion)) = (response, risk.is_compromised, occasion(self.what)) {
            ctx.app.metrics.count_risk(occasion, RiskKind::None, None);
        }
        activity::tell(ctx, self.pool, whose.username, &event);
        Ok(())
    }
}
