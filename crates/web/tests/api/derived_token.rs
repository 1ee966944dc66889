//! GetDerivedToken (auth-flows.md §19; RFC 8693): tokens in exchange for others.

mod confusion;
mod other_issuers;
mod saml;
mod signed;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

use crate::{
    client_token::{self, Machine, UNAUTHORIZED, files, machine},
    pools::with,
    tokens::{access::signed_by, segment},
};

const PASSWORD: &str = "Passw0rd!";
const ADMIN: &str = "aws.cognito.signin.user.admin";
const INVALID_SUBJECT: &str = "NotAuthorizedException: Invalid Subject Token";
const INVALID_ACTOR: &str = "NotAuthorizedException: Invalid Actor Token";

/// A pool with the resource server `files`, alice with tokens of an app, and a service that exchanges them.
struct House {
    server: Server,
    pool: String,
    app: String,
    gateway: Machine,
    access: String,
    id: String,
    refresh: String,
}

impl House {
    async fn new(server: Server) -> Self {
        let pool = server.pool(json!({})).await;
        files(&server, &pool).await;
        let app = server.client_id(&pool, json!({})).await;
        let flows = ["ALLOW_TOKEN_EXCHANGE_IMPERSONATION", "ALLOW_TOKEN_EXCHANGE_DELEGATION"];
        let scopes = [ADMIN, "openid", "files/read"];
        let members = json!({"ExplicitAuthFlows": flows, "AllowedOAuthScopes": scopes});
        let gateway = machine(&server, &pool, members).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        let answer = server.sign_in(&app, "alice", PASSWORD).await.ok();
        let token = |name: &str| answer["AuthenticationResult"][name].as_str().unwrap().to_owned();
        let (access, id, refresh) = (token("AccessToken"), token("IdToken"), token("RefreshToken"));
        Self { server, pool, app, gateway, access, id, refresh }
    }

    /// Exchanges alice's access token, unless `members` say something else.
    async fn exchange(&self, members: Value) -> Answer {
        let usual = json!({"ClientId": self.gateway.id, "ClientSecret": self.gateway.secret,
            "SubjectToken": self.access, "SubjectTokenType": "ACCESS_TOKEN"});
        self.server.call("GetDerivedToken", with(usual, &members)).await
    }

    /// The token of a machine, as the members of a request that make it the actor.
    async fn actor(&self) -> (Machine, Value) {
        let actor = machine(&self.server, &self.pool, json!({})).await;
        let token = client_token::token(&self.server, &actor).await;
        (actor, json!({"ActorToken": token, "ActorTokenType": "ACCESS_TOKEN"}))
    }

    /// A token with changed claims, signed by the server's own key.
    async fn changed(&self, token: &str, change: Value) -> String {
        let kid = segment(token, 0)["kid"].as_str().unwrap().to_owned();
        let mut claims = with(segment(token, 1), &change);
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        signed_by(&self.server, &self.pool, &kid, &claims).await
    }

    /// Changes the gateway's settings.
    async fn configure(&self, members: Value) {
        let usual = json!({"UserPoolId": self.pool, "ClientId": self.gateway.id});
        self.server.call("UpdateUserPoolClient", with(usual, &members)).await.ok();
    }

    async fn get_user(&self, token: &str) -> Answer {
        self.server.call("GetUser", json!({"AccessToken": token})).await
    }
}

fn issued(answer: &Value) -> &str {
    answer["IssuedToken"].as_str().unwrap()
}

/// An answer with its token taken apart.
fn plain(mut answer: Value) -> Value {
    let token = issued(&answer).to_owned();
    answer["IssuedToken"] = json!({"header": segment(&token, 0), "claims": segment(&token, 1)});
    answer
}

#[tokio::test]
async fn a_service_gets_a_token_as_if_the_user_had_asked() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let answer = house.exchange(json!({})).await.ok();
        // It is the user's, with all that the scopes allow.
        assert_eq!(house.get_user(issued(&answer)).await.ok()["Username"], "alice");
        let (old, new) = (segment(&house.access, 1), segment(issued(&answer), 1));
        for claim in ["sub", "origin_jti", "auth_time", "iss", "scope", "username"] {
            assert_eq!(old[claim], new[claim], "{claim}");
        }
        for claim in ["jti", "event_id", "client_id"] {
            assert_ne!(old[claim], new[claim], "{claim}");
        }
        insta::allow_duplicates! { insta::assert_json_snapshot!(plain(answer), @r#"
        {
          "IssuedToken": {
            "header": {
              "kid": "test-only-01",
              "alg": "RS256"
            },
            "claims": {
              "sub": "d87b60a8-57a7-42c4-a2dc-5054511c1324",
              "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
              "client_id": "rlt2of4jrz82o9mlpwsrvix8ft",
              "origin_jti": "3161734c-f0c2-4c7f-95f6-b7e5d35f6d74",
              "event_id": "58a5d1dc-0b92-43a6-aa3a-7d9c16bd7391",
              "token_use": "access",
              "scope": "aws.cognito.signin.user.admin",
              "auth_time": 1767323045,
              "exp": 1767326645,
              "iat": 1767323045,
              "jti": "059a6ec3-4845-482b-b8dd-57dc133e4e8b",
              "username": "alice"
            }
          },
          "IssuedTokenType": "ACCESS_TOKEN",
          "TokenType": "Bearer",
          "ExpiresIn": 3600,
          "Scopes": [
            "aws.cognito.signin.user.admin"
          ]
        }
        "#); }
    })
    .await;
}

#[tokio::test]
async fn an_id_token_can_be_asked_for() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let group =
            json!({"UserPoolId": house.pool, "GroupName": "staff", "RoleArn": "arn:aws:iam::123456789012:role/staff"});
        house.server.call("CreateGroup", group).await.ok();
        let member = json!({"UserPoolId": house.pool, "GroupName": "staff", "Username": "alice"});
        house.server.call("AdminAddUserToGroup", member).await.ok();
        let request =
            json!({"RequestedTokenType": "ID_TOKEN", "SubjectToken": house.id, "SubjectTokenType": "ID_TOKEN"});
        let answer = house.exchange(request).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(plain(answer), @r#"
        {
          "IssuedToken": {
            "header": {
              "kid": "test-only-00",
              "alg": "RS256"
            },
            "claims": {
              "sub": "d87b60a8-57a7-42c4-a2dc-5054511c1324",
              "cognito:groups": [
                "staff"
              ],
              "cognito:preferred_role": "arn:aws:iam::123456789012:role/staff",
              "cognito:roles": [
                "arn:aws:iam::123456789012:role/staff"
              ],
              "email": "alice@example.com",
              "email_verified": true,
              "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
              "cognito:username": "alice",
              "origin_jti": "3161734c-f0c2-4c7f-95f6-b7e5d35f6d74",
              "aud": "rlt2of4jrz82o9mlpwsrvix8ft",
              "event_id": "be5f90e0-b333-4fd9-b889-e113684e61e3",
              "token_use": "id",
              "auth_time": 1767323045,
              "exp": 1767326645,
              "iat": 1767323045,
              "jti": "28ccf627-3b6f-42c3-8c27-4425c1e773b2"
            }
          },
          "IssuedTokenType": "ID_TOKEN",
          "TokenType": "N_A",
          "ExpiresIn": 3600
        }
        "#); }
    })
    .await;
}

#[tokio::test]
async fn whoever_acts_is_named_with_those_who_acted_before() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let (first, members) = house.actor().await;
        let once = house.exchange(members).await.ok();
        let expected = json!({"sub": first.id, "client_id": first.id});
        assert_eq!(segment(issued(&once), 1)["act"], expected);
        // The next service acts for the first; its token may be one of a user, too.
        let bob = house.server.confirmed_user(&house.pool, "bob", PASSWORD, json!({})).await;
        let signed_in = house.server.sign_in(&house.app, "bob", PASSWORD).await.ok();
        for (kind, name) in [("ACCESS_TOKEN", "AccessToken"), ("ID_TOKEN", "IdToken")] {
            let token = &signed_in["AuthenticationResult"][name];
            let request = json!({"SubjectToken": issued(&once), "ActorToken": token, "ActorTokenType": kind});
            let twice = house.exchange(request).await.ok();
            let claims = segment(issued(&twice), 1);
            assert_eq!(claims["act"], json!({"sub": bob, "client_id": house.app, "act": expected}), "{kind}");
            assert_eq!(claims["username"], "alice");
            // Without an actor nobody is forgotten.
            let request = json!({"SubjectToken": issued(&twice), "RequestedTokenType": "ID_TOKEN"});
            let thrice = house.exchange(request).await.ok();
            assert_eq!(segment(issued(&thrice), 1)["act"], claims["act"]);
        }
    })
    .await;
}

#[tokio::test]
async fn so_many_act_for_each_other_and_no_more() {
    let house = House::new(Server::memory().await).await;
    let (_, actor) = house.actor().await;
    let mut subject = house.access.clone();
    for _ in 0..8 {
        let answer = house.exchange(with(actor.clone(), &json!({"SubjectToken": subject}))).await.ok();
        subject = issued(&answer).to_owned();
    }
    let error = "InvalidParameterException: More than 8 actors act for each other. Exchange a token with fewer actors.";
    assert_eq!(house.exchange(with(actor, &json!({"SubjectToken": subject}))).await.error(), error);
    house.exchange(json!({"SubjectToken": subject})).await.ok();
}

#[tokio::test]
async fn scopes_only_become_fewer() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let broad = house.changed(&house.access, json!({"scope": format!("{ADMIN} files/read files/write email")})).await;
        let granted = async |asked: &[&str]| {
            let answer = house.exchange(json!({"SubjectToken": broad, "Scopes": asked})).await.ok();
            let scopes = answer["Scopes"].as_array().unwrap().clone();
            let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str().unwrap().to_owned()).collect();
            assert_eq!(segment(issued(&answer), 1)["scope"], scopes.join(" "));
            scopes.join(" ")
        };
        // Nothing asked for: as the subject's.
        assert_eq!(granted(&[]).await, format!("{ADMIN} files/read files/write email"));
        // Of what is asked for, what both the subject's token and the client have.
        assert_eq!(granted(&["files/read"]).await, "files/read");
        assert_eq!(granted(&["files/write", "files/read", "openid", "email", "nowhere/x"]).await, "files/read");
        assert_eq!(granted(&["files/read", ADMIN, "files/read"]).await, format!("files/read {ADMIN}"));
        let none = "InvalidParameterException: None of the requested scopes is among those of the subject token and of the client.";
        for asked in ["files/write", "openid", "email", "files", "nowhere/x"] {
            let request = json!({"SubjectToken": broad, "Scopes": [asked]});
            assert_eq!(house.exchange(request).await.error(), none, "{asked}");
        }
        // A token with fewer scopes never leads to one with more.
        let narrow = house.exchange(json!({"SubjectToken": broad, "Scopes": ["files/read"]})).await.ok();
        let again = json!({"SubjectToken": issued(&narrow), "Scopes": [ADMIN]});
        assert_eq!(house.exchange(again).await.error(), none);
        let lacks = "NotAuthorizedException: Access Token does not have required scopes";
        assert_eq!(house.get_user(issued(&narrow)).await.error(), lacks);
        // Nor does an ID token, which is good for none.
        let request = json!({"SubjectToken": house.id, "SubjectTokenType": "ID_TOKEN"});
        let from_id = house.exchange(request.clone()).await.ok();
        assert_eq!((&from_id["Scopes"], &segment(issued(&from_id), 1)["scope"]), (&json!([]), &Value::Null));
        assert_eq!(house.get_user(issued(&from_id)).await.error(), lacks);
        assert_eq!(house.exchange(with(request.clone(), &json!({"Scopes": [ADMIN]}))).await.error(), none);
        // Whatever it says itself.
        let scoped = house.changed(&house.id, json!({"scope": ADMIN})).await;
        let request = with(request, &json!({"SubjectToken": scoped}));
        assert_eq!(house.exchange(request.clone()).await.ok()["Scopes"], json!([]));
        assert_eq!(house.exchange(with(request, &json!({"Scopes": [ADMIN]}))).await.error(), none);
        // A scope whose resource server is gone means nothing.
        let gone = json!({"UserPoolId": house.pool, "Identifier": "files"});
        house.server.call("DeleteResourceServer", gone).await.ok();
        let request = json!({"SubjectToken": broad, "Scopes": ["files/read"]});
        assert_eq!(house.exchange(request).await.error(), none);
    })
    .await;
}

#[tokio::test]
async fn a_token_is_for_one_service() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let aud = async |members: Value| segment(issued(&house.exchange(members).await.ok()), 1)["aud"].clone();
        let id = json!({"RequestedTokenType": "ID_TOKEN"});
        assert_eq!(aud(json!({})).await, Value::Null);
        assert_eq!(aud(id.clone()).await, house.gateway.id);
        for (member, value) in [("Resources", "files"), ("Audiences", "billing")] {
            let request = json!({member: [value]});
            assert_eq!(aud(request.clone()).await, value);
            assert_eq!(aud(with(id.clone(), &request)).await, value);
        }
        assert_eq!(aud(json!({"Resources": [], "Audiences": ["billing"]})).await, "billing");
        let unknown = "ResourceNotFoundException: Resource server folders does not exist.";
        assert_eq!(house.exchange(json!({"Resources": ["folders"]})).await.error(), unknown);
        let both = "InvalidParameterException: Audiences and Resources cannot be requested together.";
        let request = json!({"Resources": ["files"], "Audiences": ["billing"]});
        assert_eq!(house.exchange(request).await.error(), both);
        // One that was made for somebody outside is no subject: whose token it is nobody can tell.
        let answer = house.exchange(with(id, &json!({"Audiences": ["billing"]}))).await.ok();
        let request = json!({"SubjectToken": issued(&answer), "SubjectTokenType": "ID_TOKEN"});
        assert_eq!(house.exchange(request).await.error(), INVALID_SUBJECT);
    })
    .await;
}

#[tokio::test]
async fn it_ends_with_the_sign_in_and_with_what_it_was_given_for() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let life = async |members: Value| {
            let answer = house.exchange(members).await.ok();
            let claims = segment(issued(&answer), 1);
            let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
            assert_eq!(answer["ExpiresIn"], life);
            life
        };
        let hours = json!({"AccessTokenValidity": 5, "IdTokenValidity": 6});
        let flows =
            json!({"ExplicitAuthFlows": ["ALLOW_TOKEN_EXCHANGE_IMPERSONATION", "ALLOW_TOKEN_EXCHANGE_DELEGATION"]});
        house.configure(with(flows.clone(), &hours)).await;
        assert_eq!(life(json!({})).await, 3_600);
        assert_eq!(life(json!({"RequestedTokenType": "ID_TOKEN"})).await, 3_600);
        house.server.advance(600);
        let (_, actor) = house.actor().await;
        assert_eq!(life(actor).await, 3_000);
        let minutes = json!({"AccessTokenValidity": 10, "TokenValidityUnits": {"AccessToken": "minutes"}});
        house.configure(with(flows, &minutes)).await;
        assert_eq!(life(json!({})).await, 600);
        // That of the actor ends sooner.
        let brief = json!({"AccessTokenValidity": 5, "TokenValidityUnits": {"AccessToken": "minutes"}});
        let brief = machine(&house.server, &house.pool, brief).await;
        let token = client_token::token(&house.server, &brief).await;
        assert_eq!(life(json!({"ActorToken": token, "ActorTokenType": "ACCESS_TOKEN"})).await, 300);

        let derived = issued(&house.exchange(json!({})).await.ok()).to_owned();
        house.get_user(&derived).await.ok();
        let revoke = json!({"Token": house.refresh, "ClientId": house.app});
        house.server.call("RevokeToken", revoke).await.ok();
        let revoked = "NotAuthorizedException: Access Token has been revoked";
        assert_eq!(house.get_user(&derived).await.error(), revoked);
    })
    .await;
}

#[tokio::test]
async fn levels_of_assurance_go_along() {
    let house = House::new(Server::memory().await).await;
    let sure = json!({"acr": "urn:cognito:loa:4", "amr": ["pwd", "otp", "mfa"]});
    let subject = house.changed(&house.access, sure.clone()).await;
    for kind in ["ACCESS_TOKEN", "ID_TOKEN"] {
        let answer = house.exchange(json!({"SubjectToken": subject, "RequestedTokenType": kind})).await.ok();
        let claims = segment(issued(&answer), 1);
        assert_eq!((&claims["acr"], &claims["amr"]), (&sure["acr"], &sure["amr"]), "{kind}");
    }
}

#[tokio::test]
async fn only_who_is_allowed_to_exchanges_tokens() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let (_, actor) = house.actor().await;
        let not_enabled = |flow: &str| format!("InvalidParameterException: {flow} is not enabled for the client.");
        let (alone, with_actor) = ("ALLOW_TOKEN_EXCHANGE_IMPERSONATION", "ALLOW_TOKEN_EXCHANGE_DELEGATION");
        house.configure(json!({"ExplicitAuthFlows": [with_actor]})).await;
        assert_eq!(house.exchange(json!({})).await.error(), not_enabled(alone));
        house.exchange(actor.clone()).await.ok();
        house.configure(json!({"ExplicitAuthFlows": [alone]})).await;
        assert_eq!(house.exchange(actor.clone()).await.error(), not_enabled(with_actor));
        house.exchange(json!({})).await.ok();
        house.configure(json!({"ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH"]})).await;
        assert_eq!(house.exchange(json!({})).await.error(), not_enabled(alone));
        assert_eq!(house.exchange(actor).await.error(), not_enabled(with_actor));
        house.configure(json!({})).await;
        assert_eq!(house.exchange(json!({})).await.error(), not_enabled(alone));

        for secret in ["x".repeat(51), house.gateway.secret.to_uppercase()] {
            assert_eq!(house.exchange(json!({"ClientSecret": secret})).await.error(), UNAUTHORIZED);
        }
        let unknown = "ResourceNotFoundException: User pool client unknown does not exist.";
        assert_eq!(house.exchange(json!({"ClientId": "unknown"})).await.error(), unknown);
        // A client without a secret has none to show.
        let flows = json!({"ExplicitAuthFlows": ["ALLOW_TOKEN_EXCHANGE_IMPERSONATION"]});
        let public = house.server.client_id(&house.pool, flows).await;
        assert_eq!(house.exchange(json!({"ClientId": public})).await.error(), UNAUTHORIZED);
        house.exchange(json!({"ClientId": public, "ClientSecret": null})).await.ok();
    })
    .await;
}

#[tokio::test]
async fn what_does_not_go_together_is_refused() {
    let house = House::new(Server::memory().await).await;
    let (_, actor) = house.actor().await;
    let needs_subject_provider =
        "InvalidParameterException: SubjectTokenProviderName is required with SubjectTokenType SAML2.";
    let needs_actor_provider =
        "InvalidParameterException: ActorTokenProviderName is required with ActorTokenType SAML2.";
    let needs_type = "InvalidParameterException: ActorTokenType is required with ActorToken.";
    let needs_actor =
        "InvalidParameterException: ActorTokenType and ActorTokenProviderName can only be given with ActorToken.";
    let no_scopes = "InvalidParameterException: Scopes cannot be requested for an ID token.";
    let no_provider = "ResourceNotFoundException: Identity provider Okta does not exist.";
    for (members, error) in [
        (json!({"ActorToken": house.access}), needs_type.to_owned()),
        (json!({"ActorTokenType": "ACCESS_TOKEN"}), needs_actor.to_owned()),
        (json!({"ActorTokenProviderName": "Okta"}), needs_actor.to_owned()),
        (json!({"RequestedTokenType": "ID_TOKEN", "Scopes": ["openid"]}), no_scopes.to_owned()),
        (json!({"SubjectTokenType": "SAML2"}), needs_subject_provider.to_owned()),
        (json!({"SubjectTokenProviderName": "Okta"}), no_provider.to_owned()),
        (with(actor.clone(), &json!({"ActorTokenType": "SAML2"})), needs_actor_provider.to_owned()),
        (with(actor.clone(), &json!({"ActorTokenProviderName": "Okta"})), no_provider.to_owned()),
    ] {
        assert_eq!(house.exchange(members.clone()).await.error(), error, "{members}");
    }
    for members in [
        json!({"SubjectToken": null}),
        json!({"SubjectToken": "not a token"}),
        json!({"SubjectToken": "x".repeat(131_073)}),
        json!({"SubjectTokenType": null}),
        json!({"SubjectTokenType": "REFRESH_TOKEN"}),
        json!({"RequestedTokenType": "SAML2"}),
        json!({"Audiences": ["a", "b"]}),
        json!({"Resources": ["files", "files"]}),
        json!({"Audiences": ["with space"]}),
        json!({"Scopes": vec!["openid"; 51]}),
        json!({"ClientSecret": "short"}),
        json!({"ClientId": null}),
    ] {
        let error = house.exchange(members.clone()).await.error();
        assert!(error.starts_with("InvalidParameterException: "), "{members}: {error}");
        assert!(error.contains("validation error"), "{members}: {error}");
    }
}
