//! PostgreSQL: passwords, TLS, stops of every kind, a full disk.

use poolkeeper_cluster::{Postgres, PostgresOptions, Stop, packages};

use crate::psql;

fn start(options: PostgresOptions) -> Postgres {
    packages::postgresql().unwrap();
    Postgres::start(&options).unwrap()
}

#[test]
fn data_outlives_every_kind_of_stop() {
    let settings = vec![("work_mem".to_owned(), "7MB".to_owned()), ("cluster_name".to_owned(), "it's".to_owned())];
    let mut server = start(PostgresOptions { settings, ..PostgresOptions::default() });
    server.create_database("main").unwrap();
    assert_eq!(server.sql("main", "SHOW work_mem; SHOW cluster_name; SHOW fsync").unwrap(), "7MB\nit's\non");
    // The order of a language and not of bytes.
    assert_eq!(server.sql("main", "SELECT 'a' < 'B'").unwrap(), "t");
    let url = server.url("main");
    assert_eq!(
        psql(&url, "CREATE TABLE kept (word TEXT); SELECT current_user"),
        (true, "CREATE TABLE\npoolkeeper".to_owned())
    );
    assert_eq!(psql(&url, "SHOW is_superuser").1, "off");
    assert_eq!(psql(&server.admin_url(), "SHOW is_superuser").1, "on");
    let port = server.port();
    for (number, how) in [Stop::Smart, Stop::Fast, Stop::Immediate, Stop::Kill].into_iter().enumerate() {
        server.sql("main", "INSERT INTO kept VALUES ('row')").unwrap();
        server.stop(how).unwrap();
        assert!(!psql(&url, "SELECT 1").0, "{how:?}");
        server.restart().unwrap();
        assert_eq!(server.sql("main", "SELECT count(*) FROM kept").unwrap(), (number + 1).to_string(), "{how:?}");
    }
    assert_eq!(server.port(), port);
    server.restart().unwrap();
    assert_eq!(psql(&url, "SELECT count(*) FROM kept").1, "4");
}

#[test]
fn passwords_are_needed_and_mistakes_are_told() {
    let server = start(PostgresOptions::default());
    let wrong = server.url("postgres").replacen("poolkeeper:", "poolkeeper:x", 1);
    let (good, error) = psql(&wrong, "SELECT 1");
    assert!(!good && error.contains("password authentication failed"), "{error}");
    assert_eq!(
        server
            .sql("postgres", "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'poolkeeper'")
            .unwrap(),
        "t"
    );
    let error = server.sql("postgres", "SELECT 1; SELECT nothing").unwrap_err().to_string();
    assert!(error.contains("column \"nothing\" does not exist"), "{error}");
    let settings = vec![("no_such_setting".to_owned(), "1".to_owned())];
    let error = Postgres::start(&PostgresOptions { settings, ..PostgresOptions::default() }).unwrap_err();
    assert!(format!("{error:#}").contains("no_such_setting"), "{error:#}");
}

#[test]
fn tls_is_spoken_alone_and_verified() {
    let server = start(PostgresOptions { tls: true, ..PostgresOptions::default() });
    let url = server.url("postgres");
    let authority = server.ca_file().unwrap().display().to_string();
    let verified = format!("{url}?sslmode=verify-full&sslrootcert={authority}").replace("127.0.0.1", "localhost");
    assert_eq!(psql(&verified, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), (true, "t".to_owned()));
    let (good, error) = psql(&format!("{url}?sslmode=disable"), "SELECT 1");
    assert!(!good && error.contains("no pg_hba.conf entry"), "{error}");
    let other = start(PostgresOptions { tls: true, ..PostgresOptions::default() });
    let stranger = other.ca_file().unwrap().display().to_string();
    let (good, error) = psql(&format!("{url}?sslmode=verify-ca&sslrootcert={stranger}"), "SELECT 1");
    assert!(!good && error.contains("certificate verify failed"), "{error}");
}

#[test]
fn a_full_disk_fails_writes_until_there_is_room() {
    let options = PostgresOptions { data_limit_mib: Some(160), ..PostgresOptions::default() };
    if !rustix::process::geteuid().is_root() {
        let error = Postgres::start(&options).unwrap_err().to_string();
        assert!(error.contains("root"), "{error}");
        return;
    }
    let mut server = start(options);
    server.sql("postgres", "CREATE TABLE big (word TEXT); INSERT INTO big VALUES ('kept')").unwrap();
    server.fill_disk().unwrap();
    let error = server.sql("postgres", "INSERT INTO big SELECT repeat('x', 1000) FROM generate_series(1, 100000)");
    let error = error.unwrap_err().to_string();
    assert!(error.contains("No space left on device") || error.contains("server closed the connection"), "{error}");
    server.free_disk().unwrap();
    server.restart().unwrap();
    assert_eq!(server.sql("postgres", "INSERT INTO big VALUES ('more'); SELECT count(*) FROM big").unwrap(), "2");
    let data = server.data().to_owned();
    drop(server);
    assert!(!data.exists());
}
