//! Where the data lies.

use super::{Section, setting};

/// `[store]`.
pub const STORE: Section = Section {
    name: "store",
    settings: &[
        setting(
            "data_dir",
            "\"DIRECTORY\"",
            "\"poolkeeper-data\"",
            "`--data-dir`, `POOLKEEPER_DATA_DIR`",
            "The data directory, used by one server at a time. `dev` keeps its master key there, too.",
        ),
        setting(
            "url",
            "\"URL\"",
            "`poolkeeper.db` in the data directory",
            "`--store`, `POOLKEEPER_STORE`",
            "The database: `sqlite:PATH`, `sqlite::memory:`, or `postgres://USER@HOST:PORT/DATABASE` for PostgreSQL and its family, which several servers may share. A database on another machine must show a certificate for its name; `?sslrootcert=FILE` names your own authority's, `?sslmode=disable` goes without TLS. With several hosts (`HOST1,HOST2`) the one that takes writes is found.",
        ),
        setting(
            "durability",
            "\"full\" or \"normal\"",
            "`serve`: \"full\", `dev`: \"normal\"",
            "",
            "What an acknowledged change survives: `full` a loss of power, `normal` the end of the process.",
        ),
    ],
};

/// `[store.postgres]`.
pub const STORE_POSTGRES: Section = Section {
    name: "store.postgres",
    settings: &[
        setting(
            "password_file",
            "\"FILE\"",
            "none",
            "",
            "File with the database's password, in place of one in the URL; for the replica as well.",
        ),
        setting(
            "replica_url",
            "\"URL\"",
            "none",
            "",
            "A copy that may lag behind a little. Lists of pools, clients and users are read from it, everything else from `store.url`.",
        ),
        setting(
            "isolation",
            "\"read-committed\", \"repeatable-read\", \"serializable\" or \"database\"",
            "\"read-committed\"",
            "",
            "Isolation of the transactions that write; `database` leaves it to the database's own setting. All are equally safe, because every change names the version that it was decided on; stricter ones repeat more work. Aurora DSQL takes `database` only.",
        ),
        setting(
            "prepared_statements",
            "true or false",
            "true",
            "",
            "Whether statements are prepared once per connection, which is faster. Must be false behind a pooler in transaction mode that mixes them up, such as PgBouncer before 1.21.",
        ),
        setting(
            "max_connections",
            "number",
            "16",
            "",
            "Connections of this server at most, and as many again to the replica. All servers together must stay below the database's own limit.",
        ),
        setting(
            "patience_seconds",
            "seconds",
            "10",
            "",
            "How long a request waits for a database that is away, restarting or failing over, before it answers an error that clients retry. Keep it below `server.request_timeout_seconds`.",
        ),
    ],
};
