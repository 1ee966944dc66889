//! USER_SRP_AUTH: the password is proven without being sent (auth-flows.md §11).
//!
//! The server keeps nothing between the two steps: what it must remember travels in SECRET_BLOCK, sealed.

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::{
    seal::Purpose,
    srp::{self, ClientPublic, ServerChallenge, Verifier},
};
use domain::{
    Spent,
    session::{SignIn, SrpExchange},
};
use store::SignInSnapshot;
use wire::{AuthFlowType, ChallengeNameType};

use super::{
    Outcome, Proven, Request,
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
    // Decision: the service's words for a bad SRP_A are not known.
    let client_public = srp::parse_client_public(srp_a).map_err(|_| ApiError::invalid_parameter("Invalid SRP_A"))?;
    request.check_device_key()?;
    let pool = &request.pool;
    let user = lookup::user(ctx, pool, username).await?;
    if user.is_none() && !request.client.hides_unknown_users() {
        return Err(ApiError::no_such_user());
    }
    let sub = lookup::subject(ctx, pool, username, user.as_deref());
    let password = ctx.app.store.password(&pool.id, &sub).await?;
    let verifier = match (&user, &password) {
        (Some(user), Some(password)) => passwords::verifier(ctx, pool, user, &password.current)?,
        _ => None,
    };
    let verifier = verifier.unwrap_or_else(|| decoy(ctx, request, &sub));
    let challenge = srp::challenge(ctx.entropy(), &verifier);
    let user_id = user.map_or_else(|| sub.clone(), |user| user.value.username);
    let exchange = SrpExchange {
        id: ctx.uuid(),
        pool_id: pool.id.clone(),
        client_id: request.client.id.clone(),
        sub,
        user_id: user_id.clone(),
        entrance: request.entrance,
        expires_at: session::end(ctx, request),
        secret_exponent: STANDARD.encode(challenge.secret_exponent),
        server_public: STANDARD.encode(&challenge.public),
        client_public: STANDARD.encode(client_public.as_bytes()),
        session_id: None,
    };
    let sealed = ctx.app.ring.seal_bytes(
        ctx.entropy(),
        Purpose::SrpSecretBlock,
        &request.client.id,
        &serde_json::to_vec(&exchange)?,
    );
    let parameters = [
        ("SALT", srp::to_hex(&verifier.salt)),
        ("SRP_B", srp::to_hex(&challenge.public)),
        ("SECRET_BLOCK", STANDARD.encode(sealed)),
        ("USERNAME", user_id.clone()),
        ("USER_ID_FOR_SRP", user_id),
    ];
    Ok(Outcome::Challenge {
        name: ChallengeNameType::PasswordVerifier,
        session: None,
        parameters: parameters.map(|(name, value)| (name.to_owned(), value)).into(),
        available: None,
    })
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
    request.check_device_key()?;
    if request.session.is_some() {
        // This challenge comes without a session, so none can belong to it.
        return Err(session::invalid());
    }
    let (secret_block, exchange) = open(ctx, request, block).ok_or_else(ApiError::wrong_credentials)?;
    if exchange.entrance != request.entrance {
        return Err(session::invalid());
    }
    session::check_age(ctx, exchange.expires_at)?;
    if username != exchange.user_id && !request.names(ctx, username, &exchange.sub).await? {
        return Err(ApiError::wrong_credentials());
    }
    let sub = exchange.sub.clone();
    let spent = Spent { id: exchange.id.clone(), expires_at: exchange.expires_at };
    let proof = Claim { exchange, secret_block, signature, timestamp, spent };
    first_factor::prove(ctx, request, &sub, &proof, &SignIn::new(AuthFlowType::UserSrpAuth)).await
}

/// A signature over what both sides know.
struct Claim<'a> {
    exchange: SrpExchange,
    secret_block: Vec<u8>,
    signature: &'a str,
    timestamp: &'a str,
    spent: Spent,
}

impl Proof for Claim<'_> {
    async fn holds(&self, ctx: &Ctx, request: &Request, snapshot: &SignInSnapshot) -> Result<bool, ApiError> {
        let verifier = match (&snapshot.user, &snapshot.password) {
            (Some(user), Some(password)) => passwords::verifier(ctx, &request.pool, user, &password.current)?,
            _ => None,
        };
        let is_real = verifier.is_some();
        let verifier = verifier.unwrap_or_else(|| decoy(ctx, request, &self.exchange.sub));
        let (client_public, challenge) =
            numbers(&self.exchange).ok_or_else(|| ApiError::internal("a secret block of ours holds no numbers"))?;
        let Ok(key) = srp::proof_key(&client_public, &challenge, &verifier) else { return Ok(false) };
        let signature = STANDARD.decode(self.signature).unwrap_or_default();
        let signed = srp::verify_claim(
            &key,
            request.pool.short_name(),
            &self.exchange.user_id,
            &self.secret_block,
            self.timestamp,
            &signature,
        );
        // Only the form of the timestamp counts: clocks of phones are off by hours, and the secret block has an age.
        Ok(is_real && signed && srp::timestamp_is_well_formed(self.timestamp))
    }

    fn password(&self) -> Option<&str> {
        None
    }

    fn spends(&self) -> Option<Spent> {
        Some(self.spent.clone())
    }
}

/// Salt and verifier for somebody who has none, always the same for the same name, since a real user's are too.
fn decoy(ctx: &Ctx, request: &Request, sub: &str) -> Verifier {
    srp::decoy_verifier(&ctx.app.decoy_key, &request.pool.id, sub)
}

/// The bytes and the contents of a secret block that this pool's client was given.
fn open(ctx: &Ctx, request: &Request, block: &str) -> Option<(Vec<u8>, SrpExchange)> {
    if block.len() > LONGEST_SECRET_BLOCK {
        return None;
    }
    let bytes = STANDARD.decode(block).ok()?;
    let opened = ctx.app.ring.open_bytes(Purpose::SrpSecretBlock, &request.client.id, &bytes).ok()?;
    let exchange: SrpExchange = serde_json::from_slice(&opened).ok()?;
    (exchange.pool_id == request.pool.id && exchange.client_id == request.client.id).then_some((bytes, exchange))
}

fn numbers(exchange: &SrpExchange) -> Option<(ClientPublic, ServerChallenge)> {
    let client_public = ClientPublic::from_bytes(&STANDARD.decode(&exchange.client_public).ok()?).ok()?;
    let secret_exponent = STANDARD.decode(&exchange.secret_exponent).ok()?.try_into().ok()?;
    let public = STANDARD.decode(&exchange.server_public).ok()?;
    Some((client_public, ServerChallenge { secret_exponent, public }))
}
