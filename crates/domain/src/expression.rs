//! What ListUsers is asked to find where `[beyond]` allows more than the original: conditions on any attribute, joined by
//! `and` and `or`. `and` binds closer; there are no brackets, which are not needed for anything that can be said.

use crate::{
    Pool, User,
    attributes::schema_of,
    filter::{self, Comparison, Filter, FilterRefusal, Subject},
    search,
};

/// Conditions that one expression may have.
pub const MOST_CONDITIONS: usize = 16;

/// One condition of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// On what the original can search for, too.
    Searchable(Filter),
    /// On another attribute of the schema, whose value counts exactly.
    Attribute {
        /// Its name.
        name: String,
        /// How it is compared.
        comparison: Comparison,
        /// With what.
        value: String,
    },
}

/// Whoever meets all conditions of any of its lists is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression(pub Vec<Vec<Condition>>);

/// Reads an expression for users of a pool.
///
/// # Errors
/// When it is none, has more than [`MOST_CONDITIONS`], or is on an attribute that the schema does not have.
pub fn parse(pool: &Pool, text: &str) -> Result<Expression, FilterRefusal> {
    let mut any_of = vec![Vec::new()];
    let (mut rest, mut conditions) = (text.trim_start(), 0);
    loop {
        let (raw, after) = filter::condition(rest)?;
        conditions += 1;
        if conditions > MOST_CONDITIONS {
            return Err(FilterRefusal::Grammar);
        }
        if let Some(all_of) = any_of.last_mut() {
            all_of.push(condition(pool, raw)?);
        }
        rest = after.trim_start();
        if rest.is_empty() {
            return Ok(Expression(any_of));
        }
        rest = match (word(rest, "and"), word(rest, "or")) {
            (Some(after), _) => after,
            (None, Some(after)) => {
                any_of.push(Vec::new());
                after
            }
            (None, None) => return Err(FilterRefusal::Grammar),
        };
    }
}

/// What follows a word, in any case, and the blank after it.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (found, rest) = text.split_at_checked(word.len())?;
    let is_it = found.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace);
    is_it.then(|| rest.trim_start())
}

fn condition(pool: &Pool, raw: filter::RawCondition) -> Result<Condition, FilterRefusal> {
    let filter::RawCondition { name, comparison, value } = raw;
    match filter::subject(&name) {
        Some(subject) => Ok(Condition::Searchable(Filter { subject, comparison, value })),
        None if schema_of(pool, &name).is_some() => Ok(Condition::Attribute { name, comparison, value }),
        None => Err(FilterRefusal::NotSearchable(name)),
    }
}

impl Condition {
    /// Whether a user meets it, as a search for it alone would find.
    #[must_use]
    pub fn holds(&self, pool: &Pool, user: &User) -> bool {
        let filter = match self {
            Self::Searchable(filter) => filter,
            Self::Attribute { name, comparison, value } => {
                return user.attribute(name).is_some_and(|text| comparison.holds(text, value));
            }
        };
        match filter.subject {
            Subject::Sub => filter.comparison.holds(&user.sub, &filter.value),
            Subject::Username => filter.comparison.holds(&pool.fold(&user.username), &pool.fold(&filter.value)),
            Subject::Enabled | Subject::UserStatus => {
                filter.status_values().contains(&search::status_value(&user.status, user.enabled))
            }
            Subject::Attribute(kind) => {
                let text = kind.attribute().and_then(|name| user.attribute(name)).filter(|text| !text.is_empty());
                let folded = text.and_then(search::folded).zip(search::folded(&filter.value));
                folded.is_some_and(|(text, value)| filter.comparison.holds(&text, &value))
            }
        }
    }

    /// How few users a search for it alone looks at, from 0; none when it would look at all.
    #[must_use]
    pub fn narrowness(&self) -> Option<u8> {
        let Self::Searchable(filter) = self else { return None };
        Some(match (filter.subject, filter.comparison) {
            (Subject::Sub | Subject::Username, Comparison::Equals) => 0,
            (Subject::Attribute(_), Comparison::Equals) => 1,
            (Subject::Sub | Subject::Username | Subject::Attribute(_), Comparison::BeginsWith) => 2,
            (Subject::Enabled | Subject::UserStatus, _) => 3,
        })
    }
}

impl Expression {
    /// Whether a user meets it.
    #[must_use]
    pub fn holds(&self, pool: &Pool, user: &User) -> bool {
        self.0.iter().any(|all_of| all_of.iter().all(|condition| condition.holds(pool, user)))
    }

    /// The condition that whoever meets the expression meets, and that the fewest users are looked at for; none when all
    /// have to be.
    #[must_use]
    pub fn leading(&self) -> Option<&Filter> {
        let [all_of] = self.0.as_slice() else { return None };
        let narrow = all_of.iter().filter_map(|condition| Some((condition.narrowness()?, condition)));
        match narrow.min_by_key(|(narrowness, _)| *narrowness)?.1 {
            Condition::Searchable(filter) => Some(filter),
            Condition::Attribute { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;
    use wire::{Timestamp, UserStatusType};

    use super::{Condition, Expression, MOST_CONDITIONS, parse};
    use crate::{
        Pool, SearchKind, User,
        filter::{Comparison, Filter, FilterRefusal, Subject},
    };

    fn pool() -> Pool {
        serde_json::from_value(json!({
            "id": "eu-west-1_Pool", "name": "p", "created_at": 0, "modified_at": 0, "deletion_protected": false,
            "password_policy": crate::PasswordPolicy::default(),
            "schema": [
                {"Name": "email", "AttributeDataType": "String"},
                {"Name": "address", "AttributeDataType": "String"},
                {"Name": "custom:level", "AttributeDataType": "Number"},
            ],
            "alias_attributes": [], "username_attributes": [], "case_sensitive": false,
            "auto_verified_attributes": [], "verification_before_update": [], "recovery": null,
            "verification_template": {}, "email": {}, "sms": null, "admin_create_user_only": false,
            "invite_template": null, "tags": {}, "tier": "ESSENTIALS",
        }))
        .unwrap()
    }

    fn user(attributes: &[(&str, &str)]) -> User {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        User::new("eu-west-1_Pool", "s", "alice", UserStatusType::Confirmed, attributes, Timestamp(0))
    }

    fn holds(text: &str, user: &User) -> bool {
        parse(&pool(), text).unwrap().holds(&pool(), user)
    }

    #[test]
    fn and_binds_closer_than_or() {
        let user = user(&[("email", "a@x"), ("custom:level", "7")]);
        for (text, expected) in [
            ("custom:level = \"7\"", true),
            ("custom:level = \"07\"", false),
            ("custom:level ^= \"\"", true),
            ("address ^= \"\"", false),
            ("email = \"A@X\"", true),
            ("username = \"ALICE\" and status = \"Enabled\"", true),
            ("username = \"alice\" AND status = \"Disabled\"", false),
            ("status = \"Disabled\" and email = \"a@x\" or custom:level = \"7\"", true),
            ("custom:level = \"7\" or email = \"a@x\" and status = \"Disabled\"", true),
            ("status = \"Disabled\" or status = \"Disabled\"  Or\tsub = \"s\"", true),
            ("cognito:user_status = \"CONFIRMED\" and \"custom:level\"^=\"7\"", true),
        ] {
            assert_eq!(holds(text, &user), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression() {
        for text in [
            "",
            "email",
            "email = \"x\" and",
            "email = \"x\" and ",
            "and email = \"x\"",
            "email = \"x\" email = \"y\"",
            "email = \"x\" andemail = \"y\"",
            "email = \"x\" xor email = \"y\"",
            "not email = \"x\"",
        ] {
            assert_eq!(parse(&pool(), text), Err(FilterRefusal::Grammar), "{text}");
        }
        for name in ["custom:other", "identities", "nickname"] {
            let expected = Err(FilterRefusal::NotSearchable(name.to_owned()));
            assert_eq!(parse(&pool(), &format!("email = \"x\" or {name} = \"y\"")), expected);
        }
        let many = |count: usize| vec!["email = \"x\""; count].join(" or ");
        assert!(parse(&pool(), &many(MOST_CONDITIONS)).is_ok());
        assert_eq!(parse(&pool(), &many(MOST_CONDITIONS + 1)), Err(FilterRefusal::Grammar));
    }

    #[test]
    fn the_narrowest_condition_leads() {
        let leading = |text: &str| parse(&pool(), text).unwrap().leading().map(|filter| filter.subject);
        assert_eq!(leading("status = \"Enabled\" and email = \"x\""), Some(Subject::Attribute(SearchKind::Email)));
        assert_eq!(leading("email = \"x\" and sub = \"y\" and username ^= \"z\""), Some(Subject::Sub));
        assert_eq!(leading("custom:level = \"1\" and status = \"Enabled\""), Some(Subject::Enabled));
        assert_eq!(leading("custom:level = \"1\""), None);
        assert_eq!(leading("email = \"x\" or sub = \"y\""), None, "whoever meets the other one would be missed");
    }

    /// What the language means, said in another way.
    fn naive(any_of: &[Vec<(usize, &str)>], values: &BTreeMap<usize, &str>) -> bool {
        let one = |(name, value): &(usize, &str)| values.get(name) == Some(value);
        any_of.iter().any(|all_of| all_of.iter().all(one))
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_meant(
            any_of in prop::collection::vec(prop::collection::vec((0..2_usize, prop::sample::select(vec!["a", "b"])), 1..4), 1..4),
            first in prop::option::of(prop::sample::select(vec!["a", "b"])),
            second in prop::option::of(prop::sample::select(vec!["a", "b"])),
        ) {
            const NAMES: [&str; 2] = ["address", "custom:level"];
            let conditions = any_of.iter().map(|all_of| {
                let texts = all_of.iter().map(|(name, value)| format!("{} = \"{value}\"", NAMES[*name]));
                texts.collect::<Vec<_>>().join(" and ")
            });
            let text = conditions.collect::<Vec<_>>().join(" or ");
            let values: BTreeMap<usize, &str> =
                [(0, first), (1, second)].into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            let attributes: Vec<_> = values.iter().map(|(name, value)| (NAMES[*name], *value)).collect();
            prop_assert_eq!(holds(&text, &user(&attributes)), naive(&any_of, &values), "{}", text);
        }

        #[test]
        fn nothing_that_is_sent_does_harm(text in "[a-z:\"\\\\=^ é]{0,60}|\\PC{0,60}") {
            let _either = parse(&pool(), &text);
        }
    }

    #[test]
    fn conditions_know_what_they_are_on() {
        let Expression(any_of) = parse(&pool(), "email ^= \"x\" and address = \"y\"").unwrap();
        let subject = Subject::Attribute(SearchKind::Email);
        let searchable = Filter { subject, comparison: Comparison::BeginsWith, value: "x".to_owned() };
        let (name, value) = ("address".to_owned(), "y".to_owned());
        let other = Condition::Attribute { name, comparison: Comparison::Equals, value };
        assert_eq!(any_of, [vec![Condition::Searchable(searchable), other]]);
    }
}
