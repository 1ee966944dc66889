//! `[server]`: where the server listens and what clients call it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use serde::{Deserialize, Deserializer, de::Error};
use service::tracking::Locations;
use web::{ListenOptions, Network};

use super::{DEFAULT_LISTEN, base_url};

/// Seconds. Whoever asks for more has mistaken the unit: no load balancer takes an hour to notice.
const LONGEST_DRAIN_DELAY: u64 = 3_600;

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSection {
    /// Address and port.
    pub listen: SocketAddr,
    /// Where clients reach the server.
    pub base_url: Option<String>,
    /// Domain below which the prefixes of pools' domains stand.
    pub auth_domain: Option<String>,
    /// Address and port for operators.
    pub admin_listen: Option<SocketAddr>,
    /// Open connections at most.
    pub max_connections: usize,
    /// Seconds that a request may take.
    pub request_timeout_seconds: u64,
    /// Seconds between a signal to end and the last new connection.
    pub drain_delay_seconds: u64,
    /// Seconds that requests under way have at shutdown.
    pub drain_timeout_seconds: u64,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<Network>,
    /// PEM file with the certificate chain.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub tls_key: Option<PathBuf>,
    /// Region of pools whose creator names none.
    pub default_region: String,
    /// Account in ARNs.
    pub account_id: String,
    /// File in MaxMind's format that says where addresses are.
    pub geoip_database: Option<PathBuf>,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            base_url: None,
            auth_domain: None,
            admin_listen: None,
            max_connections: 4_096,
            request_timeout_seconds: 30,
            drain_delay_seconds: 0,
            drain_timeout_seconds: 10,
            trusted_proxies: Vec::new(),
            tls_certificate: None,
            tls_key: None,
            default_region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            geoip_database: None,
        }
    }
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Network>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

impl ServerSection {
    /// Checks what the types do not.
    pub(super) fn normalize(&mut self) -> anyhow::Result<()> {
        if let Some(text) = &self.base_url {
            self.base_url = Some(base_url(text)?);
        }
        if self.account_id.len() != 12 || !self.account_id.bytes().all(|byte| byte.is_ascii_digit()) {
            bail!("server.account_id '{}' must have twelve digits", self.account_id);
        }
        let is_region = (1..=32).contains(&self.default_region.len())
            && self
                .default_region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_region {
            bail!("server.default_region '{}' is no region such as us-east-1", self.default_region);
        }
        if self.max_connections == 0 || self.max_connections > 1_000_000 {
            bail!("server.max_connections must be from 1 to 1,000,000");
        }
        if self.request_timeout_seconds == 0 {
            bail!("server.request_timeout_seconds must be at least 1");
        }
        if self.drain_delay_seconds > LONGEST_DRAIN_DELAY {
            bail!(
                "server.drain_delay_seconds is {}; it must be at most {LONGEST_DRAIN_DELAY}",
                self.drain_delay_seconds
            );
        }
        Ok(())
    }

    /// How long the server goes on taking requests after it has said that it is going to end.
    pub const fn drain_delay(&self) -> Duration {
        Duration::from_secs(self.drain_delay_seconds)
    }

    /// Where addresses are; reads the file.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn locations(&self) -> anyhow::Result<Locations> {
        let Some(file) = &self.geoip_database else { return Ok(Locations::default()) };
        Locations::open(file).with_context(|| {
            format!(
                "cannot use {} (server.geoip_database). Give a file in MaxMind's format (.mmdb) such as GeoLite2-City, or \
                 leave the setting out",
                file.display()
            )
        })
    }

    /// How connections are treated; reads certificate and key.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn listen_options(&self) -> anyhow::Result<ListenOptions> {
        let tls = match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => Some(web::tls::configuration(certificate, key)?),
            (None, None) => None,
            _ => bail!("server.tls_certificate and server.tls_key belong together: set both or neither"),
        };
        Ok(ListenOptions {
            max_connections: self.max_connections,
            request_timeout: Duration::from_secs(self.request_timeout_seconds),
            drain_timeout: Duration::from_secs(self.drain_timeout_seconds),
            tls,
            ..ListenOptions::default()
        })
    }
}
