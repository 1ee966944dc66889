//! Sessions of browsers at the login pages, and the sign-ins that are born of them.

use domain::{TrackedSession, tracked_session::MOST_SSO_SESSIONS};
use wire::Timestamp;

use super::*;
use crate::hosted::{
    Browser, CALLBACK, SIGNED_OUT, Site, asked,
    browser_sessions::{COOKIE, begin, enters, signed_in, with_cookie},
    client_members, location, parameter, query, site,
};

/// A pool that keeps track of sessions, with a client at its domain, and alice.
async fn tracked_site(server: &Server, most: i64) -> Site {
    let site = site(server, json!({}), json!({})).await;
    configure(server, &site.pool, "ENABLED", most).await.ok();
    site
}

/// The code that a client gets for a browser with a session.
async fn code(browser: &Browser<'_>, client: &str) -> String {
    let sent_to = location(&browser.get(&format!("/oauth2/authorize?{}", asked(client, &[]))).await);
    parameter(&sent_to, "code").ok_or(sent_to).unwrap()
}

/// The token endpoint's answer to a code.
async fn redeem(server: &Server, client: &str, code: &str) -> Answer {
    let form =
        [("grant_type", "authorization_code"), ("client_id", client), ("code", code), ("redirect_uri", CALLBACK)];
    Browser::new(server).post("/oauth2/token", &form).await
}

/// Tokens of a client for a browser with a session.
async fn enter(server: &Server, browser: &Browser<'_>, client: &str) -> Tokens {
    let answer = redeem(server, client, &code(browser, client).await).await.ok();
    let token = |name: &str| answer[name].as_str().unwrap().to_owned();
    Tokens { access: token("access_token"), refresh: token("refresh_token") }
}

/// All of alice's sessions: the one of a browser that was begun first in front, then those of tokens.
async fn sessions(server: &Server, site: &Site) -> Vec<Value> {
    let mut sessions = by_age(&admin_list(server, &site.pool, "alice").await.ok());
    sessions.sort_by_key(|session| session["SessionType"] == "TOKEN");
    sessions
}

async fn count(server: &Server, site: &Site) -> [usize; 2] {
    let sessions = sessions(server, site).await;
    ["SSO", "TOKEN"].map(|kind| sessions.iter().filter(|session| session["SessionType"] == kind).count())
}

async fn revoke_by_administrator(server: &Server, site: &Site, session: &str, associated: &str) -> Answer {
    let request = json!({
        "UserPoolId": site.pool, "Username": "alice", "SessionId": session, "RevokeAssociatedSessions": associated,
    });
    server.call("AdminRevokeUserSession", request).await
}

#[tokio::test]
async fn sign_ins_show_the_browser_that_they_were_born_of() {
    both_engines(async |server| {
        let site = tracked_site(&server, 20).await;
        let other = server.client_id(&site.pool, client_members(json!({}))).await;
        let browser = signed_in(&server, &site).await;
        server.advance(10);
        let first = enter(&server, &browser, &site.client).await;
        server.advance(10);
        let second = enter(&server, &browser, &other).await;
        let own = listed(&server, &second.access).await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(own, @r#"
        [
          {
            "SessionId": "ssoo7xz4f1917fw9ysfocxrpprnm",
            "SessionType": "SSO",
            "ClientId": "ernm8hn77bwpkuw9y6b6f08g8d",
            "CreateDate": 1767323045.0,
            "LastActiveDate": 1767323065.0,
            "DeviceType": "Firefox 128 on Linux",
            "LastIPAddress": "192.0.2.1",
            "LastLocation": {
              "Country": "unknown"
            },
            "IsCurrentSession": false
          },
          {
            "SessionId": "tknus2o7u5lq9ab0diq2cvfarjfd",
            "SessionType": "TOKEN",
            "ClientId": "ernm8hn77bwpkuw9y6b6f08g8d",
            "CreateDate": 1767323055.0,
            "LastActiveDate": 1767323055.0,
            "DeviceType": "unknown",
            "LastIPAddress": "127.0.0.1",
            "LastLocation": {
              "Country": "unknown"
            },
            "OriginSessionId": "ssoo7xz4f1917fw9ysfocxrpprnm",
            "IsCurrentSession": false
          },
          {
            "SessionId": "tkn3of85cp0qe9b4ghck3pkxz2ak",
            "SessionType": "TOKEN",
            "ClientId": "qa2l6kvc7sawg42dtc7kg2b1ks",
            "CreateDate": 1767323065.0,
            "LastActiveDate": 1767323065.0,
            "DeviceType": "unknown",
            "LastIPAddress": "127.0.0.1",
            "LastLocation": {
              "Country": "unknown"
            },
            "OriginSessionId": "ssoo7xz4f1917fw9ysfocxrpprnm",
            "IsCurrentSession": true
          }
        ]
        "#); }
        for session in &own {
            let (kind, rest) = id(session).split_at(3);
            assert_eq!(kind, if session["SessionType"] == "SSO" { "sso" } else { "tkn" });
            assert!(rest.len() == 25 && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        }
        assert_eq!(current(&server, &first.access).await, id(&own[1]));
        // A sign-in through the API has no such parent.
        server.advance(10);
        let api = sign_in_as_alice(&server, &site).await;
        let of_api = listed(&server, &api.access).await;
        assert_eq!(of_api[3].get("OriginSessionId"), None);
        assert_eq!(of_api[3]["IsCurrentSession"], true);
    })
    .await;
}

async fn sign_in_as_alice(server: &Server, site: &Site) -> Tokens {
    Tokens::of(&server.sign_in(&site.client, "alice", crate::hosted::PASSWORD).await.ok())
}

#[tokio::test]
async fn a_browser_is_active_when_a_sign_in_is_born_or_its_refresh_token_rotated() {
    both_engines(async |server| {
        let site = tracked_site(&server, 20).await;
        let rotation = json!({"Feature": "ENABLED", "RetryGracePeriodSeconds": 0});
        let flows = json!(["ALLOW_USER_PASSWORD_AUTH"]);
        let members = client_members(json!({"RefreshTokenRotation": rotation, "ExplicitAuthFlows": flows}));
        let rotating = server.client_id(&site.pool, members).await;
        let browser = signed_in(&server, &site).await;
        let began = server.app.clock.now().seconds();
        // When the browser's session was active last, and one of tokens.
        let active = async |number: usize| {
            let sessions = sessions(&server, &site).await;
            let moment = |session: &Value| serde_json::from_value::<Timestamp>(session["LastActiveDate"].clone());
            let seconds = |session: &Value| moment(session).unwrap().seconds() - began;
            assert_eq!(sessions[0]["LastIPAddress"], "192.0.2.1", "it is the browser that signed in");
            assert_eq!(sessions[0]["DeviceType"], "Firefox 128 on Linux");
            [seconds(&sessions[0]), sessions.get(number).map(seconds).unwrap_or_default()]
        };
        server.advance(10);
        let code = code(&browser, &site.client).await;
        assert_eq!(active(1).await, [0, 0], "a code is no grant yet");
        redeem(&server, &site.client, &code).await.ok();
        assert_eq!(active(1).await, [10, 10]);
        server.advance(10);
        let tokens = enter(&server, &browser, &rotating).await;
        assert_eq!(active(2).await, [20, 20]);
        server.advance(10);
        let renew = async |token: &str| {
            let request = json!({"ClientId": rotating, "RefreshToken": token});
            Tokens::of(&server.call("GetTokensFromRefreshToken", request).await.ok())
        };
        let parent = sessions(&server, &site).await[2]["OriginSessionId"].clone();
        let tokens = renew(&tokens.refresh).await;
        assert_eq!(active(2).await, [30, 30]);
        assert_eq!(sessions(&server, &site).await[2]["OriginSessionId"], parent, "it stays the same");
        // A refresh without rotation is the sign-in's alone, and so is a rotation when the browser's session is over.
        server.advance(10);
        let usual = enter(&server, &browser, &site.client).await;
        server.advance(10);
        refresh(&server, &site.client, &usual.refresh).await.ok();
        assert_eq!(active(3).await, [40, 50]);
        let sso = id(&sessions(&server, &site).await[0]).to_owned();
        revoke_by_administrator(&server, &site, &sso, "NONE").await.ok();
        renew(&tokens.refresh).await;
        assert_eq!(count(&server, &site).await, [0, 3]);
        assert_eq!(sessions(&server, &site).await[1]["OriginSessionId"], sso.as_str());
    })
    .await;
}

#[tokio::test]
async fn what_is_linked_ends_together() {
    both_engines(async |server| {
        let site = tracked_site(&server, 20).await;
        // By whom, what is revoked of two sign-ins of one browser, with what; what is left of browser, sign-in, the other.
        for (by, kind, associated, left) in [
            ("administrator", "TOKEN", "NONE", [true, false, true]),
            ("administrator", "TOKEN", "LINKED", [false, false, true]),
            ("administrator", "SSO", "NONE", [false, true, true]),
            ("administrator", "SSO", "LINKED", [false, false, false]),
            ("user", "TOKEN", "NONE", [true, false, true]),
            ("user", "TOKEN", "LINKED", [false, false, true]),
            ("user", "SSO", "NONE", [false, true, true]),
            ("user", "SSO", "LINKED", [false, false, false]),
            ("client", "TOKEN", "NONE", [true, false, true]),
            ("client", "TOKEN", "LINKED", [false, false, true]),
        ] {
            let case = format!("{by} {kind} {associated}");
            let browser = signed_in(&server, &site).await;
            let sso = id(sessions(&server, &site).await.last().unwrap()).to_owned();
            let (one, other) =
                (enter(&server, &browser, &site.client).await, enter(&server, &browser, &site.client).await);
            let token = current(&server, &one.access).await;
            let session = if kind == "SSO" { &sso } else { &token };
            // What has nothing to do with it stays.
            let elsewhere = signed_in(&server, &site).await;
            let stranger = sign_in_as_alice(&server, &site).await;
            let answer = match by {
                "administrator" => revoke_by_administrator(&server, &site, session, associated).await,
                "user" => {
                    let request = json!({
                        "AccessToken": stranger.access, "SessionId": session, "RevokeAssociatedSessions": associated,
                    });
                    server.call("RevokeUserSession", request).await
                }
                _ => {
                    let request = json!({
                        "ClientId": site.client, "Token": one.refresh, "RevokeAssociatedSessions": associated,
                    });
                    server.call("RevokeToken", request).await
                }
            };
            assert_eq!(answer.ok(), json!({}), "{case}");
            let found = [
                enters(&browser, &site.client, &[]).await,
                is_good(&server, &one.access).await,
                is_good(&server, &other.access).await,
            ];
            assert_eq!(found, left, "{case}");
            for (tokens, is_left) in [(&one, left[1]), (&other, left[2])] {
                assert_eq!(refresh(&server, &site.client, &tokens.refresh).await.status == 200, is_left, "{case}");
            }
            assert!(enters(&elsewhere, &site.client, &[]).await && is_good(&server, &stranger.access).await, "{case}");
            let left = left.map(usize::from);
            assert_eq!(count(&server, &site).await, [left[0] + 1, left[1] + left[2] + 1], "{case}");
            // What is gone cannot be revoked once more, and a clean slate for the next case.
            let again = revoke_by_administrator(&server, &site, session, associated).await;
            assert_eq!(again.error(), NO_SESSION, "{case}");
            let everything = json!({"UserPoolId": site.pool, "Username": "alice"});
            server.call("AdminUserGlobalSignOut", everything).await.ok();
            assert_eq!(count(&server, &site).await, [0, 0]);
            server.advance(2);
        }
    })
    .await;
}

#[tokio::test]
async fn users_cannot_take_their_own_session_along() {
    both_engines(async |server| {
        let site = tracked_site(&server, 20).await;
        let browser = signed_in(&server, &site).await;
        let (one, two) = (enter(&server, &browser, &site.client).await, enter(&server, &browser, &site.client).await);
        let sso = id(&sessions(&server, &site).await[0]).to_owned();
        let revoke = async |session: &str, associated: &str| {
            let request = json!({
                "AccessToken": one.access, "SessionId": session, "RevokeAssociatedSessions": associated,
            });
            server.call("RevokeUserSession", request).await
        };
        let refused = "InvalidParameterException: The current session cannot be revoked with its own access token. Use \
                       RevokeToken or GlobalSignOut.";
        assert_eq!(revoke(&sso, "LINKED").await.error(), refused);
        let own = current(&server, &one.access).await;
        assert_eq!(revoke(&own, "LINKED").await.error(), refused);
        assert!(enters(&browser, &site.client, &[]).await);
        // Another sign-in of the same browser takes the browser's session along, and not this one.
        let other = current(&server, &two.access).await;
        assert_eq!(revoke(&other, "LINKED").await.ok(), json!({}));
        assert!(!enters(&browser, &site.client, &[]).await);
        assert!(is_good(&server, &one.access).await);
        // The browser's session by itself can be revoked.
        let browser = signed_in(&server, &site).await;
        let sso = id(&sessions(&server, &site).await[0]).to_owned();
        assert_eq!(revoke(&sso, "NONE").await.ok(), json!({}));
        assert!(!enters(&browser, &site.client, &[]).await);
        // Somebody else's cannot.
        signed_in(&server, &site).await;
        let sso = id(&sessions(&server, &site).await[0]).to_owned();
        server.confirmed_user(&site.pool, "bob", PASSWORD, json!({})).await;
        let bob = sign_in(&server, &site.client, "bob").await;
        let request = json!({"AccessToken": bob.access, "SessionId": sso, "RevokeAssociatedSessions": "LINKED"});
        assert_eq!(server.call("RevokeUserSession", request).await.error(), NO_SESSION);
    })
    .await;
}

#[tokio::test]
async fn signing_out_of_a_browser_ends_its_session_and_no_other() {
    both_engines(async |server| {
        let site = tracked_site(&server, 20).await;
        let browser = signed_in(&server, &site).await;
        let tokens = enter(&server, &browser, &site.client).await;
        let waiting = code(&browser, &site.client).await;
        let target = query(&[("client_id", &site.client), ("logout_uri", SIGNED_OUT)]);
        assert_eq!(location(&browser.get(&format!("/logout?{target}")).await), SIGNED_OUT);
        assert_eq!(count(&server, &site).await, [0, 1]);
        assert!(is_good(&server, &tokens.access).await, "tokens stay good");
        refresh(&server, &site.client, &tokens.refresh).await.ok();
        // A code from before has no session to be born of.
        let refused = redeem(&server, &site.client, &waiting).await;
        assert_eq!((refused.status, &refused.body["error"]), (400, &json!("invalid_grant")));
        assert_eq!(count(&server, &site).await, [0, 1]);
    })
    .await;
}

#[tokio::test]
async fn a_code_is_worth_nothing_once_its_browser_is_shut_out() {
    both_engines(async |server| {
        let site = tracked_site(&server, 20).await;
        for associated in ["NONE", "LINKED"] {
            let browser = signed_in(&server, &site).await;
            let waiting = code(&browser, &site.client).await;
            let sso = id(&sessions(&server, &site).await[0]).to_owned();
            revoke_by_administrator(&server, &site, &sso, associated).await.ok();
            let refused = redeem(&server, &site.client, &waiting).await;
            assert_eq!((refused.status, &refused.body["error"]), (400, &json!("invalid_grant")), "{associated}");
            assert_eq!(count(&server, &site).await, [0, 0]);
            // Not even while nothing is kept track of.
            configure(&server, &site.pool, "DISABLED", 20).await.ok();
            assert!(!enters(&browser, &site.client, &[]).await);
            configure(&server, &site.pool, "ENABLED", 20).await.ok();
        }
    })
    .await;
}

/// A request that is held at its commit while the other one is carried out whole.
#[tokio::test]
async fn no_sign_in_slips_past_a_revocation() {
    both_engines(async |server| {
        let site = tracked_site(&server, 20).await;
        let twin = server.twin().await;
        // The revocation is quicker than the birth of a sign-in, and then quicker than the end of its exchange.
        for (before, is_born) in [(0, false), (1, true)] {
            let browser = signed_in(&server, &site).await;
            let sso = id(&sessions(&server, &site).await[0]).to_owned();
            let waiting = code(&browser, &site.client).await;
            let redeemed = redeem(&server, &site.client, &waiting);
            let revoked = revoke_by_administrator(&twin, &site, &sso, "LINKED");
            let (redeemed, revoked) = server.overtaken(before, redeemed, revoked).await;
            revoked.ok();
            if is_born {
                let access = redeemed.ok()["access_token"].as_str().unwrap().to_owned();
                assert!(!is_good(&server, &access).await);
            } else {
                assert_eq!((redeemed.status, &redeemed.body["error"]), (400, &json!("invalid_grant")));
            }
            assert_eq!(count(&server, &site).await, [0, 0]);
        }

        // The birth is quicker than the revocation, which finds the new one.
        let browser = signed_in(&server, &site).await;
        let sso = id(&sessions(&server, &site).await[0]).to_owned();
        let waiting = code(&browser, &site.client).await;
        let (revoked, born) = server
            .overtaken(
                0,
                revoke_by_administrator(&server, &site, &sso, "LINKED"),
                redeem(&twin, &site.client, &waiting),
            )
            .await;
        revoked.ok();
        let access = born.ok()["access_token"].as_str().unwrap().to_owned();
        assert!(!is_good(&server, &access).await);
        assert_eq!(count(&server, &site).await, [0, 0]);

        // Two revocations of the same session at the same moment: who comes second finds none.
        signed_in(&server, &site).await;
        let sso = id(&sessions(&server, &site).await[0]).to_owned();
        let (late, early) = server
            .overtaken(
                0,
                revoke_by_administrator(&server, &site, &sso, "LINKED"),
                revoke_by_administrator(&twin, &site, &sso, "NONE"),
            )
            .await;
        early.ok();
        assert_eq!(late.error(), NO_SESSION);
    })
    .await;
}

#[tokio::test]
async fn a_code_in_two_requests_begins_one_sign_in() {
    both_engines(async |server| {
        let site = tracked_site(&server, 20).await;
        let twin = server.twin().await;
        let browser = signed_in(&server, &site).await;
        for (before, born) in [(0, 1), (1, 2)] {
            let code = code(&browser, &site.client).await;
            let exchanges = (redeem(&server, &site.client, &code), redeem(&twin, &site.client, &code));
            let (late, early) = server.overtaken(before, exchanges.0, exchanges.1).await;
            assert_eq!((late.status, &late.body["error"]), (400, &json!("invalid_grant")));
            let access = early.ok()["access_token"].as_str().unwrap().to_owned();
            assert!(is_good(&server, &access).await);
            assert_eq!(count(&server, &site).await, [1, born]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_that_is_born_while_its_browser_is_shut_out_is_shut_out() {
    both_engines(async |server| {
        let site = tracked_site(&server, 20).await;
        for _ in 0..20 {
            let browser = signed_in(&server, &site).await;
            let code = code(&browser, &site.client).await;
            let sso = id(&sessions(&server, &site).await[0]).to_owned();
            let (redeemed, revoked) = tokio::join!(
                redeem(&server, &site.client, &code),
                revoke_by_administrator(&server, &site, &sso, "LINKED")
            );
            assert_eq!(revoked.ok(), json!({}));
            if redeemed.status == 200 {
                assert!(!is_good(&server, redeemed.body["access_token"].as_str().unwrap()).await);
            }
            assert_eq!(count(&server, &site).await, [0, 0]);
        }
    })
    .await;
}

#[tokio::test]
async fn browsers_take_no_room_from_sign_ins_and_have_their_own() {
    both_engines(async |server| {
        let site = tracked_site(&server, 1).await;
        let first = signed_in(&server, &site).await;
        let tokens = enter(&server, &first, &site.client).await;
        server.advance(1);
        let second = signed_in(&server, &site).await;
        assert!(is_good(&server, &tokens.access).await);
        assert_eq!(count(&server, &site).await, [2, 1]);
        // A second sign-in costs the first, and no browser its session.
        server.advance(1);
        enter(&server, &second, &site.client).await;
        assert!(!is_good(&server, &tokens.access).await);
        assert_eq!(count(&server, &site).await, [2, 1]);
        // So many browsers make the one go that was used least recently: the first one, which has been used since.
        server.advance(1);
        enter(&server, &first, &site.client).await;
        for _ in 0..MOST_SSO_SESSIONS - 1 {
            server.advance(1);
            begin(&server, &site, |_| {}).await;
        }
        assert!(enters(&first, &site.client, &[]).await);
        assert!(!enters(&second, &site.client, &[]).await);
        assert_eq!(count(&server, &site).await, [MOST_SSO_SESSIONS, 1]);
        // What has expired makes room by itself.
        server.advance(3_600);
        assert_eq!(count(&server, &site).await, [0, 1]);
        begin(&server, &site, |_| {}).await;
        let kept = server.app.store.current_user_parts::<TrackedSession>(&site.pool, &site.alice, 999).await.unwrap();
        assert_eq!(kept.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn browsers_from_before_tracking_are_not_known() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let browser = signed_in(&server, &site).await;
        let waiting = code(&browser, &site.client).await;
        configure(&server, &site.pool, "ENABLED", 20).await.ok();
        // Their codes make sign-ins without a parent; they themselves, which nobody could revoke, are used no more.
        redeem(&server, &site.client, &waiting).await.ok();
        let sessions = sessions(&server, &site).await;
        assert_eq!(sessions.len(), 1);
        assert_eq!(sessions[0].get("OriginSessionId"), None);
        assert!(!enters(&browser, &site.client, &[]).await);
        // When tracking is switched off again, nothing is against them.
        configure(&server, &site.pool, "DISABLED", 20).await.ok();
        assert!(enters(&browser, &site.client, &[]).await);
    })
    .await;
}

#[tokio::test]
async fn a_browser_outlives_the_client_that_it_signed_in_for() {
    both_engines(async |server| {
        let site = tracked_site(&server, 20).await;
        let other = server.client_id(&site.pool, client_members(json!({}))).await;
        let browser = signed_in(&server, &site).await;
        let cookie = browser.cookies.borrow()[COOKIE].clone();
        let request = json!({"UserPoolId": site.pool, "ClientId": site.client});
        assert_eq!(server.call("DeleteUserPoolClient", request).await.status, 200);
        assert!(enters(&with_cookie(&server, &cookie), &other, &[]).await);
        assert_eq!(count(&server, &site).await, [1, 0]);
        // A user takes both along.
        enter(&server, &browser, &other).await;
        server.call("AdminDeleteUser", json!({"UserPoolId": site.pool, "Username": "alice"})).await;
        assert_eq!(server.app.store.user_part_documents(&site.pool, &site.alice, 9).await.unwrap(), []);
    })
    .await;
}
