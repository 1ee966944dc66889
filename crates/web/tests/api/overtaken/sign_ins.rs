//! Proofs of passwords and codes, whose user, password, count or session changes before they are accepted.

use testkit::srp;

use super::*;

/// The request that a sign-in begins with.
fn begin(house: &House, flow: &str, parameters: Value) -> Value {
    json!({"ClientId": house.client, "AuthFlow": flow, "AuthParameters": parameters})
}

#[tokio::test]
async fn a_password() {
    in_a_house(async |house| {
        let rows = [
            ("set", "AdminSetUserPassword", INCORRECT),
            ("off", "AdminDisableUser", DISABLED),
            ("gone", "AdminDeleteUser", UNKNOWN),
            ("reset", "AdminResetUserPassword", RESET),
        ];
        let prepare = async |username: &str| {
            house.user(username).await;
            begin(&house, "USER_PASSWORD_AUTH", json!({"USERNAME": username, "PASSWORD": PASSWORD}))
        };
        house.each_overtaken("InitiateAuth", rows, prepare).await;
    })
    .await;
}

#[tokio::test]
async fn five_wrong_passwords() {
    in_a_house(async |house| {
        for failed_before in [0, 2] {
            let username = format!("guessed{failed_before}");
            house.user(&username).await;
            for _ in 0..failed_before {
                assert_eq!(house.twin.sign_in(&house.client, &username, "Wr0ng-one").await.error(), INCORRECT);
            }
            let guesses = async {
                for _ in 0..5 - failed_before {
                    assert_eq!(house.twin.sign_in(&house.client, &username, "Wr0ng-one").await.error(), INCORRECT);
                }
            };
            let request = begin(&house, "USER_PASSWORD_AUTH", json!({"USERNAME": username, "PASSWORD": PASSWORD}));
            assert_eq!(said(&house.overtaken(0, "InitiateAuth", request, guesses).await), LOCKED, "{failed_before}");
        }
    })
    .await;
}

/// PASSWORD_VERIFIER, and the right answer to it.
async fn proof(house: &House, username: &str) -> Value {
    let challenge = house.server.call("InitiateAuth", srp::initiate(&house.client, username)).await.ok();
    house.answer(&challenge, username, srp::respond(&challenge, &house.pool, PASSWORD))
}

#[tokio::test]
async fn a_proof() {
    in_a_house(async |house| {
        let rows = [
            ("set", "AdminSetUserPassword", INCORRECT),
            ("off", "AdminDisableUser", DISABLED),
            ("gone", "AdminDeleteUser", UNKNOWN),
            ("reset", "AdminResetUserPassword", RESET),
            ("twice", TWICE, USED_SESSION),
        ];
        let prepare = async |username: &str| {
            house.user(username).await;
            proof(&house, username).await
        };
        house.each_overtaken("RespondToAuthChallenge", rows, prepare).await;
    })
    .await;
}

/// What was read to see whether a code may be sent is not what is sent by: when another code, or a factor that is
/// switched on, comes in between, everything is looked at anew.
#[tokio::test]
async fn a_proof_that_a_code_follows() {
    in_a_house(async |house| {
        house.user("text").await;
        let settings = json!({"UserPoolId": house.pool, "Username": "text", "SMSMfaSettings": mfa::preferred()});
        house.server.call("AdminSetUserMFAPreference", settings).await.ok();
        // The last code of the hour is another's: first before the proof is used up, then after it.
        let codes = house.server.app.settings.limits.sign_in_codes_per_hour;
        for _ in 0..codes - 2 {
            house.server.sign_in(&house.client, "text", PASSWORD).await.ok();
        }
        let ask = async || drop(house.twin.sign_in(&house.client, "text", PASSWORD).await.ok());
        let request = proof(&house, "text").await;
        let answer = house.overtaken(1, "RespondToAuthChallenge", request, ask()).await.ok();
        assert_eq!(answer["ChallengeName"], "SMS_MFA");
        house.server.advance(3_600);
        house.twin.advance(3_600);
        for _ in 0..codes - 1 {
            house.server.sign_in(&house.client, "text", PASSWORD).await.ok();
        }
        let request = proof(&house, "text").await;
        let refused = house.overtaken(1, "RespondToAuthChallenge", request, ask()).await;
        assert!(said(&refused).starts_with("TooManyRequestsException"), "{}", refused.body);
        assert_eq!(house.server.messages(&house.pool, "text").await.len(), 2 * codes);
        // A factor that is switched on before the proof is used up is asked for.
        house.user("late").await;
        let switch_on = async {
            let settings = json!({"UserPoolId": house.pool, "Username": "late", "EmailMfaSettings": mfa::preferred()});
            house.twin.call("AdminSetUserMFAPreference", settings).await.ok();
        };
        let request = proof(&house, "late").await;
        let answer = house.overtaken(0, "RespondToAuthChallenge", request, switch_on).await.ok();
        assert_eq!(answer["ChallengeName"], "EMAIL_OTP");
    })
    .await;
}

/// What is looked at before a proof is used up, to see whether the code may be sent, is not read again to send it: a proof
/// costs no more reads than a password, which can be repeated and of which nothing is looked at beforehand.
#[tokio::test]
async fn what_was_looked_at_is_not_read_again() {
    in_a_house(async |house| {
        house.user("text").await;
        let settings = json!({"UserPoolId": house.pool, "Username": "text", "SMSMfaSettings": mfa::preferred()});
        house.server.call("AdminSetUserMFAPreference", settings).await.ok();
        let password = begin(&house, "USER_PASSWORD_AUTH", json!({"USERNAME": "text", "PASSWORD": PASSWORD}));
        let reads = async |operation: &str, request: Value| {
            let before = house.server.app.store.statistics().reads;
            assert_eq!(house.server.call(operation, request).await.ok()["ChallengeName"], "SMS_MFA");
            house.server.app.store.statistics().reads - before
        };
        // What is kept in memory is read the first time.
        reads("InitiateAuth", password.clone()).await;
        let proof = proof(&house, "text").await;
        let (proof, password) = (reads("RespondToAuthChallenge", proof).await, reads("InitiateAuth", password).await);
        assert!(proof <= password, "{proof} reads for a proof, {password} for a password");
    })
    .await;
}

/// EMAIL_OTP as the first factor of a new user, and the right answer to it.
async fn first_code(house: &House, username: &str) -> Value {
    house.user(username).await;
    let parameters = json!({"USERNAME": username, "PREFERRED_CHALLENGE": "EMAIL_OTP"});
    let challenge = house.server.call("InitiateAuth", begin(house, "USER_AUTH", parameters)).await.ok();
    let code = house.server.last_code(&house.pool, username).await;
    house.answer(&challenge, username, json!({"EMAIL_OTP_CODE": code}))
}

#[tokio::test]
async fn a_first_code() {
    in_a_house(async |house| {
        let rows = [
            ("off", "AdminDisableUser", DISABLED),
            ("moved", "AdminUpdateUserAttributes", INVALID_SESSION),
            ("reset", "AdminResetUserPassword", INVALID_SESSION),
            ("gone", "AdminDeleteUser", mfa::WRONG_CODE),
            ("twice", TWICE, USED_SESSION),
        ];
        let prepare = async |username: &str| first_code(&house, username).await;
        house.each_overtaken("RespondToAuthChallenge", rows, prepare).await;
    })
    .await;
}

/// SMS_MFA after the password of a new user, and the right answer to it.
async fn second_code(house: &House, username: &str) -> Value {
    house.user(username).await;
    let settings = json!({"UserPoolId": house.pool, "Username": username, "SMSMfaSettings": mfa::preferred()});
    house.server.call("AdminSetUserMFAPreference", settings).await.ok();
    let challenge = house.server.sign_in(&house.client, username, PASSWORD).await.ok();
    let code = house.server.last_code(&house.pool, username).await;
    house.answer(&challenge, username, json!({"SMS_MFA_CODE": code}))
}

#[tokio::test]
async fn a_second_factor() {
    in_a_house(async |house| {
        let rows = [
            ("set", "AdminSetUserPassword", INVALID_SESSION),
            ("off", "AdminDisableUser", DISABLED),
            ("gone", "AdminDeleteUser", INVALID_SESSION),
            ("reset", "AdminResetUserPassword", RESET),
            ("twice", TWICE, USED_SESSION),
        ];
        let prepare = async |username: &str| second_code(&house, username).await;
        house.each_overtaken("RespondToAuthChallenge", rows, prepare).await;
        let request = second_code(&house, "guessed").await;
        let mut wrong = request.clone();
        wrong["ChallengeResponses"]["SMS_MFA_CODE"] = json!("1");
        let guesses = async {
            for _ in 0..5 {
                let refused = house.twin.call("RespondToAuthChallenge", wrong.clone()).await;
                assert_eq!(refused.error(), mfa::WRONG_CODE);
            }
        };
        assert_eq!(said(&house.overtaken(0, "RespondToAuthChallenge", request, guesses).await), LOCKED);
    })
    .await;
}

#[tokio::test]
async fn a_choice_of_a_second_factor() {
    in_a_house(async |house| {
        let rows = [
            ("set", "AdminSetUserPassword", INVALID_SESSION),
            ("off", "AdminDisableUser", DISABLED),
            ("twice", TWICE, USED_SESSION),
        ];
        let choose = async |username: &str| {
            house.user(username).await;
            let settings = json!({"SMSMfaSettings": mfa::on(), "EmailMfaSettings": mfa::on()});
            let request = with(json!({"UserPoolId": house.pool, "Username": username}), &settings);
            house.server.call("AdminSetUserMFAPreference", request).await.ok();
            let challenge = house.server.sign_in(&house.client, username, PASSWORD).await.ok();
            assert_eq!(challenge["ChallengeName"], "SELECT_MFA_TYPE");
            house.answer(&challenge, username, json!({"ANSWER": "SMS_MFA"}))
        };
        house.each_overtaken("RespondToAuthChallenge", rows, choose).await;
        for (username, deed, _) in rows {
            let sent = house.server.messages(&house.pool, username).await.len();
            assert_eq!(sent, usize::from(deed == TWICE), "{username}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_password() {
    in_a_house(async |house| {
        let rows = [
            ("set", "AdminSetUserPassword", INVALID_SESSION),
            ("off", "AdminDisableUser", DISABLED),
            ("gone", "AdminDeleteUser", INVALID_SESSION),
            ("twice", TWICE, USED_SESSION),
        ];
        let choose = async |username: &str| {
            house.user(username).await;
            crate::sign_in::set_password(&house.server, &house.pool, username, PASSWORD, false).await;
            let challenge = house.server.sign_in(&house.client, username, PASSWORD).await.ok();
            house.answer(&challenge, username, json!({"NEW_PASSWORD": "Chosen-by-me1"}))
        };
        house.each_overtaken("RespondToAuthChallenge", rows, choose).await;
        // The administrator's password is the one that counts.
        house.server.sign_in(&house.client, "set", OTHER_PASSWORD).await.ok();
    })
    .await;
}

#[tokio::test]
async fn the_session_of_a_sign_up() {
    in_a_house(async |house| {
        let rows = [
            ("off", "AdminDisableUser", DISABLED),
            ("gone", "AdminDeleteUser", INVALID_SESSION),
            ("moved", "AdminUpdateUserAttributes", INVALID_SESSION),
            ("twice", TWICE, USED_SESSION),
        ];
        let sign_up = async |username: &str| {
            let email = json!([{"Name": "email", "Value": format!("{username}@example.com")}]);
            let request = json!({"ClientId": house.client, "Username": username, "UserAttributes": email});
            let signed_up = house.server.call("SignUp", request).await.ok();
            let code = house.server.last_code(&house.pool, username).await;
            let request = json!({
                "ClientId": house.client, "Username": username, "ConfirmationCode": code, "Session": signed_up["Session"],
            });
            let confirmed = house.server.call("ConfirmSignUp", request).await.ok();
            let session = json!({"Session": confirmed["Session"]});
            with(begin(&house, "USER_AUTH", json!({"USERNAME": username})), &session)
        };
        house.each_overtaken("InitiateAuth", rows, sign_up).await;
    })
    .await;
}
