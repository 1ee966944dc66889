//! Password hashes of other systems.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use domain::PasswordHash;
use service::settings::SrpOff;
use testkit::srp::SignIn;

use super::*;

const INCORRECT: &str = "NotAuthorizedException: Incorrect username or password.";
/// What each of these is a hash of, but for that of Argon2id.
const PASSWORD: &str = "Passw0rd!";
/// Made by libxcrypt.
pub(super) const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuchGdllX0O2ZthG6oyaPSbmBrCIbnHlu";
/// Made by Python's hashlib, as that of PBKDF2.
const SCRYPT: &str = "$scrypt$ln=10,r=8,p=1$c29tZXNhbHRzb21lc2FsdA$jVtKfUjAbv6w1+oGesXC8XSb4m7h5wHKwpWKQ5qdHU4";
/// Of `password`, from the test file of the reference implementation.
const ARGON2ID: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
const PBKDF2: &str = "$pbkdf2-sha256$i=1000$c29tZXNhbHRzb21lc2FsdA$5FmgcGSyVtOqzX9RGJrZJPPOxSggPH5vJPXWVvHHtbg";

/// The file of a job with hashes.
async fn hashed(server: &Server, pool: &str, users: &[Value]) -> String {
    let mut header = header(server, pool).await;
    header.push("cognito:password_hash".to_owned());
    file(&header, users)
}

fn user(name: &str, hash: &str) -> Value {
    // Commas inside values are escaped.
    json!({"cognito:username": name, "cognito:password_hash": hash.replace(',', "\\,")})
}

async fn srp(server: &Server, client: &str, pool: &str, username: &str, password: &str) -> Answer {
    SignIn::start(server, client, pool, username, password).await.finish(server).await
}

async fn current(server: &Server, pool: &str, username: &str) -> PasswordHash {
    let sub = admin_get(server, pool, username).await.ok()["UserAttributes"][0]["Value"].as_str().unwrap().to_owned();
    server.app.store.password(pool, &sub).await.unwrap().unwrap().value.current
}

#[tokio::test]
async fn an_old_password_signs_in_and_is_kept_in_the_pools_own_form_from_then_on() {
    for srp_off in [SrpOff::Pools(Vec::new()), SrpOff::Everywhere] {
        let is_srp_off = srp_off == SrpOff::Everywhere;
        let server = Server::builder().settings(|settings| settings.srp_off = srp_off).start().await;
        let pool = pool(&server, json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        for (algorithm, password, hash) in [
            ("BCRYPT", PASSWORD, BCRYPT),
            ("SCRYPT", PASSWORD, SCRYPT),
            ("ARGON2ID", "password", ARGON2ID),
            ("PBKDF2_SHA256", PASSWORD, PBKDF2),
        ] {
            let name = algorithm.to_lowercase();
            let text = hashed(&server, &pool, &[user(&name, hash)]).await;
            let job = import(&server, &pool, json!({"PasswordHashingAlgorithm": algorithm}), &text).await;
            assert_eq!((counts(&job), &job["PasswordHashingAlgorithm"]), ([1, 0, 0], &json!(algorithm)));
            assert_eq!(admin_get(&server, &pool, &name).await.ok()["UserStatus"], "CONFIRMED");
            let stored = current(&server, &pool, &name).await;
            assert!(matches!(&stored, PasswordHash::Imported { .. }), "{stored:?}");
            let text = serde_json::to_string(&stored).unwrap();
            assert!(!text.contains(hash) && !text.contains(&STANDARD_NO_PAD.encode(hash)), "it is sealed: {text}");

            assert_eq!(server.sign_in(&client, &name, "Passw0rd?").await.error(), INCORRECT);
            assert!(matches!(current(&server, &pool, &name).await, PasswordHash::Imported { .. }));
            if !is_srp_off {
                // There is nothing to check the old hash with.
                assert_eq!(srp(&server, &client, &pool, &name, password).await.error(), INCORRECT);
            }
            server.sign_in(&client, &name, password).await.ok();
            let replaced = current(&server, &pool, &name).await;
            assert_eq!(matches!(replaced, PasswordHash::Argon2id { .. }), is_srp_off);
            assert_eq!(matches!(replaced, PasswordHash::Srp { .. }), !is_srp_off);
            server.sign_in(&client, &name, password).await.ok();
            if !is_srp_off {
                srp(&server, &client, &pool, &name, password).await.ok();
            }
        }
    }
}

#[tokio::test]
async fn an_old_password_can_be_changed_and_reset() {
    both_engines(async |server| {
        let policy = json!({"PasswordPolicy": {"MinimumLength": 8, "PasswordHistorySize": 2}});
        let pool = pool(&server, json!({"Policies": policy})).await;
        let client = server.client_id(&pool, json!({})).await;
        let text = hashed(&server, &pool, &[user("alice", PBKDF2), user("bob", PBKDF2)]).await;
        import(&server, &pool, json!({"PasswordHashingAlgorithm": "PBKDF2_SHA256"}), &text).await;
        server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await.ok();
        let code = server.last_code(&pool, "alice").await;
        let reset = async |password: &str| {
            let request =
                json!({"ClientId": client, "Username": "alice", "ConfirmationCode": code, "Password": password});
            server.call("ConfirmForgotPassword", request).await
        };
        // It counts as a password that has been used.
        assert_eq!(
            reset(PASSWORD).await.error(),
            "PasswordHistoryPolicyViolationException: Password has previously been used"
        );
        reset("Passw0rd?2").await.ok();
        assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), INCORRECT);
        server.sign_in(&client, "alice", "Passw0rd?2").await.ok();
        let request = json!({"UserPoolId": pool, "Username": "bob", "Password": "Passw0rd?3", "Permanent": true});
        server.call("AdminSetUserPassword", request).await.ok();
        assert_eq!(server.sign_in(&client, "bob", PASSWORD).await.error(), INCORRECT);
        server.sign_in(&client, "bob", "Passw0rd?3").await.ok();
    })
    .await;
}

#[tokio::test]
async fn hashes_that_cannot_be_checked_are_failed_lines() {
    both_engines(async |server| {
        let pool = pool(&server, json!({})).await;
        let users = [
            user("good", BCRYPT),
            user("other", PBKDF2),
            user("clear", "Passw0rd!"),
            user("dear", &BCRYPT.replace("$04$", "$31$")),
            user("short", &BCRYPT[..50]),
            // May set a password by a code, as in any other job.
            user("none", ""),
        ];
        let text = hashed(&server, &pool, &users).await;
        let job = import(&server, &pool, json!({"PasswordHashingAlgorithm": "BCRYPT"}), &text).await;
        assert_eq!(counts(&job), [2, 0, 4]);
        let logged = log(&server, &pool, &job).await;
        insta::allow_duplicates! { insta::assert_snapshot!(logged, @"
        [FAILED] Line Number 3 - The password hash was made with another algorithm than the job says.
        [FAILED] Line Number 4 - The password hash is not of a known form.
        [FAILED] Line Number 5 - The password hash would cost too much time or memory to check.
        [FAILED] Line Number 6 - The password hash is not of a known form.
        [SUCCEEDED] 2 users were imported, 0 lines skipped, 4 lines failed.
        ") };
        assert_eq!(admin_get(&server, &pool, "none").await.ok()["UserStatus"], "RESET_REQUIRED");
        // The column belongs to jobs with an algorithm, and to no others.
        let job = import(&server, &pool, json!({}), &text).await;
        assert_eq!(
            job["CompletionMessage"],
            "The header of the file does not match the user pool: it has an unknown column cognito:password_hash."
        );
        let plain = file(&header(&server, &pool).await, &[json!({"cognito:username": "x"})]);
        let job = import(&server, &pool, json!({"PasswordHashingAlgorithm": "BCRYPT"}), &plain).await;
        assert_eq!(
            job["CompletionMessage"],
            "The header of the file does not match the user pool: the column cognito:password_hash is missing."
        );
    })
    .await;
}
