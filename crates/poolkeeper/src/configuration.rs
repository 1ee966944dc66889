//! The configuration: one structure, filled from defaults, the configuration file, the environment and the command
//! line, each of which overrides the one before it. Unknown keys are refused.
//!
//! Every key has an entry in [`crate::reference`]; a test compares the two.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use domain::Medium;
use serde::Deserialize;
use service::{messages::Outbox, settings::Limits};

use crate::{
    arguments::{RunOptions, StoreOptions},
    mode::Mode,
};

mod aws;
mod destinations;
mod email;
mod functions;
mod identity_providers;
mod kms_keys;
mod migrate_from;
mod quotas;
mod server;
mod sms;
mod store_location;
mod threat_protection;

pub use self::aws::AwsSection;
pub use destinations::{DestinationKind, DestinationSection, LogDestinationSection};
pub use email::{EmailSection, FileChoice, SenderChoice};
pub use functions::{FunctionSection, Surroundings};
pub use identity_providers::IdentityProvidersSection;
pub use kms_keys::{KmsKey, KmsKeySection};
pub use quotas::QuotasSection;
pub use server::ServerSection;
pub use sms::{SmsSection, SmsSenderChoice};
pub use store_location::StoreSection;
pub use threat_protection::ThreatProtectionSection;

/// Signing keys that may be kept ready; each takes a tenth of a second to make.
const MOST_STOCK: usize = 1_000;

/// Everything that can be set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// `[server]`
    pub server: ServerSection,
    /// `[store]`
    pub store: StoreSection,
    /// `[email]`
    pub email: EmailSection,
    /// `[sms]`
    pub sms: SmsSection,
    /// `[limits]`
    pub limits: LimitsSection,
    /// `[quotas]`
    pub quotas: QuotasSection,
    /// `[keys]`
    pub keys: KeysSection,
    /// `[passwords]`
    pub passwords: PasswordsSection,
    /// `[issuer]`
    pub issuer: IssuerSection,
    /// `[pools]`
    pub pools: PoolsSection,
    /// `[identity_providers]`
    pub identity_providers: IdentityProvidersSection,
    /// `[threat_protection]`
    pub threat_protection: ThreatProtectionSection,
    /// `[beyond]`
    pub beyond: BeyondSection,
    /// `[[functions]]`
    pub functions: Vec<FunctionSection>,
    /// `[[kms_keys]]`
    pub kms_keys: Vec<KmsKeySection>,
    /// `[analytics]`
    pub analytics: Option<DestinationSection>,
    /// `[[log_destinations]]`
    pub log_destinations: Vec<LogDestinationSection>,
}

/// `[limits]`: guards against guessing, per user and per address.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    reset_requests_per_hour: Option<usize>,
    wrong_reset_codes_per_hour: Option<usize>,
    wrong_sign_up_codes_per_hour: Option<usize>,
    wrong_codes_per_day: Option<usize>,
    resends_per_hour: Option<usize>,
    password_changes_per_hour: Option<usize>,
    attribute_codes_per_hour: Option<usize>,
    wrong_attribute_codes_per_hour: Option<usize>,
    sign_in_codes_per_hour: Option<usize>,
    wrong_guesses_per_address_and_hour: Option<u32>,
}

/// `[keys]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysSection {
    /// File with the master keys.
    pub master_key_file: Option<PathBuf>,
    /// Ready signing keys.
    pub stock: Option<usize>,
}

/// `[passwords]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordsSection {
    /// Pool ids, or `*`.
    pub srp_off: Vec<String>,
}

/// `[pools]`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolsSection {
    /// Whether tiers hold nothing back.
    pub lift_tiers: bool,
}

/// `[beyond]`: what the original cannot do. Nothing of it is on unless it is named here.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BeyondSection {
    /// Whether `poolkeeper export` and `poolkeeper import` may be used.
    pub export_and_import: bool,
    /// Whether ListUsers takes more filters than the original.
    pub filters: bool,
    /// Whether `poolkeeper reshape` may be used.
    pub reshape: bool,
}

/// `[issuer]`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IssuerSection {
    /// The form of issuers.
    pub form: IssuerForm,
}

/// The form of the `iss` claim.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IssuerForm {
    /// `{base_url}/{pool id}`
    #[default]
    Server,
    /// `https://cognito-idp.{region}.amazonaws.com/{pool id}`
    Aws,
}

impl Configuration {
    /// For `dev` and `serve`.
    ///
    /// # Errors
    /// Names file, line and key of what is wrong.
    pub fn for_running(options: &RunOptions) -> anyhow::Result<Self> {
        let mut configuration = Self::for_store(&options.store)?;
        if let Some(listen) = options.listen {
            configuration.server.listen = listen;
        }
        if let Some(base_url) = &options.base_url {
            configuration.server.base_url = Some(base_url.clone());
        }
        configuration.server.normalize()?;
        Ok(configuration)
    }

    /// For commands that open the data.
    ///
    /// # Errors
    /// Names file, line and key of what is wrong.
    pub fn for_store(options: &StoreOptions) -> anyhow::Result<Self> {
        let mut configuration = match &options.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        if let Some(data_dir) = &options.data_dir {
            configuration.store.data_dir = Some(data_dir.clone());
        }
        if let Some(url) = &options.store {
            configuration.store.url = Some(url.clone());
        }
        Ok(configuration)
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
        let mut configuration = Self::parse(&text).map_err(|(line, reason)| {
            anyhow::anyhow!(
                "{}:{line}: {reason}. `poolkeeper config reference` lists what the file may contain",
                path.display()
            )
        })?;
        configuration.resolve_paths(path.parent().unwrap_or(Path::new("")));
        Ok(configuration)
    }

    /// # Errors
    /// The line and what is wrong in it.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
            (line, error.message().replace('\n', ", "))
        })
    }

    /// Paths in the file start from where the file is.
    fn resolve_paths(&mut self, folder: &Path) {
        let tls = self.server.tls_certificate.iter_mut().chain(&mut self.server.tls_key);
        let others = self.server.geoip_database.iter_mut().chain(&mut self.keys.master_key_file);
        for path in tls.chain(others) {
            *path = folder.join(&*path);
        }
        self.store.resolve_paths(folder);
        self.email.resolve_paths(folder);
        self.sms.resolve_paths(folder);
        self.identity_providers.resolve_paths(folder);
        self.threat_protection.resolve_paths(folder);
        self.functions.iter_mut().for_each(|section| section.resolve_paths(folder));
        self.kms_keys.iter_mut().for_each(|section| section.resolve_paths(folder));
        self.analytics.iter_mut().for_each(|section| section.resolve_paths(folder));
        self.log_destinations.iter_mut().for_each(|section| section.resolve_paths(folder));
    }

    /// How functions are run, none of which is started yet. `base_url` is where they reach the server.
    ///
    /// # Errors
    /// Names the entry that cannot be used.
    pub async fn functions(&self, mode: Mode, base_url: &str) -> anyhow::Result<::functions::Functions> {
        let surroundings = Surroundings { mode, region: &self.server.default_region, base_url };
        functions::functions(&self.functions, surroundings).await
    }

    /// Where events for analytics and the logs of pools go.
    ///
    /// # Errors
    /// Names the entry that cannot be used.
    pub async fn records(&self) -> anyhow::Result<service::records::Records> {
        destinations::records(self.analytics.as_ref(), &self.log_destinations).await
    }

    /// Who takes messages, none of whom is asked yet.
    ///
    /// # Errors
    /// When a choice cannot work.
    pub async fn outbox(&self, mode: Mode) -> anyhow::Result<Outbox> {
        let outbox = Outbox::new(self.email.sender(mode).await?).with_sms(self.sms.sender(mode).await?);
        Ok(outbox.with_rate(Medium::Email, self.email.rate()).with_rate(Medium::Sms, self.sms.rate()))
    }

    /// Guards against guessing.
    pub fn limits(&self, mode: Mode) -> Limits {
        let (given, usual) = (self.limits, Limits::default());
        let of_an_address = if mode == Mode::Dev { 0 } else { Limits::WRONG_GUESSES_IN_SERVE };
        Limits {
            reset_requests_per_hour: given.reset_requests_per_hour.unwrap_or(usual.reset_requests_per_hour),
            wrong_reset_codes_per_hour: given.wrong_reset_codes_per_hour.unwrap_or(usual.wrong_reset_codes_per_hour),
            wrong_sign_up_codes_per_hour: given
                .wrong_sign_up_codes_per_hour
                .unwrap_or(usual.wrong_sign_up_codes_per_hour),
            wrong_codes_per_day: given.wrong_codes_per_day.unwrap_or(usual.wrong_codes_per_day),
            resends_per_hour: given.resends_per_hour.unwrap_or(usual.resends_per_hour),
            password_changes_per_hour: given.password_changes_per_hour.unwrap_or(usual.password_changes_per_hour),
            attribute_codes_per_hour: given.attribute_codes_per_hour.unwrap_or(usual.attribute_codes_per_hour),
            wrong_attribute_codes_per_hour: given
                .wrong_attribute_codes_per_hour
                .unwrap_or(usual.wrong_attribute_codes_per_hour),
            sign_in_codes_per_hour: given.sign_in_codes_per_hour.unwrap_or(usual.sign_in_codes_per_hour),
            wrong_guesses_per_address_and_hour: given.wrong_guesses_per_address_and_hour.unwrap_or(of_an_address),
        }
    }

    /// Pools without SRP.
    pub fn srp_off(&self) -> service::settings::SrpOff {
        if self.passwords.srp_off.iter().any(|pool| pool == "*") {
            service::settings::SrpOff::Everywhere
        } else {
            service::settings::SrpOff::Pools(self.passwords.srp_off.clone())
        }
    }

    /// The domain below which the prefixes of pools stand.
    ///
    /// # Errors
    /// When it is no domain name.
    pub fn auth_domain(&self) -> anyhow::Result<Option<String>> {
        self.server.auth_domain.as_deref().map(auth_domain).transpose()
    }

    /// Who asks other identity providers; nobody is asked yet.
    ///
    /// # Errors
    /// When the file with certificates cannot be used.
    pub fn documents(&self, mode: Mode) -> anyhow::Result<::functions::Documents> {
        let section = &self.identity_providers;
        ::functions::Documents::new(section.ca_file.clone(), section.local(mode))
            .context("cannot use identity_providers.ca_file")
    }

    /// The form of issuers.
    pub const fn issuer(&self) -> service::settings::Issuer {
        match self.issuer.form {
            IssuerForm::Server => service::settings::Issuer::Server,
            IssuerForm::Aws => service::settings::Issuer::Aws,
        }
    }

    /// Ready signing keys: two for each new pool.
    ///
    /// # Errors
    /// When there would be too many.
    pub fn key_stock(&self) -> anyhow::Result<usize> {
        let stock = self.keys.stock.unwrap_or(8);
        anyhow::ensure!(stock <= MOST_STOCK, "keys.stock is {stock}; more than {MOST_STOCK} keys are not kept ready");
        Ok(stock)
    }

    /// Reads all files that are named, as `serve` would.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub async fn check(&self) -> anyhow::Result<()> {
        self.store.location()?;
        self.key_stock()?;
        self.auth_domain()?;
        self.documents(Mode::Serve)?;
        self.server.listen_options()?;
        self.threat_protection.stolen_passwords()?;
        self.outbox(Mode::Serve).await?;
        self.kms_keys.iter().try_for_each(|section| section.key().map(drop))?;
        self.records().await?;
        if let Some(path) = &self.keys.master_key_file {
            crate::master_key::read(path)?;
        }
        self.functions(Mode::Serve, self.server.base_url.as_deref().unwrap_or_default()).await?;
        Ok(())
    }
}

/// What a file with a secret says, without the end of its last line.
fn secret_file(path: &Path, key: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {key} {}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// An `http` or `https` address without path, query or final slash.
fn base_url(text: &str) -> anyhow::Result<String> {
    let trimmed = text.trim_end_matches('/');
    let rest = trimmed.strip_prefix("https://").or_else(|| trimmed.strip_prefix("http://")).unwrap_or_default();
    let is_host = !rest.is_empty()
        && !rest.starts_with(':')
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte));
    if !is_host {
        bail!("base_url '{text}' is no address such as https://auth.example.com (no path after the host)");
    }
    Ok(trimmed.to_owned())
}

/// A domain name, lower-case, without port or final dot.
fn auth_domain(text: &str) -> anyhow::Result<String> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !text.split('.').all(is_label) {
        bail!("auth_domain '{text}' is no domain name such as auth.example.com (lower-case, without scheme and port)");
    }
    Ok(text.to_owned())
}

/// The address that is used when none is set.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9_229);

#[cfg(test)]
mod tests {
    use super::{Configuration, auth_domain, base_url};
    use crate::mode::Mode;

    #[test]
    fn an_address_is_held_back_in_serve_and_by_what_is_set() {
        let of = |text: &str, mode| {
            let limits = Configuration::parse(text).unwrap().limits(mode);
            (limits.wrong_guesses_per_address_and_hour, limits.sign_in_codes_per_hour)
        };
        assert_eq!((of("", Mode::Dev), of("", Mode::Serve)), ((0, 20), (300, 20)));
        let set = "[limits]\nwrong_guesses_per_address_and_hour = 7\nsign_in_codes_per_hour = 5";
        assert_eq!((of(set, Mode::Dev), of(set, Mode::Serve)), ((7, 5), (7, 5)));
        assert_eq!(of("[limits]\nwrong_guesses_per_address_and_hour = 0", Mode::Serve).0, 0);
    }

    #[test]
    fn errors_name_line_and_key() {
        let error = |text: &str| Configuration::parse(text).unwrap_err();
        let (line, reason) = error("[server]\nlisten = \"127.0.0.1:1\"\nno_such = true\n");
        assert!(line == 3 && reason.contains("`no_such`"), "{line} {reason}");
        let (line, reason) = error("[server]\n\nlisten = \"nowhere\"\n");
        assert!(line == 3 && reason.contains("socket address"), "{line} {reason}");
        let (line, reason) = error("[server]\ntrusted_proxies = [\"10.0.0.0/33\"]\n");
        assert!(line == 2 && reason.contains("10.0.0.0/33"), "{line} {reason}");
        let (line, reason) = error("[email]\nsender = \"pigeon\"\n");
        assert!(line == 2 && reason.contains("pigeon"), "{line} {reason}");
        let (line, _) = error("x = \n");
        assert_eq!(line, 1);
    }

    #[test]
    fn a_file_of_places_that_cannot_be_used_is_named() {
        let mut configuration = Configuration::parse("[server]\ngeoip_database = \"no.mmdb\"").unwrap();
        let folder = tempfile::tempdir().unwrap();
        configuration.resolve_paths(folder.path());
        let path = folder.path().join("no.mmdb");
        for contents in [None, Some("city,country")] {
            contents.into_iter().for_each(|contents| std::fs::write(&path, contents).unwrap());
            let error = configuration.server.locations().unwrap_err().to_string();
            assert!(error.contains(&*path.to_string_lossy()) && error.contains("server.geoip_database"), "{error}");
        }
        assert!(Configuration::default().server.locations().is_ok());
    }

    #[test]
    fn auth_domains_are_names_alone() {
        for good in ["auth.example.com", "localhost", "a-1.b"] {
            assert_eq!(auth_domain(good).unwrap(), good);
        }
        for bad in ["", "Auth.example.com", "https://auth.example.com", "auth.example.com:443", "auth.", ".a", "a b"] {
            assert!(auth_domain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn base_urls_are_addresses_without_a_path() {
        assert_eq!(base_url("https://auth.example.com/").unwrap(), "https://auth.example.com");
        assert_eq!(base_url("http://[::1]:9229").unwrap(), "http://[::1]:9229");
        for wrong in
            ["", "auth.example.com", "ftp://x", "https://", "https://x/y", "https://x?y", "http://a b", "http://:80"]
        {
            assert!(base_url(wrong).is_err(), "{wrong}");
        }
    }
}
