//! Every statement of the store, once, in the SQL that SQLite and the PostgreSQL family share.
//!
//! Placeholders are `$1`, `$2`, … and appear for the first time in that order: PostgreSQL binds them by number,
//! SQLite takes them for names and numbers them by first appearance, so both bind the same values (tested).
//!
//! Every table of nouns has the same four statements, with parameters in these orders:
//! - insert: key columns, other columns, first version;
//! - update: other columns, key columns, expected version;
//! - delete and assert: key columns, expected version.

/// The statements that write one table of nouns.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its name, for errors.
    pub name: &'static str,
    /// Changes no row when the key exists.
    pub insert: &'static str,
    /// Changes no row unless the version matches.
    pub update: &'static str,
    /// Changes no row unless the version matches.
    pub delete: &'static str,
    /// Returns no row unless the version matches.
    pub assert: &'static str,
}

/// Pools are never removed by an operation but marked; [`PURGE_POOL`] removes the marked row at the very end.
pub(crate) const POOLS: Table = Table {
    name: "pools",
    insert: "INSERT INTO pools (id, doc, version, deleted) VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING",
    update: "UPDATE pools SET doc = $1, version = version + 1 WHERE id = $2 AND version = $3 AND deleted = 0",
    delete: "UPDATE pools SET deleted = 1, version = version + 1 WHERE id = $1 AND version = $2 AND deleted = 0",
    assert: "SELECT version FROM pools WHERE id = $1 AND version = $2 AND deleted = 0",
};

pub(crate) const CLIENTS: Table = Table {
    name: "clients",
    insert: "INSERT INTO clients (id, pool_id, doc, version) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    update: "UPDATE clients SET pool_id = $1, doc = $2, version = version + 1 WHERE id = $3 AND version = $4",
    delete: "DELETE FROM clients WHERE id = $1 AND version = $2",
    assert: "SELECT version FROM clients WHERE id = $1 AND version = $2",
};

pub(crate) const USERS: Table = Table {
    name: "users",
    insert: "INSERT INTO users (pool_id, sub, doc, version) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    update: "UPDATE users SET doc = $1, version = version + 1 WHERE pool_id = $2 AND sub = $3 AND version = $4",
    delete: "DELETE FROM users WHERE pool_id = $1 AND sub = $2 AND version = $3",
    assert: "SELECT version FROM users WHERE pool_id = $1 AND sub = $2 AND version = $3",
};

pub(crate) const PASSWORDS: Table = Table {
    name: "passwords",
    insert: "INSERT INTO passwords (pool_id, sub, doc, version) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    update: "UPDATE passwords SET doc = $1, version = version + 1 WHERE pool_id = $2 AND sub = $3 AND version = $4",
    delete: "DELETE FROM passwords WHERE pool_id = $1 AND sub = $2 AND version = $3",
    assert: "SELECT version FROM passwords WHERE pool_id = $1 AND sub = $2 AND version = $3",
};

pub(crate) const CODES: Table = Table {
    name: "codes",
    insert: "INSERT INTO codes (pool_id, sub, purpose, expires_at, doc, version) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT DO NOTHING",
    update: "UPDATE codes SET expires_at = $1, doc = $2, version = version + 1 \
             WHERE pool_id = $3 AND sub = $4 AND purpose = $5 AND version = $6",
    delete: "DELETE FROM codes WHERE pool_id = $1 AND sub = $2 AND purpose = $3 AND version = $4",
    assert: "SELECT version FROM codes WHERE pool_id = $1 AND sub = $2 AND purpose = $3 AND version = $4",
};

pub(crate) const ATTEMPTS: Table = Table {
    name: "attempts",
    insert: "INSERT INTO attempts (pool_id, sub, purpose, expires_at, doc, version) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT DO NOTHING",
    update: "UPDATE attempts SET expires_at = $1, doc = $2, version = version + 1 \
             WHERE pool_id = $3 AND sub = $4 AND purpose = $5 AND version = $6",
    delete: "DELETE FROM attempts WHERE pool_id = $1 AND sub = $2 AND purpose = $3 AND version = $4",
    assert: "SELECT version FROM attempts WHERE pool_id = $1 AND sub = $2 AND purpose = $3 AND version = $4",
};

/// An update names what never changes of a message among what it expects: a column that is set has its index written
/// anew.
pub(crate) const MESSAGES: Table = Table {
    name: "messages",
    insert: "INSERT INTO messages (id, state, due_at, doc, pool_id, created_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    update: "UPDATE messages SET state = $1, due_at = $2, doc = $3, version = version + 1 \
             WHERE pool_id = $4 AND created_at = $5 AND id = $6 AND version = $7",
    delete: "DELETE FROM messages WHERE id = $1 AND version = $2",
    assert: "SELECT version FROM messages WHERE id = $1 AND version = $2",
};

pub(crate) const SIGNING_KEYS: Table = Table {
    name: "signing_keys",
    insert: "INSERT INTO signing_keys (kid, pool_id, doc, version) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    update: "UPDATE signing_keys SET pool_id = $1, doc = $2, version = version + 1 WHERE kid = $3 AND version = $4",
    delete: "DELETE FROM signing_keys WHERE kid = $1 AND version = $2",
    assert: "SELECT version FROM signing_keys WHERE kid = $1 AND version = $2",
};

pub(crate) const ACCESS_KEYS: Table = Table {
    name: "access_keys",
    insert: "INSERT INTO access_keys (id, doc, version) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    update: "UPDATE access_keys SET doc = $1, version = version + 1 WHERE id = $2 AND version = $3",
    delete: "DELETE FROM access_keys WHERE id = $1 AND version = $2",
    assert: "SELECT version FROM access_keys WHERE id = $1 AND version = $2",
};

pub(crate) const REVOCATIONS: Table = Table {
    name: "revocations",
    insert: "INSERT INTO revocations (pool_id, origin_jti, expires_at, version) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING",
    update: "UPDATE revocations SET expires_at = $1, version = version + 1 \
             WHERE pool_id = $2 AND origin_jti = $3 AND version = $4",
    delete: "DELETE FROM revocations WHERE pool_id = $1 AND origin_jti = $2 AND version = $3",
    assert: "SELECT version FROM revocations WHERE pool_id = $1 AND origin_jti = $2 AND version = $3",
};

pub(crate) const SPENT: Table = Table {
    name: "spent",
    insert: "INSERT INTO spent (id, expires_at, version) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    update: "UPDATE spent SET expires_at = $1, version = version + 1 WHERE id = $2 AND version = $3",
    delete: "DELETE FROM spent WHERE id = $1 AND version = $2",
    assert: "SELECT version FROM spent WHERE id = $1 AND version = $2",
};

/// Who may do a job that only one server at a time should do.
pub(crate) const LEASES: Table = Table {
    name: "leases",
    insert: "INSERT INTO leases (name, holder, version) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    update: "UPDATE leases SET holder = $1, version = version + 1 WHERE name = $2 AND version = $3",
    delete: "DELETE FROM leases WHERE name = $1 AND version = $2",
    assert: "SELECT version FROM leases WHERE name = $1 AND version = $2",
};

/// Groups, resource servers, identity providers and whatever else a pool has a moderate number of.
pub(crate) const PARTS: Table = Table {
    name: "parts",
    insert: "INSERT INTO parts (pool_id, kind, id, doc, version) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    update: "UPDATE parts SET doc = $1, version = version + 1 \
             WHERE pool_id = $2 AND kind = $3 AND id = $4 AND version = $5",
    delete: "DELETE FROM parts WHERE pool_id = $1 AND kind = $2 AND id = $3 AND version = $4",
    assert: "SELECT version FROM parts WHERE pool_id = $1 AND kind = $2 AND id = $3 AND version = $4",
};

/// Devices, passkeys and whatever else a user has a few of.
pub(crate) const USER_PARTS: Table = Table {
    name: "user_parts",
    insert: "INSERT INTO user_parts (pool_id, sub, kind, id, expires_at, doc, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    update: "UPDATE user_parts SET expires_at = $1, doc = $2, version = version + 1 \
             WHERE pool_id = $3 AND sub = $4 AND kind = $5 AND id = $6 AND version = $7",
    delete: "DELETE FROM user_parts WHERE pool_id = $1 AND sub = $2 AND kind = $3 AND id = $4 AND version = $5",
    assert: "SELECT version FROM user_parts WHERE pool_id = $1 AND sub = $2 AND kind = $3 AND id = $4 AND version = $5",
};

pub(crate) const DOMAINS: Table = Table {
    name: "domains",
    insert: "INSERT INTO domains (domain, pool_id, doc, version) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    update: "UPDATE domains SET pool_id = $1, doc = $2, version = version + 1 WHERE domain = $3 AND version = $4",
    delete: "DELETE FROM domains WHERE domain = $1 AND version = $2",
    assert: "SELECT version FROM domains WHERE domain = $1 AND version = $2",
};

/// Files in pieces: what an import reads, and what it has to say.
pub(crate) const CHUNKS: Table = Table {
    name: "chunks",
    insert: "INSERT INTO chunks (file_id, number, pool_id, doc, version) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT DO NOTHING",
    update: "UPDATE chunks SET pool_id = $1, doc = $2, version = version + 1 \
             WHERE file_id = $3 AND number = $4 AND version = $5",
    delete: "DELETE FROM chunks WHERE file_id = $1 AND number = $2 AND version = $3",
    assert: "SELECT version FROM chunks WHERE file_id = $1 AND number = $2 AND version = $3",
};

/// One row when the name is free or owned by that user already, none when another owns it.
pub(crate) const CLAIM: &str = "INSERT INTO names (pool_id, name, kind, sub) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (pool_id, name, kind) DO UPDATE SET sub = names.sub WHERE names.sub = excluded.sub";
pub(crate) const RELEASE: &str = "DELETE FROM names WHERE pool_id = $1 AND name = $2 AND kind = $3 AND sub = $4";
pub(crate) const COUNT_USERS: &str = "INSERT INTO user_counts (pool_id, shard, users) VALUES ($1, $2, $3) \
     ON CONFLICT (pool_id, shard) DO UPDATE SET users = user_counts.users + excluded.users";
pub(crate) const JOIN_GROUP: &str = "INSERT INTO members (pool_id, group_id, sub, group_name) \
     VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
pub(crate) const LEAVE_GROUP: &str = "DELETE FROM members WHERE pool_id = $1 AND group_id = $2 AND sub = $3";
pub(crate) const DROP_USER_PARTS: &str = "DELETE FROM user_parts WHERE pool_id = $1 AND sub = $2";
pub(crate) const LEAVE_ALL_GROUPS: &str = "DELETE FROM members WHERE pool_id = $1 AND sub = $2";
pub(crate) const ADD_SEARCH_KEY: &str = "INSERT INTO search_keys (pool_id, kind, value, sub) \
     VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
pub(crate) const REMOVE_SEARCH_KEY: &str =
    "DELETE FROM search_keys WHERE pool_id = $1 AND kind = $2 AND value = $3 AND sub = $4";
pub(crate) const ADD_PURGE: &str = "INSERT INTO purges (id, pool_id, kind) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
pub(crate) const SET_META: &str = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";

// What several servers on one database need. A stamp says that a transaction was kept (fence 0) or that it must not
// be kept any more (fence 1); the epoch grows with every change of what servers keep in memory.
pub(crate) const STAMP: &str = "INSERT INTO stamps (id, fence, expires_at) VALUES ($1, $2, $3)";
pub(crate) const FENCE: &str = "INSERT INTO stamps (id, fence, expires_at) VALUES ($1, $2, $3) \
     ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at";
pub(crate) const SETTLED: &str = "SELECT fence FROM stamps WHERE id = $1";
pub(crate) const NEXT_EPOCH: &str = "INSERT INTO epochs (shard, epoch) VALUES ($1, 1) \
     ON CONFLICT (shard) DO UPDATE SET epoch = epochs.epoch + 1";
pub(crate) const EPOCH: &str = "SELECT CAST(COALESCE(SUM(epoch), 0) AS BIGINT) FROM epochs";
pub(crate) const LEASE: &str = "SELECT holder, version FROM leases WHERE name = $1";
pub(crate) const DROP_LEASE: &str = "DELETE FROM leases WHERE name = $1 AND holder = $2";

// Reads. Documents come first, then the version; a list adds nothing, because documents carry their keys.
pub(crate) const POOL: &str = "SELECT doc, version FROM pools WHERE id = $1 AND deleted = 0";
pub(crate) const POOLS_AFTER: &str =
    "SELECT doc, version, id FROM pools WHERE deleted = 0 AND id > $1 ORDER BY id LIMIT $2";
pub(crate) const CLIENT: &str = "SELECT clients.doc, clients.version FROM clients \
     JOIN pools ON pools.id = clients.pool_id WHERE clients.id = $1 AND pools.deleted = 0";
pub(crate) const CLIENTS_AFTER: &str = "SELECT clients.doc, clients.version, clients.id FROM clients \
     JOIN pools ON pools.id = clients.pool_id \
     WHERE clients.pool_id = $1 AND clients.id > $2 AND pools.deleted = 0 ORDER BY clients.id LIMIT $3";
/// How many pools, and how many clients of one, there are. Looks at no more than it is told.
pub(crate) const COUNT_POOLS: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM \
     (SELECT id FROM pools WHERE deleted = 0 ORDER BY id LIMIT $1) AS first_pools";
pub(crate) const COUNT_CLIENTS: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM \
     (SELECT id FROM clients WHERE pool_id = $1 ORDER BY id LIMIT $2) AS first_clients";
// Users and passwords may be asked for that are not there, and that must not be told by the time it takes: what is read
// is the next row, which is looked at when it has been read. Where nobody has the id that is another user's, and as many
// pages are read. Only an id behind the pool's last one finds nothing to read.
pub(crate) const USER: &str = "SELECT doc, version FROM (SELECT doc, version, sub FROM users \
     WHERE pool_id = $1 AND sub >= $2 ORDER BY sub LIMIT 1) AS next_user WHERE sub = $2";
/// The owner of a name, and whoever has it for an id, in one statement. The fourth column says which of them comes
/// first. Where nobody owns the name, the user at `$3` is read as in [`USER`]: known and unknown names cost the same.
/// Linked identities (kind 4) are no names to look anybody up by.
pub(crate) const USERS_BY_NAME: &str = "SELECT doc, version, sub, CAST(0 AS BIGINT) FROM (SELECT doc, version, sub, \
     (SELECT sub FROM names WHERE pool_id = $1 AND name = $2 AND kind < 4 ORDER BY kind LIMIT 1) AS owner \
     FROM users WHERE pool_id = $1 AND sub >= COALESCE(\
     (SELECT sub FROM names WHERE pool_id = $1 AND name = $2 AND kind < 4 ORDER BY kind LIMIT 1), $3) \
     ORDER BY sub LIMIT 1) AS next_user WHERE sub = owner \
     UNION ALL SELECT doc, version, sub, CAST(99 AS BIGINT) FROM users WHERE pool_id = $1 AND sub = $2";
pub(crate) const NAME_OWNER: &str = "SELECT sub FROM names WHERE pool_id = $1 AND name = $2 AND kind = $3";
pub(crate) const USERS_AFTER: &str =
    "SELECT doc, version, sub FROM users WHERE pool_id = $1 AND sub > $2 ORDER BY sub LIMIT $3";
pub(crate) const ESTIMATED_USERS: &str =
    "SELECT CAST(COALESCE(SUM(users), 0) AS BIGINT) FROM user_counts WHERE pool_id = $1";
pub(crate) const PART: &str = "SELECT doc, version, id FROM parts WHERE pool_id = $1 AND kind = $2 AND id = $3";
pub(crate) const PARTS_AFTER: &str = "SELECT doc, version, id FROM parts \
     WHERE pool_id = $1 AND kind = $2 AND id > $3 ORDER BY id LIMIT $4";
/// How many parts of a kind a pool has. Looks at no more than it is told.
pub(crate) const COUNT_PARTS: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM \
     (SELECT id FROM parts WHERE pool_id = $1 AND kind = $2 ORDER BY id LIMIT $3) AS first_parts";
pub(crate) const PART_DOCUMENTS: &str = "SELECT doc, version, id, kind FROM parts \
     WHERE pool_id = $1 AND (kind, id) > ($2, $3) ORDER BY kind, id LIMIT $4";
pub(crate) const USER_PART: &str = "SELECT doc, version, id FROM user_parts \
     WHERE pool_id = $1 AND sub = $2 AND kind = $3 AND id = $4";
pub(crate) const USER_PARTS_AFTER: &str = "SELECT doc, version, id FROM user_parts \
     WHERE pool_id = $1 AND sub = $2 AND kind = $3 AND id > $4 ORDER BY id LIMIT $5";
pub(crate) const USER_PARTS_BEFORE: &str = "SELECT doc, version, id FROM user_parts \
     WHERE pool_id = $1 AND sub = $2 AND kind = $3 AND id < $4 ORDER BY id DESC LIMIT $5";
pub(crate) const USER_PART_DOCUMENTS: &str = "SELECT doc, version, id, kind, expires_at FROM user_parts \
     WHERE pool_id = $1 AND sub = $2 ORDER BY kind, id LIMIT $3";
pub(crate) const DOMAIN: &str = "SELECT domains.doc, domains.version FROM domains \
     JOIN pools ON pools.id = domains.pool_id WHERE domains.domain = $1 AND pools.deleted = 0";
pub(crate) const DOMAINS_OF_POOL: &str =
    "SELECT doc, version, domain FROM domains WHERE pool_id = $1 ORDER BY domain LIMIT $2";
pub(crate) const CHUNK: &str = "SELECT doc, version FROM chunks WHERE file_id = $1 AND number = $2";
/// The groups of a user, each with the id that the membership is of: a group that was deleted and made anew has
/// another one.
pub(crate) const GROUPS_OF_USER: &str = "SELECT parts.doc, parts.version, members.group_name, members.group_id \
     FROM members JOIN parts ON parts.pool_id = members.pool_id AND parts.kind = 0 AND parts.id = members.group_name \
     WHERE members.pool_id = $1 AND members.sub = $2 AND (members.group_name, members.group_id) > ($3, $4) \
     ORDER BY members.group_name, members.group_id LIMIT $5";
pub(crate) const MEMBERS_AFTER: &str = "SELECT users.doc, users.version, users.sub FROM members \
     JOIN users ON users.pool_id = members.pool_id AND users.sub = members.sub \
     WHERE members.pool_id = $1 AND members.group_id = $2 AND members.sub > $3 ORDER BY members.sub LIMIT $4";
// Users in the order of what is searched for. The fourth column is that value.
pub(crate) const USERS_WITH: &str = "SELECT users.doc, users.version, users.sub, search_keys.value FROM search_keys \
     JOIN users ON users.pool_id = search_keys.pool_id AND users.sub = search_keys.sub \
     WHERE search_keys.pool_id = $1 AND search_keys.kind = $2 AND search_keys.value = $3 AND search_keys.sub > $4 \
     ORDER BY search_keys.sub LIMIT $5";
pub(crate) const USERS_WITHIN: &str = "SELECT users.doc, users.version, users.sub, search_keys.value FROM search_keys \
     JOIN users ON users.pool_id = search_keys.pool_id AND users.sub = search_keys.sub \
     WHERE search_keys.pool_id = $1 AND search_keys.kind = $2 \
     AND (search_keys.value, search_keys.sub) > ($3, $4) AND search_keys.value < $5 \
     ORDER BY search_keys.value, search_keys.sub LIMIT $6";
pub(crate) const USERS_NAMED_WITHIN: &str = "SELECT users.doc, users.version, users.sub, names.name FROM names \
     JOIN users ON users.pool_id = names.pool_id AND users.sub = names.sub \
     WHERE names.pool_id = $1 AND names.name > $2 AND names.name < $3 AND names.kind = 0 \
     ORDER BY names.name LIMIT $4";
pub(crate) const USERS_BETWEEN: &str =
    "SELECT doc, version, sub FROM users WHERE pool_id = $1 AND sub > $2 AND sub < $3 ORDER BY sub LIMIT $4";
/// As in [`USER`].
pub(crate) const PASSWORD: &str = "SELECT doc, version FROM (SELECT doc, version, sub FROM passwords \
     WHERE pool_id = $1 AND sub >= $2 ORDER BY sub LIMIT 1) AS next_password WHERE sub = $2";
pub(crate) const CODE: &str = "SELECT doc, version FROM codes WHERE pool_id = $1 AND sub = $2 AND purpose = $3";
pub(crate) const ATTEMPT: &str = "SELECT doc, version FROM attempts WHERE pool_id = $1 AND sub = $2 AND purpose = $3";
// Several rows of one user at one moment: a part's number, its document, its version.
/// Users and passwords as in [`USER`].
pub(crate) const SIGN_IN_PARTS: &str = "SELECT CAST(0 AS BIGINT), doc, version FROM (SELECT doc, version, sub \
     FROM users WHERE pool_id = $1 AND sub >= $2 ORDER BY sub LIMIT 1) AS next_user WHERE sub = $2 \
     UNION ALL SELECT CAST(1 AS BIGINT), doc, version FROM (SELECT doc, version, sub \
     FROM passwords WHERE pool_id = $1 AND sub >= $2 ORDER BY sub LIMIT 1) AS next_password WHERE sub = $2 \
     UNION ALL SELECT CAST(2 AS BIGINT), doc, version FROM attempts WHERE pool_id = $1 AND sub = $2 AND purpose = $3";
/// The same of whoever has a name, as in [`USERS_BY_NAME`]: by name first, by id with ten added to the number. Nobody's
/// attempts are those of the stand-in.
pub(crate) const SIGN_IN_PARTS_BY_NAME: &str = "SELECT CAST(0 AS BIGINT), doc, version FROM (SELECT doc, version, sub, \
     (SELECT sub FROM names WHERE pool_id = $1 AND name = $2 AND kind < 4 ORDER BY kind LIMIT 1) AS owner \
     FROM users WHERE pool_id = $1 AND sub >= COALESCE(\
     (SELECT sub FROM names WHERE pool_id = $1 AND name = $2 AND kind < 4 ORDER BY kind LIMIT 1), $3) \
     ORDER BY sub LIMIT 1) AS next_user WHERE sub = owner \
     UNION ALL SELECT CAST(1 AS BIGINT), doc, version FROM (SELECT doc, version, sub, \
     (SELECT sub FROM names WHERE pool_id = $1 AND name = $2 AND kind < 4 ORDER BY kind LIMIT 1) AS owner \
     FROM passwords WHERE pool_id = $1 AND sub >= COALESCE(\
     (SELECT sub FROM names WHERE pool_id = $1 AND name = $2 AND kind < 4 ORDER BY kind LIMIT 1), $3) \
     ORDER BY sub LIMIT 1) AS next_password WHERE sub = owner \
     UNION ALL SELECT CAST(2 AS BIGINT), doc, version FROM attempts WHERE pool_id = $1 AND sub = COALESCE(\
     (SELECT sub FROM names WHERE pool_id = $1 AND name = $2 AND kind < 4 ORDER BY kind LIMIT 1), $3) AND purpose = $4 \
     UNION ALL SELECT CAST(10 AS BIGINT), doc, version FROM users WHERE pool_id = $1 AND sub = $2 \
     UNION ALL SELECT CAST(11 AS BIGINT), doc, version FROM passwords WHERE pool_id = $1 AND sub = $2 \
     UNION ALL SELECT CAST(12 AS BIGINT), doc, version FROM attempts WHERE pool_id = $1 AND sub = $2 AND purpose = $4";
pub(crate) const TOKEN_PARTS: &str = "SELECT CAST(0 AS BIGINT), doc, version FROM users \
     WHERE pool_id = $1 AND sub = $2 \
     UNION ALL SELECT CAST(1 AS BIGINT), '', version FROM revocations WHERE pool_id = $1 AND origin_jti = $3";
pub(crate) const REFRESH_PARTS: &str = "SELECT CAST(0 AS BIGINT), doc, version FROM users \
     WHERE pool_id = $1 AND sub = $2 \
     UNION ALL SELECT CAST(1 AS BIGINT), '', version FROM revocations WHERE pool_id = $1 AND origin_jti = $3 \
     UNION ALL SELECT CAST(2 AS BIGINT), doc, version FROM user_parts \
     WHERE pool_id = $1 AND sub = $2 AND kind = $4 AND id = $3";
/// What a second factor rests on.
pub(crate) const FACTOR_PARTS: &str = "SELECT CAST(0 AS BIGINT), doc, version FROM attempts \
     WHERE pool_id = $1 AND sub = $2 AND purpose = $3 \
     UNION ALL SELECT CAST(1 AS BIGINT), doc, version FROM user_parts \
     WHERE pool_id = $1 AND sub = $2 AND kind = $4 AND id = ''";
/// The same with the user, the password, and whether something is spent.
pub(crate) const STEP_PARTS: &str = "SELECT CAST(0 AS BIGINT), doc, version FROM attempts \
     WHERE pool_id = $1 AND sub = $2 AND purpose = $3 \
     UNION ALL SELECT CAST(1 AS BIGINT), doc, version FROM user_parts \
     WHERE pool_id = $1 AND sub = $2 AND kind = $4 AND id = '' \
     UNION ALL SELECT CAST(2 AS BIGINT), doc, version FROM users WHERE pool_id = $1 AND sub = $2 \
     UNION ALL SELECT CAST(3 AS BIGINT), doc, version FROM passwords WHERE pool_id = $1 AND sub = $2 \
     UNION ALL SELECT CAST(4 AS BIGINT), '', version FROM spent WHERE id = $5";
/// Passwords as in [`USER`].
pub(crate) const RECOVERY_PARTS: &str = "SELECT CAST(0 AS BIGINT), doc, version FROM (SELECT doc, version, sub \
     FROM passwords WHERE pool_id = $1 AND sub >= $2 ORDER BY sub LIMIT 1) AS next_password WHERE sub = $2 \
     UNION ALL SELECT CAST(1 AS BIGINT), doc, version FROM codes WHERE pool_id = $1 AND sub = $2 AND purpose = $3 \
     UNION ALL SELECT CAST(2 AS BIGINT), doc, version FROM attempts WHERE pool_id = $1 AND sub = $2 AND purpose = $4 \
     UNION ALL SELECT CAST(3 AS BIGINT), doc, version FROM attempts WHERE pool_id = $1 AND sub = $2 AND purpose = $5";
/// Whoever has a name, as in [`USERS_BY_NAME`], with the outstanding code and one of the counters of each; and both of
/// the stand-in for a user, in case that nobody has the name. The last column says who owns the name: it is another one
/// than the third where a user was read in nobody's place. The limit keeps nobody out: a planner that does not know it
/// yet expects one row, and so looks the others up by their keys instead of reading whole tables.
pub(crate) const RESET_REQUESTS: &str = "SELECT users.doc, users.version, users.sub, found.number, codes.doc, \
     codes.version, attempts.doc, attempts.version, found.owner \
     FROM (SELECT CAST($1 AS TEXT) AS pool_id, (SELECT sub FROM users WHERE pool_id = $1 AND sub >= COALESCE(\
     (SELECT sub FROM names WHERE pool_id = $1 AND name = $2 AND kind < 4 ORDER BY kind LIMIT 1), $3) \
     ORDER BY sub LIMIT 1) AS sub, CAST(0 AS BIGINT) AS number, \
     (SELECT sub FROM names WHERE pool_id = $1 AND name = $2 AND kind < 4 ORDER BY kind LIMIT 1) AS owner \
     UNION ALL SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST(99 AS BIGINT), CAST($2 AS TEXT) \
     UNION ALL SELECT CAST($1 AS TEXT), CAST($4 AS TEXT), CAST(100 AS BIGINT), CAST($4 AS TEXT) LIMIT $5) AS found \
     LEFT JOIN users ON users.pool_id = found.pool_id AND users.sub = found.sub \
     LEFT JOIN codes ON codes.pool_id = found.pool_id AND codes.sub = found.sub AND codes.purpose = $6 \
     LEFT JOIN attempts ON attempts.pool_id = found.pool_id AND attempts.sub = found.sub AND attempts.purpose = $7";
pub(crate) const MESSAGE: &str = "SELECT doc, version FROM messages WHERE id = $1";
pub(crate) const DUE_MESSAGES: &str =
    "SELECT doc, version, id FROM messages WHERE state = $1 AND due_at <= $2 ORDER BY due_at LIMIT $3";
pub(crate) const DUE_MESSAGES_FROM: &str = "SELECT doc, version, id FROM messages \
     WHERE state = $1 AND due_at >= $2 AND due_at <= $3 ORDER BY due_at LIMIT $4";
pub(crate) const RECENT_MESSAGES: &str = "SELECT doc, version, id FROM messages \
     WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC, id DESC LIMIT $3";
/// How many messages are in a state, and when the oldest of them was written. Looks at those that are due first, and at
/// no more than it is told: a queue that has grown long must not make itself longer.
pub(crate) const QUEUE: &str = "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(MIN(created_at), 0) AS BIGINT) FROM \
     (SELECT created_at FROM messages WHERE state = $1 ORDER BY due_at LIMIT $2) AS first_due";
pub(crate) const SIGNING_KEYS_OF_POOL: &str =
    "SELECT doc, version, kid FROM signing_keys WHERE pool_id = $1 ORDER BY kid LIMIT $2";
pub(crate) const SIGNING_KEYS_AFTER: &str =
    "SELECT doc, version, kid FROM signing_keys WHERE kid > $1 ORDER BY kid LIMIT $2";
pub(crate) const ACCESS_KEY: &str = "SELECT doc, version FROM access_keys WHERE id = $1";
pub(crate) const ALL_ACCESS_KEYS: &str = "SELECT doc, version, id FROM access_keys ORDER BY id";
pub(crate) const REVOCATION: &str =
    "SELECT expires_at, version FROM revocations WHERE pool_id = $1 AND origin_jti = $2";
pub(crate) const SPENT_MARK: &str = "SELECT expires_at, version FROM spent WHERE id = $1";
pub(crate) const META: &str = "SELECT value FROM meta WHERE name = $1";

// Sweeping: slices by primary key, so that the write path pays for no index on `expires_at`. Every delete names
// the condition again, because the row may have been renewed since the slice was read.
pub(crate) const CODES_SLICE: &str = "SELECT pool_id, sub, purpose, expires_at FROM codes \
     WHERE (pool_id, sub, purpose) > ($1, $2, $3) ORDER BY pool_id, sub, purpose LIMIT $4";
pub(crate) const SWEEP_CODE: &str =
    "DELETE FROM codes WHERE pool_id = $1 AND sub = $2 AND purpose = $3 AND expires_at <= $4";
pub(crate) const ATTEMPTS_SLICE: &str = "SELECT pool_id, sub, purpose, expires_at FROM attempts \
     WHERE (pool_id, sub, purpose) > ($1, $2, $3) ORDER BY pool_id, sub, purpose LIMIT $4";
pub(crate) const SWEEP_ATTEMPTS: &str =
    "DELETE FROM attempts WHERE pool_id = $1 AND sub = $2 AND purpose = $3 AND expires_at <= $4";
pub(crate) const USER_PARTS_SLICE: &str = "SELECT pool_id, sub, kind, id, expires_at FROM user_parts \
     WHERE (pool_id, sub, kind, id) > ($1, $2, $3, $4) ORDER BY pool_id, sub, kind, id LIMIT $5";
pub(crate) const SWEEP_USER_PART: &str =
    "DELETE FROM user_parts WHERE pool_id = $1 AND sub = $2 AND kind = $3 AND id = $4 AND expires_at <= $5";
pub(crate) const REVOCATIONS_SLICE: &str = "SELECT pool_id, origin_jti, expires_at FROM revocations \
     WHERE (pool_id, origin_jti) > ($1, $2) ORDER BY pool_id, origin_jti LIMIT $3";
pub(crate) const SWEEP_REVOCATION: &str =
    "DELETE FROM revocations WHERE pool_id = $1 AND origin_jti = $2 AND expires_at <= $3";
pub(crate) const SPENT_SLICE: &str = "SELECT id, expires_at FROM spent WHERE id > $1 ORDER BY id LIMIT $2";
pub(crate) const SWEEP_SPENT: &str = "DELETE FROM spent WHERE id = $1 AND expires_at <= $2";
pub(crate) const STAMPS_SLICE: &str = "SELECT id, expires_at FROM stamps WHERE id > $1 ORDER BY id LIMIT $2";
pub(crate) const SWEEP_STAMP: &str = "DELETE FROM stamps WHERE id = $1 AND expires_at <= $2";

// Purging what belonged to a deleted pool.
pub(crate) const DELETED_POOL: &str = "SELECT id FROM pools WHERE deleted = 1 AND id > $1 ORDER BY id LIMIT 1";
pub(crate) const PURGE_USERS: &str = "DELETE FROM users WHERE pool_id = $1 AND sub IN \
     (SELECT sub FROM users WHERE pool_id = $1 ORDER BY sub LIMIT $2)";
pub(crate) const PURGE_PASSWORDS: &str = "DELETE FROM passwords WHERE pool_id = $1 AND sub IN \
     (SELECT sub FROM passwords WHERE pool_id = $1 ORDER BY sub LIMIT $2)";
pub(crate) const PURGE_NAMES: &str = "DELETE FROM names WHERE pool_id = $1 AND name IN \
     (SELECT name FROM names WHERE pool_id = $1 ORDER BY name LIMIT $2)";
pub(crate) const PURGE_CODES: &str = "DELETE FROM codes WHERE pool_id = $1 AND sub IN \
     (SELECT sub FROM codes WHERE pool_id = $1 ORDER BY sub LIMIT $2)";
pub(crate) const PURGE_ATTEMPTS: &str = "DELETE FROM attempts WHERE pool_id = $1 AND sub IN \
     (SELECT sub FROM attempts WHERE pool_id = $1 ORDER BY sub LIMIT $2)";
pub(crate) const PURGE_REVOCATIONS: &str = "DELETE FROM revocations WHERE pool_id = $1 AND origin_jti IN \
     (SELECT origin_jti FROM revocations WHERE pool_id = $1 ORDER BY origin_jti LIMIT $2)";
pub(crate) const PURGE_CLIENTS: &str = "DELETE FROM clients WHERE id IN \
     (SELECT id FROM clients WHERE pool_id = $1 ORDER BY id LIMIT $2)";
pub(crate) const PURGE_PARTS: &str = "DELETE FROM parts WHERE pool_id = $1 AND id IN \
     (SELECT id FROM parts WHERE pool_id = $1 ORDER BY kind, id LIMIT $2)";
pub(crate) const PURGE_USER_PARTS: &str = "DELETE FROM user_parts WHERE pool_id = $1 AND sub IN \
     (SELECT sub FROM user_parts WHERE pool_id = $1 ORDER BY sub LIMIT $2)";
pub(crate) const PURGE_DOMAINS: &str = "DELETE FROM domains WHERE domain IN \
     (SELECT domain FROM domains WHERE pool_id = $1 ORDER BY domain LIMIT $2)";
pub(crate) const PURGE_MEMBERS: &str = "DELETE FROM members WHERE pool_id = $1 AND (group_id, sub) IN \
     (SELECT group_id, sub FROM members WHERE pool_id = $1 ORDER BY group_id, sub LIMIT $2)";
pub(crate) const PURGE_SEARCH_KEYS: &str = "DELETE FROM search_keys WHERE pool_id = $1 AND (kind, value, sub) IN \
     (SELECT kind, value, sub FROM search_keys WHERE pool_id = $1 ORDER BY kind, value, sub LIMIT $2)";
pub(crate) const PURGE_CHUNKS: &str = "DELETE FROM chunks WHERE file_id IN \
     (SELECT file_id FROM chunks WHERE pool_id = $1 ORDER BY file_id LIMIT $2)";
pub(crate) const PURGE_PURGES: &str = "DELETE FROM purges WHERE id IN \
     (SELECT id FROM purges WHERE pool_id = $1 ORDER BY id LIMIT $2)";
/// What has to be cleared away although its pool lives: the members of a deleted group, the chunks of a file.
pub(crate) const NEXT_PURGE: &str = "SELECT id, pool_id, kind FROM purges WHERE id > $1 ORDER BY id LIMIT 1";
pub(crate) const PURGE_GROUP: &str = "DELETE FROM members WHERE pool_id = $1 AND group_id = $2 AND sub IN \
     (SELECT sub FROM members WHERE pool_id = $1 AND group_id = $2 ORDER BY sub LIMIT $3)";
pub(crate) const PURGE_FILE: &str = "DELETE FROM chunks WHERE file_id = $1 AND number IN \
     (SELECT number FROM chunks WHERE file_id = $1 ORDER BY number LIMIT $2)";
pub(crate) const END_PURGE: &str = "DELETE FROM purges WHERE id = $1";
pub(crate) const PURGE_SIGNING_KEYS: &str = "DELETE FROM signing_keys WHERE pool_id = $1";
pub(crate) const PURGE_COUNTS: &str = "DELETE FROM user_counts WHERE pool_id = $1";
pub(crate) const MESSAGES_SLICE: &str = "SELECT id, pool_id FROM messages WHERE id > $1 ORDER BY id LIMIT $2";
pub(crate) const PURGE_MESSAGE: &str = "DELETE FROM messages WHERE id = $1";
pub(crate) const PURGE_POOL: &str = "DELETE FROM pools WHERE id = $1 AND deleted = 1";

// Emptying.
pub(crate) const DELETE_ALL_MESSAGES: &str = "DELETE FROM messages";
/// What [`Store::reset`](crate::Store::reset) runs: everything that belongs to pools or came from requests. What
/// belongs to the server itself stays: meta, access keys, and signing keys that no pool uses yet.
pub(crate) const RESET: &[&str] = &[
    "DELETE FROM pools",
    "DELETE FROM clients",
    "DELETE FROM users",
    "DELETE FROM names",
    "DELETE FROM user_counts",
    "DELETE FROM passwords",
    "DELETE FROM codes",
    "DELETE FROM attempts",
    "DELETE FROM messages",
    "DELETE FROM revocations",
    "DELETE FROM spent",
    "DELETE FROM parts",
    "DELETE FROM user_parts",
    "DELETE FROM domains",
    "DELETE FROM members",
    "DELETE FROM search_keys",
    "DELETE FROM chunks",
    "DELETE FROM purges",
    "DELETE FROM signing_keys WHERE pool_id <> ''",
];

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, StatementStatus, ToSql};

    use super::*;
    use crate::sqlite::migrate;

    const TABLES: &[&Table] = &[
        &POOLS,
        &CLIENTS,
        &USERS,
        &PASSWORDS,
        &CODES,
        &ATTEMPTS,
        &MESSAGES,
        &SIGNING_KEYS,
        &ACCESS_KEYS,
        &REVOCATIONS,
        &SPENT,
        &LEASES,
        &PARTS,
        &USER_PARTS,
        &DOMAINS,
        &CHUNKS,
    ];

    const STATEMENTS: &[&str] = &[
        CLAIM,
        RELEASE,
        COUNT_USERS,
        JOIN_GROUP,
        LEAVE_GROUP,
        LEAVE_ALL_GROUPS,
        DROP_USER_PARTS,
        ADD_SEARCH_KEY,
        REMOVE_SEARCH_KEY,
        ADD_PURGE,
        SET_META,
        STAMP,
        FENCE,
        SETTLED,
        NEXT_EPOCH,
        EPOCH,
        LEASE,
        DROP_LEASE,
        POOL,
        POOLS_AFTER,
        CLIENT,
        CLIENTS_AFTER,
        USER,
        USERS_BY_NAME,
        NAME_OWNER,
        USERS_AFTER,
        ESTIMATED_USERS,
        PART,
        PARTS_AFTER,
        PART_DOCUMENTS,
        USER_PART,
        USER_PARTS_AFTER,
        USER_PARTS_BEFORE,
        USER_PART_DOCUMENTS,
        COUNT_POOLS,
        COUNT_CLIENTS,
        COUNT_PARTS,
        DOMAIN,
        DOMAINS_OF_POOL,
        CHUNK,
        GROUPS_OF_USER,
        MEMBERS_AFTER,
        USERS_WITH,
        USERS_WITHIN,
        USERS_NAMED_WITHIN,
        USERS_BETWEEN,
        PASSWORD,
        CODE,
        ATTEMPT,
        SIGN_IN_PARTS,
        SIGN_IN_PARTS_BY_NAME,
        TOKEN_PARTS,
        REFRESH_PARTS,
        FACTOR_PARTS,
        STEP_PARTS,
        RECOVERY_PARTS,
        RESET_REQUESTS,
        MESSAGE,
        DUE_MESSAGES,
        DUE_MESSAGES_FROM,
        RECENT_MESSAGES,
        QUEUE,
        SIGNING_KEYS_OF_POOL,
        SIGNING_KEYS_AFTER,
        ACCESS_KEY,
        ALL_ACCESS_KEYS,
        REVOCATION,
        SPENT_MARK,
        META,
        CODES_SLICE,
        SWEEP_CODE,
        ATTEMPTS_SLICE,
        SWEEP_ATTEMPTS,
        USER_PARTS_SLICE,
        SWEEP_USER_PART,
        REVOCATIONS_SLICE,
        SWEEP_REVOCATION,
        SPENT_SLICE,
        SWEEP_SPENT,
        STAMPS_SLICE,
        SWEEP_STAMP,
        DELETED_POOL,
        PURGE_USERS,
        PURGE_PASSWORDS,
        PURGE_NAMES,
        PURGE_CODES,
        PURGE_ATTEMPTS,
        PURGE_REVOCATIONS,
        PURGE_CLIENTS,
        PURGE_PARTS,
        PURGE_USER_PARTS,
        PURGE_DOMAINS,
        PURGE_MEMBERS,
        PURGE_SEARCH_KEYS,
        PURGE_CHUNKS,
        PURGE_PURGES,
        NEXT_PURGE,
        PURGE_GROUP,
        PURGE_FILE,
        END_PURGE,
        PURGE_SIGNING_KEYS,
        PURGE_COUNTS,
        MESSAGES_SLICE,
        PURGE_MESSAGE,
        PURGE_POOL,
        DELETE_ALL_MESSAGES,
    ];

    /// Every statement of this file, and the proof that none was left out of the lists above.
    fn all() -> Vec<&'static str> {
        let source = include_str!("sql.rs");
        assert_eq!(
            STATEMENTS.len(),
            source.matches("\npub(crate) const").count() - TABLES.len() - 1,
            "RESET and the tables"
        );
        assert_eq!(TABLES.len(), source.matches(": Table = Table {").count() - 1, "and this text");
        let tables = TABLES.iter().flat_map(|table| [table.insert, table.update, table.delete, table.assert]);
        tables.chain(STATEMENTS.iter().copied()).chain(RESET.iter().copied()).collect()
    }

    fn migrated() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
    }

    #[test]
    fn every_statement_prepares_and_numbers_its_placeholders_in_order() {
        let connection = migrated();
        for sql in all() {
            let statement = connection.prepare(sql).unwrap_or_else(|error| unreachable!("{sql}: {error}"));
            for index in 1..=statement.parameter_count() {
                assert_eq!(statement.parameter_name(index), Some(format!("${index}").as_str()), "{sql}");
            }
        }
    }

    #[test]
    fn no_statement_scans_a_table_or_sorts() {
        let connection = migrated();
        for sql in all() {
            // QUEUE, RESET_REQUESTS and what counts scan what their own slices have found.
            if RESET.contains(&sql)
                || [
                    DELETE_ALL_MESSAGES,
                    ALL_ACCESS_KEYS,
                    EPOCH,
                    QUEUE,
                    COUNT_PARTS,
                    COUNT_POOLS,
                    COUNT_CLIENTS,
                    RESET_REQUESTS,
                ]
                .contains(&sql)
            {
                continue;
            }
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            for index in 1..=statement.parameter_count() {
                statement.raw_bind_parameter(index, 1).unwrap();
            }
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().unwrap() {
                let step: String = row.get("detail").unwrap();
                // The one row that was read in any case (see USER) is looked at afterwards.
                let is_scan = step.starts_with("SCAN") && !step.starts_with("SCAN next_");
                assert!(!is_scan && !step.contains("TEMP B-TREE"), "{sql}: {step}");
            }
        }
    }

    /// Steps of SQLite's machine that a statement takes, and the rows that it finds.
    fn steps_and_rows(connection: &Connection, sql: &str, params: &[&dyn ToSql]) -> (i32, usize) {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map(params, |_row| Ok(())).unwrap().count();
        (statement.get_status(StatementStatus::VmStep), rows)
    }

    /// Who is there and who is not are found out by as many steps, but for those that hand a row over.
    #[test]
    fn a_miss_takes_as_many_steps_as_a_hit() {
        let connection = migrated();
        for sub in ["1", "3", "5"] {
            for sql in [
                "INSERT INTO users (pool_id, sub, version, doc) VALUES ('p', ?1, 1, '{}')",
                "INSERT INTO passwords (pool_id, sub, version, doc) VALUES ('p', ?1, 1, '{}')",
                "INSERT INTO names (pool_id, name, kind, sub) VALUES ('p', 'name ' || ?1, 0, ?1)",
            ] {
                connection.execute(sql, [sub]).unwrap();
            }
        }
        let by_id = ["3", "2"];
        let by_name = ["name 3", "name 2"];
        for (sql, sought, more) in [
            (USER, by_id, &[] as &[&dyn ToSql]),
            (PASSWORD, by_id, &[]),
            (SIGN_IN_PARTS, by_id, &[&0]),
            (RECOVERY_PARTS, by_id, &[&0, &0, &0]),
            (USERS_BY_NAME, by_name, &[&"2"]),
            (SIGN_IN_PARTS_BY_NAME, by_name, &[&"2", &0]),
            (RESET_REQUESTS, by_name, &[&"2", &"stand-in", &i64::MAX, &0, &0]),
        ] {
            let [hit, miss] = sought.map(|asked| {
                let fixed = [&"p" as &dyn ToSql, &asked];
                let params: Vec<&dyn ToSql> = fixed.into_iter().chain(more.iter().copied()).collect();
                steps_and_rows(&connection, sql, &params)
            });
            assert!(hit.1 > miss.1 || sql == RESET_REQUESTS, "{sql}");
            assert!(hit.0.abs_diff(miss.0) < hit.0.unsigned_abs() / 6, "{hit:?} {miss:?} {sql}");
        }
    }
}
