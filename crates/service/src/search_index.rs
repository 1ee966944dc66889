//! Users of databases from before there were search keys (accounts.md §12.1): they get theirs before the server
//! listens, once for each database. A meta value says that it was done.
//!
//! Servers that start at the same time each do all of it, which does no harm. Users of a server of an earlier version
//! that still runs meanwhile, and that makes or changes users behind the place where this is, are not all found.

use std::time::Duration;

use domain::{Pool, search};
use store::{Changes, CommitError, Error, Key, Store};
use tokio::time::Instant;

/// Name of the meta value that says that every user has search keys.
pub const META: &str = "search_keys";
/// Users whom one changeset gives their keys, and pools that are read at once.
const SLICE: usize = 100;
/// How often the log learns how far it is.
const NEWS: Duration = Duration::from_secs(5);

/// Sees to it that every user can be found: one read where that was done before, otherwise a walk over all users of all
/// pools, of which the log tells. Ending the process in the middle only means that the next start begins anew.
///
/// # Errors
/// When the store fails.
pub async fn ensure(store: &Store) -> Result<(), Error> {
    if store.get_meta(META).await?.is_some() {
        return Ok(());
    }
    let mut news = News { users: 0, told: Instant::now() };
    let mut after: Option<String> = None;
    loop {
        let pools = store.current_pools(after.as_deref(), SLICE).await?;
        for pool in &pools {
            add_keys(store, pool, &mut news).await?;
        }
        match pools.last().filter(|_| pools.len() == SLICE) {
            Some(last) => after = Some(last.id.clone()),
            None => break,
        }
    }
    if news.users > 0 {
        tracing::info!(users = news.users, "every user can be searched for now");
    }
    store.set_meta_if_absent(META, "1").await.map(|_value| ())
}

/// What the log is told.
struct News {
    /// Users who were looked at.
    users: usize,
    told: Instant,
}

impl News {
    fn add(&mut self, users: usize) {
        self.users += users;
        if self.told.elapsed() >= NEWS {
            self.told = Instant::now();
            tracing::info!(
                users = self.users,
                "making users of an earlier version searchable before the server listens"
            );
        }
    }
}

/// Adds the keys of all users of a pool. Those that are there already stay.
async fn add_keys(store: &Store, pool: &Pool, news: &mut News) -> Result<(), Error> {
    let mut after: Option<String> = None;
    loop {
        let users = store.current_users(&pool.id, after.as_deref(), SLICE).await?;
        let mut changes = Changes::new();
        for user in &users {
            // Another server may be changing the user, and the keys with it.
            changes.assert(Key::User { pool_id: pool.id.clone(), sub: user.sub.clone() }, user.version);
            for key in search::keys(user) {
                changes.search(&pool.id, key, &user.sub, true);
            }
        }
        match store.commit(changes).await {
            Ok(()) => news.add(users.len()),
            // Somebody has changed one of them: the same slice once more, as it is now.
            Err(CommitError::Conflict | CommitError::Taken(_)) => continue,
            Err(CommitError::Store(error)) => return Err(error),
        }
        match users.last().filter(|_| users.len() == SLICE) {
            Some(last) => after = Some(last.sub.clone()),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{SearchKind, User};
    use store::{Changes, Options, Store};

    use super::{META, SLICE, ensure};
    use crate::messages::testing::{pool, user};

    /// A store as an earlier version has left it: pools and users without search keys.
    async fn old_store(users: usize) -> Store {
        let store = Store::open(&Options::memory()).await.unwrap();
        let mut changes = Changes::new();
        for name in ["us-east-1_First0000", "us-east-1_Second000"] {
            let mut pool = pool();
            name.clone_into(&mut pool.id);
            for index in 0..users {
                let mut user: User = user(&format!("user{index}"), &[("email", "Anna@Example.com"), ("name", "Anna")]);
                name.clone_into(&mut user.pool_id);
                user.sub = format!("{index:08}");
                changes.insert(user);
            }
            changes.insert(pool);
        }
        store.commit(changes).await.unwrap();
        store
    }

    async fn found(store: &Store, pool: &str, kind: SearchKind, value: &str) -> usize {
        store.users_with(pool, kind, value, "", usize::MAX).await.unwrap().len()
    }

    #[tokio::test]
    async fn users_of_an_earlier_version_are_found_afterwards() {
        // Slices that end in the middle, and just at the end.
        for users in [0, 1, SLICE, 2 * SLICE + 1] {
            let store = old_store(users).await;
            assert_eq!(found(&store, "us-east-1_First0000", SearchKind::Email, "anna@example.com").await, 0);
            ensure(&store).await.unwrap();
            for pool in ["us-east-1_First0000", "us-east-1_Second000"] {
                assert_eq!(found(&store, pool, SearchKind::Email, "anna@example.com").await, users);
                assert_eq!(found(&store, pool, SearchKind::Name, "anna").await, users);
                assert_eq!(found(&store, pool, SearchKind::Status, "CONFIRMED+").await, users);
            }
            assert_eq!(store.get_meta(META).await.unwrap().as_deref(), Some("1"));
        }
    }

    #[tokio::test]
    async fn it_is_done_once_and_goes_on_where_some_have_keys() {
        let store = old_store(3).await;
        let email = || (SearchKind::Email, "anna@example.com".to_owned());
        let mut changes = Changes::new();
        changes.search("us-east-1_First0000", email(), "00000001", true);
        store.commit(changes).await.unwrap();
        ensure(&store).await.unwrap();
        assert_eq!(found(&store, "us-east-1_First0000", SearchKind::Email, "anna@example.com").await, 3);
        let mut changes = Changes::new();
        changes.search("us-east-1_First0000", email(), "00000001", false);
        store.commit(changes).await.unwrap();
        ensure(&store).await.unwrap();
        assert_eq!(found(&store, "us-east-1_First0000", SearchKind::Email, "anna@example.com").await, 2);
    }
}
