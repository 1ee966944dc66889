//! What a function prints: each line becomes one of our log, with the function's name and the ids of call and request.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::Instant,
};

use crate::Call;

/// Bytes of a line; a longer one is cut into several.
const LONGEST_LINE: usize = 16 * 1_024;
/// Lines that a stream may print in one [`WINDOW`]; what it prints beyond is counted and left out, so that a function
/// that prints without end fills neither the disk nor the processor.
const MOST_LINES: usize = 1_000;
/// The time in which lines are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// The ids of the call that a process does, or did last: its own, and the one of the request that caused it.
#[derive(Clone, Debug, Default)]
pub(super) struct Label(Arc<Mutex<(String, String)>>);

impl Label {
    pub(super) fn set(&self, call: &Call) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (call.id.clone(), call.request_id.clone());
    }

    fn get(&self) -> (String, String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads a stream to its end.
pub(super) async fn log(mut stream: impl AsyncRead + Unpin, name: &'static str, function: &str, label: &Label) {
    let mut lines = Lines::default();
    let mut limit = Limit::new(Instant::now());
    let mut buffer = vec![0; LONGEST_LINE];
    loop {
        let length = stream.read(&mut buffer).await.unwrap_or(0);
        let text = if length == 0 { lines.rest() } else { lines.add(buffer.get(..length).unwrap_or_default()) };
        for line in text {
            let left_out = limit.one_more(Instant::now());
            if let Some(count) = left_out.before {
                tracing::warn!(function, stream = name, count, "lines were left out: the function prints too much");
            }
            if left_out.is_in {
                let (invocation, request_id) = label.get();
                tracing::info!(function, request_id, invocation, stream = name, "{line}");
            }
        }
        if length == 0 {
            if limit.left_out > 0 {
                let count = limit.left_out;
                tracing::warn!(function, stream = name, count, "lines were left out: the function prints too much");
            }
            return;
        }
    }
}

/// Cuts bytes into lines. Python's client ends the lines of a stack trace with a carriage return, because Lambda takes
/// what is between line feeds for one entry.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn add(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                lines.extend(self.rest());
                continue;
            }
            self.0.push(*byte);
            if self.0.len() >= LONGEST_LINE {
                lines.extend(self.rest());
            }
        }
        lines
    }

    /// The line that has begun; empty ones are not worth one.
    fn rest(&mut self) -> Vec<String> {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.0)).trim_end().to_owned();
        if line.is_empty() { Vec::new() } else { vec![line] }
    }
}

/// How many lines are let through.
#[derive(Debug)]
struct Limit {
    began: Instant,
    lines: usize,
    left_out: usize,
}

struct Verdict {
    /// Whether the line is let through.
    is_in: bool,
    /// How many were not, before this one.
    before: Option<usize>,
}

impl Limit {
    const fn new(now: Instant) -> Self {
        Self { began: now, lines: 0, left_out: 0 }
    }

    fn one_more(&mut self, now: Instant) -> Verdict {
        let mut before = None;
        if now.duration_since(self.began) >= WINDOW {
            before = (self.left_out > 0).then_some(self.left_out);
            *self = Self::new(now);
        }
        self.lines += 1;
        let is_in = self.lines <= MOST_LINES;
        self.left_out += usize::from(!is_in);
        Verdict { is_in, before }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{LONGEST_LINE, Limit, Lines, MOST_LINES, WINDOW};

    #[test]
    fn bytes_become_lines() {
        let mut lines = Lines::default();
        assert_eq!(lines.add(b"one\ntw"), ["one"]);
        assert_eq!(lines.add(b"o\r\n\n  three  \r"), ["two", "  three"]);
        assert_eq!(lines.add(b"\xff four"), Vec::<String>::new());
        assert_eq!(lines.rest(), ["\u{fffd} four"]);
        assert_eq!(lines.rest(), Vec::<String>::new());
        let long = lines.add(&vec![b'x'; 2 * LONGEST_LINE + 1]);
        assert_eq!(long.iter().map(String::len).collect::<Vec<_>>(), [LONGEST_LINE, LONGEST_LINE]);
        assert_eq!(lines.rest(), ["x"]);
    }

    #[test]
    fn endless_output_is_cut() {
        let now = Instant::now();
        let mut limit = Limit::new(now);
        let let_through = (0..10 * MOST_LINES).filter(|_| limit.one_more(now).is_in).count();
        assert_eq!(let_through, MOST_LINES);
        let verdict = limit.one_more(now + WINDOW);
        assert!(verdict.is_in && verdict.before == Some(9 * MOST_LINES));
        assert_eq!(limit.one_more(now + WINDOW).before, None);
    }
}
