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
    pub fn record_sign_in_failure(&mut self, now: Timestamp) {
        if let (Some(until), Some(last)) = (self.locked_until, self.recent.last())
            && now.since(*last) >= LONGEST_LOCK
            && now >= until
        {
            self.failures = 0;
            self.locked_until = None;
        }
        self.failures = self.failures.saturating_add(1);
        self.recent = vec![now];
        if self.failures >= FREE_FAILURES {
            let exponent = (self.failures - FREE_FAILURES).min(20);
            let lock = (time::SECOND << exponent).min(LONGEST_LOCK);
            self.locked_until = Some(now.plus(lock));
        }
        self.expires_at = now.plus(time::DAY);
    }
}
