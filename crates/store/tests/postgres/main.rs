//! What only PostgreSQL can get wrong: several servers on one database, lost answers, lost connections, poolers,
//! certificates, failing machines, replicas, and the SQL that the whole family has to understand.
//!
//! Nothing runs unless `POOLKEEPER_TEST_POSTGRES` names a server. Tests that break things start servers of their own.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod access;
mod answers;
mod dropped;
mod failover;
mod faults;
mod features;
mod load;
mod pooler;
mod reads;
mod ready;
mod relay;
mod replica;
#[expect(dead_code, reason = "the rows of the conformance suite; not all are needed here")]
#[path = "../conformance/rows.rs"]
mod rows;
mod servers;
mod support;
mod timelines;
