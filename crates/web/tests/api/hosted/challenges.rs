//! `/challenge`: what is asked for after the first step (auth-flows.md §5 to §7, §13; oauth-federation.md §11).

use testkit::{
    authenticator::Authenticator,
    both_engines, totp,
    triggers::{Told, lambda_config, notes},
};

use super::{
    login::{alert, is_back, sign_in, text, title},
    *,
};
use crate::{
    pools::with,
    sign_in::mfa::{all, on, preferred},
};

const PHONE: &str = "+12065550100";
const MISMATCH: &str = "Invalid code or auth state for the user.";
const LOST: &str = "Something went wrong";

/// A site whose pool has what every factor needs, with this MFA configuration, and whose alice has both addresses.
async fn scene(server: &Server, mfa: &str, pool: Value, client: Value) -> Site {
    let members = with(
        json!({
            "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"},
            "EmailConfiguration": {
                "EmailSendingAccount": "DEVELOPER",
                "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com"
            },
        }),
        &pool,
    );
    let mut site = site(server, members, client).await;
    server.call("AdminDeleteUser", json!({"UserPoolId": site.pool, "Username": "alice"})).await.ok();
    let attributes = json!({"email": "alice@example.com", "phone_number": PHONE});
    site.alice = server.confirmed_user(&site.pool, "alice", PASSWORD, attributes).await;
    if mfa != "OFF" {
        server.call("SetUserPoolMfaConfig", with(json!({"UserPoolId": site.pool}), &all(mfa))).await.ok();
    }
    site
}

/// Has alice begin anew, without addresses.
async fn without_addresses(server: &Server, site: &Site) {
    server.call("AdminDeleteUser", json!({"UserPoolId": site.pool, "Username": "alice"})).await.ok();
    server.confirmed_user(&site.pool, "alice", PASSWORD, json!({})).await;
}

async fn prefer(server: &Server, site: &Site, settings: Value) {
    let request = with(json!({"UserPoolId": site.pool, "Username": "alice"}), &settings);
    server.call("AdminSetUserMFAPreference", request).await.ok();
}

/// The page that follows alice's password.
async fn challenged(browser: &Browser<'_>, site: &Site) -> Answer {
    let page = sign_in(browser, &asked(&site.client, &[]), "alice", PASSWORD).await;
    assert_eq!(page.status, 200, "{page:?}");
    page
}

/// Answers the page's first form.
async fn answer(browser: &Browser<'_>, site: &Site, page: &Answer, with: &[(&str, &str)]) -> Answer {
    let carried: Vec<_> = ["challenge", "session", "username", "shown"]
        .map(|name| (name, hidden(page, name).replace("&#34;", "\"")))
        .into();
    let carried = carried.iter().map(|(name, value)| (*name, value.as_str()));
    let fields: Vec<_> = carried.chain(with.iter().copied()).collect();
    browser.submit(&format!("/challenge?{}", asked(&site.client, &[])), &fields).await
}

async fn last_code(server: &Server, site: &Site) -> String {
    server.last_code(&site.pool, "alice").await
}

/// The challenge that a page answers.
fn challenge(page: &Answer) -> String {
    hidden(page, "challenge")
}

/// The key that a page shows, without its gaps.
fn secret(page: &Answer) -> String {
    let (_, rest) = text(page).split_once("<code>").unwrap();
    rest.split("</code>").next().unwrap().replace(' ', "")
}

#[tokio::test]
async fn codes_that_are_sent() {
    both_engines(async |server| {
        let site = scene(&server, "OPTIONAL", json!({}), json!({})).await;
        for (setting, name, said) in [
            ("SMSMfaSettings", "SMS_MFA", "We have sent a text message with a code to +*******0100."),
            ("EmailMfaSettings", "EMAIL_OTP", "We have sent an email with a code to a***@e***."),
        ] {
            prefer(
                &server,
                &site,
                json!({"SMSMfaSettings": {"Enabled": false}, "EmailMfaSettings": {"Enabled": false}}),
            )
            .await;
            prefer(&server, &site, json!({setting: preferred()})).await;
            let browser = Browser::new(&server);
            let page = challenged(&browser, &site).await;
            assert_eq!((title(&page), challenge(&page).as_str()), ("Enter a code", name));
            assert!(text(&page).contains(said), "{}", text(&page));
            assert!(text(&page).contains("autocomplete=\"one-time-code\" inputmode=\"numeric\""));
            let code = last_code(&server, &site).await;
            let wrong = answer(&browser, &site, &page, &[("code", &crate::sign_up::other(&code))]).await;
            assert_eq!((wrong.status, alert(&wrong)), (200, Some(MISMATCH)));
            // The page says the same again, and its form is as good.
            assert!(text(&wrong).contains(said), "{}", text(&wrong));
            let empty = answer(&browser, &site, &wrong, &[("code", "")]).await;
            assert!(alert(&empty).unwrap().starts_with("Missing required parameter"), "{empty:?}");
            let spaced = format!(" {} {} ", &code[..3], &code[3..]);
            is_back(&answer(&browser, &site, &wrong, &[("code", &spaced)]).await);
            // Once.
            let again = answer(&browser, &site, &page, &[("code", &code)]).await;
            assert_eq!((again.status, alert(&again), title(&again)), (200, Some(LOST), "Sign in"));
        }
    })
    .await;
}

#[tokio::test]
async fn functions_word_the_codes() {
    let server = Server::memory().await;
    let told = Told::default();
    notes(&server, &told, "CustomMessage");
    let config = json!({"LambdaConfig": lambda_config(&["CustomMessage"])});
    let site = scene(&server, "OPTIONAL", config, json!({})).await;
    prefer(&server, &site, json!({"SMSMfaSettings": preferred()})).await;
    told.take();
    challenged(&Browser::new(&server), &site).await;
    assert_eq!(told.only()["triggerSource"], "CustomMessage_Authentication");
}

#[tokio::test]
async fn an_app_is_set_up_and_asked() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        crate::software_tokens::offer_tokens(&server, &site.pool, "ON").await;
        without_addresses(&server, &site).await;
        let browser = Browser::new(&server);
        let page = challenged(&browser, &site).await;
        assert_eq!((title(&page), challenge(&page).as_str()), ("Set up an authenticator app", "MFA_SETUP"));
        let secret = secret(&page);
        let link = format!("href=\"otpauth://totp/test%3Aalice?secret={secret}&#38;issuer=test\"");
        assert!(text(&page).contains(&link), "{}", text(&page));
        let wrong = answer(&browser, &site, &page, &[("code", "000000")]).await;
        assert_eq!(alert(&wrong), Some("Code mismatch and fail enable Software Token MFA"));
        assert_eq!(self::secret(&wrong), secret);
        let code = totp::code(&server, &secret, 0);
        is_back(&answer(&browser, &site, &wrong, &[("code", &code)]).await);

        server.advance(30);
        let page = challenged(&browser, &site).await;
        assert_eq!(challenge(&page), "SOFTWARE_TOKEN_MFA");
        let wrong = answer(&browser, &site, &page, &[("code", &code)]).await;
        assert_eq!(alert(&wrong), Some("Your software token has already been used once."));
        let code = totp::code(&server, &secret, 0);
        is_back(&answer(&browser, &site, &wrong, &[("code", &code)]).await);
    })
    .await;
}

#[tokio::test]
async fn one_of_several_factors_is_chosen() {
    both_engines(async |server| {
        let site = scene(&server, "OPTIONAL", json!({}), json!({})).await;
        prefer(&server, &site, json!({"SMSMfaSettings": on(), "EmailMfaSettings": on()})).await;
        let browser = Browser::new(&server);
        let page = challenged(&browser, &site).await;
        assert_eq!((title(&page), challenge(&page).as_str()), ("Choose a second factor", "SELECT_MFA_TYPE"));
        assert!(
            text(&page).contains("value=\"Send a text message\"") && text(&page).contains("value=\"Send an email\"")
        );
        assert!(!text(&page).contains("authenticator"));
        let page = answer(&browser, &site, &page, &[("answer", "EMAIL_OTP")]).await;
        assert_eq!(challenge(&page), "EMAIL_OTP");
        is_back(&answer(&browser, &site, &page, &[("code", &last_code(&server, &site).await)]).await);
    })
    .await;
}

#[tokio::test]
async fn a_mail_address_is_set_up() {
    both_engines(async |server| {
        let site = scene(&server, "ON", json!({}), json!({})).await;
        without_addresses(&server, &site).await;
        let browser = Browser::new(&server);
        let page = challenged(&browser, &site).await;
        assert_eq!((title(&page), challenge(&page).as_str()), ("Set up a second factor", "MFA_SETUP"));
        let wrong = answer(&browser, &site, &page, &[("email", "no address")]).await;
        assert!(alert(&wrong).is_some() && text(&wrong).contains("value=\"no address\""), "{}", text(&wrong));
        // The other way is there as well, until one of them is done.
        let app = answer(&browser, &site, &wrong, &[("answer", "SOFTWARE_TOKEN_MFA")]).await;
        assert_eq!(title(&app), "Set up an authenticator app");
        let page = answer(&browser, &site, &wrong, &[("email", "alice@example.com ")]).await;
        assert_eq!((challenge(&page).as_str(), alert(&page)), ("EMAIL_OTP", None));
        is_back(&answer(&browser, &site, &page, &[("code", &last_code(&server, &site).await)]).await);
    })
    .await;
}

#[tokio::test]
async fn a_temporary_password_is_replaced() {
    both_engines(async |server| {
        let schema = json!([
            {"Name": "given_name", "Required": true, "AttributeDataType": "String", "Mutable": true},
            {"Name": "email", "Required": true, "AttributeDataType": "String", "Mutable": true},
        ]);
        let site = site(&server, json!({"Schema": schema}), json!({})).await;
        let invited = json!({
            "UserPoolId": site.pool, "Username": "bob", "TemporaryPassword": "Temp-0rary!", "MessageAction": "SUPPRESS",
            "UserAttributes": [{"Name": "email", "Value": "bob@example.com"}],
        });
        server.call("AdminCreateUser", invited).await.ok();
        let browser = Browser::new(&server);
        let page = sign_in(&browser, &asked(&site.client, &[]), "bob", "Temp-0rary!").await;
        assert_eq!((title(&page), challenge(&page).as_str()), ("Change your password", "NEW_PASSWORD_REQUIRED"));
        assert!(text(&page).contains("name=\"requiredAttributes[given_name]\""));
        assert!(!text(&page).contains("requiredAttributes[email]"));
        let weak = [("password", "short"), ("requiredAttributes[given_name]", "Bob")];
        let again = answer(&browser, &site, &page, &weak).await;
        assert_eq!(alert(&again), Some("Password does not conform to policy: Password not long enough"));
        assert!(text(&again).contains("value=\"Bob\"") && !text(&again).contains("short\""));
        let missing = answer(&browser, &site, &again, &[("password", PASSWORD)]).await;
        assert_eq!(alert(&missing), Some("Invalid attributes given, given_name is missing"));
        let given = [("password", PASSWORD), ("requiredAttributes[given_name]", "Bob")];
        is_back(&answer(&browser, &site, &missing, &given).await);
        is_back(&sign_in(&browser, &asked(&site.client, &[]), "bob", PASSWORD).await);
    })
    .await;
}

/// A managed domain whose client has users choose how to sign in.
async fn choosing(server: &Server) -> Site {
    let factors =
        json!({"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "SMS_OTP"]}}});
    let members = json!({"ExplicitAuthFlows": ["ALLOW_USER_AUTH"], "PreventUserExistenceErrors": "ENABLED"});
    let site = scene(server, "OFF", factors, members).await;
    let managed = json!({"UserPoolId": site.pool, "Domain": PREFIX, "ManagedLoginVersion": 2});
    server.call("UpdateUserPoolDomain", managed).await.ok();
    let style = json!({"UserPoolId": site.pool, "ClientId": site.client, "UseCognitoProvidedValues": true});
    server.call("CreateManagedLoginBranding", style).await.ok();
    site
}

#[tokio::test]
async fn users_choose_how_to_sign_in() {
    both_engines(async |server| {
        let site = choosing(&server).await;
        let browser = Browser::new(&server);
        let path = format!("/login?{}", asked(&site.client, &[]));
        let page = browser.get(&path).await;
        assert!(!text(&page).contains("password\"") && text(&page).contains("value=\"Next\""), "{}", text(&page));
        let start = async || browser.submit(&path, &[("username", "alice")]).await;
        let page = start().await;
        assert_eq!((title(&page), challenge(&page).as_str()), ("Choose how to sign in", "SELECT_CHALLENGE"));
        let password = |password| [("answer", "PASSWORD"), ("password", password)];
        let wrong = answer(&browser, &site, &page, &password("wrong")).await;
        assert_eq!(alert(&wrong), Some(login::INCORRECT));
        assert!(text(&wrong).contains("value=\"Send a code by email\""));
        is_back(&answer(&browser, &site, &wrong, &password(PASSWORD)).await);
        for choice in ["EMAIL_OTP", "SMS_OTP"] {
            let page = answer(&browser, &site, &start().await, &[("answer", choice)]).await;
            assert_eq!(challenge(&page), choice);
            is_back(&answer(&browser, &site, &page, &[("code", &last_code(&server, &site).await)]).await);
        }
        // A choice without its password is asked for it.
        let page = answer(&browser, &site, &start().await, &[("answer", "PASSWORD")]).await;
        assert_eq!((title(&page), challenge(&page).as_str()), ("Enter your password", "PASSWORD"));
        is_back(&answer(&browser, &site, &page, &[("password", PASSWORD)]).await);
        // Scripts that send both at once need not change.
        is_back(&sign_in(&browser, &asked(&site.client, &[]), "alice", PASSWORD).await);
        // Names that nobody has are asked the same.
        let nobody = browser.submit(&path, &[("username", "nobody")]).await;
        assert_eq!(title(&nobody), "Choose how to sign in");
        assert_eq!(alert(&answer(&browser, &site, &nobody, &password(PASSWORD)).await), Some(login::INCORRECT));
    })
    .await;
}

#[tokio::test]
async fn a_passkey_is_asked_for_by_a_script() {
    both_engines(async |server| {
        let site = choosing(&server).await;
        let factors = json!({"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}});
        server.call("UpdateUserPool", json!({"UserPoolId": site.pool, "Policies": factors})).await.ok();
        let passkeys =
            json!({"UserPoolId": site.pool, "WebAuthnConfiguration": {"RelyingPartyId": "auth.example.com"}});
        server.call("SetUserPoolMfaConfig", passkeys).await.ok();
        let own = server.client_id(&site.pool, json!({})).await;
        let tokens = server.sign_in(&own, "alice", PASSWORD).await.ok();
        let token = tokens["AuthenticationResult"]["AccessToken"].as_str().unwrap();
        let started = server.call("StartWebAuthnRegistration", json!({"AccessToken": token})).await.ok();
        let mut key = Authenticator::es256(1);
        let credential = key.create(&started["CredentialCreationOptions"], |_| ());
        let complete = json!({"AccessToken": token, "Credential": credential});
        server.call("CompleteWebAuthnRegistration", complete).await.ok();

        let browser = Browser::new(&server);
        let path = format!("/login?{}", asked(&site.client, &[]));
        let page = browser.get(&path).await;
        assert!(!page.header("content-security-policy").unwrap().contains("script"));
        let page = browser.submit(&path, &[("username", "alice")]).await;
        assert!(text(&page).contains("value=\"Use a passkey\""), "{}", text(&page));
        let page = answer(&browser, &site, &page, &[("answer", "WEB_AUTHN")]).await;
        assert_eq!((title(&page), challenge(&page).as_str()), ("Use your passkey", "WEB_AUTHN"));
        assert!(page.header("content-security-policy").unwrap().contains(" script-src 'self';"));
        assert!(text(&page).contains("<script src=\"/_domain/my-app/_assets/passkey.js\" defer></script>"));
        assert!(text(&page).contains("<form name=\"passkeyForm\"") && text(&page).contains("name=\"credential\""));
        let script = browser.get("/_assets/passkey.js").await;
        assert_eq!((script.status, script.header("content-type")), (200, Some("text/javascript; charset=utf-8")));

        let shown: Value = serde_json::from_str(&hidden(&page, "shown").replace("&#34;", "\"")).unwrap();
        let options = serde_json::from_str(shown["CREDENTIAL_REQUEST_OPTIONS"].as_str().unwrap()).unwrap();
        let wrong = key.get(&options, |facts| "AAAA".clone_into(&mut facts.challenge)).to_string();
        let wrong = answer(&browser, &site, &page, &[("credential", &wrong)]).await;
        let refused = "This passkey was not accepted. Please try again.";
        assert_eq!((title(&wrong), alert(&wrong)), ("Use your passkey", Some(refused)));
        let credential = key.get(&options, |_| ()).to_string();
        is_back(&answer(&browser, &site, &wrong, &[("credential", &credential)]).await);
    })
    .await;
}

#[tokio::test]
async fn passkeys_belong_to_the_domain_that_has_the_pages() {
    let server = Server::builder().settings(|settings| settings.auth_domain = Some("auth.example.com".to_owned()));
    let server = server.start().await;
    let factors = json!({"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}}});
    let site = site(&server, factors, json!({})).await;
    let tokens = server.sign_in(&site.client, "alice", PASSWORD).await.ok();
    let started = json!({"AccessToken": tokens["AuthenticationResult"]["AccessToken"]});
    let started = server.call("StartWebAuthnRegistration", started).await.ok();
    assert_eq!(started["CredentialCreationOptions"]["rp"]["id"], "my-app.auth.example.com");
}

#[tokio::test]
async fn a_session_is_good_at_its_own_entrance_only() {
    both_engines(async |server| {
        let site = scene(&server, "OPTIONAL", json!({}), json!({})).await;
        prefer(&server, &site, json!({"SMSMfaSettings": preferred()})).await;
        let browser = Browser::new(&server);
        // The API's on the page.
        let of_api = server.sign_in(&site.client, "alice", PASSWORD).await.ok();
        let code = last_code(&server, &site).await;
        let page = challenged(&browser, &site).await;
        let submit = async |client: &str, session: &str, code: &str| {
            let fields = [("challenge", "SMS_MFA"), ("session", session), ("username", "alice"), ("code", code)];
            browser.submit(&format!("/challenge?{}", asked(client, &[])), &fields).await
        };
        let lost = |answer: &Answer| assert_eq!((answer.status, alert(answer)), (200, Some(LOST)), "{answer:?}");
        lost(&submit(&site.client, of_api["Session"].as_str().unwrap(), &code).await);
        // The page's at the API.
        let (session, code) = (hidden(&page, "session"), last_code(&server, &site).await);
        let respond = json!({
            "ClientId": site.client, "ChallengeName": "SMS_MFA", "Session": session,
            "ChallengeResponses": {"USERNAME": "alice", "SMS_MFA_CODE": code},
        });
        let refused = server.call("RespondToAuthChallenge", respond.clone()).await;
        assert_eq!(refused.error(), "NotAuthorizedException: Invalid session for the user.");
        let respond = with(respond, &json!({"UserPoolId": site.pool}));
        let refused = server.call("AdminRespondToAuthChallenge", respond).await;
        assert_eq!(refused.error(), "NotAuthorizedException: Invalid session for the user.");
        // Another client's, for another challenge, of somebody else, and none.
        let other = server.client_id(&site.pool, client_members(json!({}))).await;
        lost(&submit(&other, &session, &code).await);
        let answered = |challenge: &'static str, username: &'static str| {
            let fields = [
                ("challenge", challenge),
                ("session", session.as_str()),
                ("username", username),
                ("code", code.as_str()),
            ];
            let path = format!("/challenge?{}", asked(&site.client, &[]));
            let browser = &browser;
            async move { browser.submit(&path, &fields).await }
        };
        lost(&answered("EMAIL_OTP", "alice").await);
        lost(&answered("SMS_MFA", "bob").await);
        lost(&submit(&site.client, "nonsense", &code).await);
        for challenge in ["CUSTOM_CHALLENGE", "DEVICE_SRP_AUTH", "PASSWORD_VERIFIER"] {
            let page = answered(challenge, "alice").await;
            assert_eq!((page.status, title(&page)), (403, "This sign-in is not possible here"), "{challenge}");
        }
        let nothing = answered("NONSENSE", "alice").await;
        assert!(location(&nothing).starts_with("http://127.0.0.1:9229/_domain/my-app/login?"));
        // None of this has used it up.
        is_back(&submit(&site.client, &session, &code).await);
    })
    .await;
}

#[tokio::test]
async fn whoever_takes_too_long_begins_anew() {
    let server = Server::memory().await;
    let site = scene(&server, "OPTIONAL", json!({}), json!({})).await;
    prefer(&server, &site, json!({"SMSMfaSettings": preferred()})).await;
    let browser = Browser::new(&server);
    let page = challenged(&browser, &site).await;
    let code = last_code(&server, &site).await;
    server.advance(180);
    let late = answer(&browser, &site, &page, &[("code", &code)]).await;
    assert_eq!((late.status, alert(&late), title(&late)), (200, Some(LOST), "Sign in"));
    assert!(text(&late).contains("value=\"alice\""));
    // A page that is loaded anew has lost its form.
    let anew = browser.get(&format!("/challenge?{}", asked(&site.client, &[]))).await;
    assert!(location(&anew).starts_with("http://127.0.0.1:9229/_domain/my-app/login?client_id="));
}

/// Steps have as long as the client's sessions, and all of them together five minutes.
#[tokio::test]
async fn a_sign_in_ends_after_five_minutes_however_many_steps_it_takes() {
    both_engines(async |server| {
        let site = scene(&server, "OPTIONAL", json!({}), json!({"AuthSessionValidity": 15})).await;
        let both = json!({"SMSMfaSettings": on(), "EmailMfaSettings": on()});
        prefer(&server, &site, both).await;
        let browser = Browser::new(&server);
        for (first, second, is_in_time) in [(299, 0, true), (300, 0, false), (200, 99, true), (200, 100, false)] {
            let page = challenged(&browser, &site).await;
            assert_eq!(challenge(&page), "SELECT_MFA_TYPE");
            server.advance(first);
            let page = answer(&browser, &site, &page, &[("answer", "SMS_MFA")]).await;
            if alert(&page) == Some(LOST) {
                assert_eq!((first, title(&page)), (300, "Sign in"));
                continue;
            }
            let code = last_code(&server, &site).await;
            server.advance(second);
            let last = answer(&browser, &site, &page, &[("code", &code)]).await;
            if is_in_time {
                is_back(&last);
            } else {
                assert_eq!((last.status, alert(&last), title(&last)), (200, Some(LOST), "Sign in"));
            }
        }
    })
    .await;
}

/// The set-up of an authenticator app has operations of its own, and no more time.
#[tokio::test]
async fn setting_up_an_app_gives_no_more_time() {
    let server = Server::memory().await;
    let site = scene(&server, "ON", json!({}), json!({"AuthSessionValidity": 15})).await;
    without_addresses(&server, &site).await;
    let browser = Browser::new(&server);
    for (first, second, is_in_time) in [(200, 99, true), (200, 100, false)] {
        let page = challenged(&browser, &site).await;
        server.advance(first);
        let page = answer(&browser, &site, &page, &[("answer", "SOFTWARE_TOKEN_MFA")]).await;
        server.advance(second);
        let code = totp::code(&server, &secret(&page), 0);
        let last = answer(&browser, &site, &page, &[("code", &code)]).await;
        if is_in_time {
            is_back(&last);
            without_addresses(&server, &site).await;
        } else {
            assert_eq!((last.status, alert(&last), title(&last)), (200, Some(LOST), "Sign in"));
        }
    }
}

#[tokio::test]
async fn wrong_codes_lock() {
    let server = Server::memory().await;
    let site = scene(&server, "OPTIONAL", json!({}), json!({})).await;
    prefer(&server, &site, json!({"SMSMfaSettings": preferred()})).await;
    let browser = Browser::new(&server);
    let page = challenged(&browser, &site).await;
    let code = last_code(&server, &site).await;
    for _ in 0..5 {
        let wrong = answer(&browser, &site, &page, &[("code", &crate::sign_up::other(&code))]).await;
        assert_eq!(alert(&wrong), Some(MISMATCH));
    }
    let locked = answer(&browser, &site, &page, &[("code", &code)]).await;
    assert_eq!(alert(&locked), Some("Password attempts exceeded"));
}

#[tokio::test]
async fn a_pool_that_remembers_devices_asks_for_none() {
    both_engines(async |server| {
        let devices = json!({"DeviceConfiguration": {"ChallengeRequiredOnNewDevice": true, "DeviceOnlyRememberedOnUserPrompt": false}});
        let site = scene(&server, "OPTIONAL", devices, json!({})).await;
        prefer(&server, &site, json!({"SMSMfaSettings": preferred()})).await;
        let browser = Browser::new(&server);
        let page = challenged(&browser, &site).await;
        is_back(&answer(&browser, &site, &page, &[("code", &last_code(&server, &site).await)]).await);
    })
    .await;
}
