//! Whether the files of a function have changed: names, sizes and times of all files in its folder, looked at when it
//! is called. Small folders are looked at for each call, so that a call right after a change meets the new files.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

/// Files that are looked at; those of larger folders are looked at only in part.
const MOST: usize = 10_000;
/// A folder with more files is looked at once in [`PAUSE`].
const FEW: usize = 200;
/// The pause between two looks at a large folder.
const PAUSE: Duration = Duration::from_secs(1);
/// Folders of packages and caches, which tools fill; folders whose names begin with a dot are passed over as well.
const PASSED_OVER: [&str; 4] = ["node_modules", "__pycache__", "venv", "target"];

/// What is known of a function's files.
#[derive(Debug, Default)]
pub(super) struct Files {
    version: u64,
    found: Option<Found>,
    not_before: Option<Instant>,
}

/// A look at the files that is due.
#[derive(Debug)]
pub(super) struct Look;

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    fingerprint: u64,
    count: usize,
}

impl Files {
    /// Moves on with each change.
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// A look, when one is due.
    pub(super) fn next_look(&mut self) -> Option<Look> {
        let now = Instant::now();
        if self.not_before.is_some_and(|moment| moment > now) {
            return None;
        }
        if self.found.is_some_and(|found| found.count > FEW) {
            self.not_before = Some(now + PAUSE);
        }
        Some(Look)
    }

    /// Notes what was found; true when that is not what was found before.
    pub(super) fn note(&mut self, found: Found) -> bool {
        let is_changed = self.found.replace(found).is_some_and(|before| before.fingerprint != found.fingerprint);
        self.version += u64::from(is_changed);
        is_changed
    }
}

impl Look {
    /// Looks at the files.
    pub(super) async fn take(self, folder: PathBuf) -> Found {
        // A look that panics has found nothing, like one at a folder that is gone.
        tokio::task::spawn_blocking(move || look_at(&folder)).await.unwrap_or(Found { fingerprint: 0, count: 0 })
    }
}

fn look_at(folder: &Path) -> Found {
    let mut folders = vec![folder.to_owned()];
    // Their order is the file system's: a sum does not depend on it.
    let mut found = Found { fingerprint: 0, count: 0 };
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // Follows links: a folder of links to files is a folder of files. Links to folders are not followed, since
            // they can lead in circles.
            let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
            if metadata.is_dir() {
                let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                if !is_link && !name.starts_with('.') && !PASSED_OVER.contains(&&*name) {
                    folders.push(entry.path());
                }
                continue;
            }
            let mut hasher = DefaultHasher::new();
            (entry.path(), metadata.len(), metadata.modified().ok()).hash(&mut hasher);
            found.fingerprint = found.fingerprint.wrapping_add(hasher.finish());
            found.count += 1;
            if found.count >= MOST {
                return found;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        time::{Duration, SystemTime},
    };

    use super::{Files, look_at};

    #[test]
    fn every_change_is_seen_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut files = Files::default();
        let mut has_changed = || files.note(look_at(folder.path()));
        assert!(!has_changed(), "the first look has nothing to compare with");
        fs::write(path("index.js"), "1").unwrap();
        assert!(has_changed());
        assert!(!has_changed());
        fs::write(path("index.js"), "12").unwrap();
        assert!(has_changed(), "another size");
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        File::options().write(true).open(path("index.js")).unwrap().set_modified(later).unwrap();
        assert!(has_changed(), "another time");
        fs::rename(path("index.js"), path("main.js")).unwrap();
        assert!(has_changed(), "another name");
        fs::create_dir_all(path("lib/deep")).unwrap();
        fs::write(path("lib/deep/a.js"), "").unwrap();
        assert!(has_changed(), "in a folder below");
        for tool in ["node_modules/x", "__pycache__", ".git"] {
            fs::create_dir_all(path(tool)).unwrap();
            fs::write(path(tool).join("file"), "").unwrap();
            assert!(!has_changed(), "{tool}");
        }
        fs::remove_file(path("lib/deep/a.js")).unwrap();
        assert!(has_changed(), "gone");
        assert_eq!(files.version(), 6);
    }
}
