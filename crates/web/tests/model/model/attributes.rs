//! Attributes and the codes that verify them (accounts.md §11.3, §11.5), and the password that a user changes (§7.3).

use super::{
    ATTRIBUTE_CODES, Answer, Count, EMAIL_TAKEN, LIMIT, Model, Names, Outstanding, PASSWORD_CHANGES, Purpose, Shown,
    TOO_MANY, WRONG_ATTRIBUTE_CODES, WRONG_PASSWORD, attribute, check_policy, flag,
};
use crate::steps::{Address, Change, Code, Name, PASSWORDS, Token};

const ADDRESSES: [Address; 2] = [Address::Email, Address::Phone];

impl Model {
    /// What a request sets; a blank value deletes.
    pub fn given(&self, address: Address, change: Change) -> Vec<(&'static str, String)> {
        let value = |index| (attribute(address), self.value(address, index));
        let flag = |is_verified: bool| (flag(address), is_verified.to_string());
        match change {
            Change::Set(index) => vec![value(index)],
            Change::SetVerified(index) => vec![value(index), flag(true)],
            Change::Verify => vec![flag(true)],
            Change::Unverify => vec![flag(false)],
            Change::Delete => vec![(attribute(address), String::new())],
        }
    }

    pub fn admin_update_user_attributes(&mut self, name: Name, address: Address, change: Change) -> Answer {
        let at = self.known(name)?;
        let given = self.given(address, change);
        self.update(at, &given)
    }

    pub fn update_user_attributes(&mut self, token: Token, address: Address, value: Option<usize>) -> Answer {
        let (at, _) = self.authenticate(token)?;
        let given = self.given(address, value.map_or(Change::Delete, Change::Set));
        self.update(at, &given)
    }

    fn update(&mut self, at: usize, given: &[(&'static str, String)]) -> Answer {
        let before = self.users[at].attributes.clone();
        let mut after = before.clone();
        for (name, value) in given {
            if value.is_empty() {
                after.remove(*name)
            } else {
                after.insert((*name).to_owned(), value.clone())
            };
        }
        if self.kind.names == Names::Addresses && before.contains_key("email") && !after.contains_key("email") {
            return Err("InvalidParameterException: user.email: The attribute is required\n".to_owned());
        }
        let given_flag =
            |address| given.iter().find(|(name, _)| *name == flag(address)).map(|(_, value)| value.as_str());
        let changes = |after: &std::collections::BTreeMap<String, String>, address| {
            after.get(attribute(address)).is_some_and(|value| before.get(attribute(address)) != Some(value))
        };
        for address in ADDRESSES {
            if after.contains_key(attribute(address)) {
                if given_flag(address).is_none() && changes(&after, address) {
                    after.insert(flag(address).to_owned(), "false".to_owned());
                }
            } else if given_flag(address).is_some() {
                return Err(match address {
                    Address::Email => "InvalidParameterException: Email is required to verify/un-verify an email",
                    Address::Phone => {
                        "InvalidParameterException: Phone number is required to verify/un-verify a phone number"
                    }
                }
                .to_owned());
            } else {
                after.remove(flag(address));
            }
        }

        // Mail addresses that nobody has vouched for get a code; where users are named by them, the old one stays.
        let unproved = (changes(&after, Address::Email) && given_flag(Address::Email) != Some("true"))
            .then(|| after["email"].clone());
        let waits = unproved.is_some() && self.kind.names == Names::Addresses;
        let mut wanted = after.clone();
        if waits {
            wanted.insert("email_verified".to_owned(), "true".to_owned());
            for name in ["email", "email_verified"] {
                match before.get(name) {
                    Some(value) => after.insert(name.to_owned(), value.clone()),
                    None => after.remove(name),
                };
            }
        }
        let sub = self.users[at].sub.clone();
        let names = self.new_names(at, &wanted);
        if self.taken(&sub, &names).is_some() {
            return Err(format!("AliasExistsException: {EMAIL_TAKEN}"));
        }
        for address in ADDRESSES {
            let key = (sub.clone(), Purpose::verification(address));
            let unproved = unproved.as_ref().filter(|_| matches!(address, Address::Email));
            if let Some(value) = unproved {
                self.send_kept(&sub, key.1, address, value, "UpdateUserAttribute");
                self.codes.entry(key).and_modify(|code| code.is_pending = waits);
            } else if after.get(attribute(address)) != before.get(attribute(address)) {
                self.codes.remove(&key);
            }
        }
        self.users[at].attributes = after;
        Ok(Shown::Nothing)
    }

    pub fn send_attribute_code(&mut self, token: Token, address: Address) -> Answer {
        let (at, _) = self.authenticate(token)?;
        let user = &self.users[at];
        let (sub, purpose) = (user.sub.clone(), Purpose::verification(address));
        let pending =
            self.codes.get(&(sub.clone(), purpose)).filter(|code| code.is_pending && self.now < code.expires_at);
        let is_pending = pending.is_some();
        let receiver = pending.map(|code| code.address.clone()).or_else(|| user.address(address).cloned());
        let receiver = receiver.ok_or_else(|| {
            let what = match address {
                Address::Email => "email address",
                Address::Phone => "phone number",
            };
            format!("InvalidParameterException: User does not have a valid registered {what}")
        })?;
        self.count_request(&sub, Count::AttributeCode, ATTRIBUTE_CODES)?;
        self.send_kept(&sub, purpose, address, &receiver, "VerifyUserAttribute");
        self.codes.entry((sub, purpose)).and_modify(|code| code.is_pending = is_pending);
        Ok(Shown::Nothing)
    }

    pub fn verify_user_attribute(&mut self, token: Token, address: Address, code: Code) -> Answer {
        let purpose = Purpose::verification(address);
        let (at, _) = self.authenticate(token)?;
        let user = &self.users[at];
        let sub = user.sub.clone();
        let given = self.code(&sub, Some(purpose), code);
        // A code to an address that has been changed since proves nothing about the new one.
        let is_meant = |code: &&Outstanding| code.is_pending || user.address(address) == Some(&code.address);
        let outstanding = self.codes.get(&(sub.clone(), purpose)).filter(is_meant).cloned();
        let count = match address {
            Address::Email => Count::WrongEmailCode,
            Address::Phone => Count::WrongPhoneCode,
        };
        let checked = self.check_code(&sub, outstanding.as_ref(), count, WRONG_ATTRIBUTE_CODES, &given);
        checked.map_err(|refusal| if refusal == TOO_MANY { LIMIT.to_owned() } else { refusal })?;
        let Some(outstanding) = outstanding else { unreachable!("no code is right where there is none") };
        let mut attributes = self.users[at].attributes.clone();
        attributes.insert(attribute(address).to_owned(), outstanding.address);
        attributes.insert(flag(address).to_owned(), "true".to_owned());
        let names = self.new_names(at, &attributes);
        if self.taken(&sub, &names).is_some() {
            return Err(format!("AliasExistsException: {EMAIL_TAKEN}"));
        }
        self.users[at].attributes = attributes;
        self.codes.remove(&(sub, purpose));
        Ok(Shown::Nothing)
    }

    pub fn change_password(&mut self, token: Token, previous: usize, proposed: usize) -> Answer {
        let (at, _) = self.authenticate(token)?;
        let sub = self.users[at].sub.clone();
        self.count_request(&sub, Count::PasswordChange, PASSWORD_CHANGES)?;
        let is_wrong = |password: &super::Password| password.text != PASSWORDS[previous];
        if self.users[at].password.as_ref().is_some_and(is_wrong) {
            return Err(WRONG_PASSWORD.to_owned());
        }
        check_policy("does not conform to policy", PASSWORDS[proposed])?;
        self.set_password(at, PASSWORDS[proposed], false);
        Ok(Shown::Nothing)
    }
}
