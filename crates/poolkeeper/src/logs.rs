//! Logs go to standard error: for people in `dev`, as JSON lines in `serve`.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::mode::Mode;

/// The environment variable with the filter, in the syntax of `tracing_subscriber::EnvFilter`.
const FILTER: &str = "POOLKEEPER_LOG";

/// Starts logging, and sends panics there as well.
///
/// # Errors
/// When `POOLKEEPER_LOG` is no filter.
pub fn start(mode: Mode) -> anyhow::Result<()> {
    let text = std::env::var(FILTER).ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(&text)
        .with_context(|| format!("{FILTER}={text} is no log filter; write something like info or warn,web=debug"))?
        // The signer prints whole requests at TRACE.
        .add_directive("aws_sigv4=warn".parse()?)
        // AWS's clients print whole requests and answers at DEBUG and TRACE.
        .add_directive("aws_smithy_runtime=warn".parse()?)
        .add_directive("aws_smithy_http_client=warn".parse()?)
        // The database's driver prints the values of every statement at DEBUG.
        .add_directive("tokio_postgres=warn".parse()?);
    let registry = tracing_subscriber::registry().with(filter);
    match mode {
        Mode::Dev => {
            let is_terminal = std::io::stderr().is_terminal();
            registry.with(tracing_subscriber::fmt::layer().with_ansi(is_terminal).with_writer(std::io::stderr)).init();
        }
        Mode::Serve => registry.with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr)).init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic: {}", panic.payload_as_str().unwrap_or("no text"));
    }));
    Ok(())
}
