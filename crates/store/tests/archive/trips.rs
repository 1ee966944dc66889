//! There and back again.

use poolkeeper_store::{
    Key, Store,
    archive::{self, Progress, Stage},
};

use crate::{
    databases::{Database, Engine, backup, crowd, engines, fill, pairs, restore},
    rows::{self, NOW, POOL},
};

/// Some of what [`fill`] has put in, as the store sees it.
async fn look(store: &Store) {
    for sub in ["", "Z", "\u{1f600}"] {
        let user = store.user(POOL, sub).await.unwrap().unwrap();
        assert_eq!(user.username, format!("\"\\\u{8}\u{c}\n\r\t\u{1}\u{7f}/\u{2028}{sub}\0"));
        assert_eq!(store.password(POOL, sub).await.unwrap().unwrap().value, rows::password(POOL, sub));
        let found = store.user_by_name(POOL, &format!("name {sub}")).await.unwrap().unwrap();
        assert_eq!(found.sub, sub);
    }
    assert_eq!(store.pool(POOL).await.unwrap().unwrap().value, rows::pool(POOL));
    assert_eq!(store.get_meta("master-key-check").await.unwrap().unwrap(), "sealed");
    assert_eq!(store.message("m2").await.unwrap().unwrap().created_at.milliseconds(), i64::MAX);
    assert_eq!(store.access_keys().await.unwrap().len(), 1);
    assert_eq!(store.stock_keys(10).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_in_comes_out_on_every_pair_of_engines() {
    for (one, other) in pairs() {
        let (source, restored, copied) = (Database::new(one), Database::new(other), Database::new(other));
        let store = source.open().await;
        fill(&store).await;
        // What was deleted leaves versions and marks behind.
        let mut changes = poolkeeper_store::Changes::new();
        let pool = store.pool(rows::OTHER_POOL).await.unwrap().unwrap();
        changes.delete(Key::Pool { id: rows::OTHER_POOL.to_owned() }, pool.version);
        let user = store.user(POOL, "z").await.unwrap().unwrap();
        changes.replace(&user, rows::user(POOL, "z"));
        store.commit(changes).await.unwrap();

        let (archive, made) = backup(&source).await.unwrap();
        assert_eq!(made.bytes, archive.len() as u64);
        assert!(made.contents.tables.iter().all(|(_, rows)| *rows > 0), "something of everything: {made:?}");
        let loaded = restore(&archive, &restored, false).await.unwrap();
        assert_eq!(loaded.contents, made.contents);
        assert_eq!((loaded.version.as_str(), loaded.created_at), (env!("CARGO_PKG_VERSION"), NOW));
        let moved = archive::copy(&source.options, &copied.options, false, "this test", &mut |_| {}).await.unwrap();
        assert_eq!((&moved.source, &moved.target), (&made.contents, &made.contents));
        for target in [&restored, &copied] {
            let (again, _) = backup(target).await.unwrap();
            assert_eq!(again, archive, "{one:?} to {other:?}");
            let store = target.open().await;
            assert_eq!(store.unfinished_restore().await.unwrap(), None);
            look(&store).await;
            assert_eq!(store.pool(rows::OTHER_POOL).await.unwrap(), None, "deleted");
            assert_eq!(store.user(POOL, "z").await.unwrap().unwrap().version, 2);
        }
        drop(store);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_at_all_can_be_moved_too() {
    for (one, other) in pairs() {
        let (source, target) = (Database::new(one), Database::new(other));
        drop(source.open().await);
        let (archive, made) = backup(&source).await.unwrap();
        assert_eq!((made.contents.rows(), archive.iter().filter(|byte| **byte == b'\n').count()), (0, 2));
        // SHA-256 of nothing.
        assert!(made.contents.digest.starts_with("e3b0c44298fc1c14"), "{made:?}");
        assert_eq!(restore(&archive, &target, false).await.unwrap().contents, made.contents);
        let copied = archive::copy(&source.options, &target.options, false, "x", &mut |_| {}).await.unwrap();
        assert_eq!(copied.target, made.contents);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_travel_in_pages_and_progress_is_told() {
    for (one, other) in pairs() {
        let (source, target) = (Database::new(one), Database::new(other));
        crowd(&source.open().await, 3_001).await;
        let mut told: Vec<Progress> = Vec::new();
        let mut archive = Vec::new();
        let made =
            archive::backup(&source.options, &mut archive, NOW, &mut |progress| told.push(*progress)).await.unwrap();
        assert_eq!(made.contents.rows(), 2 * 3_001);
        let last = told.last().unwrap();
        assert_eq!((last.stage, last.rows, last.of_rows), (Stage::Reading, 6_002, 6_002));
        assert!(told.len() >= 8, "pages of a thousand: {told:?}");
        assert!(told.iter().zip(told.iter().skip(1)).all(|(one, next)| next.rows - one.rows <= 1_000));

        // A target with other rows, in pages as well, all of which have to go.
        let store = target.open().await;
        crowd(&store, 1_500).await;
        fill(&store).await;
        drop(store);
        told.clear();
        let input = &mut std::io::Cursor::new(&archive);
        archive::restore(input, &target.options, true, "x", &mut |progress| told.push(*progress)).await.unwrap();
        for stage in [Stage::Checking, Stage::Emptying, Stage::Loading, Stage::Comparing] {
            let of_stage: Vec<_> = told.iter().filter(|progress| progress.stage == stage).collect();
            assert!(of_stage.len() >= 3, "{stage:?}: {told:?}");
            assert!(of_stage.iter().zip(of_stage.iter().skip(1)).all(|(one, next)| one.rows < next.rows));
            if matches!(stage, Stage::Emptying | Stage::Comparing) {
                let last = of_stage.last().unwrap();
                assert_eq!(last.rows, last.of_rows, "{stage:?}");
            }
        }
        assert_eq!(backup(&target).await.unwrap().0, archive);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_is_read_beside_its_server_and_after_it() {
    let source = Database::new(Engine::Sqlite);
    let store = source.open().await;
    fill(&store).await;
    let (beside, _) = backup(&source).await.unwrap();
    drop(store);
    let (after, _) = backup(&source).await.unwrap();
    assert_eq!(beside, after);
    // Nothing is in the way of the next server.
    look(&source.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_an_older_schema_is_read_as_it_is() {
    for engine in engines() {
        let (source, target) = (Database::new(engine), Database::new(engine));
        let store = source.open().await;
        fill(&store).await;
        drop(store);
        let later = ["parts", "domains", "members", "search_keys", "chunks", "purges", "user_parts"];
        for table in later {
            source.sql(&format!("DELETE FROM {table}"));
        }
        let (now, _) = backup(&source).await.unwrap();
        source.sql("DELETE FROM migrations WHERE number > 1; DROP TABLE stamps; DROP TABLE epochs");
        for table in later {
            source.sql(&format!("DROP TABLE {table}"));
        }
        let (archive, made) = backup(&source).await.unwrap();
        assert!(archive.starts_with(b"{\"poolkeeper_archive\":1,") && archive != now);
        // It still is what it was: the older server goes on with it.
        source.sql("CREATE TABLE stamps (x TEXT); DROP TABLE stamps");
        let copied = archive::copy(&source.options, &target.options, false, "x", &mut |_| {}).await.unwrap();
        assert_eq!(copied.target.digest, made.contents.digest);
        assert_eq!(backup(&target).await.unwrap().0, now);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_rows_travel_too() {
    for (one, other) in pairs() {
        let (source, target) = (Database::new(one), Database::new(other));
        let store = source.open().await;
        let mut changes = poolkeeper_store::Changes::new();
        for number in 0..12 {
            let mut user = rows::user(POOL, &number.to_string());
            user.username = "\u{1f600}".repeat(100_000);
            changes.insert(user);
        }
        store.commit(changes).await.unwrap();
        let copied = archive::copy(&source.options, &target.options, false, "x", &mut |_| {}).await.unwrap();
        assert_eq!(copied.target.rows(), 12);
        assert_eq!(target.open().await.user(POOL, "7").await.unwrap().unwrap().username.len(), 400_000);
    }
}
