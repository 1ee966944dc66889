//! Events for analytics (triggers-security.md §17): who is told of what, and of what nobody is.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use service::{
    records::{Destination, Record, Records, Taking},
    triggers::Failure,
};
use testkit::{Collector, Server};

use crate::{
    hosted::{Browser, PREFIX, asked, client_members, hidden, location},
    sign_up::{attributes, other},
};

const ARN: &str = "arn:aws:mobiletargeting:us-east-1:123456789012:apps/0123456789abcdef";
const PASSWORD: &str = "First-Passw0rd";
const SECOND: &str = "Second-Passw0rd";
const EMAIL: &str = "ana@example.com";
const ENDPOINT: &str = "endpoint-of-ana";

/// A server of each kind, and who is told of its events.
async fn servers() -> Vec<(Server, Collector)> {
    let mut servers = Vec::new();
    for is_in_a_file in [false, true] {
        let collector = Collector::default();
        let builder = Server::builder().records(collector.everything("arn:"));
        let builder = if is_in_a_file { builder.in_a_file() } else { builder };
        let mut server = builder.start().await;
        server.deliver_records();
        servers.push((server, collector));
    }
    servers
}

/// A pool that verifies mail addresses, and a client of it with these settings.
async fn scene(server: &Server, analytics: Value) -> (String, String) {
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"]})).await;
    let client = server.client_id(&pool, json!({"AnalyticsConfiguration": analytics})).await;
    (pool, client)
}

/// A call from the endpoint.
async fn call(server: &Server, operation: &str, mut body: Value) -> testkit::Answer {
    body["AnalyticsMetadata"] = json!({"AnalyticsEndpointId": ENDPOINT});
    server.call(operation, body).await
}

/// A sign-in from the endpoint.
async fn sign_in(server: &Server, client: &str, username: &str, password: &str) -> testkit::Answer {
    let parameters = json!({"USERNAME": username, "PASSWORD": password});
    let request = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client, "AuthParameters": parameters});
    call(server, "InitiateAuth", request).await
}

/// Everything that a user can do, and the texts that nobody may be told.
async fn live(server: &Server, pool: &str, client: &str) -> Vec<String> {
    let mut secrets = vec![PASSWORD.to_owned(), SECOND.to_owned(), "Wr0ng-password".to_owned()];
    let mut remember = |answer: &Value| {
        for pointer in ["AccessToken", "IdToken", "RefreshToken"] {
            let token = answer.pointer(&format!("/AuthenticationResult/{pointer}"));
            secrets.extend(token.and_then(Value::as_str).map(str::to_owned));
        }
        secrets.extend(answer["Session"].as_str().map(str::to_owned));
    };
    let given = attributes(&[("email", EMAIL), ("name", "Ana of Nowhere")]);
    let sign_up = json!({"ClientId": client, "Username": "ana", "Password": PASSWORD, "UserAttributes": given});
    call(server, "SignUp", sign_up.clone()).await.ok();
    assert!(call(server, "SignUp", sign_up).await.error().starts_with("UsernameExistsException"));
    assert!(sign_in(server, client, "ana", PASSWORD).await.error().starts_with("UserNotConfirmedException"));
    call(server, "ResendConfirmationCode", json!({"ClientId": client, "Username": "ana"})).await.ok();
    let code = server.last_code(pool, "ana").await;
    let confirm = json!({"ClientId": client, "Username": "ana", "ConfirmationCode": code});
    call(server, "ConfirmSignUp", confirm).await.ok();
    assert!(sign_in(server, client, "ana", "Wr0ng-password").await.status == 400);
    assert!(sign_in(server, client, "nobody", PASSWORD).await.status == 400);
    let answer = sign_in(server, client, "ana", PASSWORD).await.ok();
    remember(&answer);
    let refresh = json!({"REFRESH_TOKEN": answer["AuthenticationResult"]["RefreshToken"]});
    let refresh = json!({"AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": client, "AuthParameters": refresh});
    remember(&call(server, "InitiateAuth", refresh).await.ok());
    // A request that is wrong in itself proves nothing about anybody.
    let empty = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client, "AuthParameters": {}});
    assert!(call(server, "InitiateAuth", empty).await.error().starts_with("InvalidParameterException"));
    call(server, "ForgotPassword", json!({"ClientId": client, "Username": "ana"})).await.ok();
    let reset = server.last_code(pool, "ana").await;
    let request = json!({"ClientId": client, "Username": "ana", "ConfirmationCode": reset, "Password": SECOND});
    call(server, "ConfirmForgotPassword", request).await.ok();
    // An invited user replaces the temporary password; the administrator's server names no endpoint.
    let email = attributes(&[("email", "bea@example.com")]);
    let invite = json!({"UserPoolId": pool, "Username": "bea", "UserAttributes": email, "TemporaryPassword": PASSWORD});
    server.call("AdminCreateUser", invite).await.ok();
    let parameters = json!({"USERNAME": "bea", "PASSWORD": PASSWORD});
    let request = json!({"UserPoolId": pool, "ClientId": client, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH", "AuthParameters": parameters});
    let challenge = server.call("AdminInitiateAuth", request).await.ok();
    remember(&challenge);
    let mut answering = json!({
        "UserPoolId": pool, "ClientId": client, "ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "a".repeat(20),
        "ChallengeResponses": {"USERNAME": "bea", "NEW_PASSWORD": SECOND},
    });
    assert!(server.call("AdminRespondToAuthChallenge", answering.clone()).await.status == 400);
    answering["Session"] = challenge["Session"].clone();
    remember(&server.call("AdminRespondToAuthChallenge", answering).await.ok());
    secrets.extend([code, reset]);
    assert_eq!(secrets.len(), 3 + 5 + 1 + 3 + 2);
    secrets
}

/// What happened in [`live`], as it is told.
fn events(pool: &str, client: &str, application: (&str, &str), users: Option<[Value; 2]>) -> Vec<Value> {
    let [ana, bea] = users.map_or([None, None], |users| users.map(Some));
    let event = |name: &str, endpoint: Option<&str>, user: &Option<Value>| {
        let mut event = json!({
            "event_type": format!("_userauth.{name}"), "event_timestamp": 1_767_323_045_000_u64,
            "user_pool_id": pool, "client_id": client, application.0: application.1,
        });
        endpoint.into_iter().for_each(|endpoint| event["endpoint_id"] = json!(endpoint));
        user.iter().for_each(|user| event["user"] = user.clone());
        event
    };
    // Not verified yet.
    let unverified = ana.as_ref().map(|user| json!({"user_id": user["user_id"]}));
    let here = Some(ENDPOINT);
    vec![
        event("sign_up", here, &unverified),
        event("auth_fail", here, &None),
        event("sign_up_confirm", here, &ana),
        event("auth_fail", here, &None),
        event("auth_fail", here, &None),
        event("sign_in", here, &ana),
        event("recovery", here, &None),
        event("recovery_confirm", here, &ana),
        event("auth_fail", None, &None),
        event("sign_in", None, &bea),
    ]
}

/// What was told, without the ids, which are all different.
fn told(collector: &Collector) -> Vec<Value> {
    let mut records = collector.records();
    let mut ids: Vec<Value> =
        records.iter_mut().map(|record| record.as_object_mut().unwrap().remove("event_id").unwrap()).collect();
    assert!(ids.iter().all(|id| id.as_str().is_some_and(|id| id.len() == 36)));
    ids.sort_by_key(Value::to_string);
    ids.dedup();
    assert_eq!(ids.len(), records.len());
    records
}

async fn sub(server: &Server, pool: &str, username: &str) -> String {
    let user = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": username})).await.ok();
    crate::sign_up::value(&user, "sub").unwrap()
}

#[tokio::test]
async fn every_step_of_a_user_is_told_and_no_secret() {
    for (mut server, collector) in servers().await {
        let (pool, client) = scene(&server, json!({"ApplicationArn": ARN, "UserDataShared": true})).await;
        let secrets = live(&server, &pool, &client).await;
        server.stop_jobs().await;
        let ana = json!({"user_id": sub(&server, &pool, "ana").await, "email": EMAIL});
        // An invitation verifies nothing.
        let bea = json!({"user_id": sub(&server, &pool, "bea").await});
        let expected = events(&pool, &client, ("application_arn", ARN), Some([ana, bea]));
        assert_eq!(told(&collector), expected);
        let text = json!(collector.records()).to_string();
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is told");
        }
        assert!(!text.contains("Ana of Nowhere"));
        let metrics = server.app.metrics.text();
        let delivered =
            format!("poolkeeper_records_total{{kind=\"analytics\",outcome=\"delivered\"}} {}\n", expected.len());
        assert!(metrics.contains(&delivered), "{metrics}");
    }
}

/// Whoever signs in names the endpoint at each step, and an administrator's server may do so, too.
#[tokio::test]
async fn every_step_of_a_sign_in_counts_on_its_own_endpoint() {
    for (mut server, collector) in servers().await {
        let (pool, client) = scene(&server, json!({"ApplicationArn": ARN, "UserDataShared": true})).await;
        let phone = "+12065550100";
        server.confirmed_user(&pool, "ana", PASSWORD, json!({"email": EMAIL, "phone_number": phone})).await;
        for (prefix, flow) in [("", "USER_PASSWORD_AUTH"), ("Admin", "ADMIN_USER_PASSWORD_AUTH")] {
            let of_client = |members: Value| {
                let mut request = json!({"ClientId": client});
                if !prefix.is_empty() {
                    request["UserPoolId"] = json!(pool);
                }
                crate::pools::with(request, &members)
            };
            let temporary = json!({"UserPoolId": pool, "Username": "ana", "Password": PASSWORD, "Permanent": false});
            server.call("AdminSetUserPassword", temporary).await.ok();
            let parameters = json!({"USERNAME": "ana", "PASSWORD": PASSWORD});
            let begin = of_client(json!({"AuthFlow": flow, "AuthParameters": parameters}));
            let challenge = call(&server, &format!("{prefix}InitiateAuth"), begin).await.ok();
            let mut answer = of_client(json!({
                "ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "a".repeat(20),
                "ChallengeResponses": {"USERNAME": "ana", "NEW_PASSWORD": SECOND},
            }));
            let operation = format!("{prefix}RespondToAuthChallenge");
            assert_eq!(call(&server, &operation, answer.clone()).await.status, 400);
            answer["Session"] = challenge["Session"].clone();
            call(&server, &operation, answer).await.ok();
        }
        // A function that turns somebody away refuses the sign-in; one that cannot be called refuses nobody.
        let function = testkit::triggers::arn("PreAuthentication");
        let update = json!({"UserPoolId": pool, "LambdaConfig": {"PreAuthentication": function}});
        server.call("UpdateUserPool", update).await.ok();
        for failure in [Failure::Threw("no".to_owned()), Failure::not_found()] {
            server.function(&function, move |_| Err(failure.clone()));
            assert_eq!(sign_in(&server, &client, "ana", SECOND).await.status, 400);
        }
        server.stop_jobs().await;
        let told: Vec<_> = told(&collector)
            .into_iter()
            .map(|event| json!([event["event_type"], event["endpoint_id"], event["user"]]))
            .collect();
        let ana = json!({"user_id": sub(&server, &pool, "ana").await, "email": EMAIL, "phone_number": phone});
        let (refused, done) =
            (json!(["_userauth.auth_fail", ENDPOINT, null]), json!(["_userauth.sign_in", ENDPOINT, ana]));
        assert_eq!(told, [refused.clone(), done.clone(), refused.clone(), done, refused]);
    }
}

/// Pages are nobody's endpoint.
#[tokio::test]
async fn a_link_that_is_followed_tells_nothing() {
    for (mut server, collector) in servers().await {
        let (pool, client) = scene(&server, json!({"ApplicationArn": ARN})).await;
        let by_link = json!({
            "UserPoolId": pool, "AutoVerifiedAttributes": ["email"],
            "VerificationMessageTemplate": {"DefaultEmailOption": "CONFIRM_WITH_LINK"},
        });
        server.call("UpdateUserPool", by_link).await.ok();
        crate::sign_up::sign_up(&server, &client, "ana", &[("email", EMAIL)]).await.ok();
        let code = server.last_code(&pool, "ana").await;
        let page = format!("/confirmUser/?client_id={client}&user_name=ana&confirmation_code={code}");
        assert_eq!(server.get(&page).await.status, 200);
        server.stop_jobs().await;
        let [event] = told(&collector).try_into().unwrap();
        assert_eq!(event["event_type"], "_userauth.sign_up");
    }
}

#[tokio::test]
async fn a_life_at_the_login_pages_tells_nothing() {
    for (mut server, collector) in servers().await {
        let pool = json!({"AutoVerifiedAttributes": ["email"], "Schema": [{"Name": "email", "Required": true}]});
        let pool = server.pool(pool).await;
        server.call("CreateUserPoolDomain", json!({"UserPoolId": pool, "Domain": PREFIX})).await.ok();
        let analytics = json!({"AnalyticsConfiguration": {"ApplicationArn": ARN, "UserDataShared": true}});
        let client = server.client_id(&pool, client_members(analytics)).await;
        let (browser, query) = (Browser::new(&server), asked(&client, &[]));
        let send = async |page: &str, fields: &[(&str, &str)]| {
            let path = format!("/{page}?{query}");
            browser.get(&path).await;
            browser.submit(&path, fields).await
        };
        let name = ("username", "ana");
        // Some of what comes in between is refused, in words of its own: the page comes again, and nobody goes on.
        let sign_in = async |password: &str| send("login", &[name, ("password", password)]).await;
        let fields = [name, ("password", PASSWORD), ("requiredAttributes[email]", EMAIL)];
        assert!(location(&send("signup", &fields).await).contains("/confirm?"));
        sign_in(PASSWORD).await;
        let code = server.last_code(&pool, "ana").await;
        assert_eq!(send("confirm", &[name, ("verification_code", &other(&code))]).await.status, 200);
        assert!(location(&send("confirm", &[name, ("verification_code", &code)]).await).contains("/login?"));
        assert_eq!(sign_in("Wr0ng-password").await.status, 200);
        assert!(location(&sign_in(PASSWORD).await).contains("?code="));
        assert!(location(&send("forgotPassword", &[name]).await).contains("/confirmforgotPassword?"));
        let code = server.last_code(&pool, "ana").await;
        let fields = [name, ("verification_code", code.as_str()), ("password", SECOND)];
        assert!(location(&send("confirmforgotPassword", &fields).await).contains("/login?"));
        let temporary = json!({"UserPoolId": pool, "Username": "ana", "Password": PASSWORD, "Permanent": false});
        server.call("AdminSetUserPassword", temporary).await.ok();
        let page = sign_in(PASSWORD).await;
        let carried = ["challenge", "session", "username", "shown"].map(|name| (name, hidden(&page, name)));
        let mut fields: Vec<_> = carried.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.push(("password", SECOND));
        assert!(location(&send("challenge", &fields).await).contains("?code="));
        // The same client's users at the API.
        self::sign_in(&server, &client, "ana", SECOND).await.ok();
        server.stop_jobs().await;
        let told: Vec<_> = told(&collector).into_iter().map(|event| event["event_type"].clone()).collect();
        assert_eq!(told, ["_userauth.sign_in"]);
    }
}

#[tokio::test]
async fn users_are_named_only_where_their_data_is_shared() {
    for shared in [json!(false), Value::Null] {
        for (mut server, collector) in servers().await {
            let id = "0123456789abcdef0123456789ABCDEF";
            let role = "arn:aws:iam::123456789012:role/analytics";
            let mut analytics = json!({"ApplicationId": id, "RoleArn": role, "ExternalId": "outside"});
            if !shared.is_null() {
                analytics["UserDataShared"] = shared.clone();
            }
            let (pool, client) = scene(&server, analytics).await;
            live(&server, &pool, &client).await;
            server.stop_jobs().await;
            assert_eq!(told(&collector), events(&pool, &client, ("application_id", id), None));
            let text = json!(collector.records()).to_string();
            for private in [EMAIL, "ana@", sub(&server, &pool, "ana").await.as_str(), "outside", role] {
                assert!(!text.contains(private), "{private} is told");
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_told_of_clients_that_do_not_want_it() {
    for (mut server, collector) in servers().await {
        let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"]})).await;
        let client = server.client_id(&pool, json!({})).await;
        live(&server, &pool, &client).await;
        server.stop_jobs().await;
        assert_eq!(collector.records(), Vec::<Value>::new());
        assert!(!server.app.metrics.text().contains("poolkeeper_records_total{"));
    }
}

#[tokio::test]
async fn the_setting_comes_back_and_goes_with_an_update() {
    for (mut server, collector) in servers().await {
        let analytics = json!({"ApplicationArn": ARN, "UserDataShared": true});
        let (pool, client) = scene(&server, analytics.clone()).await;
        server.confirmed_user(&pool, "ana", PASSWORD, json!({})).await;
        let request = json!({"UserPoolId": pool, "ClientId": client});
        let described = server.call("DescribeUserPoolClient", request.clone()).await.ok();
        assert_eq!(described["UserPoolClient"]["AnalyticsConfiguration"], analytics);
        let mut update = request.clone();
        update["ExplicitAuthFlows"] = json!(["ALLOW_USER_PASSWORD_AUTH"]);
        server.call("UpdateUserPoolClient", update.clone()).await.ok();
        let described = server.call("DescribeUserPoolClient", request).await.ok();
        assert_eq!(described["UserPoolClient"].get("AnalyticsConfiguration"), None);
        sign_in(&server, &client, "ana", PASSWORD).await.ok();
        update["AnalyticsConfiguration"] = analytics;
        server.call("UpdateUserPoolClient", update).await.ok();
        sign_in(&server, &client, "ana", PASSWORD).await.ok();
        server.stop_jobs().await;
        assert_eq!(told(&collector).len(), 1);
    }
}

/// A destination that never answers.
#[derive(Debug)]
struct Hanging;

impl Destination for Hanging {
    fn take(&self, _records: Arc<[Record]>) -> Taking {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_destination_that_hangs_delays_nobody() {
    let mut server = Server::builder().records(Records::new(Some(Arc::new(Hanging)), vec![])).start().await;
    server.deliver_records();
    let (pool, client) = scene(&server, json!({"ApplicationArn": ARN})).await;
    server.confirmed_user(&pool, "ana", PASSWORD, json!({})).await;
    let signing_in = async {
        for _ in 0..20 {
            sign_in(&server, &client, "ana", PASSWORD).await.ok();
        }
    };
    // One try of the destination alone may take ten.
    tokio::time::timeout(Duration::from_secs(8), signing_in).await.expect("sign-ins do not wait");
    // The end of the server waits a little, but not for ever.
    server.stop_jobs().await;
    let failed = "poolkeeper_records_total{kind=\"analytics\",outcome=\"failed\"} 20\n";
    let metrics = server.app.metrics.text();
    assert!(metrics.contains(failed), "{metrics}");
}

/// Whoever may call at all names endpoints, and what waits is in memory.
#[tokio::test]
async fn names_of_endpoints_are_short_and_cannot_break_a_line() {
    let collector = Collector::default();
    let mut server = Server::builder().records(collector.everything("arn:")).start().await;
    server.deliver_records();
    let (_, client) = scene(&server, json!({"ApplicationArn": ARN})).await;
    let odd = "\n{\"event_type\": \"_userauth.sign_in\"}\u{2028}\u{1f512}";
    let (longest, longer) = ("x".repeat(256), "x".repeat(257));
    for endpoint in [odd, "", &longest, &longer] {
        let request = json!({
            "AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client,
            "AuthParameters": {"USERNAME": "nobody", "PASSWORD": PASSWORD},
            "AnalyticsMetadata": {"AnalyticsEndpointId": endpoint},
        });
        assert!(server.call("InitiateAuth", request).await.status == 400);
    }
    server.stop_jobs().await;
    let told = told(&collector);
    let endpoints: Vec<_> = told.iter().map(|event| event.get("endpoint_id").and_then(Value::as_str)).collect();
    assert_eq!(endpoints, [Some(odd), None, Some(&*longest), None]);
    assert!(told.iter().all(|event| !event.to_string().contains('\n')));
}

#[tokio::test]
async fn without_a_destination_events_are_counted_and_nothing_else() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({"ApplicationArn": ARN})).await;
    server.confirmed_user(&pool, "ana", PASSWORD, json!({})).await;
    sign_in(&server, &client, "ana", PASSWORD).await.ok();
    let dropped = "poolkeeper_records_total{kind=\"analytics\",outcome=\"no_destination\"} 1\n";
    let metrics = server.app.metrics.text();
    assert!(metrics.contains(dropped), "{metrics}");
}
