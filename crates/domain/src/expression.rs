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
