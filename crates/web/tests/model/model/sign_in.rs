//! Beginnings of sign-ins, and what comes after what was proven (auth-flows.md §4, §5, §8 to §10).

use super::{
    Answer, Count, DISABLED, HIDING, HOUR, Lock, MINUTE, Mfa, Model, NOT_CONFIRMED, Proof, RESET_REQUIRED,
    SIGN_IN_CODES, Session, Shown, Status, UNKNOWN, WRONG_PASSWORD, Waiting,
    factors::{Due, NO_METHOD},
};
use crate::steps::{Address, Name, PASSWORDS, Prefer};

const USED: &str = "NotAuthorizedException: Invalid session for the user, session can only be used once.";

/// How far a sign-in is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Version of the password that was proven.
    pub password: Option<u32>,
    /// Whether a second factor was proven.
    pub has_second: bool,
    /// Whether the request answers a challenge: InitiateAuth knows fewer errors.
    pub is_answer: bool,
}

impl Model {
    pub fn password_auth(&mut self, client: usize, name: Name, password: usize) -> Answer {
        let sub = self.subject(&self.name(name));
        let at = self.prove(client, &sub, |own| own.text == PASSWORDS[password], None)?;
        self.after_password(client, at, false)
    }

    /// USER_SRP_AUTH and the answer to its challenge at once.
    pub fn srp_auth(&mut self, client: usize, name: Name, password: usize) -> Answer {
        let name = self.name(name);
        let found = self.find(&name);
        if found.is_none() && client != HIDING {
            return Err(UNKNOWN.to_owned());
        }
        let version = found.and_then(|at| self.users[at].password.as_ref()).map(|password| password.version);
        self.proof = Some(Proof {
            client,
            sub: self.subject(&name),
            text: PASSWORDS[password],
            version,
            expires_at: self.now + 3 * MINUTE,
            is_spent: false,
        });
        self.repeat_srp()
    }

    /// The answer to PASSWORD_VERIFIER, for the first time or again.
    pub fn repeat_srp(&mut self) -> Answer {
        let Some(proof) = self.proof.clone() else { return Ok(Shown::Nothing) };
        if self.now >= proof.expires_at {
            return Err("NotAuthorizedException: Invalid session for the user, session is expired.".to_owned());
        }
        // The proof is of the very verifier that the server had then.
        let holds = |own: &super::Password| Some(own.version) == proof.version && own.text == proof.text;
        let failures = self.failures.clone();
        let at = self.prove(proof.client, &proof.sub, holds, Some(proof.is_spent))?;
        let answer = self.after_password(proof.client, at, true);
        if answer.is_err() {
            // What cannot lead on at the moment uses nothing up, and changes nothing.
            self.failures = failures;
        } else if let Some(proof) = &mut self.proof {
            proof.is_spent = true;
        }
        answer
    }

    /// Looks at a proof of a password of the user, or the stand-in; what proves only once may have done so.
    pub(super) fn prove(
        &mut self,
        client: usize,
        sub: &str,
        holds: impl Fn(&super::Password) -> bool,
        is_spent: Option<bool>,
    ) -> Answer<usize> {
        let hides = client == HIDING;
        let found = self.find_sub(sub);
        match found.map(|at| &self.users[at]) {
            None if !hides => return Err(UNKNOWN.to_owned()),
            Some(user) if !user.enabled && !hides => return Err(DISABLED.to_owned()),
            Some(user) if user.status == Status::Unconfirmed => return Err(NOT_CONFIRMED.to_owned()),
            _ => {}
        }
        if self.is_locked(sub, Lock::Password) {
            return Err(super::LOCKED.to_owned());
        }
        let password = found.and_then(|at| self.users[at].password.clone());
        let (Some(at), Some(password)) = (found, password.clone().filter(holds)) else {
            let is_reset = found.is_some_and(|at| self.users[at].status == Status::ResetRequired);
            if is_reset && password.is_none() && !hides {
                return Err(RESET_REQUIRED.to_owned());
            }
            self.fail(sub, Lock::Password);
            return Err(WRONG_PASSWORD.to_owned());
        };
        let user = &self.users[at];
        if !user.enabled {
            return Err(DISABLED.to_owned());
        }
        if user.status == Status::ResetRequired {
            return Err(RESET_REQUIRED.to_owned());
        }
        if password.expires_at.is_some_and(|end| self.now >= end) {
            return Err(
                "NotAuthorizedException: Temporary password has expired and must be reset by an administrator."
                    .to_owned(),
            );
        }
        if is_spent == Some(true) {
            return Err(USED.to_owned());
        }
        self.forgive(sub, Lock::Password);
        Ok(at)
    }

    pub(super) fn after_password(&mut self, client: usize, at: usize, is_answer: bool) -> Answer {
        let password = self.users[at].password.as_ref().map(|password| password.version);
        self.next(client, at, Progress { password, has_second: false, is_answer })
    }

    /// What comes next for a user who has proven something.
    pub(super) fn next(&mut self, client: usize, at: usize, progress: Progress) -> Answer {
        if self.users[at].status == Status::ForceChangePassword {
            return Ok(self.ask(client, at, "NEW_PASSWORD_REQUIRED", progress.password, Waiting::Nothing));
        }
        if self.kind.mfa == Mfa::Off || progress.password.is_none() || progress.has_second {
            return Ok(self.grant(at, client));
        }
        match self.due(at, self.users[at].token.is_some()) {
            Due::Nothing => Ok(self.grant(at, client)),
            Due::Ask(method) => self.ask_second(client, at, method, progress),
            Due::Choose(methods) => {
                Ok(self.ask(client, at, "SELECT_MFA_TYPE", progress.password, Waiting::Methods(methods)))
            }
            Due::SetUp(methods) => Ok(self.ask(client, at, "MFA_SETUP", progress.password, Waiting::Methods(methods))),
            Due::Impossible => Err(no_method(progress)),
        }
    }

    /// The challenge of a second factor.
    pub(super) fn ask_second(&mut self, client: usize, at: usize, method: super::Method, progress: Progress) -> Answer {
        let sub = self.users[at].sub.clone();
        if self.is_locked(&sub, Lock::SecondFactor) {
            return Err(super::LOCKED.to_owned());
        }
        let medium = match method {
            super::Method::SoftwareToken if self.users[at].token.is_none() => return Err(no_method(progress)),
            super::Method::SoftwareToken => {
                return Ok(self.ask(client, at, method.name(), progress.password, Waiting::Nothing));
            }
            super::Method::Sms => Address::Phone,
            super::Method::Email => Address::Email,
        };
        let Some(address) = self.users[at].address(medium).cloned() else { return Err(no_method(progress)) };
        let waiting = self.send_for_session(&sub, medium, address)?;
        Ok(self.ask(client, at, method.name(), progress.password, waiting))
    }

    /// Refuses a code that would be one too many in an hour, for the user or for the address.
    pub(super) fn check_room(&self, sub: &str, address: &str) -> Answer<()> {
        let address = address.to_lowercase();
        let is_full = |whose: &str, count| self.count(whose, count, HOUR) >= SIGN_IN_CODES;
        if is_full(sub, Count::SignInCode) || is_full(&address, Count::SignInCodeTo) {
            return Err(super::NO_ROOM.to_owned());
        }
        Ok(())
    }

    fn count_code(&mut self, sub: &str, address: &str) -> Answer<()> {
        self.check_room(sub, address)?;
        self.add(sub, Count::SignInCode);
        self.add(&address.to_lowercase(), Count::SignInCodeTo);
        Ok(())
    }

    /// Sends a code that travels in a session.
    fn send_for_session(&mut self, sub: &str, medium: Address, address: String) -> Answer<Waiting> {
        self.count_code(sub, &address)?;
        let sent = Some(self.send(sub, None, &address, "Authentication"));
        Ok(Waiting::Code { sent, medium: super::attribute(medium), address })
    }

    /// A challenge for a user.
    pub(super) fn ask(
        &mut self,
        client: usize,
        at: usize,
        challenge: &'static str,
        password: Option<u32>,
        waiting: Waiting,
    ) -> Shown {
        let (sub, username) = (self.users[at].sub.clone(), self.users[at].username.clone());
        self.begin(client, sub, username, challenge, password, waiting)
    }

    pub(super) fn begin(
        &mut self,
        client: usize,
        sub: String,
        username: String,
        challenge: &'static str,
        password: Option<u32>,
        waiting: Waiting,
    ) -> Shown {
        let expires_at = self.now + 3 * MINUTE;
        let (text, is_spent) = (String::new(), false);
        self.sessions.push(Session { text, client, sub, username, challenge, expires_at, password, is_spent, waiting });
        Shown::Challenge { name: challenge, available: None }
    }

    pub fn user_auth(&mut self, client: usize, name: Name, prefer: Prefer) -> Answer {
        let name = self.name(name);
        let found = self.find(&name);
        match found.map(|at| &self.users[at]) {
            None if client != HIDING => return Err(UNKNOWN.to_owned()),
            Some(user) if !user.enabled && client != HIDING => return Err(DISABLED.to_owned()),
            _ => {}
        }
        let sub = self.subject(&name);
        let choices = self.choices(&sub);
        let chosen = match prefer {
            Prefer::Nothing => None,
            Prefer::Password(_) | Prefer::Ask => Some("PASSWORD"),
            Prefer::EmailOtp => Some("EMAIL_OTP"),
        };
        let shown = match chosen.filter(|chosen| choices.contains(chosen)) {
            Some("PASSWORD") if let Prefer::Password(password) = prefer => {
                let at = self.prove(client, &sub, |own| own.text == PASSWORDS[password], None)?;
                self.after_password(client, at, false)?
            }
            Some("PASSWORD") => self.begin(client, sub, name, "PASSWORD", None, Waiting::Nothing),
            Some(_) => self.send_first_code(client, &sub, &name)?,
            None => self.begin(client, sub, name, "SELECT_CHALLENGE", None, Waiting::Nothing),
        };
        Ok(match shown {
            Shown::Challenge { name, .. } => Shown::Challenge { name, available: Some(choices) },
            shown => shown,
        })
    }

    /// What a user, or a stand-in, can begin with.
    pub(super) fn choices(&self, sub: &str) -> Vec<&'static str> {
        let passwords = ["PASSWORD_SRP", "PASSWORD"].into_iter();
        let code = |has: bool| ["EMAIL_OTP"].into_iter().filter(move |_| has);
        let Some(at) = self.find_sub(sub) else { return passwords.chain(code(self.kind.codes_first)).collect() };
        let user = &self.users[at];
        let takes_codes = self.kind.codes_first
            && matches!(user.status, Status::Confirmed | Status::Unconfirmed)
            && user.address(Address::Email).is_some()
            && (self.kind.mfa == Mfa::Off || matches!(self.due(at, false), Due::Nothing));
        passwords.filter(|_| user.password.is_some() || !takes_codes).chain(code(takes_codes)).collect()
    }

    /// EMAIL_OTP as the first factor. Nobody gets the code of a stand-in or of a disabled user.
    pub(super) fn send_first_code(&mut self, client: usize, sub: &str, username: &str) -> Answer {
        let user = self.find_sub(sub).map(|at| &self.users[at]);
        let is_enabled = user.is_some_and(|user| user.enabled);
        // A name that is no address has none that others share.
        let nobodys = if username.contains('@') { username } else { sub };
        let address = user.map_or_else(|| Some(nobodys.to_owned()), |user| user.address(Address::Email).cloned());
        let address = address.unwrap_or_default();
        let waiting = if is_enabled {
            self.send_for_session(sub, Address::Email, address)?
        } else {
            self.count_code(sub, &address)?;
            Waiting::Code { sent: None, medium: "email", address }
        };
        Ok(self.begin(client, sub.to_owned(), username.to_owned(), "EMAIL_OTP", None, waiting))
    }
}

pub(super) fn no_method(progress: Progress) -> String {
    let kind = if progress.is_answer { "MFAMethodNotFoundException" } else { "NotAuthorizedException" };
    format!("{kind}: {NO_METHOD}")
}
