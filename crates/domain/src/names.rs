//! The names under which a user can be found (accounts.md §2). The store keeps one claim per name, unique in the
//! pool: two users can never own the same one.

use serde::{Deserialize, Serialize};
use wire::{AliasAttributeType, UsernameAttributeType};

use crate::{Pool, User};

/// What kind of name a claim is. The order is the order of look-up; numbers are stored and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NameKind {
    /// The stored username.
    Username = 0,
    /// An email address that is a sign-in identifier.
    Email = 1,
    /// A phone number that is a sign-in identifier.
    PhoneNumber = 2,
    /// `preferred_username` as an alias.
    PreferredUsername = 3,
    /// A linked identity, as [`Identity::name`](crate::Identity::name) writes it. Nobody is looked up by it as by a
    /// username.
    Identity = 4,
}

impl NameKind {
    /// The stored number.
    #[must_use]
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// The attribute that the name comes from; none for the username and for identities.
    #[must_use]
    pub const fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Username | Self::Identity => None,
            Self::Email => Some("email"),
            Self::PhoneNumber => Some("phone_number"),
            Self::PreferredUsername => Some("preferred_username"),
        }
    }
}

/// Every name that a user owns in the pool, as it is claimed: the username; where email or phone are usernames,
/// their values, verified or not; where they are aliases, verified values only; `preferred_username` as an alias;
/// linked identities.
///
/// Decision: users who were made by a sign-in at another provider own their username and their identities alone. What
/// another provider says of addresses neither takes a name from anybody nor keeps anybody from having it
/// (triggers-security.md §2: their `cognito:email_alias` is empty).
#[must_use]
pub fn claims(pool: &Pool, user: &User) -> Vec<(NameKind, String)> {
    let mut claims = vec![(NameKind::Username, pool.fold(&user.username))];
    let has_aliases = !user.is_of_another_provider();
    let mut add = |kind: NameKind, wanted: bool| {
        let wanted = wanted && has_aliases;
        let value = kind.attribute().and_then(|name| user.attribute(name)).filter(|value| !value.is_empty());
        if let Some(value) = value.filter(|_| wanted) {
            claims.push((kind, pool.fold(value)));
        }
    };
    add(
        NameKind::Email,
        pool.uses_as_username(UsernameAttributeType::Email)
            || pool.uses_as_alias(AliasAttributeType::Email) && user.has_verified("email"),
    );
    add(
        NameKind::PhoneNumber,
        pool.uses_as_username(UsernameAttributeType::PhoneNumber)
            || pool.uses_as_alias(AliasAttributeType::PhoneNumber) && user.has_verified("phone_number"),
    );
    add(NameKind::PreferredUsername, pool.uses_as_alias(AliasAttributeType::PreferredUsername));
    claims.extend(user.identities.iter().map(|identity| (NameKind::Identity, identity.name())));
    claims
}

/// Whether text looks like an email address: one `@` with something before it and a dotted domain behind it.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let labels = domain.split('.').all(|label| {
        !label.is_empty()
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    });
    !local.is_empty()
        && local.len() <= 64
        && text.len() <= 320
        && !local.chars().any(|c| c.is_whitespace() || c.is_control() || "@<>()[],;:\"\\".contains(c))
        && labels
        && domain.contains('.')
}

/// Whether text is a phone number as the service takes it: `+`, then up to 15 digits.
#[must_use]
pub fn is_phone_number(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (1..=15).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{is_email, is_phone_number};

    #[test]
    fn addresses_and_numbers_are_told_from_other_text() {
        for good in ["a@b.co", "first.last+tag@mail.example.com", "é@exämple.de"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b.co",
            "a@",
            "a@b",
            "a b@c.de",
            "a@b..c",
            "a@-b.de",
            "a\n@b.de",
            "<a>@b.de",
            "a@b.de\r\nBcc: x@y.z",
        ] {
            assert!(!is_email(bad), "{bad:?}");
        }
        for good in ["+1", "+14325551212", "+123456789012345"] {
            assert!(is_phone_number(good), "{good}");
        }
        for bad in ["", "+", "14325551212", "+1 432", "+1234567890123456", "+12a"] {
            assert!(!is_phone_number(bad), "{bad}");
        }
    }
}
