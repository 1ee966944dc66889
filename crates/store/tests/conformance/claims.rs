//! Names have one owner, and marks are made once.

use domain::NameKind;
use poolkeeper_store::{Changes, CommitError, Store, Taken};

use crate::{
    engines::on_every_engine,
    rows::{self, OTHER_POOL, POOL},
};

async fn claim(store: &Store, pool_id: &str, name: &str, kind: NameKind, sub: &str) -> Result<(), CommitError> {
    let mut changes = Changes::new();
    changes.claim(pool_id, name, kind, sub);
    store.commit(changes).await
}

async fn release(store: &Store, name: &str, kind: NameKind, sub: &str) -> Result<(), CommitError> {
    let mut changes = Changes::new();
    changes.release(POOL, name, kind, sub);
    store.commit(changes).await
}

#[test]
fn a_name_has_one_owner_in_its_pool_and_kind() {
    on_every_engine(async |store| {
        claim(&store, POOL, "ann", NameKind::Username, "a").await.unwrap();
        let taken = Taken::Name { name: "ann".to_owned(), kind: NameKind::Username, sub: "a".to_owned() };
        let lost = claim(&store, POOL, "ann", NameKind::Username, "b").await;
        assert_eq!(lost, Err(CommitError::Taken(taken)));
        assert_eq!(store.name_owner(POOL, "ann", NameKind::Username).await.unwrap().unwrap(), "a");
        // Owning it already is no error; other kinds and pools are other names.
        claim(&store, POOL, "ann", NameKind::Username, "a").await.unwrap();
        claim(&store, POOL, "ann", NameKind::PreferredUsername, "b").await.unwrap();
        claim(&store, OTHER_POOL, "ann", NameKind::Username, "b").await.unwrap();
    });
}

#[test]
fn only_the_owner_gives_a_name_up() {
    on_every_engine(async |store| {
        claim(&store, POOL, "ann", NameKind::Email, "a").await.unwrap();
        assert_eq!(release(&store, "ann", NameKind::Email, "b").await, Err(CommitError::Conflict));
        assert_eq!(release(&store, "ann", NameKind::PhoneNumber, "a").await, Err(CommitError::Conflict));
        assert_eq!(store.name_owner(POOL, "ann", NameKind::Email).await.unwrap().unwrap(), "a");
        release(&store, "ann", NameKind::Email, "a").await.unwrap();
        assert_eq!(store.name_owner(POOL, "ann", NameKind::Email).await.unwrap(), None);
        claim(&store, POOL, "ann", NameKind::Email, "b").await.unwrap();
    });
}

#[test]
fn of_many_who_want_a_name_one_gets_it() {
    on_every_engine(async |store| {
        let mut tasks = Vec::new();
        for number in 0..50 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let sub = format!("sub-{number}");
                let mut changes = Changes::new();
                changes.insert(rows::user(POOL, &sub)).claim(POOL, "ann", NameKind::Username, &sub);
                (sub, store.commit(changes).await)
            }));
        }
        let mut winners = Vec::new();
        let mut owners = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                (sub, Ok(())) => winners.push(sub),
                (_, Err(CommitError::Taken(Taken::Name { sub, .. }))) => owners.push(sub),
                (_, other) => unreachable!("{other:?}"),
            }
        }
        assert_eq!((winners.len(), owners.len()), (1, 49));
        assert!(owners.iter().all(|owner| *owner == winners[0]));
        assert_eq!(store.user_by_name(POOL, "ann").await.unwrap().unwrap().sub, winners[0]);
        let users = store.users(POOL, None, 100).await.unwrap();
        assert_eq!(users.len(), 1, "losers leave nothing");
    });
}

#[test]
fn what_is_spent_stays_spent() {
    on_every_engine(async |store| {
        let mut tasks = Vec::new();
        for _ in 0..20 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let mut changes = Changes::new();
                changes.count_users(POOL, 1).insert(rows::spent("session"));
                store.commit(changes).await
            }));
        }
        let mut wins = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(()) => wins += 1,
                Err(error) => assert_eq!(error, CommitError::Taken(Taken::Spent { id: "session".to_owned() })),
            }
        }
        assert_eq!(wins, 1);
        assert_eq!(store.estimated_users(POOL).await.unwrap(), 1, "a second use changes nothing");
    });
}

#[test]
fn names_are_looked_up_in_order() {
    on_every_engine(async |store| {
        let kinds = [NameKind::PreferredUsername, NameKind::PhoneNumber, NameKind::Email, NameKind::Username];
        let mut changes = Changes::new();
        changes.insert(rows::user(POOL, "the-name")).insert(rows::user(OTHER_POOL, "elsewhere"));
        changes.claim(OTHER_POOL, "the-name", NameKind::Username, "elsewhere");
        store.commit(changes).await.unwrap();
        // A user's own id is found last.
        assert_eq!(store.user_by_name(POOL, "the-name").await.unwrap().unwrap().sub, "the-name");
        for kind in kinds {
            let sub = format!("owner-{}", kind.code());
            let mut changes = Changes::new();
            changes.insert(rows::user(POOL, &sub)).claim(POOL, "the-name", kind, &sub);
            store.commit(changes).await.unwrap();
            assert_eq!(store.user_by_name(POOL, "the-name").await.unwrap().unwrap().sub, sub);
        }
        assert_eq!(store.user_by_name(POOL, "nobody").await.unwrap(), None);
    });
}

#[test]
fn users_are_counted_and_never_fewer_than_none() {
    on_every_engine(async |store| {
        for delta in [1, 1, 1, 5, -2, 1, 1, 1, 1, 1] {
            let mut changes = Changes::new();
            changes.count_users(POOL, delta);
            store.commit(changes).await.unwrap();
        }
        assert_eq!(store.estimated_users(POOL).await.unwrap(), 11);
        let mut changes = Changes::new();
        changes.count_users(POOL, -20);
        store.commit(changes).await.unwrap();
        assert_eq!(store.estimated_users(POOL).await.unwrap(), 0);
        assert_eq!(store.estimated_users(OTHER_POOL).await.unwrap(), 0);
    });
}
