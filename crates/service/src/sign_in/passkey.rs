//! Passkeys as the first factor (auth-flows.md §14): the challenge WEB_AUTHN and its answer.
//!
//! Wrong answers lock nobody, since nobody guesses signatures.

use domain::{
    Passkey, User,
    passkey::Ceremony,
    session::{SignIn, SignInSession, Waiting},
};
use store::{Changes, Stored};
use wire::{ChallengeNameType, ErrorKind, UserStatusType};

use super::{
    Outcome, Proven, Request, guard, session,
    user_auth::{self, Subject},
    watch,
};
use crate::{
    ApiError, Ctx, lookup, retry,
    tokens::access::{not_confirmed, password_reset_required},
    web_authn::{self, Answer},
};

/// Asks for a passkey of the user, or, where `user` is none, of the stand-in, `sub`: that one has one, too. Whether
/// passkeys are allowed in the pool and to this user is for the caller to judge.
///
/// # Errors
/// `InvalidUserPoolConfigurationException` when the pool has no relying party.
pub(super) async fn begin(
    ctx: &Ctx,
    request: &Request,
    user: Option<&Stored<User>>,
    sub: &str,
    sign_in: SignIn,
) -> Result<Outcome, ApiError> {
    let pool = &request.pool;
    let relying_party_id = web_authn::relying_party_id(ctx, pool).await?.ok_or_else(no_relying_party)?;
    let mut passkeys: Vec<Passkey> =
        web_authn::usable(ctx, pool, sub).await?.into_iter().map(|passkey| passkey.value).collect();
    if passkeys.is_empty() {
        passkeys.push(web_authn::stand_in(ctx, pool, sub, &relying_party_id));
    }
    let ceremony = web_authn::ceremony(ctx, pool, relying_party_id, user.map(|user| &user.value));
    let options = web_authn::request_options(&ceremony, &passkeys);
    let waiting = Waiting::Passkey(serde_json::to_string(&ceremony)?);
    let name = ChallengeNameType::WebAuthn;
    let session = session::new(ctx, request, sub, sign_in, name, waiting);
    Ok(Outcome::Challenge {
        name,
        session: Some(session::seal(ctx, request, &session)?),
        parameters: [("CREDENTIAL_REQUEST_OPTIONS".to_owned(), serde_json::to_string(&options)?)].into(),
        available: None,
    })
}

/// Checks the answer to WEB_AUTHN.
///
/// # Errors
/// `InvalidParameterException` for what is no answer, those of the session (auth-flows.md §7),
/// `NotAuthorizedException` for a wrong answer, and what the user's status says to whoever gave a right one.
pub(super) async fn verify(ctx: &Ctx, request: &Request) -> Result<Proven, ApiError> {
    request.required("USERNAME")?;
    let credential = request.required("CREDENTIAL")?;
    let waiting = guard::resume(ctx, request, ChallengeNameType::WebAuthn).await?;
    let answer = Answer::parse(credential).ok_or_else(unreadable)?;
    let Waiting::Passkey(state) = &waiting.waiting else { return Err(session::invalid()) };
    let ceremony: Ceremony = serde_json::from_str(state)?;
    retry::on_conflict(ctx, || accept(ctx, request, &waiting, &ceremony, &answer)).await
}

/// Holds the answer against the passkey that it names, and uses the session up when it is right.
async fn accept(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    ceremony: &Ceremony,
    answer: &Answer,
) -> Result<Proven, ApiError> {
    let (pool, sub) = (&request.pool, &waiting.sub);
    let user = lookup::user_of(ctx, pool, sub).await?;
    let found = ctx.app.store.user_part::<Passkey>(&pool.id, sub, answer.id()).await?;
    // One that was made for another relying party was not asked for.
    let found = found.filter(|passkey| passkey.relying_party_id == ceremony.relying_party_id);
    let stand_in = web_authn::stand_in(ctx, pool, sub, &ceremony.relying_party_id);
    let verifier = web_authn::verify(ceremony, found.as_deref().unwrap_or(&stand_in), answer)?;
    let (Some(user), Some(passkey), Some(verifier)) = (user, found, verifier) else {
        watch::failed(ctx, request, sub);
        // The same answer may have been quicker by another way since the session was looked at.
        let is_used = ctx.app.store.spent(&waiting.id).await?.is_some();
        // Decision: the service's words are not known; these are for whatever proves nothing.
        return Err(if is_used { session::used() } else { ApiError::wrong_credentials() });
    };
    check_status(&user)?;
    check_choice(ctx, request, waiting, ceremony, &user).await?;

    let mut changes = Changes::new();
    let factor = passkey.factor();
    if verifier == passkey.verifier {
        changes.assert_user_part(&passkey);
    } else {
        changes.put_user_part(Some(&passkey), Passkey { verifier, ..passkey.value.clone() });
    }
    let proven = guard::use_up(ctx, request, waiting, user, None, changes).await?;
    Ok(Proven { sign_in: proven.sign_in.with(factor), ..proven })
}

/// What only whoever has proven a passkey is told.
fn check_status(user: &User) -> Result<(), ApiError> {
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    match user.status {
        UserStatusType::Unconfirmed => Err(not_confirmed()),
        UserStatusType::ResetRequired => Err(password_reset_required()),
        _ => Ok(()),
    }
}

/// Refuses a session whose challenge the user would not be given any more: since it was begun, a second factor may have
/// been switched on that a passkey does not replace, or only does when it verifies the user.
async fn check_choice(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    ceremony: &Ceremony,
    user: &Stored<User>,
) -> Result<(), ApiError> {
    let (sub, sign_in) = (waiting.sub.clone(), waiting.sign_in.clone());
    let subject = Subject { username: &user.username, user: Some(user.clone()), sub, sign_in };
    let choices = user_auth::choices(ctx, request, &subject).await?;
    let is_enough = ceremony.verifies_user || !web_authn::verifies_user(&request.pool, Some(user));
    if is_enough && choices.contains(&ChallengeNameType::WebAuthn) { Ok(()) } else { Err(session::invalid()) }
}

fn no_relying_party() -> ApiError {
    ApiError::new(
        ErrorKind::InvalidUserPoolConfiguration,
        "This user pool has no relying party: set WebAuthnConfiguration.RelyingPartyId with SetUserPoolMfaConfig, or give the pool a domain.",
    )
}

fn unreadable() -> ApiError {
    ApiError::invalid_parameter(
        "CREDENTIAL is not an assertion: give what PublicKeyCredential.toJSON() answers after navigator.credentials.get(), as text.",
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::{super::testing, *};
    use crate::messages::{
        Sender,
        testing::{app, ctx, pool, user},
    };

    /// Otherwise whoever does not exist would be told by how soon the answer comes.
    #[tokio::test]
    async fn an_answer_of_nobody_is_as_much_work_as_one_of_a_user() {
        let mut app = app(Sender::Inbox, true).await;
        Arc::get_mut(&mut app).unwrap().stand_in.damage();
        let ctx = ctx(&app);
        let alice = user("alice", &[]);
        let (sub, mut changes) = (alice.sub.clone(), Changes::new());
        changes.insert(alice);
        app.store.commit(changes).await.unwrap();
        let request = testing::request(&pool().id);
        let ceremony = web_authn::ceremony(&ctx, &request.pool, "auth.example.com".to_owned(), None);
        let response = json!({"authenticatorData": "AAAA", "clientDataJSON": "AAAA", "signature": "AAAA"});
        let answer = json!({"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": response}).to_string();
        let answer = Answer::parse(&answer).unwrap();
        for (sub, expected) in [
            (sub.as_str(), ErrorKind::NotAuthorized),
            // The row that is read in place of one is damaged.
            ("00000000-0000-0000-0000-000000000001", ErrorKind::InternalError),
        ] {
            let waiting = testing::waiting(&ctx, &request, sub, ChallengeNameType::WebAuthn);
            let refused = accept(&ctx, &request, &waiting, &ceremony, &answer).await.err().unwrap();
            assert_eq!(refused.kind, expected, "{sub}");
        }
    }
}
