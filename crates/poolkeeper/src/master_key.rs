//! The master key ring: where it comes from, and the check that it is the one the data was sealed with.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use crypto::{
    random::SystemEntropy,
    seal::{KeyRing, MasterKey, Purpose},
};
use domain::Sealed;
use store::Store;

use crate::{configuration::Configuration, mode::Mode};

/// The environment variable with the keys themselves.
const VARIABLE: &str = "POOLKEEPER_MASTER_KEY";
/// The environment variable with the path of their file.
const FILE_VARIABLE: &str = "POOLKEEPER_MASTER_KEY_FILE";
/// The file that `dev` makes in the data directory.
const FILE_NAME: &str = "master.key";
/// Name and identity of the sealed value by which the right ring is recognised.
const CHECK: &str = "master-key-check";
const CHECK_TEXT: &[u8] = b"poolkeeper";

/// A new master key as a line.
pub fn generate() -> String {
    MasterKey::generate(&SystemEntropy).to_text().to_string()
}

/// Reads a file with one key a line.
///
/// # Errors
/// When there is no such file, or it holds something else. No key stands in the error.
pub fn read(path: &Path) -> anyhow::Result<KeyRing> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the master key {}", path.display()))?;
    if others_can_read(path) {
        tracing::warn!(path = %path.display(), "other users can read the master key; chmod 600 it");
    }
    KeyRing::parse(&text).with_context(|| format!("the master key {} cannot be used", path.display()))
}

/// Where a ring comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// The environment holds the keys themselves.
    Environment,
    /// A file does.
    File(PathBuf),
}

impl Source {
    /// # Errors
    /// When the keys cannot be read or used. No key stands in the error.
    pub fn read(&self) -> anyhow::Result<KeyRing> {
        match self {
            Self::Environment => {
                let text = variable(VARIABLE).unwrap_or_default();
                KeyRing::parse(&text).with_context(|| format!("{VARIABLE} cannot be used"))
            }
            Self::File(path) => read(path),
        }
    }
}

/// The ring of the server: from the environment, from the file that the environment or the configuration names, and in
/// `dev` from a file in the data directory, which is made when it is not there.
///
/// # Errors
/// When there is none, with how to make one.
pub fn for_running(mode: Mode, configuration: &Configuration) -> anyhow::Result<KeyRing> {
    if let Some(source) = given(configuration) {
        return source.read();
    }
    match (mode, configuration.store.folder()?) {
        (Mode::Serve, _) => bail!(missing()),
        (Mode::Dev, None) => Ok(KeyRing::new(vec![MasterKey::generate(&SystemEntropy)])?),
        (Mode::Dev, Some(folder)) => in_folder(&folder),
    }
}

/// The ring for `poolkeeper keys`: as for the server, and where no key is given the one that `dev` made.
///
/// # Errors
/// When there is none, with how to make one.
pub fn for_keys(configuration: &Configuration) -> anyhow::Result<KeyRing> {
    source(configuration)?.read()
}

/// Where [`for_keys`] finds the ring.
///
/// # Errors
/// When there is none, with how to make one.
pub fn source(configuration: &Configuration) -> anyhow::Result<Source> {
    if let Some(source) = given(configuration) {
        return Ok(source);
    }
    match configuration.store.folder()?.map(|folder| folder.join(FILE_NAME)) {
        Some(path) if path.exists() => Ok(Source::File(path)),
        _ => bail!(missing()),
    }
}

/// Sees to it that the data was sealed with this ring. A fresh database remembers the ring that it is opened with.
///
/// # Errors
/// When it is another one.
pub async fn check(store: &Store, ring: &KeyRing) -> anyhow::Result<()> {
    let text = match store.get_meta(CHECK).await? {
        Some(text) => text,
        None => {
            let sealed = ring.seal(&SystemEntropy, Purpose::MasterKeyCheck, CHECK, CHECK_TEXT);
            store.set_meta_if_absent(CHECK, &sealed.0).await?
        }
    };
    belongs(ring, text)
}

/// The same without a change; false when the database has not been opened with a ring yet.
///
/// # Errors
/// When it is another one.
pub async fn recognise(store: &Store, ring: &KeyRing) -> anyhow::Result<bool> {
    match store.get_meta(CHECK).await? {
        Some(text) => belongs(ring, text).map(|()| true),
        None => Ok(false),
    }
}

fn belongs(ring: &KeyRing, text: String) -> anyhow::Result<()> {
    match ring.open(Purpose::MasterKeyCheck, CHECK, &Sealed(text)) {
        Ok(opened) if opened.as_slice() == CHECK_TEXT => Ok(()),
        _ => bail!(
            "this is not the master key that the data was sealed with. Give the server the key that it was first \
             started with ({VARIABLE}, {FILE_VARIABLE} or keys.master_key_file), or name another data directory"
        ),
    }
}

fn given(configuration: &Configuration) -> Option<Source> {
    if variable(VARIABLE).is_some() {
        return Some(Source::Environment);
    }
    let path = variable(FILE_VARIABLE).map(PathBuf::from).or_else(|| configuration.keys.master_key_file.clone());
    path.map(Source::File)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.trim().is_empty())
}

fn missing() -> String {
    format!(
        "there is no master key. Make one with `poolkeeper keys generate-master`, keep a copy in a safe place, and pass \
         it in {VARIABLE}, or name its file in {FILE_VARIABLE} or keys.master_key_file"
    )
}

/// The key of a developer's data directory. It is made so that `dev` needs no preparation.
fn in_folder(folder: &Path) -> anyhow::Result<KeyRing> {
    let path = folder.join(FILE_NAME);
    if !path.exists() {
        std::fs::create_dir_all(folder).with_context(|| {
            format!("cannot make the data directory {}. Name another one with --data-dir", folder.display())
        })?;
        create(&path, &format!("{}\n", generate())).with_context(|| {
            format!("cannot write to the data directory {}. Name another one with --data-dir", folder.display())
        })?;
    }
    read(&path)
}

/// Writes a file that only its owner can read. It appears complete or not at all; when another process was faster,
/// that one's file stays.
fn create(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;

    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| std::fs::hard_link(&draft, path));
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Whether other users of the machine can read a file.
#[cfg(unix)]
pub fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

/// Not known here.
#[cfg(not(unix))]
pub const fn others_can_read(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::{check, create, in_folder};

    #[tokio::test]
    async fn a_database_remembers_its_master_key() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [right, wrong] = folders.each_ref().map(|folder| in_folder(folder.path()).unwrap());
        let store = store::Store::open(&store::Options::memory()).await.unwrap();
        check(&store, &right).await.unwrap();
        check(&store, &right).await.unwrap();
        let error = check(&store, &wrong).await.unwrap_err().to_string();
        assert!(error.contains("not the master key"), "{error}");
        // The key in the folder is the same the next time.
        check(&store, &in_folder(folders.first().unwrap().path()).unwrap()).await.unwrap();
    }

    #[test]
    fn a_key_that_is_there_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        create(&path, "first").unwrap();
        create(&path, "second").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
