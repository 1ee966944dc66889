//! What the binary chooses about the routes.

use tokio_util::sync::CancellationToken;

use crate::Network;

/// Which routes are mounted, and how requests are read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether test controls, inbox, readiness and metrics are mounted beside the API (`poolkeeper dev`).
    pub test_controls: bool,
    /// Proxies whose `X-Forwarded-For` is believed. Empty: the peer is the client.
    pub trusted_proxies: Vec<Network>,
    /// Largest request body in bytes. Members can have 131,072 characters, so that less than 1 MiB would refuse
    /// requests that the API allows.
    pub max_body_bytes: usize,
    /// Bytes that all request bodies together may hold in memory; who needs more is told to come back later. The first
    /// 4,096 bytes of each body do not count, so that usual requests always find room.
    pub max_bytes_of_all_bodies: usize,
    /// Once cancelled, the server says that it is not ready, though it answers whatever it is asked.
    pub leaving: CancellationToken,
}

impl Default for Options {
    /// No test controls, no proxies, 1 MiB for a body, 256 MiB for all of them.
    fn default() -> Self {
        Self {
            test_controls: false,
            trusted_proxies: Vec::new(),
            max_body_bytes: 1_048_576,
            max_bytes_of_all_bodies: 268_435_456,
            leaving: CancellationToken::new(),
        }
    }
}
