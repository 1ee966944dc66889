//! How many messages a second a sender is given.

use std::time::Duration;

use tokio::time::Instant;

/// What may be used up at once: the worker looks at the outbox about once a second.
const BURST: Duration = Duration::from_secs(1);

/// A limit of messages per second, on average; as many as that may go at once.
#[derive(Debug, Default)]
pub struct Pace {
    per_second: u32,
    /// When everything that was let through would have gone if it had gone evenly.
    even: Option<Instant>,
}

impl Pace {
    /// This many messages a second; 0 is no limit.
    pub const fn new(per_second: u32) -> Self {
        Self { per_second, even: None }
    }

    /// Lets one message through, or says how long it has to wait.
    ///
    /// # Errors
    /// The time until the next one may go.
    pub fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        let Some(gap) = Duration::from_secs(1).checked_div(self.per_second) else { return Ok(()) };
        let even = self.even.map_or(now, |even| even.max(now)) + gap;
        let wait = even.saturating_duration_since(now).saturating_sub(BURST.max(gap));
        if wait.is_zero() {
            self.even = Some(even);
            Ok(())
        } else {
            Err(wait)
        }
    }

    /// How long this many messages take, in milliseconds.
    pub fn time_of(&self, messages: usize) -> i64 {
        let milliseconds = messages.saturating_mul(1_000).checked_div(self.per_second as usize);
        milliseconds.and_then(|milliseconds| i64::try_from(milliseconds).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Pace;

    /// How many get through in this many looks, of `offered` each, this far apart.
    fn through(pace: &mut Pace, looks: u32, apart: Duration, offered: usize) -> usize {
        let start = Instant::now();
        (0..looks).map(|look| (0..offered).filter(|_| pace.admit(start + apart * look).is_ok()).count()).sum()
    }

    #[test]
    fn as_many_a_second_as_are_allowed() {
        let second = Duration::from_secs(1);
        assert_eq!(through(&mut Pace::new(0), 1, second, 1_000), 1_000);
        for per_second in [1, 2, 7, 100] {
            // One look is worth a second; whatever comes more often gets no more.
            assert_eq!(through(&mut Pace::new(per_second), 1, second, 1_000), per_second as usize);
            assert_eq!(through(&mut Pace::new(per_second), 11, second, 1_000), 11 * per_second as usize);
            let often = through(&mut Pace::new(per_second), 1_000, second / 100, 10);
            assert!(often.abs_diff(11 * per_second as usize) <= 1 + per_second as usize / 50, "{per_second}: {often}");
        }
    }

    #[test]
    fn who_has_to_wait_is_told_how_long() {
        let mut pace = Pace::new(4);
        let now = Instant::now();
        assert_eq!((0..5).filter(|_| pace.admit(now).is_ok()).count(), 4);
        let wait = pace.admit(now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(250));
        assert!(pace.admit(now + wait).is_ok());
        assert_eq!((pace.time_of(10), Pace::new(0).time_of(10)), (2_500, 0));
    }
}
