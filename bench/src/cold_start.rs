//! The scenario `cold-start`: whether the first sign-in after a start is as fast as the thousandth.
//!
//! A connection, a driver and a machine that have just begun are slow as well. So a server that does nothing but the
//! arithmetic of a sign-in, all of it done once before its first line of output, is started in turns and asked likewise.

use std::{fmt, sync::Arc, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    driver::{Connection, Latencies},
    populate::Scene,
    process::{self, Process},
    scenarios::{Scenario, Step},
};

/// Its name.
pub const NAME: &str = "cold-start";
/// One first sign-in says little: the median of so many starts counts.
const STARTS: u64 = 15;
/// Sign-ins after each start, one at a time.
const SIGN_INS: u64 = 1_000;

/// What requests after starts took, in milliseconds, by their place.
#[derive(Default)]
struct Taken {
    first: Vec<f32>,
    second: Vec<f32>,
    thousandth: Vec<f32>,
    /// Over one more connection, after the thousandth.
    anew: Vec<f32>,
    between: Vec<f32>,
}

impl Taken {
    /// Keeps the time since `sent` of the request with this number, which begins at zero.
    fn keep(&mut self, number: u64, sent: Instant) {
        let place = match number + 1 {
            1 => &mut self.first,
            2 => &mut self.second,
            SIGN_INS => &mut self.thousandth,
            past if past > SIGN_INS => &mut self.anew,
            _ => &mut self.between,
        };
        place.push(sent.elapsed().as_secs_f32() * 1_000.0);
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, thousandth, anew, between] =
            [&self.first, &self.second, &self.thousandth, &self.anew, &self.between]
                .map(|taken| Latencies::new(taken.clone()));
        write!(
            f,
            "the first {:.2} ms (median; {:.2} ms at most), the second \
             {:.2} ms, the thousandth {:.2} ms, and one more over a new connection {:.2} ms (medians); the first {:.2} \
             times the thousandth; all between: {between}",
            first.percentile(0.5),
            first.percentile(1.0),
            second.percentile(0.5),
            thousandth.percentile(0.5),
            anew.percentile(0.5),
            first.percentile(0.5) / thousandth.percentile(0.5),
        )
    }
}

/// Starts the nodes again and again, has users sign in with passwords at the first one, and prints how long the start,
/// the first, the second and the thousandth sign-in took, and one more over a new connection, as the first one is; and
/// the same of the bound.
pub async fn run(scene: &mut Arc<Scene>) -> anyhow::Result<()> {
    let bar = ProgressBar::new(STARTS * 2 * (SIGN_INS + 1))
        .with_style(ProgressStyle::with_template("signing in {bar:40} {pos}/{len} {eta}")?);
    let (mut ready, mut server, mut bound) = (Vec::new(), Taken::default(), Taken::default());
    for _ in 0..STARTS {
        Scene::restart(scene, "")?;
        ready.push(scene.ready_after()?.as_secs_f32() * 1_000.0);
        let mut connection = scene.connect().await?;
        for number in 0..=SIGN_INS {
            if number == SIGN_INS {
                connection = scene.connect().await?;
            }
            let sent = Instant::now();
            let step = Scenario::PasswordSignIn.step(scene, &mut connection, number).await?;
            anyhow::ensure!(matches!(step, Step::Done), "a sign-in after a start failed");
            server.keep(number, sent);
            bar.inc(1);
        }
        let hello = Process::hello()?;
        let mut connection = Connection::open(hello.address()).await?;
        for number in 0..=SIGN_INS {
            if number == SIGN_INS {
                connection = Connection::open(hello.address()).await?;
            }
            let sent = Instant::now();
            connection.call(process::ARITHMETIC, "{}".to_owned()).await?;
            bound.keep(number, sent);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let ready = Latencies::new(ready);
    println!(
        "{NAME}: {STARTS} starts, the first line of output after {:.2} ms (median; {:.2} ms at most); then password sign-ins, \
         one at a time: {server}",
        ready.percentile(0.5),
        ready.percentile(1.0),
    );
    println!("a server that does nothing but their arithmetic, started and asked in turns with it: {bound}");
    Ok(())
}
