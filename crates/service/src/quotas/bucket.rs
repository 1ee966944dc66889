//! A bucket of tokens that refills by itself, in one atomic number.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use wire::Timestamp;

/// One second in microseconds, which is what is counted in here.
const SECOND: i64 = 1_000_000;

/// A bucket, known by the moment at which it will be full again; nothing has to be done for it to refill.
pub(super) struct Bucket(AtomicI64);

impl Bucket {
    /// A full one.
    pub(super) const fn full() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    /// Takes a token if there is one. `rate` flow in a second, those of `saved` seconds fit in; a rate of 0 means that
    /// there are always enough.
    pub(super) fn take(&self, rate: u32, saved: u32, now: Timestamp) -> bool {
        if rate == 0 {
            return true;
        }
        let token = (SECOND / i64::from(rate)).max(1);
        self.take_of(token, SECOND.saturating_mul(i64::from(saved)), now)
    }

    /// Takes a token if there is one. It needs `token` microseconds to flow in, a full bucket `all`.
    pub(super) fn take_of(&self, token: i64, all: i64, now: Timestamp) -> bool {
        let now = now.milliseconds().saturating_mul(SECOND / 1_000);
        let mut is_taken = false;
        let take = |full_at: i64| {
            // Beyond what an empty bucket needs to fill, the clock has been moved back: it counts as empty from now on.
            let before = full_at.clamp(now, now.saturating_add(all));
            let after = before.saturating_add(token);
            // A rate that does not divide a second leaves less than a token over.
            is_taken = after <= now.saturating_add(all);
            Some(if is_taken { after } else { before })
        };
        self.0.fetch_update(Relaxed, Relaxed, take).is_ok() && is_taken
    }

    /// Puts a token back that was taken and not used.
    pub(super) fn give_back(&self, token: i64) {
        self.0.fetch_sub(token, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use wire::Timestamp;

    use super::Bucket;

    fn taken(bucket: &Bucket, rate: u32, saved: u32, now: i64) -> usize {
        (0..10_000).filter(|_| bucket.take(rate, saved, Timestamp(now))).count()
    }

    #[test]
    fn a_second_holds_what_flows_in_a_second() {
        for rate in [1, 2, 3, 5, 7, 10, 25, 120, 1_200] {
            let bucket = Bucket::full();
            let many = usize::try_from(rate).unwrap();
            assert_eq!(taken(&bucket, rate, 1, 5_000), many, "{rate}");
            assert_eq!(taken(&bucket, rate, 1, 5_000), 0);
            assert_eq!(taken(&bucket, rate, 1, 6_000), many, "a second later");
            assert_eq!(taken(&bucket, rate, 1, 100_000), many, "nothing is saved up");
        }
        let bucket = Bucket::full();
        assert_eq!(taken(&bucket, 10, 1, 0), 10);
        assert_eq!(taken(&bucket, 10, 1, 500), 5, "half a second later");
    }

    #[test]
    fn more_can_be_saved_up() {
        let bucket = Bucket::full();
        assert_eq!(taken(&bucket, 20, 60, 0), 1_200);
        assert_eq!(taken(&bucket, 20, 60, 1_000), 20);
        assert_eq!(taken(&bucket, 20, 60, 1_000_000), 1_200);
    }

    #[test]
    fn no_rate_is_no_limit_and_a_clock_that_goes_back_stops_nobody_for_long() {
        let bucket = Bucket::full();
        assert_eq!(taken(&bucket, 0, 1, 0), 10_000);
        assert_eq!(taken(&bucket, 5, 1, 1_000_000), 5);
        assert_eq!(taken(&bucket, 5, 1, 0), 0, "it counts as empty");
        assert_eq!(taken(&bucket, 5, 1, 1_000), 5);
    }

    #[test]
    fn what_is_put_back_can_be_taken_again() {
        let (bucket, hour) = (Bucket::full(), 3_600_000_000);
        let take = |now| bucket.take_of(hour / 3, hour, Timestamp(now));
        assert!(take(0) && take(0) && take(0) && !take(0));
        bucket.give_back(hour / 3);
        assert!(take(0) && !take(0));
        assert!(!take(1_199_999) && take(1_200_000) && !take(1_200_000), "one flows in by the third of an hour");
        // What is put back into a full bucket is no more than a full bucket.
        bucket.give_back(hour);
        assert!(take(7_200_000) && take(7_200_000) && take(7_200_000) && !take(7_200_000));
    }

    #[test]
    fn nothing_is_given_out_twice() {
        let (bucket, taken) = (Bucket::full(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        taken.fetch_add(usize::from(bucket.take(500, 1, Timestamp(0))), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(taken.load(Ordering::Relaxed), 500);
    }
}
