//! A client's secrets (accounts.md §14.1): at most two, so that one can be replaced while the other still counts.

use crypto::seal::Purpose;
use domain::{Client, ClientSecret};
use wire::ClientSecretDescriptorType;

use crate::Ctx;

/// Most secrets that a client has at a time.
pub const MOST: usize = 2;
/// Characters of ids and secrets.
pub const ALPHABET: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
/// Characters in a secret that is made here.
const LENGTH: usize = 51;

/// A secret that nobody has chosen.
pub fn generate(ctx: &Ctx) -> String {
    crypto::random::alphanumeric(ctx.entropy(), LENGTH, ALPHABET)
}

/// Gives the client a secret more, sealed. Its id is the client's with the second in which it is made, or the next
/// one after those of its other secrets, since an id must name one of them only.
pub fn add(ctx: &Ctx, client: &mut Client, secret: &str) -> ClientSecret {
    let mut second = ctx.now.seconds();
    while client.secrets.iter().any(|other| other.id == id(client, second)) {
        second = second.saturating_add(1);
    }
    let added = ClientSecret {
        id: id(client, second),
        value: ctx.app.ring.seal(ctx.entropy(), Purpose::ClientSecret, &client.id, secret.as_bytes()),
        created_at: ctx.now,
    };
    client.secrets.push(added.clone());
    added
}

fn id(client: &Client, second: i64) -> String {
    format!("{}--{second}", client.id)
}

/// The secret as answers show it; `value` only where it is told for the first and only time.
pub fn descriptor(secret: &ClientSecret, value: Option<String>) -> ClientSecretDescriptorType {
    ClientSecretDescriptorType {
        client_secret_id: Some(secret.id.clone()),
        client_secret_value: value,
        client_secret_create_date: Some(secret.created_at),
    }
}
