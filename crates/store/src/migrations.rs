//! The schema, as numbered steps that are applied once and never edited afterwards.
//!
//! Each migration is a list of statements, every one of which may be repeated harmlessly: an engine without
//! transactional DDL can be interrupted anywhere and finish at the next start. The table `migrations` remembers
//! number, name and checksum of what was applied. The SQL is the subset that SQLite, PostgreSQL and the engines that
//! speak its protocol share: TEXT and BIGINT, no sequences, foreign keys or triggers.

use crate::Error;

/// What differs between the engines' DDL.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// What `{clustered}` stands for: the table is stored in the order of its primary key. Only for small rows.
    pub clustered: &'static str,
    /// What `TEXT` stands for: text that is compared byte by byte, which the order of pages rests on.
    pub text: &'static str,
}

/// SQLite: a clustered table saves the second tree that a rowid table needs for its primary key.
pub(crate) const SQLITE: Dialect = Dialect { clustered: " WITHOUT ROWID", text: "TEXT" };
/// A database of PostgreSQL's family that compares texts byte by byte by itself.
pub(crate) const BYTEWISE: Dialect = Dialect { clustered: "", text: "TEXT" };
/// Any other database of PostgreSQL's family.
pub(crate) const COLLATED: Dialect = Dialect { clustered: "", text: "TEXT COLLATE \"C\"" };

/// One step of the schema.
#[derive(Debug)]
pub(crate) struct Migration {
    /// Position, from 1, without gaps.
    pub number: i64,
    /// What it does.
    pub name: &'static str,
    /// Statements in order, each idempotent.
    pub statements: &'static [&'static str],
}

/// The table that remembers migrations; part of none.
pub(crate) const CREATE_BOOK: &str = "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, \
     name TEXT NOT NULL, checksum TEXT NOT NULL)";
/// The table of leases; part of no migration, because migrating takes one.
pub(crate) const CREATE_LEASES: &str = "CREATE TABLE IF NOT EXISTS leases (name TEXT PRIMARY KEY, \
     holder TEXT NOT NULL, version BIGINT NOT NULL)";
/// What was applied, in order.
pub(crate) const READ_BOOK: &str = "SELECT number, checksum FROM migrations ORDER BY number";
/// Remembers one that was applied.
pub(crate) const WRITE_BOOK: &str =
    "INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// All migrations, in order.
pub(crate) const ALL: &[Migration] = &[
    Migration {
        number: 1,
        name: "pools, users and what belongs to them",
        statements: &[
            "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
            "CREATE TABLE IF NOT EXISTS pools (id TEXT PRIMARY KEY, version BIGINT NOT NULL, deleted BIGINT NOT NULL, \
         doc TEXT NOT NULL)",
            "CREATE INDEX IF NOT EXISTS pools_by_state ON pools (deleted, id)",
            "CREATE TABLE IF NOT EXISTS clients (id TEXT PRIMARY KEY, pool_id TEXT NOT NULL, version BIGINT NOT NULL, \
         doc TEXT NOT NULL)",
            "CREATE INDEX IF NOT EXISTS clients_by_pool ON clients (pool_id, id)",
            "CREATE TABLE IF NOT EXISTS users (pool_id TEXT NOT NULL, sub TEXT NOT NULL, version BIGINT NOT NULL, \
         doc TEXT NOT NULL, PRIMARY KEY (pool_id, sub))",
            "CREATE TABLE IF NOT EXISTS names (pool_id TEXT NOT NULL, name TEXT NOT NULL, kind BIGINT NOT NULL, \
         sub TEXT NOT NULL, PRIMARY KEY (pool_id, name, kind)){clustered}",
            "CREATE TABLE IF NOT EXISTS user_counts (pool_id TEXT NOT NULL, shard BIGINT NOT NULL, \
         users BIGINT NOT NULL, PRIMARY KEY (pool_id, shard)){clustered}",
            "CREATE TABLE IF NOT EXISTS passwords (pool_id TEXT NOT NULL, sub TEXT NOT NULL, version BIGINT NOT NULL, \
         doc TEXT NOT NULL, PRIMARY KEY (pool_id, sub))",
            "CREATE TABLE IF NOT EXISTS codes (pool_id TEXT NOT NULL, sub TEXT NOT NULL, purpose BIGINT NOT NULL, \
         version BIGINT NOT NULL, expires_at BIGINT NOT NULL, doc TEXT NOT NULL, \
         PRIMARY KEY (pool_id, sub, purpose)){clustered}",
            "CREATE TABLE IF NOT EXISTS attempts (pool_id TEXT NOT NULL, sub TEXT NOT NULL, purpose BIGINT NOT NULL, \
         version BIGINT NOT NULL, expires_at BIGINT NOT NULL, doc TEXT NOT NULL, \
         PRIMARY KEY (pool_id, sub, purpose)){clustered}",
            "CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, pool_id TEXT NOT NULL, state BIGINT NOT NULL, \
         due_at BIGINT NOT NULL, created_at BIGINT NOT NULL, version BIGINT NOT NULL, doc TEXT NOT NULL)",
            "CREATE INDEX IF NOT EXISTS messages_by_due ON messages (state, due_at)",
            "CREATE INDEX IF NOT EXISTS messages_by_creation ON messages (created_at, id)",
            "CREATE TABLE IF NOT EXISTS signing_keys (kid TEXT PRIMARY KEY, pool_id TEXT NOT NULL, \
         version BIGINT NOT NULL, doc TEXT NOT NULL)",
            "CREATE INDEX IF NOT EXISTS signing_keys_by_pool ON signing_keys (pool_id, kid)",
            "CREATE TABLE IF NOT EXISTS access_keys (id TEXT PRIMARY KEY, version BIGINT NOT NULL, doc TEXT NOT NULL)",
            "CREATE TABLE IF NOT EXISTS revocations (pool_id TEXT NOT NULL, origin_jti TEXT NOT NULL, \
         version BIGINT NOT NULL, expires_at BIGINT NOT NULL, PRIMARY KEY (pool_id, origin_jti)){clustered}",
            "CREATE TABLE IF NOT EXISTS spent (id TEXT PRIMARY KEY, version BIGINT NOT NULL, \
         expires_at BIGINT NOT NULL){clustered}",
        ],
    },
    Migration {
        number: 2,
        name: "several servers on one database",
        statements: &[
            "CREATE TABLE IF NOT EXISTS stamps (id TEXT PRIMARY KEY, fence BIGINT NOT NULL, \
         expires_at BIGINT NOT NULL){clustered}",
            "CREATE TABLE IF NOT EXISTS epochs (shard BIGINT PRIMARY KEY, epoch BIGINT NOT NULL)",
        ],
    },
    Migration {
        number: 3,
        name: "groups, domains, imports, and what else a pool has",
        statements: &[
            "CREATE TABLE IF NOT EXISTS parts (pool_id TEXT NOT NULL, kind BIGINT NOT NULL, id TEXT NOT NULL, \
         version BIGINT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (pool_id, kind, id))",
            "CREATE TABLE IF NOT EXISTS domains (domain TEXT PRIMARY KEY, pool_id TEXT NOT NULL, \
         version BIGINT NOT NULL, doc TEXT NOT NULL)",
            "CREATE INDEX IF NOT EXISTS domains_by_pool ON domains (pool_id, domain)",
            "CREATE TABLE IF NOT EXISTS members (pool_id TEXT NOT NULL, group_id TEXT NOT NULL, sub TEXT NOT NULL, \
         group_name TEXT NOT NULL, PRIMARY KEY (pool_id, group_id, sub)){clustered}",
            "CREATE INDEX IF NOT EXISTS members_by_user ON members (pool_id, sub, group_name, group_id)",
            "CREATE TABLE IF NOT EXISTS search_keys (pool_id TEXT NOT NULL, kind BIGINT NOT NULL, \
         value TEXT NOT NULL, sub TEXT NOT NULL, PRIMARY KEY (pool_id, kind, value, sub)){clustered}",
            "CREATE TABLE IF NOT EXISTS chunks (file_id TEXT NOT NULL, number BIGINT NOT NULL, pool_id TEXT NOT NULL, \
         version BIGINT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (file_id, number))",
            "CREATE INDEX IF NOT EXISTS chunks_by_pool ON chunks (pool_id, file_id)",
            "CREATE TABLE IF NOT EXISTS purges (id TEXT PRIMARY KEY, pool_id TEXT NOT NULL, kind BIGINT NOT NULL)",
            "CREATE INDEX IF NOT EXISTS purges_by_pool ON purges (pool_id, id)",
        ],
    },
    Migration {
        number: 4,
        name: "devices, passkeys, software tokens and sign-ins of users",
        statements: &[
            "CREATE TABLE IF NOT EXISTS user_parts (pool_id TEXT NOT NULL, sub TEXT NOT NULL, kind BIGINT NOT NULL, \
         id TEXT NOT NULL, version BIGINT NOT NULL, expires_at BIGINT NOT NULL, doc TEXT NOT NULL, \
         PRIMARY KEY (pool_id, sub, kind, id))",
        ],
    },
];

/// A migration that a database still needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedMigration {
    /// Its number.
    pub number: i64,
    /// What it does.
    pub name: &'static str,
    /// Its statements, in the words of that database.
    pub statements: Vec<String>,
}

impl Migration {
    /// The migration as it would be applied.
    pub(crate) fn planned(&self, dialect: &'static Dialect) -> PlannedMigration {
        PlannedMigration { number: self.number, name: self.name, statements: self.statements(dialect).collect() }
    }

    /// The statements in one engine's words.
    pub(crate) fn statements(&self, dialect: &'static Dialect) -> impl Iterator<Item = String> {
        self.statements.iter().map(|sql| in_dialect(sql, dialect))
    }

    /// A fingerprint of the statements, the same for every engine: 64-bit FNV-1a in hex. It guards against mix-ups,
    /// not against attackers.
    pub(crate) fn checksum(&self) -> String {
        let mut text = Vec::new();
        for statement in self.statements {
            text.extend_from_slice(statement.as_bytes());
            text.push(b'\n');
        }
        format!("{:016x}", fingerprint(&text))
    }
}

/// A statement of the schema in one engine's words.
pub(crate) fn in_dialect(sql: &str, dialect: &Dialect) -> String {
    sql.replace("{clustered}", dialect.clustered).replace(" TEXT", &format!(" {}", dialect.text))
}

/// 64-bit FNV-1a.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What of `known` is still to be applied to a database that remembers `applied` (number and checksum, in order).
pub(crate) fn pending<'a>(known: &'a [Migration], applied: &[(i64, String)]) -> Result<&'a [Migration], Error> {
    let newest_known = known.last().map_or(0, |migration| migration.number);
    if let Some((found, _)) = applied.last()
        && *found > newest_known
    {
        return Err(Error::NewerSchema { found: *found, known: newest_known });
    }
    for (migration, (number, checksum)) in known.iter().zip(applied) {
        if migration.number != *number || migration.checksum() != *checksum {
            return Err(Error::ChangedMigration { number: migration.number, name: migration.name });
        }
    }
    Ok(known.get(applied.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{ALL, Error, Migration, fingerprint, pending};

    const KNOWN: &[Migration] = &[
        Migration { number: 1, name: "one", statements: &["CREATE TABLE IF NOT EXISTS a (id TEXT)"] },
        Migration { number: 2, name: "two", statements: &["CREATE TABLE IF NOT EXISTS b (id TEXT)"] },
    ];

    #[test]
    fn the_fingerprint_is_the_published_one() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn numbers_have_no_gaps_and_every_statement_may_be_repeated() {
        for (migration, number) in ALL.iter().zip(1..) {
            assert_eq!(migration.number, number);
            for statement in migration.statements {
                assert!(statement.contains(" IF NOT EXISTS "), "{statement}");
            }
        }
    }

    #[test]
    fn only_what_is_missing_is_applied() {
        let applied: Vec<_> = KNOWN.iter().map(|migration| (migration.number, migration.checksum())).collect();
        let numbers = |count: usize| -> Vec<i64> {
            pending(KNOWN, applied.get(..count).unwrap()).unwrap().iter().map(|migration| migration.number).collect()
        };
        assert_eq!(numbers(0), [1, 2]);
        assert_eq!(numbers(1), [2]);
        assert_eq!(numbers(2), [] as [i64; 0]);
    }

    #[test]
    fn strange_histories_are_refused() {
        let newer = [(1, String::new()), (2, String::new()), (3, String::new())];
        assert_eq!(pending(KNOWN, &newer).unwrap_err(), Error::NewerSchema { found: 3, known: 2 });
        let changed = [(1, "0000000000000000".to_owned())];
        assert_eq!(pending(KNOWN, &changed).unwrap_err(), Error::ChangedMigration { number: 1, name: "one" });
        let gap = [(2, KNOWN.last().unwrap().checksum())];
        assert_eq!(pending(KNOWN, &gap).unwrap_err(), Error::ChangedMigration { number: 1, name: "one" });
    }
}
