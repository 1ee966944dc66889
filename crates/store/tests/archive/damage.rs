//! Archives that were damaged, altered, cut off, or are none.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use poolkeeper_store::{
    Location,
    archive::{self, ArchiveError},
};
use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use serde_json::{Value, json};

use crate::databases::{Database, Engine, backup, fill, restore, words};

/// An archive with something of everything, and a place where nothing may appear.
async fn archive() -> (Vec<u8>, Database) {
    let source = Database::new(Engine::Sqlite);
    fill(&source.open().await).await;
    (backup(&source).await.unwrap().0, Database::new(Engine::Sqlite))
}

/// The words with which an archive is refused. The target is not even made.
async fn refusal(bytes: &[u8], target: &Database) -> String {
    let result = restore(bytes, target, true).await;
    let Location::File(path) = &target.options.location else { unreachable!() };
    assert!(!path.exists(), "{result:?}");
    words(result)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in digest(&SHA256, bytes).as_ref() {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// Writes the last line anew, by the words of the documentation, so that it fits the lines before it.
fn sealed(lines: &[String]) -> Vec<u8> {
    let (header, rows) = lines.split_first().unwrap();
    let document: Value = serde_json::from_str(header).unwrap();
    let mut counts = serde_json::Map::new();
    for table in document["tables"].as_array().unwrap() {
        let name = table["name"].as_str().unwrap();
        let start = format!("[\"{name}\",");
        counts.insert(name.to_owned(), rows.iter().filter(|row| row.starts_with(&start)).count().into());
    }
    let content: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let end = json!({"rows": counts, "header_sha256": hex(format!("{header}\n").as_bytes()), "content_sha256": hex(content.as_bytes())});
    format!("{header}\n{content}{end}\n").into_bytes()
}

/// All lines but the last.
fn lines(archive: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = std::str::from_utf8(archive).unwrap().lines().map(str::to_owned).collect();
    lines.pop();
    lines
}

#[tokio::test]
async fn the_documentation_says_how_archives_are_written() {
    let (archive, _) = archive().await;
    let lines = lines(&archive);
    assert_eq!(sealed(&lines), archive);
    let header: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(header["poolkeeper_archive"], 1);
    assert_eq!(header["created_at"], crate::rows::NOW.milliseconds());
    assert_eq!(
        header["tables"][0],
        json!({"name": "meta", "columns": [["name", "TEXT"], ["value", "TEXT"]], "key": ["name"]})
    );
    assert_eq!(lines[1], r#"["meta","master-key-check","sealed"]"#);
}

#[tokio::test]
async fn every_cut_is_noticed() {
    let (archive, target) = archive().await;
    let cut = "cut off";
    for length in (0..archive.len()).rev().step_by(37).chain(archive.len() - 300..archive.len()) {
        let words = refusal(&archive[..length], &target).await;
        assert!(words.contains(cut), "{length}: {words}");
    }
    for line in 0..lines(&archive).len() {
        let all: Vec<&str> = std::str::from_utf8(&archive).unwrap().lines().collect();
        let cut_short: String = all[..=line].iter().map(|line| format!("{line}\n")).collect();
        let words = refusal(cut_short.as_bytes(), &target).await;
        assert!(words.contains(&format!("line {} of the archive: the archive is cut off", line + 2)), "{words}");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (archive, target) = runtime.block_on(archive());
    let length = archive.len();
    proptest!(ProptestConfig::with_cases(1_000), |(place in 0..length, bit in 0..8_u8)| {
        let mut bytes = archive.clone();
        bytes[place] ^= 1 << bit;
        let words = runtime.block_on(refusal(&bytes, &target));
        prop_assert!(words.contains("archive"), "{words}");
    });
    // The last line in full: it is refused for what it does not say.
    let end = length - archive.iter().rev().skip(1).position(|byte| *byte == b'\n').unwrap() - 1;
    for place in end..length {
        for bit in 0..8 {
            let mut bytes = archive.clone();
            bytes[place] ^= 1 << bit;
            runtime.block_on(refusal(&bytes, &target));
        }
    }
}

#[tokio::test]
async fn lines_that_move_vanish_or_come_twice_are_named() {
    let (archive, target) = archive().await;
    let good = lines(&archive);
    let altered = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = good.clone();
        change(&mut lines);
        lines
    };
    let users: Vec<usize> = (0..good.len()).filter(|line| good[*line].starts_with("[\"users\"")).collect();
    let (first, second) = (users[0], users[1]);

    // Without a new end, a line that is gone shows there.
    let gone = altered(&|lines| drop(lines.remove(first)));
    let end = std::str::from_utf8(&archive).unwrap().lines().last().unwrap();
    let text: String = gone.iter().map(|line| format!("{line}\n")).collect();
    let words = refusal(format!("{text}{end}\n").as_bytes(), &target).await;
    assert!(words.contains(&format!("line {} of", gone.len() + 1)) && words.contains("lines are missing"), "{words}");

    // Even with an end that fits.
    let twice = altered(&|lines| lines.insert(first, lines[first].clone()));
    let swapped = altered(&|lines| lines.swap(first, second));
    let early = altered(&|lines| {
        let line = lines.remove(second);
        lines.insert(1, line);
    });
    for (lines, line) in [(twice, first + 2), (swapped, second + 1), (early, 3)] {
        let words = refusal(&sealed(&lines), &target).await;
        assert!(words.contains(&format!("line {line} of the archive: this row is not where it belongs")), "{words}");
    }
}

#[tokio::test]
async fn rows_are_written_in_one_way_only() {
    let (archive, target) = archive().await;
    let good = lines(&archive);
    let line = good.iter().position(|line| line.starts_with("[\"users\"")).unwrap();
    let otherwise = "this row is not written as Poolkeeper writes it";
    let no_row = "this is neither a row nor the end";
    for (from, to, expected) in [
        ("[\"users\",", "[\"users\", ", otherwise),
        ("[\"users\",", "[\"\\u0075sers\",", otherwise),
        (",1,", ",01,", no_row),
        (",1,", ",1.0,", no_row),
        (",1,", ",\"1\",", no_row),
        (",1,", ",9223372036854775808,", no_row),
        (",1,", ",null,", no_row),
        (",1,", ",1,1,", no_row),
        (",1,", ",", no_row),
        ("[\"users\",", "[\"letters\",", no_row),
        ("[\"users\",", "", no_row),
        ("]", "]]", no_row),
    ] {
        let mut lines = good.clone();
        lines[line] = lines[line].replacen(from, to, 1);
        assert_ne!(lines, good, "{from}");
        let words = refusal(&sealed(&lines), &target).await;
        assert!(words.contains(&format!("line {} of the archive: {expected}", line + 1)), "{from} {to}: {words}");
    }
    for insert in ["", "[]", "[\"users\"]", "\u{feff}", "null"] {
        let mut lines = good.clone();
        lines.insert(line, insert.to_owned());
        assert!(refusal(&sealed(&lines), &target).await.contains(no_row), "{insert}");
    }
    let more = [&archive[..], b"\n"].concat();
    let words = refusal(&more, &target).await;
    assert!(words.contains("something follows the end"), "{words}");
    let windows = String::from_utf8(archive).unwrap().replace('\n', "\r\n");
    refusal(windows.as_bytes(), &target).await;
}

#[tokio::test]
async fn foreign_and_newer_files_are_told_apart() {
    let (archive, target) = archive().await;
    for foreign in [&b"Dear archive,\n"[..], b"SQLite format 3\0\n", b"{}\n", b"[]\n", b"\xff\n", b"{\"rows\":{}}\n"] {
        let words = refusal(foreign, &target).await;
        assert!(words.contains("line 1 of the archive: this is not a Poolkeeper archive"), "{words}");
    }
    assert!(refusal(b"", &target).await.contains("cut off before this line"));

    let good = lines(&archive);
    let with_header = |from: &str, to: &str| {
        let mut lines = good.clone();
        lines[0] = lines[0].replacen(from, to, 1);
        assert_ne!(lines, good, "{from}");
        sealed(&lines)
    };
    let newer = |words: String, what: &str| assert!(words.contains(what) && words.contains("newer"), "{words}");
    let format = with_header("\"poolkeeper_archive\":1,", "\"poolkeeper_archive\":2,\"colour\":\"blue\",");
    newer(refusal(&format, &target).await, "format 2");
    let schema = format!("\"schema\":{}", serde_json::from_str::<Value>(&good[0]).unwrap()["schema"]);
    newer(refusal(&with_header(&schema, "\"schema\":1000"), &target).await, "schema 1000");
    for (from, to) in [
        ("\"spent\"", "\"spend\""),
        ("\"BIGINT\"", "\"TEXT\""),
        ("\"poolkeeper_archive\":1", "\"poolkeeper_archive\":0"),
    ] {
        let words = refusal(&with_header(from, to), &target).await;
        assert!(words.contains("line 1 of the archive"), "{words}");
    }
}

#[tokio::test]
async fn an_archive_of_an_older_schema_is_loaded() {
    let (archive, target) = archive().await;
    let mut lines = lines(&archive);
    let mut header: Value = serde_json::from_str(&lines[0]).unwrap();
    assert!(header["schema"].as_i64().unwrap() > 2);
    header["schema"] = 2.into();
    let later = ["parts", "domains", "members", "search_keys", "chunks", "purges", "user_parts"];
    header["tables"].as_array_mut().unwrap().retain(|table| !later.contains(&table["name"].as_str().unwrap()));
    lines[0] = header.to_string();
    lines.retain(|line| !later.iter().any(|table| line.starts_with(&format!("[\"{table}\","))));
    let restored = restore(&sealed(&lines), &target, false).await.unwrap();
    let (now, made) = backup(&target).await.unwrap();
    let kept = made.contents.tables.iter().filter(|(table, _)| !later.contains(table)).copied().collect::<Vec<_>>();
    assert_eq!(restored.contents.tables, kept);
    assert!(made.contents.tables.iter().all(|(table, rows)| later.contains(table) == (*rows == 0)));
    let before: Value = serde_json::from_slice(archive.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    let after: Value = serde_json::from_slice(now.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!(after, before, "it has the schema of today");
}

#[tokio::test]
async fn a_line_without_an_end_is_not_read_for_ever() {
    /// Spaces, for ever.
    struct Endless;

    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer.fill(b' ');
            Ok(buffer.len())
        }
    }

    impl std::io::BufRead for Endless {
        fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
            Ok(&[b' '; 65_536])
        }

        fn consume(&mut self, _amount: usize) {}
    }

    impl std::io::Seek for Endless {
        fn seek(&mut self, _position: std::io::SeekFrom) -> std::io::Result<u64> {
            Ok(0)
        }
    }

    let target = Database::new(Engine::Sqlite);
    let result = archive::restore(&mut Endless, &target.options, false, "x", &mut |_| {}).await;
    assert!(matches!(&result, Err(ArchiveError::Damaged { line: 1, .. })), "{result:?}");
    assert!(words(result).contains("too long"));
}
