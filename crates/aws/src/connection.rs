//! Where AWS is, and who we are to it.

use std::{fmt, time::Duration};

use aws_config::{
    AppName, BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableRegionProvider,
    meta::region::RegionProviderChain, profile::ProfileFileRegionProvider, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use domain::Secret;

use crate::{
    CallError, Firehose, Kms, Lambda, Logs, S3, Ses, Sns,
    failure::{NOT_MADE, advice, chain},
};

/// The longest time until a connection stands.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest name of a region, in characters.
const LONGEST_REGION: usize = 32;

/// How to reach AWS.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The region. Without it: of functions and keys the one in their ARN, otherwise that of the environment
    /// (`AWS_REGION`) or the profile.
    pub region: Option<String>,
    /// An address instead of AWS's own, such as `http://127.0.0.1:4566`.
    pub endpoint: Option<String>,
    /// Who we are. Without it: what the standard chain finds (environment, profile, container, machine).
    pub access_key: Option<AccessKey>,
}

/// An access key that is named in the configuration.
#[derive(Clone)]
pub struct AccessKey {
    /// `AKIA…`
    pub id: String,
    /// Its secret.
    pub secret: Secret<String>,
    /// The token that belongs to a temporary key.
    pub session_token: Option<Secret<String>>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not the name of a region.
    #[error("{0:?} is not the name of an AWS region; write one such as \"eu-central-1\"")]
    Region(String),
    /// Not an address.
    #[error("the AWS endpoint is not an address; write one such as \"https://host\" or \"http://127.0.0.1:4566\"")]
    Endpoint,
    /// Neither the settings nor the environment name a region.
    #[error("there is no AWS region for {0}: name one in the configuration, or set AWS_REGION")]
    NoRegion(&'static str),
}

/// A way to AWS, shared by what is made from it. Nothing is asked of AWS before the first call.
#[derive(Clone, Debug)]
pub struct Connection {
    config: SdkConfig,
    /// Whether the settings name the region, so that ARNs do not.
    region_is_given: bool,
}

impl Settings {
    /// Looks at what can be seen without asking anybody.
    ///
    /// # Errors
    /// [`SettingsError::Region`] and [`SettingsError::Endpoint`].
    pub fn check(&self) -> Result<(), SettingsError> {
        if let Some(name) = self.region.as_ref().filter(|name| !is_region(name)) {
            return Err(SettingsError::Region(name.clone()));
        }
        if self.endpoint.as_ref().is_some_and(|endpoint| !is_address(endpoint)) {
            Err(SettingsError::Endpoint)
        } else {
            Ok(())
        }
    }
}

impl Connection {
    /// Prepares a connection; reads the environment and the profile, and asks nobody.
    ///
    /// # Errors
    /// When region or endpoint are none.
    pub async fn open(settings: &Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let region = match &settings.region {
            Some(name) => Some(Region::new(name.clone())),
            // The machine's own region would take a request to find out.
            None => {
                let profile = ProfileFileRegionProvider::new();
                RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(profile).region().await
            }
        };
        let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .region(region)
            // Functions are called once, and messages are tried again by the outbox.
            .retry_config(RetryConfig::disabled());
        if let Ok(name) = AppName::new("poolkeeper") {
            loader = loader.app_name(name);
        }
        if let Some(endpoint) = &settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(key) = &settings.access_key {
            let token = key.session_token.as_ref().map(|token| token.reveal().clone());
            let secret = key.secret.reveal().as_str();
            loader = loader.credentials_provider(Credentials::new(&key.id, secret, token, None, "poolkeeper"));
        }
        Ok(Self { config: loader.load().await, region_is_given: settings.region.is_some() })
    }

    /// Looks for the credentials that requests are signed with. Where they come from a container or the machine, that is
    /// asked.
    ///
    /// # Errors
    /// Why there are none, and what to do next.
    pub async fn credentials(&self) -> Result<(), CallError> {
        let missing = |detail: String| CallError {
            service: "AWS",
            code: NOT_MADE.to_owned(),
            status: None,
            detail: Some(detail),
            advice: advice(NOT_MADE),
        };
        let Some(provider) = self.config.credentials_provider() else {
            return Err(missing("there are no credentials".to_owned()));
        };
        match provider.provide_credentials().await {
            Ok(_) => Ok(()),
            Err(error) => Err(missing(chain(&error))),
        }
    }

    /// Functions.
    #[must_use]
    pub fn lambda(&self) -> Lambda {
        Lambda::new(self)
    }

    /// Keys.
    #[must_use]
    pub fn kms(&self) -> Kms {
        Kms::new(self)
    }

    /// Log groups.
    #[must_use]
    pub fn logs(&self) -> Logs {
        Logs::new(self)
    }

    /// Delivery streams.
    #[must_use]
    pub fn firehose(&self) -> Firehose {
        Firehose::new(self)
    }

    /// Buckets.
    #[must_use]
    pub fn s3(&self) -> S3 {
        S3::new(self)
    }

    /// Mail.
    ///
    /// # Errors
    /// [`SettingsError::NoRegion`].
    pub fn ses(&self) -> Result<Ses, SettingsError> {
        self.with_region("SES").map(Ses::new)
    }

    /// Text messages.
    ///
    /// # Errors
    /// [`SettingsError::NoRegion`].
    pub fn sns(&self) -> Result<Sns, SettingsError> {
        self.with_region("SNS").map(Sns::new)
    }

    fn with_region(&self, service: &'static str) -> Result<&Self, SettingsError> {
        self.config.region().map(|_region| self).ok_or(SettingsError::NoRegion(service))
    }

    pub(crate) const fn config(&self) -> &SdkConfig {
        &self.config
    }

    pub(crate) const fn region_is_given(&self) -> bool {
        self.region_is_given
    }
}

/// How long one operation may take, with all its tries.
pub(crate) fn within(longest: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(longest).build()
}

/// The region in an ARN, unless the settings name one.
pub(crate) fn region_of(arn: &str, region_is_given: bool) -> Option<Region> {
    let named = arn.strip_prefix("arn:")?.split(':').nth(2).filter(|name| is_region(name))?;
    (!region_is_given).then(|| Region::new(named.to_owned()))
}

fn is_region(name: &str) -> bool {
    (1..=LONGEST_REGION).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether this is an `http` or `https` address with a host.
fn is_address(text: &str) -> bool {
    let uri = text.parse::<http::Uri>();
    uri.is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_come_from_arns_where_none_is_given() {
        let named = |arn: &str, given: bool| region_of(arn, given).map(|region| region.to_string());
        let arn = "arn:aws:lambda:eu-central-1:000000000000:function:f:live";
        assert_eq!(named(arn, false).as_deref(), Some("eu-central-1"));
        assert_eq!(named(arn, true), None);
        for wrong in
            ["", "function", "arn:aws:lambda", "arn:aws:lambda::0:function:f", "arn:aws:lambda:EU:0:function:f"]
        {
            assert_eq!(named(wrong, false), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn settings_that_cannot_be_are_refused() {
        let open = async |region: &str, endpoint: &str| {
            let settings =
                Settings { region: Some(region.to_owned()), endpoint: Some(endpoint.to_owned()), access_key: None };
            Connection::open(&settings).await.map(|_connection| ())
        };
        assert_eq!(open("eu-central-1", "http://127.0.0.1:4566").await, Ok(()));
        for wrong in ["", "eu central 1", "EU-CENTRAL-1", "eu-central-1.evil.example/"] {
            assert_eq!(open(wrong, "http://127.0.0.1:4566").await, Err(SettingsError::Region(wrong.to_owned())));
        }
        for wrong in ["", "127.0.0.1:4566", "ftp://host", "http://", "/path", "https:///x"] {
            assert_eq!(open("eu-central-1", wrong).await, Err(SettingsError::Endpoint), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let key = AccessKey { id: "AKID".to_owned(), secret: secret("abc123"), session_token: Some(secret("def456")) };
        let text = format!("{:?}", Settings { region: None, endpoint: None, access_key: Some(key) });
        assert!(text.contains("AKID") && !text.contains("abc123") && !text.contains("def456"), "{text}");
    }
}
