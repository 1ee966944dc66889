//! Passkeys of a user (auth-flows.md §14): those that were registered, and a registration that was begun.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::Timestamp;

use crate::{Factor, UserPart, UserPartKind};

/// Most passkeys of one user.
pub const MOST_PASSKEYS: usize = 20;

/// What `AuthenticatorAttachment` says of an authenticator that is part of the device.
const PLATFORM: &str = "platform";
/// The transport of such authenticators.
const INTERNAL: &str = "internal";

/// A passkey that was registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passkey {
    /// The pool.
    pub pool_id: String,
    /// The user.
    pub sub: String,
    /// The credential's id, base64url.
    pub id: String,
    /// What it is called in lists.
    pub name: String,
    /// The relying party that it was made for; it is good for no other.
    pub relying_party_id: String,
    /// `platform` or `cross-platform`, where the client said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<String>,
    /// The ways by which the authenticator is reached, as the client said.
    pub transports: Vec<String>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Public key, count of signatures and flags, as the library writes them that checks signatures.
    pub verifier: Value,
}

impl Passkey {
    /// Whether its authenticator is part of the device.
    #[must_use]
    pub fn is_platform(&self) -> bool {
        is_platform(self.attachment.as_deref(), &self.transports)
    }

    /// What a sign-in with it has proven.
    #[must_use]
    pub fn factor(&self) -> Factor {
        if self.is_platform() { Factor::PlatformPasskey } else { Factor::RoamingPasskey }
    }
}

/// The name of a new passkey beside those that the user has.
///
/// Decision: the service names them by kind; what becomes of a second one of a kind is not known. Here it gets the
/// first number that is free, so that lists tell them apart.
#[must_use]
pub fn name_beside<'a>(
    present: impl Iterator<Item = &'a Passkey> + Clone,
    attachment: Option<&str>,
    transports: &[String],
) -> String {
    let kind = if is_platform(attachment, transports) { "Platform passkey" } else { "Roaming passkey" };
    let is_taken = |name: &str| present.clone().any(|passkey| passkey.name == name);
    if !is_taken(kind) {
        return kind.to_owned();
    }
    let mut number = 2_usize;
    loop {
        let name = format!("{kind} {number}");
        if !is_taken(&name) {
            return name;
        }
        number += 1;
    }
}

fn is_platform(attachment: Option<&str>, transports: &[String]) -> bool {
    attachment.map_or_else(|| transports.iter().any(|transport| transport == INTERNAL), |given| given == PLATFORM)
}

/// What an authenticator is asked to sign for, and what its answer is held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceremony {
    /// The challenge: 32 random bytes, base64url.
    pub challenge: String,
    /// The relying party.
    pub relying_party_id: String,
    /// Whether the authenticator has to verify the user, and not only that somebody is there.
    pub verifies_user: bool,
}

/// A registration that was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingPasskey {
    /// The pool.
    pub pool_id: String,
    /// The user.
    pub sub: String,
    /// Random id: what is marked as spent.
    pub key: String,
    /// The client that began it, and has to complete it.
    pub client_id: String,
    /// What the authenticator was asked for.
    pub ceremony: Ceremony,
    /// From this moment on it cannot be completed any more.
    pub expires_at: Timestamp,
}

impl UserPart for Passkey {
    const KIND: UserPartKind = UserPartKind::Passkey;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn sub(&self) -> &str {
        &self.sub
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

impl UserPart for PendingPasskey {
    const KIND: UserPartKind = UserPartKind::PendingPasskey;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn sub(&self) -> &str {
        &self.sub
    }

    fn id(&self) -> &'static str {
        ""
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passkey(name: &str, attachment: Option<&str>, transports: &[&str]) -> Passkey {
        Passkey {
            pool_id: "us-east-1_abcdefghi".to_owned(),
            sub: "sub".to_owned(),
            id: "id".to_owned(),
            name: name.to_owned(),
            relying_party_id: "example.com".to_owned(),
            attachment: attachment.map(str::to_owned),
            transports: transports.iter().map(|transport| (*transport).to_owned()).collect(),
            created_at: Timestamp(0),
            verifier: Value::Null,
        }
    }

    #[test]
    fn the_attachment_decides_and_the_transports_where_there_is_none() {
        for (attachment, transports, factor) in [
            (Some("platform"), [].as_slice(), Factor::PlatformPasskey),
            (Some("platform"), &["usb"], Factor::PlatformPasskey),
            (Some("cross-platform"), &["internal"], Factor::RoamingPasskey),
            (None, &["hybrid", "internal"], Factor::PlatformPasskey),
            (None, &["usb"], Factor::RoamingPasskey),
            (None, &[], Factor::RoamingPasskey),
        ] {
            assert_eq!(passkey("", attachment, transports).factor(), factor, "{attachment:?} {transports:?}");
        }
    }

    #[test]
    fn a_name_is_the_first_that_is_free() {
        let present =
            ["Platform passkey", "Platform passkey 3", "Roaming passkey 2"].map(|name| passkey(name, None, &[]));
        assert_eq!(name_beside(present.iter(), Some("platform"), &[]), "Platform passkey 2");
        assert_eq!(name_beside(present.iter(), None, &[]), "Roaming passkey");
        let both = present.iter().cloned().chain([passkey("Roaming passkey", None, &[])]).collect::<Vec<_>>();
        assert_eq!(name_beside(both.iter(), Some("cross-platform"), &[]), "Roaming passkey 3");
    }
}
