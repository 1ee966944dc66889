//! The scenario `custom-message`: what a ForgotPassword takes longer when a function says how its mail reads.
//!
//! The function is this program in a process of its own, with a runtime client of the standard library alone. It is
//! configured as `serve` would have it: started with the server, its files not looked at. The handler writes down how
//! long it took for each event, from having it to having the answer; everything else that makes the request longer is
//! what the server and the way to the process add.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    driver::{self, Latencies},
    populate::Scene,
    scenarios::{Scenario, Step},
};

/// Its name.
pub const NAME: &str = "custom-message";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:custom-message";
/// Where the handler writes its times.
const TIMES: &str = "BENCH_TIMES";
/// Calls before times count.
const WARM_UP: u64 = 50;

/// Prints the medians of a request with and without the function and of the handler, and the rate at which requests with
/// the function are answered when they come over all connections.
pub async fn run(scene: &mut Arc<Scene>, time: Duration, connections: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let times = folder.path().join("times");
    let program = std::env::current_exe()?;
    Scene::restart(
        scene,
        &format!(
            "[[functions]]\narn = \"{FUNCTION}\"\ncommand = [{program:?}, \"handler\"]\nfolder = {:?}\n\
             environment = {{ {TIMES} = {times:?} }}\nwarm = 1\nreload = false\n",
            folder.path()
        ),
    )?;
    let measure = || driver::run(scene, Scenario::ForgotPassword, time, 1);
    warm_up(scene).await?;
    let before = measure().await?;
    name_function(scene, Some(FUNCTION)).await?;
    warm_up(scene).await?;
    let calls = own_times(&times)?.count();
    let with = measure().await?;
    let own = own_times(&times)?;
    anyhow::ensure!(
        (own.count() - calls) as u64 >= with.done,
        "the function was called {} times for {} requests",
        own.count() - calls,
        with.done
    );
    let all = driver::run(scene, Scenario::ForgotPassword, time, connections).await?;
    name_function(scene, None).await?;
    warm_up(scene).await?;
    let after = measure().await?;
    // The handler's folder goes with this function.
    Scene::restart(scene, "")?;
    let (without, handler) = (before.median().midpoint(after.median()), own.percentile(0.5));
    println!("{NAME}: forgot-password over one connection without the function, before: {before}");
    println!("{NAME}: forgot-password over one connection with the function: {with}");
    println!("{NAME}: forgot-password over one connection without the function, after: {after}");
    println!("{NAME}: the handler's own time: {own}");
    println!("{NAME}: forgot-password over {connections} connections with the function: {all}");
    println!(
        "{NAME}: added at the median {:.2} ms, of which {handler:.2} ms are the handler's own: {:.2} ms over them",
        with.median() - without,
        with.median() - without - handler,
    );
    Ok(())
}

/// Gives the pool the function as its CustomMessage, or none.
async fn name_function(scene: &Scene, function: Option<&str>) -> anyhow::Result<()> {
    let functions = function.map_or(json!({}), |arn| json!({"CustomMessage": arn}));
    // The members that are not given are reset.
    let request = json!({"UserPoolId": scene.pool, "AutoVerifiedAttributes": ["email"], "LambdaConfig": functions});
    scene.connect().await?.json("UpdateUserPool", request).await?;
    tokio::time::sleep(crate::populate::SEEN).await;
    Ok(())
}

async fn warm_up(scene: &Scene) -> anyhow::Result<()> {
    let mut connection = scene.connect().await?;
    for number in 0..WARM_UP {
        let step = Scenario::ForgotPassword.step(scene, &mut connection, number).await?;
        anyhow::ensure!(matches!(step, Step::Done), "a request failed before times counted");
    }
    Ok(())
}

/// What the handler has written down so far.
fn own_times(file: &std::path::Path) -> anyhow::Result<Latencies> {
    let bytes = fs::read(file).context("the handler has written its times")?;
    let (times, _) = bytes.as_chunks();
    Ok(Latencies::new(times.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()))
}

/// The function's process: answers events until the server ends.
///
/// # Errors
/// When the server is gone.
pub fn handle() -> anyhow::Result<()> {
    let host = std::env::var("AWS_LAMBDA_RUNTIME_API").context("the server says where its Runtime API is")?;
    let mut times = File::options().create(true).append(true).open(std::env::var_os(TIMES).context(TIMES)?)?;
    let stream = TcpStream::connect(&host)?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (id, event) = exchange(&mut stream, &host, "GET", "next", "")?;
        let began = Instant::now();
        let mut event: Value = serde_json::from_slice(&event)?;
        let words = json!({
            "smsMessage": null, "emailSubject": "Your new password",
            "emailMessage": "<p>Somebody wants a new password for your account.</p><p>The code is {####}.</p>",
        });
        event.as_object_mut().context("an event is an object")?.insert("response".to_owned(), words);
        let answer = event.to_string();
        let milliseconds = began.elapsed().as_secs_f32() * 1_000.0;
        // Before the answer, so that they are there when the request has been answered.
        times.write_all(&milliseconds.to_le_bytes())?;
        exchange(&mut stream, &host, "POST", &format!("{id}/response"), &answer)?;
    }
}

/// A request of the Runtime API; the call's id, where the answer has one, and its body.
fn exchange(
    stream: &mut BufReader<TcpStream>,
    host: &str,
    method: &str,
    path: &str,
    body: &str,
) -> anyhow::Result<(String, Vec<u8>)> {
    let path = format!("/2018-06-01/runtime/invocation/{path}");
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.get_mut().write_all(request.as_bytes())?;
    let (mut id, mut length, mut line) = (String::new(), 0, String::new());
    loop {
        line.clear();
        anyhow::ensure!(stream.read_line(&mut line)? > 0, "the server has ended");
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line == "\r\n" {
                break;
            }
            anyhow::ensure!(line.starts_with("HTTP/1.1 2"), "{method} {path} was answered {line}");
            continue;
        };
        match name {
            "lambda-runtime-aws-request-id" => value.clone_into(&mut id),
            "content-length" => length = value.parse()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((id, body))
}
