//! A SQLite database: its directory, the disk below it, and what it survives.

use std::path::{Path, PathBuf};

use indicatif::HumanBytes;
use store::{Durability, Options, Store};

use super::finding::Finding;
use crate::master_key::others_can_read;

/// Below this much free space, in bytes, somebody should do something.
const LITTLE: u64 = 1_024 * 1_024 * 1_024;
/// Below this much, the database will soon take no more changes.
const TOO_LITTLE: u64 = 64 * 1_024 * 1_024;

/// The directory of the database at `path`.
fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether the server can work in its directory, and nobody else can read there.
pub fn directory(path: &Path) -> Finding {
    let folder = folder(path);
    let shown = folder.display();
    match std::fs::metadata(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Finding::warning(&format!("there is no {shown} yet"), "The first start makes it");
        }
        Err(error) => {
            let found = format!("{shown} cannot be looked at: {error}");
            return Finding::problem(&found, "Make it accessible for the user that runs the server");
        }
        Ok(metadata) if !metadata.is_dir() => {
            return Finding::problem(&format!("{shown} is no directory"), "Name another one (--data-dir)");
        }
        Ok(_directory) => {}
    }
    if !is_writable(&folder) || path.exists() && !is_writable(path) {
        let found = format!("this user cannot write to {shown}");
        return Finding::problem(&found, "Make it writable, or ask as the user that runs the server");
    }
    let mut readable = Vec::new();
    for suffix in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{suffix}", path.display()));
        if others_can_read(&file) {
            readable.push(file.display().to_string());
        }
    }
    if !readable.is_empty() {
        let found = format!("other users of this machine can read {}", readable.join(", "));
        return Finding::warning(&found, "chmod 600 them");
    }
    if others_can_write(&folder) {
        let found = format!("other users of this machine can put files into {shown}");
        return Finding::warning(&found, "chmod 700 it");
    }
    Finding::ok(&format!("{shown} is writable, and nobody else can read the database"))
}

/// Whether this user may write to a file or a directory.
#[cfg(unix)]
pub fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Whether this user may write to a file or a directory.
#[cfg(not(unix))]
pub fn is_writable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.permissions().readonly())
}

#[cfg(unix)]
fn others_can_write(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    std::fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o022 != 0)
}

#[cfg(not(unix))]
const fn others_can_write(_folder: &Path) -> bool {
    false
}

/// The disk that the database is on.
pub fn disk(path: &Path) -> Finding {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let Some(free) = free_bytes(&folder(path)) else {
        return Finding::skipped("how much space is free cannot be found out", "See to it that there is enough");
    };
    let found = format!("{} free, the database has {}", HumanBytes(free), HumanBytes(size));
    if free < TOO_LITTLE {
        Finding::problem(&found, "Free some space: the database will soon take no more changes")
    } else if free < LITTLE {
        Finding::warning(&found, "Free some space, or move the data to a larger disk")
    } else {
        Finding::ok(&found)
    }
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(not(unix))]
const fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}

/// What acknowledged changes survive.
pub fn database(store: &Store, options: &Options) -> Finding {
    let Store::Sqlite(sqlite) = store else { return Finding::ok("not a file") };
    let mut findings = vec![Finding::ok(&format!("SQLite, {}", options.location))];
    match sqlite.journal_mode() {
        Ok(mode) if mode == "wal" => {}
        Ok(mode) => {
            let found = format!("its journal is {mode}: readers and the writer wait for one another");
            findings.push(Finding::warning(&found, "The next start of a server mends it"));
        }
        Err(error) => return Finding::of_store(&error),
    }
    if options.durability == Durability::Normal {
        let found = "the last moments before a loss of power may be lost";
        findings.push(Finding::warning(found, "Set store.durability = \"full\" in production"));
    }
    if let store::Location::File(path) = &options.location {
        findings.extend(file_system(path));
    }
    Finding::together(findings)
}

/// File systems that do not keep what they promise to a database.
fn file_system(path: &Path) -> Option<Finding> {
    let path = std::fs::canonicalize(folder(path)).ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    judge(type_of(&mounts, &path)?)
}

fn judge(kind: &str) -> Option<Finding> {
    let is_remote = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs"];
    if is_remote.contains(&kind) {
        let found = format!("it is on a file system across a network ({kind}), where SQLite's locks do not hold");
        return Some(Finding::problem(&found, "Put the data directory on a disk of this machine"));
    }
    if ["tmpfs", "ramfs"].contains(&kind) {
        let found = format!("it is on a file system in memory ({kind}), which goes with the machine");
        return Some(Finding::problem(&found, "Put the data directory on a disk"));
    }
    (kind == "overlay").then(|| {
        let found = "it is in a container's own layer, which goes with the container";
        Finding::warning(found, "Put the data directory on a volume")
    })
}

/// The type of the file system below a path, from the text of /proc/self/mountinfo: the mount point is the fifth word
/// of a line, the type the first one after a lonely dash.
fn type_of<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mounted = mounts.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?.replace("\\040", " ");
        path.starts_with(&point).then(|| (point.len(), after.split(' ').next().unwrap_or_default()))
    });
    // The longest one counts, of equals the one that was mounted over the others.
    mounted.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{directory, disk, judge, type_of};
    use crate::doctor::finding::Status;

    #[test]
    fn the_file_system_is_that_of_the_longest_mount_point() {
        let mounts = "21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n\
                      22 21 0:20 / /srv rw shared:1 master:2 - nfs4 nas:/x rw\n\
                      23 22 0:21 / /srv/my\\040data rw - xfs /dev/sdb rw\n";
        let kind = |path: &str| type_of(mounts, Path::new(path));
        assert_eq!(kind("/var/lib/poolkeeper"), Some("ext4"));
        assert_eq!(kind("/srv/poolkeeper"), Some("nfs4"));
        assert_eq!(kind("/srv2"), Some("ext4"));
        assert_eq!(kind("/srv/my data/x"), Some("xfs"));
        assert_eq!(judge("nfs4").unwrap().status, Status::Problem);
        assert_eq!(judge("tmpfs").unwrap().status, Status::Problem);
        assert_eq!(judge("overlay").unwrap().status, Status::Warning);
        assert_eq!(judge("ext4"), None);
    }

    #[test]
    #[cfg(unix)]
    fn what_others_can_read_is_told() {
        use std::{fs, os::unix::fs::PermissionsExt};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("poolkeeper.db");
        let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        fs::write(&path, "").unwrap();
        mode(&path, 0o600);
        assert_eq!(directory(&path).status, Status::Ok);
        mode(folder.path(), 0o777);
        assert!(directory(&path).found.contains("put files into"));
        mode(folder.path(), 0o700);
        mode(&path, 0o640);
        assert!(directory(&path).found.contains("can read"));
        assert_eq!(directory(&folder.path().join("none/poolkeeper.db")).status, Status::Warning);
        assert_eq!(directory(&path.join("poolkeeper.db")).status, Status::Problem);
        assert!(disk(&path).found.contains("free"));
    }
}
