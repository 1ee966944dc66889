//! `poolkeeper backup`.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use indicatif::{HumanBytes, HumanCount};
use store::archive::{self, Backup};

use crate::{
    configuration::Configuration,
    mode::Mode,
    print,
    progress::{Shown, line},
    system,
};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 1_024 * 1_024;

/// Writes everything to `output`; `-` is standard output.
///
/// # Errors
/// When the file exists and `replace` is not set, or the data cannot be read, or the file not be written.
pub async fn run(configuration: &Configuration, output: &Path, replace: bool) -> anyhow::Result<()> {
    if output == Path::new("-") {
        let made = write(configuration, &mut BufWriter::with_capacity(BUFFER, io::stdout().lock())).await?;
        line(&summary("standard output", &made));
        return Ok(());
    }
    refuse_existing(output, replace)?;
    let part = Part::new(output)?;
    let mut buffer = BufWriter::with_capacity(BUFFER, &part.file);
    let made = write(configuration, &mut buffer).await?;
    drop(buffer);
    refuse_existing(output, replace)?;
    part.complete(output)?;
    print(&summary(&output.display().to_string(), &made))
}

async fn write(configuration: &Configuration, output: &mut impl Write) -> anyhow::Result<Backup> {
    let options = configuration.store.options(Mode::Serve)?;
    let mut shown = Shown::default();
    let made = archive::backup(&options, output, system::now(), &mut |progress| shown.tell(progress)).await;
    shown.end();
    Ok(made?)
}

fn summary(name: &str, made: &Backup) -> String {
    let (rows, bytes) = (HumanCount(made.contents.rows()), HumanBytes(made.bytes));
    format!("{name}: {rows} rows, {bytes}, sha256:{}", made.contents.digest)
}

/// # Errors
/// When there is something of that name, unless it may be replaced.
pub fn refuse_existing(output: &Path, replace: bool) -> anyhow::Result<()> {
    if !replace && output.symlink_metadata().is_ok() {
        bail!("{} exists. Name another file, or say --replace", output.display());
    }
    Ok(())
}

/// The file that is being written. It is removed unless it becomes complete.
pub struct Part {
    path: PathBuf,
    /// The file, empty and open for writing.
    pub file: File,
    is_complete: bool,
}

impl Part {
    /// Makes `output` + `.part`, for this user alone, in place of one that was left behind.
    ///
    /// # Errors
    /// When it cannot be made, or somebody else is writing it.
    pub fn new(output: &Path) -> anyhow::Result<Self> {
        let mut name = output.file_name().context("the output names no file")?.to_owned();
        name.push(".part");
        let path = output.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        private(&mut options);
        let cannot = || format!("cannot write {}", path.display());
        let file = options.open(&path).with_context(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another backup is writing {}", path.display()),
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
        }
        if !is_at(&file, &path) {
            // It became somebody's complete backup after it was opened here.
            bail!("another backup has just completed {}", output.display());
        }
        set_private(&file).and_then(|()| file.set_len(0)).with_context(cannot)?;
        Ok(Self { path, file, is_complete: false })
    }

    /// Gives it its name, after everything is on the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn complete(mut self, output: &Path) -> anyhow::Result<()> {
        let cannot = || format!("cannot complete {}", output.display());
        self.file.sync_all().with_context(cannot)?;
        fs::rename(&self.path, output).with_context(cannot)?;
        self.is_complete = true;
        sync_folder(output).with_context(cannot)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_complete {
            _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether an open file is the one of this name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let same = |one: fs::Metadata, other: fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    file.metadata().is_ok_and(|open| path.symlink_metadata().is_ok_and(|named| same(open, named)))
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// The file is for its owner alone: it holds names, addresses and attributes of users.
#[cfg(unix)]
pub fn private(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
pub fn private(_options: &mut OpenOptions) {}

/// The same for a file that was left behind.
#[cfg(unix)]
fn set_private(file: &File) -> io::Result<()> {
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
}

#[cfg(not(unix))]
fn set_private(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Makes a new name in a folder survive a loss of power.
#[cfg(unix)]
fn sync_folder(output: &Path) -> io::Result<()> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_output: &Path) -> io::Result<()> {
    Ok(())
}
