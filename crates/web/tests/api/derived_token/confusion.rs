//! Tokens that are no subjects and no actors: of another kind or pool, forged, or over.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

/// A token that stands in for alice's, as what it is said to be.
async fn as_both(house: &House, token: &str, kind: &str) -> (String, String) {
    let subject = json!({"SubjectToken": token, "SubjectTokenType": kind});
    let actor = json!({"ActorToken": token, "ActorTokenType": kind});
    (outcome(house.exchange(subject).await), outcome(house.exchange(actor).await))
}

fn outcome(answer: Answer) -> String {
    if answer.status == 200 { "ok".to_owned() } else { answer.error() }
}

fn invalid() -> (String, String) {
    (INVALID_SUBJECT.to_owned(), INVALID_ACTOR.to_owned())
}

#[tokio::test]
async fn each_kind_passes_for_itself_only() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let both = || ("ok".to_owned(), "ok".to_owned());
        assert_eq!(as_both(&house, &house.access, "ACCESS_TOKEN").await, both());
        assert_eq!(as_both(&house, &house.id, "ID_TOKEN").await, both());
        assert_eq!(as_both(&house, &house.access, "ID_TOKEN").await, invalid());
        assert_eq!(as_both(&house, &house.id, "ACCESS_TOKEN").await, invalid());
        // A client's own token is about no user: it can act, and nobody can act for it.
        let (_, actor) = house.actor().await;
        let machine = actor["ActorToken"].as_str().unwrap();
        let acts = (INVALID_SUBJECT.to_owned(), "ok".to_owned());
        assert_eq!(as_both(&house, machine, "ACCESS_TOKEN").await, acts);
        assert_eq!(as_both(&house, machine, "ID_TOKEN").await, invalid());
        for kind in ["ACCESS_TOKEN", "ID_TOKEN"] {
            for token in [house.refresh.as_str(), "x", "a.b.c", &house.gateway.secret, &"a".repeat(131_072)] {
                assert_eq!(as_both(&house, token, kind).await, invalid(), "{kind} {}", &token[..token.len().min(40)]);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_that_is_forged_passes() {
    both_engines(async |server| {
        let house = House::new(server).await;
        for (kind, token, other) in [("ACCESS_TOKEN", &house.access, &house.id), ("ID_TOKEN", &house.id, &house.access)]
        {
            let parts: Vec<&str> = token.split('.').collect();
            let kid = segment(token, 0)["kid"].clone();
            let header =
                |json: Value| format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(json.to_string()), parts[1], parts[2]);
            let mut claims = segment(token, 1);
            claims["sub"] = json!("00000000-0000-0000-0000-000000000000");
            for forged in [
                header(json!({"kid": kid, "alg": "none"})),
                header(json!({"kid": kid, "alg": "HS256"})),
                header(json!({"kid": "unknown", "alg": "RS256"})),
                header(json!({"kid": segment(other, 0)["kid"], "alg": "RS256"})),
                format!("{}.{}.", parts[0], parts[1]),
                format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2]),
                format!("{}.{}.{}", parts[0], parts[1], other.split('.').nth(2).unwrap()),
            ] {
                assert_eq!(as_both(&house, &forged, kind).await, invalid(), "{kind} {forged}");
            }
            // The server's own signature does not make good what is no token of this pool and kind.
            let client = if kind == "ID_TOKEN" { "aud" } else { "client_id" };
            let elsewhere = house.server.pool(json!({})).await;
            let stranger = house.server.client_id(&elsewhere, json!({})).await;
            for change in [
                json!({"token_use": "refresh"}),
                json!({"token_use": if kind == "ID_TOKEN" { "access" } else { "id" }}),
                json!({"iss": format!("http://127.0.0.1:9229/{elsewhere}")}),
                json!({"iss": "https://elsewhere.example"}),
                json!({client: "unknown"}),
                json!({client: stranger}),
                json!({client: null}),
                json!({"sub": null}),
                json!({"exp": null}),
                json!({"exp": "never"}),
            ] {
                let changed = house.changed(token, change.clone()).await;
                assert_eq!(as_both(&house, &changed, kind).await, invalid(), "{kind} {change}");
            }
        }
        // One without a name is a client's, and only where it is about that client.
        let nameless = house.changed(&house.access, json!({"username": null})).await;
        assert_eq!(as_both(&house, &nameless, "ACCESS_TOKEN").await, invalid());
    })
    .await;
}

#[tokio::test]
async fn tokens_of_another_pool_do_not_pass() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let elsewhere = house.server.pool(json!({})).await;
        let app = house.server.client_id(&elsewhere, json!({})).await;
        house.server.confirmed_user(&elsewhere, "alice", PASSWORD, json!({})).await;
        let answer = house.server.sign_in(&app, "alice", PASSWORD).await.ok();
        for (kind, name) in [("ACCESS_TOKEN", "AccessToken"), ("ID_TOKEN", "IdToken")] {
            let token = answer["AuthenticationResult"][name].as_str().unwrap();
            assert_eq!(as_both(&house, token, kind).await, invalid(), "{kind}");
        }
        files(&house.server, &elsewhere).await;
        let stranger = machine(&house.server, &elsewhere, json!({})).await;
        let token = client_token::token(&house.server, &stranger).await;
        assert_eq!(as_both(&house, &token, "ACCESS_TOKEN").await, invalid());
    })
    .await;
}

#[tokio::test]
async fn what_is_over_is_over() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let refused = |text: &str| {
            let of = |role: &str| format!("NotAuthorizedException: {}", text.replace("{}", role));
            (of("Subject Token"), of("Actor Token"))
        };
        // Alice acts for Bob and Bob for Alice: each request has one token that is good.
        house.server.confirmed_user(&house.pool, "bob", PASSWORD, json!({})).await;
        let signed_in = async |username: &str| {
            let answer = house.server.sign_in(&house.app, username, PASSWORD).await.ok();
            ["AccessToken", "IdToken", "RefreshToken"]
                .map(|name| answer["AuthenticationResult"][name].as_str().unwrap().to_owned())
        };
        let check = async |[access, id, _]: &[String; 3], expected: (String, String)| {
            for (kind, token) in [("ACCESS_TOKEN", access), ("ID_TOKEN", id)] {
                assert_eq!(as_both(&house, token, kind).await, expected, "{kind}");
            }
        };
        let administer = async |operation: &str| {
            house.server.call(operation, json!({"UserPoolId": house.pool, "Username": "bob"})).await.ok();
        };
        let tokens = signed_in("bob").await;
        check(&tokens, ("ok".to_owned(), "ok".to_owned())).await;
        house.server.call("RevokeToken", json!({"Token": tokens[2], "ClientId": house.app})).await.ok();
        check(&tokens, refused("{} has been revoked")).await;

        let tokens = signed_in("bob").await;
        administer("AdminUserGlobalSignOut").await;
        check(&tokens, refused("{} has been revoked")).await;

        house.server.advance(5);
        let tokens = signed_in("bob").await;
        administer("AdminDisableUser").await;
        let disabled = "NotAuthorizedException: User is disabled.".to_owned();
        check(&tokens, (disabled.clone(), disabled)).await;
        administer("AdminEnableUser").await;
        check(&tokens, refused("{} has been revoked")).await;

        house.server.advance(5);
        let tokens = signed_in("bob").await;
        house.server.call("AdminUpdateUserAttributes", json!({"UserPoolId": house.pool, "Username": "bob",
            "UserAttributes": [{"Name": "email", "Value": "bob@example.com"}, {"Name": "email_verified", "Value": "true"}]})).await.ok();
        administer("AdminResetUserPassword").await;
        let [access, id, _] = &tokens;
        for (kind, token) in [("ACCESS_TOKEN", access), ("ID_TOKEN", id)] {
            let (subject, actor) = as_both(&house, token, kind).await;
            assert!(subject.starts_with("NotAuthorizedException: "), "{kind}: {subject}");
            assert!(actor.starts_with("NotAuthorizedException: "), "{kind}: {actor}");
        }
        administer("AdminDeleteUser").await;
        let gone = "UserNotFoundException: User does not exist.".to_owned();
        check(&tokens, (gone.clone(), gone)).await;

        // Of a client that is gone.
        let (actor, members) = house.actor().await;
        house.exchange(members.clone()).await.ok();
        let request = json!({"UserPoolId": house.pool, "ClientId": actor.id});
        house.server.call("DeleteUserPoolClient", request).await.ok();
        assert_eq!(house.exchange(members).await.error(), INVALID_ACTOR);

        house.server.advance(3_595);
        let (_, late) = house.actor().await;
        let expired = "NotAuthorizedException: Subject Token has expired";
        assert_eq!(house.exchange(late).await.error(), expired);
        assert_eq!(house.exchange(json!({})).await.error(), expired);
        let id = json!({"SubjectToken": house.id, "SubjectTokenType": "ID_TOKEN"});
        assert_eq!(house.exchange(id).await.error(), expired);
    })
    .await;
}

#[tokio::test]
async fn keys_that_were_withdrawn_take_their_tokens_along() {
    let house = House::new(Server::memory().await).await;
    let app = &house.server.app;
    let rotate = async |old| {
        service::tokens::rotation::rotate(&app.store, &app.ring, &*app.entropy, &house.pool, old, app.clock.now())
            .await
            .unwrap();
        app.tokens.forget_keys();
    };
    rotate(service::tokens::rotation::OldKeys::Overlap).await;
    let both = || ("ok".to_owned(), "ok".to_owned());
    assert_eq!(as_both(&house, &house.access, "ACCESS_TOKEN").await, both());
    assert_eq!(as_both(&house, &house.id, "ID_TOKEN").await, both());
    rotate(service::tokens::rotation::OldKeys::Withdraw).await;
    // With an actor it is the subject that is looked at first.
    let neither = || (INVALID_SUBJECT.to_owned(), INVALID_SUBJECT.to_owned());
    assert_eq!(as_both(&house, &house.access, "ACCESS_TOKEN").await, neither());
    assert_eq!(as_both(&house, &house.id, "ID_TOKEN").await, neither());
}
