//! Devices, passkeys and software tokens that are set up or used, while they or their user go.

use testkit::{authenticator::Authenticator, srp::Device};

use super::*;

const REUSED: &str = "ExpiredCodeException: Your software token has already been used once.";
const NO_REGISTRATION: &str = "WebAuthnChallengeNotFoundException: There is no pending registration with this \
                               challenge, or it has expired. Start the registration again.";

/// A house that asks remembered devices to prove themselves.
async fn with_devices(server: Server) -> House {
    let devices = json!({"DeviceConfiguration": {"ChallengeRequiredOnNewDevice": true}});
    House::new(server, devices, "OPTIONAL", json!({})).await
}

/// A new user's new device, and the request that confirms it.
async fn new_device(house: &House, username: &str) -> (Device, Value) {
    house.user(username).await;
    let tokens = house.server.sign_in(&house.client, username, PASSWORD).await.ok();
    let device = Device::new(&tokens);
    let access = &tokens["AuthenticationResult"]["AccessToken"];
    let request =
        json!({"AccessToken": access, "DeviceKey": device.key, "DeviceSecretVerifierConfig": device.verifier()});
    (device, request)
}

#[tokio::test]
async fn a_device_that_is_confirmed() {
    both_engines(async |server| {
        let house = with_devices(server).await;
        let (_, request) = new_device(&house, "gone").await;
        let outcome = house.while_administered("ConfirmDevice", request, "AdminDeleteUser", "gone").await;
        assert_eq!(outcome, UNKNOWN);
        let (_, request) = new_device(&house, "twice").await;
        let outcome = house.twice("ConfirmDevice", request).await;
        assert!(outcome.starts_with("DeviceKeyExistsException"), "{outcome}");
    })
    .await;
}

/// DEVICE_PASSWORD_VERIFIER of a new user, the right answer to it, and the device.
async fn device_proof(house: &House, username: &str) -> (Value, Device) {
    let (device, request) = new_device(house, username).await;
    house.server.call("ConfirmDevice", request).await.ok();
    let parameters = json!({"USERNAME": username, "PASSWORD": PASSWORD, "DEVICE_KEY": device.key});
    let request = json!({"ClientId": house.client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters});
    let challenge = house.server.call("InitiateAuth", request).await.ok();
    let request = house.answer(&challenge, username, device.start(username));
    let challenge = house.server.call("RespondToAuthChallenge", request).await.ok();
    (house.answer(&challenge, username, device.respond(&challenge, username)), device)
}

#[tokio::test]
async fn a_device_that_proves_itself() {
    both_engines(async |server| {
        let house = with_devices(server).await;
        let rows = [
            ("set", "AdminSetUserPassword", INVALID_SESSION),
            ("off", "AdminDisableUser", DISABLED),
            ("gone", "AdminDeleteUser", INVALID_SESSION),
        ];
        for (username, deed, expected) in rows {
            let (request, _) = device_proof(&house, username).await;
            let outcome = house.while_administered("RespondToAuthChallenge", request, deed, username).await;
            assert_eq!(outcome, expected, "{deed}");
        }
        let rows =
            [("forgotten", "AdminForgetDevice", NO_DEVICE), ("doubted", "AdminUpdateDeviceStatus", INVALID_SESSION)];
        for (username, deed, expected) in rows {
            let (request, device) = device_proof(&house, username).await;
            let of_device = json!({
                "UserPoolId": house.pool, "Username": username, "DeviceKey": device.key,
                "DeviceRememberedStatus": "not_remembered",
            });
            let meanwhile = async { drop(house.twin.call(deed, of_device).await.ok()) };
            let answer = house.overtaken(0, "RespondToAuthChallenge", request, meanwhile).await;
            assert_eq!(said(&answer), expected, "{deed}");
        }
        let (request, _) = device_proof(&house, "twice").await;
        assert_eq!(house.twice("RespondToAuthChallenge", request).await, USED_SESSION);
    })
    .await;
}

/// A device that is forgotten after it was read, before the client is told to prove it: there is nothing to prove.
#[tokio::test]
async fn a_device_that_is_asked_to_prove_itself() {
    both_engines(async |server| {
        let house = with_devices(server).await;
        let (device, request) = new_device(&house, "forgotten").await;
        house.server.call("ConfirmDevice", request).await.ok();
        let challenge =
            house.server.call("InitiateAuth", testkit::srp::initiate(&house.client, "forgotten")).await.ok();
        let mut responses = testkit::srp::respond(&challenge, &house.pool, PASSWORD);
        responses["DEVICE_KEY"] = json!(device.key);
        let request = house.answer(&challenge, "forgotten", responses);
        let forget = async {
            let request = json!({"UserPoolId": house.pool, "Username": "forgotten", "DeviceKey": device.key});
            house.twin.call("AdminForgetDevice", request).await.ok();
        };
        // The first commit is that of the proof.
        let answer = house.overtaken(1, "RespondToAuthChallenge", request, forget).await.ok();
        assert!(answer["AuthenticationResult"]["NewDeviceMetadata"]["DeviceKey"].is_string(), "{answer}");
    })
    .await;
}

/// The request that starts the registration of a passkey.
async fn registration(house: &House, username: &str) -> Value {
    house.user(username).await;
    json!({"AccessToken": house.access_token(username).await})
}

/// The request that completes it.
async fn credential(house: &House, username: &str, key: &mut Authenticator) -> Value {
    let request = registration(house, username).await;
    let started = house.server.call("StartWebAuthnRegistration", request.clone()).await.ok();
    with(request, &json!({"Credential": key.create(&started["CredentialCreationOptions"], |_| ())}))
}

#[tokio::test]
async fn a_passkey_that_is_registered() {
    in_a_house(async |house| {
        let gone = "NotAuthorizedException: Access Token has been revoked";
        for (operation, suffix) in [("StartWebAuthnRegistration", "1"), ("CompleteWebAuthnRegistration", "2")] {
            for (deed, expected) in
                [("AdminDisableUser", DISABLED), ("AdminDeleteUser", UNKNOWN), ("AdminUserGlobalSignOut", gone)]
            {
                let username = format!("{}{suffix}", deed.to_lowercase());
                let request = match suffix {
                    "1" => registration(&house, &username).await,
                    _ => credential(&house, &username, &mut Authenticator::es256(1)).await,
                };
                let outcome = house.while_administered(operation, request, deed, &username).await;
                assert_eq!(outcome, expected, "{operation}, {deed}");
            }
        }
        let request = credential(&house, "twice", &mut Authenticator::es256(1)).await;
        assert_eq!(house.twice("CompleteWebAuthnRegistration", request).await, NO_REGISTRATION);
    })
    .await;
}

/// WEB_AUTHN of a new user with this authenticator, and the right answer to it.
async fn assertion(house: &House, username: &str, key: &mut Authenticator) -> Value {
    let request = credential(house, username, key).await;
    house.server.call("CompleteWebAuthnRegistration", request).await.ok();
    let parameters = json!({"USERNAME": username, "PREFERRED_CHALLENGE": "WEB_AUTHN"});
    let request = json!({"ClientId": house.client, "AuthFlow": "USER_AUTH", "AuthParameters": parameters});
    let challenge = house.server.call("InitiateAuth", request).await.ok();
    let options = challenge["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"].as_str().unwrap();
    let credential = key.get(&serde_json::from_str(options).unwrap(), |_| ());
    house.answer(&challenge, username, json!({"CREDENTIAL": credential.to_string()}))
}

#[tokio::test]
async fn a_passkey_that_proves_itself() {
    in_a_house(async |house| {
        // One that counts its signatures changes with each, the other does not.
        for (counts, new) in [
            ("counting", (|| Authenticator::es256(1)) as fn() -> Authenticator),
            ("same", || Authenticator::es256(1).platform()),
        ] {
            let rows = [("AdminDisableUser", DISABLED), ("AdminDeleteUser", INCORRECT)];
            for (deed, expected) in rows {
                let username = format!("{}{counts}", deed.to_lowercase());
                let request = assertion(&house, &username, &mut new()).await;
                let outcome = house.while_administered("RespondToAuthChallenge", request, deed, &username).await;
                assert_eq!(outcome, expected, "{deed}, {counts}");
            }
            let username = format!("deleted{counts}");
            let mut key = new();
            let request = assertion(&house, &username, &mut key).await;
            let token = house.access_token(&username).await;
            let delete = async {
                let request = json!({"AccessToken": token, "CredentialId": key.credential_id()});
                house.twin.call("DeleteWebAuthnCredential", request).await.ok();
            };
            assert_eq!(
                said(&house.overtaken(0, "RespondToAuthChallenge", request, delete).await),
                INCORRECT,
                "{counts}"
            );
            let username = format!("twice{counts}");
            let request = assertion(&house, &username, &mut new()).await;
            assert_eq!(house.twice("RespondToAuthChallenge", request).await, USED_SESSION, "{counts}");
        }
    })
    .await;
}

/// The request of a new user for the secret of a software token.
async fn association(house: &House, username: &str) -> Value {
    house.user(username).await;
    json!({"AccessToken": house.access_token(username).await})
}

/// The request that shows its first code.
async fn first_code(house: &House, username: &str) -> Value {
    let request = association(house, username).await;
    let handed_out = house.server.call("AssociateSoftwareToken", request.clone()).await.ok();
    with(request, &json!({"UserCode": code_of(house, &handed_out)}))
}

fn code_of(house: &House, handed_out: &Value) -> String {
    totp::code(&house.server, handed_out["SecretCode"].as_str().unwrap(), 0)
}

#[tokio::test]
async fn a_software_token_that_is_set_up() {
    in_a_house(async |house| {
        for (deed, expected) in [("AdminDisableUser", DISABLED), ("AdminDeleteUser", UNKNOWN)] {
            let username = format!("{}1", deed.to_lowercase());
            let request = association(&house, &username).await;
            let outcome = house.while_administered("AssociateSoftwareToken", request, deed, &username).await;
            assert_eq!(outcome, expected, "{deed}");
            let username = format!("{}2", deed.to_lowercase());
            let request = first_code(&house, &username).await;
            let outcome = house.while_administered("VerifySoftwareToken", request, deed, &username).await;
            assert_eq!(outcome, expected, "{deed}");
        }
        let request = first_code(&house, "twice").await;
        assert_eq!(house.twice("VerifySoftwareToken", request).await, REUSED);
        // Guesses, as many as there may be, that come before a right code is accepted.
        let request = first_code(&house, "guessed").await;
        let wrong = with(request.clone(), &json!({"UserCode": mfa::other(request["UserCode"].as_str().unwrap())}));
        let guesses = async {
            for _ in 0..15 {
                assert!(house.twin.call("VerifySoftwareToken", wrong.clone()).await.status != 200);
            }
        };
        let refused = said(&house.overtaken(0, "VerifySoftwareToken", request, guesses).await);
        assert!(refused.starts_with("TooManyRequestsException"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_software_token_that_is_set_up_in_a_sign_in() {
    both_engines(async |server| {
        let house = House::new(server, json!({}), "ON", json!({})).await;
        let rows = [
            ("set", "AdminSetUserPassword", INVALID_SESSION),
            ("off", "AdminDisableUser", DISABLED),
            ("gone", "AdminDeleteUser", INVALID_SESSION),
            ("twice", "", USED_SESSION),
        ];
        for last_step in [false, true] {
            for (name, deed, expected) in rows {
                let username = format!("{name}{last_step}");
                house.server.confirmed_user(&house.pool, &username, PASSWORD, json!({})).await;
                let challenge = house.server.sign_in(&house.client, &username, PASSWORD).await.ok();
                assert_eq!(challenge["ChallengeName"], "MFA_SETUP");
                let request = json!({"Session": challenge["Session"]});
                let handed_out = house.server.call("AssociateSoftwareToken", request).await.ok();
                let mut operation = "VerifySoftwareToken";
                let mut request = json!({"Session": handed_out["Session"], "UserCode": code_of(&house, &handed_out)});
                if last_step {
                    let verified = house.server.call(operation, request).await.ok();
                    let session = json!({"ChallengeName": "MFA_SETUP", "Session": verified["Session"]});
                    (operation, request) = ("RespondToAuthChallenge", house.answer(&session, &username, json!({})));
                }
                let outcome = match deed {
                    "" => house.twice(operation, request).await,
                    _ => house.while_administered(operation, request, deed, &username).await,
                };
                assert_eq!(outcome, expected, "{deed}, {operation}");
            }
        }
    })
    .await;
}

/// One code of an app in two sign-ins, at two servers.
#[tokio::test]
async fn a_code_of_a_software_token() {
    in_a_house(async |house| {
        let request = association(&house, "alice").await;
        let handed_out = house.server.call("AssociateSoftwareToken", request.clone()).await.ok();
        let verification = with(request, &json!({"UserCode": code_of(&house, &handed_out)}));
        house.server.call("VerifySoftwareToken", verification).await.ok();
        let settings = json!({"SoftwareTokenMfaSettings": mfa::preferred()});
        let request = with(json!({"UserPoolId": house.pool, "Username": "alice"}), &settings);
        house.server.call("AdminSetUserMFAPreference", request).await.ok();
        for server in [&house.server, &house.twin] {
            server.advance(60);
        }
        let code = json!({"SOFTWARE_TOKEN_MFA_CODE": code_of(&house, &handed_out)});
        let mut answers = Vec::new();
        for _ in 0..2 {
            let challenge = house.server.sign_in(&house.client, "alice", PASSWORD).await.ok();
            answers.push(house.answer(&challenge, "alice", code.clone()));
        }
        let [late, early] = answers.try_into().unwrap();
        let early = async { drop(house.twin.call("RespondToAuthChallenge", early).await.ok()) };
        assert_eq!(said(&house.overtaken(0, "RespondToAuthChallenge", late.clone(), early).await), REUSED);
        // The session is good for the next code still; a token that is taken away meanwhile makes it worthless.
        for server in [&house.server, &house.twin] {
            server.advance(30);
        }
        let mut late = late;
        late["ChallengeResponses"]["SOFTWARE_TOKEN_MFA_CODE"] = json!(code_of(&house, &handed_out));
        let removed =
            house.while_administered("RespondToAuthChallenge", late, "AdminDeleteSoftwareToken", "alice").await;
        assert!(removed.starts_with("SoftwareTokenMFANotFoundException"), "{removed}");
    })
    .await;
}
