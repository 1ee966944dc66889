//! Access keys, and the actions that one may be limited to (triggers-security.md §19.2).
//!
//! Actions are named as in IAM: the service, a colon, the operation. A pattern is such a name, or the beginning of
//! several with a `*` at its end.

use serde::{Deserialize, Serialize};
use wire::{Operation, Timestamp};

use crate::Sealed;

/// The operations of user pools in names of actions, and in what requests are signed for.
const USER_POOLS: &str = "cognito-idp";
/// The one action of KMS that this server has: a function that sends messages decrypts their codes by it.
const DECRYPT: &str = "kms:Decrypt";
/// How many names are suggested for one that is unknown.
const SUGGESTIONS: usize = 3;

/// A key with which an administrator, or a function, signs requests (SigV4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessKey {
    /// `AKIA…`, 20 characters.
    pub id: String,
    /// The secret, sealed with the id, and with `only` where there are limits.
    pub secret: Sealed,
    /// What it is for, in the operator's words.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it may be used for, and nothing else; `None` where that is everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<ActionPattern>>,
}

/// An action, or all whose names begin alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionPattern(String);

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// `*` alone.
    #[error("a key that may do everything is one without limits: leave them out")]
    Everything,
    /// The operation is open to everybody.
    #[error("nobody needs an access key for this operation: leave it out")]
    NeedsNoKey,
    /// There is nothing of that name.
    #[error(
        "no action has this name, and none begins so; a `*` may stand at the end only. Did you mean {}?",
        nearest.join(", ")
    )]
    Unknown {
        /// The names that are nearest to it, the nearest first.
        nearest: Vec<String>,
    },
}

impl ActionPattern {
    /// Reads `cognito-idp:AdminGetUser`, `cognito-idp:List*`, `kms:Decrypt` and their like. Capitals count.
    ///
    /// # Errors
    /// Where it would permit nothing, or everything.
    pub fn parse(text: &str) -> Result<Self, ActionError> {
        if text == "*" {
            return Err(ActionError::Everything);
        }
        let pattern = Self(text.to_owned());
        let actions = actions();
        // The service is part of every name; half of one could come to mean another service as well.
        if text.contains(':') && actions.iter().any(|action| pattern.matches(action)) {
            return Ok(pattern);
        }
        let operation = text.strip_prefix(USER_POOLS).and_then(|name| Operation::parse(name.strip_prefix(':')?));
        match operation {
            Some(_) => Err(ActionError::NeedsNoKey),
            None => Err(ActionError::Unknown { nearest: nearest(text, actions) }),
        }
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the action is among those that are meant.
    #[must_use]
    pub fn matches(&self, action: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => action.starts_with(beginning),
            None => action == self.0,
        }
    }

    /// Whether it is about user pools.
    #[must_use]
    pub fn is_of_user_pools(&self) -> bool {
        self.0.strip_prefix(USER_POOLS).is_some_and(|rest| rest.starts_with(':'))
    }
}

/// Whether callers of the operation are asked for an access key. `GetClientToken` is signed according to the model, but
/// what counts is the client's secret.
#[must_use]
pub fn is_asked_for(operation: Operation) -> bool {
    operation.is_signed() && operation != Operation::GetClientToken
}

/// Every action that a key can be limited to.
fn actions() -> Vec<String> {
    let operations = Operation::ALL.iter().filter(|operation| is_asked_for(**operation));
    let operations = operations.map(|operation| format!("{USER_POOLS}:{}", operation.name()));
    operations.chain([DECRYPT.to_owned()]).collect()
}

/// The actions with the names that are nearest to a text, whatever its capitals; the service may be missing in it.
fn nearest(text: &str, actions: Vec<String>) -> Vec<String> {
    let text = text.to_lowercase();
    let beginning = text.strip_suffix('*');
    let away = |name: &str| match beginning {
        Some(beginning) => distance(beginning, &name.chars().take(beginning.chars().count()).collect::<String>()),
        None => distance(&text, name),
    };
    let mut ranked: Vec<(usize, String)> = actions
        .into_iter()
        .map(|action| {
            let whole = action.to_lowercase();
            let name = whole.split_once(':').map_or("", |(_, name)| name);
            (away(&whole).min(away(name)), action)
        })
        .collect();
    ranked.sort();
    ranked.into_iter().take(SUGGESTIONS).map(|(_, action)| action).collect()
}

/// How many characters must be added, left out or replaced to make one text of the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    // The distances of what was read of `left` so far to each beginning of `right`.
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (read, from) in left.chars().enumerate() {
        let (mut diagonal, mut before) = (read, read + 1);
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = before;
        }
        for (cell, to) in cells.zip(right.chars()) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            before = replaced.min(before + 1).min(diagonal + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> ActionPattern {
        ActionPattern::parse(text).unwrap()
    }

    fn suggestions(text: &str) -> Vec<String> {
        match ActionPattern::parse(text) {
            Err(ActionError::Unknown { nearest }) => nearest,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_pattern_means_a_name_or_those_that_begin_alike() {
        let get = pattern("cognito-idp:AdminGetUser");
        assert!(get.matches("cognito-idp:AdminGetUser"));
        for other in ["cognito-idp:AdminGetUserAuthFactors", "cognito-idp:adminGetUser", "kms:AdminGetUser", "", "*"] {
            assert!(!get.matches(other), "{other}");
        }
        let lists = pattern("cognito-idp:List*");
        assert!(lists.matches("cognito-idp:ListUsers") && lists.matches("cognito-idp:ListUserPools"));
        assert!(!lists.matches("cognito-idp:AdminListDevices") && !lists.matches("cognito-idp:Lis"));
        // A star stands for nothing, too.
        assert!(pattern("cognito-idp:AdminGetUser*").matches("cognito-idp:AdminGetUser"));
        let all = pattern("cognito-idp:*");
        assert!(actions().iter().all(|action| all.matches(action) == (action != DECRYPT)));
        assert!(pattern("kms:*").matches(DECRYPT) && pattern(DECRYPT).matches(DECRYPT));
        assert!(all.is_of_user_pools() && get.is_of_user_pools() && !pattern("kms:*").is_of_user_pools());
    }

    #[test]
    fn every_action_can_be_named() {
        for action in actions() {
            assert!(pattern(&action).matches(&action));
        }
        assert!(actions().len() > 100);
    }

    #[test]
    fn what_would_permit_nothing_or_everything_is_refused() {
        assert_eq!(ActionPattern::parse("*"), Err(ActionError::Everything));
        for open in ["cognito-idp:SignUp", "cognito-idp:GetUser", "cognito-idp:GetClientToken"] {
            assert_eq!(ActionPattern::parse(open), Err(ActionError::NeedsNoKey), "{open}");
        }
        for wrong in [
            "",
            ":",
            ":*",
            "cognito-idp",
            "cognito-idp:",
            "cognito*",
            "k*",
            "kms:GenerateDataKey",
            "cognito-idp:*User",
            "cognito-idp:Admin*User",
            "cognito-idp:**",
            "cognito-idp:SignUp*",
            "cognito-identity:*",
            "cognito-idp:AdminGetUser,kms:Decrypt",
            " kms:Decrypt",
            "kms:decrypt",
        ] {
            assert_eq!(suggestions(wrong).len(), SUGGESTIONS, "{wrong}");
        }
    }

    #[test]
    fn the_nearest_names_are_suggested() {
        assert_eq!(suggestions("cognito-idp:AdminGetUsr")[0], "cognito-idp:AdminGetUser");
        assert_eq!(suggestions("AdminGetUser")[0], "cognito-idp:AdminGetUser");
        assert_eq!(suggestions("cognito-idp:listusers")[0], "cognito-idp:ListUsers");
        assert_eq!(suggestions("kms:decript")[0], "kms:Decrypt");
        assert_eq!(suggestions("kms:Decrypts*")[0], "kms:Decrypt");
        assert!(suggestions("cognito-idp:Adnim*").iter().all(|name| name.starts_with("cognito-idp:Admin")));
        let text = ActionPattern::parse("kms:decript").unwrap_err().to_string();
        assert!(text.contains("Did you mean kms:Decrypt, ") && text.ends_with('?'), "{text}");
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (left, right, expected) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("é", "e", 1)]
        {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn a_key_without_limits_is_stored_as_ever() {
        let stored = r#"{"id":"AKIA1","secret":"sealed","label":"ci","created_at":5.0}"#;
        let mut key: AccessKey = serde_json::from_str(stored).unwrap();
        assert_eq!(key.only, None);
        assert_eq!(serde_json::to_string(&key).unwrap(), stored);
        key.only = Some(vec![pattern("kms:Decrypt"), pattern("cognito-idp:List*")]);
        let limited = serde_json::to_string(&key).unwrap();
        assert!(limited.ends_with(r#""only":["kms:Decrypt","cognito-idp:List*"]}"#), "{limited}");
        assert_eq!(serde_json::from_str::<AccessKey>(&limited).unwrap(), key);
    }
}
