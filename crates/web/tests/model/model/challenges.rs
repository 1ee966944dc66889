//! Sessions, and answers to challenges (auth-flows.md §6, §7).

use super::{
    Answer, Count, DISABLED, HIDING, HOUR, Lock, Method, Model, NOT_CONFIRMED, RESET_REQUIRED, Session, Status,
    WRONG_FIRST_CODES, Waiting, check_policy,
    factors::{Checked, Due, USED_CODE, invalid_session},
    newest,
    sign_in::Progress,
};
use crate::steps::{Address, CHALLENGES, Code, PASSWORDS, TokenCode, Twist};

const WRONG_CODE: &str = "CodeMismatchException: Invalid code or auth state for the user.";
const INCOMPLETE: &str = "InvalidParameterException: MFA set-up is not complete. Verify a software token with VerifySoftwareToken and answer with the session that it returns, or give EMAIL where EMAIL_OTP can be set up.";

/// An answer to a challenge, as it is sent.
#[derive(Clone, Debug)]
pub struct Reply {
    pub session: String,
    pub client: usize,
    pub challenge: &'static str,
    pub username: String,
    /// The code that the answer has.
    pub code: String,
    /// What is chosen, where there is a choice.
    pub choice: &'static str,
    /// Whether the password comes with the choice of PASSWORD.
    pub brings_password: bool,
    pub password: &'static str,
}

impl Model {
    /// What an answer says.
    pub fn reply(&self, back: usize, code: Code, choice: usize, password: usize, twist: Twist) -> Reply {
        let nobody = || ("x".repeat(30), 0, CHALLENGES[0], "nobody".to_owned(), String::new());
        let (session, mut client, mut challenge, mut username, sub) =
            newest(&self.sessions, back).map_or_else(nobody, |session| {
                let (text, name, sub) = (session.text.clone(), session.username.clone(), session.sub.clone());
                (text, session.client, session.challenge, name, sub)
            });
        match twist {
            Twist::None => {}
            Twist::Challenge(index) => challenge = CHALLENGES[index],
            Twist::Client => client = 1 - client,
            Twist::Name(name) => username = self.name(name),
        }
        let choices: [&str; 4] = if challenge == "SELECT_CHALLENGE" {
            ["PASSWORD", "EMAIL_OTP", "PASSWORD", "WEB_AUTHN"]
        } else {
            ["SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP", "PASSWORD"]
        };
        Reply {
            session,
            client,
            challenge,
            username,
            code: self.code(&sub, None, code),
            choice: choices[choice],
            brings_password: choice == 0,
            password: PASSWORDS[password],
        }
    }

    pub fn answer(&mut self, back: usize, reply: &Reply, token_code: TokenCode) -> Answer {
        let session = newest(&self.sessions, back).cloned().ok_or_else(invalid_session)?;
        self.check_session(&session, reply.client, reply.challenge)?;
        if reply.username != session.sub && self.subject(&reply.username) != session.sub {
            return Err(invalid_session());
        }
        let before = self.clone();
        let answer = self.go_on(back, &session, reply, token_code);
        if answer.as_ref().is_err_and(|refusal| refusal == super::NO_ROOM) {
            // What cannot lead on at the moment uses nothing up, and changes nothing.
            *self = before;
        }
        answer
    }

    fn go_on(&mut self, back: usize, session: &Session, reply: &Reply, token_code: TokenCode) -> Answer {
        match session.challenge {
            "NEW_PASSWORD_REQUIRED" => self.new_password(back, session, reply.password),
            "SMS_MFA" => self.second_code(back, session, &reply.code),
            "EMAIL_OTP" if session.password.is_some() => self.second_code(back, session, &reply.code),
            "EMAIL_OTP" => self.first_code(back, session, &reply.code),
            "SOFTWARE_TOKEN_MFA" => self.token_code(back, session, token_code),
            "SELECT_MFA_TYPE" => self.select_method(back, session, reply.choice),
            "MFA_SETUP" => self.finish_set_up(back, session),
            "SELECT_CHALLENGE" => self.select_challenge(back, session, reply),
            _ => self.password(back, session, reply.password),
        }
    }

    /// Whether a session is one that waits for this answer, and can still be used.
    pub(super) fn check_session(&self, session: &Session, client: usize, challenge: &str) -> Answer<()> {
        if session.client != client || session.challenge != challenge {
            return Err(invalid_session());
        }
        if self.now >= session.expires_at {
            return Err("NotAuthorizedException: Invalid session for the user, session is expired.".to_owned());
        }
        if session.is_spent {
            return Err(
                "NotAuthorizedException: Invalid session for the user, session can only be used once.".to_owned()
            );
        }
        Ok(())
    }

    pub(super) fn spend(&mut self, back: usize) {
        if let Some(session) = self.sessions.iter_mut().rev().nth(back) {
            session.is_spent = true;
        }
    }

    /// The user of a session that has proven a password, who must be allowed to go on.
    pub(super) fn standing(&self, session: &Session) -> Answer<usize> {
        let at = self.find_sub(&session.sub).ok_or_else(invalid_session)?;
        let user = &self.users[at];
        if !user.enabled {
            return Err(DISABLED.to_owned());
        }
        match user.status {
            Status::Unconfirmed => return Err(NOT_CONFIRMED.to_owned()),
            Status::ResetRequired => return Err(RESET_REQUIRED.to_owned()),
            _ => {}
        }
        if !self.is_same_password(at, session) {
            return Err(invalid_session());
        }
        Ok(at)
    }

    fn is_same_password(&self, at: usize, session: &Session) -> bool {
        self.users[at].password.as_ref().map(|password| password.version) == session.password
    }

    fn new_password(&mut self, back: usize, session: &Session, password: &'static str) -> Answer {
        let at = self.find_sub(&session.sub).ok_or_else(invalid_session)?;
        if !self.users[at].enabled {
            return Err(DISABLED.to_owned());
        }
        if self.users[at].status != Status::ForceChangePassword || !self.is_same_password(at, session) {
            return Err(invalid_session());
        }
        check_policy("does not conform to policy", password)?;
        self.set_password(at, password, false);
        self.users[at].status = Status::Confirmed;
        self.spend(back);
        self.after_password(session.client, at, true)
    }

    /// A code that was sent as a second factor.
    fn second_code(&mut self, back: usize, session: &Session, given: &str) -> Answer {
        let at = self.standing(session)?;
        if self.is_locked(&session.sub, Lock::SecondFactor) {
            return Err(super::LOCKED.to_owned());
        }
        if !self.is_code_of(session, given) {
            self.fail(&session.sub, Lock::SecondFactor);
            return Err(WRONG_CODE.to_owned());
        }
        self.verify_address(at, session)?;
        self.accept_second(back, at, session)
    }

    fn token_code(&mut self, back: usize, session: &Session, code: TokenCode) -> Answer {
        let at = self.standing(session)?;
        if self.is_locked(&session.sub, Lock::SecondFactor) {
            return Err(super::LOCKED.to_owned());
        }
        let Some(last_step) = self.users[at].token.as_ref().map(|token| token.last_step) else {
            return Err(
                "SoftwareTokenMFANotFoundException: User has no software token any more. Please sign in again."
                    .to_owned(),
            );
        };
        match self.check_token_code(Some(last_step), code) {
            Checked::Right(step) => {
                if let Some(token) = &mut self.users[at].token {
                    token.last_step = step;
                }
                self.accept_second(back, at, session)
            }
            Checked::Used => Err(USED_CODE.to_owned()),
            Checked::Wrong => {
                self.fail(&session.sub, Lock::SecondFactor);
                Err("CodeMismatchException: Invalid code received for user".to_owned())
            }
        }
    }

    fn accept_second(&mut self, back: usize, at: usize, session: &Session) -> Answer {
        self.forgive(&session.sub, Lock::SecondFactor);
        self.spend(back);
        let progress = Progress { password: session.password, has_second: true, is_answer: true };
        self.next(session.client, at, progress)
    }

    fn is_code_of(&self, session: &Session, given: &str) -> bool {
        matches!(&session.waiting, Waiting::Code { sent, .. } if self.is_text(*sent, given))
    }

    /// The address that a right code went to becomes a verified one, unless it is another's name.
    fn verify_address(&mut self, at: usize, session: &Session) -> Answer<()> {
        let Waiting::Code { medium, address, .. } = &session.waiting else { return Err(invalid_session()) };
        if self.users[at].attributes.get(*medium) != Some(address) {
            return Err(invalid_session());
        }
        let mut attributes = self.users[at].attributes.clone();
        attributes.insert(format!("{medium}_verified"), "true".to_owned());
        let names = self.new_names(at, &attributes);
        if self.taken(&session.sub, &names).is_none() {
            self.users[at].attributes = attributes;
        }
        Ok(())
    }

    /// A code in the place of a password.
    fn first_code(&mut self, back: usize, session: &Session, given: &str) -> Answer {
        let (sub, hides) = (&session.sub, session.client == HIDING);
        let found = self.find_sub(sub);
        match found.map(|at| &self.users[at]) {
            None if !hides => return Err(invalid_session()),
            Some(user) if !user.enabled && !hides => return Err(DISABLED.to_owned()),
            _ => {}
        }
        if self.count(sub, Count::WrongFirstCode, HOUR) >= WRONG_FIRST_CODES {
            return Err(super::LOCKED.to_owned());
        }
        let Some(at) = found.filter(|_| self.is_code_of(session, given)) else {
            self.add(sub, Count::WrongFirstCode);
            return Err(WRONG_CODE.to_owned());
        };
        if !self.users[at].enabled {
            return Err(DISABLED.to_owned());
        }
        if !self.choices(sub).contains(&"EMAIL_OTP") {
            return Err(invalid_session());
        }
        self.verify_address(at, session)?;
        if self.users[at].status == Status::Unconfirmed {
            self.users[at].status = Status::Confirmed;
        }
        self.counts.remove(&(sub.clone(), Count::WrongFirstCode));
        self.spend(back);
        self.next(session.client, at, Progress { is_answer: true, ..Progress::default() })
    }

    fn select_method(&mut self, back: usize, session: &Session, choice: &str) -> Answer {
        let Waiting::Methods(methods) = &session.waiting else { return Err(invalid_session()) };
        let Some(method) = methods.iter().find(|method| method.name() == choice) else {
            let names: Vec<_> = methods.iter().map(|method| method.name()).collect();
            return Err(format!("InvalidParameterException: ANSWER must be one of {}.", names.join(", ")));
        };
        let at = self.standing(session)?;
        if self.is_locked(&session.sub, Lock::SecondFactor) {
            return Err(super::LOCKED.to_owned());
        }
        let medium = match method {
            Method::Sms => Some(Address::Phone),
            Method::Email => Some(Address::Email),
            Method::SoftwareToken => None,
        };
        if let Some(address) = medium.and_then(|medium| self.users[at].address(medium)) {
            self.check_room(&session.sub, address)?;
        }
        self.spend(back);
        let progress = Progress { password: session.password, has_second: false, is_answer: true };
        self.ask_second(session.client, at, *method, progress)
    }

    fn finish_set_up(&mut self, back: usize, session: &Session) -> Answer {
        if session.waiting != Waiting::Secret(None) {
            return Err(INCOMPLETE.to_owned());
        }
        let at = self.standing(session)?;
        let is_due = matches!(self.due(at, false), Due::SetUp(methods) if methods.contains(&Method::SoftwareToken));
        if self.users[at].token.is_none() || !is_due {
            return Err(invalid_session());
        }
        let user = &mut self.users[at];
        if !user.methods.contains(&Method::SoftwareToken) {
            user.methods.push(Method::SoftwareToken);
            user.methods.sort_by_key(|method| Method::ALL.iter().position(|other| other == method));
        }
        user.preferred.get_or_insert(Method::SoftwareToken);
        self.spend(back);
        self.next(session.client, at, Progress { password: session.password, has_second: true, is_answer: true })
    }

    fn select_challenge(&mut self, back: usize, session: &Session, reply: &Reply) -> Answer {
        self.check_first(session)?;
        if !self.choices(&session.sub).contains(&reply.choice) {
            return Err("InvalidParameterException: Selected challenge is not available".to_owned());
        }
        if reply.choice == "PASSWORD" && reply.brings_password {
            return self.password(back, session, reply.password);
        }
        let (client, sub, username) = (session.client, session.sub.clone(), reply.username.clone());
        if reply.choice == "PASSWORD" {
            self.spend(back);
            return Ok(self.begin(client, sub, username, "PASSWORD", None, Waiting::Nothing));
        }
        let shown = self.send_first_code(client, &sub, &username)?;
        // The new session came after the old one.
        self.spend(back + 1);
        Ok(shown)
    }

    fn password(&mut self, back: usize, session: &Session, password: &str) -> Answer {
        self.check_first(session)?;
        let at = self.prove(session.client, &session.sub, |own| own.text == password, None)?;
        self.spend(back);
        self.after_password(session.client, at, true)
    }

    /// Whoever a session of USER_AUTH is about must still be there.
    fn check_first(&self, session: &Session) -> Answer<()> {
        match self.find_sub(&session.sub).map(|at| &self.users[at]) {
            None if session.client != HIDING => Err(invalid_session()),
            Some(user) if !user.enabled && session.client != HIDING => Err(DISABLED.to_owned()),
            _ => Ok(()),
        }
    }
}
