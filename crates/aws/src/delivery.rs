//! What handing records over to CloudWatch Logs, Firehose and S3 has in common: how they are parted, and what is left.

use std::ops::Range;

use crate::CallError;

/// A record as it is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it happened, in milliseconds since 1970.
    pub moment: i64,
    /// What it says: JSON, without the end of a line.
    pub text: String,
}

/// What was not taken of the records that were handed over, by their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Those that may be taken at another time.
    pub again: Vec<usize>,
    /// Those that never will be.
    pub refused: Vec<usize>,
    /// Why the first of them was not taken, and what to do next; `None` when all were.
    pub reason: Option<String>,
}

impl Left {
    /// Takes down that these are refused for good.
    pub(crate) fn refuse(&mut self, places: impl IntoIterator<Item = usize>, reason: &str) {
        let before = self.refused.len();
        self.refused.extend(places);
        if self.refused.len() > before {
            self.reason.get_or_insert_with(|| reason.to_owned());
        }
    }

    /// Takes down that these were not taken because of `error`.
    pub(crate) fn fail(&mut self, places: impl IntoIterator<Item = usize>, error: &CallError) {
        if error.may_pass() {
            self.again.extend(places);
            self.reason.get_or_insert_with(|| error.to_string());
        } else {
            self.refuse(places, &error.to_string());
        }
    }
}

/// Parts `sizes` into groups of at most `most` and at most `most_bytes`, none of which is larger than that by itself, and
/// whose last one `goes_with` the first.
pub(crate) fn batches(
    sizes: &[usize],
    most: usize,
    most_bytes: usize,
    goes_with: impl Fn(usize, usize) -> bool,
) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, size) in sizes.iter().enumerate() {
        let is_full = at - start >= most || bytes + size > most_bytes || !goes_with(start, at);
        if is_full && at > start {
            batches.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < sizes.len() {
        batches.push(start..sizes.len());
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_as_large_as_they_may_be() {
        let parted = |sizes: &[usize]| batches(sizes, 3, 10, |_, _| true);
        assert_eq!(parted(&[]), Vec::<Range<usize>>::new());
        assert_eq!(parted(&[10]), vec![Range { start: 0, end: 1 }]);
        assert_eq!(parted(&[1, 1, 1, 1]), [0..3, 3..4]);
        assert_eq!(parted(&[5, 5, 1, 9, 1]), [0..2, 2..4, 4..5]);
        assert_eq!(parted(&[10, 10, 10]), [0..1, 1..2, 2..3]);
        assert_eq!(batches(&[1, 1, 1], 3, 10, |first, at| at - first < 2), [0..2, 2..3]);
    }
}
