//! Attributes of user pools (accounts.md §2.1, §11.2). The rules have unit tests in the domain crate.

use serde_json::{Value, json};
use testkit::{Server, both_engines};

use crate::pools::{create, describe, update};

#[tokio::test]
async fn names_and_schema_are_settled_at_creation() {
    let server = Server::memory().await;
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
    ];
    for (members, message) in &cases {
        assert_eq!(
            create(&server, members).await.error(),
            format!("InvalidParameterException: {message}"),
            "{members}"
        );
    }
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
