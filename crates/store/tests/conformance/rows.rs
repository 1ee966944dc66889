//! Nouns to store.

use std::collections::BTreeMap;

use domain::{
    AccessKey, AttemptPurpose, Attempts, Chunk, Client, Code, CodePurpose, Domain, Group, Medium, Message,
    MessagePurpose, MessageState, Password, PasswordHash, PasswordPolicy, Pool, Revocation, Sealed, SigningKeyRecord,
    SigningKeyState, SigningKeyUse, Spent, Timestamp, User, UserPart, UserPartKind,
};
use wire::{UserPoolTierType, UserStatusType};

/// The moment at which tests take place.
pub const NOW: Timestamp = Timestamp(1_700_000_000_123);
/// A pool.
pub const POOL: &str = "eu-west-1_Aaaaaaaa1";
/// Another one.
pub const OTHER_POOL: &str = "eu-west-1_Bbbbbbbb2";

pub fn pool(id: &str) -> Pool {
    Pool {
        id: id.to_owned(),
        name: "people".to_owned(),
        created_at: NOW,
        modified_at: NOW,
        deletion_protected: false,
        password_policy: PasswordPolicy::default(),
        schema: Vec::new(),
        alias_attributes: Vec::new(),
        username_attributes: Vec::new(),
        case_sensitive: Some(false),
        auto_verified_attributes: Vec::new(),
        verification_before_update: Vec::new(),
        recovery: None,
        verification_template: Default::default(),
        email: Default::default(),
        sms: None,
        admin_create_user_only: false,
        invite_template: None,
        tags: BTreeMap::from([("team".to_owned(), "blue \u{1f535}".to_owned())]),
        tier: UserPoolTierType::Essentials,
        add_ons: None,
        factors: Default::default(),
        sign_in: Default::default(),
        log_delivery: Vec::new(),
        risk: None,
    }
}

pub fn client(id: &str, pool_id: &str) -> Client {
    Client {
        id: id.to_owned(),
        pool_id: pool_id.to_owned(),
        name: "app".to_owned(),
        created_at: NOW,
        modified_at: NOW,
        secrets: Vec::new(),
        refresh_token_validity: 0,
        access_token_validity: None,
        id_token_validity: Some(5),
        token_validity_units: None,
        read_attributes: None,
        write_attributes: None,
        explicit_auth_flows: Vec::new(),
        prevent_user_existence_errors: None,
        enable_token_revocation: true,
        auth_session_validity: 3,
        supported_identity_providers: Vec::new(),
        refresh_token_rotation: None,
        oauth: Default::default(),
        propagates_user_context: false,
        sso_minutes: None,
        analytics: None,
        risk: None,
    }
}

pub fn user(pool_id: &str, sub: &str) -> User {
    let attributes = BTreeMap::from([("email".to_owned(), format!("{sub}@example.com"))]);
    User::new(pool_id, sub, &format!("name-of-{sub}"), UserStatusType::Confirmed, attributes, NOW)
}

/// A part of a user.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Gadget {
    pub pool_id: String,
    pub sub: String,
    pub id: String,
    pub text: String,
    pub expires_at: Option<Timestamp>,
}

impl UserPart for Gadget {
    const KIND: UserPartKind = UserPartKind::Device;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn sub(&self) -> &str {
        &self.sub
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

pub fn gadget(pool_id: &str, sub: &str, id: &str) -> Gadget {
    let [pool_id, sub, id] = [pool_id, sub, id].map(str::to_owned);
    Gadget { pool_id, sub, id, text: "one".to_owned(), expires_at: None }
}

pub fn group(pool_id: &str, name: &str) -> Group {
    Group {
        pool_id: pool_id.to_owned(),
        name: name.to_owned(),
        id: format!("id-of-{name}"),
        description: Some("who may".to_owned()),
        role_arn: None,
        precedence: None,
        created_at: NOW,
        modified_at: NOW,
    }
}

pub fn domain(domain: &str, pool_id: &str) -> Domain {
    Domain {
        domain: domain.to_owned(),
        pool_id: pool_id.to_owned(),
        certificate_arn: None,
        security_policy: None,
        managed_login_version: 1,
        page_switches: 0,
        created_at: NOW,
        modified_at: NOW,
    }
}

pub fn chunk(file_id: &str, number: i64, pool_id: &str) -> Chunk {
    Chunk { file_id: file_id.to_owned(), number, pool_id: pool_id.to_owned(), text: format!("piece {number}") }
}

pub fn password(pool_id: &str, sub: &str) -> Password {
    Password {
        pool_id: pool_id.to_owned(),
        sub: sub.to_owned(),
        current: PasswordHash::Srp { salt: "ab12".to_owned(), verifier: Sealed("sealed".to_owned()) },
        expires_at: Some(NOW.plus(1)),
        history: vec![PasswordHash::Argon2id { phc: "$argon2id$".to_owned() }],
    }
}

pub fn code(pool_id: &str, sub: &str, purpose: CodePurpose, hash: &str) -> Code {
    Code {
        pool_id: pool_id.to_owned(),
        sub: sub.to_owned(),
        purpose,
        hash: hash.to_owned(),
        medium: Medium::Email,
        destination: format!("{sub}@example.com"),
        is_pending: false,
        issued_at: NOW,
        expires_at: NOW.plus(1_000),
    }
}

pub fn attempts(pool_id: &str, sub: &str, purpose: AttemptPurpose) -> Attempts {
    let mut attempts = Attempts::none(pool_id, sub, purpose, NOW);
    attempts.record(NOW, 1_000);
    attempts
}

pub fn message(id: &str, created_at: Timestamp) -> Message {
    Message {
        id: id.to_owned(),
        pool_id: POOL.to_owned(),
        sub: "sub".to_owned(),
        username: "username".to_owned(),
        purpose: MessagePurpose::ForgotPassword,
        medium: Medium::Sms,
        content: Sealed("sealed".to_owned()),
        created_at,
        state: MessageState::Pending,
        due_at: created_at,
        tries: 0,
        last_error: None,
    }
}

pub fn signing_key(kid: &str, pool_id: &str) -> SigningKeyRecord {
    let in_stock = pool_id.is_empty();
    SigningKeyRecord {
        kid: kid.to_owned(),
        pool_id: pool_id.to_owned(),
        usage: if in_stock { None } else { Some(SigningKeyUse::Id) },
        state: if in_stock { SigningKeyState::Stock } else { SigningKeyState::Active },
        private: Sealed("sealed".to_owned()),
        modulus: "modulus".to_owned(),
        exponent: "AQAB".to_owned(),
        created_at: NOW,
    }
}

pub fn access_key(id: &str) -> AccessKey {
    let secret = Sealed("sealed".to_owned());
    AccessKey { id: id.to_owned(), secret, label: "ci".to_owned(), created_at: NOW, only: None }
}

pub fn revocation(pool_id: &str, origin_jti: &str) -> Revocation {
    Revocation { pool_id: pool_id.to_owned(), origin_jti: origin_jti.to_owned(), expires_at: NOW.plus(1_000) }
}

pub fn spent(id: &str) -> Spent {
    Spent { id: id.to_owned(), expires_at: NOW.plus(1_000) }
}
