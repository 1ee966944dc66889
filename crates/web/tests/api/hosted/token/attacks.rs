//! Codes in the wrong hands.

use super::*;

/// What a code is good for once somebody has brought it.
async fn assert_spent(server: &Server, client: &str, code: &str) {
    assert_eq!(refusal(&bring(server, client, code, &[]).await), INVALID_GRANT);
}

#[tokio::test]
async fn a_code_is_good_once() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let code = code(&server, &site, &[]).await;
        let first = bring(&server, &site.client, &code, &[]).await.ok();
        assert_spent(&server, &site.client, &code).await;
        // What was given for it the first time stays good.
        server.call("GetUser", json!({"AccessToken": token(&first, "access_token")})).await.ok();
    })
    .await;
}

#[tokio::test]
async fn of_two_exchanges_at_once_one_succeeds() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let twin = server.twin().await;
        let code = code(&server, &site, &[]).await;
        let first = bring(&server, &site.client, &code, &[]);
        let second = bring(&twin, &site.client, &code, &[]);
        let (first, second) = server.overtaken(0, first, second).await;
        assert_eq!(second.status, 200, "{second:?}");
        assert_eq!(refusal(&first), INVALID_GRANT);
    })
    .await;
}

#[tokio::test]
async fn who_is_held_back_during_the_exchange_gets_nothing() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let twin = server.twin().await;
        for deed in ["AdminUserGlobalSignOut", "AdminDisableUser", "AdminDeleteUser"] {
            let request = json!({"UserPoolId": site.pool, "Username": "alice"});
            server.call("AdminEnableUser", request.clone()).await.ok();
            let code = code(&server, &site, &[]).await;
            let exchange = bring(&server, &site.client, &code, &[]);
            let (answer, _) = server.overtaken(0, exchange, twin.call(deed, request)).await;
            assert_eq!(refusal(&answer), INVALID_GRANT, "{deed}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_code_is_good_for_five_minutes_and_for_users_who_are_there() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let late = code(&server, &site, &[]).await;
        server.advance(300);
        assert_spent(&server, &site.client, &late).await;
        let request = json!({"UserPoolId": site.pool, "Username": "alice"});
        let held = code(&server, &site, &[]).await;
        for (deed, undone) in [("AdminDisableUser", "AdminEnableUser"), ("AdminResetUserPassword", "")] {
            server.call(deed, request.clone()).await.ok();
            assert_spent(&server, &site.client, &held).await;
            if !undone.is_empty() {
                server.call(undone, request.clone()).await.ok();
            }
        }
        let password = json!({"Password": PASSWORD, "Permanent": true});
        server.call("AdminSetUserPassword", with(request.clone(), &password)).await.ok();
        let left_out = code(&server, &site, &[]).await;
        server.advance(1);
        server.call("AdminUserGlobalSignOut", request.clone()).await.ok();
        assert_spent(&server, &site.client, &left_out).await;
        let gone = code(&server, &site, &[]).await;
        server.call("AdminDeleteUser", request).await.ok();
        assert_spent(&server, &site.client, &gone).await;
    })
    .await;
}

#[tokio::test]
async fn a_code_is_good_for_its_own_client_at_its_own_address() {
    both_engines(async |server| {
        let callbacks = json!({"CallbackURLs": [CALLBACK, "https://app.example/other"]});
        let site = site(&server, json!({}), callbacks.clone()).await;
        let other = server.client_id(&site.pool, client_members(callbacks)).await;
        let only_tokens =
            server.client_id(&site.pool, client_members(json!({"AllowedOAuthFlows": ["implicit"]}))).await;
        let code = code(&server, &site, &[]).await;
        assert_spent(&server, &other, &code).await;
        assert_eq!(refusal(&bring(&server, &only_tokens, &code, &[]).await), UNAUTHORIZED);
        for address in [
            "https://app.example/other",
            "https://app.example/callback/",
            "https://app.example/Callback",
            "https://app.example/callback?x",
            "https://app.example:443/callback",
        ] {
            let answer = bring(&server, &site.client, &code, &[("redirect_uri", address)]).await;
            assert_eq!(refusal(&answer), INVALID_REDIRECT, "{address}");
        }
        for wrong in [code.to_uppercase(), format!("{code} "), code[1..].to_owned(), "x".repeat(9_000)] {
            assert_spent(&server, &site.client, &wrong).await;
        }
        // A domain of another pool knows neither the client nor the code.
        let elsewhere = server.pool(json!({})).await;
        let domain = json!({"UserPoolId": elsewhere, "Domain": "other-app"});
        server.call("CreateUserPoolDomain", domain).await.ok();
        let foreign = server.client_id(&elsewhere, client_members(json!({}))).await;
        for (client, expected) in [(&site.client, INVALID_CLIENT), (&foreign, INVALID_GRANT)] {
            let answer = Browser::at(&server, "other-app").post("/oauth2/token", &exchange(client, &code, &[])).await;
            assert_eq!(refusal(&answer), expected);
        }
        bring(&server, &site.client, &code, &[]).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_challenge_is_met_by_its_verifier_alone() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let challenged = code(&server, &site, &CHALLENGED).await;
        let long = format!("{VERIFIER}{}", "x".repeat(86));
        let upper = VERIFIER.to_uppercase();
        for wrong in ["", CHALLENGE, &VERIFIER[1..], &upper, &long, "x"] {
            let answer = bring(&server, &site.client, &challenged, &[("code_verifier", wrong)]).await;
            assert_eq!(refusal(&answer), INVALID_GRANT, "{wrong}");
        }
        bring(&server, &site.client, &challenged, &[("code_verifier", VERIFIER)]).await.ok();
        // A verifier without a challenge: somebody has taken the challenge out of the request.
        let plain = code(&server, &site, &[]).await;
        let answer = bring(&server, &site.client, &plain, &[("code_verifier", VERIFIER)]).await;
        assert_eq!(refusal(&answer), INVALID_GRANT);
        bring(&server, &site.client, &plain, &[]).await.ok();
        // The shortest challenge that a verifier can be too short for: its hash is right, its length is not.
        let short = "x".repeat(42);
        let hash = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(crypto::hash::sha256(short.as_bytes()));
        let code = code(&server, &site, &[("code_challenge", &hash), CHALLENGED[1]]).await;
        let answer = bring(&server, &site.client, &code, &[("code_verifier", &short)]).await;
        assert_eq!(refusal(&answer), INVALID_GRANT);
    })
    .await;
}

#[tokio::test]
async fn codes_cannot_be_read_out_of_the_store() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let code = code(&server, &site, &[]).await;
    let stored = server.app.store.user_part::<domain::AuthorizationCode>(&site.pool, "", &code).await.unwrap();
    assert_eq!(stored.map(|stored| stored.value), None, "stands under its hash");
    assert_spent(
        &server,
        &site.client,
        &base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(crypto::hash::sha256(code.as_bytes())),
    )
    .await;
}

#[tokio::test]
async fn secrets_are_not_to_be_guessed() {
    let server =
        Server::builder().settings(|settings| settings.limits.wrong_guesses_per_address_and_hour = 3).start().await;
    let site = site(&server, json!({}), json!({})).await;
    let made = server.client(&site.pool, client_members(json!({"GenerateSecret": true}))).await;
    let [client, secret] = ["ClientId", "ClientSecret"].map(|name| made[name].as_str().unwrap().to_owned());
    let code = code_of(&server, &site, &client, &[]).await;
    let try_with = async |secret: &str| bring(&server, &client, &code, &[("client_secret", secret)]).await;
    for _ in 0..3 {
        assert_eq!(refusal(&try_with("x").await), INVALID_SECRET);
    }
    for secret in ["x", &secret] {
        assert_eq!(refusal(&try_with(secret).await), "429 temporarily_unavailable: Rate exceeded");
    }
    // Whoever shows no secret guesses none.
    let own = super::code(&server, &site, &[]).await;
    bring(&server, &site.client, &own, &[]).await.ok();
    server.advance(3_600);
    assert_eq!(refusal(&try_with(&secret).await), INVALID_GRANT, "the code is too old, the secret is right");
}

#[tokio::test]
async fn rates_hold_here_as_at_the_operations() {
    let server = Server::builder()
        .settings(|settings| settings.quotas.rates.set(service::quotas::Category::UserToken, 2))
        .start()
        .await;
    let site = site(&server, json!({}), json!({})).await;
    for expected in [INVALID_GRANT, INVALID_GRANT, "429 temporarily_unavailable: Rate exceeded"] {
        assert_eq!(refusal(&bring(&server, &site.client, "x", &[]).await), expected);
    }
}
