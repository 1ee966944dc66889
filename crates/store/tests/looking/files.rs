//! A SQLite file beside the server that has it open.

use std::fs;

use domain::Spent;
use poolkeeper_store::{Changes, CommitError, Error, Options, Store};
use wire::Timestamp;

fn spent(id: &str) -> Changes {
    let mut changes = Changes::new();
    changes.insert(Spent { id: id.to_owned(), expires_at: Timestamp(1) });
    changes
}

#[tokio::test]
async fn a_file_is_read_beside_its_server_and_never_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("poolkeeper.db");
    let options = Options::file(&path);
    let server = Store::open(&options).await.unwrap();
    server.commit(spent("one")).await.unwrap();
    let reader = Store::open_to_read(&options).unwrap();
    assert!(reader.spent("one").await.unwrap().is_some());
    server.commit(spent("two")).await.unwrap();
    assert!(reader.spent("two").await.unwrap().is_some(), "what comes later is seen");
    assert_eq!(reader.commit(spent("three")).await.unwrap_err(), CommitError::Store(Error::Closed));
    assert!(reader.probe(Timestamp(0), std::time::Duration::from_secs(2)).await.is_err());
    let Store::Sqlite(sqlite) = &reader else { unreachable!("another engine") };
    assert_eq!(sqlite.journal_mode().unwrap(), "wal");
    drop((server, reader));

    let before = fs::read(&path).unwrap();
    let reader = Store::open_to_read(&options).unwrap();
    assert!(reader.spent("two").await.unwrap().is_some());
    drop(reader);
    assert!(fs::read(&path).unwrap() == before);
    // And a server opens it as ever.
    Store::open(&options).await.unwrap().commit(spent("three")).await.unwrap();
}

#[test]
fn a_file_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("poolkeeper.db");
    assert!(matches!(Store::open_to_read(&Options::file(&path)), Err(Error::Directory { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
