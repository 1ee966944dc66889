//! Identities at other providers that are linked to users (oauth-federation.md §18.1, §18.2).

use domain::{IdentityProvider, NameKind};
use serde_json::{Value, json};
use store::Changes;
use testkit::{Answer, Server, both_engines};

use crate::{
    attributes::access_token,
    users::{PASSWORD, UNKNOWN, get, named, update, value},
};

/// Gives a pool an identity provider.
async fn provider(server: &Server, pool: &str, name: &str, kind: &str) {
    let provider: IdentityProvider = serde_json::from_value(json!({
        "pool_id": pool, "name": name, "provider_type": kind, "details": {}, "secrets": {},
        "attribute_mapping": {"email": "mail", "username": "sub"}, "identifiers": [], "acr_mapping": {}, "created_at": 0, "modified_at": 0,
    }))
    .unwrap();
    let mut changes = Changes::new();
    changes.insert(&provider);
    server.app.commit(changes).await.unwrap();
}

fn identifier((provider, attribute, value): (&str, &str, &str)) -> Value {
    json!({"ProviderName": provider, "ProviderAttributeName": attribute, "ProviderAttributeValue": value})
}

fn own(username: &str) -> (&str, &str, &str) {
    ("Cognito", "Cognito_Subject", username)
}

async fn link(server: &Server, pool: &str, destination: (&str, &str, &str), source: (&str, &str, &str)) -> Answer {
    let request =
        json!({"UserPoolId": pool, "DestinationUser": identifier(destination), "SourceUser": identifier(source)});
    server.call("AdminLinkProviderForUser", request).await
}

async fn disable(server: &Server, pool: &str, user: (&str, &str, &str)) -> Answer {
    server.call("AdminDisableProviderForUser", json!({"UserPoolId": pool, "User": identifier(user)})).await
}

fn identities(user: &Value) -> Value {
    value(user, "identities").map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn identities_are_linked_shown_and_taken_away() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        provider(&server, &pool, "Google", "Google").await;
        provider(&server, &pool, "Corp", "SAML").await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"name": "A", "gender": "x"})).await;
        server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
        server.advance(60);
        let google = ("Google", "Cognito_Subject", "1234567890");
        assert_eq!(link(&server, &pool, own("alice"), google).await.ok(), json!({}));
        // What the destination is told apart by is not looked at.
        link(&server, &pool, ("Cognito", "anything", "alice"), ("Corp", "email", "A@corp.example")).await.ok();
        let user = get(&server, &pool, "alice").await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(user, @r#"
        {
          "Username": "alice",
          "UserAttributes": [
            {
              "Name": "sub",
              "Value": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef"
            },
            {
              "Name": "gender",
              "Value": "x"
            },
            {
              "Name": "identities",
              "Value": "[{\"userId\":\"1234567890\",\"providerName\":\"Google\",\"providerType\":\"Google\",\"issuer\":null,\"primary\":false,\"dateCreated\":1767323105000},{\"userId\":\"A@corp.example\",\"providerName\":\"Corp\",\"providerType\":\"SAML\",\"issuer\":null,\"primary\":false,\"dateCreated\":1767323105000}]"
            },
            {
              "Name": "name",
              "Value": "A"
            }
          ],
          "UserCreateDate": 1767323045.0,
          "UserLastModifiedDate": 1767323105.0,
          "Enabled": true,
          "UserStatus": "CONFIRMED"
        }
        "#); }
        let listed = server.call("ListUsers", json!({"UserPoolId": pool})).await.ok();
        assert!(listed.to_string().contains("1234567890"));

        // The user sees them, and so does whoever reads the ID token.
        let tokens = server.sign_in(&client, "alice", PASSWORD).await.ok();
        let token = tokens["AuthenticationResult"]["AccessToken"].clone();
        let seen = server.call("GetUser", json!({"AccessToken": token})).await.ok();
        assert_eq!(identities(&seen), identities(&user));
        let id = tokens["AuthenticationResult"]["IdToken"].as_str().unwrap();
        let claims = crate::tokens::segment(id, 1);
        insta::allow_duplicates! { insta::assert_json_snapshot!(claims["identities"], @r#"
        [
          {
            "userId": "1234567890",
            "providerName": "Google",
            "providerType": "Google",
            "issuer": null,
            "primary": "false",
            "dateCreated": "1767323105000"
          },
          {
            "userId": "A@corp.example",
            "providerName": "Corp",
            "providerType": "SAML",
            "issuer": null,
            "primary": "false",
            "dateCreated": "1767323105000"
          }
        ]
        "#); }
        let narrow = server.client_id(&pool, json!({"ReadAttributes": ["name"]})).await;
        let tokens = server.sign_in(&narrow, "alice", PASSWORD).await.ok();
        let claims = crate::tokens::segment(tokens["AuthenticationResult"]["IdToken"].as_str().unwrap(), 1);
        assert_eq!(claims.get("identities"), None);

        // Nobody is found by an identity as by a username, nor writes one.
        for name in ["Google\nCognito_Subject\n1234567890", "1234567890", "Google_1234567890"] {
            let answer = server.sign_in(&client, name, PASSWORD).await;
            assert_eq!(answer.error(), UNKNOWN, "{name:?}");
        }
        assert_eq!(update(&server, &pool, "alice", &[("identities", "[]")]).await.status, 400);

        // It belongs to one user.
        assert_eq!(
            link(&server, &pool, own("alice"), google).await.error(),
            "InvalidParameterException: SourceUser is already linked to DestinationUser"
        );
        assert_eq!(
            link(&server, &pool, own("bob"), google).await.error(),
            "AliasExistsException: SourceUser is already linked to another user"
        );
        // A user is named by an identity, too.
        link(&server, &pool, google, ("Corp", "Cognito_Subject", "a-17")).await.ok();
        assert_eq!(identities(&get(&server, &pool, "alice").await).as_array().unwrap().len(), 3);

        assert_eq!(disable(&server, &pool, google).await.ok(), json!({}));
        assert_eq!(disable(&server, &pool, google).await.error(), UNKNOWN);
        assert_eq!(link(&server, &pool, google, ("Corp", "Cognito_Subject", "b")).await.error(), UNKNOWN);
        link(&server, &pool, own("bob"), google).await.ok();
        assert_eq!(identities(&get(&server, &pool, "bob").await)[0]["userId"], "1234567890");
        // What is left is what the user had linked besides.
        let left = identities(&get(&server, &pool, "alice").await);
        assert_eq!((left[0]["userId"].as_str(), left[1]["userId"].as_str()), (Some("A@corp.example"), Some("a-17")));
        // With the user they are free again.
        named(&server, "AdminDeleteUser", &pool, "bob").await.ok();
        link(&server, &pool, own("alice"), google).await.ok();
    })
    .await;
}

#[tokio::test]
async fn what_links_refuse() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    provider(&server, &pool, "Google", "Google").await;
    provider(&server, &pool, "Corp", "OIDC").await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    let subject = "Cognito_Subject";
    let null = |path: &str| {
        format!(
            "InvalidParameterException: 1 validation error detected: Value null at '{path}' failed to satisfy constraint: Member must not be null"
        )
    };
    let long = "x".repeat(257);
    let attribute = "InvalidParameterException: ProviderAttributeName must be Cognito_Subject or, for OIDC and SAML providers, an attribute that the provider's AttributeMapping fills.";
    for (destination, source, expected) in [
        (own("nobody"), ("Google", subject, "1"), UNKNOWN.to_owned()),
        (("Google", subject, "1"), ("Google", subject, "2"), UNKNOWN.to_owned()),
        (
            own("alice"),
            ("Facebook", subject, "1"),
            "ResourceNotFoundException: Identity provider Facebook does not exist.".to_owned(),
        ),
        (own("alice"), ("Google", "email", "a@example.com"), attribute.to_owned()),
        (own("alice"), ("Corp", "name", "A"), attribute.to_owned()),
        (own("alice"), ("Corp", "username", "A"), attribute.to_owned()),
        (
            own("alice"),
            own("alice"),
            "InvalidParameterException: SourceUser must be a user of an external identity provider.".to_owned(),
        ),
        (own("alice"), ("Google", subject, ""), null("sourceUser.providerAttributeValue")),
        (own("alice"), ("Google", "", "1"), null("sourceUser.providerAttributeName")),
        (own(""), ("Google", subject, "1"), null("destinationUser.providerAttributeValue")),
        (
            own("alice"),
            ("Google", subject, long.as_str()),
            "InvalidParameterException: 1 validation error detected: Value at 'sourceUser.providerAttributeValue' failed to satisfy constraint: Member must have length less than or equal to 256".to_owned(),
        ),
    ] {
        assert_eq!(link(&server, &pool, destination, source).await.error(), expected);
    }
    let nothing = json!({"UserPoolId": pool, "DestinationUser": {}, "SourceUser": {}});
    assert_eq!(server.call("AdminLinkProviderForUser", nothing).await.error(), null("sourceUser.providerName"));
    let unknown = "ResourceNotFoundException: User pool us-east-1_Unknown00 does not exist.";
    let google = ("Google", subject, "1");
    assert_eq!(link(&server, "us-east-1_Unknown00", own("alice"), google).await.error(), unknown);
    assert_eq!(disable(&server, "us-east-1_Unknown00", google).await.error(), unknown);
    assert_eq!(disable(&server, &pool, own("nobody")).await.error(), UNKNOWN);
    assert_eq!(
        disable(&server, &pool, ("Cognito", "email", "alice")).await.error(),
        "InvalidParameterException: ProviderAttributeName must be Cognito_Subject for users of the user pool."
    );
    let nothing = json!({"UserPoolId": pool, "User": {}});
    assert_eq!(server.call("AdminDisableProviderForUser", nothing).await.error(), null("user.providerName"));
    assert_eq!(identities(&get(&server, &pool, "alice").await), Value::Null);
}

#[tokio::test]
async fn five_identities_and_no_more_whoever_links_at_once() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        provider(&server, &pool, "Google", "Google").await;
        for name in ["alice", "bob"] {
            server.confirmed_user(&pool, name, PASSWORD, json!({})).await;
        }
        // Two want the same identity.
        let one = ("Google", "Cognito_Subject", "1");
        let answers = tokio::join!(link(&server, &pool, own("alice"), one), link(&server, &pool, own("bob"), one));
        let (won, lost) = if answers.0.status == 200 { answers } else { (answers.1, answers.0) };
        assert_eq!(won.ok(), json!({}));
        assert_eq!(lost.error(), "AliasExistsException: SourceUser is already linked to another user");
        let owner = server.app.store.name_owner(&pool, "Google\nCognito_Subject\n1", NameKind::Identity).await.unwrap();
        assert!(owner.is_some());
        disable(&server, &pool, one).await.ok();

        for number in 1..=4 {
            let subject = number.to_string();
            link(&server, &pool, own("alice"), ("Google", "Cognito_Subject", &subject)).await.ok();
        }
        let answers = tokio::join!(
            link(&server, &pool, own("alice"), ("Google", "Cognito_Subject", "5")),
            link(&server, &pool, own("alice"), ("Google", "Cognito_Subject", "6")),
        );
        let (won, lost) = if answers.0.status == 200 { answers } else { (answers.1, answers.0) };
        assert_eq!(won.ok(), json!({}));
        assert_eq!(lost.error(), "LimitExceededException: A user cannot have more than 5 linked identities.");
        assert_eq!(identities(&get(&server, &pool, "alice").await).as_array().unwrap().len(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_password_that_signs_in_no_more() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "a@example.com"})).await;
        let token = access_token(&server, &client, "alice").await;
        server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await.ok();
        let code = server.last_code(&pool, "alice").await;
        for _ in 0..2 {
            assert_eq!(disable(&server, &pool, own("alice")).await.ok(), json!({}));
        }
        assert_eq!(get(&server, &pool, "alice").await["UserStatus"], "EXTERNAL_PROVIDER");
        assert_eq!(
            server.sign_in(&client, "alice", PASSWORD).await.error(),
            "NotAuthorizedException: Incorrect username or password."
        );
        // Neither a code from before nor a new one nor the token makes a password.
        let request = json!({"ClientId": client, "Username": "alice", "ConfirmationCode": code, "Password": PASSWORD});
        assert_eq!(
            server.call("ConfirmForgotPassword", request).await.error(),
            "ExpiredCodeException: Invalid code provided, please request a code again."
        );
        assert_eq!(
            server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await.error(),
            "NotAuthorizedException: User password cannot be reset in the current state."
        );
        let request = json!({"AccessToken": token, "PreviousPassword": PASSWORD, "ProposedPassword": "Another-1"});
        assert_eq!(
            server.call("ChangePassword", request).await.error(),
            "NotAuthorizedException: User password cannot be changed in the current state."
        );
        server.call("GetUser", json!({"AccessToken": token})).await.ok();
        // An administrator can turn back.
        let request = json!({"UserPoolId": pool, "Username": "alice", "Password": PASSWORD, "Permanent": true});
        server.call("AdminSetUserPassword", request).await.ok();
        assert_eq!(get(&server, &pool, "alice").await["UserStatus"], "CONFIRMED");
        server.sign_in(&client, "alice", PASSWORD).await.ok();
    })
    .await;
}
