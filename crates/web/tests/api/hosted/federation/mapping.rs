//! What of a provider's words becomes which attribute (oauth-federation.md §15.2).

use super::*;

fn schema(name: &str, more: Value) -> Value {
    with(json!({"Name": name, "AttributeDataType": "String", "Mutable": true}), &more)
}

async fn shown(scene: &Scene<'_>, names: &[&str]) -> Value {
    let user = scene.user("Okta_00u1").await;
    names.iter().map(|name| user[*name].clone()).collect()
}

#[tokio::test]
async fn absent_keeps_and_blank_clears() {
    both_engines(async |server| {
        let mapping = json!({"AttributeMapping": {"email": "email", "email_verified": "email_verified", "name": "name",
            "custom:groups": "groups", "address": "address", "custom:at": "access_token"}});
        let pool = json!({"Schema": [schema("groups", json!({})), schema("at", json!({}))]});
        let writes = ["email", "name", "address", "custom:groups", "custom:at"];
        let scene = scene(&server, pool, mapping, json!({"WriteAttributes": writes})).await;
        let names = ["email", "email_verified", "name", "custom:groups", "address", "custom:at"];
        for (claims, expected) in [
            (
                json!({"email": "a@x.example", "email_verified": true, "name": "A", "groups": ["a b", "c,d"], "address": {"formatted": "1 Main St"}}),
                json!(["a@x.example", "true", "A", "[a+b,c%2Cd]", "1 Main St", "at-okta"]),
            ),
            (json!({}), json!(["a@x.example", "true", "A", "[a+b,c%2Cd]", "1 Main St", "at-okta"])),
            (json!({"name": "", "groups": "one"}), json!(["a@x.example", "true", null, "one", "1 Main St", "at-okta"])),
            (json!({"name": "B", "groups": "  "}), json!(["a@x.example", "true", "B", null, "1 Main St", "at-okta"])),
            // Another address is not verified because the one before was.
            (json!({"email": "b@x.example"}), json!(["b@x.example", "false", "B", null, "1 Main St", "at-okta"])),
            (json!({"email": "b@x.example", "email_verified": "true"}), json!(["b@x.example", "true", "B", null, "1 Main St", "at-okta"])),
            (json!({"email": "c@x.example", "email_verified": true}), json!(["c@x.example", "true", "B", null, "1 Main St", "at-okta"])),
            (json!({"email": "c@x.example", "email_verified": false}), json!(["c@x.example", "false", "B", null, "1 Main St", "at-okta"])),
            (json!({"email": "", "email_verified": true}), json!([null, null, "B", null, "1 Main St", "at-okta"])),
            (json!({"email_verified": true}), json!([null, null, "B", null, "1 Main St", "at-okta"])),
        ] {
            scene.redeem(&scene.sign_in(claims.clone()).await).await;
            assert_eq!(shown(&scene, &names).await, expected, "{claims}");
        }
    })
    .await;
}

#[tokio::test]
async fn only_what_changes_is_written() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let modified = async || {
        let named = json!({"UserPoolId": scene.pool, "Username": "Okta_00u1"});
        server.call("AdminGetUser", named).await.ok()["UserLastModifiedDate"].clone()
    };
    scene.redeem(&scene.sign_in(json!({"email": "a@x.example"})).await).await;
    let first = modified().await;
    server.advance(60);
    scene.redeem(&scene.sign_in(json!({"email": "a@x.example"})).await).await;
    assert_eq!(modified().await, first);
    scene.redeem(&scene.sign_in(json!({"email": "b@x.example"})).await).await;
    assert_ne!(modified().await, first);
}

#[tokio::test]
async fn what_the_client_may_not_write_is_left_out() {
    let server = Server::memory().await;
    let mapping =
        json!({"AttributeMapping": {"email": "email", "email_verified": "verified", "name": "name", "custom:x": "x"}});
    let pool = json!({"Schema": [schema("x", json!({}))]});
    let scene = scene(&server, pool, mapping, json!({"WriteAttributes": ["name"]})).await;
    let claims = json!({"email": "a@x.example", "verified": true, "name": "A", "x": "y"});
    scene.redeem(&scene.sign_in(claims).await).await;
    assert_eq!(shown(&scene, &["email", "email_verified", "name", "custom:x"]).await, json!([null, null, "A", null]));
}

#[tokio::test]
async fn what_cannot_be_written_is_told() {
    let server = Server::memory().await;
    let mapping = json!({"AttributeMapping": {"email": "email", "name": "name", "phone_number": "phone",
        "custom:fixed": "fixed", "custom:short": "short", "custom:number": "number"}});
    let schema = [
        schema("fixed", json!({"Mutable": false})),
        schema("short", json!({"StringAttributeConstraints": {"MaxLength": "3"}})),
        schema("number", json!({"AttributeDataType": "Number"})),
        json!({"Name": "name", "Required": true, "Mutable": true}),
    ];
    let writes = ["email", "name", "phone_number", "custom:fixed", "custom:short", "custom:number"];
    let scene = scene(&server, json!({"Schema": schema}), mapping, json!({"WriteAttributes": writes})).await;
    let required = "Invalid user attributes: Required attribute name was not supplied by the identity provider.\n ";
    let cases = [
        (json!({"name": "A", "email": "nobody"}), "Invalid email address format."),
        (json!({"name": "A", "phone": "12"}), "Invalid phone number format."),
        (
            json!({"name": "A".repeat(2_049)}),
            "Invalid user attributes: name: String must be no longer than 2048 characters\n ",
        ),
        (
            json!({"name": "A", "short": "four"}),
            "Invalid user attributes: custom:short: String must be no longer than 3 characters\n ",
        ),
        (json!({"name": "A", "number": "x"}), "Invalid user attributes: custom:number: Number must be an integer\n "),
    ];
    let refused = async |claims: Value, words: &str| {
        assert_eq!(scene.refusal(claims.clone()).await, format!("invalid_request: {words}"), "{claims}");
    };
    for claims in [json!({}), json!({"name": ""}), json!({"name": null})] {
        refused(claims, required).await;
    }
    for (claims, words) in cases.clone() {
        refused(claims, words).await;
    }
    assert_eq!(scene.users().await, 0);
    scene.redeem(&scene.sign_in(json!({"name": "A", "fixed": "f", "number": 7})).await).await;
    assert_eq!(shown(&scene, &["name", "custom:fixed", "custom:number"]).await, json!(["A", "f", "7"]));
    for (claims, words) in cases {
        refused(claims, words).await;
    }
    refused(json!({"name": ""}), required).await;
    // As the service does: an attribute that never changes may not even be said again.
    for fixed in ["f", "g"] {
        let words = "Invalid user attributes: custom:fixed: Attribute cannot be updated.\n ";
        refused(json!({"fixed": fixed}), words).await;
    }
    // What is not said again stays, a required attribute as well.
    scene.redeem(&scene.sign_in(json!({})).await).await;
    assert_eq!(shown(&scene, &["name", "custom:fixed"]).await, json!(["A", "f"]));
    // Word for word as it stands in the URL.
    let url = scene.sign_in(json!({"fixed": "f"})).await;
    let expected = "error_description=Invalid+user+attributes%3A+custom%3Afixed%3A+Attribute+cannot+be+updated.%0A+&state=mine&error=invalid_request";
    assert_eq!(url, format!("{CALLBACK}?{expected}"));
}

#[tokio::test]
async fn a_user_may_be_called_by_another_claim() {
    let server = Server::memory().await;
    let scene = scene(&server, json!({}), json!({"AttributeMapping": {"username": "login"}}), json!({})).await;
    let claims = scene.redeem(&scene.sign_in(json!({"login": "ann.lee"})).await).await;
    assert_eq!(claims["cognito:username"], "Okta_ann.lee");
    let nobody = "invalid_request: The identity provider Okta names no user that could have a profile.";
    for login in [json!(null), json!(""), json!("a b"), json!("a\nb"), json!("x".repeat(124))] {
        assert_eq!(scene.refusal(json!({"login": login})).await, nobody, "{login}");
    }
    assert_eq!(scene.users().await, 1);
}

#[tokio::test]
async fn a_token_that_is_exchanged_finds_the_user_of_the_sign_in() {
    let server = Server::memory().await;
    let mapping = json!({"AttributeMapping": {"username": "login"}});
    let client = json!({"ExplicitAuthFlows": ["ALLOW_TOKEN_EXCHANGE_IMPERSONATION"]});
    let scene = scene(&server, json!({}), mapping, client).await;
    let exchange = async |claims: Value| {
        let left = Left { location: String::new(), state: String::new(), nonce: String::new() };
        let token = KEY.sign(id_token(&left, &claims).to_string().as_bytes()).unwrap();
        let request = json!({"ClientId": scene.client, "SubjectToken": token, "SubjectTokenType": "ID_TOKEN",
            "SubjectTokenProviderName": "Okta"});
        server.call("GetDerivedToken", request).await
    };
    // The one is called as the other's `sub` is.
    for claims in [json!({"sub": "00u1", "login": "ann"}), json!({"sub": "00u2", "login": "00u1"})] {
        let user = scene.redeem(&scene.sign_in(claims.clone()).await).await;
        let derived = exchange(claims.clone()).await.ok();
        let derived = segment(derived["IssuedToken"].as_str().unwrap(), 1);
        assert_eq!((&derived["sub"], &derived["username"]), (&user["sub"], &user["cognito:username"]), "{claims}");
    }
    assert_eq!(exchange(json!({"sub": "00u1"})).await.error(), "NotAuthorizedException: Invalid Subject Token");
}
