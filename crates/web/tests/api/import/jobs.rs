//! What may be done with jobs, and when.

use store::Changes;

use super::*;

const IN_PROGRESS: &str = "UserImportInProgressException: Users are being imported into this user pool. Try again when \
                           the import job has ended, or stop it.";
const NO_JOB: &str = "ResourceNotFoundException: User import job import-1 does not exist.";

/// A pool, and a job with a file of one user.
async fn scene(server: &Server) -> (String, Value) {
    let pool = pool(server, json!({})).await;
    let job = create(server, &pool, json!({})).await;
    let text = file(&header(server, &pool).await, &[json!({"cognito:username": "alice"})]);
    assert_eq!(upload(server, &job, text).await.status, 200);
    (pool, job)
}

fn id(job: &Value) -> &str {
    job["JobId"].as_str().unwrap()
}

fn not_startable(status: &str) -> String {
    format!("PreconditionNotMetException: The import job cannot be started. Its current status is {status}.")
}

fn not_stoppable(status: &str) -> String {
    format!("PreconditionNotMetException: The import job cannot be stopped. Its current status is {status}.")
}

#[tokio::test]
async fn jobs_and_pools_that_are_not_there_are_said_not_to_be() {
    both_engines(async |server| {
        let pool = pool(&server, json!({})).await;
        for operation in ["DescribeUserImportJob", "StartUserImportJob", "StopUserImportJob"] {
            assert_eq!(on_job(&server, operation, &pool, "import-1").await.error(), NO_JOB);
            assert_eq!(on_job(&server, operation, "us-east-1_zzzzzzzzz", "import-1").await.error(), NO_POOL);
        }
        let request = json!({"UserPoolId": "us-east-1_zzzzzzzzz", "JobName": "x", "CloudWatchLogsRoleArn": ROLE});
        assert_eq!(server.call("CreateUserImportJob", request).await.error(), NO_POOL);
        let request = json!({"UserPoolId": "us-east-1_zzzzzzzzz", "MaxResults": 1});
        assert_eq!(server.call("ListUserImportJobs", request).await.error(), NO_POOL);
        // Another pool's job is none of this one's.
        let other = create(&server, &pool, json!({})).await;
        let second = server.pool(json!({})).await;
        let answer = on_job(&server, "DescribeUserImportJob", &second, id(&other)).await;
        assert_eq!(
            answer.error(),
            format!("ResourceNotFoundException: User import job {} does not exist.", id(&other))
        );
        assert_eq!(server.get(&format!("/_poolkeeper/imports/{pool}/import-1/log")).await.error(), NO_JOB);
    })
    .await;
}

#[tokio::test]
async fn requests_are_checked() {
    let server = Server::memory().await;
    let pool = pool(&server, json!({})).await;
    let call = async |members: Value| {
        let mut request = json!({"UserPoolId": pool, "JobName": "job", "CloudWatchLogsRoleArn": ROLE});
        request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        server.call("CreateUserImportJob", request).await.error()
    };
    insta::assert_snapshot!(call(json!({"JobName": "a/b"})).await, @r"InvalidParameterException: 1 validation error detected: Value 'a/b' at 'jobName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w\s+=,.@-]+");
    insta::assert_snapshot!(call(json!({"CloudWatchLogsRoleArn": "arn:aws:iam::1:role"})).await, @"InvalidParameterException: 1 validation error detected: Value 'arn:aws:iam::1:role' at 'cloudWatchLogsRoleArn' failed to satisfy constraint: Member must have length greater than or equal to 20");
    insta::assert_snapshot!(call(json!({"CloudWatchLogsRoleArn": "CloudWatchLogsRole-without-arn"})).await, @r"InvalidParameterException: 1 validation error detected: Value 'CloudWatchLogsRole-without-arn' at 'cloudWatchLogsRoleArn' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:[\w+=/,.@-]+:[\w+=/,.@-]+:([\w+=/,.@-]*)?:[0-9]+:[\w+=/,.@-]+(:[\w+=/,.@-]+)?(:[\w+=/,.@-]+)?");
    insta::assert_snapshot!(call(json!({"PasswordHashingAlgorithm": "MD5"})).await, @"InvalidParameterException: 1 validation error detected: Value 'MD5' at 'passwordHashingAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [BCRYPT, SCRYPT, ARGON2ID, PBKDF2_SHA256]");
    insta::assert_snapshot!(server.call("ListUserImportJobs", json!({"UserPoolId": pool})).await.error(), @"InvalidParameterException: 1 validation error detected: Value null at 'maxResults' failed to satisfy constraint: Member must not be null");
    insta::assert_snapshot!(
        server.call("ListUserImportJobs", json!({"UserPoolId": pool, "MaxResults": 61})).await.error(), @"InvalidParameterException: 1 validation error detected: Value '61' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 60");
    insta::assert_snapshot!(on_job(&server, "DescribeUserImportJob", &pool, "x").await.error(), @"InvalidParameterException: 1 validation error detected: Value 'x' at 'jobId' failed to satisfy constraint: Member must satisfy regular expression pattern: import-[0-9a-zA-Z-]+");
}

#[tokio::test]
async fn a_job_is_started_once_and_needs_a_file_and_something_to_verify() {
    both_engines(async |server| {
        let (pool, job) = scene(&server).await;
        assert_eq!(on_job(&server, "StopUserImportJob", &pool, id(&job)).await.error(), not_stoppable("Created"));
        let empty = create(&server, &pool, json!({})).await;
        assert_eq!(
            on_job(&server, "StartUserImportJob", &pool, id(&empty)).await.error(),
            "PreconditionNotMetException: No file has been uploaded for the import job."
        );
        server.call("UpdateUserPool", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(
            on_job(&server, "StartUserImportJob", &pool, id(&job)).await.error(),
            "PreconditionNotMetException: The user pool must have auto verified attributes to import users."
        );
        server.call("UpdateUserPool", json!({"UserPoolId": pool, "AutoVerifiedAttributes": ["email"]})).await.ok();
        on_job(&server, "StartUserImportJob", &pool, id(&job)).await.ok();
        assert_eq!(on_job(&server, "StartUserImportJob", &pool, id(&job)).await.error(), not_startable("Pending"));
        work(&server).await;
        assert_eq!(on_job(&server, "StartUserImportJob", &pool, id(&job)).await.error(), not_startable("Succeeded"));
        assert_eq!(on_job(&server, "StopUserImportJob", &pool, id(&job)).await.error(), not_stoppable("Succeeded"));
    })
    .await;
}

#[tokio::test]
async fn one_job_is_under_way_at_a_time_and_its_pool_stays_as_it_is() {
    both_engines(async |server| {
        let (pool, job) = scene(&server).await;
        let (other, waiting) = scene(&server).await;
        // Of many who start a job at once, one does.
        let starts = tokio::join!(
            on_job(&server, "StartUserImportJob", &pool, id(&job)),
            on_job(&server, "StartUserImportJob", &other, id(&waiting)),
        );
        let (pool, job, other, waiting) =
            if starts.0.status == 200 { (pool, job, other, waiting) } else { (other, waiting, pool, job) };
        let refused = if starts.0.status == 200 { starts.1 } else { starts.0 };
        let busy = "PreconditionNotMetException: Another import job is in progress. Only one can be at a time.";
        assert_eq!(refused.error(), busy);
        let name = json!({"UserPoolId": pool, "CustomAttributes": [{"Name": "x", "AttributeDataType": "String"}]});
        assert_eq!(server.call("UpdateUserPool", json!({"UserPoolId": pool})).await.error(), IN_PROGRESS);
        assert_eq!(server.call("AddCustomAttributes", name.clone()).await.error(), IN_PROGRESS);
        assert_eq!(server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.error(), IN_PROGRESS);
        // Other pools and the users of this one can be changed.
        server.call("UpdateUserPool", json!({"UserPoolId": other, "AutoVerifiedAttributes": ["email"]})).await.ok();
        server.confirmed_user(&pool, "bob", "Passw0rd!", json!({})).await;
        on_job(&server, "StopUserImportJob", &pool, id(&job)).await.ok();
        assert_eq!(server.call("UpdateUserPool", json!({"UserPoolId": pool})).await.error(), IN_PROGRESS);
        work(&server).await;
        server.call("AddCustomAttributes", name).await.ok();
        on_job(&server, "StartUserImportJob", &other, id(&waiting)).await.ok();
        server.call("UpdateUserPool", json!({"UserPoolId": pool})).await.ok();
        server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.ok();
        work(&server).await;
        assert_eq!(describe(&server, &other, id(&waiting)).await["Status"], "Succeeded");
    })
    .await;
}

#[tokio::test]
async fn a_job_that_is_stopped_makes_no_more_users() {
    both_engines(async |server| {
        let (pool, job) = scene(&server).await;
        on_job(&server, "StartUserImportJob", &pool, id(&job)).await.ok();
        let stopping = on_job(&server, "StopUserImportJob", &pool, id(&job)).await.ok()["UserImportJob"].clone();
        insta::allow_duplicates! { assert_json_snapshot!(stopping, {".JobId" => "[id]", ".PreSignedUrl" => "[url]", ".UserPoolId" => "[pool]"}, @r#"
        {
          "JobName": "job",
          "JobId": "[id]",
          "UserPoolId": "[pool]",
          "PreSignedUrl": "[url]",
          "CreationDate": 1767323045.0,
          "StartDate": 1767323045.0,
          "Status": "Stopping",
          "CloudWatchLogsRoleArn": "arn:aws:iam::123456789012:role/CloudWatchLogs",
          "ImportedUsers": 0,
          "SkippedUsers": 0,
          "FailedUsers": 0,
          "CompletionMessage": "The Import Job was stopped by the developer."
        }
        "#) };
        assert_eq!(on_job(&server, "StopUserImportJob", &pool, id(&job)).await.error(), not_stoppable("Stopping"));
        server.advance(5);
        work(&server).await;
        let stopped = describe(&server, &pool, id(&job)).await;
        assert_eq!(stopped["Status"], "Stopped");
        assert_eq!(stopped["CompletionMessage"], "The Import Job was stopped by the developer.");
        assert!(stopped["CompletionDate"].as_f64() > stopped["StartDate"].as_f64());
        assert_eq!(
            log(&server, &pool, &job).await,
            "[STOPPED] 0 users were imported, 0 lines skipped, 0 lines failed.\n"
        );
        assert_eq!(admin_get(&server, &pool, "alice").await.error(), "UserNotFoundException: User does not exist.");
    })
    .await;
}

#[tokio::test]
async fn what_nobody_starts_expires() {
    both_engines(async |server| {
        let (pool, job) = scene(&server).await;
        let (_, younger) = {
            server.advance(3_600);
            scene(&server).await
        };
        server.advance(23 * 3_600 - 1);
        assert_eq!(describe(&server, &pool, id(&job)).await["Status"], "Created");
        server.advance(1);
        // Before anybody has noted it, and after.
        for _ in 0..2 {
            let described = describe(&server, &pool, id(&job)).await;
            assert_eq!(described["Status"], "Expired");
            assert_eq!(on_job(&server, "StartUserImportJob", &pool, id(&job)).await.error(), not_startable("Expired"));
            assert_eq!(on_job(&server, "StopUserImportJob", &pool, id(&job)).await.error(), not_stoppable("Expired"));
            work(&server).await;
        }
        let kept = service_job(&server, &pool, id(&job)).await;
        assert_eq!((kept.file.clone(), kept.completed_at), (None, Some(kept.expires_at())));
        let pool = younger["UserPoolId"].as_str().unwrap();
        assert!(service_job(&server, pool, id(&younger)).await.file.is_some());
    })
    .await;
}

async fn service_job(server: &Server, pool: &str, id: &str) -> domain::ImportJob {
    server.app.store.part::<domain::ImportJob>(pool, id).await.unwrap().unwrap().value
}

#[tokio::test]
async fn files_that_do_not_fit_the_pool_fail_as_a_whole() {
    both_engines(async |server| {
        let pool = pool(&server, json!({})).await;
        let header = header(&server, &pool).await;
        let users = [json!({"cognito:username": "alice"})];
        let fitting = file(&header, &users);
        let missing = file(header.get(1..).unwrap(), &users);
        for (text, message) in [
            (missing, "The header of the file does not match the user pool: the column name is missing."),
            (format!("\u{FEFF}{fitting}"), "The file begins with a byte order mark. Save it as UTF-8 without one."),
            (String::new(), "The header of the file does not match the user pool: it has an unknown column ."),
            (
                header.join(",") + "\n" + &"x\n".repeat(500_001),
                "The file has 500001 rows; more than 500000 cannot be imported at once.",
            ),
            // Not one user could be imported.
            (header.join(",") + "\nalice\n", "Too many users have failed or been skipped during the import."),
        ] {
            let job = import(&server, &pool, json!({}), &text).await;
            assert_eq!((job["Status"].as_str(), job["CompletionMessage"].as_str()), (Some("Failed"), Some(message)));
            let last = log(&server, &pool, &job).await;
            assert!(last.lines().last().unwrap().starts_with("[FAILED] 0 users were imported"), "{last}");
        }
        // Nobody to import is no failure.
        let job = import(&server, &pool, json!({}), &(header.join(",") + "\n")).await;
        assert_eq!((job["Status"].as_str(), counts(&job)), (Some("Succeeded"), [0, 0, 0]));
        let job = import(&server, &pool, json!({}), &fitting).await;
        assert_eq!((job["Status"].as_str(), counts(&job)), (Some("Succeeded"), [1, 0, 0]));
    })
    .await;
}

#[tokio::test]
async fn jobs_are_listed_from_the_newest() {
    both_engines(async |server| {
        let pool = pool(&server, json!({})).await;
        let mut ids = Vec::new();
        for number in 0..5 {
            server.advance(1);
            ids.insert(0, create(&server, &pool, json!({"JobName": format!("job {number}")})).await["JobId"].clone());
        }
        let list = async |token: Value| {
            server
                .call("ListUserImportJobs", json!({"UserPoolId": pool, "MaxResults": 2, "PaginationToken": token}))
                .await
        };
        let (mut found, mut token) = (Vec::new(), Value::Null);
        for page in 0..3 {
            let answer = list(token).await.ok();
            let jobs = answer["UserImportJobs"].as_array().unwrap().clone();
            assert_eq!(jobs.len(), if page < 2 { 2 } else { 1 });
            found.extend(jobs.iter().map(|job| job["JobId"].clone()));
            token = answer["PaginationToken"].clone();
        }
        assert_eq!((found, token), (ids.clone(), Value::Null));
        assert_eq!(list(json!("x")).await.error(), "InvalidParameterException: Invalid pagination token");
        let all = server.call("ListUserImportJobs", json!({"UserPoolId": pool, "MaxResults": 60})).await.ok();
        assert_eq!(all["UserImportJobs"][0], describe(&server, &pool, ids[0].as_str().unwrap()).await);
        let other = server.pool(json!({})).await;
        let none = server.call("ListUserImportJobs", json!({"UserPoolId": other, "MaxResults": 60})).await.ok();
        assert_eq!(none, json!({"UserImportJobs": []}));
    })
    .await;
}

#[tokio::test]
async fn a_pool_keeps_a_thousand_jobs() {
    let server = Server::memory().await;
    let pool = pool(&server, json!({})).await;
    let oldest = create(&server, &pool, json!({})).await;
    let row = service_job(&server, &pool, id(&oldest)).await;
    let mut changes = Changes::new();
    for number in 1..1_000 {
        changes.insert(&domain::ImportJob { id: format!("import-0{number:04}"), ..row.clone() });
    }
    server.app.store.commit(changes).await.unwrap();
    let request = json!({"UserPoolId": pool, "JobName": "x", "CloudWatchLogsRoleArn": ROLE});
    assert_eq!(
        server.call("CreateUserImportJob", request.clone()).await.error(),
        "LimitExceededException: The user pool has 1000 import jobs that have not ended."
    );
    // They expire, and the oldest makes room.
    server.advance(24 * 3_600);
    server.call("CreateUserImportJob", request).await.ok();
    let answer = on_job(&server, "DescribeUserImportJob", &pool, id(&oldest)).await;
    assert!(answer.error().starts_with("ResourceNotFoundException"));
    assert_eq!(server.app.store.parts::<domain::ImportJob>(&pool, None, 2_000).await.unwrap().len(), 1_000);
    work(&server).await;
}

#[tokio::test]
async fn a_job_goes_on_where_a_server_died() {
    both_engines(async |mut server| {
        let pool = pool(&server, json!({})).await;
        let header = header(&server, &pool).await;
        let users: Vec<Value> =
            (0..6_000).map(|number| json!({"cognito:username": format!("user-{number}")})).collect();
        let job = create(&server, &pool, json!({})).await;
        assert_eq!(upload(&server, &job, file(&header, &users)).await.status, 200);
        on_job(&server, "StartUserImportJob", &pool, id(&job)).await.ok();
        let mut deaths = 0;
        loop {
            let before = describe(&server, &pool, id(&job)).await;
            if before["Status"] == "Succeeded" {
                assert_eq!(counts(&before), [6_000, 0, 0]);
                break;
            }
            server.import_users();
            // Until something has happened, and then at once.
            while describe(&server, &pool, id(&job)).await == before {
                tokio::task::yield_now().await;
            }
            server.kill_jobs();
            deaths += 1;
            assert!(deaths < 1_000);
        }
        println!("{deaths} deaths");
        assert!(deaths > 2, "{deaths}");
        let mut after = None;
        let mut found = std::collections::BTreeSet::new();
        loop {
            let page = server.app.store.users(&pool, after.as_deref(), 1_000).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.sub.clone());
            for user in page {
                assert!(found.insert(user.value.username), "nobody is there twice");
            }
        }
        assert_eq!(found.len(), 6_000);
    })
    .await;
}

/// What makes imports fast: see `batch.rs`.
#[tokio::test]
async fn ids_of_one_piece_lie_side_by_side_and_those_of_others_elsewhere() {
    both_engines(async |server| {
        let pool = pool(&server, json!({})).await;
        let header = header(&server, &pool).await;
        let mut places = Vec::new();
        for job in 0..3 {
            let users: Vec<_> = (0..20).map(|number| json!({"cognito:username": format!("{job}-{number}")})).collect();
            let done = import(&server, &pool, json!({}), &file(&header, &users)).await;
            assert_eq!(counts(&done), [20, 0, 0]);
            let mut subs = Vec::new();
            for user in &users {
                let shown = admin_get(&server, &pool, user["cognito:username"].as_str().unwrap()).await.ok();
                subs.push(shown["UserAttributes"][0]["Value"].as_str().unwrap().to_owned());
            }
            let is_random = |sub: &String| sub.len() == 36 && &sub[14..15] == "4" && "89ab".contains(&sub[19..20]);
            assert!(subs.iter().all(is_random), "{subs:?}");
            let place = subs[0][..6].to_owned();
            assert!(subs.iter().all(|sub| sub.starts_with(&place)), "{subs:?}");
            subs.sort_unstable();
            // Nothing of what follows is shared.
            assert!(subs.windows(2).all(|pair| pair[0][9..] != pair[1][9..]));
            places.push(place);
        }
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 3);
    })
    .await;
}
