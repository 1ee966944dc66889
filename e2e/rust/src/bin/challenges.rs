//! Custom challenges, as one would deploy them to Lambda: nothing in here knows Poolkeeper.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handler)).await
}

async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (mut event, context) = event.into_parts();
    println!("{} of {}", event["triggerSource"], context.env_config.function_name);
    if event["userName"].as_str().is_some_and(|name| name.starts_with("throw")) {
        return Err("No, not you".into());
    }
    let response = match event["triggerSource"].as_str() {
        Some("DefineAuthChallenge_Authentication") => define(&event["request"]),
        Some("CreateAuthChallenge_Authentication") => create(),
        Some("VerifyAuthChallengeResponse_Authentication") => verify(&event["request"]),
        other => return Err(format!("no such trigger: {other:?}").into()),
    };
    event["response"] = response;
    Ok(event)
}

fn define(request: &Value) -> Value {
    let session = request["session"].as_array().map(Vec::as_slice).unwrap_or_default();
    let answered = session.last().is_some_and(|last| last["challengeResult"] == true);
    let mut response = json!({"issueTokens": answered, "failAuthentication": !answered && session.len() >= 2});
    if !answered {
        response["challengeName"] = "CUSTOM_CHALLENGE".into();
    }
    response
}

fn create() -> Value {
    let names = std::env::vars().map(|(name, _)| name);
    let secrets: Vec<String> = names.filter(|name| name.starts_with("POOLKEEPER_")).collect();
    json!({
        "publicChallengeParameters": {
            "question": "What is the answer?",
            "language": "rust",
            "secrets": secrets.join(","),
        },
        "privateChallengeParameters": {"answer": "größer als 41"},
    })
}

fn verify(request: &Value) -> Value {
    json!({"answerCorrect": request["challengeAnswer"] == request["privateChallengeParameters"]["answer"]})
}
