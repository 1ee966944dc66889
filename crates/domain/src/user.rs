//! Users and their status machine (accounts.md §10.3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::{Timestamp, UserStatusType};

use crate::{Identity, Medium, MfaPreference};

/// A user of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The pool.
    pub pool_id: String,
    /// The user's id for life: a random UUID, never reused.
    pub sub: String,
    /// The stored (canonical) username; equals `sub` in pools whose users sign in by email or phone.
    pub username: String,
    /// Where the user stands.
    pub status: UserStatusType,
    /// False while an administrator has disabled the user.
    pub enabled: bool,
    /// Attributes by name, `sub` left out. Booleans are the texts `true` and `false`.
    pub attributes: BTreeMap<String, String>,
    /// When the user came to be.
    pub created_at: Timestamp,
    /// When anything about the user last changed.
    pub modified_at: Timestamp,
    /// Tokens from sign-ins before this moment are refused (global sign-out, disabling).
    pub tokens_not_before: Option<Timestamp>,
    /// Identities at other providers that may sign in as this user, in the order in which they were linked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<Identity>,
    /// Which second factors are switched on.
    #[serde(default, skip_serializing_if = "MfaPreference::is_unset")]
    pub mfa: MfaPreference,
}

impl User {
    /// A new user: enabled, without other identities, second factors and sign-outs.
    #[must_use]
    pub fn new(
        pool_id: &str,
        sub: &str,
        username: &str,
        status: UserStatusType,
        attributes: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Self {
        Self {
            pool_id: pool_id.to_owned(),
            sub: sub.to_owned(),
            username: username.to_owned(),
            status,
            enabled: true,
            attributes,
            created_at: now,
            modified_at: now,
            tokens_not_before: None,
            identities: Vec::new(),
            mfa: MfaPreference::default(),
        }
    }

    /// Whether the user was made when an identity at another provider signed in first. Such a user has no other name than
    /// the one that says so: what the provider says of addresses is no name here.
    #[must_use]
    pub fn is_of_another_provider(&self) -> bool {
        self.identities.iter().any(|identity| identity.primary)
    }

    /// An attribute's value; `sub` included.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        if name == "sub" {
            return Some(&self.sub);
        }
        self.attributes.get(name).map(String::as_str)
    }

    /// Whether `email` or `phone_number` is present and verified.
    #[must_use]
    pub fn has_verified(&self, name: &str) -> bool {
        let verified = match name {
            "email" => "email_verified",
            "phone_number" => "phone_number_verified",
            _ => return false,
        };
        self.attribute(name).is_some_and(|value| !value.is_empty()) && self.attribute(verified) == Some("true")
    }

    /// The address for a medium, verified or not.
    #[must_use]
    pub fn address(&self, medium: Medium) -> Option<&str> {
        self.attribute(medium.attribute()).filter(|value| !value.is_empty())
    }

    /// `auth_time`, in seconds, of the tokens of a sign-in at `now`.
    ///
    /// Tokens count in seconds and a sign-out happens within one; so that tokens from before it are refused and a
    /// sign-in right after it works, that sign-in counts from the next second on.
    #[must_use]
    pub fn auth_time(&self, now: Timestamp) -> i64 {
        let earliest = self.tokens_not_before.map_or(i64::MIN, |moment| moment.plus(999).seconds());
        now.seconds().max(earliest)
    }

    /// Refuses the tokens of every sign-in so far, for good. Calling it again within the same second refuses those of
    /// sign-ins since the last call too.
    pub fn refuse_tokens_so_far(&mut self, now: Timestamp) {
        self.tokens_not_before = Some(Timestamp::from_seconds(self.auth_time(now).saturating_add(1)));
    }

    /// Whether tokens of a sign-in with this `auth_time` (in seconds) are refused.
    #[must_use]
    pub fn refuses_tokens_of(&self, auth_time: i64) -> bool {
        self.tokens_not_before.is_some_and(|moment| Timestamp::from_seconds(auth_time) < moment)
    }
}

#[cfg(test)]
mod tests {
    use super::{Timestamp, User, UserStatusType};

    fn user() -> User {
        User::new("", "", "", UserStatusType::Confirmed, [].into(), Timestamp(0))
    }

    #[test]
    fn tokens_from_before_a_sign_out_are_refused_and_later_ones_are_not() {
        let mut user = user();
        let now = Timestamp(5_200);
        // Everything here happens at one moment.
        for _ in 0..3 {
            let before = user.auth_time(now);
            assert!(!user.refuses_tokens_of(before));
            user.refuse_tokens_so_far(now);
            assert!(user.refuses_tokens_of(before));
            assert!(!user.refuses_tokens_of(user.auth_time(now)));
        }
        assert_eq!(user.auth_time(Timestamp(60_000)), 60);
    }

    #[test]
    fn a_moment_within_a_second_counts_from_the_next_one() {
        let mut user = user();
        user.tokens_not_before = Some(Timestamp(5_201));
        assert!(user.refuses_tokens_of(5));
        assert_eq!(user.auth_time(Timestamp(5_300)), 6);
        assert!(!user.refuses_tokens_of(6));
    }
}
