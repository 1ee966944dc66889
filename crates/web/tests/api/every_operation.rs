//! What all operations have in common: requests that break the model, and names of things that are not there.

use std::collections::BTreeMap;

use domain::User;
use serde_json::{Map, Value, json};
use store::Changes;
use testkit::{Server, both_engines};
use wire::{
    Operation, UserStatusType,
    schema::{Kind, Shape},
};

use crate::users::PASSWORD;

/// Operations that take an access token although the model does not demand one.
const TOKEN_IS_OPTIONAL: [&str; 4] = ["AssociateSoftwareToken", "ForgetDevice", "GetDevice", "VerifySoftwareToken"];

/// Operations that are built.
fn built() -> impl Iterator<Item = Operation> {
    let missing = include_str!("../../../../model/not-built.txt");
    Operation::ALL.iter().copied().filter(move |operation| !missing.lines().any(|line| line == operation.name()))
}

/// The smallest request that the model allows, naming nothing that exists.
fn smallest(operation: Operation) -> Value {
    value("", operation.input())
}

fn value(name: &str, shape: &Shape) -> Value {
    match &shape.kind {
        Kind::Structure { members } => {
            let required = members.iter().filter(|member| member.required);
            required
                .map(|member| (member.name.to_owned(), value(member.name, member.shape)))
                .collect::<Map<_, _>>()
                .into()
        }
        Kind::List { member, .. } => json!([value(name, member)]),
        Kind::Map { .. } => json!({}),
        Kind::String { values: [first, ..], .. } => json!(first),
        Kind::String { min, .. } => match name {
            "UserPoolId" => json!("us-east-1_nosuchpool"),
            "ConfirmationCode" => json!("123456"),
            "AttributeName" => json!("email"),
            "SessionId" => json!(format!("tkn{}", "a".repeat(25))),
            "JobId" => json!("import-x"),
            "CloudWatchLogsRoleArn" => json!("arn:aws:iam::123456789012:role/import"),
            "DeviceKey" => json!("us-east-1_00000000-0000-4000-8000-000000000000"),
            "UserCode" => json!("123456"),
            "ProviderName" => json!("Acme"),
            "TermsName" => json!("terms-of-use"),
            "TermsId" | "ManagedLoginBrandingId" => json!("00000000-0000-4000-8000-000000000000"),
            _ => json!("x".repeat(usize::try_from(min.unwrap_or(1).max(1)).unwrap())),
        },
        Kind::Integer { min, .. } => json!(min.unwrap_or(1)),
        Kind::Boolean => json!(false),
        Kind::Timestamp | Kind::Document => json!(0),
        Kind::Blob { .. } => json!(""),
    }
}

/// Whether the model requires any member of an operation's request.
fn requires_something(operation: Operation) -> bool {
    let Kind::Structure { members } = &operation.input().kind else { return false };
    members.iter().any(|member| member.required)
}

#[tokio::test]
async fn requests_without_what_is_required_are_refused_by_every_operation() {
    let server = Server::memory().await;
    for operation in built().filter(|operation| requires_something(*operation)) {
        let answer = server.call(operation.name(), json!({})).await.error();
        assert!(answer.starts_with("InvalidParameterException: "), "{}: {answer}", operation.name());
        assert!(answer.contains("Member must not be null"), "{}: {answer}", operation.name());
    }
}

#[tokio::test]
async fn pools_and_clients_that_do_not_exist_are_named_as_such() {
    let server = Server::memory().await;
    for operation in built() {
        let request = smallest(operation);
        let names_a_pool = request.get("UserPoolId").is_some();
        let names_a_client = request.get("ClientId").is_some();
        // These do not tell a client that is not there from one that does not prove itself.
        let hides_clients = matches!(operation, Operation::RevokeToken | Operation::GetClientToken);
        if !names_a_pool && !names_a_client || hides_clients {
            continue;
        }
        let answer = server.call(operation.name(), request).await.error();
        let expected = if names_a_pool {
            "ResourceNotFoundException: User pool us-east-1_nosuchpool does not exist."
        } else {
            "ResourceNotFoundException: User pool client x does not exist."
        };
        assert_eq!(answer, expected, "{}", operation.name());
    }
}

#[tokio::test]
async fn tokens_that_nobody_issued_open_nothing() {
    let server = Server::memory().await;
    for operation in built() {
        let request = smallest(operation);
        if request.get("AccessToken").is_some() {
            let answer = server.call(operation.name(), request).await.error();
            assert_eq!(answer, "NotAuthorizedException: Invalid Access Token", "{}", operation.name());
        }
    }
}

/// Every operation that takes an access token, with this one.
pub async fn answers_to(server: &Server, token: &str) -> BTreeMap<&'static str, String> {
    let mut answers = BTreeMap::new();
    for operation in built() {
        let mut request = smallest(operation);
        if request.get("AccessToken").is_some() || TOKEN_IS_OPTIONAL.contains(&operation.name()) {
            request["AccessToken"] = token.into();
            answers.insert(operation.name(), server.call(operation.name(), request).await.error());
        }
    }
    answers
}

#[tokio::test]
async fn what_has_become_of_its_user_decides_about_a_token() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({"ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"]})).await;
        let sub = server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let tokens = server.sign_in(&client, "alice", PASSWORD).await.ok();
        let token = tokens["AuthenticationResult"]["AccessToken"].as_str().unwrap();
        let store = &server.app.store;
        let settings = store.pool(&pool).await.unwrap().unwrap();
        for (status, enabled, expected) in [
            (
                UserStatusType::ResetRequired,
                true,
                "PasswordResetRequiredException: Password reset required for the user",
            ),
            (UserStatusType::Unconfirmed, true, "UserNotConfirmedException: User is not confirmed."),
            (UserStatusType::Confirmed, false, "NotAuthorizedException: User is disabled."),
        ] {
            let before = store.user(&pool, &sub).await.unwrap().unwrap();
            let after = User { status, enabled, ..before.value.clone() };
            let mut changes = Changes::new();
            service::users::replace(&mut changes, &settings, &before, after);
            server.app.commit(changes).await.unwrap();
            for (operation, answer) in answers_to(&server, token).await {
                assert_eq!(answer, expected, "{operation}");
            }
        }
        server.call("AdminDeleteUser", json!({"UserPoolId": pool, "Username": "alice"})).await.ok();
        for (operation, answer) in answers_to(&server, token).await {
            assert_eq!(answer, "UserNotFoundException: User does not exist.", "{operation}");
        }
    })
    .await;
}
