//! A pool's schema: which attributes its users may have (accounts.md §11.1, §11.2). Pure rules; the service answers
//! a [`Refusal`] as `InvalidParameterException` with its text.
//!
//! A schema begins with the standard attributes in the service's order; custom attributes follow in the order in
//! which they were added, named with their prefix. Nothing is ever taken out of a schema.

use wire::{AttributeDataType, NumberAttributeConstraintsType, SchemaAttributeType, StringAttributeConstraintsType};

/// Most custom attributes in a pool.
pub const MOST_CUSTOM: usize = 50;
/// Prefix of custom attributes.
pub const CUSTOM_PREFIX: &str = "custom:";
// Decision: documentation says `dev:`, recordings say `dev:custom:`; what was recorded is what a client meets.
/// Prefix of custom attributes that only administrators may write.
pub const DEVELOPER_PREFIX: &str = "dev:custom:";
/// Most characters that a standard attribute's bounds may allow.
const LONGEST: i64 = 2_048;
/// The attribute that holds linked identities. It comes with the first identity provider, never by a request.
pub const IDENTITIES: &str = "identities";

/// Why a schema is not taken, in the service's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// The schema of a pool that was made without one.
#[must_use]
pub fn standard() -> Vec<SchemaAttributeType> {
    let text = |name| string(name, "0", "2048");
    vec![
        SchemaAttributeType { mutable: Some(false), required: Some(true), ..string("sub", "1", "2048") },
        text("name"),
        text("given_name"),
        text("family_name"),
        text("middle_name"),
        text("nickname"),
        text("preferred_username"),
        text("profile"),
        text("picture"),
        text("website"),
        text("email"),
        attribute("email_verified", AttributeDataType::Boolean),
        text("gender"),
        string("birthdate", "10", "10"),
        text("zoneinfo"),
        text("locale"),
        text("phone_number"),
        attribute("phone_number_verified", AttributeDataType::Boolean),
        text("address"),
        SchemaAttributeType {
            number_attribute_constraints: Some(NumberAttributeConstraintsType {
                min_value: Some("0".to_owned()),
                max_value: None,
            }),
            ..attribute("updated_at", AttributeDataType::Number)
        },
    ]
}

fn attribute(name: &str, kind: AttributeDataType) -> SchemaAttributeType {
    SchemaAttributeType {
        name: Some(name.to_owned()),
        attribute_data_type: Some(kind),
        developer_only_attribute: Some(false),
        mutable: Some(true),
        required: Some(false),
        number_attribute_constraints: None,
        string_attribute_constraints: None,
    }
}

fn string(name: &str, shortest: &str, longest: &str) -> SchemaAttributeType {
    SchemaAttributeType {
        string_attribute_constraints: Some(StringAttributeConstraintsType {
            min_length: Some(shortest.to_owned()),
            max_length: Some(longest.to_owned()),
        }),
        ..attribute(name, AttributeDataType::String)
    }
}

/// The schema of a new pool: the standard attributes, changed as `given` says, and the custom ones in it.
///
/// # Errors
/// The first rule of §11.2 that `given` breaks.
pub fn of_new_pool(given: &[SchemaAttributeType]) -> Result<Vec<SchemaAttributeType>, Refusal> {
    let mut schema = standard();
    let mut seen: Vec<&str> = Vec::new();
    let mut custom = Vec::new();
    for (position, wanted) in given.iter().enumerate() {
        let name = name_of(wanted, "schema", position)?;
        let Some(present) = schema.iter_mut().find(|attribute| attribute.name.as_deref() == Some(name)) else {
            if name == IDENTITIES {
                return Err(Refusal(format!(
                    "The attribute {name} is kept by the service and cannot be part of a schema."
                )));
            }
            custom.push(wanted.clone());
            continue;
        };
        // Decision: of two definitions of one standard attribute neither can be told to be the one that is meant.
        if seen.contains(&name) {
            return Err(Refusal(format!("Duplicate attribute names {name} are not allowed in a user pool schema.")));
        }
        seen.push(name);
        change_standard(present, name, wanted)?;
    }
    append_custom(&mut schema, &custom)?;
    Ok(schema)
}

/// Adds custom attributes to the schema of an existing pool.
///
/// # Errors
/// The first rule of §11.2 that `given` breaks.
pub fn add_custom(schema: &mut Vec<SchemaAttributeType>, given: &[SchemaAttributeType]) -> Result<(), Refusal> {
    for (position, wanted) in given.iter().enumerate() {
        let name = name_of(wanted, "customAttributes", position)?;
        let full = full_name(name, wanted);
        if schema.iter().any(|attribute| attribute.name.as_deref() == Some(full.as_str())) {
            return Err(Refusal(format!("{full}: Existing attribute already has name {full}.")));
        }
    }
    append_custom(schema, given)
}

fn append_custom(schema: &mut Vec<SchemaAttributeType>, given: &[SchemaAttributeType]) -> Result<(), Refusal> {
    let mut added: Vec<SchemaAttributeType> = Vec::with_capacity(given.len());
    for (position, wanted) in given.iter().enumerate() {
        let made = custom(name_of(wanted, "schema", position)?, wanted)?;
        if added.iter().any(|other| other.name == made.name) {
            let name = made.name.unwrap_or_default();
            return Err(Refusal(format!(
                "Duplicate custom attribute names {name} are not allowed in a user pool schema."
            )));
        }
        added.push(made);
    }
    let is_custom = |name: &str| name.starts_with(CUSTOM_PREFIX) || is_developer_only(name);
    let present = schema.iter().filter(|attribute| attribute.name.as_deref().is_some_and(is_custom)).count();
    if present.saturating_add(added.len()) > MOST_CUSTOM {
        // Decision: the service's words for this are not recorded.
        return Err(Refusal(format!("A user pool cannot have more than {MOST_CUSTOM} custom attributes.")));
    }
    schema.append(&mut added);
    Ok(())
}

fn name_of<'a>(wanted: &'a SchemaAttributeType, member: &str, position: usize) -> Result<&'a str, Refusal> {
    // Decision: the model does not demand a name, but nothing can be meant by an attribute without one.
    wanted.name.as_deref().ok_or_else(|| {
        Refusal(format!(
            "1 validation error detected: Value null at '{member}.{}.member.name' failed to satisfy constraint: Member must not be null",
            position.saturating_add(1)
        ))
    })
}

fn full_name(name: &str, wanted: &SchemaAttributeType) -> String {
    let prefix = if wanted.developer_only_attribute == Some(true) { DEVELOPER_PREFIX } else { CUSTOM_PREFIX };
    format!("{prefix}{name}")
}

/// Whether only administrators may read and write the attribute of that name.
#[must_use]
pub fn is_developer_only(name: &str) -> bool {
    name.starts_with("dev:")
}

/// Changes what may be changed about a standard attribute: Required, Mutable and its bounds.
fn change_standard(present: &mut SchemaAttributeType, name: &str, wanted: &SchemaAttributeType) -> Result<(), Refusal> {
    let other_type = wanted.attribute_data_type.is_some_and(|kind| present.attribute_data_type != Some(kind));
    if other_type || wanted.developer_only_attribute == Some(true) {
        return Err(Refusal(format!(
            "You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute {name}"
        )));
    }
    // Decision: every user has a sub for life; a schema that says otherwise could not be kept.
    if name == "sub" && (wanted.required == Some(false) || wanted.mutable == Some(true)) {
        return Err(Refusal("The attribute sub is always required and never mutable.".to_owned()));
    }
    // Decision: the service is said to skip these checks when AttributeDataType is left out. The type is known, and
    // bounds that are stored without being looked at could not be honoured, so they are checked all the same.
    match present.attribute_data_type {
        Some(AttributeDataType::String) => {
            if let Some(bounds) = &wanted.string_attribute_constraints {
                let (shortest, longest) = lengths(bounds, name)?;
                if shortest.into_iter().chain(longest).any(|length| length > LONGEST) {
                    return Err(Refusal(format!(
                        "user.{name}: String attributes cannot have a length of more than {LONGEST}"
                    )));
                }
                if is_reversed(shortest, longest) {
                    return Err(Refusal(format!("user.{name}: Max length cannot be less than min length.")));
                }
                present.string_attribute_constraints = Some(bounds.clone());
            }
        }
        Some(AttributeDataType::Number) => {
            if let Some(bounds) = &wanted.number_attribute_constraints {
                let (smallest, largest) = values(bounds, name)?;
                if is_reversed(smallest, largest) {
                    return Err(Refusal(format!("user.{name}: Max value cannot be less than min value.")));
                }
                present.number_attribute_constraints = Some(bounds.clone());
            }
        }
        Some(AttributeDataType::Boolean | AttributeDataType::DateTime) | None => {}
    }
    present.mutable = wanted.mutable.or(present.mutable);
    present.required = wanted.required.or(present.required);
    Ok(())
}

/// A custom attribute as the schema keeps it. Bounds of a kind that its type does not have are dropped, as the
/// service does.
fn custom(name: &str, wanted: &SchemaAttributeType) -> Result<SchemaAttributeType, Refusal> {
    let full = full_name(name, wanted);
    if wanted.required == Some(true) {
        return Err(Refusal("Required custom attributes are not supported currently.".to_owned()));
    }
    let Some(kind) = wanted.attribute_data_type else {
        return Err(Refusal(
            "Invalid AttributeDataType input, consider using the provided AttributeDataType enum.".to_owned(),
        ));
    };
    let mut made = SchemaAttributeType {
        developer_only_attribute: Some(wanted.developer_only_attribute.unwrap_or(false)),
        mutable: Some(wanted.mutable.unwrap_or(true)),
        ..attribute(&full, kind)
    };
    match kind {
        AttributeDataType::String => {
            let bounds = wanted.string_attribute_constraints.clone().unwrap_or_default();
            let (shortest, longest) = lengths(&bounds, &full)?;
            if is_reversed(shortest, longest) {
                return Err(Refusal(format!("Attribute {full} cannot have a max length shorter than it's min length")));
            }
            made.string_attribute_constraints = Some(bounds);
        }
        AttributeDataType::Number => {
            let bounds = wanted.number_attribute_constraints.clone().unwrap_or_default();
            let (smallest, largest) = values(&bounds, &full)?;
            if is_reversed(smallest, largest) {
                return Err(Refusal(format!("Attribute {full} cannot have a max value smaller than it's min value")));
            }
            made.number_attribute_constraints = Some(bounds);
        }
        AttributeDataType::Boolean | AttributeDataType::DateTime => {}
    }
    Ok(made)
}

fn is_reversed(smallest: Option<i64>, largest: Option<i64>) -> bool {
    matches!((smallest, largest), (Some(smallest), Some(largest)) if smallest > largest)
}

type Bounds = (Option<i64>, Option<i64>);

fn lengths(bounds: &StringAttributeConstraintsType, name: &str) -> Result<Bounds, Refusal> {
    let length = |text: &Option<String>| match text.as_deref().map(str::parse::<i64>) {
        None => Ok(None),
        Some(Ok(length)) if length >= 0 => Ok(Some(length)),
        Some(_) => Err(Refusal(format!("Invalid StringAttributeConstraints for schema attribute {name}"))),
    };
    Ok((length(&bounds.min_length)?, length(&bounds.max_length)?))
}

fn values(bounds: &NumberAttributeConstraintsType, name: &str) -> Result<Bounds, Refusal> {
    let value = |text: &Option<String>| match text.as_deref().map(str::parse::<i64>) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) => Err(Refusal(format!("Invalid NumberAttributeConstraints for schema attribute {name}"))),
    };
    Ok((value(&bounds.min_value)?, value(&bounds.max_value)?))
}

#[cfg(test)]
mod tests {
    use wire::{
        AttributeDataType, NumberAttributeConstraintsType, SchemaAttributeType, StringAttributeConstraintsType,
    };

    use super::{MOST_CUSTOM, add_custom, of_new_pool, standard};

    fn named(name: &str) -> SchemaAttributeType {
        SchemaAttributeType { name: Some(name.to_owned()), ..SchemaAttributeType::default() }
    }

    fn text(name: &str, shortest: Option<&str>, longest: Option<&str>) -> SchemaAttributeType {
        SchemaAttributeType {
            attribute_data_type: Some(AttributeDataType::String),
            string_attribute_constraints: Some(StringAttributeConstraintsType {
                min_length: shortest.map(str::to_owned),
                max_length: longest.map(str::to_owned),
            }),
            ..named(name)
        }
    }

    fn number(name: &str, smallest: Option<&str>, largest: Option<&str>) -> SchemaAttributeType {
        SchemaAttributeType {
            attribute_data_type: Some(AttributeDataType::Number),
            number_attribute_constraints: Some(NumberAttributeConstraintsType {
                min_value: smallest.map(str::to_owned),
                max_value: largest.map(str::to_owned),
            }),
            ..named(name)
        }
    }

    fn refusal(given: SchemaAttributeType) -> String {
        of_new_pool(&[given]).unwrap_err().to_string()
    }

    #[test]
    fn a_pool_without_a_schema_has_the_standard_attributes_in_order() {
        let schema = of_new_pool(&[]).unwrap();
        assert_eq!(schema, standard());
        let names: Vec<_> = schema.iter().filter_map(|attribute| attribute.name.as_deref()).collect();
        assert_eq!(names.len(), 20);
        assert_eq!((names.first(), names.last()), (Some(&"sub"), Some(&"updated_at")));
        for attribute in &schema {
            let is_sub = attribute.name.as_deref() == Some("sub");
            assert_eq!((attribute.required, attribute.mutable), (Some(is_sub), Some(!is_sub)));
            assert_eq!(attribute.developer_only_attribute, Some(false));
        }
    }

    #[test]
    fn standard_attributes_change_in_place() {
        let wanted =
            SchemaAttributeType { required: Some(true), mutable: Some(false), ..text("email", None, Some("99")) };
        let schema = of_new_pool(&[wanted]).unwrap();
        assert_eq!(schema.len(), 20);
        let email = schema.iter().find(|attribute| attribute.name.as_deref() == Some("email")).unwrap();
        assert_eq!((email.required, email.mutable), (Some(true), Some(false)));
        assert_eq!(
            email.string_attribute_constraints,
            Some(StringAttributeConstraintsType { min_length: None, max_length: Some("99".to_owned()) })
        );
    }

    #[test]
    fn custom_attributes_follow_with_their_prefix_and_their_own_kind_of_bounds() {
        let both = SchemaAttributeType {
            number_attribute_constraints: Some(NumberAttributeConstraintsType::default()),
            ..text("tier", None, Some("10"))
        };
        let secret = SchemaAttributeType {
            attribute_data_type: Some(AttributeDataType::Boolean),
            developer_only_attribute: Some(true),
            ..named("vip")
        };
        let plain = SchemaAttributeType { attribute_data_type: Some(AttributeDataType::Number), ..named("age") };
        let schema = of_new_pool(&[both, secret, plain]).unwrap();
        let added = schema.get(20..).unwrap();
        let names: Vec<_> = added.iter().filter_map(|attribute| attribute.name.as_deref()).collect();
        assert_eq!(names, ["custom:tier", "dev:custom:vip", "custom:age"]);
        assert!(added.iter().all(|attribute| attribute.mutable == Some(true) && attribute.required == Some(false)));
        assert_eq!(added[0].number_attribute_constraints, None);
        assert_eq!(added[1].string_attribute_constraints, None);
        assert_eq!(added[2].number_attribute_constraints, Some(NumberAttributeConstraintsType::default()));
    }

    #[test]
    fn every_broken_rule_has_its_words() {
        let required = SchemaAttributeType { required: Some(true), ..text("x", None, None) };
        assert_eq!(refusal(required), "Required custom attributes are not supported currently.");
        assert_eq!(
            refusal(named("x")),
            "Invalid AttributeDataType input, consider using the provided AttributeDataType enum."
        );
        let change =
            "You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute email";
        assert_eq!(refusal(number("email", None, None)), change);
        assert_eq!(refusal(SchemaAttributeType { developer_only_attribute: Some(true), ..named("email") }), change);
        for (shortest, longest) in [(Some("a"), None), (None, Some("-1")), (Some(""), None), (None, Some("1.5"))] {
            assert_eq!(
                refusal(text("x", shortest, longest)),
                "Invalid StringAttributeConstraints for schema attribute custom:x"
            );
        }
        assert_eq!(
            refusal(number("updated_at", Some("x"), None)),
            "Invalid NumberAttributeConstraints for schema attribute updated_at"
        );
        assert_eq!(
            refusal(text("email", None, Some("2049"))),
            "user.email: String attributes cannot have a length of more than 2048"
        );
        assert_eq!(
            refusal(text("email", Some("9"), Some("8"))),
            "user.email: Max length cannot be less than min length."
        );
        assert_eq!(
            refusal(number("updated_at", Some("9"), Some("8"))),
            "user.updated_at: Max value cannot be less than min value."
        );
        assert_eq!(
            refusal(text("x", Some("9"), Some("8"))),
            "Attribute custom:x cannot have a max length shorter than it's min length"
        );
        assert_eq!(
            refusal(number("x", Some("-8"), Some("-9"))),
            "Attribute custom:x cannot have a max value smaller than it's min value"
        );
        assert_eq!(
            refusal(SchemaAttributeType::default()),
            "1 validation error detected: Value null at 'schema.1.member.name' failed to satisfy constraint: Member must not be null"
        );
        assert_eq!(
            refusal(SchemaAttributeType { mutable: Some(true), ..named("sub") }),
            "The attribute sub is always required and never mutable."
        );
        assert_eq!(
            refusal(named("identities")),
            "The attribute identities is kept by the service and cannot be part of a schema."
        );
        assert_eq!(
            of_new_pool(&[text("x", None, None), text("x", None, None)]).unwrap_err().to_string(),
            "Duplicate custom attribute names custom:x are not allowed in a user pool schema."
        );
        assert_eq!(
            of_new_pool(&[named("email"), named("email")]).unwrap_err().to_string(),
            "Duplicate attribute names email are not allowed in a user pool schema."
        );
    }

    #[test]
    fn a_pool_takes_custom_attributes_later_but_no_more_than_fifty_and_none_twice() {
        let mut schema = standard();
        add_custom(&mut schema, &[text("x", None, None)]).unwrap();
        let before = schema.clone();
        assert_eq!(
            add_custom(&mut schema, &[text("y", None, None), text("x", None, None)]).unwrap_err().to_string(),
            "custom:x: Existing attribute already has name custom:x."
        );
        assert_eq!(schema, before);
        let many: Vec<_> = (1..MOST_CUSTOM).map(|number| text(&format!("a{number}"), None, None)).collect();
        add_custom(&mut schema, &many).unwrap();
        assert_eq!(
            add_custom(&mut schema, &[text("y", None, None)]).unwrap_err().to_string(),
            "A user pool cannot have more than 50 custom attributes."
        );
    }
}
