//! What the server should do, in a form that is too simple to be wrong: no storage, no seals, no hashes, one caller at a
//! time. It says of every step what it answers, whom it sends a message, and how everybody stands afterwards. Codes,
//! sessions and tokens are the server's to make up; the model is told them ([`crate::run`]).
//!
//! The rules are those of accounts.md and auth-flows.md, and of docs/compatibility-notes.md where those are silent.

mod accounts;
mod attributes;
mod challenges;
mod factors;
mod sign_in;
mod tokens;

use std::collections::BTreeMap;

use crate::steps::{Address, Code, Name};

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Limits, lower than the usual ones, so that sequences run into them.
pub const RESET_REQUESTS: usize = 3;
pub const WRONG_RESET_CODES: usize = 3;
pub const WRONG_SIGN_UP_CODES: usize = 4;
pub const WRONG_CODES_A_DAY: usize = 6;
pub const RESENDS: usize = 3;
pub const PASSWORD_CHANGES: usize = 3;
pub const ATTRIBUTE_CODES: usize = 3;
pub const WRONG_ATTRIBUTE_CODES: usize = 4;
pub const SIGN_IN_CODES: usize = 4;
/// These two are not settings.
const WRONG_FIRST_CODES: usize = 20;
const WRONG_TOKEN_CODES: usize = 15;

/// The clients of a pool: the first tells of unknown users and lets refresh tokens be, the second does neither.
pub const HIDING: usize = 1;
/// How long a replaced refresh token of the second client goes on counting.
pub const GRACE: i64 = 10 * SECOND;

const DISABLED: &str = "NotAuthorizedException: User is disabled.";
const UNKNOWN: &str = "UserNotFoundException: User does not exist.";
const UNKNOWN_HERE: &str = "UserNotFoundException: Username/client id combination not found.";
const NOT_CONFIRMED: &str = "UserNotConfirmedException: User is not confirmed.";
const RESET_REQUIRED: &str = "PasswordResetRequiredException: Password reset required for the user";
const WRONG_PASSWORD: &str = "NotAuthorizedException: Incorrect username or password.";
const LIMIT: &str = "LimitExceededException: Attempt limit exceeded, please try after some time.";
const TOO_MANY: &str = "TooManyFailedAttemptsException: Too many failed attempts. Request a new code and try again tomorrow, or ask an administrator for help.";
const EXPIRED: &str = "ExpiredCodeException: Invalid code provided, please request a code again.";
const MISMATCH: &str = "CodeMismatchException: Invalid verification code provided, please try again.";
const LOCKED: &str = "NotAuthorizedException: Password attempts exceeded";
const NO_ROOM: &str = "TooManyRequestsException: Attempt limit exceeded, please try after some time.";
const NO_RESET: &str = "NotAuthorizedException: User password cannot be reset in the current state.";
const EMAIL_TAKEN: &str = "An account with the given email already exists.";

/// How users of a pool are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// By name, letters as they are.
    Plain,
    /// By name or verified address, whatever the case.
    Aliases,
    /// By address; a new one waits until it is verified.
    Addresses,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mfa {
    Off,
    Optional,
    On,
}

/// What the pools differ in. All verify mail addresses by code.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub names: Names,
    pub mfa: Mfa,
    /// A mailed code may take the place of the password.
    pub codes_first: bool,
}

pub const KINDS: [Kind; 3] = [
    Kind { names: Names::Aliases, mfa: Mfa::Optional, codes_first: true },
    Kind { names: Names::Addresses, mfa: Mfa::Off, codes_first: true },
    Kind { names: Names::Plain, mfa: Mfa::On, codes_first: false },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Unconfirmed,
    Confirmed,
    ForceChangePassword,
    ResetRequired,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unconfirmed => "UNCONFIRMED",
            Self::Confirmed => "CONFIRMED",
            Self::ForceChangePassword => "FORCE_CHANGE_PASSWORD",
            Self::ResetRequired => "RESET_REQUIRED",
        }
    }
}

/// A second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Sms,
    SoftwareToken,
    Email,
}

impl Method {
    pub const ALL: [Self; 3] = [Self::Sms, Self::SoftwareToken, Self::Email];

    /// Of the setting and of the challenge alike.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sms => "SMS_MFA",
            Self::SoftwareToken => "SOFTWARE_TOKEN_MFA",
            Self::Email => "EMAIL_OTP",
        }
    }
}

/// A password, and how many there were before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    pub text: &'static str,
    pub version: u32,
    /// Of a temporary one.
    pub expires_at: Option<i64>,
}

/// A software token: its secret and the step of the last code that was used.
#[derive(Clone, Debug)]
pub struct SoftwareToken {
    pub secret: String,
    pub last_step: i64,
}

#[derive(Clone, Debug)]
pub struct User {
    pub sub: String,
    /// The stored name; that of a user who is being created in a pool that makes names up is not known yet.
    pub username: String,
    pub status: Status,
    pub enabled: bool,
    pub attributes: BTreeMap<String, String>,
    pub password: Option<Password>,
    /// The second factors that are on, in the order of [`Method::ALL`].
    pub methods: Vec<Method>,
    pub preferred: Option<Method>,
    pub token: Option<SoftwareToken>,
    /// A secret that waits for its first code, until then.
    pub pending: Option<(String, i64)>,
    /// How often all sign-ins so far were ended.
    pub sign_outs: u32,
    pub is_member: bool,
}

impl User {
    pub fn address(&self, address: Address) -> Option<&String> {
        self.attributes.get(attribute(address))
    }

    pub fn has_verified(&self, address: Address) -> bool {
        self.address(address).is_some() && self.attributes.get(flag(address)).is_some_and(|value| value == "true")
    }
}

pub fn attribute(address: Address) -> &'static str {
    match address {
        Address::Email => "email",
        Address::Phone => "phone_number",
    }
}

pub fn flag(address: Address) -> &'static str {
    match address {
        Address::Email => "email_verified",
        Address::Phone => "phone_number_verified",
    }
}

/// What a code that is kept for a user is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    SignUp,
    Reset,
    VerifyEmail,
    VerifyPhone,
}

impl Purpose {
    pub fn verification(address: Address) -> Self {
        match address {
            Address::Email => Self::VerifyEmail,
            Address::Phone => Self::VerifyPhone,
        }
    }
}

/// An outstanding code.
#[derive(Clone, Debug)]
pub struct Outstanding {
    /// Which of [`Model::sent`]; none for one that nobody gets.
    pub sent: Option<usize>,
    pub address: String,
    pub medium: Address,
    /// The address is not the user's before the code has come back.
    pub is_pending: bool,
    pub expires_at: i64,
}

/// A message with a code in it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub sub: String,
    /// None for the codes of sign-ins, which travel in sessions.
    pub purpose: Option<Purpose>,
    /// What the inbox calls the reason.
    pub reason: &'static str,
    pub text: String,
}

/// What is counted, apart from failures that lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Count {
    ResetRequest,
    WrongReset,
    WrongSignUp,
    Resend,
    PasswordChange,
    AttributeCode,
    WrongEmailCode,
    WrongPhoneCode,
    WrongFirstCode,
    WrongTokenCode,
    /// Of a user, and of an address.
    SignInCode,
    SignInCodeTo,
}

/// Failures in a row, which lock the longer the more they are.
#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    last: i64,
    locked_until: Option<i64>,
}

/// What is locked by failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    Password,
    SecondFactor,
}

/// A sign-in and what came of it.
#[derive(Clone, Debug)]
pub struct Family {
    pub sub: String,
    pub client: usize,
    /// The user's sign-outs at that time.
    pub sign_outs: u32,
    pub is_revoked: bool,
    pub expires_at: i64,
    /// When the refresh token of each number was replaced; the next number is the one that counts.
    pub replaced_at: Vec<i64>,
}

/// An access token and the ID token beside it.
#[derive(Clone, Debug)]
pub struct Access {
    pub text: String,
    pub id_token: String,
    pub family: usize,
    pub expires_at: i64,
}

#[derive(Clone, Debug)]
pub struct Refresh {
    pub text: String,
    pub family: usize,
    pub number: usize,
}

/// What the answer to a session's challenge is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    Nothing,
    /// The code that was sent; none for one that nobody got.
    Code {
        sent: Option<usize>,
        medium: &'static str,
        address: String,
    },
    Methods(Vec<Method>),
    /// The software token that is being set up; its secret until the first code has come.
    Secret(Option<String>),
}

#[derive(Clone, Debug)]
pub struct Session {
    pub text: String,
    pub client: usize,
    /// The user, or the stand-in.
    pub sub: String,
    /// As answers name the user.
    pub username: String,
    pub challenge: &'static str,
    pub expires_at: i64,
    /// Of the password that was proven, if one was.
    pub password: Option<u32>,
    pub is_spent: bool,
    pub waiting: Waiting,
}

/// The last proof of a password by SRP.
#[derive(Clone, Debug)]
pub struct Proof {
    pub client: usize,
    pub sub: String,
    pub text: &'static str,
    /// Version of the password when the proof was begun.
    pub version: Option<u32>,
    pub expires_at: i64,
    pub is_spent: bool,
}

/// What a step answers when it succeeds, beside what the model's new sessions and tokens say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    Nothing,
    /// A new user; `sub` is the server's to choose.
    NewUser,
    /// The user of that `sub`, as users see themselves or as administrators do.
    User {
        sub: String,
        by_administrator: bool,
    },
    /// The newest of [`Model::access`], of this user; whether the newest of [`Model::refresh`] is there, too.
    Tokens {
        sub: String,
        refresh: bool,
    },
    /// The newest of [`Model::sessions`]; the choices that come with it.
    Challenge {
        name: &'static str,
        available: Option<Vec<&'static str>>,
    },
    /// A secret; as the newest of [`Model::sessions`], or as what waits with the user.
    Secret {
        sub: String,
        with_session: bool,
    },
    /// The newest of [`Model::sessions`], and nothing else.
    Session,
}

/// `Type: message` of an error, or what is shown.
pub type Answer<T = Shown> = Result<T, String>;

/// The server as it should be, for one sequence.
#[derive(Clone, Debug)]
pub struct Model {
    pub kind: Kind,
    /// What tells this sequence's users from all others'.
    pub tag: String,
    /// In milliseconds.
    pub now: i64,
    pub users: Vec<User>,
    /// The ids of all users that there ever were, in the order of their creation.
    pub subs: Vec<String>,
    pub codes: BTreeMap<(String, Purpose), Outstanding>,
    counts: BTreeMap<(String, Count), Vec<i64>>,
    failures: BTreeMap<(String, Lock), Failures>,
    pub sent: Vec<Sent>,
    /// The message that the last step has sent: to which address, and why.
    pub message: Option<(String, &'static str)>,
    pub families: Vec<Family>,
    pub access: Vec<Access>,
    pub refresh: Vec<Refresh>,
    pub sessions: Vec<Session>,
    pub proof: Option<Proof>,
}

impl Model {
    pub fn new(kind: Kind, tag: String, now: i64) -> Self {
        Self {
            kind,
            tag,
            now,
            users: Vec::new(),
            subs: Vec::new(),
            codes: BTreeMap::new(),
            counts: BTreeMap::new(),
            failures: BTreeMap::new(),
            sent: Vec::new(),
            message: None,
            families: Vec::new(),
            access: Vec::new(),
            refresh: Vec::new(),
            sessions: Vec::new(),
            proof: None,
        }
    }

    /// A name as requests spell it.
    pub fn name(&self, name: Name) -> String {
        let user = |index: usize| match self.kind.names {
            Names::Addresses => self.email(index),
            _ => format!("u{index}-{}", self.tag),
        };
        match name {
            Name::User(index) => user(index),
            Name::Capitals(index) => user(index).to_uppercase(),
            Name::Email(index) => self.email(index),
            Name::Sub(back) => newest(&self.subs, back).cloned().unwrap_or_else(|| format!("nobody-{}", self.tag)),
        }
    }

    pub fn email(&self, index: usize) -> String {
        format!("e{index}-{}@example.com", self.tag)
    }

    pub fn value(&self, address: Address, index: usize) -> String {
        match address {
            Address::Email => self.email(index),
            Address::Phone => format!("+1{:0>9}{index}", self.tag),
        }
    }

    /// A code as requests spell it: one that was sent to the user of that `sub`, or one that nobody got.
    pub fn code(&self, sub: &str, purpose: Option<Purpose>, code: Code) -> String {
        let of = |is_of: &dyn Fn(&Sent) -> bool, back: usize| {
            let sent: Vec<&Sent> = self.sent.iter().filter(|sent| sent.sub == sub && is_of(sent)).collect();
            newest(&sent, back).map(|sent| sent.text.clone())
        };
        let found = match code {
            Code::Newest => of(&|sent| sent.purpose == purpose, 0),
            Code::Earlier => of(&|sent| sent.purpose == purpose, 1),
            Code::OfAnother => of(&|sent| sent.purpose != purpose, 0),
            Code::Wrong => None,
        };
        found.unwrap_or_else(|| "000000".to_owned())
    }

    /// A name as it counts.
    fn fold(&self, name: &str) -> String {
        if self.kind.names == Names::Aliases { name.to_lowercase() } else { name.to_owned() }
    }

    /// The names that a user with these attributes is found by, beside the `sub`; whether each is an address.
    fn names(&self, username: &str, attributes: &BTreeMap<String, String>) -> Vec<(bool, String)> {
        let mut names = vec![(false, self.fold(username))];
        let is_verified = attributes.get("email_verified").is_some_and(|value| value == "true");
        let counts = match self.kind.names {
            Names::Plain => false,
            Names::Aliases => is_verified,
            Names::Addresses => true,
        };
        names.extend(attributes.get("email").filter(|_| counts).map(|email| (true, self.fold(email))));
        names
    }

    /// Where in [`Model::users`] the user of that name is.
    pub fn find(&self, name: &str) -> Option<usize> {
        let name = self.fold(name);
        self.users.iter().position(|user| {
            user.sub == name || self.names(&user.username, &user.attributes).iter().any(|(_, own)| *own == name)
        })
    }

    pub fn find_sub(&self, sub: &str) -> Option<usize> {
        self.users.iter().position(|user| user.sub == sub)
    }

    /// What is counted, and what codes are kept, for a name: of the user, or of the stand-in.
    pub fn subject(&self, name: &str) -> String {
        self.find(name).map_or_else(|| self.stand_in(name), |at| self.users[at].sub.clone())
    }

    fn stand_in(&self, name: &str) -> String {
        format!("stand-in for {}", self.fold(name))
    }

    /// The user of that name, whom an administrator means.
    fn known(&self, name: Name) -> Answer<usize> {
        self.find(&self.name(name)).ok_or_else(|| UNKNOWN.to_owned())
    }

    /// Somebody else, than the user of that `sub`, is found by one of these names: whether it is an address.
    fn taken(&self, sub: &str, names: &[(bool, String)]) -> Option<bool> {
        let is_taken = |name: &str| self.find(name).is_some_and(|at| self.users[at].sub != sub);
        names.iter().find(|(_, name)| is_taken(name)).map(|(is_address, _)| *is_address)
    }

    /// The names that the user would be found by with these attributes, and is not so far.
    fn new_names(&self, at: usize, attributes: &BTreeMap<String, String>) -> Vec<(bool, String)> {
        let user = &self.users[at];
        let old = self.names(&user.username, &user.attributes);
        let new = self.names(&user.username, attributes);
        new.into_iter().filter(|name| !old.contains(name)).collect()
    }

    /// Takes a verified address away from whoever else is found by it.
    fn take_over(&mut self, names: &[(bool, String)]) {
        for (_, name) in names.iter().filter(|(is_address, _)| *is_address && self.kind.names == Names::Aliases) {
            if let Some(at) = self.find(name) {
                self.users[at].attributes.insert("email_verified".to_owned(), "false".to_owned());
            }
        }
    }

    fn set_password(&mut self, at: usize, text: &'static str, is_temporary: bool) {
        let user = &mut self.users[at];
        let version = user.password.as_ref().map_or(1, |before| before.version + 1);
        let expires_at = is_temporary.then_some(self.now + 7 * DAY);
        user.password = Some(Password { text, version, expires_at });
        let sub = user.sub.clone();
        self.codes.remove(&(sub, Purpose::Reset));
    }

    /// Sends a code for a user; answers which of [`Model::sent`] it is.
    fn send(&mut self, sub: &str, purpose: Option<Purpose>, address: &str, reason: &'static str) -> usize {
        self.message = Some((address.to_owned(), reason));
        self.sent.push(Sent { sub: sub.to_owned(), purpose, reason, text: String::new() });
        self.sent.len() - 1
    }

    /// Sends a code that is kept for the user.
    fn send_kept(&mut self, sub: &str, purpose: Purpose, medium: Address, address: &str, reason: &'static str) {
        let sent = Some(self.send(sub, Some(purpose), address, reason));
        let life = if purpose == Purpose::Reset { HOUR } else { DAY };
        let (address, expires_at) = (address.to_owned(), self.now + life);
        let code = Outstanding { sent, address, medium, is_pending: false, expires_at };
        self.codes.insert((sub.to_owned(), purpose), code);
    }

    /// Whether a code is the one that is meant.
    fn is_text(&self, sent: Option<usize>, given: &str) -> bool {
        sent.is_some_and(|at| self.sent[at].text == given)
    }

    fn count(&self, sub: &str, count: Count, window: i64) -> usize {
        let moments = self.counts.get(&(sub.to_owned(), count));
        moments.map_or(0, |moments| moments.iter().filter(|at| self.now - **at < window).count())
    }

    fn add(&mut self, sub: &str, count: Count) {
        self.counts.entry((sub.to_owned(), count)).or_default().push(self.now);
    }

    /// Counts a request, of which there may be so many in an hour.
    fn count_request(&mut self, sub: &str, count: Count, most: usize) -> Answer<()> {
        if self.count(sub, count, HOUR) >= most {
            return Err(LIMIT.to_owned());
        }
        self.add(sub, count);
        Ok(())
    }

    /// Holds a code that was given against the one that is outstanding, and counts a wrong one.
    fn check_code(
        &mut self,
        sub: &str,
        outstanding: Option<&Outstanding>,
        count: Count,
        an_hour: usize,
        given: &str,
    ) -> Answer<()> {
        if self.count(sub, count, HOUR) >= an_hour {
            return Err(LIMIT.to_owned());
        }
        if self.count(sub, count, DAY) >= WRONG_CODES_A_DAY {
            return Err(TOO_MANY.to_owned());
        }
        let outstanding = outstanding.filter(|code| self.now < code.expires_at).ok_or_else(|| EXPIRED.to_owned())?;
        if self.is_text(outstanding.sent, given) {
            return Ok(());
        }
        self.add(sub, count);
        Err(MISMATCH.to_owned())
    }

    fn is_locked(&self, sub: &str, lock: Lock) -> bool {
        let failures = self.failures.get(&(sub.to_owned(), lock));
        failures.and_then(|failures| failures.locked_until).is_some_and(|until| self.now < until)
    }

    /// Failures 1 to 4 cost nothing, failure n locks for 2^(n-5) seconds, at most 15 minutes; 15 quiet minutes after a
    /// lock start over.
    fn fail(&mut self, sub: &str, lock: Lock) {
        let now = self.now;
        let failures = self.failures.entry((sub.to_owned(), lock)).or_default();
        if failures.locked_until.is_some_and(|until| now - until >= 15 * MINUTE) {
            *failures = Failures::default();
        }
        failures.count += 1;
        failures.last = now;
        if failures.count >= 5 {
            let lock = (1_i64 << (failures.count - 5).min(20)) * SECOND;
            failures.locked_until = Some(now + lock.min(15 * MINUTE));
        }
    }

    fn forgive(&mut self, sub: &str, lock: Lock) {
        self.failures.remove(&(sub.to_owned(), lock));
    }

    /// Time passes.
    pub fn wait(&mut self, seconds: i64) -> Answer {
        self.now += seconds * SECOND;
        Ok(Shown::Nothing)
    }

    /// What has expired is cleared away, which nobody should notice; but that failures a day ago are forgotten.
    pub fn sweep(&mut self) -> Answer {
        let now = self.now;
        self.failures.retain(|_, failures| now < failures.last + DAY);
        Ok(Shown::Nothing)
    }
}

/// The one that so many others came after.
pub fn newest<T>(list: &[T], back: usize) -> Option<&T> {
    list.iter().rev().nth(back)
}

/// The policy's word on a password; `lead` differs by operation.
fn check_policy(lead: &str, password: &str) -> Answer<()> {
    if password == crate::steps::PASSWORDS[2] {
        return Err(format!("InvalidPasswordException: Password {lead}: Password not long enough"));
    }
    Ok(())
}
