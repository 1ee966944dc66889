//! Which second factor is due, which ones a user has switched on, and software tokens (auth-flows.md §13).

use super::{Answer, Count, HOUR, Method, Mfa, Model, Session, Shown, SoftwareToken, WRONG_TOKEN_CODES, Waiting};
use crate::steps::{Address, Holder, Switch, Token, TokenCode};

pub(super) const NO_METHOD: &str =
    "User has no MFA method that can be used to sign in. Ask an administrator to set one up.";
const NOT_OFFERED: &str = "SoftwareTokenMFANotFoundException: Software Token MFA has not been enabled by the userPool";
pub(super) const USED_CODE: &str = "ExpiredCodeException: Your software token has already been used once.";
/// Seconds of a step.
const STEP: i64 = 30_000;

/// What a sign-in has to do about a second factor.
#[derive(Debug)]
pub(super) enum Due {
    Nothing,
    Ask(Method),
    Choose(Vec<Method>),
    SetUp(Vec<Method>),
    Impossible,
}

/// What a code of a software token turns out to be.
pub(super) enum Checked {
    Right(i64),
    Used,
    Wrong,
}

impl Model {
    /// What the pools are configured for; all of them can send text messages, whether they ask for factors or not.
    fn offers(&self, method: Method) -> bool {
        match method {
            Method::Sms => true,
            Method::SoftwareToken => self.kind.mfa != Mfa::Off,
            Method::Email => self.kind.mfa == Mfa::Optional,
        }
    }

    fn has_address(&self, at: usize, method: Method) -> bool {
        let medium = if method == Method::Sms { Address::Phone } else { Address::Email };
        self.users[at].address(medium).is_some()
    }

    /// What is due after a password.
    pub(super) fn due(&self, at: usize, has_token: bool) -> Due {
        let user = &self.users[at];
        let can = |method: &Method| match method {
            Method::SoftwareToken => has_token,
            _ => self.offers(*method) && self.has_address(at, *method),
        };
        let usable: Vec<Method> = user.methods.iter().copied().filter(|method| can(method)).collect();
        if let Some(preferred) = user.preferred.filter(|preferred| usable.contains(preferred)) {
            return Due::Ask(preferred);
        }
        if !usable.is_empty() {
            return one_of(usable);
        }
        if self.kind.mfa == Mfa::Optional {
            return if user.methods.is_empty() { Due::Nothing } else { Due::Impossible };
        }
        // The pool demands one: whatever is at hand, or else one is set up.
        let at_hand: Vec<Method> =
            Method::ALL.into_iter().filter(|method| self.offers(*method) && can(method)).collect();
        if !at_hand.is_empty() {
            return one_of(at_hand);
        }
        let has_address = [Method::Sms, Method::Email].into_iter().any(|method| self.has_address(at, method));
        let can_set_up = |method: &Method| self.offers(*method) && (!has_address || *method == Method::SoftwareToken);
        Due::SetUp(Method::ALL.into_iter().filter(can_set_up).collect())
    }

    pub fn set_user_mfa_preference(&mut self, token: Token, switches: [Switch; 3]) -> Answer {
        let (at, _) = self.authenticate(token)?;
        let invalid = |text: String| Err(format!("InvalidParameterException: {text}"));
        if switches.iter().flatten().filter(|(_, is_preferred)| *is_preferred).count() > 1 {
            return invalid("Only one MFA method can be preferred.".to_owned());
        }
        let (mut methods, mut preferred) = (self.users[at].methods.clone(), self.users[at].preferred);
        for (method, switch) in Method::ALL.into_iter().zip(switches) {
            let Some((is_on, is_preferred)) = switch else { continue };
            let name = method.name();
            if is_on {
                match method {
                    Method::SoftwareToken if self.users[at].token.is_none() => {
                        return invalid("User has not verified software token mfa".to_owned());
                    }
                    Method::SoftwareToken => {}
                    _ if !self.offers(method) => {
                        return invalid(format!(
                            "{name} is not configured for the user pool. An administrator configures it with SetUserPoolMfaConfig."
                        ));
                    }
                    _ if !self.has_address(at, method) => {
                        return invalid(format!("User does not have delivery config set to turn on {name}"));
                    }
                    _ => {}
                }
                if !methods.contains(&method) {
                    methods.push(method);
                }
            } else if methods.contains(&method) && self.kind.mfa == Mfa::On {
                return invalid(format!(
                    "{name} cannot be disabled, because the user pool requires MFA. Only the preferred factor can be changed."
                ));
            } else {
                methods.retain(|own| *own != method);
                preferred = preferred.filter(|own| *own != method);
            }
            if is_preferred && !methods.contains(&method) {
                return invalid(format!("{name} must be enabled to be the preferred MFA method."));
            }
            if is_preferred {
                preferred = Some(method);
            } else {
                preferred = preferred.filter(|own| *own != method);
            }
        }
        methods.sort_by_key(|method| Method::ALL.iter().position(|other| other == method));
        let user = &mut self.users[at];
        (user.methods, user.preferred) = (methods, preferred);
        Ok(Shown::Nothing)
    }

    pub fn associate_software_token(&mut self, holder: Holder) -> Answer {
        let session = match holder {
            Holder::Token(token) => {
                let (at, _) = self.authenticate(token)?;
                self.check_offered()?;
                let sub = self.users[at].sub.clone();
                self.users[at].pending = Some((String::new(), self.now + HOUR));
                return Ok(Shown::Secret { sub, with_session: false });
            }
            Holder::Session(back) => self.set_up(back)?,
        };
        let at = self.find_sub(&session.sub).ok_or_else(invalid_session)?;
        if self.users[at].token.is_some() {
            return Err(invalid_session());
        }
        let waiting = Waiting::Secret(Some(String::new()));
        self.ask(session.client, at, "MFA_SETUP", session.password, waiting);
        Ok(Shown::Secret { sub: session.sub, with_session: true })
    }

    pub fn verify_software_token(&mut self, holder: Holder, code: TokenCode) -> Answer {
        match holder {
            Holder::Token(token) => self.verify_by_token(token, code),
            Holder::Session(back) => self.verify_by_session(back, code),
        }
    }

    fn verify_by_token(&mut self, token: Token, code: TokenCode) -> Answer {
        let (at, _) = self.authenticate(token)?;
        self.check_offered()?;
        let user = &self.users[at];
        let pending = user.pending.clone().filter(|(_, expires_at)| self.now < *expires_at);
        let (secret, last_step) = match (pending, &user.token) {
            (Some((secret, _)), _) => (secret, None),
            (None, Some(token)) => (token.secret.clone(), Some(token.last_step)),
            (None, None) => {
                return Err("InvalidParameterException: User has not set up software token mfa".to_owned());
            }
        };
        let last_step = self.check_new_token(at, last_step, code)?;
        let user = &mut self.users[at];
        if last_step.1 {
            user.pending = None;
        }
        user.token = Some(SoftwareToken { secret, last_step: last_step.0 });
        Ok(Shown::Nothing)
    }

    fn verify_by_session(&mut self, back: usize, code: TokenCode) -> Answer {
        let session = self.set_up(back)?;
        let Waiting::Secret(Some(secret)) = session.waiting else { return Err(invalid_session()) };
        let at = self.find_sub(&session.sub).ok_or_else(invalid_session)?;
        if self.users[at].token.is_some() {
            return Err(invalid_session());
        }
        let (last_step, _) = self.check_new_token(at, None, code)?;
        self.users[at].token = Some(SoftwareToken { secret, last_step });
        self.spend(back);
        self.ask(session.client, at, "MFA_SETUP", session.password, Waiting::Secret(None));
        Ok(Shown::Session)
    }

    /// The step of the first code of a token, and whether the token is a new one. All that is not right is counted.
    fn check_new_token(&mut self, at: usize, last_step: Option<i64>, code: TokenCode) -> Answer<(i64, bool)> {
        let sub = self.users[at].sub.clone();
        let count = Count::WrongTokenCode;
        if self.count(&sub, count, HOUR) >= WRONG_TOKEN_CODES {
            return Err(super::NO_ROOM.to_owned());
        }
        match self.check_token_code(last_step, code) {
            Checked::Right(step) => {
                self.counts.remove(&(sub, count));
                Ok((step, last_step.is_none()))
            }
            Checked::Used => {
                self.add(&sub, count);
                Err(USED_CODE.to_owned())
            }
            Checked::Wrong => {
                self.add(&sub, count);
                Err("EnableSoftwareTokenMFAException: Code mismatch and fail enable Software Token MFA".to_owned())
            }
        }
    }

    pub(super) fn check_token_code(&self, last_step: Option<i64>, code: TokenCode) -> Checked {
        let TokenCode::Step(offset @ -1..=1) = code else { return Checked::Wrong };
        let step = self.now.div_euclid(STEP) + offset;
        if last_step.is_none_or(|last| step > last) { Checked::Right(step) } else { Checked::Used }
    }

    fn check_offered(&self) -> Answer<()> {
        if self.offers(Method::SoftwareToken) { Ok(()) } else { Err(NOT_OFFERED.to_owned()) }
    }

    /// The session of a set-up that goes on.
    fn set_up(&self, back: usize) -> Answer<Session> {
        let session = super::newest(&self.sessions, back).ok_or_else(invalid_session)?.clone();
        self.check_session(&session, session.client, "MFA_SETUP")?;
        let may = match &session.waiting {
            Waiting::Methods(methods) => methods.contains(&Method::SoftwareToken),
            Waiting::Secret(_) => true,
            _ => false,
        };
        if !may {
            return Err(invalid_session());
        }
        let at = self.standing(&session)?;
        match self.due(at, false) {
            Due::SetUp(methods) if methods.contains(&Method::SoftwareToken) => Ok(session),
            _ => Err(invalid_session()),
        }
    }
}

fn one_of(methods: Vec<Method>) -> Due {
    if let [only] = methods[..] { Due::Ask(only) } else { Due::Choose(methods) }
}

pub(super) fn invalid_session() -> String {
    "NotAuthorizedException: Invalid session for the user.".to_owned()
}
