//! `[[functions]]`: how the functions are run that pools name as triggers.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use domain::Secret;
use functions::{
    ArnPattern, Definition, Functions, Way, process,
    url::{Kind, Options as Url},
};
use http::Uri;
use serde::{Deserialize, Deserializer, de::Error};

use super::{AwsSection, migrate_from::MigrateFromSection, secret_file};
use crate::{lambda::Lambda, mode::Mode, system};

/// Seconds that a call may take where nothing is said.
const USUAL_TIMEOUT: u64 = 30;
/// Seconds that a call may take at most, as in Lambda.
const LONGEST_TIMEOUT: u64 = 900;
/// Processes of a function where nothing is said.
const USUAL_CONCURRENCY: usize = 4;
/// Processes of a function at most.
const MOST_PROCESSES: usize = 1_000;
/// Calls that wait for a process where nothing is said.
const USUAL_QUEUE: usize = 1_000;
/// Calls that wait at most: each keeps its event in memory.
const LONGEST_QUEUE: usize = 100_000;
/// Seconds that a process which is not kept ready may wait for work where nothing is said.
const USUAL_IDLE: u64 = 300;
/// These seconds at most: a day.
const LONGEST_IDLE: u64 = 86_400;
/// Megabytes of memory that a process may be limited to: with less, no runtime begins.
const MEMORY: std::ops::RangeInclusive<u64> = 16..=1_048_576;
/// The shortest secret of a webhook, in bytes.
const SHORTEST_SECRET: usize = 16;
/// What Lambda calls the handler of a function that is a program.
const PROGRAM: &str = "bootstrap";

/// `[[functions]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionSection {
    /// ARN, or a pattern with `*`.
    pub arn: String,
    /// The function's name.
    pub name: Option<String>,
    /// Seconds that a call may take.
    pub timeout_seconds: Option<u64>,
    /// Which official runtime client runs the handler.
    pub runtime: Option<RuntimeChoice>,
    /// A program that speaks to the Runtime API, with its arguments.
    pub command: Option<Vec<String>>,
    /// Where the function's files are.
    pub folder: Option<PathBuf>,
    /// The handler's name.
    pub handler: Option<String>,
    /// Further environment variables.
    pub environment: Option<BTreeMap<String, Hidden>>,
    /// Environment variables of our own that are handed on.
    pub inherit: Option<Vec<String>>,
    /// Processes at most.
    pub concurrency: Option<usize>,
    /// Processes that are kept ready.
    pub warm: Option<usize>,
    /// Seconds that other processes may wait for work before they are ended.
    pub idle_seconds: Option<u64>,
    /// Megabytes of memory that a process may have.
    pub memory_megabytes: Option<u64>,
    /// Calls that may wait.
    pub queue: Option<usize>,
    /// Whether changed files start it anew.
    pub reload: Option<bool>,
    /// Where the function is called.
    pub url: Option<String>,
    /// What is there.
    pub kind: Option<KindChoice>,
    /// What a webhook's requests are signed with.
    pub secret: Option<Hidden>,
    /// A file with that secret.
    pub secret_file: Option<PathBuf>,
    /// Certificates that are trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// AWS Lambda.
    pub aws: Option<AwsSection>,
    /// Another user pool.
    pub migrate_from: Option<MigrateFromSection>,
}

/// Official runtime clients.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeChoice {
    /// `awslambdaric`
    Python,
    /// `aws-lambda-ric`
    Node,
    /// A program that has its client built in.
    Binary,
}

/// What is behind a URL.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KindChoice {
    /// A Runtime Interface Emulator.
    Emulator,
    /// A program that checks signatures.
    Webhook,
}

/// A text that is not repeated in messages.
#[derive(Clone, Debug)]
pub struct Hidden(Secret<String>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The usual words would repeat a value that is written as a number.
        let text =
            String::deserialize(deserializer).map_err(|_error| D::Error::custom("the value is no text in quotes"))?;
        Ok(Self(Secret::new(text)))
    }
}

/// What functions share.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// How the server runs.
    pub mode: Mode,
    /// The region of functions whose ARN pattern names none.
    pub region: &'a str,
    /// Where functions reach the server that calls them.
    pub base_url: &'a str,
}

/// The functions of all entries, none of them started.
///
/// # Errors
/// Names the entry and what is wrong with it.
pub async fn functions(sections: &[FunctionSection], surroundings: Surroundings<'_>) -> anyhow::Result<Functions> {
    let mut definitions = Vec::new();
    for section in sections {
        let definition = section.definition(surroundings).await;
        definitions.push(definition.with_context(|| format!("[[functions]] with arn = \"{}\"", section.arn))?);
    }
    Functions::new(definitions, system::now).context("[[functions]]")
}

impl FunctionSection {
    /// Paths start from where the configuration file is.
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        let own = self.folder.get_or_insert_default();
        *own = folder.join(&own);
        for path in self.secret_file.iter_mut().chain(&mut self.ca_file) {
            *path = folder.join(&*path);
        }
        self.aws.iter_mut().for_each(|aws| aws.resolve_paths(folder));
        self.migrate_from.iter_mut().for_each(|source| source.resolve_paths(folder));
    }

    async fn definition(&self, surroundings: Surroundings<'_>) -> anyhow::Result<Definition> {
        ensure!(!self.arn.is_empty(), "the ARN is empty; \"*\" stands for all functions");
        let seconds = self.timeout_seconds.unwrap_or(USUAL_TIMEOUT);
        ensure!((1..=LONGEST_TIMEOUT).contains(&seconds), "timeout_seconds must be from 1 to {LONGEST_TIMEOUT}");
        let ways = [
            self.runtime.is_some() || self.command.is_some(),
            self.url.is_some(),
            self.aws.is_some(),
            self.migrate_from.is_some(),
        ];
        ensure!(
            ways.iter().filter(|is_chosen| **is_chosen).count() == 1,
            "say in one way how it is run: with runtime or command, with url, with aws, or with migrate_from"
        );
        let arn = ArnPattern::new(&self.arn);
        let way = if let Some(aws) = &self.aws {
            self.has_only("aws", &["aws"])?;
            Way::Other(Arc::new(Lambda::open(&aws.settings()?).await?))
        } else if let Some(source) = &self.migrate_from {
            self.has_only("migrate_from", &["migrate_from"])?;
            Way::MigrateFrom(source.options().context("migrate_from")?)
        } else if let Some(url) = &self.url {
            self.has_only("url", &["url", "kind", "secret", "secret_file", "ca_file"])?;
            Way::Url(self.at(url)?)
        } else {
            let keys =
                ["name", "runtime", "command", "folder", "handler", "environment", "inherit", "concurrency", "warm"];
            let further = ["idle_seconds", "memory_megabytes", "queue", "reload"];
            self.has_only("runtime and command", &[keys.as_slice(), &further].concat())?;
            Way::Process(self.process(&arn, surroundings)?)
        };
        Ok(Definition { arn, timeout: Duration::from_secs(seconds), way })
    }

    /// Refuses what would have no effect.
    fn has_only(&self, way: &str, keys: &[&str]) -> anyhow::Result<()> {
        let given = [
            ("name", self.name.is_some()),
            ("runtime", self.runtime.is_some()),
            ("command", self.command.is_some()),
            ("handler", self.handler.is_some()),
            ("environment", self.environment.is_some()),
            ("inherit", self.inherit.is_some()),
            ("concurrency", self.concurrency.is_some()),
            ("warm", self.warm.is_some()),
            ("idle_seconds", self.idle_seconds.is_some()),
            ("memory_megabytes", self.memory_megabytes.is_some()),
            ("queue", self.queue.is_some()),
            ("reload", self.reload.is_some()),
            ("kind", self.kind.is_some()),
            ("secret", self.secret.is_some()),
            ("secret_file", self.secret_file.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("aws", self.aws.is_some()),
            ("migrate_from", self.migrate_from.is_some()),
        ];
        match given.iter().find(|(key, is_given)| *is_given && !keys.contains(key)) {
            Some((key, _)) => bail!("{key} has no effect together with {way}: leave it out"),
            None => Ok(()),
        }
    }

    fn at(&self, url: &str) -> anyhow::Result<Url> {
        let url = address(url)?;
        let kind = match self.kind {
            None => bail!("url needs kind = \"emulator\" (a Runtime Interface Emulator) or kind = \"webhook\""),
            Some(KindChoice::Emulator) if self.secret.is_some() || self.secret_file.is_some() => {
                bail!("secret and secret_file have no effect on an emulator: leave them out, or say kind = \"webhook\"")
            }
            Some(KindChoice::Emulator) => Kind::Emulator,
            Some(KindChoice::Webhook) => Kind::Webhook(self.secret()?),
        };
        Ok(Url { url, kind, ca_file: self.ca_file.clone() })
    }

    fn secret(&self) -> anyhow::Result<Secret<String>> {
        let secret = match (&self.secret, &self.secret_file) {
            (Some(Hidden(secret)), None) => secret.clone(),
            (None, Some(path)) => Secret::new(secret_file(path, "secret_file")?),
            _ => bail!("kind = \"webhook\" needs either secret or secret_file, which its requests are signed with"),
        };
        is_long_enough(&secret)?;
        Ok(secret)
    }

    fn process(&self, arn: &ArnPattern, surroundings: Surroundings<'_>) -> anyhow::Result<process::Options> {
        let is_dev = surroundings.mode == Mode::Dev;
        let folder = self.folder.clone().unwrap_or_default();
        let folder = std::path::absolute(&folder).with_context(|| format!("folder {}", folder.display()))?;
        ensure!(folder.is_dir(), "{} (folder) is no folder", folder.display());
        let handler = self.handler.as_deref();
        let (runtime, command) = match (self.runtime, &self.command) {
            (Some(_), Some(_)) => bail!("runtime and command exclude each other"),
            (Some(RuntimeChoice::Python), None) => ("python", python(&folder, named(handler)?)),
            (Some(RuntimeChoice::Node), None) => ("nodejs", node(&folder, named(handler)?)?),
            (Some(RuntimeChoice::Binary), None) => ("provided", vec![path_in(&folder, handler.unwrap_or(PROGRAM))]),
            (None, command) => ("provided", in_folder(command.as_deref().unwrap_or_default(), &folder)?),
        };
        let concurrency = self.concurrency.unwrap_or(USUAL_CONCURRENCY);
        let warm = self.warm.unwrap_or(usize::from(!is_dev).min(concurrency));
        let queue = self.queue.unwrap_or(USUAL_QUEUE);
        ensure!((1..=MOST_PROCESSES).contains(&concurrency), "concurrency must be from 1 to {MOST_PROCESSES}");
        ensure!(warm <= concurrency, "warm is {warm}; it must not be more than concurrency, which is {concurrency}");
        ensure!((1..=LONGEST_QUEUE).contains(&queue), "queue must be from 1 to {LONGEST_QUEUE}");
        let idle = self.idle_seconds.unwrap_or(USUAL_IDLE);
        ensure!((1..=LONGEST_IDLE).contains(&idle), "idle_seconds must be from 1 to {LONGEST_IDLE}");
        if let Some(memory) = self.memory_megabytes {
            ensure!(cfg!(target_os = "linux"), "memory_megabytes works on Linux only; leave it out");
            let (least, most) = (MEMORY.start(), MEMORY.end());
            ensure!(MEMORY.contains(&memory), "memory_megabytes must be from {least} to {most}");
        }
        Ok(process::Options {
            name: self.name.as_deref().or_else(|| arn.function_name()).unwrap_or("function").to_owned(),
            handler: handler.unwrap_or(PROGRAM).to_owned(),
            runtime: runtime.to_owned(),
            region: arn.region().unwrap_or(surroundings.region).to_owned(),
            command,
            environment: self.variables(surroundings)?,
            folder,
            inherit: self.inherited()?,
            concurrency,
            warm,
            idle: Duration::from_secs(idle),
            memory_megabytes: self.memory_megabytes,
            queue,
            reload: self.reload.unwrap_or(is_dev),
        })
    }

    /// What is set beside what every function has: functions find the server that calls them, and in `dev`, which takes
    /// any credentials, have some.
    fn variables(&self, surroundings: Surroundings<'_>) -> anyhow::Result<BTreeMap<String, Secret<String>>> {
        let mut ours = vec![("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", surroundings.base_url)];
        if surroundings.mode == Mode::Dev {
            ours.extend([
                ("AWS_ENDPOINT_URL_KMS", surroundings.base_url),
                ("AWS_ACCESS_KEY_ID", "poolkeeper"),
                ("AWS_SECRET_ACCESS_KEY", "poolkeeper"),
            ]);
        }
        let mut variables: BTreeMap<String, Secret<String>> =
            ours.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned()))).collect();
        for (name, Hidden(value)) in self.environment.iter().flatten() {
            ensure!(name != "AWS_LAMBDA_RUNTIME_API", "environment must not set AWS_LAMBDA_RUNTIME_API, which is ours");
            ensure!(is_variable(name) && !value.reveal().contains('\0'), "environment: {name:?} cannot be set");
            variables.insert(name.clone(), value.clone());
        }
        Ok(variables)
    }

    fn inherited(&self) -> anyhow::Result<Vec<String>> {
        let names = self.inherit.clone().unwrap_or_default();
        for name in &names {
            ensure!(is_variable(name), "inherit: {name:?} is no name of an environment variable");
            ensure!(
                !name.starts_with("POOLKEEPER_"),
                "inherit: {name} is not handed on, because Poolkeeper's own variables hold its keys"
            );
        }
        Ok(names)
    }
}

/// Where requests go.
pub(super) fn address(url: &str) -> anyhow::Result<Uri> {
    let parsed: Option<Uri> = url.parse().ok();
    let parsed = parsed.filter(|url| {
        let authority = url.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        matches!(url.scheme_str(), Some("http" | "https")) && !authority.is_empty() && !authority.contains('@')
    });
    parsed.context("url must be an http or https address without a user")
}

/// Refuses a secret that could be guessed.
pub(super) fn is_long_enough(secret: &Secret<String>) -> anyhow::Result<()> {
    ensure!(
        secret.reveal().len() >= SHORTEST_SECRET,
        "the webhook's secret must have at least {SHORTEST_SECRET} characters"
    );
    Ok(())
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn named(handler: Option<&str>) -> anyhow::Result<&str> {
    handler.context("runtime needs handler, such as handler = \"index.handler\" for the function handler in index")
}

/// The interpreter of the folder's virtual environment, or else the usual one.
fn python(folder: &Path, handler: &str) -> Vec<String> {
    let own = [".venv", "venv"].map(|name| folder.join(name).join("bin/python"));
    let found = own.iter().find(|path| path.exists());
    let program = found.map_or_else(|| "python3".to_owned(), |path| path.to_string_lossy().into_owned());
    vec![program, "-m".to_owned(), "awslambdaric".to_owned(), handler.to_owned()]
}

/// The runtime client where Node.js would look for it.
fn node(folder: &Path, handler: &str) -> anyhow::Result<Vec<String>> {
    let mut places = folder.ancestors().map(|folder| folder.join("node_modules/.bin/aws-lambda-ric"));
    let Some(client) = places.find(|path| path.exists()) else {
        bail!(
            "{} and the folders above have no package aws-lambda-ric, which runs handlers for Node.js. Install it there: \
             npm install aws-lambda-ric",
            folder.display()
        );
    };
    Ok(vec![client.to_string_lossy().into_owned(), handler.to_owned()])
}

/// A program with a path starts from the function's folder; others are looked for in `PATH`.
fn in_folder(command: &[String], folder: &Path) -> anyhow::Result<Vec<String>> {
    let [program, arguments @ ..] = command else { bail!("command needs a program") };
    let program = if program.contains('/') { path_in(folder, program) } else { program.clone() };
    Ok([&[program], arguments].concat())
}

fn path_in(folder: &Path, name: &str) -> String {
    folder.join(name).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use service::triggers::RunFunctions;

    use crate::{configuration::Configuration, mode::Mode};

    /// What is made of the entries of a file in this folder, as it is printed.
    async fn read(folder: &std::path::Path, mode: Mode, text: &str) -> Result<String, String> {
        let mut configuration = Configuration::parse(text).map_err(|(line, reason)| format!("{line}: {reason}"))?;
        configuration.resolve_paths(folder);
        match configuration.functions(mode, "http://127.0.0.1:9229").await {
            Ok(functions) => Ok(format!("{functions:?}")),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    fn entry(rest: &str) -> String {
        format!("[[functions]]\narn = \"arn:aws:lambda:eu-west-1:*:function:sign-up\"\n{rest}\n")
    }

    #[tokio::test]
    async fn handlers_are_run_by_their_official_clients() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap().to_owned();
        std::fs::create_dir_all(folder.path().join("handlers/node")).unwrap();
        let node = entry("runtime = \"node\"\nfolder = \"handlers/node\"\nhandler = \"index.handler\"");
        let error = read(folder.path(), Mode::Dev, &node).await.unwrap_err();
        assert!(error.contains("npm install aws-lambda-ric") && error.contains("function:sign-up"), "{error}");
        std::fs::create_dir_all(folder.path().join("node_modules/.bin")).unwrap();
        std::fs::write(folder.path().join("node_modules/.bin/aws-lambda-ric"), "").unwrap();
        let found = read(folder.path(), Mode::Dev, &node).await.unwrap();
        let command = format!("[\"{root}/node_modules/.bin/aws-lambda-ric\", \"index.handler\"]");
        for part in
            [&*command, "name: \"sign-up\"", "region: \"eu-west-1\"", "warm: 0", "idle: 300s", "reload: true", "30s"]
        {
            assert!(found.contains(part), "{part} is not in {found}");
        }

        let python = "runtime = \"python\"\nhandler = \"main.handler\"\nconcurrency = 2";
        let python = entry(&format!("{python}\nidle_seconds = 60\nmemory_megabytes = 256"));
        let found = read(folder.path(), Mode::Serve, &python).await.unwrap();
        for part in [
            "[\"python3\", \"-m\", \"awslambdaric\", \"main.handler\"]",
            "warm: 1",
            "idle: 60s",
            "Some(256)",
            "reload: false",
        ] {
            assert!(found.contains(part), "{part} is not in {found}");
        }
        std::fs::create_dir_all(folder.path().join(".venv/bin")).unwrap();
        std::fs::write(folder.path().join(".venv/bin/python"), "").unwrap();
        let found = read(folder.path(), Mode::Serve, &python).await.unwrap();
        assert!(found.contains(&format!("\"{root}/.venv/bin/python\"")), "{found}");

        for (rest, command) in [
            ("runtime = \"binary\"", format!("[\"{root}/bootstrap\"]")),
            ("runtime = \"binary\"\nhandler = \"bin/main\"", format!("[\"{root}/bin/main\"]")),
            ("command = [\"deno\", \"run\", \"./main.ts\"]", "[\"deno\", \"run\", \"./main.ts\"]".to_owned()),
            ("command = [\"./run\"]", format!("[\"{root}/./run\"]")),
        ] {
            let found = read(folder.path(), Mode::Dev, &entry(rest)).await.unwrap();
            assert!(found.contains(&command), "{command} is not in {found}");
        }
    }

    #[tokio::test]
    async fn functions_are_where_the_first_entry_that_fits_says() {
        let text = "[[functions]]\narn = \"*:hook\"\nurl = \"https://example.com/hook\"\nkind = \"webhook\"\n\
                    secret = \"0123456789abcdef\"\n[[functions]]\narn = \"*:cloud\"\naws = {}\n";
        let configuration = Configuration::parse(text).unwrap();
        let functions = configuration.functions(Mode::Serve, "").await.unwrap();
        assert!(functions.knows("arn:hook") && functions.knows("arn:cloud") && !functions.knows("arn:other"));
        assert!(!format!("{functions:?}{configuration:?}").contains("0123456789abcdef"));
        assert!(!Configuration::default().functions(Mode::Dev, "").await.unwrap().knows("arn:hook"));
    }

    #[tokio::test]
    async fn what_cannot_work_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("short"), "short\n").unwrap();
        for (rest, part) in [
            ("", "say in one way"),
            ("command = [\"x\"]\nurl = \"http://h/\"", "say in one way"),
            ("command = []", "command needs a program"),
            ("command = [\"x\"]\nruntime = \"python\"", "exclude each other"),
            ("command = [\"x\"]\nkind = \"webhook\"", "kind has no effect together with runtime and command"),
            ("command = [\"x\"]\nfolder = \"missing\"", "missing (folder) is no folder"),
            ("command = [\"x\"]\nconcurrency = 0", "concurrency must be"),
            ("command = [\"x\"]\nconcurrency = 2\nwarm = 3", "must not be more than concurrency"),
            ("command = [\"x\"]\nqueue = 0", "queue must be"),
            ("command = [\"x\"]\nidle_seconds = 0", "idle_seconds must be from 1 to 86400"),
            ("command = [\"x\"]\nmemory_megabytes = 15", "memory_megabytes must be from 16"),
            ("url = \"http://h/\"\nkind = \"emulator\"\nmemory_megabytes = 64", "no effect together with url"),
            ("command = [\"x\"]\ntimeout_seconds = 901", "from 1 to 900"),
            ("command = [\"x\"]\ninherit = [\"POOLKEEPER_MASTER_KEY\"]", "POOLKEEPER_MASTER_KEY is not handed on"),
            ("command = [\"x\"]\ninherit = [\"A=B\"]", "no name of an environment variable"),
            ("command = [\"x\"]\nenvironment = { AWS_LAMBDA_RUNTIME_API = \"x\" }", "AWS_LAMBDA_RUNTIME_API"),
            ("command = [\"x\"]\nno_such = 1", "`no_such`"),
            ("runtime = \"python\"", "runtime needs handler"),
            ("runtime = \"ruby\"", "ruby"),
            ("url = \"http://h/\"", "url needs kind"),
            ("url = \"ftp://h/\"\nkind = \"emulator\"", "http or https address"),
            ("url = \"/path\"\nkind = \"emulator\"", "http or https address"),
            ("url = \"http://user:password@h/\"\nkind = \"emulator\"", "without a user"),
            ("url = \"http://h/\"\nkind = \"emulator\"\nwarm = 1", "warm has no effect together with url"),
            ("url = \"http://h/\"\nkind = \"emulator\"\nsecret = \"0123456789abcdef\"", "no effect on an emulator"),
            ("url = \"http://h/\"\nkind = \"webhook\"", "needs either secret or secret_file"),
            ("url = \"http://h/\"\nkind = \"webhook\"\nsecret_file = \"none\"", "secret_file"),
            ("url = \"http://h/\"\nkind = \"webhook\"\nsecret_file = \"short\"", "at least 16 characters"),
            ("url = \"https://h/\"\nkind = \"emulator\"\nca_file = \"none\"", "none"),
            ("aws = {}\nhandler = \"x\"", "handler has no effect together with aws"),
            ("aws = { zone = \"x\" }", "`zone`"),
            ("migrate_from = { pool = \"r_p\" }", "`client`"),
            ("migrate_from = { pool = \"r_p\", client = \"c\", password = \"x\" }", "`password`"),
            ("migrate_from = { pool = \"p\", client = \"c\" }", "pool must be a user pool id"),
            ("migrate_from = { pool = \"r_p\", client = \"\" }", "client must be the id"),
            ("migrate_from = { pool = \"r_p\", client = \"c\", endpoint = \"http://h/p\" }", "no path after the host"),
            ("migrate_from = { pool = \"r_p\", client = \"c\", region = \"a b\" }", "make no address"),
            ("migrate_from = { pool = \"r_p\", client = \"c\", access_key_id = \"A\" }", "belong together"),
            ("migrate_from = { pool = \"r_p\", client = \"c\", client_secret_file = \"none\" }", "client_secret_file"),
            ("migrate_from = { pool = \"r_p\", client = \"c\", attributes = [] }", "must name some"),
            ("migrate_from = { pool = \"r_p\", client = \"c\", ca_file = \"none\" }", "none"),
            ("migrate_from = { pool = \"r_p\", client = \"c\" }\naws = {}", "say in one way"),
        ] {
            let error = read(folder.path(), Mode::Dev, &entry(rest)).await.unwrap_err();
            assert!(error.contains(part), "{rest}: {error}");
            assert!(!error.contains("password@"), "{error}");
        }
        let numbers = entry("url = \"http://h/\"\nkind = \"webhook\"\nsecret = 424242424242424242");
        let error = read(folder.path(), Mode::Dev, &numbers).await.unwrap_err();
        assert!(error.contains("in quotes") && !error.contains("424242"), "{error}");
    }
}
