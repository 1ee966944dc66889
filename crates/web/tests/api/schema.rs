//! Attributes of user pools (accounts.md §2.1, §11.2). The rules have unit tests in the domain crate.

use serde_json::{Value, json};
use testkit::both_engines;

use crate::pools::{create, describe, update};

#[tokio::test]
async fn names_and_schema_are_settled_at_creation() {
    let custom = json!({"Name": "x", "AttributeDataType": "String"});
    let cases = [
        (
            json!({"AliasAttributes": ["email"], "UsernameAttributes": ["phone_number"]}),
            "Only one of the aliasAttributes or usernameAttributes can be set in a User pool.",
        ),
        (
            json!({"AliasAttributes": ["preferred_username"], "Schema": [{"Name": "preferred_username", "Required": true}]}),
            "preferred_username cannot be both a required attribute and an alias.",
        ),
        (
            json!({"Schema": [{"Name": "x", "AttributeDataType": "String", "Required": true}]}),
            "Required custom attributes are not supported currently.",
        ),
        (
            json!({"Schema": [{"Name": "x"}]}),
            "Invalid AttributeDataType input, consider using the provided AttributeDataType enum.",
        ),
        (
            json!({"Schema": [{"Name": "email", "AttributeDataType": "Number"}]}),
            "You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute email",
        ),
        (
            json!({"Schema": [custom, custom]}),
            "Duplicate custom attribute names custom:x are not allowed in a user pool schema.",
        ),
        (
            json!({"Schema": [{"Name": "x", "AttributeDataType": "String", "StringAttributeConstraints": {"MinLength": "many"}}]}),
            "Invalid StringAttributeConstraints for schema attribute custom:x",
        ),
        (
            json!({"Schema": [{"Name": "x", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MaxValue": "1.5"}}]}),
            "Invalid NumberAttributeConstraints for schema attribute custom:x",
        ),
        (
            json!({"Schema": [{"Name": "name", "DeveloperOnlyAttribute": true}]}),
            "You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute name",
        ),
        (
            json!({"Schema": [{"Name": "name", "AttributeDataType": "String", "StringAttributeConstraints": {"MaxLength": "2049"}}]}),
            "user.name: String attributes cannot have a length of more than 2048",
        ),
        (
            json!({"Schema": [{"Name": "name", "AttributeDataType": "String", "StringAttributeConstraints": {"MinLength": "9", "MaxLength": "8"}}]}),
            "user.name: Max length cannot be less than min length.",
        ),
        (
            json!({"Schema": [{"Name": "updated_at", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MinValue": "9", "MaxValue": "8"}}]}),
            "user.updated_at: Max value cannot be less than min value.",
        ),
        (
            json!({"Schema": [{"Name": "x", "AttributeDataType": "String", "StringAttributeConstraints": {"MinLength": "9", "MaxLength": "8"}}]}),
            "Attribute custom:x cannot have a max length shorter than it's min length",
        ),
        (
            json!({"Schema": [{"Name": "x", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MinValue": "9", "MaxValue": "8"}}]}),
            "Attribute custom:x cannot have a max value smaller than it's min value",
        ),
        (
            json!({"Schema": [{"Name": "a name of 21 letters!", "AttributeDataType": "String"}]}),
            "2 validation errors detected: Value 'a name of 21 letters!' at 'schema.1.member.name' failed to satisfy constraint: Member must have length less than or equal to 20; Value 'a name of 21 letters!' at 'schema.1.member.name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\p{L}\\p{M}\\p{S}\\p{N}\\p{P}]+",
        ),
    ];
    both_engines(async |server| {
        for (members, message) in &cases {
            assert_eq!(
                create(&server, members).await.error(),
                format!("InvalidParameterException: {message}"),
                "{members}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn custom_attributes_are_added_and_stay() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let add = async |attributes: Value| {
            server.call("AddCustomAttributes", json!({"UserPoolId": pool, "CustomAttributes": attributes})).await
        };
        assert_eq!(add(json!([{"Name": "x", "AttributeDataType": "String"}])).await.ok(), json!({}));
        assert_eq!(
            add(json!([{"Name": "y", "AttributeDataType": "String"}, {"Name": "x", "AttributeDataType": "Number"}])).await.error(),
            "InvalidParameterException: custom:x: Existing attribute already has name custom:x."
        );
        assert_eq!(
            add(json!([])).await.error(),
            "InvalidParameterException: 1 validation error detected: Value '[]' at 'customAttributes' failed to satisfy constraint: Member must have length greater than or equal to 1"
        );
        update(&server, &pool, &json!({})).await.ok();
        let schema = describe(&server, &pool).await["SchemaAttributes"].clone();
        assert_eq!(schema.as_array().unwrap().len(), 21);
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(schema[20], @r#"
            {
              "Name": "custom:x",
              "AttributeDataType": "String",
              "DeveloperOnlyAttribute": false,
              "Mutable": true,
              "Required": false,
              "StringAttributeConstraints": {}
            }
            "#);
        }
    })
    .await;
}

#[tokio::test]
async fn a_pool_has_fifty_custom_attributes_and_25_at_a_time() {
    both_engines(async |server| {
        let some = |from: usize, to: usize| -> Value {
            (from..to).map(|number| json!({"Name": format!("a{number}"), "AttributeDataType": "String"})).collect()
        };
        let pool = server.pool(json!({})).await;
        let add = async |attributes: Value| {
            server.call("AddCustomAttributes", json!({"UserPoolId": pool, "CustomAttributes": attributes})).await
        };
        let too_many = add(some(0, 26)).await.error();
        assert!(
            too_many.starts_with("InvalidParameterException: 1 validation error detected: Value '")
                && too_many.ends_with("at 'customAttributes' failed to satisfy constraint: Member must have length less than or equal to 25"),
            "{too_many}"
        );
        add(some(0, 25)).await.ok();
        add(some(25, 49)).await.ok();
        let full = "InvalidParameterException: A user pool cannot have more than 50 custom attributes.";
        assert_eq!(add(some(49, 51)).await.error(), full);
        add(some(49, 50)).await.ok();
        assert_eq!(add(some(50, 51)).await.error(), full);
        assert_eq!(describe(&server, &pool).await["SchemaAttributes"].as_array().unwrap().len(), 70);
        // A name of its own does not collide with a standard attribute of the same name.
        let pool = server.pool(json!({})).await;
        let own = json!([{"Name": "email", "AttributeDataType": "Boolean"}]);
        server.call("AddCustomAttributes", json!({"UserPoolId": pool, "CustomAttributes": own})).await.ok();
        assert_eq!(describe(&server, &pool).await["SchemaAttributes"][20]["Name"], "custom:email");
    })
    .await;
}
