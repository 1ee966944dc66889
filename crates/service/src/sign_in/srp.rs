//! USER_SRP_AUTH: the password is proven without being sent (auth-flows.md §11).
//!
//! The server keeps nothing between the two steps: what it must remember travels in SECRET_BLOCK, sealed.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::{
    seal::Purpose,
    srp::{self, ClientPublic, ServerChallenge, Verifier},
};
use domain::{
    Password, Spent, User,
    session::{SignIn, SrpExchange},
};
use store::SignInSnapshot;
use wire::{AuthFlowType, ChallengeNameType};

use super::{
    Outcome, Proven, Request, device,
    first_factor::{self, Proof},
    session,
};
use crate::{ApiError, Ctx, lookup, passwords};

/// Longest SECRET_BLOCK that is looked at, in characters; ours have about 2,100.
const LONGEST_SECRET_BLOCK: usize = 8_192;

/// Answers USERNAME and SRP_A with the challenge PASSWORD_VERIFIER. The user's status shows at the next step only.
///
/// # Errors
/// See auth-flows.md §8 and §9.
pub(super) async fn begin(ctx: &Ctx, request: &Request) -> Result<Outcome, ApiError> {
    let (username, srp_a) = (request.required("USERNAME")?, request.required("SRP_A")?);
    request.check_secret_hash(ctx, username)?;
    let client_public = client_public(srp_a)?;
    let pool = &request.pool;
    let (sub, SignInSnapshot { user, password, .. }) = lookup::sign_in_by_name(ctx, pool, username).await?;
    if user.is_none() && !request.client.hides_unknown_users() {
        return Err(ApiError::no_such_user());
    }
    device::named(ctx, request, &sub).await?;
    Ok(Outcome::Challenge {
        name: ChallengeNameType::PasswordVerifier,
        session: None,
        parameters: parameters(ctx, request, (user.as_deref(), password.as_deref()), &sub, &client_public, None)?,
        available: None,
    })
}

/// SRP_A as a number.
///
/// # Errors
/// `InvalidParameterException`.
pub(super) fn client_public(srp_a: &str) -> Result<ClientPublic, ApiError> {
    // Decision: the service's words for a bad SRP_A are not known.
    srp::parse_client_public(srp_a).map_err(|_| ApiError::invalid_parameter("Invalid SRP_A"))
}

/// `ChallengeParameters` of PASSWORD_VERIFIER for the user with a password, or the stand-in, `sub`. Where a session goes
/// with the challenge, `session_id` is its id: the secret block is worth nothing without it.
///
/// # Errors
/// When the verifier cannot be opened.
pub(super) fn parameters(
    ctx: &Ctx,
    request: &Request,
    (user, password): (Option<&User>, Option<&Password>),
    sub: &str,
    client_public: &ClientPublic,
    session_id: Option<String>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let pool = &request.pool;
    let verifier = match (user, password) {
        (Some(user), Some(password)) => passwords::verifier(ctx, pool, user, &password.current)?,
        _ => None,
    };
    // Made up for everybody, so that it tells nobody. Always the same for the same name, since a real user's is too.
    let salt = srp::decoy_salt(&ctx.app.decoy_key, &pool.id, sub);
    let verifier = match verifier {
        Some(verifier) => verifier,
        None => {
            let mut verifier = ctx.app.stand_in.verifier(&ctx.app.ring)?;
            verifier.salt = salt;
            verifier
        }
    };
    let user_id = user.map_or(sub, |user| &user.username);
    let whose = Whose { identity: &request.client.id, sub, user_id, session_id };
    let mut parameters = challenge(ctx, request, &verifier, client_public, whose)?;
    parameters.insert("USERNAME".to_owned(), user_id.to_owned());
    parameters.insert("USER_ID_FOR_SRP".to_owned(), user_id.to_owned());
    Ok(parameters)
}

/// Whose exchange begins.
pub(super) struct Whose<'a> {
    /// What SECRET_BLOCK is sealed for: one of a user never opens as one of a device.
    pub(super) identity: &'a str,
    /// The user, or the stand-in for one.
    pub(super) sub: &'a str,
    /// `USER_ID_FOR_SRP`, or the device key.
    pub(super) user_id: &'a str,
    /// Id of the session that goes with it.
    pub(super) session_id: Option<String>,
}

/// SALT, SRP_B and SECRET_BLOCK of an exchange that begins.
///
/// # Errors
/// When the secret block cannot be written as JSON.
pub(super) fn challenge(
    ctx: &Ctx,
    request: &Request,
    verifier: &Verifier,
    client_public: &ClientPublic,
    whose: Whose<'_>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let challenge = srp::challenge(ctx.entropy(), verifier);
    let exchange = SrpExchange {
        id: ctx.uuid(),
        pool_id: request.pool.id.clone(),
        client_id: request.client.id.clone(),
        sub: whose.sub.to_owned(),
        user_id: whose.user_id.to_owned(),
        entrance: request.entrance,
        expires_at: session::end(ctx, request),
        secret_exponent: STANDARD.encode(challenge.secret_exponent),
        server_public: STANDARD.encode(&challenge.public),
        client_public: STANDARD.encode(client_public.as_bytes()),
        session_id: whose.session_id,
        device_key: request.parameter("DEVICE_KEY").map(str::to_owned),
    };
    let block = serde_json::to_vec(&exchange)?;
    let sealed = ctx.app.ring.seal_bytes(ctx.entropy(), Purpose::SrpSecretBlock, whose.identity, &block);
    let parameters = [
        ("SALT", srp::to_hex(&verifier.salt)),
        ("SRP_B", srp::to_hex(&challenge.public)),
        ("SECRET_BLOCK", STANDARD.encode(sealed)),
    ];
    Ok(parameters.map(|(name, value)| (name.to_owned(), value)).into())
}

/// Checks the answer to PASSWORD_VERIFIER.
///
/// # Errors
/// See auth-flows.md §7 and §8.
pub(super) async fn verify(ctx: &Ctx, request: &Request) -> Result<Proven, ApiError> {
    let username = request.required("USERNAME")?;
    let signature = request.required("PASSWORD_CLAIM_SIGNATURE")?;
    let block = request.required("PASSWORD_CLAIM_SECRET_BLOCK")?;
    let timestamp = request.required("TIMESTAMP")?;
    request.check_secret_hash(ctx, username)?;
    let (secret_block, exchange) =
        open(ctx, request, &request.client.id, block).ok_or_else(ApiError::wrong_credentials)?;
    let device_key = device::named(ctx, request, &exchange.sub).await?;
    if exchange.entrance != request.entrance {
        return Err(session::invalid());
    }
    session::check_age(ctx, exchange.expires_at)?;
    if username != exchange.user_id && !request.names(ctx, username, &exchange.sub).await? {
        return Err(ApiError::wrong_credentials());
    }
    let sub = exchange.sub.clone();
    let (mut sign_in, spent) = belonging(ctx, request, &exchange).await?;
    sign_in.device_key = device_key.or(sign_in.device_key);
    let proof = PasswordClaim { claim: Claim { exchange, secret_block, signature, timestamp }, spent };
    first_factor::prove(ctx, request, &sub, &proof, &sign_in, None).await
}

/// The sign-in that an exchange belongs to, and what marks it as used: the session that goes with it, or, in
/// USER_SRP_AUTH, which has none, the exchange itself.
async fn belonging(ctx: &Ctx, request: &Request, exchange: &SrpExchange) -> Result<(SignIn, Spent), ApiError> {
    let Some(session_id) = &exchange.session_id else {
        if request.session.is_some() {
            return Err(session::invalid());
        }
        let spent = Spent { id: exchange.id.clone(), expires_at: exchange.expires_at };
        let device_key = exchange.device_key.clone();
        return Ok((SignIn { device_key, ..SignIn::new(AuthFlowType::UserSrpAuth) }, spent));
    };
    let session = session::resume(ctx, request, ChallengeNameType::PasswordVerifier).await?;
    if session.id != *session_id || session.sub != exchange.sub {
        return Err(session::invalid());
    }
    let mark = session::mark(&session);
    Ok((session.sign_in, mark))
}

/// A signature over what both sides know.
pub(super) struct Claim<'a> {
    pub(super) exchange: SrpExchange,
    /// The exchange as the client was given it.
    pub(super) secret_block: Vec<u8>,
    pub(super) signature: &'a str,
    pub(super) timestamp: &'a str,
}

impl Claim<'_> {
    /// Whether it was signed by somebody who knows the secret behind `verifier`; `group` is the pool's name or the
    /// device's group key.
    ///
    /// # Errors
    /// When the exchange is none of ours.
    pub(super) fn is_signed(&self, group: &str, verifier: &Verifier) -> Result<bool, ApiError> {
        let (client_public, challenge) =
            numbers(&self.exchange).ok_or_else(|| ApiError::internal("a secret block of ours holds no numbers"))?;
        let Ok(key) = srp::proof_key(&client_public, &challenge, verifier) else { return Ok(false) };
        let signature = STANDARD.decode(self.signature).unwrap_or_default();
        let user_id = &self.exchange.user_id;
        let signed = srp::verify_claim(&key, group, user_id, &self.secret_block, self.timestamp, &signature);
        // Only the form of the timestamp counts: clocks of phones are off by hours, and the secret block has an age.
        Ok(signed && srp::timestamp_is_well_formed(self.timestamp))
    }
}

/// A claim to know a password, with what it uses up.
struct PasswordClaim<'a> {
    claim: Claim<'a>,
    spent: Spent,
}

impl Proof for PasswordClaim<'_> {
    async fn holds(&self, ctx: &Ctx, request: &Request, snapshot: &SignInSnapshot) -> Result<bool, ApiError> {
        let verifier = match (&snapshot.user, &snapshot.password) {
            (Some(user), Some(password)) => passwords::verifier(ctx, &request.pool, user, &password.current)?,
            _ => None,
        };
        let is_real = verifier.is_some();
        let verifier = verifier.map_or_else(|| ctx.app.stand_in.verifier(&ctx.app.ring), Ok)?;
        Ok(self.claim.is_signed(request.pool.short_name(), &verifier)? && is_real)
    }

    fn password(&self) -> Option<&str> {
        None
    }

    fn spends(&self) -> Option<Spent> {
        Some(self.spent.clone())
    }
}

/// The bytes and the contents of a secret block that this pool's client was given, sealed for `identity`.
pub(super) fn open(ctx: &Ctx, request: &Request, identity: &str, block: &str) -> Option<(Vec<u8>, SrpExchange)> {
    if block.len() > LONGEST_SECRET_BLOCK {
        return None;
    }
    let bytes = STANDARD.decode(block).ok()?;
    let opened = ctx.app.ring.open_bytes(Purpose::SrpSecretBlock, identity, &bytes).ok()?;
    let exchange: SrpExchange = serde_json::from_slice(&opened).ok()?;
    (exchange.pool_id == request.pool.id && exchange.client_id == request.client.id).then_some((bytes, exchange))
}

fn numbers(exchange: &SrpExchange) -> Option<(ClientPublic, ServerChallenge)> {
    let client_public = ClientPublic::from_bytes(&STANDARD.decode(&exchange.client_public).ok()?).ok()?;
    let secret_exponent = STANDARD.decode(&exchange.secret_exponent).ok()?.try_into().ok()?;
    let public = STANDARD.decode(&exchange.server_public).ok()?;
    Some((client_public, ServerChallenge { secret_exponent, public }))
}
