//! A file to which a line of JSON is added for each record.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use service::records::{Destination, NotTaken, Record, Taking};
use tokio::sync::Mutex;

/// A file that is opened anew for each group of records: whoever moves it away finds a new one in its place.
#[derive(Debug)]
pub struct File {
    path: Arc<PathBuf>,
    /// One write at a time: of a disk that hangs, only one thread waits.
    turn: Arc<Mutex<()>>,
}

impl File {
    /// The file at `path`, which need not be there yet; its folder must be.
    pub fn new(path: PathBuf) -> Self {
        Self { path: Arc::new(path), turn: Arc::default() }
    }
}

impl Destination for File {
    fn take(&self, records: Arc<[Record]>) -> Taking {
        let (path, turn) = (self.path.clone(), self.turn.clone());
        Box::pin(async move {
            let turn = turn.lock_owned().await;
            let all = records.clone();
            let written = tokio::task::spawn_blocking(move || {
                let lines: String = records.iter().map(|record| format!("{}\n", record.body)).collect();
                let outcome = append(&path, lines.as_bytes());
                drop(turn);
                outcome.map_err(|error| format!("{}: {error}", path.display()))
            });
            let outcome = written.await.unwrap_or_else(|error| Err(error.to_string()));
            outcome.map_err(|reason| NotTaken::all(all, reason))
        })
    }
}

/// Adds `lines` to a file; a new one can be read by its owner only, since records can name users. A line that a full disk
/// or the end of a process has cut off is ended first, so that it spoils none of these.
pub fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // What cannot be read is taken as it is: whoever may only write shall write.
    if ends_within_a_line(path).unwrap_or(false) {
        return file.write_all(&[b"\n", lines].concat());
    }
    file.write_all(lines)
}

/// Whether the last line of a file has no end. Pipes and devices are not looked at.
fn ends_within_a_line(path: &Path) -> io::Result<bool> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(false);
    }
    let mut file = fs::File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use service::records::Destination;

    use super::{super::testing::records, File};

    #[tokio::test]
    async fn a_line_is_added_for_each_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let file = File::new(path.clone());
        file.take(records(0..2)).await.unwrap();
        file.take(records(2..3)).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"number\":0}\n{\"number\":1}\n{\"number\":2}\n");
        // As logrotate does it.
        let moved = folder.path().join("events.jsonl.1");
        fs::rename(&path, &moved).unwrap();
        file.take(records(3..4)).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"number\":3}\n");
        assert_eq!(fs::read_to_string(&moved).unwrap().lines().count(), 3);
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/events.jsonl");
        let error = File::new(path.clone()).take(records(0..1)).await.unwrap_err().reason;
        assert!(error.contains(&*path.to_string_lossy()), "{error}");
        fs::create_dir_all(folder.path().join("none")).unwrap();
        File::new(path).take(records(0..1)).await.unwrap();
    }

    /// A full disk takes a part of a line.
    #[tokio::test]
    async fn a_line_that_was_cut_off_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let file = File::new(path.clone());
        for (before, after) in
            [("", "{\"number\":0}\n"), ("{}\n", "{}\n{\"number\":0}\n"), ("{}\n{\"num", "{}\n{\"num\n{\"number\":0}\n")]
        {
            fs::write(&path, before).unwrap();
            file.take(records(0..1)).await.unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), after);
        }
    }

    /// Writers that append do not mix their lines up.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn groups_at_the_same_time_stay_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let file = std::sync::Arc::new(File::new(path.clone()));
        let mut tasks = tokio::task::JoinSet::new();
        for group in 0..20 {
            let file = file.clone();
            tasks.spawn(async move { file.take(records(group * 50..group * 50 + 50)).await.unwrap() });
        }
        tasks.join_all().await;
        let text = fs::read_to_string(&path).unwrap();
        let mut numbers: Vec<u64> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["number"].as_u64().unwrap())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
    }
}
