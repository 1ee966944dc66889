//! End-to-end tests with Rust clients: the official SDK and rusoto, against the server that `POOLKEEPER_ENDPOINT`
//! names. Prints one line a test (`ok - suite: name`); the exit code is 1 if a test failed.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

mod official;
mod old;

/// What a test ends with; the error's text says what did not hold.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// The first password of every user.
pub const PASSWORD: &str = "Correct-horse-1";
/// The password after recovery.
pub const NEW_PASSWORD: &str = "Battery-staple-2";

const MESSAGE_WAIT: Duration = Duration::from_secs(15);

/// Fails a test with a text unless the condition holds.
pub fn ensure(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(what.to_owned().into()) }
}

/// The server's inbox.
pub struct Inbox {
    endpoint: String,
}

impl Inbox {
    /// Waits for a message of this purpose to this user and returns the newest one's code.
    pub async fn code(
        &self,
        pool: &str,
        username: &str,
        purpose: &str,
    ) -> Result<String, Box<dyn Error + Send + Sync>> {
        let url = format!("{}/_poolkeeper/messages?user_pool_id={pool}&username={username}&limit=20", self.endpoint);
        let deadline = Instant::now() + MESSAGE_WAIT;
        loop {
            let answer: serde_json::Value = ureq::get(&url).call()?.body_mut().read_json()?;
            let messages = answer["messages"].as_array().ok_or("the inbox has no messages member")?;
            if let Some(message) = messages.iter().find(|message| message["purpose"] == purpose) {
                return Ok(message["code"].as_str().ok_or("a message without a code")?.to_owned());
            }
            if Instant::now() > deadline {
                return Err(format!("no {purpose} message to {username}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Another code of the same form.
pub fn wrong(code: &str) -> String {
    let number: u32 = code.parse().unwrap_or(0);
    format!("{:06}", (number + 1) % 1_000_000)
}

fn report(name: &str, began: Instant, outcome: Outcome) -> bool {
    let milliseconds = began.elapsed().as_millis();
    match outcome {
        Ok(()) => println!("ok - rust: {name} ({milliseconds} ms)"),
        Err(error) => {
            println!("not ok - rust: {name} ({milliseconds} ms)\n{error}");
            return false;
        }
    }
    true
}

#[tokio::main]
async fn main() -> ExitCode {
    let Ok(endpoint) = std::env::var("POOLKEEPER_ENDPOINT") else {
        eprintln!("POOLKEEPER_ENDPOINT must name the running server");
        return ExitCode::FAILURE;
    };
    let inbox = Inbox { endpoint: endpoint.clone() };
    let mut passed = true;

    let began = Instant::now();
    let official = official::Story::new(&endpoint);
    passed &= report("official SDK, recovery story", began, official.recovery(&inbox).await);
    let began = Instant::now();
    passed &= report("official SDK, invited user", began, official.invitation().await);
    let began = Instant::now();
    passed &= report("official SDK, typed errors", began, official.errors().await);

    let old = old::Story::new(&endpoint);
    let began = Instant::now();
    passed &= report("rusoto, recovery story and typed errors", began, old.recovery(&inbox).await);
    let began = Instant::now();
    passed &= report("rusoto, errors without a user", began, old.errors().await);
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
