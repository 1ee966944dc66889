//! The operator's list of stolen passwords: a text file of SHA-1 hashes, sorted, one `HEX40:COUNT` a line, as the public
//! downloader of Pwned Passwords writes it. It has forty gigabytes, so it is searched where it lies.

use std::{
    fmt,
    fs::File,
    io::{Error, ErrorKind, Read, Result, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Hexadecimal digits of a hash.
const DIGITS: usize = 40;
/// More bytes than any line has, its end included.
const LONGEST_LINE: u64 = 128;
/// How many bytes are read at once when no more than these are left to be searched.
const LAST_PIECE: u64 = 4_096;
/// How many places of the file are looked at when it is opened.
const SAMPLES: u64 = 64;

/// Looks passwords up; without a file it knows of none.
#[derive(Clone, Default)]
pub struct StolenPasswords(Option<Arc<PathBuf>>);

impl fmt::Debug for StolenPasswords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StolenPasswords").field(&self.0).finish()
    }
}

impl StolenPasswords {
    /// Takes a file, of which a few places are looked at: whether they hold hashes, and whether those are sorted. It may
    /// be replaced by another one at any time.
    ///
    /// # Errors
    /// When the file cannot be read, or is no such list.
    pub fn open(file: &Path) -> Result<Self> {
        let mut list = List::open(file)?;
        let mut before = list.hash_at(0)?;
        for sample in 1..SAMPLES {
            let place = list.length / SAMPLES * sample;
            let Some(start) = list.next_line(place)?.filter(|start| *start < list.length) else { continue };
            let hash = list.hash_at(start)?;
            if hash < before {
                return Err(wrong("the list is not sorted by hash"));
            }
            before = hash;
        }
        Ok(Self(Some(Arc::new(file.to_owned()))))
    }

    /// Whether there is a list.
    #[must_use]
    pub const fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the list holds this hash, 40 upper-case hexadecimal digits. Blocks the thread for some thirty reads.
    ///
    /// # Errors
    /// When the file cannot be read, or is no such list any more.
    pub fn contains(&self, hash: &str) -> Result<bool> {
        match &self.0 {
            Some(file) => List::open(file)?.contains(hash),
            None => Ok(false),
        }
    }
}

/// An open list.
struct List {
    file: File,
    length: u64,
}

impl List {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }

    fn contains(&mut self, hash: &str) -> Result<bool> {
        // The line of the hash begins at `from` or later, and before `to`; at `from` a line begins.
        let (mut from, mut to) = (0, self.length);
        while to - from > LAST_PIECE {
            let middle = from + (to - from) / 2;
            let Some(start) = self.next_line(middle)?.filter(|start| *start < to) else {
                // The file has become shorter meanwhile.
                return Err(wrong("a line of the list has no end"));
            };
            match self.hash_at(start)?.as_str().cmp(hash) {
                std::cmp::Ordering::Less => from = start,
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Greater => to = start,
            }
        }
        let piece = self.read(from, to - from)?;
        Ok(piece.lines().any(|line| line.get(..DIGITS).is_some_and(|digits| digits.eq_ignore_ascii_case(hash))))
    }

    /// Where the first line begins after the end of the one that `place` is in; `None` where no line ends.
    fn next_line(&mut self, place: u64) -> Result<Option<u64>> {
        let piece = self.read(place, LONGEST_LINE)?;
        Ok(piece.bytes().zip(place + 1..).find(|(byte, _)| *byte == b'\n').map(|(_, start)| start))
    }

    /// The hash of the line that begins there, in upper case.
    fn hash_at(&mut self, start: u64) -> Result<String> {
        let piece = self.read(start, LONGEST_LINE)?;
        let line = piece.lines().next().unwrap_or_default();
        let (digits, count) = line.split_once(':').unwrap_or((line, "1"));
        let is_hash = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash || count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong("a line of the list is no SHA-1 hash with a count, `HEX40:COUNT`"));
        }
        Ok(digits.to_ascii_uppercase())
    }

    /// At most so many bytes from a place.
    fn read(&mut self, place: u64, length: u64) -> Result<String> {
        self.file.seek(SeekFrom::Start(place))?;
        let mut bytes = Vec::new();
        (&self.file).take(length).read_to_end(&mut bytes)?;
        // What is no text is no hash either, which is said where it is looked at.
        Ok(bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect())
    }
}

fn wrong(reason: &str) -> Error {
    Error::new(ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use tempfile::NamedTempFile;

    use super::StolenPasswords;

    fn file(text: &str) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    /// Hashes of these numbers, sorted.
    fn hashes(numbers: impl Iterator<Item = u32>) -> Vec<String> {
        let mut hashes: Vec<_> = numbers.map(|number| crypto::hash::sha1_hex(&number.to_be_bytes())).collect();
        hashes.sort();
        hashes
    }

    fn list(hashes: &[String], end: &str) -> String {
        hashes.iter().zip(1..).map(|(hash, count)| format!("{hash}:{}{end}", 7_usize.pow(count % 9))).collect()
    }

    #[test]
    fn every_hash_of_a_list_is_found_and_no_other() {
        for end in ["\n", "\r\n"] {
            for size in [1, 2, 80, 90, 1_000] {
                let (known, unknown) = (hashes(0..size), hashes(5_000..5_100));
                let text = list(&known, end);
                for text in [text.trim_end(), &text, &text.to_lowercase()] {
                    let file = file(text);
                    let stolen = StolenPasswords::open(file.path()).unwrap();
                    assert!(known.iter().all(|hash| stolen.contains(hash).unwrap()), "{size}");
                    assert!(!unknown.iter().any(|hash| stolen.contains(hash).unwrap()), "{size}");
                    for edge in ["0".repeat(40), "F".repeat(40)] {
                        assert!(!stolen.contains(&edge).unwrap());
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_such_list_is_refused_when_it_is_opened() {
        let error = |text: &str| StolenPasswords::open(file(text).path()).unwrap_err().to_string();
        let no_hash = "a line of the list is no SHA-1 hash with a count, `HEX40:COUNT`";
        let known = hashes(0..1_000);
        let ntlm: String = known.iter().map(|hash| format!("{}:1\n", &hash[..32])).collect();
        let by_count: String = known.iter().rev().map(|hash| format!("{hash}:1\n")).collect();
        for wrong in ["", "\n", "password\n", &ntlm, &"\0".repeat(5_000), &format!("{}:\n", known[0])] {
            assert_eq!(error(wrong), no_hash);
        }
        assert_eq!(error(&by_count), "the list is not sorted by hash");
        let folder = tempfile::tempdir().unwrap();
        assert!(StolenPasswords::open(folder.path()).is_err());
        assert!(StolenPasswords::open(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_list_may_be_replaced_but_not_vanish_or_be_damaged() {
        let known = hashes(0..10);
        let (folder, unknown) = (tempfile::tempdir().unwrap(), hashes(20..21));
        let path = folder.path().join("list");
        std::fs::write(&path, list(&known, "\n")).unwrap();
        let stolen = StolenPasswords::open(&path).unwrap();
        assert!(!stolen.contains(&unknown[0]).unwrap());
        std::fs::write(folder.path().join("new"), list(&unknown, "\n")).unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        assert!(stolen.contains(&unknown[0]).unwrap() && !stolen.contains(&known[0]).unwrap());
        std::fs::write(&path, "x".repeat(10_000)).unwrap();
        assert!(stolen.contains(&unknown[0]).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(stolen.contains(&unknown[0]).is_err());
        assert!(!StolenPasswords::default().contains(&unknown[0]).unwrap());
    }

    proptest! {
        /// Whatever the file holds, a search ends.
        #[test]
        fn any_file_is_searched(text in "[0-9A-F:\n]{0,200}", times in 1..200_usize, hash in "[0-9A-F]{40}") {
            let file = file(&text.repeat(times));
            _ = StolenPasswords::open(file.path());
            _ = StolenPasswords(Some(std::sync::Arc::new(file.path().to_owned()))).contains(&hash);
        }
    }
}
