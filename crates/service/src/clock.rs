//! The clock that everything reads: the system's, moved or stopped by a test.

use std::sync::Mutex;

use wire::Timestamp;

/// A source of the present moment.
pub struct Clock {
    source: fn() -> Timestamp,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    offset: i64,
    frozen: Option<Timestamp>,
}

/// What the clock shows and how it got there.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The present moment as the server sees it.
    pub now: Timestamp,
    /// How far it is from the system's clock, in milliseconds.
    pub offset: i64,
    /// Whether it stands still.
    pub frozen: bool,
}

impl Clock {
    /// A clock that follows `source` until it is told otherwise.
    #[must_use]
    pub fn new(source: fn() -> Timestamp) -> Self {
        Self { source, state: Mutex::new(State::default()) }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.read().now
    }

    /// The present moment and how it came about.
    #[must_use]
    pub fn read(&self) -> Reading {
        let state = *self.lock();
        let system = (self.source)();
        let now = state.frozen.unwrap_or_else(|| system.plus(state.offset));
        Reading { now, offset: now.since(system), frozen: state.frozen.is_some() }
    }

    /// Moves the clock by `milliseconds`, back when negative.
    pub fn advance(&self, milliseconds: i64) {
        let mut state = self.lock();
        match &mut state.frozen {
            Some(frozen) => *frozen = frozen.plus(milliseconds),
            None => state.offset = state.offset.saturating_add(milliseconds),
        }
    }

    /// Sets the clock; it goes on from there, or stays there when it is frozen.
    pub fn set(&self, to: Timestamp) {
        let system = (self.source)();
        let mut state = self.lock();
        match &mut state.frozen {
            Some(frozen) => *frozen = to,
            None => state.offset = to.since(system),
        }
    }

    /// Stops the clock, or lets it go on from where it stands.
    pub fn freeze(&self, frozen: bool) {
        let reading = self.read();
        let system = (self.source)();
        let mut state = self.lock();
        state.offset = reading.now.since(system);
        state.frozen = frozen.then_some(reading.now);
    }

    /// Back to the system's clock.
    pub fn reset(&self) {
        *self.lock() = State::default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use wire::Timestamp;

    use super::Clock;

    #[test]
    fn the_clock_can_be_moved_stopped_and_set() {
        let clock = Clock::new(|| Timestamp(1_000));
        assert_eq!(clock.now(), Timestamp(1_000));
        clock.advance(500);
        assert_eq!(clock.now(), Timestamp(1_500));
        clock.freeze(true);
        clock.advance(10);
        assert_eq!((clock.now(), clock.read().frozen), (Timestamp(1_510), true));
        clock.set(Timestamp(99));
        clock.freeze(false);
        assert_eq!((clock.now(), clock.read().offset), (Timestamp(99), 99 - 1_000));
        clock.reset();
        assert_eq!(clock.now(), Timestamp(1_000));
    }
}
