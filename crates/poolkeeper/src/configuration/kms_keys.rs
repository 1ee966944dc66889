//! `[[kms_keys]]`: the keys with which codes are encrypted for functions that send messages.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::envelope::RawAesKey;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{AwsSection, secret_file};

/// `[[kms_keys]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KmsKeySection {
    /// The ARN, or a pattern in which `*` stands for any number of characters.
    pub arn: String,
    /// Where the key is.
    pub kind: KmsKeyKind,
    /// A file with a raw key.
    pub key_file: Option<PathBuf>,
    /// Under which names functions know the raw key.
    pub namespace: Option<String>,
    /// The same.
    pub name: Option<String>,
    /// How AWS is reached.
    pub aws: Option<AwsSection>,
}

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KmsKeyKind {
    /// This server stands in for KMS.
    Local,
    /// In a file here and at the functions.
    Raw,
    /// In AWS KMS.
    Aws,
}

/// A key as it is used.
pub enum KmsKey {
    /// This server stands in for KMS.
    Local,
    /// A key that functions have, too.
    Raw(RawAesKey),
    /// AWS KMS.
    Aws(aws::Settings),
}

impl KmsKeySection {
    /// Paths in the file start from where the file is.
    pub fn resolve_paths(&mut self, folder: &Path) {
        if let Some(path) = &mut self.key_file {
            *path = folder.join(&*path);
        }
        if let Some(aws) = &mut self.aws {
            aws.resolve_paths(folder);
        }
    }

    /// Reads the files that are named.
    ///
    /// # Errors
    /// When the settings contradict themselves, or a file cannot be used. No key stands in the error.
    pub fn key(&self) -> anyhow::Result<KmsKey> {
        self.read().with_context(|| format!("[[kms_keys]] {}", self.arn))
    }

    fn read(&self) -> anyhow::Result<KmsKey> {
        let is_raw = self.key_file.is_some() || self.namespace.is_some() || self.name.is_some();
        match self.kind {
            KmsKeyKind::Raw if self.aws.is_none() => self.raw_key().map(KmsKey::Raw),
            KmsKeyKind::Aws if !is_raw => Ok(KmsKey::Aws(self.aws.clone().unwrap_or_default().settings()?)),
            KmsKeyKind::Local if !is_raw && self.aws.is_none() => Ok(KmsKey::Local),
            _ => bail!(
                "key_file, namespace and name are for kind = \"raw\", aws is for kind = \"aws\": leave out what is for another kind"
            ),
        }
    }

    fn raw_key(&self) -> anyhow::Result<RawAesKey> {
        let (Some(path), Some(namespace), Some(name)) = (&self.key_file, &self.namespace, &self.name) else {
            bail!("kind = \"raw\" needs key_file, namespace and name")
        };
        let text = Zeroizing::new(secret_file(path, "key_file")?);
        let form = || {
            let path = path.display();
            format!("{path} is not a key: write 32 bytes in base64 on one line (openssl rand -base64 32)")
        };
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok().with_context(form)?);
        RawAesKey::new(namespace, name, &bytes).with_context(form)
    }
}

#[cfg(test)]
mod tests {
    use super::KmsKey;
    use crate::configuration::Configuration;

    const RAW: &str =
        "[[kms_keys]]\narn = \"*\"\nkind = \"raw\"\nkey_file = \"raw.key\"\nnamespace = \"shop\"\nname = \"codes\"\n";

    /// What the first key is, with this text in the file of the raw one.
    fn key(text: &str, file: &str) -> Result<&'static str, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("raw.key"), file).unwrap();
        let mut configuration = Configuration::parse(text).unwrap();
        configuration.resolve_paths(folder.path());
        match configuration.kms_keys.first().unwrap().key() {
            Ok(KmsKey::Local) => Ok("local"),
            Ok(KmsKey::Raw(_)) => Ok("raw"),
            Ok(KmsKey::Aws(_)) => Ok("aws"),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    #[test]
    fn keys_of_every_kind() {
        let good = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
        assert_eq!(key("[[kms_keys]]\narn = \"*\"\nkind = \"local\"", "").unwrap(), "local");
        assert_eq!(key("[[kms_keys]]\narn = \"*\"\nkind = \"aws\"", "").unwrap(), "aws");
        let aws = "[[kms_keys]]\narn = \"*\"\nkind = \"aws\"\naws = { region = \"eu-central-1\", endpoint = \"http://127.0.0.1:4566\" }";
        assert_eq!(key(aws, "").unwrap(), "aws");
        assert_eq!(key(RAW, good).unwrap(), "raw");
        let mistakes = [
            (RAW.replace("name = \"codes\"", ""), good, "needs key_file, namespace and name"),
            (RAW.replace("raw.key", "no.key"), good, "no.key"),
            (RAW.replace("shop", "aws-kms"), good, "must not begin with"),
            (RAW.to_owned(), "c2hvcnQ=", "32 bytes"),
            (RAW.to_owned(), "not base64!", "openssl rand -base64 32"),
            (RAW.replace("raw\"\n", "local\"\n"), good, "for another kind"),
            (RAW.replace("raw\"\n", "aws\"\n"), good, "for another kind"),
            (format!("{RAW}aws = {{}}"), good, "for another kind"),
            (aws.replace("eu-central-1", "Frankfurt"), "", "Frankfurt"),
            (aws.replace("http://", ""), "", "not an address"),
            (aws.replace("region", "access_key_id"), "", "belong together"),
        ];
        for (text, file, part) in mistakes {
            let error = key(&text, file).unwrap_err();
            assert!(error.contains(part) && error.starts_with("[[kms_keys]] *"), "{text}: {error}");
            assert!(!error.contains("c2hvcnQ=") && !error.contains("not base64"), "{error}");
        }
    }

    #[test]
    fn sections_name_what_they_do_not_know() {
        let (line, reason) = Configuration::parse("[[kms_keys]]\narn = \"*\"\nkind = \"vault\"").unwrap_err();
        assert!(line == 3 && reason.contains("vault"), "{line} {reason}");
        let (line, reason) =
            Configuration::parse("[[kms_keys]]\narn = \"*\"\nkind = \"local\"\nregion = \"x\"").unwrap_err();
        assert!(line == 4 && reason.contains("`region`"), "{line} {reason}");
    }
}
