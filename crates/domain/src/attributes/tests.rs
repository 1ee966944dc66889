use proptest::prelude::*;
use serde_json::json;
use wire::{
    AliasAttributeType, AttributeDataType, AttributeType, NumberAttributeConstraintsType, SchemaAttributeType,
    StringAttributeConstraintsType, Timestamp, UserStatusType, UsernameAttributeType,
};

use super::{
    Fault, NameRefusal, Refusal, Update, Violation, Writer, for_new_user, identity, is_readable, is_writable, update,
    updated,
};
use crate::{Client, Medium, PasswordPolicy, Pool, User};

fn attribute(name: &str, kind: AttributeDataType, least: Option<&str>, most: Option<&str>) -> SchemaAttributeType {
    let number = kind == AttributeDataType::Number;
    SchemaAttributeType {
        name: Some(name.to_owned()),
        attribute_data_type: Some(kind),
        developer_only_attribute: Some(name.starts_with("dev:")),
        mutable: Some(!matches!(name, "sub" | "custom:badge")),
        required: Some(matches!(name, "sub" | "name" | "given_name")),
        number_attribute_constraints: number.then(|| NumberAttributeConstraintsType {
            min_value: least.map(str::to_owned),
            max_value: most.map(str::to_owned),
        }),
        string_attribute_constraints: (!number).then(|| StringAttributeConstraintsType {
            min_length: least.map(str::to_owned),
            max_length: most.map(str::to_owned),
        }),
    }
}

fn pool() -> Pool {
    use AttributeDataType::{Boolean, DateTime, Number, String};
    let schema = [
        attribute("sub", String, Some("1"), Some("2048")),
        attribute("name", String, Some("0"), Some("2048")),
        attribute("given_name", String, Some("0"), Some("2048")),
        attribute("preferred_username", String, Some("0"), Some("2048")),
        attribute("email", String, Some("0"), Some("2048")),
        attribute("email_verified", Boolean, None, None),
        attribute("birthdate", String, Some("10"), Some("10")),
        attribute("phone_number", String, Some("0"), Some("2048")),
        attribute("phone_number_verified", Boolean, None, None),
        attribute("updated_at", Number, Some("0"), None),
        attribute("custom:level", Number, Some("1"), Some("9")),
        attribute("custom:since", DateTime, None, None),
        attribute("custom:badge", String, None, Some("5")),
        attribute("dev:note", String, None, None),
    ];
    // From a document, so that a pool that grows leaves these tests alone.
    serde_json::from_value(json!({
        "id": "eu-west-1_Pool", "name": "p", "created_at": 0, "modified_at": 0, "deletion_protected": false,
        "password_policy": PasswordPolicy::default(), "schema": schema, "alias_attributes": [],
        "username_attributes": [], "auto_verified_attributes": [], "verification_before_update": [],
        "verification_template": {}, "email": {}, "admin_create_user_only": false, "tags": {}, "tier": "ESSENTIALS",
    }))
    .unwrap()
}

fn client(read: Option<&[&str]>, write: Option<&[&str]>) -> Client {
    serde_json::from_value(json!({
        "id": "c", "pool_id": "eu-west-1_Pool", "name": "c", "created_at": 0, "modified_at": 0, "secrets": [],
        "refresh_token_validity": 30, "explicit_auth_flows": [], "enable_token_revocation": true,
        "auth_session_validity": 3, "read_attributes": read, "write_attributes": write,
    }))
    .unwrap()
}

fn user(attributes: &[(&str, &str)]) -> User {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    User::new("eu-west-1_Pool", "s", "alice", UserStatusType::Confirmed, attributes, Timestamp(0))
}

fn given(attributes: &[(&str, &str)]) -> Vec<AttributeType> {
    attributes
        .iter()
        .map(|(name, value)| AttributeType { name: (*name).to_owned(), value: Some((*value).to_owned()) })
        .collect()
}

fn schema_refusal(name: &str, fault: Fault) -> Refusal {
    Refusal::Schema(vec![Violation { name: name.to_owned(), fault }])
}

#[test]
fn values_must_fit_the_schema() {
    let pool = pool();
    let create = |name: &str, value: &str| for_new_user(&pool, Writer::Administrator, &given(&[(name, value)]), None);
    for (name, value, fault) in [
        ("nickname", "x", Fault::Unknown),
        ("level", "5", Fault::Unknown),
        ("sub", "x", Fault::Immutable),
        ("birthdate", "2001-1-1", Fault::TooShort(10)),
        ("birthdate", "2001-01-011", Fault::TooLong(10)),
        ("custom:badge", "äöüäöü", Fault::TooLong(5)),
        ("custom:level", "0", Fault::TooSmall(1)),
        ("custom:level", "10", Fault::TooLarge(9)),
        ("custom:level", "five", Fault::NotANumber),
        ("custom:level", "5.5", Fault::NotANumber),
        ("custom:level", "99999999999999999999", Fault::NotANumber),
        ("email_verified", "yes", Fault::NotABoolean),
        ("custom:since", "yesterday", Fault::NotADate),
        ("custom:since", "2020-01-01x", Fault::NotADate),
    ] {
        assert_eq!(create(name, value), Err(schema_refusal(name, fault)), "{name}={value}");
    }
    for (name, value) in [
        ("birthdate", "2001-01-01"),
        ("custom:badge", "äöüäö"),
        ("custom:level", "9"),
        ("custom:since", "2020-01-01T00:00:00Z"),
        ("custom:since", "2020-01-01"),
        ("dev:note", "anything"),
    ] {
        assert_eq!(create(name, value).unwrap().get(name).unwrap(), value);
    }
}

#[test]
fn violations_read_as_the_service_words_them() {
    let text = |name: &str, fault| Violation { name: name.to_owned(), fault }.to_string();
    assert_eq!(text("given_name", Fault::Missing), "given_name: The attribute is required");
    assert_eq!(text("name", Fault::Missing), "name.formatted: The attribute name.formatted is required");
    assert_eq!(text("custom:x", Fault::Unknown), "custom:x: Attribute does not exist in the schema.");
    assert_eq!(text("custom:x", Fault::Immutable), "custom:x: Attribute cannot be updated.");
}

#[test]
fn a_client_gives_all_required_attributes_and_gets_unverified_addresses() {
    let (pool, client) = (pool(), client(None, None));
    let writer = Writer::Client(&client);
    let missing = for_new_user(&pool, writer, &given(&[("name", "")]), None);
    let expected = ["name", "given_name"].map(|name| Violation { name: name.to_owned(), fault: Fault::Missing });
    assert_eq!(missing, Err(Refusal::Schema(expected.to_vec())));

    let full = [("name", "A"), ("given_name", "B"), ("email", "a@b.co"), ("birthdate", "")];
    let attributes = for_new_user(&pool, writer, &given(&full), None).unwrap();
    let names: Vec<_> = attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(names, [("email", "a@b.co"), ("email_verified", "false"), ("given_name", "B"), ("name", "A")]);

    // An administrator may leave them out, and no flag appears by itself.
    let attributes = for_new_user(&pool, Writer::Administrator, &given(&[("email", "a@b.co")]), None).unwrap();
    assert_eq!(attributes.len(), 1);
}

#[test]
fn a_client_writes_only_what_it_may() {
    let (open, narrow) =
        (client(None, None), client(None, Some(&["name", "given_name", "custom:level", "email_verified", "dev:note"])));
    for name in ["email_verified", "phone_number_verified", "sub", "identities", "dev:note"] {
        assert!(!is_writable(&open, name) && !is_writable(&narrow, name), "{name}");
    }
    assert!(is_writable(&open, "email") && !is_writable(&narrow, "email"));
    assert!(!is_writable(&open, "custom:level") && is_writable(&narrow, "custom:level"));
    let refused = |client: &Client, name: &str, value: &str| {
        let attributes = given(&[("name", "A"), ("given_name", "B"), (name, value)]);
        for_new_user(&pool(), Writer::Client(client), &attributes, None) == Err(Refusal::Unauthorized)
    };
    assert!(refused(&open, "custom:level", "5"));
    assert!(refused(&open, "email_verified", "true"));
    assert!(refused(&narrow, "email", "a@b.co"));
    assert!(refused(&open, "dev:note", ""));
    assert!(!refused(&narrow, "custom:level", "5"));
}

#[test]
fn a_client_reads_only_what_it_may() {
    let (open, narrow) = (client(None, None), client(Some(&["custom:level", "dev:note"]), None));
    for (name, by_default, listed) in [
        ("sub", true, true),
        ("email", true, false),
        ("email_verified", true, false),
        ("custom:level", false, true),
        ("dev:note", false, false),
    ] {
        assert_eq!((is_readable(&open, name), is_readable(&narrow, name)), (by_default, listed), "{name}");
    }
}

#[test]
fn names_of_new_users_follow_the_pools_mode() {
    let mut pool = pool();
    assert_eq!(identity(&pool, "a@b.co"), Ok(None));
    pool.alias_attributes = vec![AliasAttributeType::Email];
    assert_eq!(identity(&pool, "a@b.co"), Err(NameRefusal::LooksLikeEmail));
    assert_eq!(identity(&pool, "+123"), Ok(None));
    pool.alias_attributes = vec![AliasAttributeType::PhoneNumber];
    assert_eq!(identity(&pool, "+123"), Err(NameRefusal::LooksLikePhoneNumber));
    assert_eq!(identity(&pool, "a@b.co"), Ok(None));
    pool.alias_attributes = Vec::new();
    pool.username_attributes = vec![UsernameAttributeType::Email];
    assert_eq!(identity(&pool, "a@b.co"), Ok(Some(Medium::Email)));
    assert_eq!(identity(&pool, "+123"), Err(NameRefusal::NotAnEmail));
    pool.username_attributes = vec![UsernameAttributeType::PhoneNumber];
    assert_eq!(identity(&pool, "alice"), Err(NameRefusal::NotAPhoneNumber));
    pool.username_attributes = vec![UsernameAttributeType::PhoneNumber, UsernameAttributeType::Email];
    assert_eq!(identity(&pool, "alice"), Err(NameRefusal::NeitherEmailNorPhoneNumber));
    assert_eq!(identity(&pool, "+123"), Ok(Some(Medium::Sms)));
}

#[test]
fn the_name_fills_its_attribute_and_must_agree_with_it() {
    let mut pool = pool();
    pool.username_attributes = vec![UsernameAttributeType::Email];
    let create = |pool: &Pool, email: &[(&str, &str)]| {
        for_new_user(pool, Writer::Administrator, &given(email), Some((Medium::Email, "A@b.co")))
    };
    assert_eq!(create(&pool, &[]).unwrap().get("email").unwrap(), "A@b.co");
    assert_eq!(create(&pool, &[("email", "a@b.co")]), Err(Refusal::UsernameDisagrees(Medium::Email)));
    pool.case_sensitive = Some(false);
    assert_eq!(create(&pool, &[("email", "a@b.co")]).unwrap().get("email").unwrap(), "a@b.co");
}

#[test]
fn addresses_are_checked_and_flags_need_them() {
    let pool = pool();
    let create = |attributes: &[(&str, &str)]| for_new_user(&pool, Writer::Administrator, &given(attributes), None);
    assert_eq!(create(&[("email", "nobody")]), Err(Refusal::Malformed(Medium::Email)));
    assert_eq!(create(&[("phone_number", "555-1234")]), Err(Refusal::Malformed(Medium::Sms)));
    assert_eq!(create(&[("email_verified", "true")]), Err(Refusal::NothingToVerify(Medium::Email)));
    let attributes = create(&[("phone_number", "+1555"), ("phone_number_verified", "True")]).unwrap();
    assert_eq!(attributes.get("phone_number_verified").unwrap(), "true");
}

#[test]
fn preferred_username_as_an_alias_waits_for_confirmation() {
    let (mut pool, client) = (pool(), client(None, None));
    let full = given(&[("name", "A"), ("given_name", "B"), ("preferred_username", "ace")]);
    assert!(for_new_user(&pool, Writer::Client(&client), &full, None).is_ok());
    pool.alias_attributes = vec![AliasAttributeType::PreferredUsername];
    assert_eq!(for_new_user(&pool, Writer::Client(&client), &full, None), Err(Refusal::AliasTooEarly));
    assert!(for_new_user(&pool, Writer::Administrator, &full, None).is_ok());
}

#[test]
fn a_changed_address_is_unverified_unless_the_update_says_otherwise() {
    let pool = pool();
    let before = user(&[("email", "a@b.co"), ("email_verified", "true")]);
    let flag = |attributes: &[(&str, &str)]| {
        let after = updated(&pool, Writer::Administrator, &before, &given(attributes)).unwrap();
        after.get("email_verified").cloned()
    };
    assert_eq!(flag(&[("email", "a@b.co")]).as_deref(), Some("true"));
    assert_eq!(flag(&[("email", "c@d.co")]).as_deref(), Some("false"));
    assert_eq!(flag(&[("email", "c@d.co"), ("email_verified", "true")]).as_deref(), Some("true"));
    assert_eq!(flag(&[("email_verified", "false")]).as_deref(), Some("false"));
    assert_eq!(flag(&[("email", "")]), None);
    let nothing = updated(&pool, Writer::Administrator, &before, &given(&[("email", ""), ("email_verified", "true")]));
    assert_eq!(nothing, Err(Refusal::NothingToVerify(Medium::Email)));
}

#[test]
fn some_attributes_stay() {
    let mut pool = pool();
    let before = user(&[("email", "a@b.co"), ("given_name", "B"), ("custom:badge", "x")]);
    let update =
        |pool: &Pool, name: &str, value: &str| updated(pool, Writer::Administrator, &before, &given(&[(name, value)]));
    assert_eq!(update(&pool, "custom:badge", "y"), Err(schema_refusal("custom:badge", Fault::Immutable)));
    assert_eq!(update(&pool, "sub", ""), Err(schema_refusal("sub", Fault::Immutable)));
    assert_eq!(update(&pool, "given_name", ""), Err(schema_refusal("given_name", Fault::Missing)));
    assert!(!update(&pool, "email", "").unwrap().contains_key("email"));
    pool.username_attributes = vec![UsernameAttributeType::Email];
    assert_eq!(update(&pool, "email", ""), Err(schema_refusal("email", Fault::Missing)));
}

proptest! {
    /// Whatever a client sends, its user never gets a verified address out of it, nor a flag without an address.
    #[test]
    fn no_update_through_a_client_verifies_anything(
        values in proptest::collection::vec(
            (
                prop_oneof![
                    Just("email"), Just("email_verified"), Just("phone_number"), Just("phone_number_verified"), Just("name"), Just("sub"),
                ],
                prop_oneof![Just(""), Just("a@b.co"), Just("x@y.co"), Just("+1555"), Just("true"), Just("false")],
            ),
            0..6,
        ),
        verified in any::<bool>(),
    ) {
        let (pool, client) = (pool(), client(None, None));
        let before = if verified { user(&[("email", "a@b.co"), ("email_verified", "true")]) } else { user(&[]) };
        if let Ok(after) = updated(&pool, Writer::Client(&client), &before, &given(&values)) {
            let is_verified = after.get("email_verified").is_some_and(|flag| flag == "true");
            prop_assert_eq!(is_verified, verified && after.get("email").is_some_and(|email| email == "a@b.co"));
            prop_assert!(!after.contains_key("phone_number_verified") || after.contains_key("phone_number"));
            prop_assert!(after.get("phone_number_verified").is_none_or(|flag| flag == "false"));
            prop_assert!(!after.contains_key("sub"));
        }
    }
}

#[test]
fn a_new_address_waits_or_does_not_as_the_pool_and_the_update_say() {
    use wire::VerifiedAttributeType::{Email, PhoneNumber};
    let mut pool = pool();
    let before = user(&[("email", "a@b.co"), ("email_verified", "true")]);
    let change = |pool: &Pool, attributes: &[(&str, &str)]| {
        let Update { attributes, unproved } = update(pool, Writer::Administrator, &before, &given(attributes)).unwrap();
        let shown = |name: &str| attributes.get(name).cloned().unwrap_or_default();
        let waits: Vec<_> =
            unproved.into_iter().map(|unproved| (unproved.medium, unproved.address, unproved.waits)).collect();
        (shown("email"), shown("email_verified"), waits)
    };
    let (new, vouched) = ([("email", "c@d.co")], [("email", "c@d.co"), ("email_verified", "True")]);
    let new_at_once = |waits| ("c@d.co".to_owned(), "false".to_owned(), waits);
    let old = |waits| ("a@b.co".to_owned(), "true".to_owned(), waits);
    let email = |waits| (Medium::Email, "c@d.co".to_owned(), waits);
    assert_eq!(change(&pool, &new), new_at_once(vec![]));
    pool.auto_verified_attributes = vec![Email, PhoneNumber];
    assert_eq!(change(&pool, &new), new_at_once(vec![email(false)]));
    pool.verification_before_update = vec![Email];
    assert_eq!(change(&pool, &new), old(vec![email(true)]));
    assert_eq!(change(&pool, &[new[0], ("email_verified", "false")]), old(vec![email(true)]));
    assert_eq!(change(&pool, &vouched), ("c@d.co".to_owned(), "true".to_owned(), vec![]));
    // What does not change needs no code; what goes away goes at once.
    assert_eq!(change(&pool, &[("email", "a@b.co"), ("name", "A")]), old(vec![]));
    assert_eq!(change(&pool, &[("email", "")]), (String::new(), String::new(), vec![]));
    // Each for itself; one that comes for the first time waits too.
    assert_eq!(
        change(&pool, &[new[0], ("phone_number", "+1555")]),
        old(vec![email(true), (Medium::Sms, "+1555".to_owned(), false)])
    );
    pool.verification_before_update = vec![PhoneNumber];
    assert_eq!(change(&pool, &[("phone_number", "+1555")]), old(vec![(Medium::Sms, "+1555".to_owned(), true)]));
    let first = update(&pool, Writer::Administrator, &before, &given(&[("phone_number", "+1555")])).unwrap();
    assert_eq!(first.attributes, before.attributes);
}
