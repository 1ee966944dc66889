//! Temporary folders with a guard: a shell that waits until this program is gone, whatever ended it, then kills what is
//! still running and removes the folder. `Drop` alone would leave servers behind after Ctrl-C or SIGKILL.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::account::Account;

/// Its standard input ends when this program does. `*.pid` are what `Process` has started, `postmaster.pid` is what
/// Patroni has; killed servers get a second to let go of their files.
const GUARD: &str = r#"
read -r nothing
for file in "$1"/*.pid "$1"/*/data/postmaster.pid; do
    if [ -s "$file" ]; then
        process=$(head -n 1 "$file")
        kill -KILL -- "-$process" || kill -KILL "$process"
    fi
done
sleep 1
umount --lazy "$1"/data
rm -rf "$1"
"#;

/// A temporary folder that servers can search.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
    guard: Child,
}

impl Folder {
    /// Makes one, inside `parent` or where temporary files belong.
    ///
    /// # Errors
    /// When the folder or its guard cannot be made.
    pub fn new(parent: Option<&Path>) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("poolkeeper-");
        let folder = match parent {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        }
        .context("making a temporary folder")?;
        // Servers run as another user when the caller is root, and have to get through here to what they own.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("starting the guard of a temporary folder")?;
        Ok(Self { folder, guard })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a folder in it that only the account can read.
    ///
    /// # Errors
    /// When that fails.
    pub fn private(&self, name: &str, account: Account) -> Result<std::path::PathBuf> {
        let path = self.path().join(name);
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        account.own(&path)?;
        Ok(path)
    }

    /// Writes a file in it that only the account can read.
    ///
    /// # Errors
    /// When that fails.
    pub fn write(&self, name: &str, text: &str, account: Account) -> Result<std::path::PathBuf> {
        let path = self.path().join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        account.own(&path)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // First the guard, which would take the closed pipe for the end of the program.
        drop(self.guard.kill());
        drop(self.guard.wait());
    }
}
