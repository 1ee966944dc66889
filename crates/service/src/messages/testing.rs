//! A pool, a user and a whole app for the unit tests of messages.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crypto::seal::{KeyRing, MasterKey};
use domain::{Entropy, Pool, User};
use serde_json::json;
use store::{Options, Store};
use wire::Timestamp;

use super::{Outbox, Sender};
use crate::{
    App, Caller, Clock, Ctx, OwnWishes, Settings,
    quotas::Quotas,
    settings::{Issuer, Limits, Signatures, SrpOff},
};

/// 2026-01-02T03:04:05Z.
pub const START: Timestamp = Timestamp(1_767_323_045_000);

/// Different at each call, the same in each run.
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let next = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).to_be_bytes();
            chunk.iter_mut().zip(next).for_each(|(byte, random)| *byte = random);
        }
    }
}

/// A pool with nothing set.
pub fn pool() -> Pool {
    serde_json::from_value(json!({
        "id": "us-east-1_AbCdEfGh1",
        "name": "p",
        "created_at": 0.0,
        "modified_at": 0.0,
        "deletion_protected": false,
        "password_policy": domain::PasswordPolicy::default(),
        "schema": [],
        "alias_attributes": [],
        "username_attributes": [],
        "case_sensitive": null,
        "auto_verified_attributes": [],
        "verification_before_update": [],
        "recovery": null,
        "verification_template": {},
        "email": {},
        "sms": null,
        "admin_create_user_only": false,
        "invite_template": null,
        "tags": {},
        "tier": "ESSENTIALS",
    }))
    .unwrap()
}

/// A user of it with these attributes.
pub fn user(username: &str, attributes: &[(&str, &str)]) -> User {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sub = "34c84488-e0e1-40ae-92ee-991ad1a898c8";
    User::new(&pool().id, sub, username, wire::UserStatusType::Confirmed, attributes, START)
}

/// An app in memory whose clock stands at [`START`].
pub async fn app(sender: Sender, keep_sent_messages: bool) -> Arc<App> {
    with_outbox(Outbox::new(sender), keep_sent_messages).await
}

/// The same with this outbox.
pub async fn with_outbox(outbox: Outbox, keep_sent_messages: bool) -> Arc<App> {
    let entropy: Arc<dyn Entropy> = Arc::new(Counter(AtomicU64::new(1)));
    let store = Store::open(&Options::memory()).await.unwrap();
    let settings = Settings {
        base_url: "http://127.0.0.1:9229".to_owned(),
        auth_domain: None,
        issuer: Issuer::Server,
        account_id: "000000000000".to_owned(),
        default_region: "us-east-1".to_owned(),
        signatures: Signatures::Ignored,
        limits: Limits::default(),
        srp_off: SrpOff::Pools(Vec::new()),
        key_stock: 0,
        keep_sent_messages,
        quotas: Quotas::off(),
        beyond_filters: false,
        lift_tiers: false,
        locations: Default::default(),
        stolen_passwords: Default::default(),
    };
    Arc::new(App::new(settings, store, ring(), clock(), entropy, outbox))
}

/// Another app on the same data with the same master key, as on another server.
pub fn sibling(app: &App, sender: Sender) -> Arc<App> {
    let (settings, store, entropy) = (app.settings.clone(), app.store.clone(), app.entropy.clone());
    Arc::new(App::new(settings, store, ring(), clock(), entropy, Outbox::new(sender)))
}

/// Always the same ring.
fn ring() -> KeyRing {
    KeyRing::new(vec![MasterKey::generate(&Counter(AtomicU64::new(1)))]).unwrap()
}

/// A clock that stands at [`START`].
fn clock() -> Clock {
    let clock = Clock::new(|| START);
    clock.freeze(true);
    clock
}

/// A request at the app's present moment.
pub fn ctx(app: &Arc<App>) -> Ctx {
    Ctx {
        app: app.clone(),
        now: app.clock.now(),
        request_id: "request".to_owned(),
        client_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        user_agent: None,
        sdk_agent: None,
        caller: Caller::Anyone,
        region: "us-east-1".to_owned(),
        own: OwnWishes::default(),
    }
}
