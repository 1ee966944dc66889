//! Importing users from files (accounts.md §18).

use axum::body::Body;
use http::{Method, Request};
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};
use tokio_util::sync::CancellationToken;

mod hashes;
mod jobs;
mod second_factors;
mod uploads;

const ROLE: &str = "arn:aws:iam::123456789012:role/CloudWatchLogs";
const NO_POOL: &str = "ResourceNotFoundException: User pool us-east-1_zzzzzzzzz does not exist.";
const EXISTS: &str = "The user already exists.";

/// A pool that verifies email addresses.
pub async fn pool(server: &Server, members: Value) -> String {
    let mut all = json!({"AutoVerifiedAttributes": ["email"]});
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    server.pool(all).await
}

/// A new job, as the answer shows it.
pub async fn create(server: &Server, pool: &str, members: Value) -> Value {
    let mut request = json!({"UserPoolId": pool, "JobName": "job", "CloudWatchLogsRoleArn": ROLE});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    server.call("CreateUserImportJob", request).await.ok()["UserImportJob"].clone()
}

/// An operation on a job.
pub async fn on_job(server: &Server, operation: &str, pool: &str, job: &str) -> Answer {
    server.call(operation, json!({"UserPoolId": pool, "JobId": job})).await
}

pub async fn describe(server: &Server, pool: &str, job: &str) -> Value {
    on_job(server, "DescribeUserImportJob", pool, job).await.ok()["UserImportJob"].clone()
}

/// Sends a file to the address of a job.
pub async fn upload(server: &Server, job: &Value, file: impl Into<Body>) -> Answer {
    let url = job["PreSignedUrl"].as_str().unwrap();
    server.request(put(url).body(file.into()).unwrap()).await
}

fn put(url: &str) -> http::request::Builder {
    let path = url.strip_prefix("http://127.0.0.1:9229").unwrap();
    Request::builder().method(Method::PUT).uri(path).header("x-amz-server-side-encryption", "aws:kms")
}

/// The columns of the pool's files.
pub async fn header(server: &Server, pool: &str) -> Vec<String> {
    let answer = server.call("GetCSVHeader", json!({"UserPoolId": pool})).await.ok();
    answer["CSVHeader"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// A file with these values; those that every user needs are filled in.
pub fn file(header: &[String], users: &[Value]) -> String {
    let mut text = header.join(",") + "\n";
    for user in users {
        let username = user["cognito:username"].as_str().unwrap();
        let value = |name: &String| match (user[name.as_str()].as_str(), name.as_str()) {
            (Some(value), _) => value.to_owned(),
            (None, "cognito:mfa_enabled") => "FALSE".to_owned(),
            (None, "email") => format!("{username}@example.com"),
            (None, "email_verified") => "TRUE".to_owned(),
            (None, _) => String::new(),
        };
        text += &header.iter().map(value).collect::<Vec<_>>().join(",");
        text.push('\n');
    }
    text
}

/// Runs the job that is under way to its end.
pub async fn work(server: &Server) {
    service::import::work_off(&server.app, &CancellationToken::new()).await.unwrap();
}

/// A job with this file, run to its end.
pub async fn import(server: &Server, pool: &str, members: Value, text: &str) -> Value {
    let job = create(server, pool, members).await;
    let id = job["JobId"].as_str().unwrap();
    assert_eq!(upload(server, &job, text.to_owned()).await.status, 200);
    assert_eq!(on_job(server, "StartUserImportJob", pool, id).await.ok()["UserImportJob"]["Status"], "Pending");
    work(server).await;
    describe(server, pool, id).await
}

/// What became of the lines of a job's file.
pub async fn log(server: &Server, pool: &str, job: &Value) -> String {
    let id = job["JobId"].as_str().unwrap();
    let answer = server.get(&format!("/_poolkeeper/imports/{pool}/{id}/log")).await;
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    match answer.ok() {
        Value::Null => String::new(),
        text => text.as_str().unwrap().to_owned(),
    }
}

fn counts(job: &Value) -> [i64; 3] {
    ["ImportedUsers", "SkippedUsers", "FailedUsers"].map(|name| job[name].as_i64().unwrap())
}

async fn admin_get(server: &Server, pool: &str, username: &str) -> Answer {
    server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": username})).await
}

#[tokio::test]
async fn the_header_lists_the_pools_attributes() {
    both_engines(async |server| {
        let schema = json!([
            {"Name": "tier", "AttributeDataType": "String", "Mutable": true},
            {"Name": "vip", "AttributeDataType": "Boolean", "DeveloperOnlyAttribute": true},
        ]);
        let pool = pool(&server, json!({"Schema": schema})).await;
        let answer = server.call("GetCSVHeader", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(answer["UserPoolId"], pool);
        insta::allow_duplicates! { assert_json_snapshot!(
            answer["CSVHeader"]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap())
                .collect::<Vec<_>>()
                .join(" "), @r#""name given_name family_name middle_name nickname preferred_username profile picture website email email_verified gender birthdate zoneinfo locale phone_number phone_number_verified address updated_at custom:tier dev:custom:vip cognito:mfa_enabled cognito:username""#) };
        let answer = server.call("GetCSVHeader", json!({"UserPoolId": "us-east-1_zzzzzzzzz"})).await;
        assert_eq!(answer.error(), NO_POOL);
    })
    .await;
}

#[tokio::test]
async fn a_file_becomes_users_who_reset_their_passwords() {
    both_engines(async |server| {
        let pool = pool(&server, json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        let header = header(&server, &pool).await;
        let users = [
            json!({"cognito:username": "alice", "name": "Alice A.", "birthdate": "02/01/1985", "address": "1 Road\\, Town", "updated_at": "1700000000"}),
            json!({"cognito:username": "bob", "email": " bob@example.com ", "phone_number": "+14325551212", "phone_number_verified": "false"}),
        ];
        let job = create(&server, &pool, json!({})).await;
        insta::allow_duplicates! { assert_json_snapshot!(job, {".JobId" => "[id]", ".PreSignedUrl" => "[url]", ".UserPoolId" => "[pool]"}, @r#"
        {
          "JobName": "job",
          "JobId": "[id]",
          "UserPoolId": "[pool]",
          "PreSignedUrl": "[url]",
          "CreationDate": 1767323045.0,
          "Status": "Created",
          "CloudWatchLogsRoleArn": "arn:aws:iam::123456789012:role/CloudWatchLogs",
          "ImportedUsers": 0,
          "SkippedUsers": 0,
          "FailedUsers": 0
        }
        "#) };
        let id = job["JobId"].as_str().unwrap();
        let answer = upload(&server, &job, file(&header, &users)).await;
        assert_eq!((answer.status, answer.body), (200, Value::Null));
        server.advance(60);
        let started = on_job(&server, "StartUserImportJob", &pool, id).await.ok()["UserImportJob"].clone();
        insta::allow_duplicates! { assert_json_snapshot!(started, {".JobId" => "[id]", ".PreSignedUrl" => "[url]", ".UserPoolId" => "[pool]"}, @r#"
        {
          "JobName": "job",
          "JobId": "[id]",
          "UserPoolId": "[pool]",
          "PreSignedUrl": "[url]",
          "CreationDate": 1767323045.0,
          "StartDate": 1767323105.0,
          "Status": "Pending",
          "CloudWatchLogsRoleArn": "arn:aws:iam::123456789012:role/CloudWatchLogs",
          "ImportedUsers": 0,
          "SkippedUsers": 0,
          "FailedUsers": 0
        }
        "#) };
        server.advance(60);
        work(&server).await;
        let ended = describe(&server, &pool, id).await;
        insta::allow_duplicates! { assert_json_snapshot!(ended, {".JobId" => "[id]", ".PreSignedUrl" => "[url]", ".UserPoolId" => "[pool]"}, @r#"
        {
          "JobName": "job",
          "JobId": "[id]",
          "UserPoolId": "[pool]",
          "PreSignedUrl": "[url]",
          "CreationDate": 1767323045.0,
          "StartDate": 1767323105.0,
          "CompletionDate": 1767323165.0,
          "Status": "Succeeded",
          "CloudWatchLogsRoleArn": "arn:aws:iam::123456789012:role/CloudWatchLogs",
          "ImportedUsers": 2,
          "SkippedUsers": 0,
          "FailedUsers": 0,
          "CompletionMessage": "The Import Job has completed."
        }
        "#) };
        assert_eq!(ended["PreSignedUrl"], job["PreSignedUrl"]);
        assert_eq!(log(&server, &pool, &job).await, "[SUCCEEDED] 2 users were imported, 0 lines skipped, 0 lines failed.\n");

        let alice = admin_get(&server, &pool, "alice").await.ok();
        insta::allow_duplicates! { assert_json_snapshot!(alice, {".UserAttributes[0].Value" => "[sub]"}, @r#"
        {
          "Username": "alice",
          "UserAttributes": [
            {
              "Name": "sub",
              "Value": "[sub]"
            },
            {
              "Name": "address",
              "Value": "1 Road, Town"
            },
            {
              "Name": "birthdate",
              "Value": "02/01/1985"
            },
            {
              "Name": "email",
              "Value": "alice@example.com"
            },
            {
              "Name": "email_verified",
              "Value": "true"
            },
            {
              "Name": "name",
              "Value": "Alice A."
            },
            {
              "Name": "updated_at",
              "Value": "1700000000"
            }
          ],
          "UserCreateDate": 1767323165.0,
          "UserLastModifiedDate": 1767323165.0,
          "Enabled": true,
          "UserStatus": "RESET_REQUIRED"
        }
        "#) };
        let bob = admin_get(&server, &pool, "bob").await.ok();
        insta::allow_duplicates! { assert_json_snapshot!(bob["UserAttributes"], {"[0].Value" => "[sub]"}, @r#"
        [
          {
            "Name": "sub",
            "Value": "[sub]"
          },
          {
            "Name": "email",
            "Value": "bob@example.com"
          },
          {
            "Name": "email_verified",
            "Value": "true"
          },
          {
            "Name": "phone_number",
            "Value": "+14325551212"
          },
          {
            "Name": "phone_number_verified",
            "Value": "false"
          }
        ]
        "#) };
        assert!(server.messages(&pool, "alice").await.is_empty(), "nobody is told");
        let count = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok()["UserPool"]["EstimatedNumberOfUsers"].clone();
        assert_eq!(count, 2);
        let found = server.call("ListUsers", json!({"UserPoolId": pool, "Filter": "email = \"bob@example.com\""})).await.ok();
        assert_eq!(found["Users"][0]["Username"], "bob");

        let answer = server.sign_in(&client, "alice", "Passw0rd!").await;
        assert_eq!(answer.error(), "PasswordResetRequiredException: Password reset required for the user");
        server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await.ok();
        let code = server.last_code(&pool, "alice").await;
        let request = json!({"ClientId": client, "Username": "alice", "ConfirmationCode": code, "Password": "Passw0rd!"});
        server.call("ConfirmForgotPassword", request).await.ok();
        server.sign_in(&client, "alice", "Passw0rd!").await.ok();
    })
    .await;
}

#[tokio::test]
async fn each_line_that_is_no_user_is_named() {
    both_engines(async |server| {
        let schema = json!([{"Name": "given_name", "Required": true}, {"Name": "tier", "AttributeDataType": "Number"}]);
        let pool = pool(&server, json!({"Schema": schema, "AliasAttributes": ["email"]})).await;
        server.confirmed_user(&pool, "old", "Passw0rd!", json!({"email": "old@example.com"})).await;
        let header = header(&server, &pool).await;
        let user = |members: Value| {
            let mut user = json!({"given_name": "x"});
            user.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            user
        };
        let named = |name: &str, members: Value| {
            let mut user = user(members);
            user["cognito:username"] = json!(name);
            user
        };
        let long = "x".repeat(16_000);
        let users = [
            named("one", json!({})),
            named("old", json!({"email": "other@example.com"})),
            named("one", json!({"email": "other@example.com"})),
            named("two", json!({"email": "old@example.com"})),
            named("three", json!({"email": "one@example.com"})),
            named("four", json!({"email_verified": "false"})),
            named("five", json!({"email": ""})),
            named("six", json!({"email": "nowhere"})),
            named("seven", json!({"given_name": " "})),
            named("eight", json!({"custom:tier": "many", "phone_number": "12"})),
            named("a b", json!({})),
            named("", json!({})),
            named("nine@example.com", json!({})),
            named("ten", json!({"cognito:mfa_enabled": "TRUE"})),
            named("eleven", json!({"cognito:mfa_enabled": ""})),
            named("twelve", json!({"birthdate": "1985-02-01"})),
            named("thirteen", json!({"address": "1 Road, Town"})),
            named("fourteen", json!({"name": long})),
            named("fifteen", json!({"email_verified": "perhaps"})),
            named("sixteen", json!({"phone_number_verified": "true"})),
            named("last", json!({})),
        ];
        let mut text = file(&header, &users).into_bytes();
        text.extend(b"\n \nnot \xff text\n\0\nx\n");
        let job = create(&server, &pool, json!({})).await;
        assert_eq!(upload(&server, &job, text).await.status, 200);
        on_job(&server, "StartUserImportJob", &pool, job["JobId"].as_str().unwrap()).await.ok();
        work(&server).await;
        let job = describe(&server, &pool, job["JobId"].as_str().unwrap()).await;
        assert_eq!((job["Status"].as_str().unwrap(), counts(&job)), ("Succeeded", [2, 2, 20]));
        let logged = log(&server, &pool, &job).await;
        insta::allow_duplicates! { insta::assert_snapshot!(logged, @r"
        [SKIPPED] Line Number 3 - The user already exists.
        [SKIPPED] Line Number 4 - The user already exists.
        [FAILED] Line Number 5 - An account with the given email already exists.
        [FAILED] Line Number 6 - An account with the given email already exists.
        [FAILED] Line Number 7 - The User Record does not set any of the auto verified attributes to true. (Example: email_verified to true).
        [FAILED] Line Number 8 - Email is required to verify/un-verify an email
        [FAILED] Line Number 9 - Invalid email address format.
        [FAILED] Line Number 10 - The User Record does not have a value for the required attribute given_name.
        [FAILED] Line Number 11 - Attributes did not conform to the schema: custom:tier: Number must be an integer
        [FAILED] Line Number 12 - The username has blanks, or characters that usernames cannot have, or more than 128 of them.
        [FAILED] Line Number 13 - The User Record does not have a username.
        [FAILED] Line Number 14 - Username cannot be of email format, since user pool is configured for email alias.
        [FAILED] Line Number 15 - The column cognito:mfa_enabled must be false in this user pool.
        [FAILED] Line Number 16 - The column cognito:mfa_enabled must be false in this user pool.
        [FAILED] Line Number 17 - The attribute birthdate must be of the form mm/dd/yyyy.
        [FAILED] Line Number 18 - The line has 23 values but the header has 22 columns. Write a comma in a value as \,
        [FAILED] Line Number 19 - The line has more than 16000 characters.
        [FAILED] Line Number 20 - Attributes did not conform to the schema: email_verified: Boolean must be true or false
        [FAILED] Line Number 21 - Phone number is required to verify/un-verify a phone number
        [FAILED] Line Number 25 - The line is not UTF-8 text.
        [FAILED] Line Number 26 - The line is not UTF-8 text.
        [FAILED] Line Number 27 - The line has 1 values but the header has 22 columns. Write a comma in a value as \,
        [SUCCEEDED] 2 users were imported, 2 lines skipped, 20 lines failed.
        ") };
        admin_get(&server, &pool, "one@example.com").await.ok();
        admin_get(&server, &pool, "last").await.ok();
        let users = server.call("ListUsers", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(users["Users"].as_array().unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn users_who_sign_in_by_address_are_known_by_it() {
    both_engines(async |server| {
        let pool =
            pool(&server, json!({"UsernameAttributes": ["email"], "Schema": [{"Name": "email", "Required": true}]}))
                .await;
        let header = header(&server, &pool).await;
        let users = [
            json!({"cognito:username": "a@example.com", "email": "a@example.com"}),
            json!({"cognito:username": "A@example.com", "email": ""}),
            json!({"cognito:username": "c@example.com", "email": "other@example.com"}),
            json!({"cognito:username": "carol", "email": "carol@example.com"}),
            json!({"cognito:username": "d@example.com", "email": ""}),
        ];
        let job = import(&server, &pool, json!({}), &file(&header, &users)).await;
        let logged = log(&server, &pool, &job).await;
        insta::allow_duplicates! { insta::assert_snapshot!(logged, @"
        [FAILED] Line Number 4 - Username and the attribute email must be the same.
        [FAILED] Line Number 5 - Username should be an email.
        [SUCCEEDED] 3 users were imported, 0 lines skipped, 2 lines failed.
        ") };
        let user = admin_get(&server, &pool, "a@example.com").await.ok();
        assert_eq!(user["Username"], user["UserAttributes"][0]["Value"]);
        let again = import(&server, &pool, json!({}), &file(&header, users.get(..1).unwrap())).await;
        assert_eq!(counts(&again), [0, 1, 0]);
        assert_eq!(
            log(&server, &pool, &again).await.lines().next(),
            Some("[SKIPPED] Line Number 2 - The user already exists.")
        );
    })
    .await;
}

#[tokio::test]
async fn a_large_file_is_worked_off_in_pieces() {
    both_engines(async |server| {
        let pool = pool(&server, json!({})).await;
        let header = header(&server, &pool).await;
        // Every tenth is there twice, the second time far behind the first or right after it.
        let name = |number: usize| match number % 10 {
            9 if number > 2_500 => format!("user-{:05}", number - 2_500),
            8 => format!("user-{:05}", number - 1),
            _ => format!("user-{number:05}"),
        };
        let users: Vec<Value> = (0..5_000).map(|number| json!({"cognito:username": name(number)})).collect();
        let job = import(&server, &pool, json!({}), &file(&header, &users)).await;
        let names: std::collections::BTreeSet<_> = (0..5_000).map(name).collect();
        let imported = i64::try_from(names.len()).unwrap();
        assert_eq!((job["Status"].as_str().unwrap(), counts(&job)), ("Succeeded", [imported, 5_000 - imported, 0]));
        let logged = log(&server, &pool, &job).await;
        let mut seen = std::collections::BTreeSet::new();
        let again = (0..5_000).filter(|number| !seen.insert(name(*number)));
        let mut expected: String =
            again.map(|number| format!("[SKIPPED] Line Number {} - {EXISTS}\n", number + 2)).collect();
        let skipped = 5_000 - imported;
        expected += &format!("[SUCCEEDED] {imported} users were imported, {skipped} lines skipped, 0 lines failed.\n");
        assert_eq!(logged, expected);
        let count = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok()["UserPool"]["EstimatedNumberOfUsers"].as_i64();
        assert_eq!(count, Some(imported));
    })
    .await;
}
