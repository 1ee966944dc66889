//! Databases to read from and to write to, and what is in them.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use cluster::Scratch;
use domain::{AttemptPurpose, CodePurpose, NameKind, SearchKind, Timestamp};
use poolkeeper_store::{
    Address, Changes, Options, PostgresOptions, PurgeKind, Store,
    archive::{self, ArchiveError, Backup, Restored},
};
use tempfile::TempDir;

use crate::rows::{self, NOW, OTHER_POOL, POOL};

/// An engine.
#[derive(Clone, Copy, Debug)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A database that does not exist yet, or is empty. It goes with this value.
pub struct Database {
    pub options: Options,
    place: Place,
}

enum Place {
    Folder(TempDir),
    Server(Scratch),
}

/// The engines that there are: PostgreSQL where the environment names a server.
pub fn engines() -> Vec<Engine> {
    match std::env::var_os("POOLKEEPER_TEST_POSTGRES").filter(|url| !url.is_empty()) {
        Some(_) => vec![Engine::Sqlite, Engine::Postgres],
        None => vec![Engine::Sqlite],
    }
}

/// Every engine with every engine.
pub fn pairs() -> Vec<(Engine, Engine)> {
    engines().into_iter().flat_map(|from| engines().into_iter().map(move |to| (from, to))).collect()
}

impl Database {
    pub fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let folder = TempDir::new().unwrap();
                Self { options: Options::file(folder.path().join("poolkeeper.db")), place: Place::Folder(folder) }
            }
            Engine::Postgres => {
                let scratch = Scratch::from_environment().unwrap().unwrap();
                let address = Address::parse(&scratch.url()).unwrap();
                Self { options: Options::postgres(PostgresOptions::new(address)), place: Place::Server(scratch) }
            }
        }
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.options).await.unwrap()
    }

    /// Runs SQL on it as somebody from outside would.
    pub fn sql(&self, sql: &str) {
        match &self.place {
            Place::Folder(folder) => {
                let connection = rusqlite::Connection::open(folder.path().join("poolkeeper.db")).unwrap();
                connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
                connection.execute_batch(sql).unwrap();
            }
            Place::Server(scratch) => drop(scratch.sql(sql).unwrap()),
        }
    }
}

/// Something of everything, texts of all kinds among it.
pub async fn fill(store: &Store) {
    store.set_meta_if_absent("master-key-check", "sealed").await.unwrap();
    let mut changes = Changes::new();
    for pool in [POOL, OTHER_POOL] {
        changes.insert(rows::pool(pool)).insert(rows::client(&format!("client-of-{pool}"), pool));
        changes.insert(rows::signing_key(&format!("key-of-{pool}"), pool));
        changes.count_users(pool, 3).count_users(pool, -5);
        // In the order of their bytes, which is the order of no language, and not that of UTF-16 either.
        for sub in ["", "Z", "a", "a b", "z", "\u{e4}", "\u{ffff}", "\u{1f600}"] {
            let mut user = rows::user(pool, sub);
            user.username = format!("\"\\\u{8}\u{c}\n\r\t\u{1}\u{7f}/\u{2028}{sub}\0");
            changes.insert(user).insert(rows::password(pool, sub));
            changes.insert(rows::code(pool, sub, CodePurpose::Reset, "hash"));
            changes.insert(rows::attempts(pool, sub, AttemptPurpose::SignIn));
            changes.claim(pool, &format!("name {sub}"), NameKind::Username, sub);
            changes.claim(pool, &format!("name {sub}"), NameKind::Email, sub);
            changes.insert(rows::revocation(pool, sub));
            let group = rows::group(pool, &format!("g{sub}"));
            changes.insert(&group).join(&group, sub);
            changes.search(pool, (SearchKind::Name, sub.to_owned()), sub, true);
            changes.insert_user_part(rows::gadget(pool, sub, &format!("key of {sub}")));
            changes.insert(rows::domain(&format!("{sub}-of-{pool}"), pool));
            changes.insert(rows::chunk(&format!("{sub}-of-{pool}"), 0, pool));
            changes.purge(pool, PurgeKind::File, &format!("{sub}-of-{pool}"));
        }
    }
    changes.insert(rows::signing_key("stock", "")).insert(rows::access_key("AKIA1"));
    changes.insert(rows::message("m1", NOW)).insert(rows::message("m2", Timestamp(i64::MAX)));
    changes.insert(rows::spent("mark")).insert(rows::spent(""));
    store.commit(changes).await.unwrap();
}

/// Users in so many rows that they need several pages.
pub async fn crowd(store: &Store, users: usize) {
    let subs: Vec<String> = (0..users).map(|number| format!("{number:06}")).collect();
    for some in subs.chunks(500) {
        let mut changes = Changes::new();
        for sub in some {
            changes.insert(rows::user(POOL, sub)).claim(POOL, sub, NameKind::Username, sub);
        }
        store.commit(changes).await.unwrap();
    }
}

/// A backup in memory.
pub async fn backup(from: &Database) -> Result<(Vec<u8>, Backup), ArchiveError> {
    let mut bytes = Vec::new();
    let made = archive::backup(&from.options, &mut bytes, NOW, &mut |_| {}).await?;
    Ok((bytes, made))
}

/// A restore from memory.
pub async fn restore(bytes: &[u8], to: &Database, replace: bool) -> Result<Restored, ArchiveError> {
    archive::restore(&mut Cursor::new(bytes), &to.options, replace, "this test", &mut |_| {}).await
}

/// The words of an error.
pub fn words<T: std::fmt::Debug>(result: Result<T, ArchiveError>) -> String {
    result.unwrap_err().to_string()
}

/// A file that is another one when it is read for the second time.
pub struct Fickle {
    contents: [Cursor<Vec<u8>>; 2],
    readings: usize,
    /// How many bytes can be read the second time.
    pub readable: u64,
}

impl Fickle {
    pub fn new(first: &[u8], second: &[u8]) -> Self {
        Self { contents: [Cursor::new(first.to_vec()), Cursor::new(second.to_vec())], readings: 0, readable: u64::MAX }
    }

    fn now(&mut self) -> &mut Cursor<Vec<u8>> {
        &mut self.contents[usize::from(self.readings > 1)]
    }
}

impl Read for Fickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.now().read(buffer)
    }
}

impl BufRead for Fickle {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.readings > 1 && self.now().position() >= self.readable {
            return Err(io::Error::other("the disk is gone"));
        }
        self.now().fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.now().consume(amount);
    }
}

impl Seek for Fickle {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.readings += usize::from(position == SeekFrom::Start(0));
        self.now().seek(position)
    }
}
