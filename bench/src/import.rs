//! The scenario `import`: a file of users without passwords, uploaded, and worked off by the server.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::rt::TokioIo;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{cores, driver::Connection, populate::Scene, target::Target};

/// Its name.
pub const NAME: &str = "import";
/// Users whom one job can import.
const MOST: usize = 500_000;
/// How often the job is looked at.
const POLL: Duration = Duration::from_millis(200);

/// Imports so many users into the pool of the scene, in as many jobs as it takes, and prints what that cost.
pub async fn run(scene: &Scene, target: &Target, users: usize) -> anyhow::Result<()> {
    let bar = ProgressBar::new(users as u64)
        .with_style(ProgressStyle::with_template("importing {bar:40} {pos}/{len} {eta}")?);
    let address = *scene.addresses().first().context("there is a node")?;
    let mut connection = Connection::open(address).await?;
    let (mut elapsed, mut upload) = (Duration::ZERO, Duration::ZERO);
    let before = scene.cpu(target)?;
    for first in (0..users).step_by(MOST) {
        let text = file(&mut connection, scene, first..(first + MOST).min(users)).await?;
        let request = json!({"UserPoolId": scene.pool, "JobName": "bench", "CloudWatchLogsRoleArn": "arn:aws:iam::000000000000:role/bench"});
        let job = connection.json("CreateUserImportJob", request).await?["UserImportJob"].clone();
        let began = Instant::now();
        put(address, job["PreSignedUrl"].as_str().context("a job has an address")?, text).await?;
        upload += began.elapsed();
        let began = Instant::now();
        let job = json!({"UserPoolId": scene.pool, "JobId": job["JobId"]});
        connection.json("StartUserImportJob", job.clone()).await?;
        loop {
            let now = connection.json("DescribeUserImportJob", job.clone()).await?["UserImportJob"].clone();
            bar.set_position(first as u64 + now["ImportedUsers"].as_u64().unwrap_or_default());
            match now["Status"].as_str() {
                Some("Pending" | "InProgress") => tokio::time::sleep(POLL).await,
                Some("Succeeded") if now["SkippedUsers"] == 0 && now["FailedUsers"] == 0 => break,
                _ => bail!("the job ended as {now}"),
            }
        }
        elapsed += began.elapsed();
    }
    bar.finish_and_clear();
    let cpu = scene.cpu(target)? - before;
    let each = |seconds: f64| seconds * 1_000_000.0 / users as f64;
    let all = cpu.nodes + cpu.database.unwrap_or_default();
    println!(
        "import: {users} users in {:.1} s ({:.0} a second, {:.0} by CPU on {} cores), after uploads of {:.1} s; CPU of each \
         user {:.1} µs in nodes{}",
        elapsed.as_secs_f64(),
        users as f64 / elapsed.as_secs_f64(),
        cores() as f64 * users as f64 / all,
        cores(),
        upload.as_secs_f64(),
        each(cpu.nodes),
        cpu.database.map_or(String::new(), |seconds| format!(" and {:.1} µs in the database", each(seconds))),
    );
    Ok(())
}

/// A file with users whose names no other scenario uses.
async fn file(connection: &mut Connection, scene: &Scene, users: std::ops::Range<usize>) -> anyhow::Result<String> {
    let answer = connection.json("GetCSVHeader", json!({"UserPoolId": scene.pool})).await?;
    let header: Vec<&str> =
        answer["CSVHeader"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    let mut text = header.join(",") + "\n";
    for number in users {
        let name = format!("import-{}-{number:07}", scene.run);
        for (index, column) in header.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            match *column {
                "cognito:username" => text += &name,
                "name" => text += "Some Body",
                "email" => text += &format!("{name}@example.com"),
                "email_verified" => text += "TRUE",
                "cognito:mfa_enabled" => text += "FALSE",
                _ => {}
            }
        }
        text.push('\n');
    }
    Ok(text)
}

/// Sends a file to an address, whatever host it names.
async fn put(address: std::net::SocketAddr, url: &str, text: String) -> anyhow::Result<()> {
    let path = url.splitn(4, '/').nth(3).context("an address has a path")?;
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::put(format!("/{path}"))
        .header("host", address.to_string())
        .header("x-amz-server-side-encryption", "aws:kms")
        .body(Full::new(Bytes::from(text)))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    anyhow::ensure!(status == 200, "the upload was answered {status}: {}", String::from_utf8_lossy(&body));
    Ok(())
}
