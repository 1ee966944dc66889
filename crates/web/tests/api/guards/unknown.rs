//! Users that do not exist, against users that do and users that are disabled (auth-flows.md §9): some of each, the same
//! requests, and what can be seen of the answers; and the work behind them, counted. How long they take is measured by
//! the scenario `known-unknown` of `cargo xtask bench`: docs/security.md.
//!
//! Passwords, codes and proofs are wrong throughout: what is told to whoever has them is no secret.

use std::collections::{BTreeMap, BTreeSet};

use crypto::bignum::powers_computed;
use domain::{CodePurpose, MessageState};
use testkit::{authenticator::Authenticator, both_engines, srp};

use super::*;
use crate::sign_in::{INCORRECT, administer};

const DEFINE: &str = "arn:aws:lambda:us-east-1:123456789012:function:define";
const CREATE: &str = "arn:aws:lambda:us-east-1:123456789012:function:create";
const VERIFY: &str = "arn:aws:lambda:us-east-1:123456789012:function:verify";
const RESET_MISMATCH: &str = "CodeMismatchException: Invalid verification code provided, please try again.";
/// Users of each kind.
const SAMPLES: usize = 6;

/// Who exists, who does not, and who is disabled.
const SIGN_IN: [&str; 3] = ["here", "gone", "shut"];
/// Who has signed up, and who has not.
const SIGN_UP: [&str; 2] = ["news", "gone"];

/// Names are equally long and begin with the same letters, which masks show.
fn name(kind: &str, sample: usize) -> String {
    format!("x-{kind}-{sample}@example.com")
}

/// What can be seen of an answer without the keys of the server; what is random is told by its kind.
fn shape(answer: &Answer) -> String {
    let headers: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    let mut body = answer.body.clone();
    if let Some(length) = body["Session"].as_str().map(str::len) {
        body["Session"] = json!(length);
    }
    for (name, value) in body["ChallengeParameters"].as_object_mut().into_iter().flatten() {
        let text = value.as_str().unwrap();
        let is_hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let shape = match name.as_str() {
            // Numbers are written without leading zeros: one in sixteen is a digit shorter.
            "SALT" if is_hex && (28..=32).contains(&text.len()) => "a salt".to_owned(),
            "SRP_B" if is_hex && (760..=768).contains(&text.len()) => "a public value".to_owned(),
            "SECRET_BLOCK" => format!("{} characters", text.len()),
            "USERNAME" | "USER_ID_FOR_SRP" if text.len() == 36 && text.split('-').count() == 5 => "an id".to_owned(),
            "USERNAME" if text.starts_with("x-") => "as typed".to_owned(),
            _ => text.to_owned(),
        };
        *value = json!(shape);
    }
    format!("{} {headers:?} {body}", answer.status)
}

/// What stands behind answers: queries, commits, the statements in them, and powers of numbers of 3,072 bits.
fn work(server: &Server) -> [u64; 4] {
    let store = server.app.store.statistics();
    [store.reads, store.commits, store.statements, powers_computed()]
}

/// Goes through a flow with users of these kinds, in turn, and compares all that can be seen and counted. Answers what
/// the last one of each kind was told at last.
async fn look_alike<const KINDS: usize>(
    server: &Server,
    flow: &str,
    kinds: [&str; KINDS],
    run: impl AsyncFn(String) -> Vec<Answer>,
) -> Answer {
    look_alike_by(name, server, flow, kinds, run).await
}

/// The same with users of other names.
async fn look_alike_by<const KINDS: usize>(
    name: fn(&str, usize) -> String,
    server: &Server,
    flow: &str,
    kinds: [&str; KINDS],
    run: impl AsyncFn(String) -> Vec<Answer>,
) -> Answer {
    // Pools and clients are read once.
    run(name("none", 0)).await;
    let mut seen: [(BTreeSet<_>, BTreeSet<_>); KINDS] = std::array::from_fn(|_| (BTreeSet::new(), BTreeSet::new()));
    let mut last = None;
    for sample in 0..SAMPLES {
        for (kind, (shapes, works)) in kinds.iter().zip(&mut seen) {
            let before = work(server);
            let answers = run(name(kind, sample)).await;
            let after = work(server);
            works.insert(std::array::from_fn::<_, 4, _>(|of| after[of] - before[of]));
            shapes.insert(answers.iter().map(shape).collect::<Vec<_>>());
            last = answers.into_iter().last();
        }
    }
    for (kind, (shapes, works)) in kinds.iter().zip(&seen) {
        assert_eq!(*shapes, seen[0].0, "{flow}: the answers tell {kind} from {}", kinds[0]);
        assert_eq!(*works, seen[0].1, "{flow}: the work tells {kind} from {}", kinds[0]);
    }
    // What is counted by the hour, and every lock, is over.
    server.advance(3_600);
    last.unwrap()
}

/// A pool whose users are called by their mail addresses, a client that hides who exists, and users.
/// `more` are members of the pool.
async fn scene(server: &Server, more: &Value) -> (String, String) {
    for (arn, response) in [
        (DEFINE, json!({"challengeName": "CUSTOM_CHALLENGE", "issueTokens": false, "failAuthentication": false})),
        (
            CREATE,
            json!({"publicChallengeParameters": {"q": "?"}, "privateChallengeParameters": {"a": "!"}, "challengeMetadata": "M"}),
        ),
        (VERIFY, json!({"answerCorrect": false})),
    ] {
        server.function(arn, move |mut event| {
            event["response"] = response.clone();
            Ok(event.to_string())
        });
    }
    let members = json!({
        "UsernameAttributes": ["email"],
        "AutoVerifiedAttributes": ["email"],
        "LambdaConfig": {"DefineAuthChallenge": DEFINE, "CreateAuthChallenge": CREATE, "VerifyAuthChallengeResponse": VERIFY},
    });
    let pool = server.pool(everything(&with(members, more))).await;
    let client = client(server, &pool, json!({})).await;
    for sample in 0..SAMPLES {
        let sign_up = json!({"ClientId": client, "Username": name("news", sample), "Password": PASSWORD});
        server.call("SignUp", sign_up).await.ok();
        for kind in ["here", "shut"] {
            let email = json!({"email": name(kind, sample)});
            server.confirmed_user(&pool, &name(kind, sample), PASSWORD, email).await;
        }
        administer(server, "AdminDisableUser", &pool, &name("shut", sample)).await;
    }
    (pool, client)
}

#[tokio::test]
async fn nobody_is_told_from_users_by_a_sign_in() {
    both_engines(async |server| compare_sign_ins(&server, &json!({})).await).await;
}

/// What is wrong is remembered of users and of stand-ins.
#[tokio::test]
async fn nobody_is_told_from_users_by_threat_protection() {
    let flows = json!({"CustomAuthMode": "AUDIT"});
    let add_ons = json!({"AdvancedSecurityMode": "AUDIT", "AdvancedSecurityAdditionalFlows": flows});
    let members = json!({"UserPoolTier": "PLUS", "UserPoolAddOns": add_ons});
    both_engines(async |server| compare_sign_ins(&server, &members).await).await;
}

async fn compare_sign_ins(server: &Server, more: &Value) {
    let (pool, client) = &scene(server, more).await;
    let begin = async |flow: &str, username: &str, more: Value| {
        let parameters = with(json!({"USERNAME": username}), &more);
        server.call("InitiateAuth", begin(client, flow, parameters)).await
    };
    let reply = async |challenge: &Answer, username: &str, responses: Value| {
        let responses = with(json!({"USERNAME": username}), &responses);
        server.call("RespondToAuthChallenge", answer(client, &challenge.body, responses)).await
    };
    let srp_a = srp::initiate("", "")["AuthParameters"]["SRP_A"].clone();
    let prove = async |challenge: &Answer, username: &str| {
        reply(challenge, username, srp::respond(&challenge.body, pool, WRONG)).await
    };
    let prefer = |challenge: &str| json!({"PREFERRED_CHALLENGE": challenge});

    let told = look_alike(server, "USER_PASSWORD_AUTH", SIGN_IN, async |name| {
        vec![begin("USER_PASSWORD_AUTH", &name, json!({"PASSWORD": WRONG})).await]
    });
    assert_eq!(told.await.error(), INCORRECT);
    let told = look_alike(server, "USER_SRP_AUTH", SIGN_IN, async |name| {
        let challenge = begin("USER_SRP_AUTH", &name, json!({"SRP_A": srp_a})).await;
        let told = prove(&challenge, &name).await;
        vec![challenge, told]
    });
    assert_eq!(told.await.error(), INCORRECT);

    for first in ["PASSWORD", "PASSWORD_SRP", "EMAIL_OTP", "SMS_OTP", "WEB_AUTHN", "nonsense"] {
        let told = look_alike(server, first, SIGN_IN, async |name| {
            let mut answers = vec![begin("USER_AUTH", &name, prefer(first)).await];
            match first {
                "PASSWORD" => answers.push(reply(&answers[0], &name, json!({"PASSWORD": WRONG})).await),
                "PASSWORD_SRP" => {
                    answers.push(reply(&answers[0], &name, json!({"SRP_A": srp_a})).await);
                    answers.push(prove(&answers[1], &name).await);
                }
                "EMAIL_OTP" => answers.push(reply(&answers[0], &name, json!({"EMAIL_OTP_CODE": "00000000"})).await),
                _ => {}
            }
            answers
        })
        .await;
        match first {
            "PASSWORD" | "PASSWORD_SRP" => assert_eq!(told.error(), INCORRECT),
            "EMAIL_OTP" => assert_eq!(told.error(), MISMATCH),
            // Not among what a mail address leads to.
            _ => assert_eq!(told.ok()["ChallengeName"], "SELECT_CHALLENGE"),
        }
    }
    let told = look_alike(server, "PASSWORD at once", SIGN_IN, async |name| {
        vec![begin("USER_AUTH", &name, with(prefer("PASSWORD"), &json!({"PASSWORD": WRONG}))).await]
    });
    assert_eq!(told.await.error(), INCORRECT);
    for (chosen, more) in [
        ("PASSWORD", json!({"PASSWORD": WRONG})),
        ("PASSWORD_SRP", json!({"SRP_A": srp_a})),
        ("EMAIL_OTP", json!({})),
        ("WEB_AUTHN", json!({})),
    ] {
        look_alike(server, &format!("SELECT_CHALLENGE, {chosen}"), SIGN_IN, async |name| {
            let choices = begin("USER_AUTH", &name, json!({})).await;
            let told = reply(&choices, &name, with(json!({"ANSWER": chosen}), &more)).await;
            vec![choices, told]
        })
        .await;
    }
    let told = look_alike(server, "CUSTOM_AUTH", ["here", "gone"], async |name| {
        let challenge = begin("CUSTOM_AUTH", &name, json!({})).await;
        let told = reply(&challenge, &name, json!({"ANSWER": "wrong"})).await;
        vec![challenge, told]
    });
    assert_eq!(told.await.ok()["ChallengeName"], "CUSTOM_CHALLENGE");
}

/// Numbers are equally long and end alike, which is what masks show.
fn number(kind: &str, sample: usize) -> String {
    let kinds = ["none", "here", "gone", "shut"];
    format!("+1555{}00010{sample}", kinds.iter().position(|one| *one == kind).unwrap())
}

/// Users who are called by their numbers, and get their codes there.
#[tokio::test]
async fn nobody_is_told_from_users_by_a_code_in_a_text_message() {
    both_engines(async |server| {
        let members = json!({"UsernameAttributes": ["phone_number"], "AutoVerifiedAttributes": ["phone_number"]});
        let pool = server.pool(everything(&members)).await;
        let client = &client(&server, &pool, json!({})).await;
        for sample in 0..SAMPLES {
            for kind in ["here", "shut"] {
                let phone_number = json!({"phone_number": number(kind, sample)});
                server.confirmed_user(&pool, &number(kind, sample), PASSWORD, phone_number).await;
            }
            administer(&server, "AdminDisableUser", &pool, &number("shut", sample)).await;
        }
        for first in [json!({}), json!({"PREFERRED_CHALLENGE": "SMS_OTP"}), json!({"PREFERRED_CHALLENGE": "EMAIL_OTP"})]
        {
            let told = look_alike_by(number, &server, &first.to_string(), SIGN_IN, async |name| {
                let parameters = with(json!({"USERNAME": name}), &first);
                let challenge = server.call("InitiateAuth", begin(client, "USER_AUTH", parameters)).await;
                if challenge.body["ChallengeName"] != "SMS_OTP" {
                    return vec![challenge];
                }
                let wrong = json!({"USERNAME": name, "SMS_OTP_CODE": "00000000"});
                let told = server.call("RespondToAuthChallenge", answer(client, &challenge.body, wrong)).await;
                vec![challenge, told]
            })
            .await;
            match first["PREFERRED_CHALLENGE"].as_str() {
                Some("SMS_OTP") => assert_eq!(told.error(), MISMATCH),
                _ => assert_eq!(told.ok()["AvailableChallenges"], json!(["PASSWORD_SRP", "PASSWORD", "SMS_OTP"])),
            }
        }
        let told = look_alike_by(number, &server, "ForgotPassword", SIGN_IN, async |name| {
            vec![server.call("ForgotPassword", json!({"ClientId": client, "Username": name})).await]
        });
        assert_eq!(told.await.ok()["CodeDeliveryDetails"]["DeliveryMedium"], "SMS");
    })
    .await;
}

/// Passkeys are allowed, and nobody has one; nor are there functions.
#[tokio::test]
async fn nobody_is_told_from_users_where_there_are_passkeys_or_no_functions() {
    both_engines(async |server| {
        let members = json!({
            "UsernameAttributes": ["email"],
            "AutoVerifiedAttributes": ["email"],
            "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "WEB_AUTHN"]}},
        });
        let pool = server.pool(everything(&members)).await;
        let relying_party =
            json!({"UserPoolId": pool, "WebAuthnConfiguration": {"RelyingPartyId": "auth.example.com"}});
        server.call("SetUserPoolMfaConfig", relying_party).await.ok();
        let client = &client(&server, &pool, json!({})).await;
        for sample in 0..SAMPLES {
            for kind in ["here", "shut"] {
                let email = json!({"email": name(kind, sample)});
                server.confirmed_user(&pool, &name(kind, sample), PASSWORD, email).await;
            }
            administer(&server, "AdminDisableUser", &pool, &name("shut", sample)).await;
        }
        let start = async |flow: &str, username: &str, more: &Value| {
            let parameters = with(json!({"USERNAME": username}), more);
            server.call("InitiateAuth", begin(client, flow, parameters)).await
        };
        for first in ["PASSWORD_SRP", "EMAIL_OTP", "WEB_AUTHN"] {
            look_alike(&server, first, SIGN_IN, async |name| {
                vec![start("USER_AUTH", &name, &json!({"PREFERRED_CHALLENGE": first})).await]
            })
            .await
            .ok();
            look_alike(&server, &format!("SELECT_CHALLENGE, {first}"), SIGN_IN, async |name| {
                let choices = start("USER_AUTH", &name, &json!({})).await;
                let chosen = answer(client, &choices.body, json!({"USERNAME": name, "ANSWER": first}));
                let told = server.call("RespondToAuthChallenge", chosen).await;
                vec![choices, told]
            })
            .await;
        }
        let srp_a = srp::initiate("", "")["AuthParameters"]["SRP_A"].clone();
        for more in [json!({}), json!({"CHALLENGE_NAME": "SRP_A", "SRP_A": srp_a})] {
            look_alike(&server, &format!("CUSTOM_AUTH without functions, {more}"), SIGN_IN, async |name| {
                vec![start("CUSTOM_AUTH", &name, &more).await]
            })
            .await;
        }
    })
    .await;
}

/// Users who were asked for their passkeys before some of them were deleted, and others disabled. They go by their ids,
/// under which a session is found whatever has become of the user.
#[tokio::test]
async fn nobody_is_told_from_users_by_an_answer_with_a_passkey() {
    both_engines(async |server| {
        let members =
            json!({"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "WEB_AUTHN"]}}});
        let pool = server.pool(everything(&members)).await;
        let relying_party =
            json!({"UserPoolId": pool, "WebAuthnConfiguration": {"RelyingPartyId": "auth.example.com"}});
        server.call("SetUserPoolMfaConfig", relying_party).await.ok();
        let client = &client(&server, &pool, json!({})).await;
        let mut answers = BTreeMap::new();
        for (kind, deed) in [("none", ""), ("here", ""), ("gone", "AdminDeleteUser"), ("shut", "AdminDisableUser")] {
            for sample in 0..SAMPLES {
                let username = name(kind, sample);
                server.confirmed_user(&pool, &username, PASSWORD, json!({})).await;
                let tokens = server.sign_in(client, &username, PASSWORD).await.ok();
                let token = json!({"AccessToken": tokens["AuthenticationResult"]["AccessToken"]});
                let started = server.call("StartWebAuthnRegistration", token.clone()).await.ok();
                let credential = Authenticator::es256(1).create(&started["CredentialCreationOptions"], |_| ());
                let credential = with(token.clone(), &json!({"Credential": credential}));
                server.call("CompleteWebAuthnRegistration", credential).await.ok();
                let user = server.call("GetUser", token).await.ok();
                let sub = user["UserAttributes"].as_array().unwrap().iter().find(|one| one["Name"] == "sub").unwrap();
                let preferred = json!({"USERNAME": username, "PREFERRED_CHALLENGE": "WEB_AUTHN"});
                let challenge = server.call("InitiateAuth", begin(client, "USER_AUTH", preferred)).await.ok();
                // The passkey that is asked for, in the hands of somebody who has made up its key.
                let options = challenge["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"].as_str().unwrap();
                let options = serde_json::from_str(options).unwrap();
                let credential = Authenticator::es256(1).get(&options, |_| ()).to_string();
                let responses = json!({"USERNAME": sub["Value"], "CREDENTIAL": credential});
                answers.insert(username.clone(), answer(client, &challenge, responses));
                if !deed.is_empty() {
                    administer(&server, deed, &pool, &username).await;
                }
            }
        }
        let told = look_alike(&server, "an answer to WEB_AUTHN", SIGN_IN, async |name| {
            vec![server.call("RespondToAuthChallenge", answers[&name].clone()).await]
        });
        assert_eq!(told.await.error(), INCORRECT);
    })
    .await;
}

#[tokio::test]
async fn nobody_is_told_from_users_by_a_recovery_or_a_confirmation() {
    both_engines(async |server| {
        let (_, client) = &scene(&server, &json!({})).await;
        let call = async |operation: &str, username: &str, more: Value| {
            let body = with(json!({"ClientId": client, "Username": username}), &more);
            server.call(operation, body).await
        };
        let told = look_alike(&server, "ForgotPassword", SIGN_IN, async |name| {
            let asked = call("ForgotPassword", &name, json!({})).await;
            let more = json!({"ConfirmationCode": "000000", "Password": "Next-Passw0rd"});
            let told = call("ConfirmForgotPassword", &name, more).await;
            vec![asked, told]
        });
        assert_eq!(told.await.error(), RESET_MISMATCH);
        look_alike(&server, "ResendConfirmationCode", SIGN_UP, async |name| {
            vec![call("ResendConfirmationCode", &name, json!({})).await]
        })
        .await
        .ok();
        let told = look_alike(&server, "ConfirmSignUp", SIGN_UP, async |name| {
            vec![call("ConfirmSignUp", &name, json!({"ConfirmationCode": "000000"})).await]
        });
        assert_eq!(told.await.error(), RESET_MISMATCH);
    })
    .await;
}

/// A message is as long whoever it is for, and a code is kept; what is for nobody is never shown.
#[tokio::test]
async fn as_much_is_written_for_nobody() {
    both_engines(async |server| {
        let (pool, client) = &scene(&server, &json!({})).await;
        for (operation, kinds, purpose) in [
            ("ForgotPassword", SIGN_IN.as_slice(), Some(CodePurpose::Reset)),
            ("ResendConfirmationCode", &SIGN_UP, Some(CodePurpose::SignUp)),
            ("InitiateAuth", &SIGN_IN, None),
        ] {
            let mut lengths = Vec::new();
            for kind in kinds {
                let username = name(kind, 0);
                let body = match operation {
                    "InitiateAuth" => {
                        begin(client, "USER_AUTH", json!({"USERNAME": username, "PREFERRED_CHALLENGE": "EMAIL_OTP"}))
                    }
                    _ => json!({"ClientId": client, "Username": username}),
                };
                let before = server.app.store.recent_messages(None, 1_000).await.unwrap().len();
                server.call(operation, body).await.ok();
                let messages = server.app.store.recent_messages(None, 1_000).await.unwrap();
                assert_eq!(messages.len(), before + 1, "{operation}: {kind}");
                let newest = &messages[0].value;
                let is_real = ["here", "news"].contains(kind);
                let state = if is_real { MessageState::Sent } else { MessageState::Nobodys };
                assert_eq!(newest.state, state, "{operation}: {kind}");
                lengths.push(json!(newest).to_string().len());
                if let Some(purpose) = purpose {
                    let code = server.app.store.code(pool, &newest.sub, purpose).await.unwrap();
                    assert!(code.is_some(), "{operation}: {kind}");
                }
            }
            let (least, most) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
            assert!(most - least < most / 20, "{operation}: {lengths:?}");
        }
        for nobody in ["nobody@example.com", "+10000000000"] {
            assert!(server.messages(pool, nobody).await.is_empty(), "{nobody}");
        }
    })
    .await;
}

/// What the service's own answers tell, so that it cannot be hidden here: docs/security.md lists the same.
#[tokio::test]
async fn what_the_reference_itself_gives_away() {
    let server = Server::memory().await;
    let (_, client) = &scene(&server, &json!({})).await;
    let call = async |operation: &str, username: &str, more: Value| {
        let body = with(json!({"ClientId": client, "Username": username}), &more);
        server.call(operation, body).await
    };
    // A reset code that nobody asked for.
    let reset = json!({"ConfirmationCode": "000000", "Password": "Next-Passw0rd"});
    for (username, told) in [
        (name("here", 0), "ExpiredCodeException: Invalid code provided, please request a code again."),
        (name("gone", 0), RESET_MISMATCH),
        (name("shut", 0), RESET_MISMATCH),
    ] {
        assert_eq!(call("ConfirmForgotPassword", &username, reset.clone()).await.error(), told, "{username}");
    }
    // A sign-up that is confirmed, or is not.
    let confirmed = call("ResendConfirmationCode", &name("here", 0), json!({})).await;
    assert_eq!(confirmed.error(), "InvalidParameterException: User is already confirmed.");
    let unconfirmed = server.sign_in(client, &name("news", 0), WRONG).await;
    assert_eq!(unconfirmed.error(), "UserNotConfirmedException: User is not confirmed.");
    let taken = call("SignUp", &name("here", 0), json!({"Password": PASSWORD})).await;
    assert!(taken.error().starts_with("UsernameExistsException: "), "{}", taken.error());
}
