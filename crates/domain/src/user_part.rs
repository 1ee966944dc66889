//! What a user has a few of, or one: devices, passkeys, a software token, sign-ins that are kept track of. Each is a
//! document under its kind and id; the store keeps all of them alike, and they go with their user.

use serde::{Serialize, de::DeserializeOwned};
use wire::Timestamp;

/// What a part of a user is. Numbers are stored and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserPartKind {
    /// A device, by device key.
    Device = 0,
    /// A passkey, by credential id.
    Passkey = 1,
    /// The software token that codes are made with; there is one, with an empty id.
    SoftwareToken = 2,
    /// A software token that was handed out and not verified yet; there is one, with an empty id.
    PendingSoftwareToken = 3,
    /// A registration of a passkey that was begun; there is one, with an empty id.
    PendingPasskey = 4,
    /// The refresh tokens of one sign-in, where they are rotated, by `origin_jti`.
    RefreshFamily = 5,
    /// A sign-in that is kept track of, by session id.
    Session = 6,
    /// What threat protection remembers of the user's activity, by event id.
    AuthEvent = 7,
    /// An authorization code, by the hash of the code. Whoever brings one does not say whose it is: those of a pool stand
    /// under an empty `sub`.
    AuthorizationCode = 8,
    /// What threat protection tells the user from others by, by event id.
    Evidence = 9,
}

impl UserPartKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Device,
        Self::Passkey,
        Self::SoftwareToken,
        Self::PendingSoftwareToken,
        Self::PendingPasskey,
        Self::RefreshFamily,
        Self::Session,
        Self::AuthEvent,
        Self::AuthorizationCode,
        Self::Evidence,
    ];

    /// The kind with this stored number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The stored number.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }
}

/// A part of a user.
pub trait UserPart: Serialize + DeserializeOwned {
    /// What it is.
    const KIND: UserPartKind;

    /// The pool.
    fn pool_id(&self) -> &str;

    /// The user.
    fn sub(&self) -> &str;

    /// Its id, unique among those of its kind of the user. Lists are in the order of ids.
    fn id(&self) -> &str;

    /// From this moment on it counts for nothing, and is cleared away by and by; none when it stays.
    fn expires_at(&self) -> Option<Timestamp>;
}

#[cfg(test)]
mod tests {
    use super::UserPartKind;

    #[test]
    fn every_kind_is_found_by_its_number() {
        let numbers: Vec<i64> = UserPartKind::ALL.iter().map(|kind| kind.number()).collect();
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
        for kind in UserPartKind::ALL {
            assert_eq!(UserPartKind::from_number(kind.number()), Some(kind));
        }
        assert_eq!(UserPartKind::from_number(10), None);
    }
}
