//! `poolkeeper restore`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader},
    path::Path,
};

use anyhow::Context;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use store::archive::{self, Restored};

use crate::{
    access_keys,
    backup::private,
    configuration::Configuration,
    mode::Mode,
    print,
    progress::{Shown, line},
    system,
};

/// Bytes that are read at once.
const BUFFER: usize = 1_024 * 1_024;

/// Loads the archive `input`; `-` is standard input.
///
/// # Errors
/// When the archive cannot be read or trusted, the target has data and `replace` is not set, or the target cannot be
/// written.
pub async fn run(configuration: &Configuration, input: &Path, replace: bool) -> anyhow::Result<()> {
    let options = configuration.store.options(Mode::Serve)?;
    let file = if input == Path::new("-") {
        spool()?
    } else {
        File::open(input).with_context(|| format!("cannot read {}", input.display()))?
    };
    let mut file = BufReader::with_capacity(BUFFER, file);
    let mut shown = Shown::default();
    let mark = mark();
    let restored = archive::restore(&mut file, &options, replace, &mark, &mut |progress| shown.tell(progress)).await;
    shown.end();
    let Restored { contents, version, created_at } = restored?;
    print(&format!(
        "{}: {} rows of a backup that Poolkeeper {version} began at {}, read back and compared, sha256:{}",
        options.location,
        HumanCount(contents.rows()),
        access_keys::moment(created_at).unwrap_or_default(),
        contents.digest
    ))
}

/// Who is at it, in words that nobody else uses.
pub fn mark() -> String {
    let began = access_keys::moment(system::now()).unwrap_or_default();
    format!("begun at {began} by process {}", std::process::id())
}

/// Standard input as a file that can be read twice. It has no name any more and vanishes with the process.
fn spool() -> anyhow::Result<File> {
    let path = std::env::temp_dir().join(format!("poolkeeper-restore-{}-{}", std::process::id(), system::now().0));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    private(&mut options);
    let cannot = || format!("cannot keep standard input in {} (TMPDIR names another folder)", path.display());
    let mut file = options.open(&path).with_context(cannot)?;
    fs::remove_file(&path).with_context(cannot)?;
    let style = ProgressStyle::with_template("{spinner} {msg} {bytes} ({bytes_per_sec})")?;
    let bar = ProgressBar::no_length().with_style(style).with_message("taking in standard input");
    let bytes = io::copy(&mut bar.wrap_read(io::stdin().lock()), &mut file).with_context(cannot)?;
    bar.finish_and_clear();
    line(&format!("standard input: {} bytes", HumanCount(bytes)));
    Ok(file)
}
