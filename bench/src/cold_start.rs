//! The scenario `cold-start`: whether the first sign-in after a start is as fast as the thousandth.

use std::{sync::Arc, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    driver::Latencies,
    populate::Scene,
    scenarios::{Scenario, Step},
};

/// Its name.
pub const NAME: &str = "cold-start";
/// One first sign-in says little: the median of so many starts counts.
const STARTS: u64 = 7;
/// Sign-ins after each start, one at a time.
const SIGN_INS: u64 = 1_000;

/// Starts the nodes again and again, has users sign in with passwords at the first one, and prints how long the start,
/// the first, the second and the thousandth sign-in took, and one more over a new connection, as the first one is.
pub async fn run(scene: &mut Arc<Scene>) -> anyhow::Result<()> {
    let bar = ProgressBar::new(STARTS * (SIGN_INS + 1))
        .with_style(ProgressStyle::with_template("signing in {bar:40} {pos}/{len} {eta}")?);
    let [mut ready, mut first, mut second, mut thousandth, mut anew, mut between] = [const { Vec::new() }; 6];
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
            let milliseconds = sent.elapsed().as_secs_f32() * 1_000.0;
            match number + 1 {
                1 => first.push(milliseconds),
                2 => second.push(milliseconds),
                SIGN_INS => thousandth.push(milliseconds),
                past if past > SIGN_INS => anew.push(milliseconds),
                _ => between.push(milliseconds),
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let [ready, first, second, thousandth, anew, between] =
        [ready, first, second, thousandth, anew, between].map(Latencies::new);
    println!(
        "{NAME}: {STARTS} starts, the first line of output after {:.2} ms (median; {:.2} ms at most); then password \
         sign-ins, one at a time: the first {:.2} ms (median; {:.2} ms at most), the second {:.2} ms, the thousandth {:.2} \
         ms, and one more over a new connection {:.2} ms (medians); the first {:.2} times that; all between: {between}",
        ready.percentile(0.5),
        ready.percentile(1.0),
        first.percentile(0.5),
        first.percentile(1.0),
        second.percentile(0.5),
        thousandth.percentile(0.5),
        anew.percentile(0.5),
        first.percentile(0.5) / anew.percentile(0.5),
    );
    Ok(())
}
