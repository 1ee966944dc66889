//! What the network sees of Poolkeeper: the listener, the AWS-JSON endpoint, discovery documents, the pages behind
//! links in messages, and, in `poolkeeper dev`, the test controls and the inbox.
//!
//! A request passes [`listen`] (connection cap, timeouts, TLS, drain), then the routes of [`router`]. The API's route
//! names the operation, authenticates its caller and leaves the rest to `service::dispatch`.

mod activity;
mod answer;
mod api;
mod awaited_body;
mod bodies;
mod client_address;
mod confirmation;
mod controls;
mod cors;
mod discovery;
mod feedback;
mod header_text;
mod health;
mod hosted;
mod inbox;
mod kms;
mod listen;
mod meters;
mod options;
mod own_host;
mod page;
mod panics;
mod readiness;
mod routes;
mod same_origin;
mod state;
pub mod tls;
mod uploads;
mod write_deadline;

pub use client_address::Peer;
pub use domain::network::{Network, NetworkError};
pub use listen::{ListenOptions, listen, rehearse};
pub use options::Options;
pub use routes::{admin_router, router};
