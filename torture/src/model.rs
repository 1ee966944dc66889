//! What the load knows about the users that it made: what was acknowledged, and what requests of unknown outcome may
//! have done, or may still do.
//!
//! A request whose answer was lost may take effect much later: a node that is stopped goes on with it when it is
//! resumed. Its effect therefore stays possible until the end, whatever is acknowledged after it.

use std::fmt::Debug;

/// A value as it must be after the last acknowledged change, or as a request of unknown outcome may make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Possible<T> {
    settled: T,
    doubtful: Vec<T>,
}

impl<T: Clone + Debug + PartialEq> Possible<T> {
    /// A value that is known.
    pub const fn new(settled: T) -> Self {
        Self { settled, doubtful: Vec::new() }
    }

    /// A change to `value` was acknowledged.
    pub fn settle(&mut self, value: T) {
        self.settled = value;
    }

    /// A change to `value` has an unknown outcome.
    pub fn doubt(&mut self, value: T) {
        if !self.doubtful.contains(&value) {
            self.doubtful.push(value);
        }
    }

    /// The value, when there is only one that it can be.
    pub fn certain(&self) -> Option<&T> {
        self.doubtful.iter().all(|value| *value == self.settled).then_some(&self.settled)
    }

    /// Whether it must be `value`.
    pub fn is(&self, value: &T) -> bool {
        self.certain() == Some(value)
    }

    /// Whether it may be `value`.
    pub fn may_be(&self, value: &T) -> bool {
        self.settled == *value || self.doubtful.contains(value)
    }

    /// All that it can be, the last acknowledged value first.
    pub fn all(&self) -> Vec<T> {
        let mut all = vec![self.settled.clone()];
        all.extend(self.doubtful.iter().filter(|value| **value != self.settled).cloned());
        all
    }
}

/// How often something was counted: every acknowledged time, and any of those whose outcome is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counted: usize,
    unknown: usize,
    may_be_cleared: bool,
}

impl Tally {
    /// Counted for certain.
    pub const fn count(&mut self) {
        self.counted += 1;
    }

    /// Counted, or not, or later.
    pub const fn doubt(&mut self) {
        self.unknown += 1;
    }

    /// The count has begun again from nothing.
    pub const fn clear(&mut self) {
        self.counted = 0;
    }

    /// The count may have begun again from nothing, or may yet.
    pub const fn doubt_clear(&mut self) {
        self.may_be_cleared = true;
    }

    /// Whether it can be this number.
    pub const fn may_be(&self, count: usize) -> bool {
        self.least() <= count && count <= self.most()
    }

    /// The number, when there is only one that it can be.
    pub const fn exact(&self) -> Option<usize> {
        if self.least() == self.most() { Some(self.most()) } else { None }
    }

    /// The smallest number that it can be.
    pub const fn least(&self) -> usize {
        if self.may_be_cleared { 0 } else { self.counted }
    }

    /// The largest number that it can be.
    pub const fn most(&self) -> usize {
        self.counted + self.unknown
    }
}

/// `UserStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Signed up, not confirmed.
    Unconfirmed,
    /// Can sign in.
    Confirmed,
    /// Has a temporary password.
    ForceChangePassword,
}

impl Status {
    /// As answers write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unconfirmed => "UNCONFIRMED",
            Self::Confirmed => "CONFIRMED",
            Self::ForceChangePassword => "FORCE_CHANGE_PASSWORD",
        }
    }
}

/// Tokens of one sign-in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Access token.
    pub access: String,
    /// Refresh token.
    pub refresh: String,
    /// Whether they must be refused.
    pub is_revoked: Possible<bool>,
}

/// A pool of the load, by the place that it has in the scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// User names, with verified email addresses as aliases.
    Aliases,
    /// Users are called by their email addresses.
    Addresses,
}

/// Everything known about one user, or about one that may have come to be.
#[derive(Clone, Debug)]
pub struct User {
    /// The pool.
    pub pool: PoolKind,
    /// What the user is called by: a user name, or an address in the form in which it was given.
    pub name: String,
    /// Where mails go, in the form in which it was given.
    pub email: String,
    /// The user's id, once an answer has told it.
    pub sub: Option<String>,
    /// Whether there is such a user.
    pub exists: Possible<bool>,
    /// Where the user stands.
    pub status: Possible<Status>,
    /// Whether the user may sign in.
    pub is_enabled: Possible<bool>,
    /// The password that works.
    pub password: Possible<String>,
    /// Passwords that must not work, newest last.
    pub wrong_passwords: Vec<String>,
    /// Whether the address leads to this user as an alias.
    pub owns_email: Possible<bool>,
    /// Sign-ins whose tokens are remembered.
    pub sign_ins: Vec<SignIn>,
    /// Codes that have done their work.
    pub spent_codes: Vec<String>,
    /// Different messages to the address.
    pub mails: Tally,
    /// Messages to the address that have been looked at.
    pub seen_mails: Vec<String>,
    /// Failed passwords in a row.
    pub failures: Tally,
    /// Wrong reset codes that were looked at.
    pub wrong_codes: Tally,
    /// Requests for a reset code.
    pub reset_requests: Tally,
    /// ChangePassword calls.
    pub password_changes: usize,
    /// Something that changes the user has an unknown outcome, or something about the user is wrong: the load leaves
    /// the user alone from then on.
    pub is_spoilt: bool,
    /// When the user was made, in seconds from the beginning of the run.
    pub made_at: f64,
    /// What was done and what was answered, for whoever looks into a finding.
    pub history: Vec<String>,
}

impl User {
    /// A user who was not made yet.
    pub fn new(pool: PoolKind, name: &str, email: &str, password: &str, status: Status, made_at: f64) -> Self {
        Self {
            pool,
            name: name.to_owned(),
            email: email.to_owned(),
            sub: None,
            exists: Possible::new(false),
            status: Possible::new(status),
            is_enabled: Possible::new(true),
            password: Possible::new(password.to_owned()),
            wrong_passwords: Vec::new(),
            owns_email: Possible::new(false),
            sign_ins: Vec::new(),
            spent_codes: Vec::new(),
            mails: Tally::default(),
            seen_mails: Vec::new(),
            failures: Tally::default(),
            wrong_codes: Tally::default(),
            reset_requests: Tally::default(),
            password_changes: 0,
            is_spoilt: false,
            made_at,
            history: Vec::new(),
        }
    }

    /// Whether the load may go on with the user: there, enabled, confirmed, with one password, beyond doubt.
    pub fn is_usable(&self) -> bool {
        !self.is_spoilt
            && self.exists.is(&true)
            && self.status.is(&Status::Confirmed)
            && self.is_enabled.is(&true)
            && self.password.certain().is_some()
    }

    /// The password was changed for certain, by a request to which `unknown` others may still add theirs.
    pub fn set_password(&mut self, password: &str) {
        let before = self.password.all();
        self.password.settle(password.to_owned());
        self.wrong_passwords.extend(before.into_iter().filter(|old| !self.password.may_be(old)));
    }

    /// A sign-in with the right password has an unknown outcome: a success makes an end of failures, but by the time at
    /// which it takes place the password may be another one.
    pub const fn doubt_sign_in(&mut self) {
        self.failures.doubt_clear();
        self.failures.doubt();
    }

    /// Every sign-in so far must be refused from now on.
    pub fn revoke_all(&mut self) {
        for sign_in in &mut self.sign_ins {
            sign_in.is_revoked.settle(true);
        }
    }

    /// Every sign-in so far may be refused from now on.
    pub fn doubt_all_sign_ins(&mut self) {
        for sign_in in &mut self.sign_ins {
            sign_in.is_revoked.doubt(true);
        }
    }

    /// Adds a line to the history, of which the newest are kept.
    pub fn note(&mut self, line: String) {
        const KEPT: usize = 40;
        if self.history.len() >= KEPT {
            self.history.remove(0);
        }
        self.history.push(line);
    }
}

/// How many passwords can be looked at within so many seconds when the first of them is the first failure: five
/// without a pause, and then pauses of 1, 2, 4 … seconds, at most a quarter of an hour.
pub fn most_password_checks(seconds: f64) -> usize {
    let (mut checks, mut pause, mut end) = (5, 1.0, 1.0);
    while end <= seconds {
        checks += 1;
        pause = f64::min(pause * 2.0, 900.0);
        end += pause;
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        User::new(PoolKind::Aliases, "u", "u@example.com", "one", Status::Confirmed, 0.0)
    }

    #[test]
    fn what_was_not_answered_stays_possible() {
        let mut value = Possible::new(1);
        assert!(value.is(&1) && !value.may_be(&2));
        value.doubt(2);
        assert_eq!((value.certain(), value.all()), (None, vec![1, 2]));
        value.settle(3);
        assert!(!value.may_be(&1), "replaced by an acknowledged change");
        assert!(value.may_be(&2), "the lost request may still be under way");
        assert_eq!(value.all(), [3, 2]);
    }

    #[test]
    fn the_same_change_acknowledged_at_last_is_certain() {
        let mut value = Possible::new("old");
        value.doubt("new");
        value.settle("new");
        assert_eq!((value.certain(), value.all()), (Some(&"new"), vec!["new"]));
        value.settle("newer");
        assert_eq!(value.certain(), None, "the lost request may still set the earlier value");
    }

    #[test]
    fn counts_lie_between_what_was_answered_and_what_was_asked() {
        let mut tally = Tally::default();
        tally.count();
        assert_eq!(tally.exact(), Some(1));
        tally.doubt();
        assert_eq!((tally.exact(), tally.least(), tally.most()), (None, 1, 2));
        assert!(!tally.may_be(0) && tally.may_be(1) && tally.may_be(2) && !tally.may_be(3));
        tally.count();
        tally.clear();
        assert!(tally.may_be(0) && tally.may_be(1) && !tally.may_be(2), "only the lost one may come late");
        let mut tally = Tally::default();
        tally.doubt_clear();
        assert_eq!(tally.exact(), Some(0));
        tally.count();
        assert!(tally.may_be(0) && tally.may_be(1), "the lost success may come after this");
    }

    #[test]
    fn replaced_passwords_are_wrong_unless_they_may_come_back() {
        let mut user = user();
        user.set_password("two");
        assert_eq!(user.wrong_passwords, ["one"]);
        user.password.doubt("three".to_owned());
        user.set_password("four");
        assert_eq!(user.wrong_passwords, ["one", "two"]);
        assert_eq!(user.password.all(), ["four", "three"]);
    }

    #[test]
    fn only_users_beyond_doubt_are_used() {
        let mut user = user();
        assert!(!user.is_usable());
        user.exists.settle(true);
        assert!(user.is_usable());
        assert!(!User { is_spoilt: true, ..user.clone() }.is_usable());
        let mut doubtful = user.clone();
        doubtful.is_enabled.doubt(false);
        assert!(!doubtful.is_usable());
        user.status.settle(Status::ForceChangePassword);
        assert!(!user.is_usable());
    }

    #[test]
    fn sign_outs_reach_every_sign_in_so_far() {
        let sign_in = || SignIn { access: "a".into(), refresh: "r".into(), is_revoked: Possible::new(false) };
        let mut user = user();
        user.sign_ins.push(sign_in());
        user.doubt_all_sign_ins();
        user.sign_ins.push(sign_in());
        assert_eq!(user.sign_ins.iter().map(|one| one.is_revoked.certain()).collect::<Vec<_>>(), [None, Some(&false)]);
        user.revoke_all();
        assert!(user.sign_ins.iter().all(|one| one.is_revoked.is(&true)));
    }

    #[test]
    fn pauses_after_failed_passwords_double() {
        let expected = [(0.0, 5), (0.9, 5), (1.0, 6), (2.9, 6), (3.0, 7), (7.0, 8), (15.0, 9)];
        for (seconds, checks) in expected {
            assert_eq!(most_password_checks(seconds), checks, "{seconds}");
        }
    }
}
