//! The user that servers run as, and the environment that they see.

use std::{
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};

/// Root's stand-in, because PostgreSQL and PgBouncer refuse to run as root; nobody else needs one.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    postgres: Option<(u32, u32)>,
}

impl Account {
    /// The caller, or for root Debian's user `postgres`.
    ///
    /// # Errors
    /// For root, when there is no such user.
    pub fn for_servers() -> Result<Self> {
        if !is_root() {
            return Ok(Self::caller());
        }
        let users = std::fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        let line = users
            .lines()
            .find(|line| line.starts_with("postgres:"))
            .context("there is no user `postgres`; Debian's package postgresql makes it: apt-get install postgresql")?;
        let mut numbers = line.split(':').skip(2).map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(user)), Some(Ok(group))) => Ok(Self { postgres: Some((user, group)) }),
            _ => anyhow::bail!("the line of `postgres` in /etc/passwd has no numbers for user and group"),
        }
    }

    /// The caller.
    pub const fn caller() -> Self {
        Self { postgres: None }
    }

    /// A command that runs as this account in `folder`, with nothing of the caller's environment: neither `PGHOST` nor a
    /// home that the account cannot read leads it astray.
    pub fn command(self, program: impl AsRef<Path>, folder: &Path) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(folder).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", folder).env("LANG", "C.UTF-8");
        if let Some((user, group)) = self.postgres {
            command.uid(user).gid(group);
        }
        command
    }

    /// Makes the account the owner of a file or folder.
    ///
    /// # Errors
    /// When that fails.
    pub fn own(self, path: &Path) -> Result<()> {
        if let Some((user, group)) = self.postgres {
            chown(path, Some(user), Some(group)).with_context(|| format!("giving {} to postgres", path.display()))?;
        }
        Ok(())
    }

    /// Numbers of user and group, when they are not the caller's.
    pub const fn numbers(self) -> Option<(u32, u32)> {
        self.postgres
    }
}

/// Whether the caller is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
