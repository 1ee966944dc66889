//! Passkeys (auth-flows.md §14): the relying party of a pool, what authenticators are asked for, and checking what they
//! answer. Nothing else talks to the library that does the checking, whose types stay in here.
//!
//! Challenges come from [`Ctx::entropy`], and what a ceremony waits for is a [`Ceremony`] of ours: the state that the
//! library would have kept between the steps is made from it when the answer is there.

use std::{net::IpAddr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Passkey, Pool, User,
    passkey::{Ceremony, MOST_PASSKEYS},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use store::Stored;
use tracing::subscriber::{NoSubscriber, with_default};
use webauthn_rs_core::{
    WebauthnCore,
    error::WebauthnError,
    proto::{
        AuthenticationState, COSEAlgorithm, Credential, ParsedAttestation, PublicKeyCredential,
        RegisterPublicKeyCredential, RegistrationState, UserVerificationPolicy,
    },
};
use wire::{ErrorKind, UserVerificationType, WebAuthnFactorConfigurationType};

use crate::{ApiError, Ctx, hosted::LOCAL, operations::domains};

/// How long an authenticator gets to make a passkey, in milliseconds.
const REGISTRATION_TIMEOUT: u64 = 60_000;
/// How long an authenticator gets to sign, in milliseconds.
const SIGN_IN_TIMEOUT: u64 = 180_000;
/// Longest answer of an authenticator that is looked at, in bytes; they have a few thousand.
const LONGEST_ANSWER: usize = 65_536;
/// Longest id of a credential, in bytes (Web Authentication, "credential ID").
const LONGEST_ID: usize = 1_023;
/// Transports that the specification knows; others are left out.
const TRANSPORTS: [&str; 6] = ["ble", "hybrid", "internal", "nfc", "smart-card", "usb"];
/// The point that all keys of the curve P-256 are multiples of, base64url: a key that belongs to nobody.
const NOBODYS_KEY: [&str; 2] =
    ["axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"];

/// The pool's relying party: what is set, else the pool's custom domain, else its prefix domain; none when there is
/// none of them.
///
/// Decision: for a prefix it is the name of the host where its login pages are (`hosted::site`): below `auth_domain`, else
/// this server's own. Browsers take no address for a relying party; pages of a server that is only reached by a loopback
/// address are also found below `auth.localhost`.
///
/// # Errors
/// When the store cannot be read.
pub async fn relying_party_id(ctx: &Ctx, pool: &Pool) -> Result<Option<String>, ApiError> {
    if let Some(id) = pool.factors.web_authn.as_ref().and_then(|given| given.relying_party_id.clone()) {
        return Ok(Some(id));
    }
    let domains = ctx.app.store.domains(&pool.id).await?;
    if let Some(custom) = domains.iter().find(|domain| domain.is_custom()) {
        return Ok(Some(custom.domain.clone()));
    }
    Ok(domains.first().and_then(|prefix| match &ctx.app.settings.auth_domain {
        Some(parent) => Some(format!("{}.{parent}", prefix.domain)),
        None => name_of_pages(&domains::target(ctx), &prefix.domain),
    }))
}

/// The name by which browsers find the pages of this prefix at this host, if they can by a name.
fn name_of_pages(host: &str, prefix: &str) -> Option<String> {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => address.is_loopback().then(|| format!("{prefix}.{LOCAL}")),
        Err(_) => Some(host.to_owned()),
    }
}

/// Something new to sign for. `user` is none for a stand-in.
#[must_use]
pub fn ceremony(ctx: &Ctx, pool: &Pool, relying_party_id: String, user: Option<&User>) -> Ceremony {
    Ceremony {
        challenge: URL_SAFE_NO_PAD.encode(crypto::random::bytes::<32>(ctx.entropy())),
        relying_party_id,
        verifies_user: verifies_user(pool, user),
    }
}

/// Whether authenticators have to verify this user.
///
/// Decision: a passkey that counts as more than one factor for this user has verified the user, whatever
/// UserVerification says.
#[must_use]
pub fn verifies_user(pool: &Pool, user: Option<&User>) -> bool {
    let Some(settings) = &pool.factors.web_authn else { return false };
    let counts_as_two =
        settings.factor_configuration == Some(WebAuthnFactorConfigurationType::MultiFactorWithUserVerification);
    settings.user_verification == Some(UserVerificationType::Required)
        || (counts_as_two && user.is_some_and(|user| user.mfa.passkey))
}

/// `CredentialCreationOptions`: PublicKeyCredentialCreationOptions as JSON. Decision: `user.id` is always the `sub`, as
/// the published example looks like.
#[must_use]
pub fn creation_options(ceremony: &Ceremony, user: &User, present: &[Stored<Passkey>]) -> Value {
    let Ceremony { challenge, relying_party_id, .. } = ceremony;
    let excluded: Vec<Value> = present.iter().map(|passkey| json!({"id": passkey.id, "type": "public-key"})).collect();
    json!({
        "authenticatorSelection": {
            "requireResidentKey": true,
            "residentKey": "required",
            "userVerification": user_verification(ceremony),
        },
        "challenge": challenge,
        "excludeCredentials": excluded,
        "pubKeyCredParams": [{"alg": -7, "type": "public-key"}, {"alg": -257, "type": "public-key"}],
        "rp": {"id": relying_party_id, "name": relying_party_id},
        "timeout": REGISTRATION_TIMEOUT,
        "user": {"displayName": user.username, "id": URL_SAFE_NO_PAD.encode(&user.sub), "name": user.username},
    })
}

/// `CREDENTIAL_REQUEST_OPTIONS`: PublicKeyCredentialRequestOptions as JSON.
#[must_use]
pub fn request_options(ceremony: &Ceremony, passkeys: &[Passkey]) -> Value {
    let allowed: Vec<Value> = passkeys
        .iter()
        .map(|passkey| json!({"type": "public-key", "id": passkey.id, "transports": passkey.transports}))
        .collect();
    json!({
        "challenge": ceremony.challenge,
        "timeout": SIGN_IN_TIMEOUT,
        "rpId": ceremony.relying_party_id,
        "allowCredentials": allowed,
        "userVerification": user_verification(ceremony),
    })
}

fn user_verification(ceremony: &Ceremony) -> &'static str {
    if ceremony.verifies_user { "required" } else { "preferred" }
}

/// A user's passkeys as they are at this moment, those of earlier relying parties among them.
///
/// # Errors
/// When the store cannot be read.
pub async fn passkeys(ctx: &Ctx, pool: &Pool, sub: &str) -> Result<Vec<Stored<Passkey>>, ApiError> {
    Ok(ctx.app.store.current_user_parts(&pool.id, sub, MOST_PASSKEYS + 1).await?)
}

/// The passkeys of a user that can be signed in with: a pool that changes its relying party leaves the others behind.
///
/// # Errors
/// When the store cannot be read.
pub async fn usable(ctx: &Ctx, pool: &Pool, sub: &str) -> Result<Vec<Stored<Passkey>>, ApiError> {
    let Some(relying_party_id) = relying_party_id(ctx, pool).await? else { return Ok(Vec::new()) };
    let mut passkeys = passkeys(ctx, pool, sub).await?;
    passkeys.retain(|passkey| passkey.relying_party_id == relying_party_id);
    Ok(passkeys)
}

/// What a new authenticator has told, checked.
pub struct Registered {
    /// The credential's id, base64url.
    pub id: String,
    /// `platform` or `cross-platform`, where the client said so.
    pub attachment: Option<String>,
    /// The ways by which it is reached.
    pub transports: Vec<String>,
    /// For [`Passkey::verifier`].
    pub verifier: Value,
}

/// Checks a RegistrationResponseJSON.
///
/// Decision: the service's words for what is wrong are not known.
///
/// # Errors
/// `WebAuthnChallengeNotFoundException`, `WebAuthnOriginNotAllowedException`,
/// `WebAuthnRelyingPartyMismatchException`, `WebAuthnCredentialNotSupportedException`, and `InvalidParameterException`
/// for what cannot be read.
pub fn register(
    ceremony: &Ceremony,
    user: &User,
    present: &[Stored<Passkey>],
    mut credential: Value,
) -> Result<Registered, ApiError> {
    let member = |name: &str| credential.get(name).and_then(Value::as_str).map(str::to_owned);
    let attachment =
        member("authenticatorAttachment").filter(|given| ["platform", "cross-platform"].contains(&given.as_str()));
    let given = credential.pointer("/response/transports").and_then(Value::as_array).into_iter().flatten();
    let transports = TRANSPORTS
        .into_iter()
        .filter(|known| given.clone().any(|given| given.as_str() == Some(known)))
        .map(str::to_owned)
        .collect();
    forget_extensions(&mut credential);
    if let Some(response) = credential.get_mut("response").and_then(Value::as_object_mut) {
        response.remove("transports");
    }
    let credential: RegisterPublicKeyCredential = serde_json::from_value(credential).map_err(|_| unreadable())?;
    let length =
        credential.response.attestation_object.len().saturating_add(credential.response.client_data_json.len());
    if length > LONGEST_ANSWER || credential.type_ != "public-key" {
        return Err(unreadable());
    }
    let library = library(&ceremony.relying_party_id)?;
    let state = registration_state(&library, ceremony, user, present)?;
    let mut checked =
        quietly(|| library.register_credential(&credential, &state, None)).map_err(|error| refusal(&error))?;
    if checked.cred_id != credential.raw_id || checked.cred_id.len() > LONGEST_ID {
        return Err(unreadable());
    }
    // Nothing is asked of the authenticator's maker, so there is nothing to keep about it.
    checked.attestation = ParsedAttestation::default();
    checked.transports = None;
    Ok(Registered {
        id: URL_SAFE_NO_PAD.encode(&checked.cred_id),
        attachment,
        transports,
        verifier: serde_json::to_value(&checked)?,
    })
}

/// What the library calls the state of a registration.
fn registration_state(
    library: &WebauthnCore,
    ceremony: &Ceremony,
    user: &User,
    present: &[Stored<Passkey>],
) -> Result<RegistrationState, ApiError> {
    let excluded = present.iter().filter_map(|passkey| URL_SAFE_NO_PAD.decode(&passkey.id).ok()).collect();
    let builder = library
        .new_challenge_register_builder(user.sub.as_bytes(), &user.username, &user.username)
        .map_err(ApiError::internal)?
        .credential_algorithms(vec![COSEAlgorithm::ES256, COSEAlgorithm::RS256])
        .user_verification_policy(policy(ceremony))
        .exclude_credentials(Some(excluded));
    let (_options, state) = library.generate_challenge_register(builder).map_err(ApiError::internal)?;
    with_challenge(&state, ceremony)
}

/// Why a registration is refused.
fn refusal(error: &WebauthnError) -> ApiError {
    match error {
        WebauthnError::MismatchedChallenge => challenge_not_found(),
        WebauthnError::InvalidRPOrigin | WebauthnError::CredentialCrossOrigin => ApiError::new(
            ErrorKind::WebAuthnOriginNotAllowed,
            "The origin of the page is not the relying party's domain or a subdomain of it.",
        ),
        WebauthnError::InvalidRPIDHash => ApiError::new(
            ErrorKind::WebAuthnRelyingPartyMismatch,
            "The credential was made for another relying party than this user pool's.",
        ),
        WebauthnError::InvalidClientDataType
        | WebauthnError::MissingAttestationCredentialData
        | WebauthnError::ParseBase64Failure(_)
        | WebauthnError::ParseCBORFailure(_)
        | WebauthnError::ParseJSONFailure(_)
        | WebauthnError::ParseNOMFailure
        | WebauthnError::ParseInsufficientBytesAvailable => unreadable(),
        WebauthnError::UserNotVerified => not_supported("The authenticator has not verified the user."),
        WebauthnError::UserNotPresent => not_supported("The authenticator has not tested whether a user is present."),
        _ => not_supported("The authenticator or the credential that it made is not supported."),
    }
}

/// There is no registration that this completes.
pub fn challenge_not_found() -> ApiError {
    ApiError::new(
        ErrorKind::WebAuthnChallengeNotFound,
        "There is no pending registration with this challenge, or it has expired. Start the registration again.",
    )
}

fn not_supported(message: &str) -> ApiError {
    ApiError::new(ErrorKind::WebAuthnCredentialNotSupported, message)
}

fn unreadable() -> ApiError {
    ApiError::invalid_parameter(
        "Credential is not a registration: give what PublicKeyCredential.toJSON() answers after navigator.credentials.create().",
    )
}

/// What an authenticator answers at a sign-in, as it came.
pub struct Answer(PublicKeyCredential);

impl Answer {
    /// Reads an AuthenticationResponseJSON; none when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_ANSWER {
            return None;
        }
        let mut credential: Value = serde_json::from_str(text).ok()?;
        forget_extensions(&mut credential);
        let credential: PublicKeyCredential = serde_json::from_value(credential).ok()?;
        (credential.type_ == "public-key" && credential.id == URL_SAFE_NO_PAD.encode(&credential.raw_id))
            .then_some(Self(credential))
    }

    /// The id of the credential that it says it was made with, base64url.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }
}

/// Holds an answer against a passkey of this user: the passkey's new [`Passkey::verifier`], or none when the answer is
/// wrong in whatever way. An authenticator whose count of signatures does not grow is refused: it may be a copy.
///
/// Whoever was verified when the passkey was made has to be verified later on, too; so the library has it.
///
/// # Errors
/// When the stored passkey cannot be read.
pub fn verify(ceremony: &Ceremony, passkey: &Passkey, answer: &Answer) -> Result<Option<Value>, ApiError> {
    let Answer(answer) = answer;
    // Authenticators may leave out whose passkey it is, since they were told which ones to use.
    let names_another =
        answer.get_user_unique_id().is_some_and(|named| !named.is_empty() && named != passkey.sub.as_bytes());
    if names_another || is_framed(&answer.response.client_data_json) {
        return Ok(None);
    }
    let library = library(&ceremony.relying_party_id)?;
    let mut credential: Credential = serde_json::from_value(passkey.verifier.clone())?;
    // It was found by this id; a stand-in, which was not, would be told by how soon it is refused.
    credential.cred_id.clone_from(&answer.raw_id);
    let builder = library
        .new_challenge_authenticate_builder(vec![credential.clone()], Some(policy(ceremony)))
        .map_err(ApiError::internal)?;
    let (_options, state) = library.generate_challenge_authenticate(builder).map_err(ApiError::internal)?;
    let state: AuthenticationState = with_challenge(&state, ceremony)?;
    let Ok(seen) = quietly(|| library.authenticate_credential(answer, &state)) else { return Ok(None) };
    credential.counter = seen.counter();
    credential.backup_state = seen.backup_state();
    Ok(Some(serde_json::to_value(&credential)?))
}

/// Whether the page that asked was shown in a frame of another site. The library asks that of registrations only.
fn is_framed(client_data: &[u8]) -> bool {
    let client_data: Value = serde_json::from_slice(client_data).unwrap_or_default();
    client_data.get("crossOrigin").is_some_and(|framed| *framed != Value::Bool(false))
}

/// The passkey of somebody who does not exist, the same at every request; the same work is done with it.
#[must_use]
pub fn stand_in(ctx: &Ctx, pool: &Pool, sub: &str, relying_party_id: &str) -> Passkey {
    let mac = crypto::hash::hmac_sha256(&ctx.app.decoy_key, format!("passkey\n{}\n{sub}", pool.id).as_bytes());
    let id = URL_SAFE_NO_PAD.encode(mac);
    let [x, y] = NOBODYS_KEY;
    Passkey {
        pool_id: pool.id.clone(),
        sub: sub.to_owned(),
        name: String::new(),
        relying_party_id: relying_party_id.to_owned(),
        attachment: None,
        transports: vec!["hybrid".to_owned(), "internal".to_owned()],
        created_at: ctx.now,
        verifier: json!({
            "cred_id": id,
            "cred": {"type_": "ES256", "key": {"EC_EC2": {"curve": "SECP256R1", "x": x, "y": y}}},
            "counter": 0,
            "transports": null,
            "user_verified": true,
            "backup_eligible": true,
            "backup_state": true,
            "registration_policy": "preferred",
            "extensions": {},
            "attestation": {"data": "None", "metadata": "None"},
            "attestation_format": "none",
        }),
        id,
    }
}

/// The library for one relying party. Pages are the relying party's own or those of names below it, on any port, over
/// TLS; where that name is this machine's own, without TLS, too.
fn library(relying_party_id: &str) -> Result<WebauthnCore, ApiError> {
    let is_own_machine = relying_party_id == "localhost" || relying_party_id.ends_with(".localhost");
    let mut origins = vec![format!("https://{relying_party_id}")];
    if is_own_machine {
        origins.push(format!("http://{relying_party_id}"));
    }
    let origins = origins.iter().map(|origin| origin.parse()).collect::<Result<_, _>>().map_err(ApiError::internal)?;
    let timeout = Duration::from_millis(SIGN_IN_TIMEOUT);
    Ok(WebauthnCore::new_unsafe_experts_only(
        relying_party_id,
        relying_party_id,
        origins,
        timeout,
        Some(true),
        Some(true),
    ))
}

fn policy(ceremony: &Ceremony) -> UserVerificationPolicy {
    if ceremony.verifies_user { UserVerificationPolicy::Required } else { UserVerificationPolicy::Preferred }
}

/// The library's state with our challenge in place of the one that it drew.
fn with_challenge<T: Serialize + DeserializeOwned>(state: &T, ceremony: &Ceremony) -> Result<T, ApiError> {
    let mut state = serde_json::to_value(state)?;
    if let Some(challenge) = state.get_mut("challenge") {
        *challenge = Value::from(ceremony.challenge.as_str());
    }
    Ok(serde_json::from_value(state)?)
}

/// No extension is ever asked for, so nothing that is said of one counts, and no form of it is wrong.
fn forget_extensions(credential: &mut Value) {
    if let Some(members) = credential.as_object_mut() {
        members.remove("clientExtensionResults");
        members.remove("extensions");
    }
}

/// The library reports each bad answer as an error of the server; anybody can send those.
fn quietly<T>(check: impl FnOnce() -> T) -> T {
    with_default(NoSubscriber::default(), check)
}
