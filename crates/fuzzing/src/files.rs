//! Files that an operator is handed: archives of whole databases, and exports of pools.

use std::{io::Cursor, sync::LazyLock};

use crypto::{
    hash::sha256,
    seal::{KeyRing, MasterKey},
};
use serde_json::{Map, Value, json};
use service::transfer::{self, Keys};
use store::{Changes, Options, Store, archive};
use tempfile::TempDir;
use testkit::{SeededEntropy, Server, stock};
use tokio::runtime::{Builder, Runtime};
use wire::Timestamp;

use crate::input;

/// 2026-01-02T03:04:05Z.
const NOW: Timestamp = Timestamp(1_767_323_045_000);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn ring(seed: u64) -> KeyRing {
    KeyRing::new(vec![MasterKey::generate(&SeededEntropy::new(seed))]).expect("one key makes a ring")
}

/// An archive with a few rows.
static ARCHIVE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a folder");
    let options = Options::file(folder.path().join("poolkeeper.db"));
    runtime().block_on(async {
        let store = Store::open(&options).await.expect("a database");
        let mut changes = Changes::new();
        for key in stock(&ring(1), &SeededEntropy::new(1), 2, NOW) {
            changes.insert(key);
        }
        store.commit(changes).await.expect("keys are kept");
        drop(store);
        written(&options).await
    })
});

async fn written(options: &Options) -> Vec<u8> {
    let mut bytes = Vec::new();
    archive::backup(options, &mut bytes, NOW, &mut |_| ()).await.expect("a backup");
    bytes
}

/// An archive: as it is (0), a right one tampered with (1), or rows of a right one, ended as it should be (2).
pub fn archives(data: &[u8]) {
    let Some((way, rest)) = input::choice(data, 3) else { return };
    let file = match way {
        0 => rest.to_vec(),
        1 => input::patched(&ARCHIVE, rest).unwrap_or_default(),
        _ => ended(&String::from_utf8_lossy(rest)),
    };
    let folder = TempDir::new().expect("a folder");
    let options = Options::file(folder.path().join("poolkeeper.db"));
    runtime().block_on(async {
        let restored = archive::restore(&mut Cursor::new(&file), &options, false, "fuzzing", &mut |_| ()).await;
        if restored.is_ok() {
            assert_ne!(way, 1, "a change was not noticed: {rest:?}");
            assert!(Store::open(&options).await.is_ok(), "a database that was restored does not open: {rest:?}");
            let text = String::from_utf8_lossy(&file).into_owned();
            assert_eq!(String::from_utf8_lossy(&written(&options).await), text, "it holds something else");
        }
    });
}

/// Rows between the first line of a right archive and a last line that fits them.
fn ended(rows: &str) -> Vec<u8> {
    let archive = String::from_utf8_lossy(&ARCHIVE);
    let (header, _) = input::line(&archive);
    let description: Value = serde_json::from_str(header).expect("the header is JSON");
    let rows: String = rows.lines().filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
    let mut counts = Map::new();
    for table in description["tables"].as_array().into_iter().flatten() {
        let name = table["name"].as_str().unwrap_or_default();
        let start = format!("[\"{name}\",");
        counts.insert(name.to_owned(), json!(rows.lines().filter(|line| line.starts_with(&start)).count()));
    }
    let of = |text: &str| sha256(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let header = format!("{header}\n");
    let end = json!({"rows": counts, "header_sha256": of(&header), "content_sha256": of(&rows)});
    format!("{header}{rows}{end}\n").into_bytes()
}

/// An export of a pool.
static EXPORT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    runtime().block_on(async {
        let server = Server::builder().unrecorded().start().await;
        let pool = server.pool(json!({})).await;
        server.client(&pool, json!({"GenerateSecret": true})).await;
        server.confirmed_user(&pool, "alice", "Passw0rd!", json!({"email": "alice@example.com"})).await;
        let (app, recipient) = (&server.app, ring(2));
        let keys = Keys { ring: &app.ring, recipient: &recipient, entropy: &*app.entropy };
        let mut bytes = Vec::new();
        transfer::export(&app.store, &keys, &pool, NOW, &mut bytes, &mut |_, _| ()).await.expect("an export");
        bytes
    })
});

/// An export: as it is (0), or a right one tampered with (1).
pub fn exports(data: &[u8]) {
    let Some((way, rest)) = input::choice(data, 2) else { return };
    let file = if way == 0 { rest.to_vec() } else { input::patched(&EXPORT, rest).unwrap_or_default() };
    runtime().block_on(async {
        let store = Store::open(&Options::memory()).await.expect("a database");
        let (own, recipient) = (ring(3), ring(2));
        let entropy = SeededEntropy::new(3);
        let keys = Keys { ring: &own, recipient: &recipient, entropy: &entropy };
        let imported = transfer::import(&store, &keys, &mut Cursor::new(&file), &mut |_, _| ()).await;
        if imported.is_ok() {
            // Of the first line, words for people are not sealed.
            let lines =
                |file: &[u8]| file.iter().position(|byte| *byte == b'\n').map(|end| file.split_at(end).1.to_vec());
            assert_eq!(lines(&file), lines(&EXPORT), "a change was not noticed: {rest:?}");
        }
    });
}
