//! Texts that pure code reads.

use std::collections::BTreeMap;

use domain::{Pool, User, csv, expression, filter};
use serde_json::{Value, json};
use store::Address;
use wire::{Operation, Timestamp, UserStatusType};

use crate::input;

/// A pool with attributes of several types.
fn pool() -> Pool {
    let document = json!({
        "id": "eu-west-1_Pool", "name": "p", "created_at": 0, "modified_at": 0, "deletion_protected": false,
        "password_policy": domain::PasswordPolicy::default(),
        "schema": [
            {"Name": "email", "AttributeDataType": "String"},
            {"Name": "birthdate", "AttributeDataType": "String"},
            {"Name": "email_verified", "AttributeDataType": "Boolean"},
            {"Name": "custom:level", "AttributeDataType": "Number"},
        ],
        "alias_attributes": ["email"], "username_attributes": [], "case_sensitive": false,
        "auto_verified_attributes": ["email"], "verification_before_update": [], "recovery": null,
        "verification_template": {}, "email": {}, "sms": null, "admin_create_user_only": false,
        "invite_template": null, "tags": {}, "tier": "ESSENTIALS",
    });
    serde_json::from_value(document).expect("a pool as the store keeps it")
}

/// `Filter` of ListUsers, as the original takes it and with `and` and `or`.
pub fn filters(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let single = filter::parse(text);
    if let Ok(Some(filter)) = &single {
        _ = filter.status_values();
    }
    let pool = pool();
    let several = expression::parse(&pool, text);
    // Whatever the original finds can be asked for in the larger language, too.
    assert!(!matches!(single, Ok(Some(_))) || several.is_ok(), "{text:?}: {several:?}");
    if let Ok(expression) = several {
        let attributes = [("email", "a@example.com"), ("custom:level", "7")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let user =
            User::new(&pool.id, "sub", "alice", UserStatusType::Confirmed, BTreeMap::from(attributes), Timestamp(0));
        _ = (expression.holds(&pool, &user), expression.leading());
    }
}

/// An import: the header in the first line, a user in every other one.
pub fn csv_lines(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let pool = pool();
    let (header, rest) = input::line(&text);
    let found = csv::Columns::parse(&pool, header.contains(csv::PASSWORD_HASH), header);
    // A header that is wrong keeps nothing of the lines back.
    let usual = csv::header(&pool).join(",");
    let columns = found.or_else(|_| csv::Columns::parse(&pool, false, &usual)).expect("the usual header fits");
    for line in rest.lines() {
        if let Ok(record) = columns.record(&pool, line) {
            assert!(!record.username.is_empty(), "{line:?}");
            let attributes = record.attributes.into_iter();
            let attributes = attributes.filter_map(|one| Some((one.name, one.value?))).collect();
            let user =
                User::new(&pool.id, "sub", &record.username, UserStatusType::Confirmed, attributes, Timestamp(0));
            _ = csv::check_verified(&pool, &user);
            _ = csv::second_factors(&pool, &user, record.mfa_enabled);
        }
    }
}

/// URLs of databases, whose passwords are never shown.
pub fn database_urls(data: &[u8]) {
    const PASSWORD: &str = "NeverShown";
    let Some(text) = str::from_utf8(data).ok().filter(|text| !text.contains(PASSWORD)) else { return };
    let url = format!("postgres://user:{PASSWORD}@{text}");
    for url in [text, &url] {
        match Address::parse(url) {
            Ok(address) => {
                for address in address.each_host().into_iter().chain([address]) {
                    _ = (address.is_encrypted(), address.is_near(), address.to_string());
                }
            }
            Err(told) => assert!(!told.contains(PASSWORD), "{told}"),
        }
    }
    // An `@` in the text would end the password elsewhere.
    if !text.contains(['@', '?'])
        && let Ok(address) = Address::parse(&url)
    {
        assert!(!format!("{address} {address:?}").contains(PASSWORD), "{address}");
    }
}

/// Ranges of addresses, and an address that may be in one.
pub fn networks(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (range, address) = input::line(text);
    let Ok(network) = range.parse::<web::Network>() else { return };
    if let Ok(address) = address.trim().parse() {
        assert_eq!(network.contains(address), network.contains(address.to_canonical()), "{range} {address}");
    }
}

/// An operation's name in the first line and a request's body: types and constraints, without a server.
pub fn wire_shapes(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (name, body) = input::line(&text);
    let Ok(body) = serde_json::from_str::<Value>(body) else { return };
    // Shapes are tried where no operation is named, so that a changed name does not end the search.
    for operation in Operation::parse(name).into_iter().chain([Operation::SignUp, Operation::CreateUserPool]) {
        if let Err(rejection) = wire::check(operation.input(), &body) {
            assert!(!rejection.message.is_empty(), "{operation:?} {body}");
        }
    }
}
