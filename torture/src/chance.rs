//! Choices that depend on the seed alone (SplitMix64): the same seed makes every task choose the same again. When the
//! tasks meet is up to the machine.

use std::time::Duration;

/// A stream of choices.
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// The stream with this number of a run with this seed.
    pub const fn new(seed: u64, stream: u64) -> Self {
        Self { state: mix(seed ^ mix(stream.wrapping_add(1))) }
    }

    /// 64 random bits.
    pub const fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// A number below `bound`; 0 when that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.bits() % (bound.max(1) as u64)).unwrap_or_default()
    }

    /// True so many times out of a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A duration from `least` to `most` seconds.
    pub fn seconds(&mut self, least: f64, most: f64) -> Duration {
        let share = (self.bits() >> 11) as f64 / (1_u64 << 53) as f64;
        Duration::from_secs_f64(least + share * (most - least))
    }

    /// One of the choices, each as often as its weight says; none when all weights are 0.
    pub fn weighted<T: Copy>(&mut self, choices: &[(usize, T)]) -> Option<T> {
        let mut left = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if left < *weight {
                return Some(*choice);
            }
            left -= weight;
        }
        None
    }
}

/// Spreads every bit over all others.
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Chance;

    #[test]
    fn a_seed_gives_the_same_choices_and_streams_differ() {
        let draw = |seed, stream| {
            let mut chance = Chance::new(seed, stream);
            [chance.bits(), chance.bits(), chance.bits()]
        };
        assert_eq!(draw(7, 0), draw(7, 0));
        assert_ne!(draw(7, 0), draw(7, 1));
        assert_ne!(draw(7, 0), draw(8, 0));
    }

    #[test]
    fn choices_keep_their_bounds_and_weights() {
        let mut chance = Chance::new(1, 1);
        assert_eq!(chance.below(0), 0);
        let mut seen = [0; 3];
        for _ in 0..3_000 {
            seen[chance.weighted(&[(1, 0), (0, 1), (3, 2)]).unwrap()] += 1;
            let drawn = chance.seconds(0.5, 2.0);
            assert!((Duration::from_millis(500)..=Duration::from_secs(2)).contains(&drawn), "{drawn:?}");
        }
        assert_eq!(seen[1], 0);
        assert!((600..900).contains(&seen[0]), "{seen:?}");
        assert_eq!(chance.weighted::<u8>(&[]), None);
    }
}
