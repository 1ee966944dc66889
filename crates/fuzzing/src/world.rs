//! A server in process with something of everything, for targets that send requests.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};
use service::triggers::Failure;
use testkit::{
    Server,
    triggers::{arn, lambda_config},
};
use tokio::runtime::{Builder, Runtime};

/// Inputs after which a new server takes the place of the old one, so that what they leave behind cannot grow.
const MOST_INPUTS: u32 = 400;
/// The password of the user `alice`, of both pools.
pub(crate) const PASSWORD: &str = "Passw0rd!";
/// Triggers whose functions an input can answer for, by their keys in LambdaConfig.
pub(crate) const TRIGGERS: [&str; 10] = [
    "PreSignUp",
    "CustomMessage",
    "PreAuthentication",
    "PostAuthentication",
    "PreTokenGeneration",
    "DefineAuthChallenge",
    "CreateAuthChallenge",
    "VerifyAuthChallengeResponse",
    "UserMigration",
    "PostConfirmation",
];
const FLOWS: [&str; 6] = [
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "ALLOW_USER_SRP_AUTH",
    "ALLOW_USER_AUTH",
    "ALLOW_CUSTOM_AUTH",
    "ALLOW_REFRESH_TOKEN_AUTH",
];

/// The server and what is on it.
pub(crate) struct World {
    pub server: Server,
    /// What seeds write for ids and tokens that are not known before, and what they stand for.
    names: Vec<(&'static str, String)>,
    /// A client of a pool whose functions answer what [`World::answer`] was told.
    pub client_with_functions: String,
    pub pool: String,
    answer: Arc<Mutex<Option<(&'static str, String)>>>,
}

struct Kept {
    // Dropped before what it runs on.
    world: World,
    runtime: Runtime,
    inputs_left: u32,
}

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// Runs an input against the server of this thread. When `run` answers false, the server is of no more use.
pub(crate) fn visit(run: impl AsyncFnOnce(&World) -> bool) {
    KEPT.with_borrow_mut(|slot| {
        // What panics leaves no server behind: the next input must not pay for this one.
        let mut kept = slot.take().unwrap_or_else(|| {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            Kept { world: runtime.block_on(World::new()), runtime, inputs_left: MOST_INPUTS }
        });
        let is_usable = kept.runtime.block_on(run(&kept.world));
        kept.inputs_left -= 1;
        if is_usable && kept.inputs_left > 0 {
            *slot = Some(kept);
        }
    });
}

impl World {
    async fn new() -> Self {
        let server = Server::builder().unrecorded().start().await;
        let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"], "AliasAttributes": ["email"]})).await;
        let factors = json!({
            "UserPoolId": pool, "MfaConfiguration": "OPTIONAL", "SoftwareTokenMfaConfiguration": {"Enabled": true},
            "WebAuthnConfiguration": {"RelyingPartyId": "auth.example.com", "UserVerification": "preferred"},
        });
        server.call("SetUserPoolMfaConfig", factors).await.ok();
        let client = server.client_id(&pool, json!({"ExplicitAuthFlows": FLOWS})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        let tokens = server.sign_in(&client, "alice", PASSWORD).await.ok();
        let token = |name: &str| text(&tokens, &format!("/AuthenticationResult/{name}"));
        server.call("CreateGroup", json!({"UserPoolId": pool, "GroupName": "admins"})).await.ok();
        let bob = json!({"UserPoolId": pool, "Username": "bob", "TemporaryPassword": PASSWORD});
        server.call("AdminCreateUser", bob).await.ok();
        let challenge = server.sign_in(&client, "bob", PASSWORD).await.ok();
        let names = vec![
            ("$ACCESS_TOKEN", token("AccessToken")),
            ("$REFRESH_TOKEN", token("RefreshToken")),
            ("$SESSION", text(&challenge, "/Session")),
            ("$CLIENT", client),
            ("$POOL", pool.clone()),
        ];

        let answer = Arc::new(Mutex::new(None));
        for trigger in TRIGGERS {
            let answer = answer.clone();
            server.function(&arn(trigger), move |event| returned(trigger, event, &answer));
        }
        let mut functions = lambda_config(&TRIGGERS.map(|trigger| match trigger {
            // Its newer events are named in a member of their own.
            "PreTokenGeneration" => "PreSignUp",
            other => other,
        }));
        functions["PreTokenGenerationConfig"] =
            json!({"LambdaVersion": "V2_0", "LambdaArn": arn("PreTokenGeneration")});
        let settings = json!({"AutoVerifiedAttributes": ["email"], "LambdaConfig": functions});
        let pool_with_functions = server.pool(settings).await;
        let client_with_functions = server.client_id(&pool_with_functions, json!({"ExplicitAuthFlows": FLOWS})).await;
        let email = json!({"email": "alice@example.com"});
        server.confirmed_user(&pool_with_functions, "alice", PASSWORD, email).await;
        Self { server, names, client_with_functions, pool, answer }
    }

    /// A text with ids and tokens in the place of their names.
    pub(crate) fn filled_in(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// Has the function of a trigger answer this from now on; others do what is right.
    pub(crate) fn answer(&self, trigger: &'static str, output: String) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some((trigger, output));
    }
}

/// What the function of `trigger` returns for an event. Output that is JSON without a `response` is the `response` of
/// the event, which it would take inputs long to put together.
fn returned(
    trigger: &'static str,
    mut event: Value,
    answer: &Mutex<Option<(&'static str, String)>>,
) -> Result<String, Failure> {
    if let Some((chosen, output)) = answer.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
        && *chosen == trigger
    {
        return match serde_json::from_str::<Value>(output) {
            Ok(response) if response.get("response").is_none() => {
                event["response"] = response;
                Ok(event.to_string())
            }
            _ => Ok(output.clone()),
        };
    }
    match trigger {
        "DefineAuthChallenge" => event["response"]["challengeName"] = json!("CUSTOM_CHALLENGE"),
        "VerifyAuthChallengeResponse" => event["response"]["answerCorrect"] = json!(true),
        "UserMigration" => return Err(Failure::Threw("nobody".to_owned())),
        _ => {}
    }
    Ok(event.to_string())
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).expect("a text where one is due").to_owned()
}
