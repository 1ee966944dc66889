//! When a message that could not be handed over is tried again.

use domain::{Entropy, time};

/// The longest wait between two tries, in milliseconds.
const LONGEST: i64 = 10 * time::MINUTE;
/// Upper bound of the wait after the first try, in milliseconds; each further try doubles it.
const FIRST: i64 = 4 * time::SECOND;

/// Milliseconds to wait after the try with this number, counted from 1: at random between half and the whole of
/// 4 s, 8 s, 16 s … 10 minutes, so that messages that failed together do not come back together.
pub fn wait(entropy: &dyn Entropy, tries: u32) -> i64 {
    let doublings = tries.saturating_sub(1).min(16);
    let most = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let least = most / 2;
    least + below(entropy, most - least + 1)
}

/// At random from 0 to just below this many milliseconds, at least 1.
pub fn below(entropy: &dyn Entropy, end: i64) -> i64 {
    let mut random = [0; 4];
    entropy.fill(&mut random);
    i64::from(u32::from_le_bytes(random)) % end.max(1)
}

#[cfg(test)]
mod tests {
    use domain::Entropy;

    use super::wait;

    struct Constant(u8);

    impl Entropy for Constant {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    #[test]
    fn waits_double_up_to_ten_minutes() {
        let least: Vec<i64> = (1..=10).map(|tries| wait(&Constant(0), tries) / 1_000).collect();
        assert_eq!(least, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        for tries in [0, 1, 2, 5, 9, 100, u32::MAX] {
            for byte in 0..=255 {
                let milliseconds = wait(&Constant(byte), tries);
                assert!((2_000..=600_000).contains(&milliseconds), "{tries} {byte} {milliseconds}");
            }
        }
    }

    #[test]
    fn messages_that_failed_together_come_back_apart() {
        assert_ne!(wait(&Constant(1), 5), wait(&Constant(2), 5));
    }
}
