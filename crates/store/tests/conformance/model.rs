//! Random changesets do to every engine what they do to a model that is too simple to be wrong.

use std::collections::BTreeMap;

use cluster::Scratch;
use domain::NameKind;
use poolkeeper_store::{
    Change, Changes, CommitError, Durability, Isolation, Key, Options, PostgresOptions, Store, Taken,
};
use proptest::{prelude::*, test_runner::TestRunner};
use tempfile::TempDir;

use crate::{
    engines::postgres,
    rows::{self, NOW, POOL},
};

/// The same as the store, for users, marks, names and the count.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    /// Label and version by `sub`.
    users: BTreeMap<String, (String, i64)>,
    /// Expiry in milliseconds after [`NOW`] and version, by id.
    spent: BTreeMap<String, (i64, i64)>,
    /// Owner by name and number of the kind.
    names: BTreeMap<(String, i64), String>,
    count: i64,
}

/// What a step names as the version that it expects.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// The row's version, or none when there is no row.
    Right,
    /// No row.
    Absent,
    /// Some number.
    Number(i64),
}

#[derive(Clone, Debug)]
enum Action {
    SaveUser { sub: String, label: String, expected: Expected },
    DeleteUser { sub: String, expected: Expected },
    AssertUser { sub: String, expected: Expected },
    SaveSpent { id: String, later: i64, expected: Expected },
    DeleteSpent { id: String, expected: Expected },
    Claim { name: String, kind: NameKind, sub: String },
    Release { name: String, kind: NameKind, sub: String },
    Count { delta: i64 },
}

/// The version that a step names, given the row's own. Steps that need one take 0 where there is no row, which
/// never exists.
fn resolve(expected: Expected, version: Option<i64>) -> Option<i64> {
    match expected {
        Expected::Right => version,
        Expected::Absent => None,
        Expected::Number(number) => Some(number),
    }
}

impl Model {
    /// The change that an action stands for, as things stand in this model.
    fn change(&self, action: &Action) -> Change {
        let user = |sub: &str| self.users.get(sub).map(|(_, version)| *version);
        let spent = |id: &str| self.spent.get(id).map(|(_, version)| *version);
        let user_key = |sub: &str| Key::User { pool_id: POOL.to_owned(), sub: sub.to_owned() };
        match action.clone() {
            Action::SaveUser { sub, label, expected } => {
                let mut row = rows::user(POOL, &sub);
                row.username = label;
                Change::Save { row: row.into(), expected: resolve(expected, user(&sub)) }
            }
            Action::DeleteUser { sub, expected } => {
                Change::Delete { key: user_key(&sub), expected: resolve(expected, user(&sub)).unwrap_or(0) }
            }
            Action::AssertUser { sub, expected } => {
                Change::Assert { key: user_key(&sub), version: resolve(expected, user(&sub)).unwrap_or(0) }
            }
            Action::SaveSpent { id, later, expected } => {
                let expected = resolve(expected, spent(&id));
                Change::Save { row: domain::Spent { id, expires_at: NOW.plus(later) }.into(), expected }
            }
            Action::DeleteSpent { id, expected } => {
                let expected = resolve(expected, spent(&id)).unwrap_or(0);
                Change::Delete { key: Key::Spent { id }, expected }
            }
            Action::Claim { name, kind, sub } => Change::Claim { pool_id: POOL.to_owned(), name, kind, sub },
            Action::Release { name, kind, sub } => Change::Release { pool_id: POOL.to_owned(), name, kind, sub },
            Action::Count { delta } => Change::CountUsers { pool_id: POOL.to_owned(), delta },
        }
    }

    fn apply(&mut self, action: &Action) -> Result<(), CommitError> {
        match action.clone() {
            Action::SaveUser { sub, label, expected } => {
                let version = self.users.get(&sub).map(|(_, version)| *version);
                if resolve(expected, version) != version {
                    return Err(CommitError::Conflict);
                }
                self.users.insert(sub, (label, version.unwrap_or(0) + 1));
            }
            Action::DeleteUser { sub, expected } => {
                let version = self.users.get(&sub).map(|(_, version)| *version);
                if version.is_none() || resolve(expected, version) != version {
                    return Err(CommitError::Conflict);
                }
                self.users.remove(&sub);
            }
            Action::AssertUser { sub, expected } => {
                let version = self.users.get(&sub).map(|(_, version)| *version);
                if version.is_none() || resolve(expected, version) != version {
                    return Err(CommitError::Conflict);
                }
            }
            Action::SaveSpent { id, later, expected } => {
                let version = self.spent.get(&id).map(|(_, version)| *version);
                let named = resolve(expected, version);
                if named != version {
                    let taken = CommitError::Taken(Taken::Spent { id });
                    return Err(if named.is_none() { taken } else { CommitError::Conflict });
                }
                self.spent.insert(id, (later, version.unwrap_or(0) + 1));
            }
            Action::DeleteSpent { id, expected } => {
                let version = self.spent.get(&id).map(|(_, version)| *version);
                if version.is_none() || resolve(expected, version) != version {
                    return Err(CommitError::Conflict);
                }
                self.spent.remove(&id);
            }
            Action::Claim { name, kind, sub } => {
                let owner = self.names.entry((name.clone(), kind.code())).or_insert_with(|| sub.clone());
                if *owner != sub {
                    return Err(CommitError::Taken(Taken::Name { name, kind, sub: owner.clone() }));
                }
            }
            Action::Release { name, kind, sub } => {
                if self.names.get(&(name.clone(), kind.code())) != Some(&sub) {
                    return Err(CommitError::Conflict);
                }
                self.names.remove(&(name, kind.code()));
            }
            Action::Count { delta } => self.count += delta,
        }
        Ok(())
    }

    /// What the store holds, in this form.
    async fn read(store: &Store) -> Self {
        let mut model = Self::default();
        for user in store.users(POOL, None, 100).await.unwrap() {
            model.users.insert(user.sub.clone(), (user.username.clone(), user.version));
        }
        for id in IDS {
            if let Some(spent) = store.spent(id).await.unwrap() {
                model.spent.insert((*id).to_owned(), (spent.expires_at.since(NOW), spent.version));
            }
            for kind in KINDS {
                if let Some(sub) = store.name_owner(POOL, id, *kind).await.unwrap() {
                    model.names.insert(((*id).to_owned(), kind.code()), sub);
                }
            }
        }
        model.count = store.estimated_users(POOL).await.unwrap();
        model
    }
}

/// Users, marks and names are called the same.
const IDS: &[&str] = &["a", "b", "c"];
const KINDS: &[NameKind] = &[NameKind::Username, NameKind::Email];

fn action() -> impl Strategy<Value = Action> {
    let id = || proptest::sample::select(IDS).prop_map(str::to_owned);
    let kind = || proptest::sample::select(KINDS);
    let expected = || {
        prop_oneof![
            6 => Just(Expected::Right),
            1 => Just(Expected::Absent),
            1 => (0..4_i64).prop_map(Expected::Number),
        ]
    };
    prop_oneof![
        4 => (id(), "[a-z]{0,8}", expected())
            .prop_map(|(sub, label, expected)| Action::SaveUser { sub, label, expected }),
        2 => (id(), expected()).prop_map(|(sub, expected)| Action::DeleteUser { sub, expected }),
        1 => (id(), expected()).prop_map(|(sub, expected)| Action::AssertUser { sub, expected }),
        2 => (id(), 0..1_000_i64, expected())
            .prop_map(|(id, later, expected)| Action::SaveSpent { id, later, expected }),
        1 => (id(), expected()).prop_map(|(id, expected)| Action::DeleteSpent { id, expected }),
        3 => (id(), kind(), id()).prop_map(|(name, kind, sub)| Action::Claim { name, kind, sub }),
        2 => (id(), kind(), id()).prop_map(|(name, kind, sub)| Action::Release { name, kind, sub }),
        1 => (0..5_i64).prop_map(|delta| Action::Count { delta }),
    ]
}

/// Runs changesets on a store and on the model, and compares every answer and the end.
async fn compare(store: &Store, changesets: &[Vec<Action>]) {
    let mut model = Model::default();
    for actions in changesets {
        let mut next = model.clone();
        let mut changes = Changes::new();
        let mut expected = Ok(());
        for action in actions {
            // Steps after a lost one are sent too, and must not matter.
            changes.push(next.change(action));
            if expected.is_ok() {
                expected = next.apply(action);
            }
        }
        let answer = store.commit(changes).await;
        assert_eq!(answer, expected, "{actions:?}");
        if answer.is_ok() {
            model = next;
        }
    }
    assert_eq!(Model::read(store).await, model);
}

/// Puts random changesets through `compare` until one fails, which is then made as small as can be, or 96 have passed.
fn on_random_changesets(test: impl Fn(&[Vec<Action>])) {
    let config = ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() };
    let changesets = proptest::collection::vec(proptest::collection::vec(action(), 0..5), 1..24);
    let outcome = TestRunner::new(config).run(&changesets, |changesets| {
        test(&changesets);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn sqlite_does_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    on_random_changesets(|changesets| {
        runtime.block_on(async {
            compare(&Store::open(&Options::memory()).await.unwrap(), changesets).await;
            let directory = TempDir::new().unwrap();
            let options =
                Options { durability: Durability::Normal, ..Options::file(directory.path().join("poolkeeper.db")) };
            compare(&Store::open(&options).await.unwrap(), changesets).await;
        });
    });
}

#[test]
fn postgresql_does_what_the_model_does() {
    let Some(scratch) = Scratch::from_environment().unwrap() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let open = |isolation, prepared_statements| {
        let options = PostgresOptions { isolation, prepared_statements, ..postgres(&scratch.url()) };
        runtime.block_on(Store::open(&Options::postgres(options))).unwrap()
    };
    // Two servers on one database, which is emptied between the cases.
    let stores = [open(Isolation::ReadCommitted, true), open(Isolation::Serializable, false)];
    on_random_changesets(|changesets| {
        for store in &stores {
            runtime.block_on(async {
                store.reset().await.unwrap();
                compare(store, changesets).await;
            });
        }
    });
}
