//! User attributes: what a value may be, who may write and read it, and what a change of one does to the others
//! (accounts.md §11.3 to §11.5, §2.4, §9.1, §10.1). Pure rules; the service turns a [`Refusal`] into its error.
//!
//! Order of the checks, for a new user and for an update alike: every attribute stands in the pool's schema and its
//! value fits; the writer may write it; what must be there is there; addresses are well formed; a verified flag has
//! an address to speak of.

use std::collections::BTreeMap;

use wire::{
    AliasAttributeType, AttributeDataType, AttributeType, SchemaAttributeType, UsernameAttributeType,
    VerifiedAttributeType,
};

use crate::{Client, Medium, Pool, User, names, schema::is_developer_only};

/// The standard attributes that a client without an explicit list may write, and read besides the verified flags.
const STANDARD: [&str; 17] = [
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "address",
    "updated_at",
];
/// The media whose addresses can be verified.
pub const MEDIA: [Medium; 2] = [Medium::Email, Medium::Sms];
/// Most characters in any value.
const LONGEST_VALUE: usize = 2_048;

/// Who writes attributes.
#[derive(Clone, Copy, Debug)]
pub enum Writer<'a> {
    /// A user through this client: only what the client may write.
    Client(&'a Client),
    /// An administrator: everything but what nobody may write.
    Administrator,
}

/// What is wrong with one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The pool's schema does not have it.
    Unknown,
    /// It must be there and is not.
    Missing,
    /// It never changes, or nobody may write it.
    Immutable,
    /// Fewer characters than this.
    TooShort(usize),
    /// More characters than this.
    TooLong(usize),
    /// Less than this.
    TooSmall(i64),
    /// More than this.
    TooLarge(i64),
    /// Not an integer.
    NotANumber,
    /// Neither `true` nor `false`.
    NotABoolean,
    /// Does not begin with a calendar date.
    NotADate,
}

/// An attribute and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The attribute.
    pub name: String,
    /// What is wrong.
    pub fault: Fault,
}

impl std::fmt::Display for Violation {
    /// `<name>: <what is wrong>` in the service's words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = &self.name;
        match self.fault {
            // The service keeps `name` as a structure inside, and says so.
            Fault::Missing if name == "name" => f.write_str("name.formatted: The attribute name.formatted is required"),
            Fault::Missing => write!(f, "{name}: The attribute is required"),
            Fault::Unknown => write!(f, "{name}: Attribute does not exist in the schema."),
            Fault::Immutable => write!(f, "{name}: Attribute cannot be updated."),
            Fault::TooShort(least) => write!(f, "{name}: String must be at least {least} characters"),
            Fault::TooLong(most) => write!(f, "{name}: String must be no longer than {most} characters"),
            Fault::TooSmall(least) => write!(f, "{name}: Number must be at least {least}"),
            Fault::TooLarge(most) => write!(f, "{name}: Number must be no larger than {most}"),
            Fault::NotANumber => write!(f, "{name}: Number must be an integer"),
            Fault::NotABoolean => write!(f, "{name}: Boolean must be true or false"),
            Fault::NotADate => write!(f, "{name}: DateTime must be an ISO 8601 date"),
        }
    }
}

/// Why attributes are not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// They do not fit the schema; never empty.
    Schema(Vec<Violation>),
    /// The client may not write one of them.
    Unauthorized,
    /// The address for this medium is malformed.
    Malformed(Medium),
    /// A verified flag for this medium without an address.
    NothingToVerify(Medium),
    /// The user name and the attribute that it fills disagree.
    UsernameDisagrees(Medium),
    /// `preferred_username` as an alias before the user is confirmed.
    AliasTooEarly,
}

/// Why a string cannot be the user name of a new user (accounts.md §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRefusal {
    /// Looks like an email address where email is an alias.
    LooksLikeEmail,
    /// Looks like a phone number where phone numbers are aliases.
    LooksLikePhoneNumber,
    /// Must be an email address or a phone number.
    NeitherEmailNorPhoneNumber,
    /// Must be an email address.
    NotAnEmail,
    /// Must be a phone number.
    NotAPhoneNumber,
}

/// Checks the user name of a new user; answers the attribute that it fills in a pool whose users sign in by email
/// or phone, and `None` in other pools.
///
/// # Errors
/// When the name is not of the form that the pool's mode demands.
pub fn identity(pool: &Pool, username: &str) -> Result<Option<Medium>, NameRefusal> {
    let (email, phone) = (names::is_email(username), names::is_phone_number(username));
    if pool.username_attributes.is_empty() {
        return if email && pool.uses_as_alias(AliasAttributeType::Email) {
            Err(NameRefusal::LooksLikeEmail)
        } else if phone && pool.uses_as_alias(AliasAttributeType::PhoneNumber) {
            Err(NameRefusal::LooksLikePhoneNumber)
        } else {
            Ok(None)
        };
    }
    let by_email = pool.uses_as_username(UsernameAttributeType::Email);
    let by_phone = pool.uses_as_username(UsernameAttributeType::PhoneNumber);
    if by_email && email {
        Ok(Some(Medium::Email))
    } else if by_phone && phone {
        Ok(Some(Medium::Sms))
    } else if by_email && by_phone {
        Err(NameRefusal::NeitherEmailNorPhoneNumber)
    } else if by_email {
        Err(NameRefusal::NotAnEmail)
    } else {
        Err(NameRefusal::NotAPhoneNumber)
    }
}

/// The attributes of a new user. `identity` is the attribute that the user name fills, and the user name. Blank
/// values count as not given; of an attribute that is given twice the last value counts. A client must give all
/// required attributes and gets verified flags of `false` for the addresses; an administrator may leave out required
/// ones and may give the flags.
///
/// # Errors
/// See [`Refusal`].
pub fn for_new_user(
    pool: &Pool,
    writer: Writer<'_>,
    given: &[AttributeType],
    identity: Option<(Medium, &str)>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut violations = Vec::new();
    let mut attributes = BTreeMap::new();
    for (name, value) in last_values(given) {
        match fault(pool, name, value) {
            None if value.is_empty() => {}
            None => {
                attributes.insert(name.to_owned(), normalized(pool, name, value));
            }
            Some(fault) => violations.push(Violation { name: name.to_owned(), fault }),
        }
    }
    let allowed = may_write_all(writer, given);
    if let Some((medium, username)) = identity {
        let filled = attributes.entry(medium.attribute().to_owned()).or_insert_with(|| username.to_owned());
        if pool.fold(filled) != pool.fold(username) {
            return Err(Refusal::UsernameDisagrees(medium));
        }
    }
    if let Writer::Client(_) = writer {
        violations.extend(missing(pool, &attributes));
    }
    if !violations.is_empty() {
        return Err(Refusal::Schema(violations));
    }
    if !allowed {
        return Err(Refusal::Unauthorized);
    }
    check_addresses(&attributes)?;
    if let Writer::Client(_) = writer {
        if pool.uses_as_alias(AliasAttributeType::PreferredUsername) && attributes.contains_key("preferred_username") {
            return Err(Refusal::AliasTooEarly);
        }
        for medium in MEDIA {
            if attributes.contains_key(medium.attribute()) {
                attributes.insert(medium.verified_attribute().to_owned(), "false".to_owned());
            }
        }
    }
    Ok(attributes)
}

/// The attributes of `user` after an update. A blank value deletes an attribute; an address that changes loses its
/// verified flag unless the same update sets it.
///
/// # Errors
/// See [`Refusal`].
pub fn updated(
    pool: &Pool,
    writer: Writer<'_>,
    user: &User,
    given: &[AttributeType],
) -> Result<BTreeMap<String, String>, Refusal> {
    let given_values = last_values(given);
    let mut violations = Vec::new();
    let mut attributes = user.attributes.clone();
    for (name, value) in &given_values {
        let fault = fault(pool, name, value).or_else(|| {
            schema_of(pool, name).is_some_and(|schema| schema.mutable == Some(false)).then_some(Fault::Immutable)
        });
        if let Some(fault) = fault {
            violations.push(Violation { name: (*name).to_owned(), fault });
        } else if value.is_empty() {
            if schema_of(pool, name).is_some_and(|schema| schema.required == Some(true)) {
                violations.push(Violation { name: (*name).to_owned(), fault: Fault::Missing });
            }
            attributes.remove(*name);
        } else {
            attributes.insert((*name).to_owned(), normalized(pool, name, value));
        }
    }
    if let Some(medium) = lost_identity(pool, user, &attributes) {
        violations.push(Violation { name: medium.attribute().to_owned(), fault: Fault::Missing });
    }
    if !violations.is_empty() {
        return Err(Refusal::Schema(violations));
    }
    if !may_write_all(writer, given) {
        return Err(Refusal::Unauthorized);
    }
    for medium in MEDIA {
        let (name, flag) = (medium.attribute(), medium.verified_attribute());
        let sets_flag = given_values.get(flag).is_some_and(|value| !value.is_empty());
        match attributes.get(name) {
            None if sets_flag => return Err(Refusal::NothingToVerify(medium)),
            None => {
                attributes.remove(flag);
            }
            Some(value) if !sets_flag && user.attributes.get(name) != Some(value) => {
                attributes.insert(flag.to_owned(), "false".to_owned());
            }
            Some(_) => {}
        }
    }
    check_addresses(&attributes)?;
    Ok(attributes)
}

/// An address that an update changes, that nobody has vouched for and that the pool verifies: a code goes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproved {
    /// How it is reached.
    pub medium: Medium,
    /// The new address.
    pub address: String,
    /// The old address, and whether it is verified, stay until the code has been given.
    pub waits: bool,
}

/// What an update comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The attributes from now on.
    pub attributes: BTreeMap<String, String>,
    /// The addresses to send codes to.
    pub unproved: Vec<Unproved>,
}

/// [`updated`], with the addresses that have to be verified first left as they are (accounts.md §11.5). Setting the
/// verified flag to true in the same update, as only an administrator can, vouches for the new address.
///
/// # Errors
/// See [`Refusal`].
pub fn update(pool: &Pool, writer: Writer<'_>, user: &User, given: &[AttributeType]) -> Result<Update, Refusal> {
    let mut attributes = updated(pool, writer, user, given)?;
    let given = last_values(given);
    let mut unproved = Vec::new();
    for medium in MEDIA {
        let (name, flag) = (medium.attribute(), medium.verified_attribute());
        let is_vouched_for = given.get(flag).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let waits = verifies_before_update(pool, medium);
        let new = attributes.get(name).filter(|value| user.attributes.get(name) != Some(value));
        let Some(address) = new.filter(|_| !is_vouched_for && (waits || pool.auto_verifies(medium))).cloned() else {
            continue;
        };
        if waits {
            for name in [name, flag] {
                match user.attributes.get(name) {
                    Some(value) => attributes.insert(name.to_owned(), value.clone()),
                    None => attributes.remove(name),
                };
            }
        }
        unproved.push(Unproved { medium, address, waits });
    }
    Ok(Update { attributes, unproved })
}

/// Whether a new address of this medium has to be verified before it takes the place of the old one.
fn verifies_before_update(pool: &Pool, medium: Medium) -> bool {
    pool.verification_before_update.contains(&match medium {
        Medium::Email => VerifiedAttributeType::Email,
        Medium::Sms => VerifiedAttributeType::PhoneNumber,
    })
}

/// Whether a user may write this attribute through this client (accounts.md §11.4).
#[must_use]
pub fn is_writable(client: &Client, name: &str) -> bool {
    let for_nobody = matches!(name, "sub" | "identities" | "email_verified" | "phone_number_verified");
    if for_nobody || is_developer_only(name) {
        return false;
    }
    // Decision: without an explicit list custom attributes are left out, as the API reference says.
    client
        .write_attributes
        .as_ref()
        .map_or_else(|| STANDARD.contains(&name), |list| list.iter().any(|listed| listed == name))
}

/// Whether a user may read this attribute through this client, in answers and in ID tokens (accounts.md §11.4).
/// `sub` always.
#[must_use]
pub fn is_readable(client: &Client, name: &str) -> bool {
    if name == "sub" {
        return true;
    }
    if is_developer_only(name) {
        return false;
    }
    // Decision: without an explicit list custom attributes are left out, as the API reference says.
    client.read_attributes.as_ref().map_or_else(
        || STANDARD.contains(&name) || matches!(name, "email_verified" | "phone_number_verified" | "identities"),
        |list| list.iter().any(|listed| listed == name),
    )
}

/// The schema's entry for an attribute.
#[must_use]
pub fn schema_of<'a>(pool: &'a Pool, name: &str) -> Option<&'a SchemaAttributeType> {
    pool.schema.iter().find(|schema| schema.name.as_deref() == Some(name))
}

/// Values by name; an absent value is a blank one.
fn last_values(given: &[AttributeType]) -> BTreeMap<&str, &str> {
    given.iter().map(|attribute| (attribute.name.as_str(), attribute.value.as_deref().unwrap_or_default())).collect()
}

fn may_write_all(writer: Writer<'_>, given: &[AttributeType]) -> bool {
    match writer {
        Writer::Administrator => true,
        Writer::Client(client) => given.iter().all(|attribute| is_writable(client, &attribute.name)),
    }
}

/// What is wrong with a value, if anything. A blank one is never wrong by itself.
fn fault(pool: &Pool, name: &str, value: &str) -> Option<Fault> {
    let Some(schema) = schema_of(pool, name) else { return Some(Fault::Unknown) };
    if matches!(name, "sub" | "identities") {
        return Some(Fault::Immutable);
    }
    if value.is_empty() {
        return None;
    }
    let length = value.chars().count();
    if length > LONGEST_VALUE {
        return Some(Fault::TooLong(LONGEST_VALUE));
    }
    match schema.attribute_data_type.unwrap_or(AttributeDataType::String) {
        AttributeDataType::String => {
            let limits = schema.string_attribute_constraints.as_ref();
            let least = limits.and_then(|limits| bound::<usize>(limits.min_length.as_deref()));
            let most = limits.and_then(|limits| bound::<usize>(limits.max_length.as_deref()));
            let short = least.filter(|least| length < *least).map(Fault::TooShort);
            short.or_else(|| most.filter(|most| length > *most).map(Fault::TooLong))
        }
        AttributeDataType::Number => {
            let Ok(number) = value.parse::<i64>() else { return Some(Fault::NotANumber) };
            let limits = schema.number_attribute_constraints.as_ref();
            let least = limits.and_then(|limits| bound::<i64>(limits.min_value.as_deref()));
            let most = limits.and_then(|limits| bound::<i64>(limits.max_value.as_deref()));
            let small = least.filter(|least| number < *least).map(Fault::TooSmall);
            small.or_else(|| most.filter(|most| number > *most).map(Fault::TooLarge))
        }
        AttributeDataType::Boolean => {
            let known = value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
            (!known).then_some(Fault::NotABoolean)
        }
        AttributeDataType::DateTime => (!begins_with_date(value)).then_some(Fault::NotADate),
    }
}

fn bound<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
    text.and_then(|text| text.parse().ok())
}

/// The value as it is stored: booleans in lower case, since `True` is what some languages print.
fn normalized(pool: &Pool, name: &str, value: &str) -> String {
    match schema_of(pool, name).and_then(|schema| schema.attribute_data_type) {
        Some(AttributeDataType::Boolean) => value.to_ascii_lowercase(),
        _ => value.to_owned(),
    }
}

/// Decision: a DateTime begins with `YYYY-MM-DD` and ends there or goes on with a `T` or a blank.
fn begins_with_date(value: &str) -> bool {
    let characters: Vec<char> = value.chars().collect();
    let date = characters.get(..10).is_some_and(|date| {
        date.iter().enumerate().all(|(index, c)| if matches!(index, 4 | 7) { *c == '-' } else { c.is_ascii_digit() })
    });
    date && characters.get(10).is_none_or(|c| matches!(c, 'T' | 't' | ' '))
}

/// Required attributes that are not there, in the schema's order.
#[must_use]
pub fn missing(pool: &Pool, attributes: &BTreeMap<String, String>) -> Vec<Violation> {
    pool.schema
        .iter()
        .filter(|schema| schema.required == Some(true))
        .filter_map(|schema| schema.name.as_deref())
        .filter(|name| *name != "sub" && !attributes.contains_key(*name))
        .map(|name| Violation { name: name.to_owned(), fault: Fault::Missing })
        .collect()
}

/// Decision: where users sign in by email or phone, an update may not take away the last address that a user signs
/// in with: nobody could name that user any more.
fn lost_identity(pool: &Pool, user: &User, after: &BTreeMap<String, String>) -> Option<Medium> {
    if user.is_of_another_provider() {
        return None;
    }
    let identifying = |medium: Medium| {
        pool.uses_as_username(match medium {
            Medium::Email => UsernameAttributeType::Email,
            Medium::Sms => UsernameAttributeType::PhoneNumber,
        })
    };
    let has = |attributes: &BTreeMap<String, String>| {
        MEDIA.into_iter().find(|medium| identifying(*medium) && attributes.contains_key(medium.attribute()))
    };
    has(&user.attributes).filter(|_| has(after).is_none())
}

fn check_addresses(attributes: &BTreeMap<String, String>) -> Result<(), Refusal> {
    for medium in MEDIA {
        let address = attributes.get(medium.attribute());
        let well_formed = address.is_none_or(|address| match medium {
            Medium::Email => names::is_email(address),
            Medium::Sms => names::is_phone_number(address),
        });
        if !well_formed {
            return Err(Refusal::Malformed(medium));
        }
        if address.is_none() && attributes.contains_key(medium.verified_attribute()) {
            return Err(Refusal::NothingToVerify(medium));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
