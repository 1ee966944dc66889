//! Every target on its seeds, and on seeds that were changed in a few places, always the same ones.
//!
//! `POOLKEEPER_FUZZ_CASES` says how many changed seeds; libFuzzer finds more, see CONTRIBUTING.md.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use poolkeeper_fuzzing::{TARGETS, Target};
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRng, TestRunner},
};

/// Changed seeds for each target where the environment does not say how many.
const CASES: u32 = 96;
/// Most bytes of a seed that was made longer.
const LONGEST: usize = 65_536;
/// More than any input takes, on a machine that is busy with other tests as well.
const PATIENCE: Duration = Duration::from_secs(20);
/// What breaks parsers now and then.
const WORDS: [&[u8]; 24] = [
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b"\"",
    b"'",
    b"\\",
    b"%",
    b"{",
    b"}",
    b"[",
    b"]",
    b"<",
    b">",
    b"&",
    b",",
    b"=",
    b"null",
    b"-1",
    b"9223372036854775807",
    b"1e308",
    b"\xff",
    b"\xc3\xa9",
    b"\xf0\x9f\x98\x80",
];

/// A change of one place.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Insert(Index, usize),
    Remove(Index, Index),
    Replace(Index, Index, usize),
    Repeat(Index, Index, u16),
    CutOff(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop_oneof![
        3 => (place(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, 1 << bit)),
        3 => (place(), 0..WORDS.len()).prop_map(|(at, word)| Change::Insert(at, word)),
        2 => (place(), place()).prop_map(|(from, to)| Change::Remove(from, to)),
        2 => (place(), place(), 0..WORDS.len()).prop_map(|(from, to, word)| Change::Replace(from, to, word)),
        1 => (place(), place(), 2..10_000_u16).prop_map(|(from, to, times)| Change::Repeat(from, to, times)),
        1 => place().prop_map(Change::CutOff),
    ]
}

fn changed(seed: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for change in changes {
        let place = |index: &Index| index.index(bytes.len() + 1);
        let range = |from: &Index, to: &Index| place(from).min(place(to))..place(from).max(place(to));
        match change {
            Change::Flip(at, mask) => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= mask;
                }
            }
            Change::Insert(at, word) => {
                let at = place(at);
                bytes.splice(at..at, WORDS[*word].iter().copied());
            }
            Change::Remove(from, to) => drop(bytes.drain(range(from, to))),
            Change::Replace(from, to, word) => {
                let range = range(from, to);
                bytes.splice(range, WORDS[*word].iter().copied());
            }
            Change::Repeat(from, to, times) => {
                let range = range(from, to);
                let piece = bytes[range.clone()].repeat(usize::from(*times).min(LONGEST / range.len().max(1)));
                bytes.splice(range, piece);
            }
            Change::CutOff(at) => bytes.truncate(place(at)),
        }
    }
    bytes
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder().join("seeds").join(target.name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

/// A thread that runs a target on one input after the other, so that one which takes too long is found.
struct Runs {
    inputs: Sender<Vec<u8>>,
    outcomes: Receiver<thread::Result<()>>,
}

impl Runs {
    fn of(target: &'static Target) -> Self {
        let ((inputs, given), (done, outcomes)) = (channel::<Vec<u8>>(), channel());
        thread::spawn(move || given.iter().try_for_each(|input| done.send(catch_unwind(|| (target.run)(&input)))));
        Self { inputs, outcomes }
    }

    /// Panics as the target does.
    fn run(&self, input: &[u8]) {
        self.inputs.send(input.to_vec()).unwrap();
        match self.outcomes.recv_timeout(PATIENCE) {
            Ok(outcome) => outcome.unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => {
                // Nothing can stop that thread, nor can the input be made smaller while it runs.
                eprintln!("an input of {} bytes takes more than {PATIENCE:?}: {}", input.len(), input.escape_ascii());
                std::process::exit(1);
            }
        }
    }
}

fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let runs = Runs::of(target);
    for (file, bytes) in &seeds {
        let outcome = catch_unwind(AssertUnwindSafe(|| runs.run(bytes)));
        assert!(outcome.is_ok(), "{file}");
    }
    let cases = std::env::var("POOLKEEPER_FUZZ_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let changes = proptest::collection::vec(change(), 1..6);
    let input = (0..seeds.len(), changes).prop_map(|(seed, changes)| changed(&seeds[seed].1, &changes));
    let outcome = TestRunner::new_with_rng(config, rng).run(&input, |input| {
        runs.run(&input);
        Ok(())
    });
    if let Err(found) = outcome {
        panic!("{name}: {found}");
    }
}

/// A test for each target, so that they run beside one another.
macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        #[test]
        fn every_target_is_tested_and_has_a_program() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), tested);
            let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
            for name in tested {
                let program = fs::read_to_string(folder().join(format!("fuzz_targets/{name}.rs"))).unwrap();
                assert!(program.contains(&format!("::{name}(data)")), "{program}");
                assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
            }
        }
    };
}

targets! {
    archives csv_lines database_urls encoded_data encrypted_messages exports filters function_answers http_requests
    import_files mails networks operations passkeys password_hashes remote_answers saml_messages signatures smtp_replies srp tokens wire_shapes
}
