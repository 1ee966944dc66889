//! The scenario `outbox`: ForgotPassword while its mails are handed over to a mail server that takes everything, against
//! ForgotPassword whose mails stay where they are (the inbox of `dev`).

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    task::JoinHandle,
};

use crate::{driver, populate::Scene, scenarios::Scenario};

/// Its name.
pub const NAME: &str = "outbox";
/// When no mail has come for so long, none will: the server looks for due ones every second, and what has failed is tried
/// again after some seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often arrived mails are counted.
const POLL: Duration = Duration::from_millis(10);

/// Prints how many mails per second the server hands over, while requests write new ones and afterwards, and what that
/// does to the rate of the requests.
///
/// # Errors
/// When a mail of a request that was answered does not arrive.
pub async fn run(scene: &mut Arc<Scene>, time: Duration, connections: usize) -> anyhow::Result<()> {
    Scene::restart(scene, "")?;
    let before = driver::run(scene, Scenario::ForgotPassword, time, connections).await?;
    let sink = Sink::open().await?;
    Scene::restart(scene, &sink.configuration())?;
    let busy = driver::run(scene, Scenario::ForgotPassword, time, connections).await?;
    let during = sink.count();
    let rest = busy.done.saturating_sub(during);
    let seconds = drain(&sink, busy.done).await?.as_secs_f64();
    let twice = sink.arrived().twice;
    Scene::restart(scene, "")?;
    let after = driver::run(scene, Scenario::ForgotPassword, time, connections).await?;
    let alone = before.rate().midpoint(after.rate());
    println!("{NAME}: forgot-password without a sender, before: {before}");
    println!("{NAME}: forgot-password with a sender: {busy}");
    println!("{NAME}: forgot-password without a sender, after: {after}");
    println!(
        "{NAME}: {:.0} mails per second handed over while requests came, {:.0} per second afterwards ({rest} mails); \
         forgot-password keeps {:.0} % of its rate; {twice} mails arrived twice",
        during as f64 / busy.elapsed.as_secs_f64(),
        rest as f64 / seconds,
        100.0 * busy.rate() / alone,
    );
    Ok(())
}

/// Waits until so many mails have arrived, and answers how long that took.
async fn drain(sink: &Sink, expected: u64) -> anyhow::Result<Duration> {
    let bar =
        ProgressBar::new(expected).with_style(ProgressStyle::with_template("handing over {bar:40} {pos}/{len} {eta}")?);
    let began = Instant::now();
    let (mut arrived, mut since) = (sink.count(), began);
    while arrived < expected {
        anyhow::ensure!(since.elapsed() < PATIENCE, "{arrived} mails have arrived instead of {expected}");
        tokio::time::sleep(POLL).await;
        let now = sink.count();
        if now > arrived {
            (arrived, since) = (now, Instant::now());
        }
        bar.set_position(arrived);
    }
    bar.finish_and_clear();
    Ok(began.elapsed())
}

/// A mail server that counts mails and keeps none.
struct Sink {
    address: SocketAddr,
    arrived: Arc<Mutex<Arrived>>,
    task: JoinHandle<()>,
}

/// Mails that were taken, by their `Message-ID`.
#[derive(Default)]
struct Arrived {
    ids: HashSet<Vec<u8>>,
    twice: u64,
}

impl Sink {
    async fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, arrived) = (listener.local_addr()?, Arc::<Mutex<Arrived>>::default());
        let counter = arrived.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counter = counter.clone();
                // A client that goes away in the middle has sent no mail.
                tokio::spawn(async move { _ = converse(stream, &counter).await });
            }
        });
        Ok(Self { address, arrived, task })
    }

    fn arrived(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Different mails that have arrived.
    fn count(&self) -> u64 {
        self.arrived().ids.len() as u64
    }

    /// Has a server send its mails here.
    fn configuration(&self) -> String {
        format!(
            "[email]\nsender = \"smtp\"\nfrom = \"bench@example.com\"\n\n[email.smtp]\nhost = \"{}\"\nport = {}\nencryption = \
             \"none\"\n",
            self.address.ip(),
            self.address.port()
        )
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The server's side of SMTP (RFC 5321), as far as a client that makes no mistakes sees it.
async fn converse(stream: TcpStream, arrived: &Mutex<Arrived>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    let mut answers = b"220 sink\r\n".to_vec();
    let mut line = Vec::new();
    loop {
        // As mail servers do: what was asked at once is answered at once.
        if lines.buffer().is_empty() {
            write.write_all(&answers).await?;
            answers.clear();
        }
        line.clear();
        if lines.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let command = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match command.as_slice() {
            b"EHLO" => b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            b"DATA" => {
                answers.extend(b"354 go on\r\n");
                write.write_all(&answers).await?;
                answers.clear();
                let Some(id) = take_mail(&mut lines).await? else { return Ok(()) };
                let mut arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner);
                let is_new = arrived.ids.insert(id);
                arrived.twice += u64::from(!is_new);
                b"250 taken\r\n"
            }
            b"QUIT" => return write.write_all(b"221 bye\r\n").await,
            _ => b"250 ok\r\n",
        };
        answers.extend(answer);
    }
}

/// Reads a mail to its end; its `Message-ID`, or nothing when the client goes away before.
async fn take_mail(lines: &mut BufReader<OwnedReadHalf>) -> std::io::Result<Option<Vec<u8>>> {
    let (mut id, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if line == b".\r\n" {
            return Ok(Some(id));
        }
        if line.starts_with(b"Message-ID: ") {
            id.clone_from(&line);
        }
    }
}
