//! A job has one holder, whoever else wants it.

use poolkeeper_store::{Changes, CommitError, Key, Lease, Store, Stored};

use crate::engines::on_every_engine;

/// Takes a lease that was read as `seen`, or renews it: the same thing.
async fn take(store: &Store, seen: Option<&Stored<Lease>>, holder: &str) -> Result<(), CommitError> {
    let mut changes = Changes::new();
    changes.put(seen, Lease { name: "job".to_owned(), holder: holder.to_owned() });
    store.commit(changes).await
}

#[test]
fn of_many_who_want_a_lease_one_gets_it() {
    on_every_engine(async |store| {
        for round in 1..=2 {
            let seen = store.lease("job").await.unwrap();
            let mut tasks = Vec::new();
            for number in 0..20 {
                let (store, seen) = (store.clone(), seen.clone());
                tasks.push(tokio::spawn(async move {
                    let holder = format!("server-{number}");
                    take(&store, seen.as_ref(), &holder).await.map(|()| holder)
                }));
            }
            let mut winners = Vec::new();
            for task in tasks {
                match task.await.unwrap() {
                    Ok(holder) => winners.push(holder),
                    Err(error) => assert_eq!(error, CommitError::Conflict),
                }
            }
            let lease = store.lease("job").await.unwrap().unwrap();
            assert_eq!(winners, std::slice::from_ref(&lease.holder));
            assert_eq!(lease.version, round, "each time it is taken or renewed shows");
        }
        assert_eq!(store.lease("another job").await.unwrap(), None);
    });
}

#[test]
fn who_lost_a_lease_can_neither_renew_it_nor_do_its_work() {
    on_every_engine(async |store| {
        take(&store, None, "slow").await.unwrap();
        let slow = store.lease("job").await.unwrap().unwrap();
        take(&store, Some(&slow), "quick").await.unwrap();
        assert_eq!(take(&store, Some(&slow), "slow").await, Err(CommitError::Conflict));
        // Work that names the lease is not done by whoever does not hold it any more.
        let work = |lease: &Stored<Lease>| {
            let mut changes = Changes::new();
            changes.assert(Key::Lease { name: "job".to_owned() }, lease.version).count_users("pool", 1);
            store.commit(changes)
        };
        assert_eq!(work(&slow).await, Err(CommitError::Conflict));
        assert_eq!(store.estimated_users("pool").await.unwrap(), 0);
        let quick = store.lease("job").await.unwrap().unwrap();
        work(&quick).await.unwrap();
        assert_eq!(store.estimated_users("pool").await.unwrap(), 1);

        let give_back = |lease: &Stored<Lease>| {
            let mut changes = Changes::new();
            changes.delete(Key::Lease { name: "job".to_owned() }, lease.version);
            store.commit(changes)
        };
        assert_eq!(give_back(&slow).await, Err(CommitError::Conflict));
        give_back(&quick).await.unwrap();
        assert_eq!(store.lease("job").await.unwrap(), None);
        take(&store, None, "slow").await.unwrap();
    });
}
