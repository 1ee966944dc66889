//! What a user has a few of: listed by id, gone with the user, with its moment, and with the pool.

use poolkeeper_store::{Changes, Store};

use crate::{
    engines::on_every_engine,
    rows::{self, Gadget, NOW, OTHER_POOL, POOL},
};

async fn commit(store: &Store, change: impl FnOnce(&mut Changes)) {
    let mut changes = Changes::new();
    change(&mut changes);
    store.commit(changes).await.unwrap();
}

async fn ids(store: &Store, pool_id: &str, sub: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let found = store.user_parts::<Gadget>(pool_id, sub, after, limit).await.unwrap();
    found.into_iter().map(|part| part.value.id).collect()
}

#[test]
fn parts_are_listed_by_id_and_go_with_their_user() {
    on_every_engine(async |store| {
        commit(&store, |changes| {
            for (pool_id, sub) in [(POOL, "one"), (POOL, "two"), (OTHER_POOL, "one")] {
                for id in ["b", "a", "C", ""] {
                    changes.insert_user_part(rows::gadget(pool_id, sub, id));
                }
            }
        })
        .await;
        assert_eq!(ids(&store, POOL, "one", None, 2).await, ["C", "a"], "the one without an id is for itself");
        assert_eq!(ids(&store, POOL, "one", Some("C"), 9).await, ["a", "b"]);
        assert!(store.user_part::<Gadget>(POOL, "one", "").await.unwrap().is_some());
        let documents = store.user_part_documents(POOL, "one", 9).await.unwrap();
        assert_eq!(documents.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["", "C", "a", "b"]);
        commit(&store, |changes| {
            changes.drop_user_parts(POOL, "one").drop_user_parts(POOL, "nobody");
        })
        .await;
        assert_eq!(store.user_part_documents(POOL, "one", 9).await.unwrap(), []);
        assert_eq!(ids(&store, POOL, "two", None, 9).await.len(), 3);
        assert_eq!(ids(&store, OTHER_POOL, "one", None, 9).await.len(), 3);
        store.clear_pool(POOL).await.unwrap();
        assert_eq!(store.user_part_documents(POOL, "two", 9).await.unwrap(), []);
        assert_eq!(ids(&store, OTHER_POOL, "one", None, 9).await.len(), 3);
    });
}

#[test]
fn the_latest_parts_come_first() {
    on_every_engine(async |store| {
        commit(&store, |changes| {
            for (pool_id, sub) in [(POOL, "one"), (POOL, "two"), (OTHER_POOL, "one")] {
                for id in ["0197-a", "0198-c", "0198-b", "\u{e9}", ""] {
                    changes.insert_user_part(rows::gadget(pool_id, sub, id));
                }
            }
        })
        .await;
        let ids = async |sub: &str, before: Option<&str>, limit: usize| {
            let found = store.latest_user_parts::<Gadget>(POOL, sub, before, limit).await.unwrap();
            found.into_iter().map(|part| part.value.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("one", None, 9).await, ["\u{e9}", "0198-c", "0198-b", "0197-a", ""], "in the order of bytes");
        assert_eq!(ids("one", None, 2).await, ["\u{e9}", "0198-c"]);
        assert_eq!(ids("one", Some("0198-c"), 2).await, ["0198-b", "0197-a"], "without the one that is named");
        assert_eq!(ids("one", Some("0198"), 9).await, ["0197-a", ""], "which need not be there");
        assert_eq!(ids("one", Some(""), 9).await, [] as [&str; 0]);
        assert_eq!(ids("nobody", None, 9).await, [] as [&str; 0]);
        let current = store.current_latest_user_parts::<Gadget>(POOL, "one", 2).await.unwrap();
        assert_eq!(current, store.latest_user_parts::<Gadget>(POOL, "one", None, 2).await.unwrap());
        assert_eq!(current.len(), 2);
    });
}

#[test]
fn parts_that_have_expired_are_cleared_away() {
    on_every_engine(async |store| {
        commit(&store, |changes| {
            changes.insert_user_part(rows::gadget(POOL, "sub", "stays"));
            for (id, expires_at) in [("past", NOW), ("future", NOW.plus(1))] {
                changes.insert_user_part(Gadget { expires_at: Some(expires_at), ..rows::gadget(POOL, "sub", id) });
            }
        })
        .await;
        while !store.sweep(NOW, 10).await.unwrap().complete {}
        assert_eq!(ids(&store, POOL, "sub", None, 9).await, ["future", "stays"]);
    });
}
