//! Aliases under concurrent sign-ups (accounts.md §2): random calls at the same time, then every name is looked at. On
//! several servers the same is asked in `tests/nodes/names.rs`.

use std::{collections::BTreeMap, sync::Arc};

use domain::names;
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::Server;

use crate::users::PASSWORD;

const NAMES: [&str; 3] = ["ana", "ben", "cara"];
const ADDRESSES: [&str; 2] = ["one@example.com", "two@example.com"];

/// What somebody does.
#[derive(Clone, Debug)]
enum Step {
    SignUp { name: usize, address: usize },
    Confirm { name: usize, forces: bool },
    Create { name: usize, address: usize, forces: bool },
    Change { name: usize, address: usize },
    Rename { name: usize, to: usize },
    Delete { name: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (name, address) = (0..NAMES.len(), 0..ADDRESSES.len());
    prop_oneof![
        (name.clone(), address.clone()).prop_map(|(name, address)| Step::SignUp { name, address }),
        (name.clone(), any::<bool>()).prop_map(|(name, forces)| Step::Confirm { name, forces }),
        (name.clone(), address.clone(), any::<bool>()).prop_map(|(name, address, forces)| Step::Create {
            name,
            address,
            forces
        }),
        (name.clone(), address).prop_map(|(name, address)| Step::Change { name, address }),
        (name.clone(), name.clone()).prop_map(|(name, to)| Step::Rename { name, to }),
        name.prop_map(|name| Step::Delete { name }),
    ]
}

fn request(step: &Step, pool: &str, client: &str, codes: &BTreeMap<usize, String>) -> (&'static str, Value) {
    let address = |index: &usize| json!([{"Name": "email", "Value": ADDRESSES[*index]}, {"Name": "email_verified", "Value": "true"}]);
    match step {
        Step::SignUp { name, address } => {
            let attributes = json!([{"Name": "email", "Value": ADDRESSES[*address]}]);
            let members = json!({"Username": NAMES[*name], "Password": PASSWORD, "UserAttributes": attributes});
            ("SignUp", with(members, "ClientId", client))
        }
        Step::Confirm { name, forces } => {
            let code = codes.get(name).map_or("000000", String::as_str);
            let members = json!({"Username": NAMES[*name], "ConfirmationCode": code, "ForceAliasCreation": forces});
            ("ConfirmSignUp", with(members, "ClientId", client))
        }
        Step::Create { name, address: index, forces } => {
            let members = json!({
                "Username": NAMES[*name], "UserAttributes": address(index), "MessageAction": "SUPPRESS",
                "ForceAliasCreation": forces,
            });
            ("AdminCreateUser", with(members, "UserPoolId", pool))
        }
        Step::Change { name, address: index } => {
            let members = json!({"Username": NAMES[*name], "UserAttributes": address(index)});
            ("AdminUpdateUserAttributes", with(members, "UserPoolId", pool))
        }
        Step::Rename { name, to } => {
            let attributes = json!([{"Name": "preferred_username", "Value": format!("p-{}", NAMES[*to])}]);
            let members = json!({"Username": NAMES[*name], "UserAttributes": attributes});
            ("AdminUpdateUserAttributes", with(members, "UserPoolId", pool))
        }
        Step::Delete { name } => ("AdminDeleteUser", with(json!({"Username": NAMES[*name]}), "UserPoolId", pool)),
    }
}

fn with(mut members: Value, key: &str, value: &str) -> Value {
    members[key] = value.into();
    members
}

/// The code that somebody who signed up was sent last.
async fn codes(server: &Server, pool: &str) -> BTreeMap<usize, String> {
    let mut codes = BTreeMap::new();
    for (index, name) in NAMES.iter().enumerate() {
        if !server.messages(pool, name).await.is_empty() {
            codes.insert(index, server.last_code(pool, name).await);
        }
    }
    codes
}

/// Every name that a user has by the pool's rules is the user's own, and every owner is somebody who has the name.
async fn audit(server: &Server, pool_id: &str) {
    let store = &server.app.store;
    let pool = store.pool(pool_id).await.unwrap().unwrap();
    let users = store.users(pool_id, None, 60).await.unwrap();
    let mut owners = BTreeMap::new();
    for user in &users {
        for (kind, name) in names::claims(&pool, user) {
            let owner = store.name_owner(pool_id, &name, kind).await.unwrap();
            assert_eq!(owner.as_deref(), Some(user.sub.as_str()), "{kind:?} {name}");
            assert_eq!(owners.insert((kind.code(), name.clone()), user.sub.clone()), None, "{name} has two owners");
        }
    }
    let all = NAMES.iter().map(|name| (*name).to_owned()).chain(ADDRESSES.map(str::to_owned));
    for name in all.chain(NAMES.iter().map(|name| format!("p-{name}"))) {
        for kind in [domain::NameKind::Username, domain::NameKind::Email, domain::NameKind::PreferredUsername] {
            let owner = store.name_owner(pool_id, &name, kind).await.unwrap();
            assert_eq!(owner, owners.get(&(kind.code(), name.clone())).cloned(), "{kind:?} {name}");
        }
    }
}

async fn play(rounds: Vec<Vec<Step>>) {
    let server = Arc::new(Server::memory().await);
    let aliases = json!(["email", "preferred_username"]);
    let pool = server.pool(json!({"AliasAttributes": aliases, "AutoVerifiedAttributes": ["email"]})).await;
    let client = server.client_id(&pool, json!({})).await;
    for round in rounds {
        let codes = codes(&server, &pool).await;
        let tasks: Vec<_> = round
            .iter()
            .map(|step| {
                let (operation, body) = request(step, &pool, &client, &codes);
                let server = server.clone();
                tokio::spawn(async move { server.call(operation, body).await })
            })
            .collect();
        for task in tasks {
            let answer = task.await.unwrap();
            assert!(matches!(answer.status, 200 | 400), "{answer:?}");
        }
        audit(&server, &pool).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_name_has_one_owner_whoever_asks_at_once(
        rounds in prop::collection::vec(prop::collection::vec(step(), 1..8), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(play(rounds));
    }
}
