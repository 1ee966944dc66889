//! Operations whose every commit meets somebody else's: after eight tries they say so.
//!
//! Another writer of the same file is always a little faster. While it holds the file's lock the operation reads and
//! hands in what it has decided; then the other one moves on the version of every row, and only then lets the server's
//! writer have the lock.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use rusqlite::Connection;
use serde_json::{Value, json};
use testkit::{Answer, Server};
use tokio::{sync::Notify, time::timeout};

use crate::{attributes::access_token, software_tokens::offer_tokens, users::PASSWORD};

const MODELLED: &str =
    "ConcurrentModificationException: Too many concurrent changes to the same resource. Please try again.";
const NOT_MODELLED: &str =
    "TooManyRequestsException: Too many concurrent changes to the same resource. Please try again.";
/// How long either side waits for the other before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tables of what operations change, or rest on.
const TABLES: [&str; 6] = ["pools", "clients", "users", "parts", "user_parts", "domains"];

/// Knows when a future wants to be polled again.
#[derive(Default)]
struct Alarm(Notify);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// What an operation answers that always comes second.
async fn outrun(server: &Server, operation: &str, request: Value) -> Answer {
    let rival = Connection::open(server.file_of_data().unwrap()).unwrap();
    rival.busy_timeout(PATIENCE).unwrap();
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(alarm.clone());
    let mut call = pin!(server.call(operation, request));
    loop {
        rival.execute_batch("BEGIN IMMEDIATE").unwrap();
        let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
        for table in TABLES {
            rival.execute(&format!("UPDATE {table} SET version = version + 1"), []).unwrap();
        }
        rival.execute_batch("COMMIT").unwrap();
        match polled {
            Poll::Ready(answer) => return answer,
            Poll::Pending => timeout(PATIENCE, alarm.0.notified()).await.unwrap(),
        }
    }
}

fn id(answer: &Value, pointer: &str) -> Value {
    answer.pointer(pointer).cloned().unwrap()
}

#[tokio::test]
async fn whoever_always_comes_second_is_told_so() {
    let server = Server::file().await;
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    let other_client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    let token = access_token(&server, &client, "alice").await;
    offer_tokens(&server, &pool, "OPTIONAL").await;
    // A request about the pool, with more members.
    let of_pool = |members: Value| crate::pools::with(json!({"UserPoolId": pool}), &members);

    let branding = server.call("CreateManagedLoginBranding", of_pool(json!({"ClientId": client}))).await.ok();
    let branding =
        of_pool(json!({"ManagedLoginBrandingId": id(&branding, "/ManagedLoginBranding/ManagedLoginBrandingId")}));
    let terms = |client: &str| {
        of_pool(json!({
            "ClientId": client, "TermsName": "terms-of-use", "TermsSource": "LINK", "Enforcement": "NONE",
            "Links": {"cognito:default": "https://example.com/terms"}
        }))
    };
    let made = server.call("CreateTerms", terms(&client)).await.ok();
    let made_terms = of_pool(json!({"TermsId": id(&made, "/Terms/TermsId")}));
    let provider = of_pool(json!({
        "ProviderName": "Acme", "ProviderType": "OIDC",
        "ProviderDetails": {
            "client_id": "id", "client_secret": "hush", "authorize_scopes": "openid",
            "attributes_request_method": "GET", "oidc_issuer": "https://idp.example.com"
        }
    }));
    server.call("CreateIdentityProvider", provider).await.ok();
    let provider = of_pool(json!({"ProviderName": "Acme"}));
    let domain = of_pool(json!({"Domain": "my-app"}));
    let tracking = json!({"UserSessionTracking": "ENABLED", "TokenSession": {"MaxPerUser": 3}});

    for (operation, request, expected) in [
        ("AssociateSoftwareToken", json!({"AccessToken": token}), MODELLED),
        ("UpdateManagedLoginBranding", branding.clone(), MODELLED),
        ("DeleteManagedLoginBranding", branding, MODELLED),
        ("CreateManagedLoginBranding", of_pool(json!({"ClientId": other_client})), MODELLED),
        ("UpdateTerms", made_terms.clone(), MODELLED),
        ("DeleteTerms", made_terms, MODELLED),
        ("CreateTerms", terms(&other_client), MODELLED),
        ("UpdateIdentityProvider", provider.clone(), MODELLED),
        ("DeleteIdentityProvider", provider, MODELLED),
        ("CreateUserPoolDomain", domain.clone(), MODELLED),
        ("UpdateUserPoolDomain", domain.clone(), MODELLED),
        ("DeleteUserPoolDomain", domain, MODELLED),
        ("SetUserPoolSessionConfiguration", of_pool(tracking), MODELLED),
        (
            "SetUserPoolClientSessionConfiguration",
            of_pool(json!({"ClientId": client, "SSOSession": {"MaxValidityMinutes": 60}})),
            MODELLED,
        ),
        ("SetUserPoolMfaConfig", of_pool(json!({"MfaConfiguration": "OFF"})), MODELLED),
        ("UpdateUserPool", of_pool(json!({})), MODELLED),
        ("UpdateUserPoolClient", of_pool(json!({"ClientId": client})), MODELLED),
        ("DeleteUserPoolClient", of_pool(json!({"ClientId": client})), MODELLED),
        // To those whose model knows no such thing it is throttling.
        ("CreateGroup", of_pool(json!({"GroupName": "staff"})), NOT_MODELLED),
        ("AdminDisableUser", of_pool(json!({"Username": "alice"})), NOT_MODELLED),
        ("DeleteUserPool", of_pool(json!({})), NOT_MODELLED),
    ] {
        assert_eq!(outrun(&server, operation, request.clone()).await.error(), expected, "{operation}");
        // Alone it goes through, so that nothing else was wrong with it, and nothing of it was done before.
        server.call(operation, request).await.ok();
    }
}
