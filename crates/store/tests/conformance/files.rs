//! Databases in files: what survives, and what is refused with which words.

use std::{fs, path::Path};

use poolkeeper_store::{Changes, Durability, Error, Options, Store};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::rows::{self, POOL};

async fn open(path: &Path) -> Result<Store, Error> {
    Store::open(&Options::file(path)).await
}

/// A directory with a database that holds one user, closed again.
async fn closed_database() -> (TempDir, std::path::PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("made/on/the/way/poolkeeper.db");
    let store = open(&path).await.unwrap();
    let mut changes = Changes::new();
    changes.insert(rows::user(POOL, "sub"));
    store.commit(changes).await.unwrap();
    (directory, path)
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (_directory, path) = closed_database().await;
    for durability in [Durability::Full, Durability::Normal] {
        let store = Store::open(&Options { durability, ..Options::file(&path) }).await.unwrap();
        let found = store.user(POOL, "sub").await.unwrap().unwrap();
        assert_eq!((found.value, found.version), (rows::user(POOL, "sub"), 1));
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_sudden_end() {
    let (_directory, path) = closed_database().await;
    let store = open(&path).await.unwrap();
    let mut changes = Changes::new();
    changes.insert(rows::user(POOL, "second"));
    store.commit(changes).await.unwrap();
    // A copy of the files as they are now is what a process that ends here leaves behind.
    let copy = TempDir::new().unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("poolkeeper.db{suffix}");
        fs::copy(path.with_file_name(&name), copy.path().join(&name)).unwrap();
    }
    let survivor = open(&copy.path().join("poolkeeper.db")).await.unwrap();
    assert!(survivor.user(POOL, "second").await.unwrap().is_some());
    drop(store);
}

#[tokio::test]
async fn a_second_server_is_refused() {
    let (_directory, path) = closed_database().await;
    let first = open(&path).await.unwrap();
    let error = open(&path).await.unwrap_err();
    assert_eq!(error, Error::InUse { path: path.parent().unwrap().to_owned() });
    assert!(error.to_string().contains("in use by another server"), "{error}");
    drop(first);
    open(&path).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (_directory, path) = closed_database().await;
    let sql = "INSERT INTO migrations (number, name, checksum) VALUES (1000, 'from the future', '')";
    Connection::open(&path).unwrap().execute(sql, []).unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 1_000, .. }), "{error:?}");
    assert!(error.to_string().contains("start the newer version"), "{error}");
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let (_directory, path) = closed_database().await;
    let sql = "UPDATE migrations SET checksum = 'other' WHERE number = 1";
    Connection::open(&path).unwrap().execute(sql, []).unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, Error::ChangedMigration { number: 1, .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_document_is_named_but_not_shown() {
    let (_directory, path) = closed_database().await;
    let sql = r#"UPDATE users SET doc = '{"pool_id": "private content'"#;
    Connection::open(&path).unwrap().execute(sql, []).unwrap();
    let store = open(&path).await.unwrap();
    let error = store.user(POOL, "sub").await.unwrap_err();
    assert_eq!(error, Error::Corrupt { table: "users", key: format!("{POOL}/sub") });
    assert!(!error.to_string().contains("private content"), "{error}");
    let error = store.users(POOL, None, 10).await.unwrap_err();
    assert_eq!(error, Error::Corrupt { table: "users", key: "sub".to_owned() });
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("letter.txt");
    fs::write(&path, "Dear database, ".repeat(1_000)).unwrap();
    let error = open(&path).await.unwrap_err();
    assert_eq!(error, Error::NotADatabase { path: path.clone() });
    assert!(error.to_string().contains("is not a database"), "{error}");
    assert!(fs::read_to_string(&path).unwrap().starts_with("Dear"), "and is left alone");
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&file.join("data/poolkeeper.db")).await.unwrap_err();
    assert!(matches!(error, Error::Directory { .. }), "{error:?}");
    assert!(error.to_string().contains("choose another one"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let (_directory, path) = closed_database().await;
    let store = open(&path).await.unwrap();
    let mut changes = Changes::new();
    changes.insert(rows::user(POOL, "second"));
    store.commit(changes).await.unwrap();
    for name in ["poolkeeper.db", "poolkeeper.db-wal", "poolkeeper.lock"] {
        let mode = fs::metadata(path.with_file_name(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}
