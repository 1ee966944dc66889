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
        let rows = [
            ("gone", "AdminDeleteUser", UNKNOWN),
            ("twice", TWICE, "DeviceKeyExistsException: Device key already exists."),
        ];
        let prepare = async |username: &str| new_device(&house, username).await.1;
        house.each_overtaken("ConfirmDevice", rows, prepare).await;
    })
    .await;
}

/// DEVICE_PASSWORD_VERIFIER of a new user, and the right answer to it.
async fn device_proof(house: &House, username: &str) -> Value {
    let (device, request) = new_device(house, username).await;
    house.server.call("ConfirmDevice", request).await.ok();
    let parameters = json!({"USERNAME": username, "PASSWORD": PASSWORD, "DEVICE_KEY": device.key});
    let request = json!({"ClientId": house.client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters});
    let challenge = house.server.call("InitiateAuth", request).await.ok();
    let request = house.answer(&challenge, username, device.start(username));
    let challenge = house.server.call("RespondToAuthChallenge", request).await.ok();
    house.answer(&challenge, username, device.respond(&challenge, username))
}

#[tokio::test]
async fn a_device_that_proves_itself() {
    both_engines(async |server| {
        let house = with_devices(server).await;
        let rows = [
            ("set", "AdminSetUserPassword", INVALID_SESSION),
            ("off", "AdminDisableUser", DISABLED),
            ("gone", "AdminDeleteUser", INVALID_SESSION),
            ("forgotten", "AdminForgetDevice", NO_DEVICE),
            ("doubted", "AdminUpdateDeviceStatus", INVALID_SESSION),
            ("twice", TWICE, USED_SESSION),
        ];
        let prepare = async |username: &str| device_proof(&house, username).await;
        house.each_overtaken("RespondToAuthChallenge", rows, prepare).await;
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
        let forget = house.administer("AdminForgetDevice", "forgotten");
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
        let rows = [
            ("off", "AdminDisableUser", DISABLED),
            ("gone", "AdminDeleteUser", UNKNOWN),
            ("out", "AdminUserGlobalSignOut", SIGNED_OUT),
        ];
        let prepare = async |username: &str| registration(&house, username).await;
        house.each_overtaken("StartWebAuthnRegistration", rows, prepare).await;
        let rows = rows.into_iter().chain([("twice", TWICE, NO_REGISTRATION)]);
        let rows = rows.map(|(username, deed, expected)| (format!("{username}2"), deed, expected));
        let prepare = async |username: &str| credential(&house, username, &mut Authenticator::es256(1)).await;
        house.each_overtaken("CompleteWebAuthnRegistration", rows, prepare).await;
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
            let rows = [
                ("off", "AdminDisableUser", DISABLED),
                ("gone", "AdminDeleteUser", INCORRECT),
                ("twice", TWICE, USED_SESSION),
            ];
            let rows = rows.map(|(username, deed, expected)| (format!("{username}{counts}"), deed, expected));
            let prepare = async |username: &str| assertion(&house, username, &mut new()).await;
            house.each_overtaken("RespondToAuthChallenge", rows, prepare).await;
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
        let rows = [("off", "AdminDisableUser", DISABLED), ("gone", "AdminDeleteUser", UNKNOWN)];
        let prepare = async |username: &str| association(&house, username).await;
        house.each_overtaken("AssociateSoftwareToken", rows, prepare).await;
        let rows = rows.into_iter().chain([("twice", TWICE, REUSED)]);
        let rows = rows.map(|(username, deed, expected)| (format!("{username}2"), deed, expected));
        let prepare = async |username: &str| first_code(&house, username).await;
        house.each_overtaken("VerifySoftwareToken", rows, prepare).await;
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
            ("twice", TWICE, USED_SESSION),
        ];
        let verify = async |username: &str| {
            house.server.confirmed_user(&house.pool, username, PASSWORD, json!({})).await;
            let challenge = house.server.sign_in(&house.client, username, PASSWORD).await.ok();
            assert_eq!(challenge["ChallengeName"], "MFA_SETUP");
            let request = json!({"Session": challenge["Session"]});
            let handed_out = house.server.call("AssociateSoftwareToken", request).await.ok();
            json!({"Session": handed_out["Session"], "UserCode": code_of(&house, &handed_out)})
        };
        house.each_overtaken("VerifySoftwareToken", rows, verify).await;
        let go_on = async |username: &str| {
            let verified = house.server.call("VerifySoftwareToken", verify(username).await).await.ok();
            let session = json!({"ChallengeName": "MFA_SETUP", "Session": verified["Session"]});
            house.answer(&session, username, json!({}))
        };
        let rows = rows.map(|(username, deed, expected)| (format!("{username}2"), deed, expected));
        house.each_overtaken("RespondToAuthChallenge", rows, go_on).await;
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
