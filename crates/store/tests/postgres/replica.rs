//! A replica is read for lists and for nothing else. A second database with other rows stands for one that lags behind
//! so much that it shows.

use domain::NameKind;
use poolkeeper_store::{Address, Changes, PostgresOptions, Store};

use crate::{
    rows::{self, POOL},
    support::{blocking, open, options, scratch},
};

/// A user, a pool and a client, all called the same.
async fn fill(store: &Store, name: &str) {
    let mut changes = Changes::new();
    changes.insert(rows::pool(POOL)).insert(rows::pool(name)).insert(rows::client(name, POOL));
    changes.insert(rows::user(POOL, name)).claim(POOL, "name", NameKind::Username, name).count_users(POOL, 1);
    changes.insert(rows::signing_key(name, POOL)).insert(rows::message(name, rows::NOW));
    store.commit(changes).await.unwrap();
}

/// What the lists show.
async fn listed(store: &Store) -> [String; 3] {
    let users = store.users(POOL, None, 10).await.unwrap().into_iter().map(|user| user.value.sub);
    let clients = store.clients(POOL, None, 10).await.unwrap().into_iter().map(|client| client.value.id);
    let pools = store.pools(None, 10).await.unwrap().into_iter().map(|pool| pool.value.id);
    [users.collect(), clients.collect(), pools.filter(|id| id != POOL).collect()]
}

/// Everything else shows the first database, as it must: a name that was just claimed, a user who was just disabled.
async fn singles_are_of(store: &Store, name: &str, other: &str) {
    assert_eq!(store.user_by_name(POOL, "name").await.unwrap().unwrap().sub, name);
    assert_eq!(store.name_owner(POOL, "name", NameKind::Username).await.unwrap().unwrap(), name);
    for (id, is_there) in [(name, true), (other, false)] {
        assert_eq!(store.user(POOL, id).await.unwrap().is_some(), is_there);
        assert_eq!(store.client(id).await.unwrap().is_some(), is_there);
        assert_eq!(store.pool(id).await.unwrap().is_some(), is_there);
        assert_eq!(store.message(id).await.unwrap().is_some(), is_there);
        assert_eq!(store.sign_in_snapshot(POOL, id).await.unwrap().user.is_some(), is_there);
        assert_eq!(store.token_snapshot(POOL, id, Some("jti")).await.unwrap().user.is_some(), is_there);
    }
    let keys = store.signing_keys(POOL).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), [name]);
    assert_eq!(store.recent_messages(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.estimated_users(POOL).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_lists_are_read_from_a_replica() {
    let (Some(first), Some(second)) = (scratch(), scratch()) else { return };
    fill(&open(options(&first.url())).await, "first").await;
    fill(&open(options(&second.url())).await, "second").await;
    let replica = Some(Address::parse(&second.url()).unwrap());
    let store = open(PostgresOptions { replica, ..options(&first.url()) }).await;
    assert_eq!(listed(&store).await, ["second"; 3]);
    singles_are_of(&store, "first", "second").await;
    assert_eq!(store.statistics().retries.connection, 0);

    // A replica that cannot answer, for whatever reason, costs an attempt and no error.
    blocking(|| second.sql("ALTER TABLE users RENAME TO not_there_yet"));
    let [users, clients, pools] = listed(&store).await;
    assert_eq!([users.as_str(), clients.as_str(), pools.as_str()], ["first", "second", "second"]);
    drop(second);
    assert_eq!(listed(&store).await, ["first"; 3]);
    singles_are_of(&store, "first", "second").await;
    assert!(store.statistics().retries.connection > 0);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let replica = Some(Address::parse(&format!("postgres://keeper:secret@{nobody}/main")).unwrap());
    let store = open(PostgresOptions { replica, ..options(&first.url()) }).await;
    assert_eq!(listed(&store).await, ["first"; 3]);
}
