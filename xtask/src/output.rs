//! Generated files: written, or compared with what is committed.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

/// A generated file: path below the repository's root, and its text.
pub struct File {
    /// Relative path.
    pub path: &'static str,
    /// Whole content.
    pub text: String,
}

/// The repository's root, from this crate's own place.
pub fn repository_root() -> anyhow::Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).context("xtask lies in the repository")
}

/// Writes the files, or with `check` fails when one of them differs from what is there.
pub fn write_or_check(root: &Path, files: Vec<File>, check: bool, command: &str) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for file in files {
        let text = if file.path.ends_with(".rs") { formatted(&file.text)? } else { file.text };
        let path = root.join(file.path);
        if std::fs::read_to_string(&path).is_ok_and(|present| present == text) {
            continue;
        }
        if check {
            stale.push(file.path);
        } else {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&path, text).with_context(|| format!("writing {}", file.path))?;
            println!("wrote {}", file.path);
        }
    }
    if !stale.is_empty() {
        bail!("not up to date: {}\nrun `{command}` and commit what it writes", stale.join(", "));
    }
    Ok(())
}

/// Runs rustfmt over generated code, so that generated files look like written ones.
fn formatted(text: &str) -> anyhow::Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", "max_width=120,use_small_heuristics=Max"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting rustfmt (rustup component add rustfmt)")?;
    let mut input = child.stdin.take().context("rustfmt takes standard input")?;
    let text = text.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().map_err(|_| anyhow::anyhow!("writing to rustfmt failed"))??;
    if !output.status.success() {
        bail!("rustfmt refused the generated code");
    }
    Ok(String::from_utf8(output.stdout)?)
}
