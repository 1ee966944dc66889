//! Counters that stop guessing (accounts.md §4.3, auth-flows.md §10). The numbers are settings with these defaults;
//! windows roll.

use serde::{Deserialize, Serialize};
use wire::Timestamp;

use crate::{Medium, time};

/// What is being counted. Numbers are stored and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AttemptPurpose {
    /// Failed passwords at sign-in.
    SignIn = 1,
    /// Requests for a reset code.
    ResetRequest = 2,
    /// Wrong reset codes.
    ResetCode = 3,
    /// Wrong sign-up codes.
    ConfirmSignUp = 4,
    /// Requests for another sign-up code.
    ResendCode = 5,
    /// ChangePassword calls.
    ChangePassword = 6,
    /// Requests for a code that verifies an attribute.
    AttributeCode = 7,
    /// Wrong codes for the email address.
    VerifyEmail = 8,
    /// Wrong codes for the phone number.
    VerifyPhoneNumber = 9,
    /// Wrong codes and other second factors at sign-in.
    SecondFactor = 10,
    /// Wrong codes as the first factor of a sign-in.
    FirstCode = 11,
    /// Wrong codes of a software token that is being set up.
    VerifySoftwareToken = 12,
    /// Codes that were sent to a user during sign-ins.
    SignInCode = 13,
    /// Codes that were sent to an address during sign-ins, whoever's it is.
    SignInCodeTo = 14,
    /// Passwords of users whom nobody knows that a function which brings users along was asked about in vain.
    Migration = 15,
}

impl AttemptPurpose {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::SignIn,
        Self::ResetRequest,
        Self::ResetCode,
        Self::ConfirmSignUp,
        Self::ResendCode,
        Self::ChangePassword,
        Self::AttributeCode,
        Self::VerifyEmail,
        Self::VerifyPhoneNumber,
        Self::SecondFactor,
        Self::FirstCode,
        Self::VerifySoftwareToken,
        Self::SignInCode,
        Self::SignInCodeTo,
        Self::Migration,
    ];

    /// Wrong codes for the address of this medium.
    #[must_use]
    pub const fn verification(medium: Medium) -> Self {
        match medium {
            Medium::Email => Self::VerifyEmail,
            Medium::Sms => Self::VerifyPhoneNumber,
        }
    }

    /// The stored number.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }
}

/// One user's attempts of one purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempts {
    /// The pool.
    pub pool_id: String,
    /// The user, or the stand-in for a user that does not exist, or for an address.
    pub sub: String,
    /// What is counted.
    pub purpose: AttemptPurpose,
    /// Moments of the attempts that still count, oldest first.
    pub recent: Vec<Timestamp>,
    /// Consecutive failures (sign-in only).
    pub failures: u32,
    /// No attempt is looked at before this moment (sign-in only).
    pub locked_until: Option<Timestamp>,
    /// When nothing in this row matters any more and it may go.
    pub expires_at: Timestamp,
}

/// What the sign-in guard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Look at the password.
    Open,
    /// `Password attempts exceeded`, whatever the password.
    Locked,
}

/// The longest that failed passwords lock a user: 15 minutes.
pub const LONGEST_LOCK: i64 = 15 * time::MINUTE;
/// How long nobody tries after a lock until the count starts over.
const QUIET: i64 = 15 * time::MINUTE;
/// Failures before the first lock.
pub const FREE_FAILURES: u32 = 5;

impl Attempts {
    /// A row in which nothing has happened.
    #[must_use]
    pub fn none(pool_id: &str, sub: &str, purpose: AttemptPurpose, now: Timestamp) -> Self {
        Self {
            pool_id: pool_id.to_owned(),
            sub: sub.to_owned(),
            purpose,
            recent: Vec::new(),
            failures: 0,
            locked_until: None,
            expires_at: now,
        }
    }

    /// How many attempts lie in the last `window` milliseconds.
    #[must_use]
    pub fn count_since(&self, now: Timestamp, window: i64) -> usize {
        self.recent.iter().filter(|at| now.since(**at) < window).count()
    }

    /// Adds an attempt and forgets those older than `keep` milliseconds.
    pub fn record(&mut self, now: Timestamp, keep: i64) {
        self.recent.retain(|at| now.since(*at) < keep);
        self.recent.push(now);
        self.expires_at = now.plus(keep);
    }

    /// Whether a password may be looked at now.
    #[must_use]
    pub fn lock(&self, now: Timestamp) -> Lock {
        match self.locked_until {
            Some(until) if now < until => Lock::Locked,
            _ => Lock::Open,
        }
    }

    /// Counts a failed password: failures 1 to 4 cost nothing, failure n ≥ 5 locks for 2^(n−5) seconds, at most
    /// 15 minutes; 15 quiet minutes after a lock start over.
    ///
    /// Decision: those minutes begin when the lock ends. What is tried during a lock is not counted, and so need not be
    /// noted; and after the longest lock, as long as they are, the next failure brings another one.
    pub fn record_sign_in_failure(&mut self, now: Timestamp) {
        if self.locked_until.is_some_and(|until| now.since(until) >= QUIET) {
            self.failures = 0;
            self.locked_until = None;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FREE_FAILURES {
            let exponent = (self.failures - FREE_FAILURES).min(20);
            let lock = (time::SECOND << exponent).min(LONGEST_LOCK);
            self.locked_until = Some(now.plus(lock));
        }
        self.expires_at = now.plus(time::DAY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_767_323_045);

    /// Seconds for which so many failures lock, each of which comes when the lock before it ends.
    fn lock_after(failures: u32) -> i64 {
        let mut attempts = Attempts::none("pool", "sub", AttemptPurpose::SignIn, NOW);
        let mut now = NOW;
        for _ in 0..failures {
            now = attempts.locked_until.unwrap_or(now);
            assert_eq!(attempts.lock(now), Lock::Open);
            attempts.record_sign_in_failure(now);
        }
        attempts.locked_until.map_or(0, |until| until.since(now) / time::SECOND)
    }

    #[test]
    fn locks_double_up_to_a_quarter_of_an_hour() {
        for (failures, seconds) in [(1, 0), (4, 0), (5, 1), (6, 2), (7, 4), (10, 32), (14, 512)] {
            assert_eq!(lock_after(failures), seconds, "{failures}");
        }
        for failures in [15, 16, 17, 100, 1_000] {
            assert_eq!(lock_after(failures), 900, "{failures}");
        }
    }

    #[test]
    fn quiet_minutes_begin_when_the_lock_ends() {
        for (quiet, failures) in [(0, 7), (QUIET - 1, 7), (QUIET, 1), (QUIET + 1, 1)] {
            let mut attempts = Attempts::none("pool", "sub", AttemptPurpose::SignIn, NOW);
            (0..6).for_each(|_| attempts.record_sign_in_failure(NOW));
            let until = NOW.plus(2 * time::SECOND);
            assert_eq!(attempts.locked_until, Some(until));
            attempts.record_sign_in_failure(until.plus(quiet));
            assert_eq!(attempts.failures, failures, "{quiet}");
        }
        // Before there is a lock nothing is forgotten but with the row.
        let mut attempts = Attempts::none("pool", "sub", AttemptPurpose::SignIn, NOW);
        (0..4).for_each(|_| attempts.record_sign_in_failure(NOW));
        attempts.record_sign_in_failure(NOW.plus(2 * QUIET));
        assert_eq!(attempts.failures, 5);
    }
}
