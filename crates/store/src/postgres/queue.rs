//! Those who wait while others are under way.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Jobs that wait, and how many groups of others are under way.
pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
}

struct State<J> {
    waiting: VecDeque<J>,
    under_way: usize,
}

impl<J> Default for Queue<J> {
    fn default() -> Self {
        Self { state: Mutex::new(State { waiting: VecDeque::new(), under_way: 0 }) }
    }
}

impl<J> std::fmt::Debug for Queue<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl<J> Queue<J> {
    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job; whether one more group may be under way, which is counted then: the caller must see to it that
    /// [`next`](Self::next) is asked.
    pub(super) fn push(&self, job: J, at_once: usize) -> bool {
        let mut state = self.state();
        state.waiting.push_back(job);
        let is_free = state.under_way < at_once;
        if is_free {
            state.under_way += 1;
        }
        is_free
    }

    /// Adds a job, unless one more group may be under way: then that is counted, there is no need to wait, and the caller
    /// must ask [`next`](Self::next) when it has done its job itself.
    pub(super) fn wait(&self, at_once: usize, job: impl FnOnce() -> J) -> bool {
        let mut state = self.state();
        let is_free = state.under_way < at_once;
        if is_free {
            state.under_way += 1;
        } else {
            state.waiting.push_back(job());
        }
        !is_free
    }

    /// Those of the waiting ones that go next, in the place of a group that has ended. None when nobody waits, and then one
    /// group less is under way.
    pub(super) fn next(&self, choose: impl FnOnce(&mut VecDeque<J>) -> Vec<J>) -> Option<Vec<J>> {
        let mut state = self.state();
        let group = choose(&mut state.waiting);
        if group.is_empty() {
            state.under_way -= 1;
            return None;
        }
        Some(group)
    }

    /// Takes a job back that still waits; whether it did.
    pub(super) fn withdraw(&self, is_it: impl FnMut(&J) -> bool) -> bool {
        let mut state = self.state();
        let place = state.waiting.iter().position(is_it);
        place.and_then(|place| state.waiting.remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn whoever_comes_while_others_are_under_way_waits() {
        let queue = Queue::default();
        let all = |waiting: &mut std::collections::VecDeque<i32>| waiting.drain(..).collect::<Vec<_>>();
        assert!(!queue.wait(2, || 1) && !queue.wait(2, || 2), "two go at once");
        assert!(queue.wait(2, || 3) && queue.wait(2, || 4) && !queue.push(5, 2));
        assert!(queue.withdraw(|job| *job == 4) && !queue.withdraw(|job| *job == 4));
        assert_eq!(queue.next(all), Some(vec![3, 5]));
        assert_eq!((queue.next(all), queue.next(all)), (None, None));
        assert!(queue.push(6, 2) && queue.push(7, 2) && !queue.push(8, 2));
        assert_eq!(queue.next(all), Some(vec![6, 7, 8]));
    }
}
