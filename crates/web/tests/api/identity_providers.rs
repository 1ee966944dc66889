//! Identity providers (oauth-federation.md §15).

mod certificates;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::IdentityProvider;
use serde_json::{Map, Value, json};
use testkit::{Answer, Document, Server, both_engines};

use crate::saml_provider::CERTIFICATE;

fn with(mut request: Value, members: &Value) -> Value {
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

/// Details that are enough for an OpenID Connect provider.
fn oidc() -> Value {
    json!({
        "client_id": "id", "client_secret": "hush", "authorize_scopes": "openid email",
        "attributes_request_method": "GET", "oidc_issuer": "https://idp.example.com"
    })
}

fn metadata(services: &str) -> String {
    with_keys(&key(&STANDARD.encode(CERTIFICATE)), services)
}

/// Metadata with these `KeyDescriptor`s.
fn with_keys(keys: &str, services: &str) -> String {
    format!(
        "<EntityDescriptor entityID=\"https://idp.example.com\"><IDPSSODescriptor>{keys}{services}</IDPSSODescriptor></EntityDescriptor>"
    )
}

fn key(certificate: &str) -> String {
    format!("<KeyDescriptor><X509Certificate>{certificate}</X509Certificate></KeyDescriptor>")
}

const SIGN_IN: &str = "<SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://idp.example.com/in\"/>";
const SIGN_OUT: &str = "<SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://idp.example.com/out\"/>";

async fn create(server: &Server, pool: &str, name: &str, kind: &str, members: &Value) -> Answer {
    let request = json!({"UserPoolId": pool, "ProviderName": name, "ProviderType": kind, "ProviderDetails": oidc()});
    server.call("CreateIdentityProvider", with(request, members)).await
}

async fn describe(server: &Server, pool: &str, name: &str) -> Value {
    let request = json!({"UserPoolId": pool, "ProviderName": name});
    server.call("DescribeIdentityProvider", request).await.ok()["IdentityProvider"].clone()
}

#[tokio::test]
async fn a_provider_is_made_shown_changed_and_deleted() {
    both_engines(async |server| {
        let pool = server.pool(json!({"Schema": [{"Name": "x", "AttributeDataType": "String"}]})).await;
        let members = json!({
            "AttributeMapping": {"email": "mail", "custom:x": "x"},
            "IdpIdentifiers": ["acme.example", "acme", "acme.example"],
            "AcrMapping": {"Level1": "low"}
        });
        let made = create(&server, &pool, "Acme", "OIDC", &members).await.ok();
        let expected = json!({
            "UserPoolId": pool, "ProviderName": "Acme", "ProviderType": "OIDC",
            "ProviderDetails": with(oidc(), &json!({"attributes_url_add_attributes": "false"})),
            "AttributeMapping": {"email": "mail", "custom:x": "x", "username": "sub"},
            "IdpIdentifiers": ["acme.example", "acme"],
            "AcrMapping": {"Level1": "low"},
            "LastModifiedDate": 1767323045.0, "CreationDate": 1767323045.0
        });
        assert_eq!(made, json!({"IdentityProvider": expected}));
        assert_eq!(describe(&server, &pool, "Acme").await, expected);
        let by_identifier = |identifier: &str| json!({"UserPoolId": pool, "IdpIdentifier": identifier});
        for identifier in ["acme.example", "acme"] {
            assert_eq!(server.call("GetIdentityProviderByIdentifier", by_identifier(identifier)).await.ok(), made);
        }
        assert_eq!(
            server.call("ListIdentityProviders", json!({"UserPoolId": pool})).await.ok(),
            json!({"Providers": [{
                "ProviderName": "Acme", "ProviderType": "OIDC",
                "LastModifiedDate": 1767323045.0, "CreationDate": 1767323045.0
            }]})
        );

        // What an update leaves out stays; what it has is replaced whole.
        server.advance(1);
        let named = json!({"UserPoolId": pool, "ProviderName": "Acme"});
        let update = async |members: Value| {
            let answer = server.call("UpdateIdentityProvider", with(named.clone(), &members)).await;
            answer.ok()["IdentityProvider"].clone()
        };
        let mut changed = expected.clone();
        changed["LastModifiedDate"] = json!(1_767_323_046.0);
        assert_eq!(update(json!({})).await, changed);
        changed["IdpIdentifiers"] = json!(["acme", "acme.org"]);
        changed["AttributeMapping"] = json!({"name": "n", "username": "upn"});
        let members = json!({"IdpIdentifiers": ["acme", "acme.org"], "AttributeMapping": changed["AttributeMapping"]});
        assert_eq!(update(members).await, changed);
        let mut details = oidc();
        details["client_secret"] = json!("other");
        changed["ProviderDetails"] = with(details.clone(), &json!({"attributes_url_add_attributes": "false"}));
        changed.as_object_mut().unwrap().remove("AcrMapping");
        assert_eq!(update(json!({"ProviderDetails": details, "AcrMapping": {}})).await, changed);
        assert_eq!(describe(&server, &pool, "Acme").await, changed);
        assert_eq!(
            server.call("GetIdentityProviderByIdentifier", by_identifier("acme.example")).await.error(),
            "ResourceNotFoundException: Identity provider acme.example does not exist."
        );
        server.call("GetIdentityProviderByIdentifier", by_identifier("acme.org")).await.ok();

        let deleted = server.call("DeleteIdentityProvider", named.clone()).await;
        assert_eq!((deleted.status, deleted.body), (200, Value::Null));
        for operation in ["DescribeIdentityProvider", "UpdateIdentityProvider", "DeleteIdentityProvider"] {
            assert_eq!(
                server.call(operation, named.clone()).await.error(),
                "ResourceNotFoundException: Identity provider Acme does not exist.",
                "{operation}"
            );
        }
        create(&server, &pool, "Other", "OIDC", &json!({"IdpIdentifiers": ["acme", "acme.org"]})).await.ok();
    })
    .await;
}

#[tokio::test]
async fn every_type_is_completed_in_its_own_way() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let social = json!({"client_id": "id", "client_secret": "hush", "authorize_scopes": "x"});
        let apple = json!({"client_id": "id", "team_id": "t", "key_id": "k", "private_key": "hush", "authorize_scopes": "x"});
        let saml = json!({"MetadataFile": metadata(&format!("{SIGN_IN}{SIGN_OUT}")), "IDPSignout": "false", "IDPInit": "true", "RequestSigningAlgorithm": "rsa-sha256"});
        let cases = [
            (
                "Google", "Google", social.clone(),
                json!({
                    "attributes_url": "https://people.googleapis.com/v1/people/me?personFields=",
                    "attributes_url_add_attributes": "true",
                    "authorize_url": "https://accounts.google.com/o/oauth2/v2/auth",
                    "oidc_issuer": "https://accounts.google.com",
                    "token_request_method": "POST",
                    "token_url": "https://www.googleapis.com/oauth2/v4/token"
                }),
                json!({"username": "sub"}),
            ),
            (
                "Facebook", "Facebook", with(social.clone(), &json!({"api_version": "v21.0"})),
                json!({
                    "attributes_url": "https://graph.facebook.com/v21.0/me?fields=",
                    "attributes_url_add_attributes": "true",
                    "authorize_url": "https://www.facebook.com/v21.0/dialog/oauth",
                    "token_request_method": "GET",
                    "token_url": "https://graph.facebook.com/v21.0/oauth/access_token"
                }),
                json!({"username": "id"}),
            ),
            (
                "LoginWithAmazon", "LoginWithAmazon", social,
                json!({
                    "attributes_url": "https://api.amazon.com/user/profile",
                    "attributes_url_add_attributes": "false",
                    "authorize_url": "https://www.amazon.com/ap/oa",
                    "token_request_method": "POST",
                    "token_url": "https://api.amazon.com/auth/o2/token"
                }),
                json!({"username": "user_id"}),
            ),
            (
                "SignInWithApple", "SignInWithApple", apple,
                json!({
                    "attributes_url_add_attributes": "false",
                    "authorize_url": "https://appleid.apple.com/auth/authorize",
                    "oidc_issuer": "https://appleid.apple.com",
                    "token_request_method": "POST",
                    "token_url": "https://appleid.apple.com/auth/token"
                }),
                json!({"username": "sub"}),
            ),
            (
                "Corp", "SAML", saml,
                json!({
                    "SSORedirectBindingURI": "https://idp.example.com/in",
                    "SLORedirectBindingURI": "https://idp.example.com/out"
                }),
                Value::Null,
            ),
        ];
        for (name, kind, details, added, mapping) in cases {
            let made = create(&server, &pool, name, kind, &json!({"ProviderDetails": details})).await.ok();
            let mut shown = with(details, &added);
            // Apple's key is never shown.
            shown.as_object_mut().unwrap().remove("private_key");
            let made = &made["IdentityProvider"];
            assert_eq!(made["ProviderDetails"], shown, "{name}");
            assert_eq!(made["AttributeMapping"], mapping, "{name}");
            assert_eq!(made.get("IdpIdentifiers"), None);
            assert_eq!(describe(&server, &pool, name).await, *made);

            // No secret is in the store in clear.
            let stored = server.app.store.part::<IdentityProvider>(&pool, name).await.unwrap().unwrap();
            assert!(!serde_json::to_string(&stored.value).unwrap().contains("hush"), "{name}");

            // What comes back can be sent again, without what is not shown.
            let request = json!({"UserPoolId": pool, "ProviderName": name, "ProviderDetails": shown});
            let updated = server.call("UpdateIdentityProvider", request).await.ok();
            assert_eq!(updated["IdentityProvider"], *made, "{name}");
        }
        // Facebook's version has a default.
        let other = server.pool(json!({})).await;
        let details = json!({"client_id": "id", "client_secret": "hush", "authorize_scopes": "x"});
        let made = create(&server, &other, "Facebook", "Facebook", &json!({"ProviderDetails": details})).await.ok();
        assert_eq!(made["IdentityProvider"]["ProviderDetails"]["api_version"], "v17.0");
    })
    .await;
}

#[tokio::test]
async fn details_that_no_sign_in_could_use_are_refused() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        create(&server, &pool, "Acme", "OIDC", &json!({})).await.ok();
        let changed = |key: &str, value: Value| with(oidc(), &json!({key: value}));
        for (details, fault) in [
            (json!({}), "client_id is required for identity providers of type OIDC."),
            (changed("client_id", json!(" ")), "client_id is required for identity providers of type OIDC."),
            (changed("nonsense", json!("x")), "nonsense is not known for identity providers of type OIDC."),
            (changed("attributes_request_method", json!("PUT")), "attributes_request_method must be GET or POST."),
            (changed("authorize_scopes", json!("email openidx")), "authorize_scopes must include openid."),
            (
                changed("oidc_issuer", json!("http://idp.example.com")),
                "oidc_issuer must be an https URL on port 443 or 80 without a trailing slash.",
            ),
            (
                changed("oidc_issuer", json!("https://idp.example.com/")),
                "oidc_issuer must be an https URL on port 443 or 80 without a trailing slash.",
            ),
            (changed("token_url", json!("https://idp.example.com:8443/t")), "token_url must be an https URL on port 443 or 80."),
        ] {
            let error = format!("InvalidParameterException: Invalid ProviderDetails: {fault}");
            let members = json!({"ProviderDetails": details});
            assert_eq!(create(&server, &pool, "Other", "OIDC", &members).await.error(), error);
            let request = with(json!({"UserPoolId": pool, "ProviderName": "Acme"}), &members);
            assert_eq!(server.call("UpdateIdentityProvider", request).await.error(), error);
        }
        let good = metadata(SIGN_IN);
        server.documents.publish("https://idp.example.com/no-metadata", Document::Text(metadata("")));
        let choice = "Invalid ProviderDetails: exactly one of MetadataURL and MetadataFile is required.";
        for (details, error) in [
            (json!({}), choice),
            (json!({"MetadataFile": good, "MetadataURL": "https://idp.example.com"}), choice),
            (
                json!({"MetadataURL": "http://idp.example.com"}),
                "Invalid ProviderDetails: MetadataURL must be an https URL on port 443 or 80.",
            ),
            (
                json!({"MetadataURL": "https://idp.example.com/nothing"}),
                "Error retrieving metadata from https://idp.example.com/nothing",
            ),
            (
                json!({"MetadataURL": "https://idp.example.com/no-metadata"}),
                "No SingleSignOn Http redirect binding location found in metadata.",
            ),
            (
                json!({"MetadataFile": good, "EncryptedResponses": "true"}),
                "ProviderDetails.EncryptedResponses is not supported by this Poolkeeper version yet. See docs/compatibility.md.",
            ),
            (
                json!({"MetadataFile": good, "IDPSignout": "true"}),
                "ProviderDetails.IDPSignout is not supported by this Poolkeeper version yet. See docs/compatibility.md.",
            ),
            (json!({"MetadataFile": good, "IDPInit": "yes"}), "Invalid ProviderDetails: IDPInit must be true or false."),
            (
                json!({"MetadataFile": good, "RequestSigningAlgorithm": "rsa-sha1"}),
                "Invalid ProviderDetails: RequestSigningAlgorithm must be rsa-sha256.",
            ),
            (
                json!({"MetadataFile": metadata("")}),
                "No SingleSignOn Http redirect binding location found in metadata.",
            ),
            (
                json!({"MetadataFile": "<!DOCTYPE x [<!ENTITY a \"b\">]><x/>"}),
                "Invalid metadata: the file is not well-formed XML without a document type.",
            ),
        ] {
            let members = json!({"ProviderDetails": details});
            assert_eq!(
                create(&server, &pool, "Corp", "SAML", &members).await.error(),
                format!("InvalidParameterException: {error}")
            );
        }
        let social = json!({"client_id": "id", "client_secret": "hush", "authorize_scopes": "x", "api_version": "17"});
        assert_eq!(
            create(&server, &pool, "Facebook", "Facebook", &json!({"ProviderDetails": social})).await.error(),
            "InvalidParameterException: Invalid ProviderDetails: api_version must look like v17.0."
        );
        let apple = json!({"client_id": "id", "team_id": "t", "key_id": "k", "authorize_scopes": "x"});
        assert_eq!(
            create(&server, &pool, "SignInWithApple", "SignInWithApple", &json!({"ProviderDetails": apple.clone()})).await.error(),
            "InvalidParameterException: Invalid ProviderDetails: private_key is required for identity providers of type SignInWithApple."
        );
        // Each type has those addresses that the server adds, and no other.
        let apple = with(apple, &json!({"private_key": "k"}));
        let amazon = json!({"client_id": "id", "client_secret": "hush", "authorize_scopes": "x"});
        for (kind, details, key) in [("SignInWithApple", apple, "attributes_url"), ("LoginWithAmazon", amazon, "oidc_issuer")] {
            let details = with(details, &json!({key: "https://idp.example.com"}));
            assert_eq!(
                create(&server, &pool, kind, kind, &json!({"ProviderDetails": details})).await.error(),
                format!("InvalidParameterException: Invalid ProviderDetails: {key} is not known for identity providers of type {kind}.")
            );
        }
    })
    .await;
}

#[tokio::test]
async fn names_identifiers_and_mappings_have_rules() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        create(&server, &pool, "Acme", "OIDC", &json!({"IdpIdentifiers": ["acme"]})).await.ok();
        create(&server, &pool, "Other", "OIDC", &json!({})).await.ok();
        assert_eq!(
            create(&server, &pool, "Acme", "OIDC", &json!({})).await.error(),
            format!("DuplicateProviderException: An identity provider named Acme already exists in user pool {pool}.")
        );
        for (name, kind, fault) in [
            ("Acme", "Google", "ProviderName must be Google for identity providers of type Google."),
            ("Google", "OIDC", "ProviderName Google is reserved."),
            ("cognito", "SAML", "ProviderName cognito is reserved."),
            ("a1\u{7}", "OIDC", "ProviderName must not contain control characters."),
        ] {
            let error = create(&server, &pool, name, kind, &json!({})).await.error();
            assert_eq!(error, format!("InvalidParameterException: {fault}"));
        }
        for name in ["ab", "_ab", "a b c", &"x".repeat(33)] {
            let error = create(&server, &pool, name, "OIDC", &json!({})).await.error();
            assert!(error.contains("at 'providerName' failed to satisfy constraint"), "{error}");
        }
        let error = create(&server, &pool, "Third", "GitHub", &json!({})).await.error();
        assert!(error.contains("at 'providerType' failed to satisfy constraint"), "{error}");

        let taken = "InvalidParameterException: The identifier acme already belongs to another identity provider.";
        let mapping = |name: &str| {
            format!(
                "InvalidParameterException: Invalid attribute mapping: {name} is not an attribute that an identity provider can fill in user pool {pool}."
            )
        };
        for (members, error) in [
            (json!({"IdpIdentifiers": ["x", "acme"]}), taken.to_owned()),
            (json!({"AttributeMapping": {"custom:none": "x"}}), mapping("custom:none")),
            (json!({"AttributeMapping": {"sub": "x"}}), mapping("sub")),
            (json!({"AttributeMapping": {"identities": "x"}}), mapping("identities")),
            (
                json!({"AttributeMapping": {"email": " "}}),
                "InvalidParameterException: Invalid attribute mapping: email is mapped to nothing.".to_owned(),
            ),
        ] {
            assert_eq!(create(&server, &pool, "Third", "OIDC", &members).await.error(), error);
            let request = with(json!({"UserPoolId": pool, "ProviderName": "Other"}), &members);
            assert_eq!(server.call("UpdateIdentityProvider", request).await.error(), error);
        }
        let saml = json!({"ProviderDetails": {"MetadataFile": metadata(SIGN_IN)}});
        assert_eq!(
            create(&server, &pool, "Corp", "SAML", &with(saml.clone(), &json!({"AttributeMapping": {"username": "x"}})))
                .await
                .error(),
            mapping("username")
        );
        assert_eq!(
            create(&server, &pool, "Corp", "SAML", &with(saml, &json!({"AcrMapping": {"Level1": "x"}}))).await.error(),
            "InvalidParameterException: AcrMapping can only be given for OIDC identity providers."
        );
        let many: Vec<String> = (0..51).map(|number| number.to_string()).collect();
        let error = create(&server, &pool, "Third", "OIDC", &json!({"IdpIdentifiers": many})).await.error();
        assert!(error.contains("at 'idpIdentifiers' failed to satisfy constraint"), "{error}");

        for operation in ["UpdateIdentityProvider", "DeleteIdentityProvider"] {
            assert_eq!(
                server.call(operation, json!({"UserPoolId": pool, "ProviderName": "COGNITO"})).await.error(),
                "UnsupportedIdentityProviderException: COGNITO is the user pool itself and cannot be changed.",
                "{operation}"
            );
        }
        for operation in [
            "CreateIdentityProvider",
            "DescribeIdentityProvider",
            "UpdateIdentityProvider",
            "DeleteIdentityProvider",
            "ListIdentityProviders",
            "GetIdentityProviderByIdentifier",
        ] {
            let request = json!({
                "UserPoolId": "us-east-1_nowhere00", "ProviderName": "Acme", "ProviderType": "OIDC",
                "ProviderDetails": oidc(), "IdpIdentifier": "acme"
            });
            assert_eq!(
                server.call(operation, request).await.error(),
                "ResourceNotFoundException: User pool us-east-1_nowhere00 does not exist.",
                "{operation}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn the_first_provider_brings_identities_into_the_schema() {
    both_engines(async |server| {
        let pool = server.pool(json!({"Schema": [{"Name": "x", "AttributeDataType": "String"}]})).await;
        let schema = async || {
            let described = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok();
            described["UserPool"]["SchemaAttributes"].as_array().unwrap().clone()
        };
        assert_eq!(schema().await.len(), 21);
        create(&server, &pool, "Acme", "OIDC", &json!({})).await.ok();
        create(&server, &pool, "Other", "OIDC", &json!({})).await.ok();
        let after = schema().await;
        assert_eq!((after.len(), &after[21]["Name"]), (22, &json!("custom:x")));
        assert_eq!(
            after[20],
            json!({
                "Name": "identities", "AttributeDataType": "String", "DeveloperOnlyAttribute": false,
                "Mutable": true, "Required": false, "StringAttributeConstraints": {}
            })
        );
        // It takes no place of the custom attributes, and nobody writes it.
        for range in [0..25, 25..49] {
            let attributes: Vec<Value> =
                range.map(|number| json!({"Name": format!("a{number}"), "AttributeDataType": "String"})).collect();
            server.call("AddCustomAttributes", json!({"UserPoolId": pool, "CustomAttributes": attributes})).await.ok();
        }
        let one = json!({"UserPoolId": pool, "CustomAttributes": [{"Name": "more", "AttributeDataType": "String"}]});
        assert!(server.call("AddCustomAttributes", one).await.error().contains("more than 50"));
        let client = json!({"UserPoolId": pool, "ClientName": "c", "WriteAttributes": ["email", "identities"]});
        assert_eq!(
            server.call("CreateUserPoolClient", client).await.error(),
            "InvalidParameterException: Invalid write attributes specified while creating a client"
        );
        let attributes = json!([{"Name": "identities", "Value": "[]"}]);
        let user = json!({"UserPoolId": pool, "Username": "u", "UserAttributes": attributes});
        assert!(
            server.call("AdminCreateUser", user).await.error().contains("identities: Attribute cannot be updated.")
        );
    })
    .await;
}

#[tokio::test]
async fn clients_name_providers_that_exist() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        create(&server, &pool, "Acme", "OIDC", &json!({})).await.ok();
        let client = async |names: Value| {
            let request = json!({"UserPoolId": pool, "ClientName": "c", "SupportedIdentityProviders": names});
            server.call("CreateUserPoolClient", request).await
        };
        assert_eq!(
            client(json!(["COGNITO", "Acme", "Google"])).await.error(),
            format!("InvalidParameterException: The provider Google does not exist for User Pool {pool}")
        );
        let made = client(json!(["COGNITO", "Acme"])).await.ok()["UserPoolClient"].clone();
        assert_eq!(made["SupportedIdentityProviders"], json!(["COGNITO", "Acme"]));

        // The provider goes away; the client keeps its name, but no update can give it any more.
        server.call("DeleteIdentityProvider", json!({"UserPoolId": pool, "ProviderName": "Acme"})).await;
        let named = json!({"UserPoolId": pool, "ClientId": made["ClientId"]});
        let described = server.call("DescribeUserPoolClient", named.clone()).await.ok();
        assert_eq!(described["UserPoolClient"], made);
        let update = with(named, &json!({"SupportedIdentityProviders": ["Acme"]}));
        assert_eq!(
            server.call("UpdateUserPoolClient", update).await.error(),
            format!("InvalidParameterException: The provider Acme does not exist for User Pool {pool}")
        );
    })
    .await;
}

#[tokio::test]
async fn providers_are_listed_page_by_page() {
    both_engines(async |server| {
        let (pool, other) = (server.pool(json!({})).await, server.pool(json!({})).await);
        for name in ["Delta", "Bravo", "Echo", "Alpha", "Charlie"] {
            create(&server, &pool, name, "OIDC", &json!({"IdpIdentifiers": [name]})).await.ok();
        }
        let (mut seen, mut token) = (Vec::new(), Value::Null);
        loop {
            let request = json!({"UserPoolId": pool, "MaxResults": 2, "NextToken": token});
            let page = server.call("ListIdentityProviders", request).await.ok();
            let names = page["Providers"].as_array().unwrap().iter();
            seen.push(names.map(|found| &found["ProviderName"].as_str().unwrap()[..1]).collect::<Vec<_>>().concat());
            token = page["NextToken"].clone();
            if token.is_null() {
                break;
            }
            let stolen = json!({"UserPoolId": other, "NextToken": token});
            assert_eq!(
                server.call("ListIdentityProviders", stolen).await.error(),
                "InvalidParameterException: Invalid pagination token"
            );
        }
        assert_eq!(seen, ["AB", "CD", "E"]);
        let all = server.call("ListIdentityProviders", json!({"UserPoolId": pool, "MaxResults": 0})).await.ok();
        assert_eq!(all["Providers"].as_array().unwrap().len(), 5);
        assert_eq!(
            server.call("ListIdentityProviders", json!({"UserPoolId": other})).await.ok(),
            json!({"Providers": []})
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_only_as_many_as_may_be_are_made() {
    let limit = |settings: &mut service::Settings| settings.quotas.counts.identity_providers_per_pool = 3;
    for builder in [Server::builder(), Server::builder().in_a_file()] {
        let server = Arc::new(builder.settings(limit).start().await);
        let pool = server.pool(json!({})).await;
        let mut racing = tokio::task::JoinSet::new();
        for number in 0..6 {
            let (server, pool) = (server.clone(), pool.clone());
            // All want one identifier beside their own name.
            racing.spawn(async move {
                let members = json!({"IdpIdentifiers": ["wanted"]});
                create(&server, &pool, &format!("Acme{number}"), "OIDC", &members).await.status
            });
        }
        let won = racing.join_all().await.into_iter().filter(|status| *status == 200).count();
        assert_eq!(won, 1);
        let mut racing = tokio::task::JoinSet::new();
        for number in 0..6 {
            let (server, pool) = (server.clone(), pool.clone());
            racing.spawn(async move { create(&server, &pool, &format!("More{number}"), "OIDC", &json!({})).await });
        }
        let answers = racing.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 2);
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(
                refused.error(),
                "LimitExceededException: The maximum number of identity providers in this user pool has been reached: 3."
            );
        }
        // A map of many details is no way around the schema.
        let details: Map<String, Value> = (0..500).map(|number| (format!("k{number}"), json!("v"))).collect();
        let error = create(&server, &pool, "Many", "SAML", &json!({"ProviderDetails": details})).await.error();
        assert!(error.contains("is not known for identity providers of type SAML"), "{error}");
    }
}
