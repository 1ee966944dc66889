//! Free ports.

use std::{
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
};

use anyhow::{Context, Result};

/// Below the range from which Linux takes the ports of outgoing connections (32768 and up): a server that is stopped and
/// started again must find its port still free.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// A port on which nobody listens. Chance keeps tests that run at the same time apart.
///
/// # Errors
/// When a thousand ports are taken.
pub fn free() -> Result<u16> {
    let random = RandomState::new();
    (0..1_000_u16)
        .map(|attempt| FIRST + (random.hash_one(attempt) % u64::from(COUNT)) as u16)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("looking for a free port: a thousand ports on 127.0.0.1 are taken")
}
