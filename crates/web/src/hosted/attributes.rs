//! Fields for what the pool demands to know of its users, and for passwords (oauth-federation.md §4.3). Custom attributes
//! are not asked for: none can be required.

use domain::{PasswordPolicy, Pool};
use service::hosted::Parameters;

use super::page::Field;

/// The attributes that every user must have.
pub(super) fn required(pool: &Pool) -> impl Iterator<Item = &str> {
    let required = pool.schema.iter().filter(|schema| schema.required == Some(true));
    required.filter_map(|schema| schema.name.as_deref()).filter(|name| *name != "sub")
}

/// What was filled in for these attributes; what was left empty is not there.
pub(super) fn given<'a>(
    names: impl Iterator<Item = &'a str>,
    fields: &'a Parameters,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    names.filter_map(|name| Some((name, fields.get(&field_name(name))?.trim())))
}

/// The field for an attribute, with what was filled in before.
pub(super) fn field(name: &str, fields: &Parameters) -> Field {
    let field_name = field_name(name);
    let value = fields.get(&field_name).unwrap_or_default();
    let (label, kind, autocomplete) = words(name);
    let label = label.map_or_else(|| in_words(name), str::to_owned);
    let hint = (name == "phone_number").then(|| "With the code of the country, such as +14325551212.".to_owned());
    Field { id: format!("attribute-{name}"), kind, hint, ..Field::text(&field_name, &label, autocomplete, value) }
}

/// The name of an attribute's field, as the service's classic page has it.
fn field_name(name: &str) -> String {
    format!("requiredAttributes[{name}]")
}

/// Label, kind of field, and what browsers fill it with.
fn words(name: &str) -> (Option<&'static str>, &'static str, &'static str) {
    match name {
        "email" => (Some("Email address"), "email", "email"),
        "phone_number" => (None, "tel", "tel"),
        "birthdate" => (Some("Date of birth"), "date", "bday"),
        "zoneinfo" => (Some("Time zone"), "text", "off"),
        "locale" => (Some("Language"), "text", "language"),
        "name" => (None, "text", "name"),
        "given_name" => (None, "text", "given-name"),
        "middle_name" => (None, "text", "additional-name"),
        "family_name" => (None, "text", "family-name"),
        "nickname" => (None, "text", "nickname"),
        "address" => (None, "text", "street-address"),
        "gender" => (None, "text", "sex"),
        "website" => (None, "text", "url"),
        "picture" => (None, "text", "photo"),
        _ => (None, "text", "off"),
    }
}

/// `given_name` as people read it.
fn in_words(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What the pool demands of passwords, in words.
pub(super) fn policy(policy: &PasswordPolicy) -> String {
    let demanded = [
        (policy.require_uppercase, "an upper-case letter"),
        (policy.require_lowercase, "a lower-case letter"),
        (policy.require_numbers, "a digit"),
        (policy.require_symbols, "a symbol"),
    ];
    let demanded: Vec<&str> = demanded.into_iter().filter(|(is, _)| *is).map(|(_, words)| words).collect();
    let length = format!("At least {} characters", policy.minimum_length);
    match demanded.split_last() {
        None => format!("{length}."),
        Some((only, [])) => format!("{length}, with {only}."),
        Some((last, others)) => format!("{length}, with {} and {last}.", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use domain::PasswordPolicy;

    use super::{in_words, policy};

    #[test]
    fn people_read_words() {
        assert_eq!((in_words("given_name").as_str(), in_words("")), ("Given name", String::new()));
        let all = PasswordPolicy::default();
        let none = PasswordPolicy {
            require_uppercase: false,
            require_lowercase: false,
            require_numbers: false,
            require_symbols: false,
            ..all.clone()
        };
        let one = PasswordPolicy { require_numbers: true, ..none.clone() };
        let texts = [all, none, one].map(|demanded| policy(&demanded));
        assert_eq!(
            texts,
            [
                "At least 8 characters, with an upper-case letter, a lower-case letter, a digit and a symbol.",
                "At least 8 characters.",
                "At least 8 characters, with a digit.",
            ]
        );
    }
}
