//! The refresh tokens of one sign-in where they are rotated (auth-flows.md §18): which of them counts, and which ones
//! were replaced a moment ago.

use serde::{Deserialize, Serialize};
use wire::Timestamp;

use crate::{UserPart, UserPartKind, time};

/// The longest that a replaced token may go on counting, in milliseconds.
const LONGEST_GRACE: i64 = time::MINUTE;
/// How many replacements are remembered. Who refreshes more often than that within a minute has lost the first ones.
const MOST_REMEMBERED: usize = 16;

/// The state of one sign-in's refresh tokens. It is made when the first of them is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshFamily {
    /// The pool.
    pub pool_id: String,
    /// The user.
    pub sub: String,
    /// The sign-in.
    pub origin_jti: String,
    /// Number of the token that counts. The first one has number 0.
    pub current: u32,
    /// When the latest ones before it were replaced, oldest first.
    pub replaced_at: Vec<Timestamp>,
    /// When all of them have expired: the life of the first one is the life of all.
    pub expires_at: Timestamp,
}

/// What a token is among those of its sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    Current,
    /// It was replaced, so lately that its client may not have received the replacement.
    Retried,
    /// It was replaced, and its client knows: somebody else has it too.
    Reused,
}

impl RefreshFamily {
    /// The family of a sign-in none of whose tokens has been replaced.
    #[must_use]
    pub fn new(pool_id: &str, sub: &str, origin_jti: &str, expires_at: Timestamp) -> Self {
        Self {
            pool_id: pool_id.to_owned(),
            sub: sub.to_owned(),
            origin_jti: origin_jti.to_owned(),
            current: 0,
            replaced_at: Vec::new(),
            expires_at,
        }
    }

    /// What the token of this number is at `now`, where replaced ones go on counting for `grace` seconds.
    ///
    /// A number above the current one can only come from a state that was lost, as when an old backup was restored;
    /// whoever holds that token got it from us, so it counts.
    #[must_use]
    pub fn standing(&self, number: u32, grace: i64, now: Timestamp) -> Standing {
        let Some(age) = self.current.checked_sub(number).filter(|age| *age > 0) else { return Standing::Current };
        let replaced_at = usize::try_from(age)
            .ok()
            .and_then(|age| self.replaced_at.len().checked_sub(age))
            .and_then(|index| self.replaced_at.get(index));
        // Without grace none is given either by a clock that is behind the one that replaced the token.
        let is_in_time = |at: &Timestamp| grace > 0 && now < at.plus(grace.saturating_mul(time::SECOND));
        if replaced_at.is_some_and(is_in_time) { Standing::Retried } else { Standing::Reused }
    }

    /// Replaces the token of this number, which counts, by the next one.
    #[must_use]
    pub fn replacing(mut self, number: u32, now: Timestamp) -> Self {
        if number != self.current {
            self.replaced_at.clear();
        }
        self.current = number.saturating_add(1);
        self.replaced_at.retain(|at| now < at.plus(LONGEST_GRACE));
        self.replaced_at.push(now);
        let surplus = self.replaced_at.len().saturating_sub(MOST_REMEMBERED);
        self.replaced_at.drain(..surplus);
        self
    }
}

impl UserPart for RefreshFamily {
    const KIND: UserPartKind = UserPartKind::RefreshFamily;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn sub(&self) -> &str {
        &self.sub
    }

    fn id(&self) -> &str {
        &self.origin_jti
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

#[cfg(test)]
mod tests {
    use wire::Timestamp;

    use super::{RefreshFamily, Standing};
    use crate::time;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * time::SECOND)
    }

    fn family() -> RefreshFamily {
        RefreshFamily::new("pool", "sub", "jti", at(1_000_000))
    }

    #[test]
    fn a_replaced_token_counts_for_the_grace_period() {
        let family = family();
        assert_eq!(family.standing(0, 0, at(0)), Standing::Current);
        let family = family.replacing(0, at(100));
        assert_eq!(family.standing(1, 0, at(100)), Standing::Current);
        for (grace, now, standing) in [
            (10, 100, Standing::Retried),
            (10, 109, Standing::Retried),
            (10, 110, Standing::Reused),
            (60, 159, Standing::Retried),
            (0, 100, Standing::Reused),
            // A clock that is behind.
            (0, 99, Standing::Reused),
            (10, 99, Standing::Retried),
        ] {
            assert_eq!(family.standing(0, grace, at(now)), standing, "{grace} {now}");
        }
    }

    #[test]
    fn each_replaced_token_has_its_own_grace_period() {
        let family = family().replacing(0, at(100)).replacing(1, at(105)).replacing(2, at(130));
        assert_eq!(family.standing(3, 10, at(131)), Standing::Current);
        assert_eq!(family.standing(2, 10, at(131)), Standing::Retried);
        assert_eq!(family.standing(1, 10, at(131)), Standing::Reused);
        assert_eq!(family.standing(1, 30, at(131)), Standing::Retried);
        assert_eq!(family.standing(0, 30, at(131)), Standing::Reused);
        assert_eq!(family.standing(0, 60, at(131)), Standing::Retried);
        // Longer ago than any grace period.
        let family = family.replacing(3, at(170));
        assert_eq!(family.replaced_at.len(), 2);
        assert_eq!(family.standing(0, 60, at(150)), Standing::Reused);
    }

    #[test]
    fn memory_of_replaced_tokens_is_bounded() {
        let mut family = family();
        for number in 0..100 {
            family = family.replacing(number, at(5));
        }
        assert_eq!(family.current, 100);
        assert_eq!(family.replaced_at.len(), 16);
        assert_eq!(family.standing(84, 60, at(5)), Standing::Retried);
        assert_eq!(family.standing(83, 60, at(5)), Standing::Reused);
    }

    #[test]
    fn a_number_from_a_lost_state_counts() {
        let family = family().replacing(0, at(1));
        assert_eq!(family.standing(7, 0, at(2)), Standing::Current);
        let family = family.replacing(7, at(2));
        assert_eq!(family.standing(8, 0, at(2)), Standing::Current);
        assert_eq!(family.standing(7, 60, at(2)), Standing::Retried);
        assert_eq!(family.standing(0, 60, at(2)), Standing::Reused);
    }
}
