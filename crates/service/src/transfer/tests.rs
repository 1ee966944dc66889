//! Out of one installation and into another one.

use std::io::Cursor;

use crypto::{
    random::SystemEntropy,
    seal::{KeyRing, MasterKey, Purpose},
};
use domain::{
    Device, Group, IdentityProvider, NameKind, Passkey, Password, PasswordHash, PendingSoftwareToken, Pool, SearchKind,
    SoftwareToken, Timestamp, User, session::SignInSession, software_token::secret_identity,
};
use store::{Changes, Options, Store};
use wire::{IdentityProviderTypeType, UserStatusType};

use super::{Header, Keys, TransferError, UserRecord, export, import};
use crate::{passwords, users};

const POOL: &str = "eu-west-1_Transfer1";
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn ring() -> KeyRing {
    KeyRing::new(vec![MasterKey::generate(&SystemEntropy)]).unwrap()
}

fn keys<'a>(ring: &'a KeyRing, recipient: &'a KeyRing) -> Keys<'a> {
    Keys { ring, recipient, entropy: &SystemEntropy }
}

/// A pool as stores keep it.
fn pool() -> Pool {
    let document = serde_json::json!({
        "id": POOL, "name": "people", "created_at": 1.0, "modified_at": 1.0, "deletion_protected": false,
        "password_policy": {
            "minimum_length": 8, "require_uppercase": true, "require_lowercase": true, "require_numbers": true,
            "require_symbols": true, "history_size": null, "temporary_password_validity_days": 7,
        },
        "schema": [], "alias_attributes": ["email"], "username_attributes": [], "case_sensitive": false,
        "auto_verified_attributes": ["email"], "verification_before_update": [], "recovery": null,
        "verification_template": {}, "email": {}, "sms": null, "admin_create_user_only": false,
        "invite_template": null, "tags": {}, "tier": "ESSENTIALS", "add_ons": null,
    });
    serde_json::from_value(document).unwrap()
}

fn user(number: usize) -> User {
    let document = serde_json::json!({
        "pool_id": POOL, "sub": format!("{number:03}"), "username": format!("user-{number}"), "status": "CONFIRMED",
        "enabled": true,
        "attributes": {"email": format!("user-{number}@example.com"), "email_verified": "true", "name": "Anna"},
        "created_at": 1.0, "modified_at": 1.0, "tokens_not_before": null,
    });
    let user: User = serde_json::from_value(document).unwrap();
    assert_eq!(user.status, UserStatusType::Confirmed);
    user
}

fn password(ring: &KeyRing, sub: &str) -> Password {
    let seal = |identity: &str, text: &str| {
        ring.seal(&SystemEntropy, Purpose::PasswordVerifier, identity, format!("{text} of {sub}").as_bytes())
    };
    Password {
        pool_id: POOL.to_owned(),
        sub: sub.to_owned(),
        current: PasswordHash::Srp {
            salt: "ab".to_owned(),
            verifier: seal(&passwords::identity_of(POOL, sub), "verifier"),
        },
        expires_at: None,
        history: vec![
            PasswordHash::Argon2id { phc: "$argon2id$".to_owned() },
            PasswordHash::Imported { hash: seal(&passwords::imported_identity_of(POOL, sub), "hash") },
        ],
    }
}

fn group() -> Group {
    Group {
        pool_id: POOL.to_owned(),
        name: "admins".to_owned(),
        id: "group-id".to_owned(),
        description: None,
        role_arn: None,
        precedence: None,
        created_at: NOW,
        modified_at: NOW,
    }
}

async fn filled(ring: &KeyRing, people: usize) -> Store {
    let store = Store::open(&Options::memory()).await.unwrap();
    let mut provider = IdentityProvider {
        pool_id: POOL.to_owned(),
        name: "Google".to_owned(),
        provider_type: IdentityProviderTypeType::Google,
        details: [("client_id".to_owned(), "id".to_owned())].into(),
        secrets: [].into(),
        attribute_mapping: [].into(),
        identifiers: Vec::new(),
        acr_mapping: [].into(),
        created_at: NOW,
        modified_at: NOW,
    };
    let identity = provider.secret_identity("client_secret");
    let secret = ring.seal(&SystemEntropy, Purpose::ProviderSecret, &identity, b"hush");
    provider.secrets.insert("client_secret".to_owned(), secret);
    let mut changes = Changes::new();
    changes.insert(pool()).insert(&group()).insert(&provider);
    for number in 0..people {
        let user = user(number);
        changes.insert(password(ring, &user.sub)).join(&group(), &user.sub);
        users::insert(&mut changes, &pool(), user);
    }
    store.commit(changes).await.unwrap();
    store
}

async fn exported(store: &Store, ring: &KeyRing, recipient: &KeyRing) -> Vec<u8> {
    let mut file = Vec::new();
    export(store, &keys(ring, recipient), POOL, NOW, &mut file, &mut |_, _| {}).await.unwrap();
    file
}

async fn imported(store: &Store, keys: &Keys<'_>, file: &[u8]) -> Result<(String, u64), TransferError> {
    import(store, keys, &mut Cursor::new(file), &mut |_, _| {}).await
}

#[tokio::test]
async fn a_pool_arrives_with_everything_under_other_master_keys() {
    let (here, there, recipient) = (ring(), ring(), ring());
    let source = filled(&here, 250).await;
    let file = exported(&source, &here, &recipient).await;
    let text = String::from_utf8(file.clone()).unwrap();
    assert!(!text.contains("example.com") && !text.contains("client_id"), "nothing is readable");

    let target = Store::open(&Options::memory()).await.unwrap();
    assert_eq!(imported(&target, &keys(&there, &recipient), &file).await.unwrap(), (POOL.to_owned(), 250));
    assert_eq!(target.pool(POOL).await.unwrap().unwrap().value, pool());
    assert_eq!(target.estimated_users(POOL).await.unwrap(), 250);
    for number in [0, 99, 249] {
        let expected = user(number);
        let found = target.user_by_name(POOL, &format!("user-{number}@example.com")).await.unwrap().unwrap();
        assert_eq!(found.value, expected);
        assert!(target.name_owner(POOL, &expected.username, NameKind::Username).await.unwrap().is_some());
        let groups = target.groups_of_user(POOL, &expected.sub, None, 10).await.unwrap();
        assert_eq!(groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["admins"]);
        let password = target.password(POOL, &expected.sub).await.unwrap().unwrap();
        let PasswordHash::Srp { verifier, .. } = &password.current else { unreachable!() };
        let identity = passwords::identity_of(POOL, &expected.sub);
        let opened = there.open(Purpose::PasswordVerifier, &identity, verifier).unwrap();
        assert_eq!(opened.as_slice(), format!("verifier of {}", expected.sub).as_bytes());
        assert!(here.open(Purpose::PasswordVerifier, &identity, verifier).is_err());
    }
    assert_eq!(target.users_with(POOL, SearchKind::Name, "anna", "", 1_000).await.unwrap().len(), 250);
    let provider = target.part::<IdentityProvider>(POOL, "Google").await.unwrap().unwrap();
    let identity = provider.secret_identity("client_secret");
    let secret = there.open(Purpose::ProviderSecret, &identity, provider.secrets.get("client_secret").unwrap());
    assert_eq!(secret.unwrap().as_slice(), b"hush");

    // And once more from there to here: nothing was lost on the way.
    let again = exported(&target, &there, &recipient).await;
    assert_eq!(again.len(), file.len());
    let exists = imported(&target, &keys(&there, &recipient), &file).await.unwrap_err();
    assert!(matches!(exists, TransferError::Exists(_)), "{exists}");
}

#[tokio::test]
async fn only_the_recipient_reads_it_and_only_as_it_was_written() {
    let (here, recipient) = (ring(), ring());
    let source = filled(&here, 3).await;
    let file = exported(&source, &here, &recipient).await;
    let target = Store::open(&Options::memory()).await.unwrap();
    let refusal = async |file: &[u8], recipient: &KeyRing| {
        let error = imported(&target, &keys(&here, recipient), file).await.unwrap_err();
        assert!(matches!(error, TransferError::Damaged { .. }), "{error}");
        assert!(target.users(POOL, None, 1).await.unwrap().is_empty(), "nothing is written");
        error.to_string()
    };
    assert!(refusal(&file, &ring()).await.contains("line 2 of the file: it was written for another key"));
    let lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
    let swapped = [&lines[..2], &[lines[3], lines[2]], &lines[4..]].concat().concat();
    assert!(refusal(&swapped, &recipient).await.contains("line 3"));
    let missing = [&lines[..2], &lines[3..]].concat().concat();
    assert!(refusal(&missing, &recipient).await.contains("line 3"));
    let cut = lines[..lines.len() - 1].concat();
    assert!(refusal(&cut, &recipient).await.contains("cut off"));
    let longer = [file.as_slice(), b"more\n"].concat();
    assert!(refusal(&longer, &recipient).await.contains("something follows the end"));
    let other = exported(&source, &here, &recipient).await;
    let from_another = [lines[0], other.split_inclusive(|byte| *byte == b'\n').nth(1).unwrap()].concat();
    assert!(refusal(&from_another, &recipient).await.contains("line 2"));
    for foreign in [&b""[..], b"Dear file\n", b"{\"poolkeeper_export\":3}\n", b"\xff\n"] {
        refusal(foreign, &recipient).await;
    }
}

#[tokio::test]
async fn what_an_interrupted_import_left_is_in_nobodys_way() {
    let (here, recipient) = (ring(), ring());
    let source = filled(&here, 150).await;
    let file = exported(&source, &here, &recipient).await;
    let target = Store::open(&Options::memory()).await.unwrap();
    // The first hundred records arrived, and then the machine was gone.
    let mut changes = Changes::new();
    changes.insert(&group());
    for number in 0..97 {
        let user = user(number);
        changes.insert(password(&here, &user.sub));
        users::insert(&mut changes, &pool(), user);
    }
    target.commit(changes).await.unwrap();
    assert_eq!(imported(&target, &keys(&here, &recipient), &file).await.unwrap().1, 150);
    assert_eq!(target.estimated_users(POOL).await.unwrap(), 150);
}

/// What the user `sub` has a few of, with something that is only being set up.
fn add_parts(ring: &KeyRing, changes: &mut Changes, sub: &str) {
    let seal = |purpose, identity: &str, text: &str| {
        ring.seal(&SystemEntropy, purpose, identity, format!("{text} of {sub}").as_bytes())
    };
    let secret = seal(Purpose::SoftwareToken, &secret_identity(POOL, sub), "secret");
    changes.insert_user_part(SoftwareToken {
        pool_id: POOL.to_owned(),
        sub: sub.to_owned(),
        secret: secret.clone(),
        friendly_name: Some("phone".to_owned()),
        last_step: Some(7),
        created_at: NOW,
    });
    let (pool_id, owner) = (POOL.to_owned(), sub.to_owned());
    changes.insert_user_part(PendingSoftwareToken { pool_id, sub: owner, secret, expires_at: NOW.plus(1) });
    for key in ["eu-west-1_b", "eu-west-1_a"] {
        let device = serde_json::json!({
            "pool_id": POOL, "sub": sub, "key": key, "group_key": "-group",
            "verifier": seal(Purpose::DeviceVerifier, &Device::identity(POOL, sub, key), "verifier"),
            "is_remembered": true, "last_address": "127.0.0.1", "created_at": 1.0, "modified_at": 1.0,
            "authenticated_at": 1.0,
        });
        let mut device: Device = serde_json::from_value(device).unwrap();
        device.waiting = Some(waiting(sub));
        changes.insert_user_part(device);
    }
    let passkey = serde_json::json!({
        "pool_id": POOL, "sub": sub, "id": "AAAA", "name": "Roaming passkey", "relying_party_id": "example.com",
        "transports": ["usb"], "created_at": 1.0, "verifier": {"counter": 3},
    });
    changes.insert_user_part(serde_json::from_value::<Passkey>(passkey).unwrap());
}

fn waiting(sub: &str) -> SignInSession {
    let session = serde_json::json!({
        "id": "id", "pool_id": POOL, "client_id": "client", "sub": sub, "entrance": "Public",
        "challenge": "DEVICE_SRP_AUTH", "expires_at": 1.0, "password_version": 1,
        "sign_in": {"flow": "USER_SRP_AUTH"}, "waiting": "Nothing",
    });
    serde_json::from_value(session).unwrap()
}

#[tokio::test]
async fn second_factors_devices_and_passkeys_arrive_too() {
    let (here, there, recipient) = (ring(), ring(), ring());
    let source = filled(&here, 3).await;
    let mut changes = Changes::new();
    add_parts(&here, &mut changes, "001");
    source.commit(changes).await.unwrap();
    let file = exported(&source, &here, &recipient).await;
    let target = Store::open(&Options::memory()).await.unwrap();
    // What an interrupted import has left of them is in nobody's way either.
    let mut changes = Changes::new();
    add_parts(&there, &mut changes, "001");
    target.commit(changes).await.unwrap();
    imported(&target, &keys(&there, &recipient), &file).await.unwrap();

    let before = source.user_part::<SoftwareToken>(POOL, "001", "").await.unwrap().unwrap().value;
    let token = target.user_part::<SoftwareToken>(POOL, "001", "").await.unwrap().unwrap().value;
    let opened = there.open(Purpose::SoftwareToken, &secret_identity(POOL, "001"), &token.secret).unwrap();
    assert_eq!(opened.as_slice(), b"secret of 001");
    assert_eq!(SoftwareToken { secret: before.secret.clone(), ..token }, before);
    assert!(target.user_part::<PendingSoftwareToken>(POOL, "001", "").await.unwrap().is_none());
    let devices = target.user_parts::<Device>(POOL, "001", None, 10).await.unwrap();
    assert_eq!(devices.iter().map(|device| device.key.as_str()).collect::<Vec<_>>(), ["eu-west-1_a", "eu-west-1_b"]);
    for device in devices {
        let identity = Device::identity(POOL, "001", &device.key);
        let opened = there.open(Purpose::DeviceVerifier, &identity, &device.verifier).unwrap();
        assert_eq!(opened.as_slice(), b"verifier of 001");
        assert_eq!(device.waiting, None);
    }
    let passkeys = |store: &Store| {
        let store = store.clone();
        async move { store.user_parts::<Passkey>(POOL, "001", None, 10).await.unwrap() }
    };
    let (left, arrived) = (passkeys(&source).await, passkeys(&target).await);
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].value, left[0].value);
    assert!(target.user_part_documents(POOL, "000", 10).await.unwrap().is_empty());
}

#[test]
fn parts_of_somebody_else_are_not_taken() {
    let ring = ring();
    let record = |pool_id: &str, sub: &str| {
        let secret = ring.seal(&SystemEntropy, Purpose::SoftwareToken, "", b"");
        let (pool_id, sub) = (pool_id.to_owned(), sub.to_owned());
        UserRecord {
            user: user(1),
            password: None,
            groups: Vec::new(),
            software_token: Some(SoftwareToken {
                pool_id,
                sub,
                secret,
                friendly_name: None,
                last_step: None,
                created_at: NOW,
            }),
            devices: Vec::new(),
            passkeys: Vec::new(),
        }
    };
    assert!(record(POOL, "001").belongs_to(POOL));
    assert!(!record(POOL, "002").belongs_to(POOL));
    assert!(!record("eu-west-1_Other", "001").belongs_to(POOL));
    assert!(!record(POOL, "001").belongs_to("eu-west-1_Other"));
}

/// Files of the first form, in which users came without parts.
#[test]
fn the_first_form_is_still_read() {
    let line = |form: u64| {
        let header = serde_json::json!({
            "poolkeeper_export": form, "version": "0.1.0", "user_pool_id": POOL, "created_at": 1.0, "key_id": "k",
            "id": "AAAA",
        });
        Header::parse(&header.to_string()).is_ok()
    };
    assert_eq!([0, 1, 2, 3].map(line), [false, true, true, false]);
    let user = serde_json::json!({"user": user(1), "password": null, "groups": []});
    let record: UserRecord = serde_json::from_value(user).unwrap();
    assert!(record.software_token.is_none() && record.devices.is_empty() && record.passkeys.is_empty());
}
