//! What is refused before, and what is noticed afterwards.

use std::{io::Cursor, time::Duration};

use domain::NameKind;
use poolkeeper_store::{
    Changes, Error, Lease, Options, Store,
    archive::{self, ArchiveError, Stage},
};

use crate::{
    databases::{Database, Engine, Fickle, backup, crowd, engines, fill, restore, words},
    rows::{NOW, POOL},
};

#[tokio::test(flavor = "multi_thread")]
async fn data_is_replaced_only_when_that_is_said() {
    for engine in engines() {
        let (source, target) = (Database::new(engine), Database::new(engine));
        fill(&source.open().await).await;
        let (archive, made) = backup(&source).await.unwrap();
        // One row of the last table is enough.
        let store = target.open().await;
        let mut changes = Changes::new();
        changes.insert(crate::rows::spent("precious"));
        store.commit(changes).await.unwrap();
        drop(store);

        let refused = restore(&archive, &target, false).await;
        assert!(matches!(refused, Err(ArchiveError::NotEmpty { table: "spent", .. })), "{refused:?}");
        assert!(words(refused).contains("--replace"));
        let refused = archive::copy(&source.options, &target.options, false, "x", &mut |_| {}).await;
        assert!(matches!(refused, Err(ArchiveError::NotEmpty { .. })), "{refused:?}");
        let store = target.open().await;
        assert!(store.spent("precious").await.unwrap().is_some());
        assert_eq!(store.unfinished_restore().await.unwrap(), None);
        drop(store);

        assert_eq!(restore(&archive, &target, true).await.unwrap().contents, made.contents);
        assert!(target.open().await.spent("precious").await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_restore_is_known_and_repaired() {
    for engine in engines() {
        let (source, target, third) = (Database::new(engine), Database::new(engine), Database::new(engine));
        crowd(&source.open().await, 2_500).await;
        let (archive, made) = backup(&source).await.unwrap();
        let mut input = Fickle::new(&archive, &archive);
        input.readable = archive.len() as u64 * 2 / 3;
        let failed = archive::restore(&mut input, &target.options, false, "the first try", &mut |_| {}).await;
        let words_of_failure = words(failed);
        assert!(words_of_failure.contains("the disk is gone") && words_of_failure.contains("--replace"));

        let store = target.open().await;
        assert_eq!(store.unfinished_restore().await.unwrap().unwrap(), "the first try");
        assert!(store.user(POOL, "000000").await.unwrap().is_some(), "some rows are there");
        assert_eq!(store.name_owner(POOL, "002499", NameKind::Username).await.unwrap(), None, "and others are not");
        drop(store);
        let refused = restore(&archive, &target, false).await;
        assert!(matches!(refused, Err(ArchiveError::Interrupted { .. })), "{refused:?}");
        assert!(words(refused).contains("the first try"));
        let refused = backup(&target).await;
        assert!(matches!(refused, Err(ArchiveError::Unfinished { .. })), "{refused:?}");
        let refused = archive::copy(&target.options, &third.options, false, "x", &mut |_| {}).await;
        assert!(matches!(refused, Err(ArchiveError::Unfinished { .. })), "{refused:?}");

        assert_eq!(restore(&archive, &target, true).await.unwrap().contents, made.contents);
        assert_eq!(target.open().await.unfinished_restore().await.unwrap(), None);
        assert_eq!(backup(&target).await.unwrap().0, archive);
    }
}

/// Restores while somebody else runs `sql` on the target after the first rows were loaded.
async fn disturbed(engine: Engine, sql: &'static str) -> (ArchiveError, Option<String>) {
    let (source, target) = (Database::new(engine), Database::new(engine));
    crowd(&source.open().await, 2_500).await;
    let (archive, _) = backup(&source).await.unwrap();
    let mut is_done = false;
    let result = archive::restore(&mut Cursor::new(&archive), &target.options, false, "this test", &mut |progress| {
        if progress.stage == Stage::Loading && !std::mem::replace(&mut is_done, true) {
            target.sql(sql);
        }
    })
    .await;
    assert!(is_done);
    let mark = target.open().await.unfinished_restore().await.unwrap();
    let ArchiveError::Incomplete { reason, .. } = result.unwrap_err() else { unreachable!("nothing was changed") };
    (*reason, mark)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_gives_way_to_another_one() {
    for engine in engines() {
        let sql = "UPDATE meta SET value = 'another one' WHERE name = 'restore-in-progress'";
        let (error, mark) = disturbed(engine, sql).await;
        assert!(matches!(error, ArchiveError::Disturbed), "{error}");
        assert_eq!(mark.unwrap(), "another one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_somebody_else_are_noticed() {
    for engine in engines() {
        let other = "INSERT INTO spent (id, version, expires_at) VALUES ('other', 1, 1)";
        let (error, mark) = disturbed(engine, other).await;
        assert!(matches!(error, ArchiveError::Mismatch { .. }), "{error}");
        assert_eq!(mark.unwrap(), "this test", "no server starts on it");
        // The last row but a few, which is not loaded yet.
        let same = "INSERT INTO names (pool_id, name, kind, sub) VALUES ('eu-west-1_Aaaaaaaa1', '002499', 0, 'me')";
        let (error, mark) = disturbed(engine, same).await;
        assert!(matches!(error, ArchiveError::Disturbed), "{error}");
        assert_eq!(mark.unwrap(), "this test");
        let gone = "DELETE FROM users WHERE sub = '000000'";
        let (error, mark) = disturbed(engine, gone).await;
        assert!(matches!(error, ArchiveError::Mismatch { .. }), "{error}");
        assert_eq!(mark.unwrap(), "this test");
    }
}

#[tokio::test]
async fn an_archive_must_not_change_between_its_readings() {
    let (one, other, target) =
        (Database::new(Engine::Sqlite), Database::new(Engine::Sqlite), Database::new(Engine::Sqlite));
    crowd(&one.open().await, 10).await;
    crowd(&other.open().await, 11).await;
    let mut input = Fickle::new(&backup(&one).await.unwrap().0, &backup(&other).await.unwrap().0);
    let result = archive::restore(&mut input, &target.options, false, "x", &mut |_| {}).await;
    let is_changed = |reason: &ArchiveError| matches!(reason, ArchiveError::Changed);
    assert!(matches!(&result, Err(ArchiveError::Incomplete { reason, .. }) if is_changed(reason)), "{result:?}");
    assert!(target.open().await.unfinished_restore().await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_not_copied_onto_itself() {
    for engine in engines() {
        let database = Database::new(engine);
        let store = database.open().await;
        fill(&store).await;
        drop(store);
        let (before, _) = backup(&database).await.unwrap();
        let same = archive::copy(&database.options, &database.options, true, "x", &mut |_| {}).await;
        assert!(matches!(same, Err(ArchiveError::Same)), "{same:?}");
        assert_eq!(backup(&database).await.unwrap().0, before);
    }
}

#[tokio::test]
async fn there_must_be_something_to_read() {
    let (missing, target) = (Database::new(Engine::Sqlite), Database::new(Engine::Sqlite));
    let refused = backup(&missing).await;
    assert!(matches!(refused, Err(ArchiveError::NoDatabase { .. })), "{refused:?}");
    let refused = archive::copy(&missing.options, &target.options, false, "x", &mut |_| {}).await;
    assert!(words(refused).contains("there is no such file"));
    for database in [&missing, &target] {
        let poolkeeper_store::Location::File(path) = &database.options.location else { unreachable!() };
        assert!(!path.exists(), "nothing is made by looking");
    }
    // Some other program's database.
    missing.sql("CREATE TABLE letters (id TEXT)");
    assert!(words(backup(&missing).await).contains("no such table"));
    let refused = archive::backup(&Options::memory(), Vec::new(), NOW, &mut |_| {}).await;
    assert!(matches!(refused, Err(ArchiveError::Memory)), "{refused:?}");
}

#[tokio::test]
async fn a_damaged_or_newer_source_is_refused() {
    let source = Database::new(Engine::Sqlite);
    fill(&source.open().await).await;
    source.sql("UPDATE users SET doc = CAST(doc AS BLOB) WHERE sub = 'Z'");
    let refused = backup(&source).await;
    let damaged = Error::Corrupt { table: "users", key: format!("{POOL}/Z") };
    assert!(matches!(&refused, Err(ArchiveError::Store(error)) if *error == damaged), "{refused:?}");
    source.sql("INSERT INTO migrations (number, name, checksum) VALUES (1000, 'from the future', '')");
    let refused = backup(&source).await;
    let is_newer = matches!(refused, Err(ArchiveError::Store(Error::NewerSchema { found: 1_000, .. })));
    assert!(is_newer, "{refused:?}");
}

#[tokio::test]
async fn a_database_in_use_is_not_filled() {
    let (source, target) = (Database::new(Engine::Sqlite), Database::new(Engine::Sqlite));
    drop(source.open().await);
    let (archive, _) = backup(&source).await.unwrap();
    let server: Store = target.open().await;
    let refused = restore(&archive, &target, true).await;
    assert!(matches!(refused, Err(ArchiveError::Store(Error::InUse { .. }))), "{refused:?}");
    drop(server);
    restore(&archive, &target, false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_database_is_not_filled_while_a_server_moves_its_leases() {
    for engine in engines().into_iter().filter(|engine| matches!(engine, Engine::Postgres)) {
        let (source, target) = (Database::new(Engine::Sqlite), Database::new(engine));
        drop(source.open().await);
        let (archive, _) = backup(&source).await.unwrap();
        let server = target.open().await;
        let beating = tokio::spawn(async move {
            for version in 0.. {
                let mut changes = Changes::new();
                let lease = Lease { name: "outbox".to_owned(), holder: "a server".to_owned() };
                changes.save(lease, (version > 0).then_some(version));
                server.commit(changes).await.unwrap();
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        let leases = target.open().await;
        while leases.lease("outbox").await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let refused = restore(&archive, &target, true).await;
        assert!(matches!(refused, Err(ArchiveError::InUse { .. })), "{refused:?}");
        // A server that was killed leaves its lease behind.
        beating.abort();
        _ = beating.await;
        restore(&archive, &target, true).await.unwrap();
    }
}
