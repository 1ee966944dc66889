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
    AwsSection,
    functions::{address, is_long_enough},
    secret_file,
};
use crate::destinations::{AwsServices, File, Otlp, Webhook};

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
    aws: Option<AwsSection>,
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
    /// The log groups, streams and buckets themselves that pools name.
    Aws,
}

/// All destinations. None of them is asked yet.
///
/// # Errors
/// Names the entry and what is wrong with it.
pub async fn records(
    analytics: Option<&DestinationSection>,
    logs: &[LogDestinationSection],
) -> anyhow::Result<Records> {
    let analytics = analytics.map(|section| section.destination().context("[analytics]")).transpose()?;
    let mut destinations = Vec::new();
    for section in logs {
        let destination = section.destination().await;
        destinations.push(destination.with_context(|| section.called())?);
    }
    Ok(Records::new(analytics, destinations))
}

impl LogDestinationSection {
    /// Paths start from where the configuration file is.
    pub fn resolve_paths(&mut self, folder: &Path) {
        resolve([&mut self.path, &mut self.secret_file, &mut self.authorization_file, &mut self.ca_file], folder);
        self.aws.iter_mut().for_each(|aws| aws.resolve_paths(folder));
    }

    /// What messages call it.
    fn called(&self) -> String {
        format!("[[log_destinations]] with arn = \"{}\"", self.arn)
    }

    /// How AWS is reached, when that is where the logs go.
    ///
    /// # Errors
    /// When the settings contradict themselves.
    pub fn aws(&self) -> anyhow::Result<Option<aws::Settings>> {
        if self.kind == DestinationKind::Aws {
            self.common().has_only("aws", &[])?;
            return Ok(Some(self.aws.clone().unwrap_or_default().settings()?));
        }
        ensure!(self.aws.is_none(), "aws has no effect without kind = \"aws\": leave it out");
        Ok(None)
    }

    async fn destination(&self) -> anyhow::Result<(Matches, Arc<dyn Destination>)> {
        ensure!(!self.arn.is_empty(), "the ARN is empty; \"*\" stands for all destinations that pools name");
        let destination: Arc<dyn Destination> = match self.aws()? {
            Some(settings) => Arc::new(AwsServices::open(&settings).await?),
            None => self.common().destination()?,
        };
        let pattern = ArnPattern::new(&self.arn);
        Ok((Box::new(move |arn| pattern.matches(arn)), destination))
    }

    /// What it has in common with `[analytics]`.
    pub fn common(&self) -> DestinationSection {
        let Self { arn: _, kind, path, url, secret_file, authorization_file, ca_file, aws: _ } = self.clone();
        DestinationSection { kind, path, url, secret_file, authorization_file, ca_file }
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

    /// What takes records.
    ///
    /// # Errors
    /// When the settings contradict themselves, or a file cannot be used.
    pub fn destination(&self) -> anyhow::Result<Arc<dyn Destination>> {
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
                "kind = \"aws\" is for [[log_destinations]], whose ARNs say what to call: events have none. Choose \"file\", \
                 \"webhook\" or \"otlp\""
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

    async fn read(folder: &std::path::Path, text: &str) -> Result<String, String> {
        let mut configuration = Configuration::parse(text).map_err(|(line, reason)| format!("{line}: {reason}"))?;
        configuration.resolve_paths(folder);
        match configuration.records().await {
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
            let found = read(folder.path(), &format!("[analytics]\n{destination}")).await.unwrap();
            assert!(found.contains(part) && found.ends_with("true false"), "{found}");
            let log = format!("[[log_destinations]]\narn = \"arn:*:log-group:*\"\n{destination}");
            let found = read(folder.path(), &log).await.unwrap();
            assert!(found.contains(part) && found.ends_with("false true"), "{found}");
            assert!(!found.contains("0123456789abcdef"), "{found}");
        }
        assert!(read(folder.path(), "").await.unwrap().ends_with("false false"));
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
        ] {
            let error = read(folder.path(), &format!("[analytics]\n{rest}\n")).await.unwrap_err();
            assert!(error.contains(part) && !error.contains("password@"), "{rest}: {error}");
            let log = format!("[[log_destinations]]\narn = \"*\"\n{rest}\n");
            assert!(read(folder.path(), &log).await.unwrap_err().contains(part), "{rest}");
        }
        let error = read(folder.path(), "[analytics]\nkind = \"aws\"\n").await.unwrap_err();
        assert!(error.contains("is for [[log_destinations]]"), "{error}");
        for (rest, part) in [
            ("kind = \"file\"\npath = \"a\"\naws = {}", "aws has no effect"),
            ("kind = \"aws\"\npath = \"a\"", "path has no effect"),
            ("kind = \"aws\"\naws = { region = \"Ireland\" }", "Ireland"),
            ("kind = \"aws\"\naws = { access_key_id = \"A\" }", "belong together"),
        ] {
            let error = read(folder.path(), &format!("[[log_destinations]]\narn = \"*\"\n{rest}\n")).await.unwrap_err();
            assert!(error.contains(part) && error.contains("[[log_destinations]]"), "{rest}: {error}");
        }
        let aws = "[[log_destinations]]\narn = \"*\"\nkind = \"aws\"\naws = { endpoint = \"http://127.0.0.1:9\" }";
        let found = read(folder.path(), aws).await.unwrap();
        assert!(found.contains("AwsServices") && found.ends_with("false true"), "{found}");
        let file = "kind = \"file\"\npath = \"a\"\n";
        let error = read(folder.path(), &format!("[analytics]\narn = \"*\"\n{file}")).await.unwrap_err();
        assert!(error.contains("`arn`"), "{error}");
        let error = read(folder.path(), &format!("[[log_destinations]]\n{file}")).await.unwrap_err();
        assert!(error.contains("`arn`"), "{error}");
        let error = read(folder.path(), &format!("[[log_destinations]]\narn = \"\"\n{file}")).await.unwrap_err();
        assert!(error.contains("ARN is empty"), "{error}");
    }
}
