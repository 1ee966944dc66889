//! Registering, listing and deleting passkeys.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::Passkey;
use serde_json::{Value, json};
use store::Changes;
use testkit::{
    Server,
    authenticator::{Authenticator, BACKED_UP, Facts, USER_PRESENT, USER_VERIFIED, ed25519_key},
    both_engines,
};
use tokio::task::JoinSet;

use super::{House, RELYING_PARTY, access_token, client, configure, start};

const NO_CHALLENGE: &str = "WebAuthnChallengeNotFoundException: There is no pending registration with this challenge, or it has expired. Start the registration again.";
const UNREADABLE: &str = "InvalidParameterException: Credential is not a registration: give what PublicKeyCredential.toJSON() answers after navigator.credentials.create().";
const NOT_SUPPORTED: &str =
    "WebAuthnCredentialNotSupportedException: The authenticator or the credential that it made is not supported.";
const BAD_ORIGIN: &str =
    "WebAuthnOriginNotAllowedException: The origin of the page is not the relying party's domain or a subdomain of it.";
const LIMIT: &str = "LimitExceededException: A user can have 20 passkeys. Delete one before you register another.";

#[tokio::test]
async fn a_passkey_is_registered_listed_and_deleted() {
    both_engines(async |server| {
        let house = House::usual(server).await;
        let token = house.token("alice").await;
        assert_eq!(house.list(&token).await, [] as [Value; 0]);
        let options = house.start(&token).await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(options, @r#"
        {
          "authenticatorSelection": {
            "requireResidentKey": true,
            "residentKey": "required",
            "userVerification": "preferred"
          },
          "challenge": "goYvNcZEsSxW2DJWRvOZCjFhc0zwwtx_Ffa35dNfbXQ",
          "excludeCredentials": [],
          "pubKeyCredParams": [
            {
              "alg": -7,
              "type": "public-key"
            },
            {
              "alg": -257,
              "type": "public-key"
            }
          ],
          "rp": {
            "id": "auth.example.com",
            "name": "auth.example.com"
          },
          "timeout": 60000,
          "user": {
            "displayName": "alice",
            "id": "MzUzZDE3Y2MtODFiYy00NWIxLWFiNDgtZTcxYWE3ZDIyMzVh",
            "name": "alice"
          }
        }
        "#); }
        let sub = URL_SAFE_NO_PAD.decode(options["user"]["id"].as_str().unwrap()).unwrap();
        let user = house.server.call("GetUser", json!({"AccessToken": token})).await.ok();
        assert!(user["UserAttributes"].as_array().unwrap().contains(&json!({
            "Name": "sub", "Value": String::from_utf8(sub).unwrap()
        })));
        assert_eq!(URL_SAFE_NO_PAD.decode(options["challenge"].as_str().unwrap()).unwrap().len(), 32);

        let mut key = Authenticator::es256(1);
        let credential = key.create(&options, |_| ());
        assert_eq!(house.complete(&token, &credential).await.ok(), json!({}));
        let listed = house.list(&token).await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(listed, @r#"
        [
          {
            "CredentialId": "AQEBAQEBAQEBAQEBAQEBAQ",
            "FriendlyCredentialName": "Roaming passkey",
            "RelyingPartyId": "auth.example.com",
            "AuthenticatorAttachment": "cross-platform",
            "AuthenticatorTransports": [
              "usb"
            ],
            "CreatedAt": 1767323045.0
          }
        ]
        "#); }
        // It was good for one.
        assert_eq!(house.complete(&token, &credential).await.error(), NO_CHALLENGE);

        assert_eq!(house.delete(&token, &key.credential_id()).await.ok(), json!({}));
        assert_eq!(house.list(&token).await, [] as [Value; 0]);
        let missing = "ResourceNotFoundException: Credential does not exist.";
        assert_eq!(house.delete(&token, &key.credential_id()).await.error(), missing);
        for id in ["", "\0", "../x", "ÿ", "a b"] {
            assert_eq!(house.delete(&token, id).await.error(), missing, "{id:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn both_algorithms_and_kinds_of_authenticators_are_taken() {
    both_engines(async |server| {
        let house = House::usual(server).await;
        let token = house.token("alice").await;
        house.register(&token, &mut Authenticator::rs256(1)).await;
        house.register(&token, &mut Authenticator::es256(2).platform()).await;
        house.register(&token, &mut Authenticator::es256(3)).await;
        // What a client does not say is not made up.
        let options = house.start(&token).await;
        let mut credential = Authenticator::es256(4).create(&options, |_| ());
        credential.as_object_mut().unwrap().remove("authenticatorAttachment");
        credential["response"]["transports"] = json!(["internal", "by-pigeon", 7, "nfc"]);
        house.complete(&token, &credential).await.ok();
        let listed: Vec<_> = house
            .list(&token)
            .await
            .iter()
            .map(|one| {
                let member = |name: &str| one[name].to_string();
                [member("FriendlyCredentialName"), member("AuthenticatorAttachment"), member("AuthenticatorTransports")]
                    .join(" ")
            })
            .collect();
        let expected = [
            r#""Roaming passkey" "cross-platform" ["usb"]"#,
            r#""Platform passkey" "platform" ["hybrid","internal"]"#,
            r#""Roaming passkey 2" "cross-platform" ["usb"]"#,
            r#""Platform passkey 2" null ["internal","nfc"]"#,
        ];
        assert_eq!(listed, expected);
        let excluded = house.start(&token).await["excludeCredentials"].clone();
        let all: Vec<_> =
            house.ids(&token).await.into_iter().map(|id| json!({"id": id, "type": "public-key"})).collect();
        assert_eq!(excluded, json!(all));
    })
    .await;
}

/// Each lie alone, told by an authenticator that is right otherwise.
#[tokio::test]
async fn what_is_not_true_is_not_registered() {
    type Lie = (&'static str, fn(&mut Facts), &'static str);
    let lies: [Lie; 21] = [
        ("another challenge", |facts| facts.challenge = URL_SAFE_NO_PAD.encode([0; 32]), NO_CHALLENGE),
        ("no challenge", |facts| facts.challenge = String::new(), NO_CHALLENGE),
        ("another origin", |facts| facts.origin = "https://evil.example".to_owned(), BAD_ORIGIN),
        ("an origin that ends alike", |facts| facts.origin = "https://evilauth.example.com".to_owned(), BAD_ORIGIN),
        ("an origin that begins alike", |facts| facts.origin = format!("https://{RELYING_PARTY}.evil"), BAD_ORIGIN),
        ("the domain above", |facts| facts.origin = "https://example.com".to_owned(), BAD_ORIGIN),
        ("without TLS", |facts| facts.origin = format!("http://{RELYING_PARTY}"), BAD_ORIGIN),
        ("this machine", |facts| facts.origin = "http://localhost".to_owned(), BAD_ORIGIN),
        ("an app", |facts| facts.origin = "android:apk-key-hash:AAAA".to_owned(), BAD_ORIGIN),
        ("a frame of another site", |facts| facts.cross_origin = true, BAD_ORIGIN),
        ("no origin", |facts| facts.origin = "null".to_owned(), UNREADABLE),
        (
            "another relying party",
            |facts| facts.relying_party_id = "example.com".to_owned(),
            "WebAuthnRelyingPartyMismatchException: The credential was made for another relying party than this user pool's.",
        ),
        (
            "nobody there",
            |facts| facts.flags &= !USER_PRESENT,
            "WebAuthnCredentialNotSupportedException: The authenticator has not tested whether a user is present.",
        ),
        ("copies that cannot be", |facts| facts.flags |= BACKED_UP, NOT_SUPPORTED),
        ("a sign-in", |facts| facts.kind = "webauthn.get".to_owned(), UNREADABLE),
        ("no credential", |facts| facts.flags &= !0x40, UNREADABLE),
        ("extensions that are not there", |facts| facts.flags |= 0x80, UNREADABLE),
        ("a long id", |facts| facts.id = vec![1; 1_024], UNREADABLE),
        ("an algorithm that nobody asked for", |facts| facts.public_key = ed25519_key(), NOT_SUPPORTED),
        ("a key that is none", |facts| facts.public_key = b"\x01".to_vec(), NOT_SUPPORTED),
        ("an unknown attestation", |facts| facts.format = "x".to_owned(), NOT_SUPPORTED),
    ];
    both_engines(async |server| {
        let house = House::usual(server).await;
        let token = house.token("alice").await;
        let options = house.start(&token).await;
        for (number, (name, lie, expected)) in lies.into_iter().enumerate() {
            let credential = Authenticator::es256(u8::try_from(number).unwrap()).create(&options, lie);
            assert_eq!(house.complete(&token, &credential).await.error(), expected, "{name}");
        }
        assert_eq!(house.list(&token).await, [] as [Value; 0]);
        // None of them has used the registration up, and the names below the relying party, on any port, are its own.
        let credential = Authenticator::es256(1)
            .create(&options, |facts| facts.origin = format!("https://a.b.{RELYING_PARTY}:8443"));
        house.complete(&token, &credential).await.ok();
    })
    .await;
}

#[tokio::test]
async fn what_is_no_registration_is_said_to_be_none() {
    both_engines(async |server| {
        let house = House::usual(server).await;
        let token = house.token("alice").await;
        let options = house.start(&token).await;
        let good = Authenticator::es256(1).create(&options, |_| ());
        let with = |pointer: &str, value: Value| {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            changed
        };
        let deep = [vec![0x81; 40_000], vec![0]].concat();
        let huge = b"\xa1\x63fmt\x9b\x7f\xff\xff\xff\xff\xff\xff\xff".to_vec();
        // True as far as it goes, and much longer than any browser makes it.
        let client_data = URL_SAFE_NO_PAD.decode(good["response"]["clientDataJSON"].as_str().unwrap()).unwrap();
        let padded = [client_data, vec![b' '; 66_000]].concat();
        let object = |bytes: &[u8]| with("/response/attestationObject", Value::from(URL_SAFE_NO_PAD.encode(bytes)));
        for bad in [
            json!({}),
            json!({"id": good["id"]}),
            with("/type", json!("password")),
            with("/rawId", json!("AAAA")),
            with("/rawId", json!("=")),
            with("/response", json!([])),
            with("/response/clientDataJSON", json!("")),
            with("/response/clientDataJSON", json!(URL_SAFE_NO_PAD.encode("[]"))),
            with("/response/attestationObject", json!({})),
            object(&[]),
            object(&deep),
            object(&huge),
            object(&vec![0; 66_000]),
            with("/response/clientDataJSON", json!(URL_SAFE_NO_PAD.encode(&padded))),
        ] {
            let answer = house.complete(&token, &bad).await;
            assert_eq!(answer.error(), UNREADABLE, "{}", bad.to_string().get(..200).unwrap_or_default());
        }
        // Wherever it ends too soon.
        let whole = URL_SAFE_NO_PAD.decode(good["response"]["attestationObject"].as_str().unwrap()).unwrap();
        for end in 0..whole.len() {
            let error = house.complete(&token, &object(&whole[..end])).await.error();
            assert_eq!(error, UNREADABLE, "{end}");
        }
        // Extensions that nobody asked for do not count, whatever they are.
        house.complete(&token, &with("/clientExtensionResults", json!({"appid": 7, "credProps": []}))).await.ok();
    })
    .await;
}

#[tokio::test]
async fn authenticators_verify_the_user_where_the_pool_wants_it() {
    both_engines(async |server| {
        let required = json!({"RelyingPartyId": RELYING_PARTY, "UserVerification": "required"});
        let house = House::new(server, required).await;
        house.user("alice").await;
        let token = house.token("alice").await;
        let options = house.start(&token).await;
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
        let unverified = Authenticator::es256(1).create(&options, |facts| facts.flags &= !USER_VERIFIED);
        assert_eq!(
            house.complete(&token, &unverified).await.error(),
            "WebAuthnCredentialNotSupportedException: The authenticator has not verified the user."
        );
        house.complete(&token, &Authenticator::es256(1).create(&options, |_| ())).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_registration_is_for_one_client_and_for_five_minutes() {
    both_engines(async |server| {
        let house = House::usual(server).await;
        let token = house.token("alice").await;
        let mut key = Authenticator::es256(1);
        let anything = key.create(&json!({"challenge": "AAAA", "rp": {"id": RELYING_PARTY}}), |_| ());
        assert_eq!(house.complete(&token, &anything).await.error(), NO_CHALLENGE);

        let credential = key.create(&house.start(&token).await, |_| ());
        let other = client(&house.server, &house.pool, "LEGACY").await;
        let elsewhere = access_token(&house.server, &other, "alice").await;
        assert_eq!(
            house.complete(&elsewhere, &credential).await.error(),
            "WebAuthnClientMismatchException: The registration was started with another app client. Start and complete it with the same one."
        );
        // Another user's registration is none of this user's.
        house.user("bob").await;
        let bob = house.token("bob").await;
        assert_eq!(house.complete(&bob, &credential).await.error(), NO_CHALLENGE);
        let of_bob = house.start(&bob).await;
        assert_eq!(house.complete(&bob, &credential).await.error(), NO_CHALLENGE);
        assert_ne!(of_bob["challenge"], house.start(&token).await["challenge"]);
        // What was begun anew is the one that counts.
        assert_eq!(house.complete(&token, &credential).await.error(), NO_CHALLENGE);

        let credential = key.create(&house.start(&token).await, |_| ());
        house.server.advance(300);
        assert_eq!(house.complete(&token, &credential).await.error(), NO_CHALLENGE);
        let credential = key.create(&house.start(&token).await, |_| ());
        house.server.advance(299);
        house.complete(&token, &credential).await.ok();
        // The same credential again is none that the user does not have.
        let credential = key.create(&house.start(&token).await, |_| ());
        assert_eq!(house.complete(&token, &credential).await.error(), NOT_SUPPORTED);
    })
    .await;
}

#[tokio::test]
async fn a_pool_must_take_passkeys_and_have_a_relying_party() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        configure(&server, &pool, json!({"RelyingPartyId": RELYING_PARTY})).await;
        let app = client(&server, &pool, "LEGACY").await;
        server.confirmed_user(&pool, "alice", super::PASSWORD, json!({})).await;
        let token = access_token(&server, &app, "alice").await;
        let disabled = "WebAuthnNotEnabledException: Passkeys are not enabled for this user pool: WEB_AUTHN is not among its AllowedFirstAuthFactors.";
        assert_eq!(start(&server, &token).await.error(), disabled);
        let complete = json!({"AccessToken": token, "Credential": {}});
        assert_eq!(server.call("CompleteWebAuthnRegistration", complete).await.error(), disabled);

        let house = House::new(server, json!({"UserVerification": "preferred"})).await;
        house.user("bob").await;
        let token = house.token("bob").await;
        assert_eq!(
            start(&house.server, &token).await.error(),
            "WebAuthnConfigurationMissingException: This user pool has no relying party: set WebAuthnConfiguration.RelyingPartyId with SetUserPoolMfaConfig, or give the pool a domain."
        );
        // Its domain will do: the name by which the pages of the prefix are found, and before that the custom one.
        let domain = json!({"UserPoolId": house.pool, "Domain": "my-app"});
        house.server.call("CreateUserPoolDomain", domain).await.ok();
        assert_eq!(house.start(&token).await["rp"], json!({"id": "my-app.auth.localhost", "name": "my-app.auth.localhost"}));
        let custom = json!({
            "UserPoolId": house.pool,
            "Domain": "login.example.org",
            "CustomDomainConfig": {"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/0f3c1a2b"},
        });
        house.server.call("CreateUserPoolDomain", custom).await.ok();
        assert_eq!(house.start(&token).await["rp"]["id"], "login.example.org");
        configure(&house.server, &house.pool, json!({"RelyingPartyId": "localhost"})).await;
        // Only this machine's own name does without TLS.
        let options = house.start(&token).await;
        assert_eq!(options["rp"]["id"], "localhost");
        let mut key = Authenticator::es256(1);
        key.origin = "http://localhost:3000".to_owned();
        house.complete(&token, &key.create(&options, |_| ())).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_user_has_twenty_at_most() {
    both_engines(async |server| {
        let house = House::usual(server).await;
        let token = house.token("alice").await;
        for number in 0..19 {
            house.register(&token, &mut Authenticator::es256(number)).await;
        }
        let options = house.start(&token).await;
        let last = Authenticator::es256(19).create(&options, |_| ());
        // One that got in between, by another server, counts.
        let sub = URL_SAFE_NO_PAD.decode(options["user"]["id"].as_str().unwrap()).unwrap();
        let sub = String::from_utf8(sub).unwrap();
        let store = &house.server.app.store;
        let present = store.current_user_parts::<Passkey>(&house.pool, &sub, 30).await.unwrap();
        let mut changes = Changes::new();
        changes.insert_user_part(Passkey { id: "AAAA".to_owned(), ..present[0].value.clone() });
        store.commit(changes).await.unwrap();
        assert_eq!(house.complete(&token, &last).await.error(), LIMIT);
        house.delete(&token, "AAAA").await.ok();
        house.complete(&token, &last).await.ok();
        assert_eq!(start(&house.server, &token).await.error(), LIMIT);
        house.delete(&token, &Authenticator::es256(0).credential_id()).await.ok();
        house.register(&token, &mut Authenticator::es256(20)).await;
        assert_eq!(house.list(&token).await.len(), 20);
    })
    .await;
}

#[tokio::test]
async fn lists_come_in_pages() {
    both_engines(async |server| {
        let house = House::usual(server).await;
        let token = house.token("alice").await;
        for number in 0..5 {
            house.register(&token, &mut Authenticator::es256(number)).await;
        }
        let list = async |members: Value| {
            let mut request = json!({"AccessToken": token});
            request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            house.server.call("ListWebAuthnCredentials", request).await
        };
        let (mut seen, mut next) = (Vec::new(), json!({"MaxResults": 2}));
        loop {
            let page = list(next).await.ok();
            seen.extend(page["Credentials"].as_array().unwrap().iter().map(|one| one["CredentialId"].clone()));
            if page.get("NextToken").is_none() {
                break;
            }
            next = json!({"MaxResults": 2, "NextToken": page["NextToken"]});
        }
        assert_eq!(json!(seen), json!(house.ids(&token).await));
        assert_eq!(seen.len(), 5);
        assert_eq!(list(json!({"MaxResults": 0})).await.ok()["Credentials"].as_array().unwrap().len(), 5);
        assert_eq!(
            list(json!({"NextToken": "x"})).await.error(),
            "InvalidParameterException: Invalid pagination token"
        );
        let page = list(json!({"MaxResults": 1})).await.ok();
        house.user("bob").await;
        let of_bob = json!({"AccessToken": house.token("bob").await, "NextToken": page["NextToken"]});
        assert_eq!(
            house.server.call("ListWebAuthnCredentials", of_bob).await.error(),
            "InvalidParameterException: Invalid pagination token"
        );
        assert!(list(json!({"MaxResults": 21})).await.error().starts_with("InvalidParameterException: 1 validation"));
    })
    .await;
}

/// Whoever completes a registration second finds it used up, so that nobody gets past the limit either.
#[tokio::test]
async fn one_registration_makes_one_passkey() {
    both_engines(async |server| {
        let house = Arc::new(House::usual(server).await);
        let token = house.token("alice").await;
        let options = house.start(&token).await;
        let mut completing = JoinSet::new();
        for number in 0..8 {
            let (house, token) = (house.clone(), token.clone());
            let credential = Authenticator::es256(number).create(&options, |_| ());
            completing.spawn(async move { house.complete(&token, &credential).await });
        }
        let answers = completing.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(answer.error(), NO_CHALLENGE);
        }
        assert_eq!(house.list(&token).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn every_operation_wants_a_good_token() {
    both_engines(async |server| {
        let house = House::usual(server).await;
        let token = house.token("alice").await;
        house.server.call("GlobalSignOut", json!({"AccessToken": token})).await.ok();
        for (operation, members) in [
            ("StartWebAuthnRegistration", json!({})),
            ("CompleteWebAuthnRegistration", json!({"Credential": {}})),
            ("ListWebAuthnCredentials", json!({})),
            ("DeleteWebAuthnCredential", json!({"CredentialId": "AAAA"})),
        ] {
            let mut request = members.clone();
            request["AccessToken"] = json!(token);
            let error = house.server.call(operation, request.clone()).await.error();
            assert_eq!(error, "NotAuthorizedException: Access Token has been revoked", "{operation}");
            request["AccessToken"] = json!("x.y.z");
            let error = house.server.call(operation, request).await.error();
            assert_eq!(error, "NotAuthorizedException: Invalid Access Token", "{operation}");
        }
        assert_eq!(Server::memory().await.call("ListWebAuthnCredentials", json!({})).await.status, 400);
    })
    .await;
}

#[tokio::test]
async fn users_reach_their_own_passkeys_only() {
    both_engines(async |server| {
        let house = House::usual(server).await;
        let alice = house.token("alice").await;
        house.user("bob").await;
        let bob = house.token("bob").await;
        let mut key = Authenticator::es256(1);
        house.register(&alice, &mut key).await;
        assert_eq!(house.list(&bob).await, [] as [Value; 0]);
        assert_eq!(
            house.delete(&bob, &key.credential_id()).await.error(),
            "ResourceNotFoundException: Credential does not exist."
        );
        assert_eq!(house.ids(&alice).await, [key.credential_id()]);
    })
    .await;
}
