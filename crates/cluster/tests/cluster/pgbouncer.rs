//! PgBouncer: transactions of many clients over few connections.

use poolkeeper_cluster::{PgBouncer, Postgres, PostgresOptions, packages};

use crate::psql;

#[test]
fn transactions_share_connections() {
    packages::pgbouncer().unwrap();
    for tls in [false, true] {
        let server = Postgres::start(&PostgresOptions { tls, ..PostgresOptions::default() }).unwrap();
        server.create_database("pooled").unwrap();
        let mut pooler = PgBouncer::start(&server, 1).unwrap();
        let url = pooler.url("pooled");
        let backend = "SELECT current_user, pg_backend_pid(), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let (good, first) = psql(&url, backend);
        assert!(good && first.starts_with("poolkeeper|") && first.ends_with(if tls { "|t" } else { "|f" }), "{first}");
        // Another client, the same connection.
        assert_eq!(psql(&url, backend), (true, first));
        let (good, error) = psql(&url.replacen("poolkeeper:", "poolkeeper:x", 1), "SELECT 1");
        assert!(!good && error.contains("authentication failed"), "{error}");
        pooler.stop().unwrap();
        assert!(!psql(&url, "SELECT 1").0);
        pooler.restart().unwrap();
        assert_eq!(psql(&url, "SELECT 1"), (true, "1".to_owned()));
    }
}
