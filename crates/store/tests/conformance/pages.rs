//! Lists in pages, while rows come and go.

use poolkeeper_store::{Changes, Key};

use crate::{
    engines::on_every_engine,
    rows::{self, OTHER_POOL, POOL},
};

#[test]
fn users_who_stay_are_listed_once_whoever_comes_and_goes() {
    on_every_engine(async |store| {
        let mut changes = Changes::new();
        for number in (0..40).step_by(2) {
            changes.insert(rows::user(POOL, &format!("{number:02}")));
        }
        changes.insert(rows::user(OTHER_POOL, "05"));
        store.commit(changes).await.unwrap();
        let mut seen: Vec<String> = Vec::new();
        let mut round = 0;
        loop {
            let page = store.users(POOL, seen.last().map(String::as_str), 3).await.unwrap();
            assert!(page.len() <= 3);
            if page.is_empty() {
                break;
            }
            seen.extend(page.iter().map(|user| user.sub.clone()));
            // One user behind the page comes, and the last one of the page goes.
            let mut changes = Changes::new();
            changes.insert(rows::user(POOL, &format!("0{round}-new")));
            let sub = page[page.len() - 1].sub.clone();
            changes.delete(Key::User { pool_id: POOL.to_owned(), sub }, 1);
            store.commit(changes).await.unwrap();
            round += 1;
        }
        let stayed: Vec<String> = (0..40).step_by(2).map(|number| format!("{number:02}")).collect();
        let old: Vec<String> = seen.iter().filter(|sub| sub.len() == 2).cloned().collect();
        assert_eq!(old, stayed);
        let mut sorted = seen.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted, seen, "in order, nobody twice");
    });
}

#[test]
fn pools_and_clients_page_by_id() {
    on_every_engine(async |store| {
        let mut changes = Changes::new();
        for id in ["r_1", "r_2", "r_3"] {
            changes.insert(rows::pool(id));
        }
        for (id, pool) in [("c1", "r_1"), ("c2", "r_2"), ("c3", "r_1"), ("c4", "r_1")] {
            changes.insert(rows::client(id, pool));
        }
        store.commit(changes).await.unwrap();
        let pools = |page: Vec<poolkeeper_store::Stored<domain::Pool>>| {
            page.into_iter().map(|pool| pool.value.id).collect::<Vec<_>>()
        };
        assert_eq!(pools(store.pools(None, 2).await.unwrap()), ["r_1", "r_2"]);
        assert_eq!(pools(store.pools(Some("r_2"), 2).await.unwrap()), ["r_3"]);
        let clients = |page: Vec<poolkeeper_store::Stored<domain::Client>>| {
            page.into_iter().map(|client| client.value.id).collect::<Vec<_>>()
        };
        assert_eq!(clients(store.clients("r_1", None, 2).await.unwrap()), ["c1", "c3"]);
        assert_eq!(clients(store.clients("r_1", Some("c3"), 2).await.unwrap()), ["c4"]);
    });
}

#[test]
fn signing_keys_move_from_stock_to_a_pool() {
    on_every_engine(async |store| {
        let mut changes = Changes::new();
        for kid in ["k1", "k2", "k3"] {
            changes.insert(rows::signing_key(kid, ""));
        }
        store.commit(changes).await.unwrap();
        let stock = store.stock_keys(2).await.unwrap();
        assert_eq!(stock.len(), 2);
        let mut changes = Changes::new();
        changes.replace(&stock[0], rows::signing_key("k1", POOL));
        store.commit(changes).await.unwrap();
        assert_eq!(store.stock_keys(10).await.unwrap().len(), 2);
        let keys = store.signing_keys(POOL).await.unwrap();
        assert_eq!(keys.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), ["k1"]);

        let mut changes = Changes::new();
        changes.insert(rows::access_key("AKIA2")).insert(rows::access_key("AKIA1"));
        store.commit(changes).await.unwrap();
        let keys = store.access_keys().await.unwrap();
        assert_eq!(keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["AKIA1", "AKIA2"]);
    });
}
