//! Signing in with a passkey: the challenge WEB_AUTHN.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::{
    Answer, Server,
    authenticator::{Authenticator, BACKED_UP, BACKUP_ELIGIBLE, Facts, USER_PRESENT, USER_VERIFIED},
    both_engines,
};
use tokio::task::JoinSet;

use super::{House, PASSWORD, RELYING_PARTY, client, configure};
use crate::sign_in::mfa;

const WRONG: &str = "NotAuthorizedException: Incorrect username or password.";
const UNREADABLE: &str = "InvalidParameterException: CREDENTIAL is not an assertion: give what PublicKeyCredential.toJSON() answers after navigator.credentials.get(), as text.";
const INVALID: &str = "NotAuthorizedException: Invalid session for the user.";
const USED: &str = "NotAuthorizedException: Invalid session for the user, session can only be used once.";

/// A sign-in that waits for a passkey.
#[derive(Clone)]
struct Challenge {
    /// `CREDENTIAL_REQUEST_OPTIONS`.
    options: Value,
    username: String,
    session: String,
}

async fn initiate(server: &Server, client: &str, username: &str) -> Answer {
    let parameters = json!({"USERNAME": username, "PREFERRED_CHALLENGE": "WEB_AUTHN"});
    let request = json!({"AuthFlow": "USER_AUTH", "ClientId": client, "AuthParameters": parameters});
    server.call("InitiateAuth", request).await
}

impl Challenge {
    async fn new(house: &House, username: &str) -> Self {
        let answer = initiate(&house.server, &house.client, username).await.ok();
        assert_eq!(answer["ChallengeName"], "WEB_AUTHN");
        let options = answer["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"].as_str().unwrap();
        Self {
            options: serde_json::from_str(options).unwrap(),
            username: username.to_owned(),
            session: answer["Session"].as_str().unwrap().to_owned(),
        }
    }

    async fn answer(&self, house: &House, credential: &Value) -> Answer {
        self.send(house, &credential.to_string()).await
    }

    async fn send(&self, house: &House, credential: &str) -> Answer {
        let request = json!({
            "ClientId": house.client,
            "ChallengeName": "WEB_AUTHN",
            "Session": self.session,
            "ChallengeResponses": {"USERNAME": self.username, "CREDENTIAL": credential},
        });
        house.server.call("RespondToAuthChallenge", request).await
    }
}

/// The usual house, where `alice` has registered this authenticator.
async fn house_with(server: Server, key: &mut Authenticator) -> House {
    let house = House::usual(server).await;
    let token = house.token("alice").await;
    house.register(&token, key).await;
    house
}

#[tokio::test]
async fn a_passkey_signs_in() {
    both_engines(async |server| {
        let mut key = Authenticator::es256(1);
        let house = house_with(server, &mut key).await;
        let mut answer = initiate(&house.server, &house.client, "alice").await.ok();
        let session = answer["Session"].take();
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "ChallengeName": "WEB_AUTHN",
          "Session": null,
          "ChallengeParameters": {
            "CREDENTIAL_REQUEST_OPTIONS": "{\"challenge\":\"G0cBlfMMApY1R_bc2bYR5sCSSRGVlVI4T0ALzVTCUYA\",\"timeout\":180000,\"rpId\":\"auth.example.com\",\"allowCredentials\":[{\"type\":\"public-key\",\"id\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"transports\":[\"usb\"]}],\"userVerification\":\"preferred\"}"
          },
          "AvailableChallenges": [
            "PASSWORD_SRP",
            "PASSWORD",
            "WEB_AUTHN"
          ]
        }
        "#); }
        let options = answer["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"].as_str().unwrap();
        let credential = key.get(&serde_json::from_str(options).unwrap(), |_| ());
        let request = json!({
            "ClientId": house.client,
            "ChallengeName": "WEB_AUTHN",
            "Session": session,
            "ChallengeResponses": {"USERNAME": "alice", "CREDENTIAL": credential.to_string()},
        });
        let answer = house.server.call("RespondToAuthChallenge", request.clone()).await.ok();
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(answer, {
                ".AuthenticationResult.AccessToken" => "[token]",
                ".AuthenticationResult.IdToken" => "[token]",
                ".AuthenticationResult.RefreshToken" => "[token]",
            }, @r#"
            {
              "ChallengeParameters": {},
              "AuthenticationResult": {
                "AccessToken": "[token]",
                "ExpiresIn": 3600,
                "TokenType": "Bearer",
                "RefreshToken": "[token]",
                "IdToken": "[token]"
              }
            }
            "#);
        }
        let token = &answer["AuthenticationResult"]["AccessToken"];
        let user = house.server.call("GetUser", json!({"AccessToken": token})).await.ok();
        assert_eq!(user["Username"], "alice");
        assert_eq!(house.server.call("RespondToAuthChallenge", request).await.error(), USED);
    })
    .await;
}

#[tokio::test]
async fn administrators_sign_users_in_with_passkeys_too() {
    both_engines(async |server| {
        let mut key = Authenticator::rs256(1);
        let house = house_with(server, &mut key).await;
        let names = json!({"UserPoolId": house.pool, "ClientId": house.client});
        let with = |members: Value| {
            let mut request = names.clone();
            request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            request
        };
        let parameters = json!({"USERNAME": "alice", "PREFERRED_CHALLENGE": "WEB_AUTHN"});
        let begin = with(json!({"AuthFlow": "USER_AUTH", "AuthParameters": parameters}));
        let challenge = house.server.call("AdminInitiateAuth", begin).await.ok();
        let options = challenge["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"].as_str().unwrap();
        let credential = key.get(&serde_json::from_str(options).unwrap(), |_| ()).to_string();
        let mut request = with(json!({
            "ChallengeName": "WEB_AUTHN",
            "Session": challenge["Session"],
            "ChallengeResponses": {"USERNAME": "alice", "CREDENTIAL": credential},
        }));
        let answer = house.server.call("AdminRespondToAuthChallenge", request.clone()).await.ok();
        assert!(answer["AuthenticationResult"]["AccessToken"].is_string());
        // A session of one pair of operations is none of the other.
        let challenge = Challenge::new(&house, "alice").await;
        request["Session"] = json!(challenge.session);
        assert_eq!(house.server.call("AdminRespondToAuthChallenge", request).await.error(), INVALID);
    })
    .await;
}

/// Each lie alone, told by an authenticator that is right otherwise; after all of them the truth still counts.
#[tokio::test]
async fn what_is_not_true_does_not_sign_in() {
    type Lie = (&'static str, fn(&mut Facts));
    let lies: [Lie; 20] = [
        ("another challenge", |facts| facts.challenge = URL_SAFE_NO_PAD.encode([0; 32])),
        ("no challenge", |facts| facts.challenge = String::new()),
        ("another origin", |facts| facts.origin = "https://evil.example".to_owned()),
        ("an origin that ends alike", |facts| facts.origin = "https://evilauth.example.com".to_owned()),
        ("an origin that begins alike", |facts| facts.origin = format!("https://{RELYING_PARTY}.evil")),
        ("the domain above", |facts| facts.origin = "https://example.com".to_owned()),
        ("without TLS", |facts| facts.origin = format!("http://{RELYING_PARTY}")),
        ("no origin", |facts| facts.origin = "null".to_owned()),
        ("a frame of another site", |facts| facts.cross_origin = true),
        ("another relying party", |facts| facts.relying_party_id = "example.com".to_owned()),
        ("nobody there", |facts| facts.flags &= !USER_PRESENT),
        ("not verified, as at first", |facts| facts.flags &= !USER_VERIFIED),
        ("copies, unlike at first", |facts| facts.flags |= BACKUP_ELIGIBLE),
        ("copies that cannot be", |facts| facts.flags |= BACKED_UP),
        ("a registration", |facts| facts.kind = "webauthn.create".to_owned()),
        ("a credential that is not there", |facts| facts.flags |= 0x40),
        ("another credential", |facts| facts.id = vec![2; 16]),
        ("another user", |facts| facts.user_handle = Some(b"b8a1c3d4-0000-4000-8000-000000000000".to_vec())),
        ("the count of before", |facts| facts.counter = 1),
        ("no count any more", |facts| facts.counter = 0),
    ];
    both_engines(async |server| {
        let mut key = Authenticator::es256(1);
        let house = house_with(server, &mut key).await;
        let challenge = Challenge::new(&house, "alice").await;
        for (name, lie) in lies {
            let credential = key.get(&challenge.options, lie);
            assert_eq!(challenge.answer(&house, &credential).await.error(), WRONG, "{name}");
        }
        let good = key.get(&challenge.options, |_| ());
        let with = |pointer: &str, bytes: Vec<u8>| {
            let mut changed = good.clone();
            changed["response"][pointer] = Value::from(URL_SAFE_NO_PAD.encode(bytes));
            changed
        };
        let part = |name: &str| URL_SAFE_NO_PAD.decode(good["response"][name].as_str().unwrap()).unwrap();
        let mut flipped = part("signature");
        *flipped.last_mut().unwrap() ^= 1;
        let mut another_count = part("authenticatorData");
        another_count[36] ^= 1;
        let elsewhere = String::from_utf8(part("clientDataJSON")).unwrap().replace("auth.", "log.auth.").into_bytes();
        for changed in [
            with("signature", flipped),
            with("signature", Vec::new()),
            with("signature", vec![0; 70]),
            with("authenticatorData", another_count),
            with("authenticatorData", Vec::new()),
            with("clientDataJSON", elsewhere),
            with("clientDataJSON", b"{}".to_vec()),
            with("clientDataJSON", vec![b'['; 40_000]),
            // Made by another key that says that it is this one.
            Authenticator::es256(1).get(&challenge.options, |facts| facts.counter = 99),
        ] {
            assert_eq!(challenge.answer(&house, &changed).await.error(), WRONG);
        }
        let whole = part("authenticatorData");
        for end in 0..whole.len() {
            let changed = with("authenticatorData", whole[..end].to_vec());
            assert_eq!(challenge.answer(&house, &changed).await.error(), WRONG, "{end}");
        }
        assert!(challenge.answer(&house, &good).await.ok()["AuthenticationResult"].is_object());
    })
    .await;
}

#[tokio::test]
async fn what_is_no_assertion_is_said_to_be_none() {
    both_engines(async |server| {
        let mut key = Authenticator::es256(1);
        let house = house_with(server, &mut key).await;
        let challenge = Challenge::new(&house, "alice").await;
        let good = key.get(&challenge.options, |_| ());
        let with = |member: &str, value: Value| {
            let mut changed = good.clone();
            changed[member] = value;
            changed.to_string()
        };
        for bad in [
            "x".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            with("type", json!("password")),
            with("id", json!("AAAA")),
            with("rawId", json!("=")),
            with("response", json!({})),
            with("padding", json!("x".repeat(66_000))),
            "[".repeat(60_000),
        ] {
            assert_eq!(challenge.send(&house, &bad).await.error(), UNREADABLE, "{}", bad.get(..99).unwrap_or(&bad));
        }
        let request = |members: Value| {
            json!({
                "ClientId": house.client, "ChallengeName": "WEB_AUTHN", "Session": challenge.session,
                "ChallengeResponses": members,
            })
        };
        let missing =
            async |members: Value| house.server.call("RespondToAuthChallenge", request(members)).await.error();
        let credential = good.to_string();
        assert_eq!(
            missing(json!({"CREDENTIAL": credential})).await,
            "InvalidParameterException: Missing required parameter USERNAME"
        );
        assert_eq!(
            missing(json!({"USERNAME": "alice"})).await,
            "InvalidParameterException: Missing required parameter CREDENTIAL"
        );
        house.user("bob").await;
        assert_eq!(missing(json!({"USERNAME": "bob", "CREDENTIAL": credential})).await, INVALID);
        // A null stands for what is not there.
        let mut answered = good.clone();
        answered["response"]["userHandle"] = Value::Null;
        answered["authenticatorAttachment"] = Value::Null;
        challenge.answer(&house, &answered).await.ok();
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_good_for_one_session_of_one_user() {
    both_engines(async |server| {
        let mut key = Authenticator::es256(1);
        let house = house_with(server, &mut key).await;
        house.user("bob").await;
        let bob = house.token("bob").await;
        let mut of_bob = Authenticator::es256(2);
        house.register(&bob, &mut of_bob).await;

        let first = Challenge::new(&house, "alice").await;
        assert_eq!(first.options["allowCredentials"][0]["id"], json!(key.credential_id()));
        let answer = key.get(&first.options, |_| ());
        // Somebody else's passkey, for the challenge of this sign-in, under either id.
        assert_eq!(first.answer(&house, &of_bob.get(&first.options, |_| ())).await.error(), WRONG);
        let id = key.id.clone();
        let borrowed = of_bob.get(&first.options, |facts| facts.id = id);
        assert_eq!(first.answer(&house, &borrowed).await.error(), WRONG);
        let second = Challenge::new(&house, "alice").await;
        first.answer(&house, &answer).await.ok();
        assert_eq!(first.answer(&house, &answer).await.error(), USED);
        assert_eq!(second.answer(&house, &answer).await.error(), WRONG);
        // One client's session is no other client's.
        let other = client(&house.server, &house.pool, "LEGACY").await;
        let request = json!({
            "ClientId": other, "ChallengeName": "WEB_AUTHN", "Session": second.session,
            "ChallengeResponses": {"USERNAME": "alice", "CREDENTIAL": key.get(&second.options, |_| ()).to_string()},
        });
        assert_eq!(house.server.call("RespondToAuthChallenge", request).await.error(), INVALID);
        // Three minutes are enough.
        house.server.advance(180);
        assert_eq!(
            second.answer(&house, &key.get(&second.options, |_| ())).await.error(),
            "NotAuthorizedException: Invalid session for the user, session is expired."
        );
    })
    .await;
}

#[tokio::test]
async fn the_count_of_signatures_only_grows() {
    both_engines(async |server| {
        let mut key = Authenticator::es256(1);
        let house = house_with(server, &mut key).await;
        let sign_in = async |key: &mut Authenticator, counter: Option<u32>| {
            let challenge = Challenge::new(&house, "alice").await;
            let credential = key.get(&challenge.options, |facts| facts.counter = counter.unwrap_or(facts.counter));
            challenge.answer(&house, &credential).await
        };
        sign_in(&mut key, Some(7)).await.ok();
        for copied in [0, 1, 6, 7] {
            assert_eq!(sign_in(&mut key, Some(copied)).await.error(), WRONG, "{copied}");
        }
        sign_in(&mut key, Some(8)).await.ok();
        sign_in(&mut key, Some(u32::MAX)).await.ok();
        // Authenticators that keep copies do not count.
        let token = house.token("alice").await;
        let mut platform = Authenticator::es256(2).platform();
        house.register(&token, &mut platform).await;
        for _ in 0..2 {
            sign_in(&mut platform, None).await.ok();
        }
        sign_in(&mut platform, Some(1)).await.ok();
        assert_eq!(sign_in(&mut platform, None).await.error(), WRONG);
    })
    .await;
}

#[tokio::test]
async fn what_changes_meanwhile_counts() {
    both_engines(async |server| {
        let mut key = Authenticator::es256(1);
        let house = house_with(server, &mut key).await;
        let names = json!({"UserPoolId": house.pool, "Username": "alice"});
        let challenge = Challenge::new(&house, "alice").await;
        house.server.call("AdminDisableUser", names.clone()).await.ok();
        let credential = key.get(&challenge.options, |_| ());
        assert_eq!(challenge.answer(&house, &credential).await.error(), "NotAuthorizedException: User is disabled.");
        house.server.call("AdminEnableUser", names.clone()).await.ok();
        challenge.answer(&house, &credential).await.ok();

        // A relying party of another name has no passkeys yet.
        let challenge = Challenge::new(&house, "alice").await;
        configure(&house.server, &house.pool, json!({"RelyingPartyId": "login.example.org"})).await;
        assert_eq!(initiate(&house.server, &house.client, "alice").await.ok()["ChallengeName"], "SELECT_CHALLENGE");
        let credential = key.get(&challenge.options, |_| ());
        assert_eq!(challenge.answer(&house, &credential).await.error(), INVALID);
        // One that was made before does not pass for one of the new relying party, whatever its authenticator says.
        let mut moved = Authenticator::es256(9);
        moved.origin = "https://login.example.org".to_owned();
        let token = house.token("alice").await;
        house.register(&token, &mut moved).await;
        let challenge = Challenge::new(&house, "alice").await;
        assert_eq!(challenge.options["rpId"], "login.example.org");
        let credential = key.get(&challenge.options, |facts| facts.origin = moved.origin.clone());
        assert_eq!(challenge.answer(&house, &credential).await.error(), WRONG);
        challenge.answer(&house, &moved.get(&challenge.options, |_| ())).await.ok();
        house.delete(&token, &moved.credential_id()).await.ok();
        configure(&house.server, &house.pool, json!({"RelyingPartyId": RELYING_PARTY})).await;

        // A passkey that was deleted proves nothing.
        let challenge = Challenge::new(&house, "alice").await;
        let token = house.token("alice").await;
        house.delete(&token, &key.credential_id()).await.ok();
        let credential = key.get(&challenge.options, |_| ());
        assert_eq!(challenge.answer(&house, &credential).await.error(), WRONG);
        house.register(&token, &mut key).await;

        let challenge = Challenge::new(&house, "alice").await;
        house.server.call("AdminDeleteUser", names).await.ok();
        let credential = key.get(&challenge.options, |_| ());
        assert_eq!(challenge.answer(&house, &credential).await.error(), INVALID);
        // Nothing of it is left for the next one of that name.
        house.user("alice").await;
        assert_eq!(initiate(&house.server, &house.client, "alice").await.ok()["ChallengeName"], "SELECT_CHALLENGE");
    })
    .await;
}

#[tokio::test]
async fn the_pool_says_whether_users_are_verified() {
    both_engines(async |server| {
        let mut key = Authenticator::es256(1);
        let house = House::usual(server).await;
        let token = house.token("alice").await;
        let unverified = key.create(&house.start(&token).await, |facts| facts.flags &= !USER_VERIFIED);
        house.complete(&token, &unverified).await.ok();
        let challenge = Challenge::new(&house, "alice").await;
        assert_eq!(challenge.options["userVerification"], "preferred");
        let credential = key.get(&challenge.options, |facts| facts.flags &= !USER_VERIFIED);
        challenge.answer(&house, &credential).await.ok();

        let required = json!({"RelyingPartyId": RELYING_PARTY, "UserVerification": "required"});
        let challenge = Challenge::new(&house, "alice").await;
        configure(&house.server, &house.pool, required).await;
        // The one that was begun before does not lead around it.
        let credential = key.get(&challenge.options, |facts| facts.flags &= !USER_VERIFIED);
        assert_eq!(challenge.answer(&house, &credential).await.error(), INVALID);
        let challenge = Challenge::new(&house, "alice").await;
        assert_eq!(challenge.options["userVerification"], "required");
        let credential = key.get(&challenge.options, |facts| facts.flags &= !USER_VERIFIED);
        assert_eq!(challenge.answer(&house, &credential).await.error(), WRONG);
        challenge.answer(&house, &key.get(&challenge.options, |_| ())).await.ok();
    })
    .await;
}

#[tokio::test]
async fn one_answer_signs_in_once() {
    both_engines(async |server| {
        let house = Arc::new(House::usual(server).await);
        let token = house.token("alice").await;
        for mut key in [Authenticator::es256(1), Authenticator::es256(2).platform()] {
            house.register(&token, &mut key).await;
            let challenge = Challenge::new(&house, "alice").await;
            let credential = key.get(&challenge.options, |_| ());
            let mut answering = JoinSet::new();
            for _ in 0..8 {
                let (house, challenge, credential) = (house.clone(), challenge.clone(), credential.clone());
                answering.spawn(async move { challenge.answer(&house, &credential).await });
            }
            let answers = answering.join_all().await;
            assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
            for answer in answers.iter().filter(|answer| answer.status != 200) {
                assert_eq!(answer.error(), USED);
            }
        }
    })
    .await;
}

/// Clients that hide unknown users get the same answers for them as for users without a passkey.
#[tokio::test]
async fn nobody_looks_like_a_user_without_a_passkey() {
    both_engines(async |server| {
        let house = House::usual(server).await;
        let hiding = client(&house.server, &house.pool, "ENABLED").await;
        let mut answers = Vec::new();
        for username in ["alice", "nobody"] {
            let mut answer = initiate(&house.server, &hiding, username).await.ok();
            let session = answer["Session"].take();
            assert!(session.as_str().unwrap().len() > 100);
            answers.push(answer);
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(
            initiate(&house.server, &house.client, "nobody").await.error(),
            "UserNotFoundException: User does not exist."
        );
        assert_eq!(house.server.sign_in(&hiding, "nobody", PASSWORD).await.error(), WRONG);
    })
    .await;
}

#[tokio::test]
async fn a_passkey_does_not_lead_around_a_second_factor() {
    both_engines(async |server| {
        let policies = json!({"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}});
        let pool = mfa::pool(&server, json!({"Policies": policies}), mfa::all("OPTIONAL")).await;
        configure_optional(&server, &pool, json!({"RelyingPartyId": RELYING_PARTY})).await;
        let client = client(&server, &pool, "LEGACY").await;
        let house = House { server, pool, client };
        let phone = json!({"phone_number": mfa::PHONE});
        house.server.confirmed_user(&house.pool, "alice", PASSWORD, phone).await;
        let token = house.token("alice").await;
        let mut key = Authenticator::es256(1);
        house.register(&token, &mut key).await;
        let challenge = Challenge::new(&house, "alice").await;
        challenge.answer(&house, &key.get(&challenge.options, |_| ())).await.ok();

        // Asked for by the time of the answer, too.
        let challenge = Challenge::new(&house, "alice").await;
        mfa::prefer(&house.server, &house.pool, json!({"SMSMfaSettings": mfa::on()})).await;
        let answer = key.get(&challenge.options, |_| ());
        assert_eq!(challenge.answer(&house, &answer).await.error(), INVALID);
        let begun = initiate(&house.server, &house.client, "alice").await.ok();
        assert_eq!(begun["AvailableChallenges"], json!(["PASSWORD_SRP", "PASSWORD"]));

        // Where a passkey counts as two, it counts when it has verified the user.
        let two = "MULTI_FACTOR_WITH_USER_VERIFICATION";
        let settings = json!({"RelyingPartyId": RELYING_PARTY, "FactorConfiguration": two});
        configure_optional(&house.server, &house.pool, settings).await;
        mfa::prefer(&house.server, &house.pool, json!({"WebAuthnMfaSettings": mfa::on()})).await;
        let challenge = Challenge::new(&house, "alice").await;
        assert_eq!(challenge.options["userVerification"], "required");
        let unverified = key.get(&challenge.options, |facts| facts.flags &= !USER_VERIFIED);
        assert_eq!(challenge.answer(&house, &unverified).await.error(), WRONG);
        let answer = challenge.answer(&house, &key.get(&challenge.options, |_| ())).await.ok();
        assert!(answer["AuthenticationResult"].is_object());
    })
    .await;
}

/// Sets WebAuthnConfiguration where second factors are optional.
async fn configure_optional(server: &Server, pool: &str, configuration: Value) {
    let mut settings = mfa::all("OPTIONAL");
    settings["WebAuthnConfiguration"] = configuration;
    mfa::configure(server, pool, settings).await;
}
