//! `/oauth2/userInfo` (oauth-federation.md §7).

use testkit::both_engines;

use super::{
    token::{token, tokens},
    *,
};
use crate::groups::join_long_groups;

const NO_REQUEST: &str = "invalid_request: Bad OAuth2 request at UserInfo Endpoint";
const NOT_GOOD: &str =
    "invalid_token: Access token is expired, disabled, or deleted, or the user has globally signed out.";
const NO_OPENID: &str = "invalid_token: Access token does not contain openid scope";

async fn show_at(server: &Server, prefix: &str, authorization: &str) -> Answer {
    let mut request = Request::get(format!("/_domain/{prefix}/oauth2/userInfo")).header("host", "127.0.0.1:9229");
    if !authorization.is_empty() {
        request = request.header("authorization", authorization);
    }
    server.request(request.body(Body::empty()).unwrap()).await
}

async fn show(server: &Server, access: &str) -> Answer {
    show_at(server, PREFIX, &format!("Bearer {access}")).await
}

/// What header and body say is wrong.
fn refusal(answer: &Answer) -> String {
    let [error, description] = ["error", "error_description"].map(|name| answer.body[name].as_str().unwrap());
    let header = format!("error=\"{error}\", error_description=\"{description}\"");
    assert_eq!(answer.header("www-authenticate"), Some(header.as_str()));
    assert_eq!(answer.status, if error == "invalid_request" { 400 } else { 401 });
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    format!("{error}: {description}")
}

/// The names of what a token with these scopes shows.
async fn shown(server: &Server, site: &Site, scope: &str) -> String {
    let answer = tokens(server, site, &[("scope", scope)]).await;
    let shown = show(server, token(&answer, "access_token")).await.ok();
    shown.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
}

/// A site whose alice has attributes of every kind, two of which the client may not read.
async fn scene(server: &Server) -> Site {
    let schema =
        json!([{"Name": "plan", "AttributeDataType": "String"}, {"Name": "notes", "AttributeDataType": "String"}]);
    let readable =
        ["email", "email_verified", "phone_number", "phone_number_verified", "name", "address", "custom:plan"];
    let site = site(server, json!({"Schema": schema}), json!({"ReadAttributes": readable})).await;
    let attribute = |name: &str, value: &str| json!({"Name": name, "Value": value});
    let attributes = [
        attribute("phone_number", "+12065550100"),
        attribute("name", "Alice \u{c4}"),
        attribute("nickname", "Al"),
        attribute("address", "1 Main St"),
        attribute("custom:plan", "gold"),
        attribute("custom:notes", "x"),
    ];
    let update = json!({"UserPoolId": site.pool, "Username": "alice", "UserAttributes": attributes});
    server.call("AdminUpdateUserAttributes", update).await.ok();
    site
}

#[tokio::test]
async fn a_token_shows_its_user() {
    both_engines(async |server| {
        let site = scene(&server).await;
        let answer = tokens(&server, &site, &[("scope", "openid")]).await;
        let answer = show(&server, token(&answer, "access_token")).await;
        assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"));
        let mut body = answer.ok();
        assert_eq!(body["sub"], json!(site.alice));
        body["sub"] = json!("[drawn]");
        insta::allow_duplicates! { insta::assert_json_snapshot!(body, @r#"
        {
          "sub": "[drawn]",
          "address": "1 Main St",
          "custom:plan": "gold",
          "email": "alice@example.com",
          "email_verified": "true",
          "name": "Alice Ä",
          "phone_number": "+12065550100",
          "phone_number_verified": "false",
          "username": "alice"
        }
        "#); }
    })
    .await;
}

#[tokio::test]
async fn scopes_say_how_much() {
    let server = Server::memory().await;
    let site = scene(&server).await;
    let all = "sub address custom:plan email email_verified name phone_number phone_number_verified username";
    for (scope, expected) in [
        ("openid", all),
        ("openid aws.cognito.signin.user.admin", all),
        ("openid email", "sub email email_verified username"),
        ("openid phone", "sub phone_number phone_number_verified username"),
        ("openid profile", "sub custom:plan name username"),
        ("openid profile email", "sub custom:plan email email_verified name username"),
    ] {
        let mut names: Vec<_> = expected.split(' ').collect();
        let shown = shown(&server, &site, scope).await;
        let mut found: Vec<_> = shown.split(' ').collect();
        names.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, names, "{scope}");
    }
}

#[tokio::test]
async fn a_long_token_shows_its_user() {
    let server = Server::memory().await;
    let site = scene(&server).await;
    join_long_groups(&server, &site.pool, "alice").await;
    let answer = tokens(&server, &site, &[("scope", "openid")]).await;
    assert_eq!(show(&server, token(&answer, "access_token")).await.ok()["username"], "alice");
}

#[tokio::test]
async fn tokens_that_show_nothing() {
    both_engines(async |server| {
        let site = scene(&server).await;
        for header in ["", "Bearer", "Bearer ", "Basic eDp5", "x"] {
            assert_eq!(refusal(&show_at(&server, PREFIX, header).await), NO_REQUEST, "{header}");
        }
        let without = tokens(&server, &site, &[("scope", "aws.cognito.signin.user.admin")]).await;
        assert_eq!(refusal(&show(&server, token(&without, "access_token")).await), NO_OPENID);
        let of_api = server.sign_in(&site.client, "alice", PASSWORD).await.ok();
        let of_api = of_api["AuthenticationResult"]["AccessToken"].as_str().unwrap();
        assert_eq!(refusal(&show(&server, of_api).await), NO_OPENID);
        let good = tokens(&server, &site, &[]).await;
        let [access, id, refresh] = ["access_token", "id_token", "refresh_token"].map(|name| token(&good, name));
        let (front, _) = access.rsplit_once('.').unwrap();
        for wrong in ["x", id, refresh, front, &format!("{front}."), &access[1..]] {
            assert_eq!(refusal(&show(&server, wrong).await), NOT_GOOD, "{wrong}");
        }
        // Another pool's domain shows none of this pool's users.
        let elsewhere = server.pool(json!({})).await;
        let domain = json!({"UserPoolId": elsewhere, "Domain": "other-app"});
        server.call("CreateUserPoolDomain", domain).await.ok();
        assert_eq!(refusal(&show_at(&server, "other-app", &format!("bearer {access}")).await), NOT_GOOD);
        show_at(&server, PREFIX, &format!("bearer {access}")).await.ok();
    })
    .await;
}

#[tokio::test]
async fn tokens_that_show_nothing_any_more() {
    both_engines(async |server| {
        let site = scene(&server).await;
        let request = json!({"UserPoolId": site.pool, "Username": "alice"});
        let access = async || {
            let answer = tokens(&server, &site, &[]).await;
            show(&server, token(&answer, "access_token")).await.ok();
            answer
        };
        let revoked = access().await;
        let revoke = json!({"Token": revoked["refresh_token"], "ClientId": site.client});
        server.call("RevokeToken", revoke).await.ok();
        assert_eq!(refusal(&show(&server, token(&revoked, "access_token")).await), NOT_GOOD);
        let expired = access().await;
        server.advance(3_600);
        assert_eq!(refusal(&show(&server, token(&expired, "access_token")).await), NOT_GOOD);
        let disabled = access().await;
        server.call("AdminDisableUser", request.clone()).await.ok();
        assert_eq!(refusal(&show(&server, token(&disabled, "access_token")).await), NOT_GOOD);
        server.call("AdminEnableUser", request.clone()).await.ok();
        let signed_out = access().await;
        server.advance(1);
        server.call("AdminUserGlobalSignOut", request.clone()).await.ok();
        assert_eq!(refusal(&show(&server, token(&signed_out, "access_token")).await), NOT_GOOD);
        let deleted = access().await;
        server.call("AdminDeleteUser", request).await.ok();
        assert_eq!(refusal(&show(&server, token(&deleted, "access_token")).await), NOT_GOOD);
    })
    .await;
}
