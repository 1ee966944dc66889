//! Real processes for tests, the torture test and the bench: PostgreSQL, PgBouncer, a Patroni pair with etcd, Poolkeeper
//! nodes, and a proxy that is a network which fails on demand.
//!
//! Everything listens on 127.0.0.1, on free ports, and keeps its files in a temporary folder. Dropping a value kills its
//! processes, by their ids, and removes the folder; when the whole program is killed, a guard beside each folder does
//! it. All calls block: from asynchronous code they belong into `spawn_blocking`.
//!
//! The programs come from Debian's packages ([`packages`]). PostgreSQL refuses to run as root; for root, servers run as
//! Debian's user `postgres`.

#![expect(clippy::disallowed_methods, reason = "other processes are waited for, in real time")]

mod account;
mod certificate;
mod folder;
mod http;
mod node;
pub mod packages;
mod patroni;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod proxy;
mod psql;
pub mod scratch;

pub use node::{Node, NodeOptions};
pub use patroni::Patroni;
pub use pgbouncer::PgBouncer;
pub use postgres::{Postgres, PostgresOptions, Stop};
pub use proxy::{Proxy, through};
pub use scratch::Scratch;
