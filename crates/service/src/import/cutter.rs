//! Cuts a file into pieces at the ends of lines.

use domain::csv::NO_TEXT;

/// Most bytes in a piece. Four times as many bytes as a line may have characters, and more: a line that does not fit is
/// too long anyway.
const PIECE: usize = 65_536;

/// Takes a file as it comes and gives pieces of at most 64 KiB, each of whole lines.
///
/// Of a line that does not fit into a piece the beginning stays. A line that is not UTF-8 text, or holds characters that
/// no database stores, becomes [`NO_TEXT`].
#[derive(Debug, Default)]
pub(super) struct Cutter {
    buffer: Vec<u8>,
    /// Whether the end of a line is still to come whose beginning is in a piece already.
    skips: bool,
    /// Lines so far that are not blank.
    pub lines: i64,
}

impl Cutter {
    /// Takes more of the file; gives the pieces that are complete.
    pub fn add(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE));
            bytes = later;
            self.take(now);
            while self.buffer.len() >= PIECE {
                pieces.push(self.cut());
            }
        }
        pieces
    }

    /// The last piece, if anything is left.
    pub fn end(mut self) -> (Option<String>, i64) {
        let rest = std::mem::take(&mut self.buffer);
        let last = (!rest.is_empty()).then(|| self.text(rest));
        (last, self.lines)
    }

    fn take(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.skip();
    }

    /// Drops what belongs to a line whose beginning is in a piece already.
    fn skip(&mut self) {
        if !self.skips {
            return;
        }
        match self.buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                self.buffer.drain(..=end);
                self.skips = false;
            }
            None => self.buffer.clear(),
        }
    }

    /// A piece from a buffer that is long enough for one.
    fn cut(&mut self) -> String {
        let end = self.buffer.iter().take(PIECE).rposition(|byte| *byte == b'\n');
        let rest = self.buffer.split_off(end.map_or(PIECE, |end| end + 1));
        let piece = std::mem::replace(&mut self.buffer, rest);
        self.skips = end.is_none();
        self.skip();
        self.text(piece)
    }

    fn text(&mut self, piece: Vec<u8>) -> String {
        let text = match String::from_utf8(piece) {
            Ok(text) if !text.contains('\0') => text,
            Ok(text) => by_line(text.as_bytes()),
            Err(error) => by_line(error.as_bytes()),
        };
        let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        self.lines = self.lines.saturating_add(i64::try_from(lines).unwrap_or(i64::MAX));
        text
    }
}

fn by_line(piece: &[u8]) -> String {
    let mut text = String::with_capacity(piece.len());
    for line in piece.split_inclusive(|byte| *byte == b'\n') {
        match str::from_utf8(line) {
            Ok(line) if !line.contains('\0') => text.push_str(line),
            _ => text.extend([NO_TEXT, '\n']),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Cutter, PIECE};

    /// The pieces of a file that comes in parts of this length, and the number of lines.
    fn cut(file: &[u8], part: usize) -> (Vec<String>, i64) {
        let mut cutter = Cutter::default();
        let mut pieces: Vec<String> = file.chunks(part).flat_map(|part| cutter.add(part)).collect();
        let (last, lines) = cutter.end();
        pieces.extend(last);
        (pieces, lines)
    }

    #[test]
    fn lines_stay_whole_and_none_is_lost() {
        let file: String = (0..20_000).map(|number| format!("user-{number},é\r\n")).collect();
        let (pieces, lines) = cut(file.as_bytes(), 1_000);
        assert_eq!((pieces.concat(), lines), (file.clone(), 20_000));
        assert!(pieces.len() > 4 && pieces.iter().all(|piece| piece.len() <= PIECE && piece.ends_with('\n')));
        assert_eq!(cut(file.as_bytes(), 1 << 20), (pieces, lines));
    }

    #[test]
    fn of_a_line_that_fits_nowhere_enough_is_kept_to_see_that_it_is_too_long() {
        for middle in [PIECE - 5, PIECE, 5 * PIECE] {
            let file = format!("first\n{}\nlast", "é".repeat(middle / 2));
            for part in [7, 4_096, 1 << 20] {
                let (pieces, lines) = cut(file.as_bytes(), part);
                let text = pieces.iter().flat_map(|piece| piece.lines()).collect::<Vec<_>>();
                assert_eq!((text.len(), lines), (3, 3), "{middle} {part}");
                assert_eq!((text.first(), text.last()), (Some(&"first"), Some(&"last")));
                let second = text.get(1).unwrap();
                assert!(second.contains('\u{FFFD}') || second.chars().count() > 16_000, "{middle} {part}");
            }
        }
    }

    #[test]
    fn what_is_no_text_is_one_faulty_line() {
        let (pieces, lines) = cut(b"a\nb\xffc\nd\0\n\n \ne", 3);
        assert_eq!((pieces.concat().as_str(), lines), ("a\n\u{FFFD}\n\u{FFFD}\n\n \ne", 4));
        assert_eq!(cut(b"", 1), (Vec::new(), 0));
    }

    proptest! {
        #[test]
        fn the_parts_in_which_a_file_comes_do_not_matter(
            lines in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..8), 0..20_000_usize), 0..20),
            part in 1..100_000_usize,
        ) {
            let file: Vec<u8> = lines.iter().flat_map(|(start, length)| {
                let mut line = start.clone();
                line.resize(start.len() + length, b'x');
                line.push(b'\n');
                line
            }).collect();
            prop_assert_eq!(cut(&file, part), cut(&file, file.len().max(1)));
        }
    }
}
