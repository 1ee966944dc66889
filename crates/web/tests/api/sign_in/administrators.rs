//! The errors of AdminInitiateAuth and AdminRespondToAuthChallenge (auth-flows.md §8): administrators' servers are told
//! what clients are told, except where a client would learn too much.

use testkit::{
    srp, totp,
    triggers::{Told, lambda_config, responds},
};

use super::{mfa::*, *};

const TEMPORARY: &str = "Temp-Passw0rd";
const UNCONFIRMED: &str = "UserNotConfirmedException: User is not confirmed.";
const RESET: &str = "PasswordResetRequiredException: Password reset required for the user";

/// An administrator's server, which signs users in by this client.
struct Administrator<'a> {
    server: &'a Server,
    pool: String,
    client: String,
}

impl<'a> Administrator<'a> {
    fn new(server: &'a Server, pool: &str, client: &str) -> Self {
        Self { server, pool: pool.to_owned(), client: client.to_owned() }
    }

    async fn sign_in(&self, username: &str, password: &str) -> Answer {
        admin_sign_in(self.server, &self.pool, &self.client, username, password).await
    }

    /// The session of the challenge of this name that follows alice's password.
    async fn session(&self, password: &str, name: &str) -> String {
        session_of(&self.sign_in("alice", password).await.ok(), name)
    }

    async fn respond(&self, name: &str, session: Option<&str>, responses: Value) -> Answer {
        let request = json!({
            "UserPoolId": self.pool, "ClientId": self.client, "ChallengeName": name, "Session": session,
            "ChallengeResponses": responses,
        });
        self.server.call("AdminRespondToAuthChallenge", request).await
    }

    /// What alice answers; `with` is what the challenge asks for.
    async fn answer(&self, name: &str, session: &str, with: Value) -> Answer {
        let responses = crate::pools::with(json!({"USERNAME": "alice"}), &with);
        self.respond(name, Some(session), responses).await
    }

    /// The proof of a password, ready to send.
    async fn srp(&self, username: &str) -> Value {
        let request = crate::pools::with(srp::initiate(&self.client, username), &json!({"UserPoolId": self.pool}));
        let challenge = self.server.call("AdminInitiateAuth", request).await.ok();
        srp::respond(&challenge, &self.pool, PASSWORD)
    }
}

#[tokio::test]
async fn a_users_status() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({})).await;
        let administrator = Administrator::new(&server, &pool, &client);
        let by_password = async |username: &str| administrator.sign_in(username, PASSWORD).await.error();
        let by_proof = async |username: &str| {
            let proof = administrator.srp(username).await;
            administrator.respond("PASSWORD_VERIFIER", None, proof).await.error()
        };
        server.call("SignUp", json!({"ClientId": client, "Username": "new", "Password": PASSWORD})).await.ok();
        assert_eq!((by_password("new").await, by_proof("new").await), (UNCONFIRMED.to_owned(), UNCONFIRMED.to_owned()));
        administer(&server, "AdminResetUserPassword", &pool, "alice").await;
        assert_eq!((by_password("alice").await, by_proof("alice").await), (RESET.to_owned(), RESET.to_owned()));

        // Deleted between the two steps.
        let proof = administrator.srp("new").await;
        administer(&server, "AdminDeleteUser", &pool, "new").await;
        assert_eq!(administrator.respond("PASSWORD_VERIFIER", None, proof).await.error(), UNKNOWN);
        assert_eq!(by_password("new").await, UNKNOWN);

        // So is a client's user, where the client may know who there is.
        set_password(&server, &pool, "alice", PASSWORD, true).await;
        let sign_in = srp::SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        administer(&server, "AdminDeleteUser", &pool, "alice").await;
        assert_eq!(sign_in.finish(&server).await.error(), UNKNOWN);
    })
    .await;
}

#[tokio::test]
async fn a_new_password() {
    both_engines(async |server| {
        let policy = json!({"PasswordPolicy": {"MinimumLength": 10, "RequireSymbols": true, "PasswordHistorySize": 2}});
        let members = json!({"Policies": policy, "AliasAttributes": ["preferred_username"]});
        let pool = server.pool(members).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "bob", "Passw0rd!-bob", json!({})).await;
        server.confirmed_user(&pool, "alice", "Passw0rd!-alice", json!({})).await;
        set_password(&server, &pool, "alice", TEMPORARY, false).await;
        let administrator = Administrator::new(&server, &pool, &client);
        let session = administrator.session(TEMPORARY, "NEW_PASSWORD_REQUIRED").await;
        let name = "userAttributes.preferred_username";
        for (with, expected) in [
            (
                json!({"NEW_PASSWORD": "Short-1"}),
                "InvalidPasswordException: Password does not conform to policy: Password not long enough",
            ),
            (
                json!({"NEW_PASSWORD": TEMPORARY}),
                "PasswordHistoryPolicyViolationException: Password has previously been used",
            ),
            (
                json!({"NEW_PASSWORD": "New-Passw0rd1", name: "bob"}),
                "AliasExistsException: An account with the given preferred_username already exists.",
            ),
        ] {
            assert_eq!(administrator.answer("NEW_PASSWORD_REQUIRED", &session, with).await.error(), expected);
        }
        // None of them has used the session up.
        let good = json!({"NEW_PASSWORD": "New-Passw0rd1", name: "alice.b"});
        is_signed_in(&administrator.answer("NEW_PASSWORD_REQUIRED", &session, good).await.ok());
    })
    .await;
}

#[tokio::test]
async fn second_factors() {
    both_engines(async |server| {
        let (pool, client) = optional(&server).await;
        let secret = with_token(&server, &client).await;
        let administrator = Administrator::new(&server, &pool, &client);

        prefer(&server, &pool, json!({"SMSMfaSettings": preferred()})).await;
        let session = administrator.session(PASSWORD, "SMS_MFA").await;
        let code = server.last_code(&pool, "alice").await;
        let wrong = json!({"SMS_MFA_CODE": other(&code)});
        assert_eq!(administrator.answer("SMS_MFA", &session, wrong).await.error(), WRONG_CODE);
        is_signed_in(&administrator.answer("SMS_MFA", &session, json!({"SMS_MFA_CODE": code})).await.ok());

        prefer(&server, &pool, json!({"SoftwareTokenMfaSettings": preferred()})).await;
        let session = administrator.session(PASSWORD, "SOFTWARE_TOKEN_MFA").await;
        let answer = async |steps| {
            let code = json!({"SOFTWARE_TOKEN_MFA_CODE": totp::code(&server, &secret, steps)});
            administrator.answer("SOFTWARE_TOKEN_MFA", &session, code).await.error()
        };
        assert_eq!(answer(0).await, USED_TOKEN_CODE, "it has shown that the app has the secret");
        assert_eq!(answer(2).await, WRONG_TOKEN_CODE);
        administer(&server, "AdminDeleteSoftwareToken", &pool, "alice").await;
        assert_eq!(
            answer(1).await,
            "SoftwareTokenMFANotFoundException: User has no software token any more. Please sign in again."
        );
    })
    .await;
}

#[tokio::test]
async fn no_second_factor_where_one_is_demanded() {
    both_engines(async |server| {
        let recovery =
            json!({"AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]}});
        let pool = pool(&server, recovery, json!({"MfaConfiguration": "ON"})).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        let administrator = Administrator::new(&server, &pool, &client);
        let refused = administrator.respond("PASSWORD_VERIFIER", None, administrator.srp("alice").await).await;
        assert_eq!(
            refused.error(),
            "MFAMethodNotFoundException: User has no MFA method that can be used to sign in. Ask an administrator to set one up."
        );
    })
    .await;
}

#[tokio::test]
async fn challenges_that_the_pool_has_no_functions_for() {
    let server = Server::memory().await;
    let told = Told::default();
    responds(
        &server,
        &told,
        "DefineAuthChallenge",
        |_| json!({"challengeName": "CUSTOM_CHALLENGE", "issueTokens": false, "failAuthentication": false}),
    );
    responds(
        &server,
        &told,
        "CreateAuthChallenge",
        |_| json!({"publicChallengeParameters": {}, "privateChallengeParameters": {}}),
    );
    let missing =
        "InvalidUserPoolConfigurationException: Custom auth lambda trigger is not configured for the user pool.";
    for (triggers, is_begun) in
        [(["CreateAuthChallenge"].as_slice(), false), (&["DefineAuthChallenge", "CreateAuthChallenge"], true)]
    {
        let pool = server.pool(json!({"LambdaConfig": lambda_config(triggers)})).await;
        let client = server.client_id(&pool, json!({"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"]})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let begun = admin_initiate(&server, &pool, &client, "CUSTOM_AUTH", json!({"USERNAME": "alice"})).await;
        if is_begun {
            let session = session_of(&begun.ok(), "CUSTOM_CHALLENGE");
            let administrator = Administrator::new(&server, &pool, &client);
            let answered = administrator.answer("CUSTOM_CHALLENGE", &session, json!({"ANSWER": "2"})).await;
            assert_eq!(answered.error(), missing);
        } else {
            assert_eq!(begun.error(), missing);
        }
    }
}
