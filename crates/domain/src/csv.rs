//! The files of user imports (accounts.md §18.2): which columns there are, and what a line says. Pure rules; names that
//! are taken and password hashes are looked at elsewhere.
//!
//! The form is simpler than that of most CSV files: nothing is quoted, and a comma inside a value is written `\,`.

use std::collections::BTreeSet;

use wire::{AttributeType, Operation, UserPoolMfaType, UserStatusType, schema::Kind};

use crate::{Medium, MfaMethod, MfaPreference, Pool, RecoveryChannel, User};

/// Column with the username.
pub const USERNAME: &str = "cognito:username";
/// Column that says whether the user has MFA.
pub const MFA_ENABLED: &str = "cognito:mfa_enabled";
/// Column with the password hash, in files of jobs that name an algorithm.
///
/// Decision: the service's name of this column is not known.
pub const PASSWORD_HASH: &str = "cognito:password_hash";

/// Most characters in a line.
const LONGEST_LINE: usize = 16_000;
/// Most characters in a username.
const LONGEST_USERNAME: usize = 128;
/// What stands in the place of a line that is no text; no line with it is taken.
pub const NO_TEXT: char = '\u{FFFD}';
/// Attributes that are no columns.
const NO_COLUMNS: [&str; 2] = ["sub", "identities"];

/// Why a file is not taken at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// It begins with a byte order mark.
    #[error("The file begins with a byte order mark. Save it as UTF-8 without one.")]
    ByteOrderMark,
    /// A column is not there.
    #[error("The header of the file does not match the user pool: the column {0} is missing.")]
    Missing(String),
    /// A column that the pool does not have.
    #[error("The header of the file does not match the user pool: it has an unknown column {0}.")]
    Unknown(String),
    /// A column that is there twice.
    #[error("The header of the file does not match the user pool: the column {0} is there twice.")]
    Twice(String),
}

/// Why a line makes no user. No message repeats a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Too many characters.
    #[error("The line has more than {LONGEST_LINE} characters.")]
    TooLong,
    /// Something else than text.
    #[error("The line is not UTF-8 text.")]
    NoText,
    /// More or fewer values than the header has columns.
    #[error("The line has {found} values but the header has {expected} columns. Write a comma in a value as \\,")]
    Columns {
        /// Values in the line.
        found: usize,
        /// Columns in the header.
        expected: usize,
    },
    /// No username.
    #[error("The User Record does not have a username.")]
    NoUsername,
    /// Not a username.
    #[error(
        "The username has blanks, or characters that usernames cannot have, or more than {LONGEST_USERNAME} of them."
    )]
    Username,
    /// The MFA column does not fit the pool.
    #[error("The column {MFA_ENABLED} must be {0} in this user pool.")]
    MfaEnabled(&'static str),
    /// A second factor is wanted, and there is none.
    #[error(
        "The column {MFA_ENABLED} is true, but the user pool sends second factors to no address of the User Record, or only to the one that the password is reset by."
    )]
    NoSecondFactor,
    /// Not a birthdate.
    #[error("The attribute birthdate must be of the form mm/dd/yyyy.")]
    Birthdate,
    /// An attribute that the pool requires.
    #[error("The User Record does not have a value for the required attribute {0}.")]
    Required(String),
    /// No verified address of the kind that the pool verifies.
    #[error(
        "The User Record does not set any of the auto verified attributes to true. (Example: email_verified to true)."
    )]
    NotVerified,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The username.
    pub username: String,
    /// The password hash, if there is one.
    pub password_hash: Option<String>,
    /// What the MFA column says.
    pub mfa_enabled: bool,
    /// Attributes with a value.
    pub attributes: Vec<AttributeType>,
}

/// The columns that a file for this pool has, in the service's order, without the one for password hashes.
#[must_use]
pub fn header(pool: &Pool) -> Vec<&str> {
    let attributes = pool.schema.iter().filter_map(|schema| schema.name.as_deref());
    // Decision: custom attributes come after the standard ones, as in the schema.
    attributes.filter(|name| !NO_COLUMNS.contains(name)).chain([MFA_ENABLED, USERNAME]).collect()
}

/// The columns of a file, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns(Vec<String>);

impl Columns {
    /// Reads the header of a file: every column once, in any order. `with_hashes` says that there is a column for
    /// password hashes.
    ///
    /// # Errors
    /// See [`HeaderFault`].
    pub fn parse(pool: &Pool, with_hashes: bool, line: &str) -> Result<Self, HeaderFault> {
        if line.starts_with('\u{FEFF}') {
            return Err(HeaderFault::ByteOrderMark);
        }
        let found = values(line);
        let expected: Vec<&str> = header(pool).into_iter().chain(with_hashes.then_some(PASSWORD_HASH)).collect();
        let mut seen = BTreeSet::new();
        for name in &found {
            if !expected.contains(&name.as_str()) {
                return Err(HeaderFault::Unknown(shortened(name)));
            }
            if !seen.insert(name.as_str()) {
                return Err(HeaderFault::Twice(shortened(name)));
            }
        }
        match expected.iter().find(|name| !seen.contains(**name)) {
            Some(name) => Err(HeaderFault::Missing(shortened(name))),
            None => Ok(Self(found)),
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn record(&self, pool: &Pool, line: &str) -> Result<Record, LineFault> {
        if line.len() > LONGEST_LINE && line.chars().nth(LONGEST_LINE).is_some() {
            return Err(LineFault::TooLong);
        }
        if line.contains(NO_TEXT) {
            return Err(LineFault::NoText);
        }
        let values = values(line);
        if values.len() != self.0.len() {
            return Err(LineFault::Columns { found: values.len(), expected: self.0.len() });
        }
        let mut record =
            Record { username: String::new(), password_hash: None, mfa_enabled: false, attributes: Vec::new() };
        let mut mfa_enabled = String::new();
        for (column, value) in self.0.iter().zip(values) {
            match column.as_str() {
                USERNAME => record.username = value,
                MFA_ENABLED => mfa_enabled = value,
                _ if value.is_empty() => {}
                PASSWORD_HASH => record.password_hash = Some(value),
                name => record.attributes.push(AttributeType { name: name.to_owned(), value: Some(value) }),
            }
        }
        // A flag that denies what is not there says nothing.
        for medium in [Medium::Email, Medium::Sms] {
            if record.value(medium.attribute()).is_none() {
                let flag = medium.verified_attribute();
                let is_denied = |attribute: &AttributeType| {
                    attribute.name == flag
                        && attribute.value.as_deref().is_some_and(|value| value.eq_ignore_ascii_case("false"))
                };
                record.attributes.retain(|attribute| !is_denied(attribute));
            }
        }
        check_username(&record.username)?;
        record.mfa_enabled = is_mfa_enabled(pool, &mfa_enabled)?;
        if record.value("birthdate").is_some_and(|value| !is_birthdate(value)) {
            return Err(LineFault::Birthdate);
        }
        let required = pool.schema.iter().filter(|schema| schema.required == Some(true));
        let mut required = required.filter_map(|schema| schema.name.as_deref());
        // Where users sign in by email or phone number, the username is the value.
        let is_given =
            |name: &str| name == "sub" || record.value(name).is_some() || is_username_in(pool, name, &record.username);
        match required.find(|name| !is_given(name)) {
            Some(name) => Err(LineFault::Required(name.to_owned())),
            None => Ok(record),
        }
    }
}

impl Record {
    fn value(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.name == name).and_then(|attribute| attribute.value.as_deref())
    }
}

/// Refuses a user without a verified address of a kind that the pool verifies: nobody could reach that user.
///
/// # Errors
/// [`LineFault::NotVerified`].
pub fn check_verified(pool: &Pool, user: &User) -> Result<(), LineFault> {
    let has = [Medium::Email, Medium::Sms]
        .into_iter()
        .any(|medium| pool.auto_verifies(medium) && user.has_verified(medium.attribute()));
    has.then_some(()).ok_or(LineFault::NotVerified)
}

/// The second factors that a user has switched on from the beginning.
///
/// Decision: the service does not say what `true` does. A pool that demands second factors asks everybody for whatever
/// is at hand, so that nothing need be switched on; where the user has the choice, codes by text message are, or else
/// codes by mail. An address that would then no longer reset the password of a user who has to is not taken.
///
/// # Errors
/// [`LineFault::NoSecondFactor`].
pub fn second_factors(pool: &Pool, user: &User, mfa_enabled: bool) -> Result<MfaPreference, LineFault> {
    let mut chosen = MfaPreference::default();
    if !mfa_enabled || pool.mfa() != UserPoolMfaType::Optional {
        return Ok(chosen);
    }
    let is_possible = |(method, medium): &(MfaMethod, Medium)| {
        let mut user = user.clone();
        user.mfa.set(*method, true);
        let can_sign_in = user.status != UserStatusType::ResetRequired
            || pool.recovery_channel(&user) != RecoveryChannel::Unavailable;
        pool.offers(*method) && user.address(*medium).is_some() && can_sign_in
    };
    let methods = [(MfaMethod::Sms, Medium::Sms), (MfaMethod::Email, Medium::Email)];
    let (method, _) = methods.into_iter().find(is_possible).ok_or(LineFault::NoSecondFactor)?;
    chosen.set(method, true);
    Ok(chosen)
}

/// The values of a line, without the blanks around them.
fn values(line: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut value = String::new();
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.next_if_eq(&',').is_some() => value.push(','),
            ',' => values.push(trimmed(&mut value)),
            _ => value.push(character),
        }
    }
    values.push(trimmed(&mut value));
    values
}

fn trimmed(value: &mut String) -> String {
    let text = value.trim().to_owned();
    value.clear();
    text
}

/// A name from a file, short enough for a message.
fn shortened(name: &str) -> String {
    name.chars().take(32).collect()
}

fn check_username(username: &str) -> Result<(), LineFault> {
    if username.is_empty() {
        return Err(LineFault::NoUsername);
    }
    let is_plain = username.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = username.chars().count() <= LONGEST_USERNAME && (is_plain || is_username(username));
    fits.then_some(()).ok_or(LineFault::Username)
}

/// Whether other operations could name a user like that.
fn is_username(username: &str) -> bool {
    let Kind::Structure { members } = &Operation::AdminGetUser.input().kind else { return false };
    let shape = members.iter().find(|member| member.name == "Username").map(|member| &member.shape.kind);
    matches!(shape, Some(Kind::String { pattern: Some(pattern), .. }) if pattern.matches(username))
}

/// What the MFA column says, which must be what the pool says, unless that leaves it open.
fn is_mfa_enabled(pool: &Pool, value: &str) -> Result<bool, LineFault> {
    let is = |word: &str| value.eq_ignore_ascii_case(word);
    match pool.mfa() {
        UserPoolMfaType::Off if is("false") => Ok(false),
        UserPoolMfaType::Off => Err(LineFault::MfaEnabled("false")),
        UserPoolMfaType::On if is("true") => Ok(true),
        UserPoolMfaType::On => Err(LineFault::MfaEnabled("true")),
        UserPoolMfaType::Optional if is("true") || is("false") => Ok(is("true")),
        UserPoolMfaType::Optional => Err(LineFault::MfaEnabled("true or false")),
    }
}

/// Decision: the value is kept as it stands in the file.
fn is_birthdate(value: &str) -> bool {
    let number = |text: &str, most: u32| {
        text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse().is_ok_and(|number: u32| (1..=most).contains(&number))
    };
    match value.split('/').collect::<Vec<_>>().as_slice() {
        [month, day, year] => {
            month.len() == 2
                && day.len() == 2
                && year.len() == 4
                && number(month, 12)
                && number(day, 31)
                && number(year, 9_999)
        }
        _ => false,
    }
}

fn is_username_in(pool: &Pool, attribute: &str, username: &str) -> bool {
    let identity = crate::attributes::identity(pool, username).ok().flatten();
    identity.is_some_and(|medium| medium.attribute() == attribute)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use wire::UserPoolMfaType;

    use super::{Columns, HeaderFault, LineFault, header, is_birthdate, values};
    use crate::{Pool, schema};

    fn pool() -> Pool {
        let mut pool: Pool = serde_json::from_value(serde_json::json!({
            "id": "us-east-1_AbCdEfGh1", "name": "p", "created_at": 0.0, "modified_at": 0.0,
            "deletion_protected": false, "password_policy": crate::PasswordPolicy::default(), "schema": [],
            "alias_attributes": [], "username_attributes": [], "case_sensitive": null,
            "auto_verified_attributes": [], "verification_before_update": [], "recovery": null,
            "verification_template": {}, "email": {}, "sms": null, "admin_create_user_only": false,
            "invite_template": null, "tags": {}, "tier": "ESSENTIALS",
        }))
        .unwrap();
        pool.schema = schema::standard();
        pool
    }

    /// A line for the usual header with these values.
    fn line(given: &[(&str, &str)]) -> String {
        let pool = pool();
        let value = |name: &str| given.iter().find(|(given, _)| *given == name).map_or("", |(_, value)| *value);
        let usual = |name: &str| match (value(name), name) {
            ("", "cognito:mfa_enabled") => "FALSE".to_owned(),
            ("", "cognito:username") => "alice".to_owned(),
            (value, _) => value.to_owned(),
        };
        header(&pool).into_iter().map(usual).collect::<Vec<_>>().join(",")
    }

    fn read(line: &str) -> Result<super::Record, LineFault> {
        let pool = pool();
        Columns::parse(&pool, false, &header(&pool).join(",")).unwrap().record(&pool, line)
    }

    #[test]
    fn the_header_is_the_services() {
        assert_eq!(
            header(&pool()).join(","),
            "name,given_name,family_name,middle_name,nickname,preferred_username,profile,picture,website,email,\
             email_verified,gender,birthdate,zoneinfo,locale,phone_number,phone_number_verified,address,updated_at,\
             cognito:mfa_enabled,cognito:username"
        );
    }

    #[test]
    fn columns_come_in_any_order_but_all_of_them_and_once() {
        let pool = pool();
        let names = header(&pool);
        let parse = |names: &[&str], hashes| Columns::parse(&pool, hashes, &names.join(" , ")).map(|_| ());
        let backwards: Vec<&str> = names.iter().rev().copied().collect();
        assert_eq!(parse(&backwards, false), Ok(()));
        assert_eq!(parse(&names, true), Err(HeaderFault::Missing("cognito:password_hash".to_owned())));
        let with = |more| names.iter().copied().chain([more]).collect::<Vec<_>>();
        assert_eq!(parse(&with("cognito:password_hash"), true), Ok(()));
        assert_eq!(
            parse(&with("cognito:password_hash"), false),
            Err(HeaderFault::Unknown("cognito:password_hash".to_owned()))
        );
        assert_eq!(parse(&with("email"), false), Err(HeaderFault::Twice("email".to_owned())));
        assert_eq!(parse(&with("sub"), false), Err(HeaderFault::Unknown("sub".to_owned())));
        assert_eq!(parse(names.get(1..).unwrap(), false), Err(HeaderFault::Missing("name".to_owned())));
        assert_eq!(parse(&["\u{FEFF}name"], false), Err(HeaderFault::ByteOrderMark));
        let long = parse(&with(&"x".repeat(300)), false).unwrap_err().to_string();
        assert!(long.len() <= 128, "{long}");
    }

    #[test]
    fn a_line_says_who_somebody_is() {
        let given = [
            ("email", " a@example.com "),
            ("email_verified", "TRUE"),
            ("address", "1 Road\\, Town"),
            ("phone_number_verified", "false"),
        ];
        let record = read(&line(&given)).unwrap();
        let attributes: Vec<_> =
            record.attributes.iter().map(|given| (given.name.as_str(), given.value.as_deref().unwrap())).collect();
        assert_eq!(attributes, [("email", "a@example.com"), ("email_verified", "TRUE"), ("address", "1 Road, Town")]);
        assert_eq!((record.username.as_str(), record.password_hash), ("alice", None));
    }

    #[test]
    fn the_first_fault_is_named() {
        assert_eq!(read("alice"), Err(LineFault::Columns { found: 1, expected: 21 }));
        assert_eq!(read(&line(&[("cognito:username", " ")])), Err(LineFault::NoUsername));
        for name in ["a b", "a\tb", "a\u{200B}b", &"x".repeat(129), &"ä".repeat(129), "a\u{7}"] {
            assert_eq!(read(&line(&[("cognito:username", name)])), Err(LineFault::Username), "{name:?}");
        }
        for name in ["é", "a@example.com", "日本", &"x".repeat(128), &"ä".repeat(128)] {
            assert_eq!(read(&line(&[("cognito:username", name)])).unwrap().username, *name);
        }
        assert_eq!(read(&line(&[("cognito:mfa_enabled", " ")])), Err(LineFault::MfaEnabled("false")));
        assert_eq!(read(&line(&[("cognito:mfa_enabled", "true")])), Err(LineFault::MfaEnabled("false")));
        assert_eq!(read(&line(&[("birthdate", "1985-02-01")])), Err(LineFault::Birthdate));
        assert_eq!(read(&line(&[("name", "a\u{FFFD}")])), Err(LineFault::NoText));
        assert_eq!(read(&line(&[("name", &"x".repeat(16_000))])), Err(LineFault::TooLong));
        let mut strict = pool();
        for attribute in &mut strict.schema {
            attribute.required = Some(attribute.name.as_deref() == Some("email"));
        }
        let columns = Columns::parse(&strict, false, &header(&strict).join(",")).unwrap();
        assert_eq!(columns.record(&strict, &line(&[])), Err(LineFault::Required("email".to_owned())));
    }

    #[test]
    fn the_mfa_column_says_what_the_pool_says() {
        let said = |mfa, value: &str| {
            let mut pool = pool();
            pool.factors.mfa = mfa;
            let columns = Columns::parse(&pool, false, &header(&pool).join(",")).unwrap();
            columns.record(&pool, &line(&[("cognito:mfa_enabled", value)])).map(|record| record.mfa_enabled)
        };
        use UserPoolMfaType::{Off, On, Optional};
        for (mfa, value, expected) in [
            (None, "False", Ok(false)),
            (None, "true", Err("false")),
            (None, "no", Err("false")),
            (Some(Off), "false", Ok(false)),
            (Some(Off), "TRUE", Err("false")),
            (Some(On), "TRUE", Ok(true)),
            (Some(On), "false", Err("true")),
            (Some(On), " ", Err("true")),
            (Some(Optional), "true", Ok(true)),
            (Some(Optional), "FALSE", Ok(false)),
            (Some(Optional), " ", Err("true or false")),
            (Some(Optional), "1", Err("true or false")),
        ] {
            assert_eq!(said(mfa, value), expected.map_err(LineFault::MfaEnabled), "{mfa:?} {value}");
        }
    }

    #[test]
    fn birthdates_are_months_days_and_years() {
        assert!(is_birthdate("02/29/1980") && is_birthdate("12/31/0001"));
        for bad in [
            "",
            "2/9/1980",
            "13/01/1980",
            "00/01/1980",
            "01/32/1980",
            "01/01/80",
            "01-01-1980",
            "+1/01/1980",
            "01/01/1980/",
        ] {
            assert!(!is_birthdate(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_value_can_be_written(given in prop::collection::vec("[a-z\\\\,\" é]{0,6}[a-z\"é]", 1..8)) {
            // A backslash before a comma is the one thing that cannot.
            prop_assume!(given.iter().all(|value| !value.contains("\\,")));
            let line = given.iter().map(|value| value.replace(',', "\\,")).collect::<Vec<_>>().join(",");
            let expected: Vec<&str> = given.iter().map(|value| value.trim()).collect();
            prop_assert_eq!(values(&line), expected);
        }
    }
}
