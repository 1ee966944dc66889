//! `[analytics]` and `[[log_destinations]]`: where events for analytics and the logs of pools go.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail, ensure};
use domain::Secret;
use functions::ArnPattern;
use http::{HeaderValue, header};
use serde::Deserialize;
use service::records::{Destination, Matches, Records};

use super::{
    functions::{address, is_long_enough},
    secret_file,
};
use crate::destinations::{File, Otlp, Webhook};

/// `[analytics]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationSection {
    /// What is there.
    pub kind: DestinationKind,
    /// A file that grows.
    pub path: Option<PathBuf>,
    /// Where requests go.
    pub url: Option<String>,
    /// A file with what a webhook's requests are signed with.
    pub secret_file: Option<PathBuf>,
    /// A file with what a collector's requests say in `Authorization`.
    pub authorization_file: Option<PathBuf>,
    /// Certificates that are trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
}

/// `[[log_destinations]]`: the same for some ARNs. The parser knows unknown keys of whole sections only, so all stand here
/// again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogDestinationSection {
    /// The ARN, or a pattern in which `*` stands for any number of characters.
    pub arn: String,
    kind: DestinationKind,
    path: Option<PathBuf>,
    url: Option<String>,
    secret_file: Option<PathBuf>,
    authorization_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

/// What takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DestinationKind {
    /// A file with a line of JSON for each record.
    File,
    /// A program that checks signatures.
    Webhook,
    /// A collector of OpenTelemetry.
    Otlp,
    /// CloudWatch Logs, Firehose or S3 themselves.
    Aws,
}

/// All destinations. None of them is asked yet.
///
/// # Errors
/// Names the entry and what is wrong with it.
pub fn records(analytics: Option<&DestinationSection>, logs: &[LogDestinationSection]) -> anyhow::Result<Records> {
    let analytics = analytics.map(|section| section.destination().context("[analytics]")).transpose()?;
    let mut destinations = Vec::new();
    for section in logs {
        let destination = section.destination();
        destinations.push(destination.with_context(|| format!("[[log_destinations]] with arn = \"{}\"", section.arn))?);
    }
    Ok(Records::new(analytics, destinations))
}

impl LogDestinationSection {
    /// Paths start from where the configuration file is.
    pub fn resolve_paths(&mut self, folder: &Path) {
        resolve([&mut self.path, &mut self.secret_file, &mut self.authorization_file, &mut self.ca_file], folder);
    }

    fn destination(&self) -> anyhow::Result<(Matches, Arc<dyn Destination>)> {
        ensure!(!self.arn.is_empty(), "the ARN is empty; \"*\" stands for all destinations that pools name");
        let Self { arn, kind, path, url, secret_file, authorization_file, ca_file } = self.clone();
        let pattern = ArnPattern::new(&arn);
        let section = DestinationSection { kind, path, url, secret_file, authorization_file, ca_file };
        Ok((Box::new(move |arn| pattern.matches(arn)), section.destination()?))
    }
}

fn resolve(paths: [&mut Option<PathBuf>; 4], folder: &Path) {
    for path in paths.into_iter().flatten() {
        *path = folder.join(&*path);
    }
}

impl DestinationSection {
    /// Paths start from where the configuration file is.
    pub fn resolve_paths(&mut self, folder: &Path) {
        resolve([&mut self.path, &mut self.secret_file, &mut self.authorization_file, &mut self.ca_file], folder);
    }

    fn destination(&self) -> anyhow::Result<Arc<dyn Destination>> {
        Ok(match self.kind {
            DestinationKind::File => {
                self.has_only("file", &["path"])?;
                let path = self.path.clone().context("kind = \"file\" needs path")?;
                let folder = path.parent().unwrap_or(Path::new(""));
                let is_there = folder.as_os_str().is_empty() || folder.is_dir();
                ensure!(is_there, "{} is no folder, so path cannot be in it: make it", folder.display());
                Arc::new(File::new(path))
            }
            DestinationKind::Webhook => {
                self.has_only("webhook", &["url", "secret_file", "ca_file"])?;
                let path = self.secret_file.as_ref();
                let path = path.context("kind = \"webhook\" needs secret_file, which its requests are signed with")?;
                let secret = Secret::new(secret_file(path, "secret_file")?);
                is_long_enough(&secret)?;
                Arc::new(Webhook::new(self.client(Some(secret))?))
            }
            DestinationKind::Otlp => {
                self.has_only("otlp", &["url", "authorization_file", "ca_file"])?;
                Arc::new(Otlp::new(self.client(None)?, self.authorization()?))
            }
            DestinationKind::Aws => bail!(
                "kind = \"aws\" is not built: CloudWatch Logs, Firehose and S3 themselves are not called. Choose \"file\", \
                 \"webhook\" or \"otlp\", and let an agent such as Fluent Bit, Vector or the OpenTelemetry Collector hand \
                 the records on"
            ),
        })
    }

    fn client(&self, secret: Option<Secret<String>>) -> anyhow::Result<functions::Webhook> {
        let url = self.url.as_deref().context("url is missing: where requests go")?;
        Ok(functions::Webhook::new(address(url)?, secret, self.ca_file.clone())?)
    }

    fn authorization(&self) -> anyhow::Result<Vec<(header::HeaderName, HeaderValue)>> {
        let Some(path) = &self.authorization_file else { return Ok(Vec::new()) };
        let text = secret_file(path, "authorization_file")?;
        let value = HeaderValue::from_str(&text);
        let value = value.ok().with_context(|| format!("{} holds no value of a header", path.display()))?;
        Ok(vec![(header::AUTHORIZATION, value)])
    }

    /// Refuses what would have no effect.
    fn has_only(&self, kind: &str, keys: &[&str]) -> anyhow::Result<()> {
        let given = [
            ("path", self.path.is_some()),
            ("url", self.url.is_some()),
            ("secret_file", self.secret_file.is_some()),
            ("authorization_file", self.authorization_file.is_some()),
            ("ca_file", self.ca_file.is_some()),
        ];
        match given.iter().find(|(key, is_given)| *is_given && !keys.contains(key)) {
            Some((key, _)) => bail!("{key} has no effect with kind = \"{kind}\": leave it out"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::configuration::Configuration;

    fn read(folder: &std::path::Path, text: &str) -> Result<String, String> {
        let mut configuration = Configuration::parse(text).map_err(|(line, reason)| format!("{line}: {reason}"))?;
        configuration.resolve_paths(folder);
        match configuration.records() {
            Ok(records) => Ok(format!(
                "{records:?} {configuration:?} {} {}",
                records.has_analytics(),
                records.knows("arn:aws:logs:us-east-1:123456789012:log-group:a")
            )),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    #[tokio::test]
    async fn every_kind_can_be_chosen_and_no_secret_is_printed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "0123456789abcdef\n").unwrap();
        let webhook = "kind = \"webhook\"\nurl = \"https://example.com/\"\nsecret_file = \"secret\"\n";
        let otlp = "kind = \"otlp\"\nurl = \"http://127.0.0.1:4318/v1/logs\"\nauthorization_file = \"secret\"\n";
        for (destination, part) in
            [("kind = \"file\"\npath = \"a.jsonl\"\n", "a.jsonl"), (webhook, "example.com"), (otlp, "4318")]
        {
            let found = read(folder.path(), &format!("[analytics]\n{destination}")).unwrap();
            assert!(found.contains(part) && found.ends_with("true false"), "{found}");
            let found =
                read(folder.path(), &format!("[[log_destinations]]\narn = \"arn:*:log-group:*\"\n{destination}"));
            let found = found.unwrap();
            assert!(found.contains(part) && found.ends_with("false true"), "{found}");
            assert!(!found.contains("0123456789abcdef"), "{found}");
        }
        assert!(read(folder.path(), "").unwrap().ends_with("false false"));
    }

    #[tokio::test]
    async fn what_cannot_work_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("short"), "short").unwrap();
        fs::write(folder.path().join("lines"), "two\nlines").unwrap();
        for (rest, part) in [
            ("", "kind"),
            ("kind = \"pigeon\"", "pigeon"),
            ("kind = \"file\"", "needs path"),
            ("kind = \"file\"\npath = \"none/a\"", "no folder"),
            ("kind = \"file\"\npath = \"a\"\nurl = \"http://h/\"", "url has no effect"),
            ("kind = \"file\"\npath = \"a\"\nno_such = 1", "no_such"),
            ("kind = \"webhook\"\nurl = \"http://h/\"", "needs secret_file"),
            ("kind = \"webhook\"\nurl = \"http://h/\"\nsecret_file = \"none\"", "none"),
            ("kind = \"webhook\"\nurl = \"http://h/\"\nsecret_file = \"short\"", "16"),
            ("kind = \"otlp\"", "url is missing"),
            ("kind = \"otlp\"\nurl = \"/path\"", "http or https address"),
            ("kind = \"otlp\"\nurl = \"http://user:password@h/\"", "without a user"),
            ("kind = \"otlp\"\nurl = \"http://h/\"\nsecret_file = \"short\"", "secret_file has no effect"),
            ("kind = \"otlp\"\nurl = \"http://h/\"\nauthorization_file = \"lines\"", "no value of a header"),
            ("kind = \"otlp\"\nurl = \"http://h/\"\nca_file = \"none\"", "none"),
            ("kind = \"aws\"", "are not called"),
        ] {
            let error = read(folder.path(), &format!("[analytics]\n{rest}\n")).unwrap_err();
            assert!(error.contains(part) && !error.contains("password@"), "{rest}: {error}");
            let log = format!("[[log_destinations]]\narn = \"*\"\n{rest}\n");
            assert!(read(folder.path(), &log).unwrap_err().contains(part), "{rest}");
        }
        let file = "kind = \"file\"\npath = \"a\"\n";
        let error = read(folder.path(), &format!("[analytics]\narn = \"*\"\n{file}")).unwrap_err();
        assert!(error.contains("`arn`"), "{error}");
        let error = read(folder.path(), &format!("[[log_destinations]]\n{file}")).unwrap_err();
        assert!(error.contains("`arn`"), "{error}");
        let error = read(folder.path(), &format!("[[log_destinations]]\narn = \"\"\n{file}")).unwrap_err();
        assert!(error.contains("ARN is empty"), "{error}");
    }
}
