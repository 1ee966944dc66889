//! What users can be searched for (accounts.md §12.1). The store keeps a key for each value of each user, so that the
//! cost of a page does not grow with the pool.
//!
//! Usernames and ids need no keys of this kind: names and users are in their order anyway.

use wire::UserStatusType;

use crate::User;

/// Longest value of a key, in characters: what a filter can hold is shorter, and a longer value differs from it anyway.
pub const LONGEST_VALUE: usize = 256;

/// What a value is of. Numbers are stored and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SearchKind {
    /// The email address.
    Email = 0,
    /// The phone number.
    PhoneNumber = 1,
    /// The full name.
    Name = 2,
    /// The given name.
    GivenName = 3,
    /// The family name.
    FamilyName = 4,
    /// The preferred username.
    PreferredUsername = 5,
    /// The status, followed by `+` for enabled and `-` for disabled users.
    Status = 6,
}

/// Every status, in the order in which users are listed by it.
pub const STATUSES: [UserStatusType; 8] = [
    UserStatusType::Archived,
    UserStatusType::Compromised,
    UserStatusType::Confirmed,
    UserStatusType::ExternalProvider,
    UserStatusType::ForceChangePassword,
    UserStatusType::ResetRequired,
    UserStatusType::Unconfirmed,
    UserStatusType::Unknown,
];

/// The attributes that have keys.
pub const ATTRIBUTES: [SearchKind; 6] = [
    SearchKind::Email,
    SearchKind::PhoneNumber,
    SearchKind::Name,
    SearchKind::GivenName,
    SearchKind::FamilyName,
    SearchKind::PreferredUsername,
];

impl SearchKind {
    /// The stored number.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The attribute that the value is of; none for the status.
    #[must_use]
    pub const fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Email => Some("email"),
            Self::PhoneNumber => Some("phone_number"),
            Self::Name => Some("name"),
            Self::GivenName => Some("given_name"),
            Self::FamilyName => Some("family_name"),
            Self::PreferredUsername => Some("preferred_username"),
            Self::Status => None,
        }
    }
}

/// A value as keys hold it, and as it is looked for: without regard to case, at most [`LONGEST_VALUE`] characters.
/// Nothing for a value that not every engine can store, because of a NUL character: nobody is found by it.
///
/// Decision: whether case counts for attributes is described in two ways, that it never does in a search and, for some
/// of them by name, that it does. It does for `username`, `sub` and `status`, which are among those, and for nothing
/// else: whoever looks for an address does not know how its owner has typed it.
#[must_use]
pub fn folded(value: &str) -> Option<String> {
    // One character for each, so that what begins alike still does.
    let lower = |character: char| {
        let mut lower = character.to_lowercase();
        lower.next().filter(|_| lower.next().is_none()).unwrap_or(character)
    };
    (!value.contains('\0')).then(|| value.chars().take(LONGEST_VALUE).map(lower).collect())
}

/// What comes before every text that begins with `prefix`, and after every other one that they come after. Neither
/// usernames nor ids hold the last of all characters, which no writing has.
#[must_use]
pub fn before(prefix: &str) -> String {
    let mut before = prefix.to_owned();
    // Surrogates are no characters.
    let previous = before.pop().and_then(|last| ('\0'..last).next_back());
    if let Some(previous) = previous {
        before.extend([previous, char::MAX]);
    }
    before
}

/// What comes after every text that begins with `prefix` and has at most [`LONGEST_VALUE`] characters, and before every
/// other one that comes after them.
#[must_use]
pub fn after(prefix: &str) -> String {
    let mut after = prefix.trim_end_matches(char::MAX).to_owned();
    match after.pop().and_then(|last| (last..=char::MAX).nth(1)) {
        Some(next) => after.push(next),
        None => after = char::MAX.to_string().repeat(LONGEST_VALUE + 1),
    }
    after
}

/// The value of the key for status and being enabled.
#[must_use]
pub fn status_value(status: &UserStatusType, enabled: bool) -> String {
    format!("{}{}", status.as_str(), if enabled { '+' } else { '-' })
}

/// All keys that a user is found by.
#[must_use]
pub fn keys(user: &User) -> Vec<(SearchKind, String)> {
    let values = ATTRIBUTES.into_iter().filter_map(|kind| {
        let value = user.attribute(kind.attribute()?).filter(|value| !value.is_empty())?;
        Some((kind, folded(value)?))
    });
    values.chain([(SearchKind::Status, status_value(&user.status, user.enabled))]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST_VALUE, STATUSES, after, before, folded};

    #[test]
    fn case_does_not_count_and_lengths_stay() {
        assert_eq!(folded("Anna ÄÖ ẞ ΑΣ"), Some("anna äö ß ας".replace('ς', "σ")));
        // In lower case two characters.
        assert_eq!(folded("İx"), Some("İx".to_owned()));
        assert_eq!(folded(&"É".repeat(300)), Some("é".repeat(LONGEST_VALUE)));
        assert_eq!(folded("a\0b"), None);
    }

    #[test]
    fn statuses_are_in_order() {
        assert!(STATUSES.is_sorted_by_key(|status| status.as_str()));
    }

    #[test]
    fn the_ends_of_the_alphabet() {
        assert_eq!(before(""), "");
        assert_eq!(before("ab"), format!("aa{}", char::MAX));
        assert_eq!(before("a\u{E000}"), format!("a\u{D7FF}{}", char::MAX));
        assert_eq!(after("ab"), "ac");
        assert_eq!(after("a\u{D7FF}"), "a\u{E000}");
        assert_eq!(after(&format!("a{0}{0}", char::MAX)), "b");
        for all in [String::new(), char::MAX.to_string()] {
            assert!(after(&all) > char::MAX.to_string().repeat(LONGEST_VALUE));
        }
    }

    proptest! {
        #[test]
        fn what_begins_with_a_prefix_lies_between_and_nothing_else(prefix in "[ab\u{D7FF}\u{E000}é]{0,3}", text in "[ !ab\u{D7FF}\u{E000}é]{1,4}") {
            let lies_between = text > before(&prefix) && text < after(&prefix);
            prop_assert_eq!(lies_between, text.starts_with(&prefix));
        }
    }
}
