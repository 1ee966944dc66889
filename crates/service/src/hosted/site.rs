//! A domain of a pool as a browser has reached it.

use std::sync::Arc;

use domain::{Domain, Pool};
use store::Stored;

use crate::{App, Settings};

/// A domain of a pool, and the address under which its paths are found.
#[derive(Clone, Debug)]
pub struct Site {
    /// The domain.
    pub domain: Domain,
    /// Its pool.
    pub pool: Arc<Stored<Pool>>,
    /// Where its paths begin, without a final slash: `https://my-app.auth.example.com`, or
    /// `http://127.0.0.1:9229/_domain/my-app`.
    pub base: String,
    /// The part of `base` behind the host, which the paths of cookies and links begin with: empty, or `/_domain/my-app`.
    pub path: String,
}

impl Site {
    /// The domain with this prefix under the path `/_domain/{prefix}` of the server's own address.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn by_path(app: &App, prefix: &str) -> Result<Option<Self>, store::Error> {
        let path = path_of(prefix);
        Self::found(app, prefix, format!("{}{path}", app.settings.base_url), path).await.map(|site| {
            // A custom domain is its own host, and has no other address.
            site.filter(|site| !site.domain.is_custom())
        })
    }

    /// The domain that this host name (without a port) belongs to: a prefix below `auth_domain` or below
    /// `auth.localhost`, or a custom domain.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn by_host(app: &App, host: &str) -> Result<Option<Self>, store::Error> {
        let host = host.to_ascii_lowercase();
        let (scheme, port) = scheme_and_port(&app.settings.base_url);
        let base = format!("{scheme}://{host}{port}");
        let below = |parent: &str| host.strip_suffix(parent).and_then(|rest| rest.strip_suffix('.'));
        let parents = app.settings.auth_domain.as_deref().into_iter().chain([LOCAL]);
        let prefix = parents.filter_map(below).find(|prefix| !prefix.is_empty() && !prefix.contains('.'));
        match prefix {
            Some(prefix) => {
                let site = Self::found(app, prefix, base, String::new()).await?;
                Ok(site.filter(|site| !site.domain.is_custom()))
            }
            None if host.contains('.') => {
                let site = Self::found(app, &host, base, String::new()).await?;
                Ok(site.filter(|site| site.domain.is_custom()))
            }
            None => Ok(None),
        }
    }

    async fn found(app: &App, name: &str, base: String, path: String) -> Result<Option<Self>, store::Error> {
        let Some(domain) = app.store.domain(name).await? else { return Ok(None) };
        let Some(pool) = app.pool(&domain.pool_id).await? else { return Ok(None) };
        Ok(Some(Self { domain: domain.value, pool, base, path }))
    }

    /// Whether browsers reach it over https, so that its cookies can be kept from other connections.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.base.starts_with("https://")
    }
}

/// The names below this one never leave a machine (RFC 6761 §6.3).
pub(crate) const LOCAL: &str = "auth.localhost";

fn path_of(prefix: &str) -> String {
    format!("/_domain/{prefix}")
}

/// Scheme and port (with its colon; empty where there is none) of the server's own address.
fn scheme_and_port(base_url: &str) -> (&str, &str) {
    let (scheme, authority) = base_url.split_once("://").unwrap_or(("http", base_url));
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = authority.rfind(':').and_then(|at| authority.get(at..)).filter(|port| is_port(&port[1..]));
    (scheme, port.unwrap_or_default())
}

/// Where a domain's endpoints are, for whoever is told: a custom domain is its own host, a prefix is below `auth_domain` where
/// the operator has named one, else it is a path.
#[must_use]
pub fn base_of(settings: &Settings, domain: &Domain) -> String {
    let (scheme, port) = scheme_and_port(&settings.base_url);
    match (&settings.auth_domain, domain.is_custom()) {
        (_, true) => format!("{scheme}://{}{port}", domain.domain),
        (Some(parent), false) => format!("{scheme}://{}.{parent}{port}", domain.domain),
        (None, false) => format!("{}{}", settings.base_url, path_of(&domain.domain)),
    }
}

/// The same for a pool with these domains: its custom domain counts before its prefix. None where it has neither.
#[must_use]
pub fn public_base(settings: &Settings, domains: &[Stored<Domain>]) -> Option<String> {
    let domain = domains.iter().find(|domain| domain.is_custom()).or_else(|| domains.first())?;
    Some(base_of(settings, domain))
}
