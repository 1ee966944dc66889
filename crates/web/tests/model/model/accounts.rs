//! Sign-up, administrators' operations on users, and recovery (accounts.md §5 to §10).

use std::collections::BTreeMap;

use super::{
    Answer, Count, DISABLED, EMAIL_TAKEN, HIDING, LIMIT, Lock, MISMATCH, Model, NO_RESET, Names, Outstanding, Purpose,
    RESENDS, RESET_REQUESTS, Shown, Status, TOO_MANY, UNKNOWN_HERE, User, WRONG_CODES_A_DAY, WRONG_RESET_CODES,
    WRONG_SIGN_UP_CODES, check_policy,
};
use crate::{
    model::{DAY, HOUR},
    steps::{Address, Code, Name, PASSWORDS},
};

const NO_CHANNEL: &str = "InvalidParameterException: Cannot reset password for the user as there is no registered/verified email or phone_number";
const NOTHING_TO_VERIFY: &str = "InvalidParameterException: Cannot resend codes. Auto verification not turned on.";

impl Model {
    pub fn sign_up(
        &mut self,
        name: Name,
        password: Option<usize>,
        email: Option<usize>,
        phone: Option<usize>,
    ) -> Answer {
        let mut attributes = BTreeMap::new();
        for (address, index) in [(Address::Email, email), (Address::Phone, phone)] {
            attributes.extend(index.map(|index| (super::attribute(address).to_owned(), self.value(address, index))));
        }
        let username = self.new_username(name, &mut attributes)?;
        match password {
            Some(password) => check_policy("did not conform with policy", PASSWORDS[password])?,
            None if self.kind.codes_first => {}
            None => return Err("InvalidParameterException: Password is required.".to_owned()),
        }
        for address in [Address::Email, Address::Phone] {
            if attributes.contains_key(super::attribute(address)) {
                attributes.insert(super::flag(address).to_owned(), "false".to_owned());
            }
        }
        self.check_new_names("User already exists", &username, &attributes)?;
        let email = attributes.get("email").cloned();
        self.create(username, Status::Unconfirmed, attributes);
        if let Some(password) = password {
            self.set_password(self.users.len() - 1, PASSWORDS[password], false);
        }
        if let Some(email) = email {
            self.send_kept("", Purpose::SignUp, Address::Email, &email, "SignUp");
        }
        Ok(Shown::NewUser)
    }

    pub fn confirm_sign_up(&mut self, client: usize, name: Name, code: Code, force: bool) -> Answer {
        let name = self.name(name);
        let sub = self.subject(&name);
        let given = self.code(&sub, Some(Purpose::SignUp), code);
        let found = self.find(&name);
        match found.map(|at| &self.users[at]) {
            None if client != HIDING => return Err(UNKNOWN_HERE.to_owned()),
            Some(user) if !user.enabled && client != HIDING => return Err(DISABLED.to_owned()),
            Some(user) if user.status != Status::Unconfirmed => return Err(cannot_be_confirmed(user.status)),
            _ => {}
        }
        let outstanding = self.codes.get(&(sub.clone(), Purpose::SignUp)).cloned();
        self.check_code(&sub, outstanding.as_ref(), Count::WrongSignUp, WRONG_SIGN_UP_CODES, &given)?;
        let (Some(at), Some(outstanding)) = (found, outstanding) else { unreachable!("a stand-in has no right code") };
        if !self.users[at].enabled {
            return Err(DISABLED.to_owned());
        }
        let mut attributes = self.users[at].attributes.clone();
        if attributes.get("email") == Some(&outstanding.address) {
            attributes.insert("email_verified".to_owned(), "true".to_owned());
        }
        let names = self.new_names(at, &attributes);
        if force {
            self.take_over(&names);
        } else if self.taken(&sub, &names).is_some() {
            return Err("AliasExistsException: An account with the email already exists.".to_owned());
        }
        self.users[at].attributes = attributes;
        self.users[at].status = Status::Confirmed;
        self.codes.remove(&(sub.clone(), Purpose::SignUp));
        self.counts.remove(&(sub, Count::WrongSignUp));
        Ok(Shown::Nothing)
    }

    pub fn resend(&mut self, client: usize, name: Name) -> Answer {
        let name = self.name(name);
        let sub = self.subject(&name);
        let refusal = match self.find(&name).map(|at| &self.users[at]) {
            None => Some(UNKNOWN_HERE),
            Some(user) if !user.enabled => Some(DISABLED),
            Some(user) if user.status != Status::Unconfirmed => {
                return Err("InvalidParameterException: User is already confirmed.".to_owned());
            }
            Some(user) => user.address(Address::Email).is_none().then_some(NOTHING_TO_VERIFY),
        };
        if let Some(refusal) = refusal.filter(|_| client != HIDING) {
            return Err(refusal.to_owned());
        }
        self.count_request(&sub, Count::Resend, RESENDS)?;
        match self.find_sub(&sub).filter(|_| refusal.is_none()) {
            Some(at) => {
                let email = self.users[at].attributes["email"].clone();
                self.send_kept(&sub, Purpose::SignUp, Address::Email, &email, "ResendCode");
            }
            None => {
                let (address, expires_at) = (String::new(), self.now + DAY);
                let code = Outstanding { sent: None, address, medium: Address::Email, is_pending: false, expires_at };
                self.codes.insert((sub, Purpose::SignUp), code);
            }
        }
        Ok(Shown::Nothing)
    }

    pub fn admin_create_user(
        &mut self,
        name: Name,
        password: Option<usize>,
        email: Option<(usize, bool)>,
        phone: Option<usize>,
        force: bool,
    ) -> Answer {
        let mut attributes = BTreeMap::new();
        if let Some((index, is_verified)) = email {
            attributes.insert("email".to_owned(), self.email(index));
            attributes.insert("email_verified".to_owned(), is_verified.to_string());
        }
        attributes.extend(phone.map(|index| ("phone_number".to_owned(), self.value(Address::Phone, index))));
        let username = self.new_username(name, &mut attributes)?;
        if force && self.kind.names == Names::Aliases {
            let own_name = |(is_address, _): &(bool, String)| !*is_address;
            let names = self.names(&username, &attributes).into_iter().filter(own_name).collect::<Vec<_>>();
            self.check_free("User account already exists", &names)?;
        } else {
            self.check_new_names("User account already exists", &username, &attributes)?;
        }
        let password = match password {
            None if self.kind.codes_first => None,
            // One that the server makes up, and that is nobody's to know.
            None => Some("made up"),
            Some(password) => {
                check_policy("did not conform with password policy", PASSWORDS[password])?;
                Some(PASSWORDS[password])
            }
        };
        if force {
            let names = self.names(&username, &attributes);
            self.take_over(&names);
        }
        let status = if password.is_some() { Status::ForceChangePassword } else { Status::Confirmed };
        self.create(username, status, attributes);
        if let Some(password) = password {
            self.set_password(self.users.len() - 1, password, true);
        }
        Ok(Shown::NewUser)
    }

    /// AdminCreateUser with RESEND.
    pub fn invite(&mut self, name: Name, password: usize) -> Answer {
        let at = self.known(name)?;
        if self.users[at].status != Status::ForceChangePassword {
            let name = self.name(name);
            return Err(format!(
                "UnsupportedUserStateException: Resend not possible. {name} status is not FORCE_CHANGE_PASSWORD"
            ));
        }
        check_policy("did not conform with password policy", PASSWORDS[password])?;
        let Some(email) = self.users[at].address(Address::Email).cloned() else {
            return Err("InvalidParameterException: DesiredDeliveryMediums contains EMAIL but the user has no email."
                .to_owned());
        };
        self.set_password(at, PASSWORDS[password], true);
        self.message = Some((email, "AdminCreateUser"));
        Ok(Shown::Nothing)
    }

    pub fn admin_confirm_sign_up(&mut self, name: Name) -> Answer {
        let at = self.known(name)?;
        let user = &mut self.users[at];
        if user.status != Status::Unconfirmed {
            return Err(cannot_be_confirmed(user.status));
        }
        user.status = Status::Confirmed;
        Ok(Shown::Nothing)
    }

    pub fn admin_set_user_password(&mut self, name: Name, password: usize, permanent: bool) -> Answer {
        let at = self.known(name)?;
        check_policy("did not conform with password policy", PASSWORDS[password])?;
        self.set_password(at, PASSWORDS[password], !permanent);
        let user = &mut self.users[at];
        user.status = if permanent { Status::Confirmed } else { Status::ForceChangePassword };
        let sub = user.sub.clone();
        self.forgive(&sub, Lock::Password);
        Ok(Shown::Nothing)
    }

    pub fn admin_reset_user_password(&mut self, name: Name) -> Answer {
        let at = self.known(name)?;
        if self.users[at].status == Status::Unconfirmed {
            return Err(NO_RESET.to_owned());
        }
        let medium = self.recovery_channel(at)?;
        self.users[at].status = Status::ResetRequired;
        self.send_reset(at, medium);
        Ok(Shown::Nothing)
    }

    pub fn admin_set_enabled(&mut self, name: Name, enabled: bool) -> Answer {
        let at = self.known(name)?;
        let user = &mut self.users[at];
        if user.enabled && !enabled {
            user.sign_outs += 1;
        }
        user.enabled = enabled;
        Ok(Shown::Nothing)
    }

    pub fn admin_delete_user(&mut self, name: Name) -> Answer {
        let at = self.known(name)?;
        self.remove(at);
        Ok(Shown::Nothing)
    }

    pub fn admin_get_user(&mut self, name: Name) -> Answer {
        let at = self.known(name)?;
        Ok(Shown::User { sub: self.users[at].sub.clone(), by_administrator: true })
    }

    pub fn set_membership(&mut self, name: Name, is_member: bool) -> Answer {
        let at = self.known(name)?;
        self.users[at].is_member = is_member;
        Ok(Shown::Nothing)
    }

    pub fn forgot_password(&mut self, client: usize, name: Name) -> Answer {
        let name = self.name(name);
        let hides = client == HIDING;
        let receiver = match self.find(&name) {
            None if hides => None,
            None => return Err(UNKNOWN_HERE.to_owned()),
            Some(at) => match self.recovery_channel(at) {
                Ok(medium) => Some((at, medium)),
                // Whoever cannot be reached is not told from nobody, whatever else there is to say.
                Err(refusal) if hides && (refusal == DISABLED || self.verified_address(at).is_none()) => None,
                Err(refusal) => return Err(refusal),
            },
        };
        match receiver {
            Some((at, medium)) => {
                let sub = self.users[at].sub.clone();
                self.count_request(&sub, Count::ResetRequest, RESET_REQUESTS)?;
                self.send_reset(at, medium);
            }
            None => self.count_request(&self.stand_in(&name), Count::ResetRequest, RESET_REQUESTS)?,
        }
        Ok(Shown::Nothing)
    }

    pub fn confirm_forgot_password(&mut self, client: usize, name: Name, code: Code, password: usize) -> Answer {
        let name = self.name(name);
        let given = self.code(&self.subject(&name), Some(Purpose::Reset), code);
        let at = match self.find(&name).map(|at| (at, &self.users[at])) {
            Some((at, user)) if user.enabled => at,
            _ if client == HIDING => return Err(self.refuse_stranger(&name)),
            Some(_) => return Err(DISABLED.to_owned()),
            None => return Err(UNKNOWN_HERE.to_owned()),
        };
        let user = &self.users[at];
        let sub = user.sub.clone();
        // A code counts only while its address is the user's and verified.
        let outstanding = self.codes.get(&(sub.clone(), Purpose::Reset)).cloned();
        let outstanding = outstanding
            .filter(|code| user.address(code.medium) == Some(&code.address) && user.has_verified(code.medium));
        self.check_code(&sub, outstanding.as_ref(), Count::WrongReset, WRONG_RESET_CODES, &given)?;
        if self.users[at].status == Status::ForceChangePassword {
            return Err(NO_RESET.to_owned());
        }
        check_policy("does not conform to policy", PASSWORDS[password])?;
        self.set_password(at, PASSWORDS[password], false);
        if self.users[at].status == Status::ResetRequired {
            self.users[at].status = Status::Confirmed;
        }
        self.counts.remove(&(sub.clone(), Count::WrongReset));
        self.forgive(&sub, Lock::Password);
        Ok(Shown::Nothing)
    }

    /// What somebody who must not be known to be missing is told: the code is wrong, and counted.
    fn refuse_stranger(&mut self, name: &str) -> String {
        let stand_in = self.stand_in(name);
        let count = Count::WrongReset;
        if self.count(&stand_in, count, HOUR) >= WRONG_RESET_CODES {
            return LIMIT.to_owned();
        }
        if self.count(&stand_in, count, DAY) >= WRONG_CODES_A_DAY {
            return TOO_MANY.to_owned();
        }
        self.add(&stand_in, count);
        MISMATCH.to_owned()
    }

    /// Where a reset code goes: to a verified phone before a verified mail address.
    fn recovery_channel(&self, at: usize) -> Answer<Address> {
        let user = &self.users[at];
        if !user.enabled {
            return Err(DISABLED.to_owned());
        }
        if user.status == Status::ForceChangePassword {
            return Err(NO_RESET.to_owned());
        }
        self.verified_address(at).ok_or_else(|| NO_CHANNEL.to_owned())
    }

    fn verified_address(&self, at: usize) -> Option<Address> {
        [Address::Phone, Address::Email].into_iter().find(|address| self.users[at].has_verified(*address))
    }

    fn send_reset(&mut self, at: usize, medium: Address) {
        let user = &self.users[at];
        let (sub, address) = (user.sub.clone(), user.address(medium).cloned().unwrap_or_default());
        self.send_kept(&sub, Purpose::Reset, medium, &address, "ForgotPassword");
    }

    /// The stored name of a new user, which may fill an attribute; empty where it is to be the `sub`.
    fn new_username(&self, name: Name, attributes: &mut BTreeMap<String, String>) -> Answer<String> {
        let name = self.name(name);
        let is_address = name.contains('@');
        match self.kind.names {
            Names::Plain => Ok(name),
            Names::Aliases if is_address => Err(
                "InvalidParameterException: Username cannot be of email format, since user pool is configured for email alias."
                    .to_owned(),
            ),
            Names::Aliases => Ok(self.fold(&name)),
            Names::Addresses if !is_address => {
                Err("InvalidParameterException: Username should be an email.".to_owned())
            }
            Names::Addresses if *attributes.entry("email".to_owned()).or_insert(name.clone()) != name => {
                Err("InvalidParameterException: Username and the attribute email must be the same.".to_owned())
            }
            Names::Addresses => Ok(String::new()),
        }
    }

    fn check_new_names(&self, taken: &str, username: &str, attributes: &BTreeMap<String, String>) -> Answer<()> {
        let mut names = self.names(username, attributes);
        // One that is made up is nobody's.
        names.retain(|(_, name)| !name.is_empty());
        self.check_free(taken, &names)
    }

    fn check_free(&self, taken: &str, names: &[(bool, String)]) -> Answer<()> {
        match self.taken("", names) {
            None => Ok(()),
            Some(true) => Err(format!("UsernameExistsException: {EMAIL_TAKEN}")),
            Some(false) => Err(format!("UsernameExistsException: {taken}")),
        }
    }

    /// A user without a password, whose `sub` the server has yet to say ([`Model::call_newest`]).
    fn create(&mut self, username: String, status: Status, attributes: BTreeMap<String, String>) {
        self.users.push(User {
            sub: String::new(),
            username,
            status,
            enabled: true,
            attributes,
            password: None,
            methods: Vec::new(),
            preferred: None,
            token: None,
            pending: None,
            sign_outs: 0,
            is_member: false,
        });
    }

    /// Tells the newest user's `sub`.
    pub fn call_newest(&mut self, sub: &str) {
        let Some(user) = self.users.last_mut() else { return };
        user.sub = sub.to_owned();
        if self.kind.names == Names::Addresses {
            user.username = sub.to_owned();
        }
        self.subs.push(sub.to_owned());
        if let Some(code) = self.codes.remove(&(String::new(), Purpose::SignUp)) {
            if let Some(at) = code.sent {
                self.sent[at].sub = sub.to_owned();
            }
            self.codes.insert((sub.to_owned(), Purpose::SignUp), code);
        }
    }

    /// Removes a user with everything that is kept for it; what it was given stays in the world.
    pub(super) fn remove(&mut self, at: usize) {
        let sub = self.users.remove(at).sub;
        self.codes.retain(|(of, _), _| *of != sub);
        self.counts.retain(|(of, _), _| *of != sub);
        self.failures.retain(|(of, _), _| *of != sub);
    }
}

fn cannot_be_confirmed(status: Status) -> String {
    format!("NotAuthorizedException: User cannot be confirmed. Current status is {}", status.name())
}
