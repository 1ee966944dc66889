//! Sending files, and who may read logs.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Bytes, HttpBody};
use crypto::sigv4::{SignedRequest, sign};
use hyper::body::Frame;

use super::*;

/// The code and the text of an error, as the file store of the original writes them.
fn refusal(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/xml"));
    let text = answer.body.as_str().unwrap();
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
        rest.split_once(&format!("</{name}>")).unwrap().0.to_owned()
    };
    assert!(part("RequestId").len() == 36);
    (answer.status, format!("{}: {}", part("Code"), part("Message")))
}

const EXPIRED: &str = "AccessDenied: Request has expired. Create a new import job.";
const MISMATCH: &str = "SignatureDoesNotMatch: The request signature we calculated does not match the signature you \
                        provided. Use the address as CreateUserImportJob answers it.";

#[tokio::test]
async fn only_the_address_of_the_job_opens() {
    both_engines(async |server| {
        let pool = pool(&server, json!({})).await;
        let (job, other) = (create(&server, &pool, json!({})).await, create(&server, &pool, json!({})).await);
        let url = job["PreSignedUrl"].as_str().unwrap();
        let id = |job: &Value| job["JobId"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&format!(
            "http://127.0.0.1:9229/_poolkeeper/imports/{pool}/{}/users.csv?signature=",
            id(&job)
        )));
        let (path, signature) = url.split_once("?signature=").unwrap();
        for wrong in [
            path.to_owned(),
            format!("{path}?signature="),
            format!("{path}?signature={signature}x"),
            format!("{path}?signature={signature}&signature={signature}"),
            url.replace(&id(&job), &id(&other)),
            url.replace(&pool, "us-east-1_zzzzzzzzz"),
        ] {
            let answer = server.request(put(&wrong).body(Body::empty()).unwrap()).await;
            assert_eq!(refusal(&answer), (403, MISMATCH.to_owned()), "{wrong}");
        }
        let path = url.strip_prefix("http://127.0.0.1:9229").unwrap();
        for value in [None, Some("AES256")] {
            let mut request = Request::builder().method(Method::PUT).uri(path);
            if let Some(value) = value {
                request = request.header("x-amz-server-side-encryption", value);
            }
            let answer = server.request(request.body(Body::empty()).unwrap()).await;
            let text = "AccessDenied: The header x-amz-server-side-encryption must be there, with the value aws:kms.";
            assert_eq!(refusal(&answer), (403, text.to_owned()));
        }
        let request = Request::builder().method(Method::POST).uri(path).body(Body::empty()).unwrap();
        assert_eq!(server.request(request).await.status, 405);
    })
    .await;
}

#[tokio::test]
async fn files_come_in_time() {
    both_engines(async |server| {
        let pool = pool(&server, json!({})).await;
        let job = create(&server, &pool, json!({})).await;
        let id = job["JobId"].as_str().unwrap();
        let text = file(&header(&server, &pool).await, &[json!({"cognito:username": "alice"})]);
        server.advance(15 * 60 - 1);
        assert_eq!(upload(&server, &job, text.clone()).await.status, 200);
        server.advance(1);
        assert_eq!(refusal(&upload(&server, &job, text.clone()).await), (403, EXPIRED.to_owned()));
        // The file that came in time counts.
        on_job(&server, "StartUserImportJob", &pool, id).await.ok();
        work(&server).await;
        assert_eq!(describe(&server, &pool, id).await["ImportedUsers"], 1);
        // A job that is started takes none.
        let job = create(&server, &pool, json!({})).await;
        upload(&server, &job, text.clone()).await;
        on_job(&server, "StartUserImportJob", &pool, job["JobId"].as_str().unwrap()).await.ok();
        assert_eq!(refusal(&upload(&server, &job, text.clone()).await), (403, EXPIRED.to_owned()));
        work(&server).await;
        // Nor does one whose pool is gone.
        let job = create(&server, &pool, json!({})).await;
        server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(refusal(&upload(&server, &job, text).await), (403, EXPIRED.to_owned()));
    })
    .await;
}

/// How many pieces of files there are, once everything that is due has been cleared away.
async fn pieces(server: &Server, ids: &[String]) -> Vec<bool> {
    while !server.app.store.sweep(server.app.clock.now(), 1_000).await.unwrap().complete {}
    let mut found = Vec::new();
    for id in ids {
        found.push(server.app.store.chunk(id, 0).await.unwrap().is_some());
    }
    found
}

async fn file_id(server: &Server, pool: &str, job: &Value) -> Option<String> {
    let job = server.app.store.part::<domain::ImportJob>(pool, job["JobId"].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(job.uploading, None);
    job.value.file.map(|file| file.id)
}

#[tokio::test]
async fn the_last_file_counts_and_the_others_are_cleared_away() {
    both_engines(async |server| {
        let pool = pool(&server, json!({})).await;
        let header = header(&server, &pool).await;
        let job = create(&server, &pool, json!({})).await;
        let mut ids = Vec::new();
        for name in ["first", "second", "third"] {
            let text = file(&header, &[json!({"cognito:username": name})]);
            assert_eq!(upload(&server, &job, text).await.status, 200);
            ids.push(file_id(&server, &pool, &job).await.unwrap());
        }
        assert_eq!(pieces(&server, &ids).await, [false, false, true]);
        on_job(&server, "StartUserImportJob", &pool, job["JobId"].as_str().unwrap()).await.ok();
        work(&server).await;
        assert_eq!(pieces(&server, &ids).await, [false, false, false]);
        admin_get(&server, &pool, "third").await.ok();
        assert_eq!(admin_get(&server, &pool, "second").await.status, 400);
    })
    .await;
}

/// A request at the present moment.
fn ctx(server: &Server) -> service::Ctx {
    service::Ctx {
        app: server.app.clone(),
        now: server.app.clock.now(),
        request_id: "request".to_owned(),
        client_address: std::net::IpAddr::from([127, 0, 0, 1]),
        user_agent: None,
        sdk_agent: None,
        caller: service::Caller::Anyone,
        region: "us-east-1".to_owned(),
        own: service::OwnWishes::default(),
    }
}

/// A body that comes in pieces.
struct Pieces(VecDeque<Result<Vec<u8>, std::io::Error>>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop_front().map(|piece| piece.map(|piece| Frame::data(Bytes::from(piece)))))
    }
}

#[tokio::test]
async fn what_breaks_off_or_is_too_large_changes_nothing() {
    both_engines(async |server| {
        let pool = pool(&server, json!({})).await;
        let job = create(&server, &pool, json!({})).await;
        let text = file(&header(&server, &pool).await, &[json!({"cognito:username": "alice"})]);
        assert_eq!(upload(&server, &job, text).await.status, 200);
        let before = file_id(&server, &pool, &job).await.unwrap();

        let broken = VecDeque::from([Ok(vec![b'x'; 600_000]), Err(std::io::Error::other("gone"))]);
        let answer = upload(&server, &job, Body::new(Pieces(broken))).await;
        let text = "IncompleteBody: The request body ended early, or stood still for too long.";
        assert_eq!(refusal(&answer), (400, text.to_owned()));
        let line = [vec![b'x'; 999], vec![b'\n']].concat();
        let large = (0..101).map(|_| Ok(line.repeat(1_000))).collect();
        let answer = upload(&server, &job, Body::new(Pieces(large))).await;
        let text = "EntityTooLarge: Your proposed upload exceeds the maximum allowed size of 100000000 bytes.";
        assert_eq!(refusal(&answer), (400, text.to_owned()));

        let id = job["JobId"].as_str().unwrap();
        on_job(&server, "StartUserImportJob", &pool, id).await.ok();
        assert_eq!(file_id(&server, &pool, &job).await.as_ref(), Some(&before));
        work(&server).await;
        assert_eq!(describe(&server, &pool, id).await["ImportedUsers"], 1);
        assert_eq!(pieces(&server, &[before]).await, [false]);
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_is_overtaken_comes_to_nothing() {
    both_engines(async |server| {
        let pool = pool(&server, json!({})).await;
        let header = header(&server, &pool).await;
        let job = create(&server, &pool, json!({})).await;
        let id = job["JobId"].as_str().unwrap();
        let ctx = ctx(&server);
        let mut slow = service::import::upload::Upload::begin(&ctx, &pool, id).await.unwrap();
        slow.add(&vec![b'x'; 100_000]).await.unwrap();
        let text = file(&header, &[json!({"cognito:username": "quick"})]);
        assert_eq!(upload(&server, &job, text.clone()).await.status, 200);
        let refused = slow.finish().await.unwrap_err();
        assert_eq!(refused.to_string(), "The import job was started, or another upload for it has begun.");
        // So does one whose job is started meanwhile.
        let mut slow = service::import::upload::Upload::begin(&ctx, &pool, id).await.unwrap();
        on_job(&server, "StartUserImportJob", &pool, id).await.ok();
        let line = b"12345678\n".repeat(100_000);
        assert!(matches!(slow.add(&line).await.unwrap_err(), service::import::upload::UploadError::Overtaken));
        slow.give_up().await;
        work(&server).await;
        admin_get(&server, &pool, "quick").await.ok();
    })
    .await;
}

#[tokio::test]
async fn logs_are_for_administrators() {
    let server = Server::builder().production().start().await;
    let key = server.access_key().await;
    let now = server.app.clock.now().seconds();
    let look = async |path: &str, key: Option<&(String, String)>| {
        let headers = [("host", "example.com")];
        let request = SignedRequest { method: "GET", path, query: "", headers: &headers, body: b"" };
        let mut builder = Request::get(path).header("host", "example.com");
        if let Some((id, secret)) = key {
            for (name, value) in sign(&request, id, secret, None, "us-east-1", now).unwrap() {
                builder = builder.header(name, value);
            }
        }
        server.request(builder.body(Body::empty()).unwrap()).await
    };
    let call = async |operation: &str, body: Value| server.signed_call(&key, operation, body).await.ok();
    let pool = call("CreateUserPool", json!({"PoolName": "x"})).await["UserPool"]["Id"].as_str().unwrap().to_owned();
    let request = json!({"UserPoolId": pool, "JobName": "x", "CloudWatchLogsRoleArn": ROLE});
    let job = call("CreateUserImportJob", request).await["UserImportJob"].clone();
    let path = format!("/_poolkeeper/imports/{pool}/{}/log", job["JobId"].as_str().unwrap());
    // Whoever may see the job may see its log.
    for key in [key.clone(), server.limited_access_key(&["cognito-idp:DescribeUserImportJob"]).await] {
        let answer = look(&path, Some(&key)).await;
        assert_eq!((answer.status, answer.body), (200, Value::Null));
    }
    let other = server.limited_access_key(&["cognito-idp:Admin*", "kms:Decrypt"]).await;
    let answer = look(&path, Some(&other)).await.error();
    let denied = format!("AccessDeniedException: User: arn:aws:iam::000000000000:user/{} is not authorized", other.0);
    assert!(answer.starts_with(&denied), "{answer}");
    let answer = look(&path, None).await;
    assert_eq!(answer.error(), "MissingAuthenticationTokenException: Missing Authentication Token");
    // The address of the upload needs no signature of its own.
    assert_eq!(upload(&server, &job, "x").await.status, 200);
}
