//! How a database of PostgreSQL's family is reached, and how it is used.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};
use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};

use crate::Error;

/// How long making one connection may take before another try, TLS and authentication included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long sent bytes may stay unacknowledged before a connection counts as lost.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);
/// How long a connection may be silent before the operating system asks whether the other side is there.
const SILENCE: Duration = Duration::from_secs(10);

/// Isolation of the transactions that write. All of them are safe, because every change names the version that it was
/// decided on; a stricter one costs more repetitions and buys nothing but an operator's peace of mind.
///
/// Whoever names one also limits how long a transaction may stand still: a server that was cut off in the middle of one
/// cannot end it, and its locks would stop others for as long as TCP believes in the connection, which is hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// What the database is set to. Nothing but BEGIN is sent, for members of the family that take nothing else; where
    /// they have locks, `idle_in_transaction_session_timeout` belongs into their own settings.
    Database,
    /// READ COMMITTED.
    #[default]
    ReadCommitted,
    /// REPEATABLE READ, which some of the family call snapshot isolation.
    RepeatableRead,
    /// SERIALIZABLE.
    Serializable,
}

impl Isolation {
    /// What begins a transaction, sent as one. The limit is a little longer than anybody waits for an answer, and
    /// shorter than the usual patience, so that there is time for another try.
    pub(super) const fn begin(self) -> &'static str {
        match self {
            Self::Database => "BEGIN",
            Self::ReadCommitted => {
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '7s'"
            }
            Self::RepeatableRead => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL idle_in_transaction_session_timeout = '7s'"
            }
            Self::Serializable => {
                "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL idle_in_transaction_session_timeout = '7s'"
            }
        }
    }
}

/// How a connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Protection {
    /// Not at all.
    None,
    /// TLS; the certificate must be for the host and come from an authority in this PEM file, or from a public one.
    Verified(Option<PathBuf>),
}

/// Where a database is and as whom to go there, from an URL such as
/// `postgres://user:password@host-1:5432,host-2:5432/database?sslmode=verify-full&sslrootcert=/etc/ca.pem`.
///
/// What libpq understands is understood, but for `sslmode`: `disable` and `verify-full` mean the same, `require` and
/// `verify-ca` are as strict as `verify-full`, and `allow` and `prefer` are refused, because they promise nothing.
/// Where it is not given, it is `disable` for this machine and `verify-full` for all others. With several hosts the
/// one that takes writes is found by asking all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    config: Config,
    protection: Protection,
}

impl Address {
    /// Reads an URL.
    ///
    /// # Errors
    /// Says what is wrong with it, without repeating it: it may hold a password.
    pub fn parse(url: &str) -> Result<Self, String> {
        if !is_url(url) {
            return Err("the URL of a database starts with postgres:// or postgresql://".to_owned());
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut authority, mut others) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => authority = Some(unescaped(value)?),
                _ => others.push(pair),
            }
        }
        let rest = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
        let mut config = Config::from_str(&rest).map_err(|error| crate::postgres::failure::told(&error))?;
        if config.get_hosts().is_empty() {
            return Err("the URL of the database names no host".to_owned());
        }
        if !config.get_hostaddrs().is_empty() {
            return Err("hostaddr is not supported: name the host in the URL".to_owned());
        }
        let is_near = config.get_hosts().iter().all(is_this_machine);
        let protection = match mode {
            None if is_near && authority.is_none() => Protection::None,
            Some("disable") => Protection::None,
            None | Some("require" | "verify-ca" | "verify-full") => Protection::Verified(authority),
            Some(other) => {
                return Err(format!(
                    "sslmode={other} is not supported: write verify-full (with sslrootcert=FILE where the \
                     certificate's authority is your own), or disable"
                ));
            }
        };
        config.ssl_mode(if protection == Protection::None { SslMode::Disable } else { SslMode::Require });
        config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(UNACKNOWLEDGED);
        config.keepalives_idle(SILENCE).keepalives_interval(UNACKNOWLEDGED).keepalives_retries(2);
        if config.get_application_name().is_none() {
            config.application_name("poolkeeper");
        }
        Ok(Self { config, protection })
    }

    /// Sets the password, in place of the one in the URL.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// Each of the hosts alone, in their order.
    #[must_use]
    pub fn each_host(&self) -> Vec<Self> {
        let alone = |config| Self { config, protection: self.protection.clone() };
        self.hosts().into_iter().map(alone).collect()
    }

    /// Whether the connection is TLS, and the certificate checked.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.protection != Protection::None
    }

    /// Whether all hosts are this machine.
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.config.get_hosts().iter().all(is_this_machine)
    }

    /// Of several servers, the one that takes writes.
    pub(super) fn that_takes_writes(mut self) -> Self {
        if self.config.get_hosts().len() > 1 && self.config.get_target_session_attrs() == TargetSessionAttrs::Any {
            self.config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        self
    }

    /// The settings of one connection to each of the hosts, in their order.
    pub(super) fn hosts(&self) -> Vec<Config> {
        let ports = self.config.get_ports();
        let port = |index: usize| ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5_432);
        let one = |(index, host): (usize, &Host)| {
            let whole = &self.config;
            let mut config = Config::new();
            match host {
                Host::Tcp(name) => config.host(name),
                Host::Unix(path) => config.host_path(path),
            };
            config.port(port(index)).ssl_mode(whole.get_ssl_mode()).ssl_negotiation(whole.get_ssl_negotiation());
            config.channel_binding(whole.get_channel_binding());
            config.target_session_attrs(whole.get_target_session_attrs());
            config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(UNACKNOWLEDGED);
            config.keepalives_idle(SILENCE).keepalives_interval(UNACKNOWLEDGED).keepalives_retries(2);
            whole.get_user().map(|user| config.user(user));
            whole.get_password().map(|password| config.password(password));
            whole.get_dbname().map(|name| config.dbname(name));
            whole.get_options().map(|options| config.options(options));
            whole.get_application_name().map(|name| config.application_name(name));
            config
        };
        self.config.get_hosts().iter().enumerate().map(one).collect()
    }

    /// What TLS trusts; `None` where there is no TLS.
    pub(super) fn tls(&self) -> Result<Option<ClientConfig>, Error> {
        let Protection::Verified(authority) = &self.protection else { return Ok(None) };
        let roots = match authority {
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
            Some(path) => authorities(path)?,
        };
        // The protocol's own name, which a server asks for when TLS begins without the protocol's own request.
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Refused(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Some(config))
    }
}

impl fmt::Display for Address {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate().map(|(index, host)| {
            let port = ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5_432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        });
        let hosts: Vec<_> = hosts.collect();
        write!(f, "postgres://{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }
}

/// Whether a text is the URL of a database of PostgreSQL's family.
#[must_use]
pub fn is_url(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

fn unescaped(text: &str) -> Result<PathBuf, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| digit.map_or(' ', char::from));
        let [Some(high), Some(low)] = digits.map(|digit| digit.to_digit(16)) else {
            return Err("sslrootcert is not well escaped: two hexadecimal digits follow each %".to_owned());
        };
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    String::from_utf8(bytes).map(PathBuf::from).map_err(|_bytes| "sslrootcert is not UTF-8".to_owned())
}

fn authorities(path: &Path) -> Result<RootCertStore, Error> {
    let refused = |reason: String| {
        Error::Refused(format!(
            "the certificate authorities in {} cannot be used: {reason}. Name a PEM file in sslrootcert",
            path.display()
        ))
    };
    let pem = fs::read(path).map_err(|error| refused(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("there is no certificate in it".to_owned()));
    }
    Ok(roots)
}

/// How a database of PostgreSQL's family is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// Where it is.
    pub address: Address,
    /// A copy that lags behind a little, from which lists may be read; everything else is read from the first one.
    pub replica: Option<Address>,
    /// Isolation of the transactions that write.
    pub isolation: Isolation,
    /// Whether statements are prepared once per connection, which is faster. Poolers that hand a connection to others
    /// after each transaction must keep prepared statements apart (PgBouncer does from 1.21 on, when it is told to);
    /// where they do not, this must be off.
    pub prepared_statements: bool,
    /// Open connections at most, of this server.
    pub max_connections: usize,
    /// How long a request waits for the database, over all tries, before it fails.
    pub patience: Duration,
}

impl PostgresOptions {
    /// The usual ones.
    #[must_use]
    pub const fn new(address: Address) -> Self {
        Self {
            address,
            replica: None,
            isolation: Isolation::ReadCommitted,
            prepared_statements: true,
            max_connections: 16,
            patience: Duration::from_secs(10),
        }
    }
}

impl fmt::Display for PostgresOptions {
    /// Without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Config, Host, PathBuf, Protection, TargetSessionAttrs};

    fn parsed(url: &str) -> Address {
        Address::parse(url).unwrap()
    }

    #[test]
    fn passwords_are_never_shown() {
        let address = parsed("postgres://keeper:very%20secret@db.example.com,db2.example.com:6432/pool");
        assert_eq!(address.to_string(), "postgres://db.example.com:5432,db2.example.com:6432/pool");
        assert!(!format!("{address:?}").contains("secret"));
        let error = Address::parse("postgres://keeper:secret@host:port/x").unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn other_machines_must_show_a_certificate() {
        let protection = |url: &str| parsed(url).protection;
        let public = Protection::Verified(None);
        assert_eq!(protection("postgres://db.example.com/x"), public);
        assert_eq!(protection("postgres://10.0.0.1,127.0.0.1/x"), public);
        assert_eq!(protection("postgres://db.example.com/x?sslmode=require"), public);
        assert_eq!(protection("postgres://db.example.com/x?sslmode=disable"), Protection::None);
        for near in ["localhost", "127.0.0.1", "%2Frun%2Fpostgresql"] {
            assert_eq!(protection(&format!("postgres://{near}/x")), Protection::None);
        }
        let own = Protection::Verified(Some(PathBuf::from("/etc/our ca.pem")));
        assert_eq!(protection("postgres://127.0.0.1/x?sslrootcert=/etc/our%20ca.pem"), own);
        for weak in ["prefer", "allow", "", "VERIFY-FULL"] {
            assert!(Address::parse(&format!("postgres://h/x?sslmode={weak}")).is_err(), "{weak}");
        }
    }

    #[test]
    fn strange_urls_are_refused() {
        for wrong in [
            "",
            "mysql://h/x",
            "postgres://",
            "postgres:///x",
            "postgres://h/x?no_such=1",
            "postgres://h/x?sslrootcert=%zz",
            "postgres://h/x?hostaddr=10.0.0.1",
        ] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_host_gets_a_connection_of_its_own() {
        let address = parsed("postgres://keeper:secret@one:1,two:2/x?application_name=test").that_takes_writes();
        let hosts: Vec<Config> = address.hosts();
        let [one, two] = hosts.as_slice() else { unreachable!("{hosts:?}") };
        assert_eq!((one.get_hosts(), one.get_ports()), (&[Host::Tcp("one".to_owned())][..], &[1][..]));
        assert_eq!((two.get_hosts(), two.get_ports()), (&[Host::Tcp("two".to_owned())][..], &[2][..]));
        assert_eq!(two.get_password(), Some(&b"secret"[..]));
        assert_eq!(two.get_application_name(), Some("test"));
        assert_eq!(two.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }
}
