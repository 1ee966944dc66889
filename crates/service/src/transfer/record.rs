//! What stands in the lines of a file.

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::seal::{KeyRing, Purpose, SealError};
use domain::{
    Client, Device, Domain, Entropy, IdentityProvider, Password, PasswordHash, Pool, Sealed, SigningKeyRecord,
    SoftwareToken, Timestamp, User, UserPart, passkey::Passkey, software_token::secret_identity,
};
use serde::{Deserialize, Serialize};

use super::TransferError;
use crate::passwords;

/// The form that is described in the module's header. In form 1 users came without second factors, devices and passkeys;
/// a version that knows only that one must not read a file that has them, and leave them out.
const FORM: u64 = 2;
/// The oldest form that can be read.
const OLDEST_FORM: u64 = 1;

/// The first line, the only one that anybody can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    poolkeeper_export: u64,
    /// The version that wrote the file.
    pub version: String,
    /// The pool.
    pub user_pool_id: String,
    /// When it was written, in milliseconds since 1970.
    pub created_at: Timestamp,
    /// The id of the key that opens it.
    pub key_id: String,
    /// A random id of this file.
    id: String,
}

impl Header {
    /// For a new file.
    pub(super) fn new(pool_id: &str, key: &KeyRing, now: Timestamp, entropy: &dyn Entropy) -> Self {
        let mut id = [0; 16];
        entropy.fill(&mut id);
        Self {
            poolkeeper_export: FORM,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            user_pool_id: pool_id.to_owned(),
            created_at: now,
            key_id: key.active_id().to_owned(),
            id: STANDARD.encode(id),
        }
    }

    /// Reads the first line.
    pub(super) fn parse(line: &str) -> Result<Self, TransferError> {
        let damaged = |reason: String| TransferError::Damaged { line: 1, reason };
        let header: Self =
            serde_json::from_str(line).map_err(|_| damaged("this is not an export of Poolkeeper".to_owned()))?;
        if !(OLDEST_FORM..=FORM).contains(&header.poolkeeper_export) {
            let (form, version) = (header.poolkeeper_export, &header.version);
            return Err(damaged(format!("form {form}, written by Poolkeeper {version}, is not known to this version")));
        }
        Ok(header)
    }

    /// What line `number` (from 1; the header is line 1) is sealed for: all of the header is bound to it.
    fn identity(&self, number: u64) -> String {
        format!("{}\n{}\n{}\n{number}", self.id, self.user_pool_id, self.created_at.milliseconds())
    }

    /// A record as a line.
    pub(super) fn seal(
        &self,
        key: &KeyRing,
        entropy: &dyn Entropy,
        number: u64,
        record: &Record,
    ) -> Result<String, TransferError> {
        let json = serde_json::to_vec(record).map_err(std::io::Error::from)?;
        Ok(STANDARD.encode(key.seal_bytes(entropy, Purpose::Export, &self.identity(number), &json)))
    }

    /// The record in a line.
    pub(super) fn open(&self, key: &KeyRing, number: u64, line: &str) -> Result<Record, TransferError> {
        let damaged = |reason: &str| TransferError::Damaged { line: number, reason: reason.to_owned() };
        let sealed = STANDARD.decode(line).map_err(|_| damaged("this is not base64"))?;
        let opened = key.open_bytes(Purpose::Export, &self.identity(number), &sealed).map_err(|error| match error {
            SealError::UnknownKey => damaged("it was written for another key than the given one"),
            SealError::Malformed | SealError::Forged => damaged("it was changed, or is not where it was"),
        })?;
        serde_json::from_slice(&opened).map_err(|_| damaged("it holds something that this version does not know"))
    }
}

/// One thing of a pool. Where a noun holds a [`Sealed`] value, a record holds its content in base64: the line is sealed as
/// a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// The pool itself: always the first.
    Pool(Box<Pool>),
    /// A key that its tokens are signed with.
    SigningKey(Box<SigningKeyRecord>),
    /// An app client.
    Client(Box<Client>),
    /// A domain.
    Domain(Domain),
    /// A part without secrets, as the store keeps it.
    Part {
        /// The stored number of what it is.
        kind: i64,
        /// Its id.
        id: String,
        /// Its document.
        doc: String,
    },
    /// An identity provider.
    IdentityProvider(Box<IdentityProvider>),
    /// A user. All parts come before.
    User(Box<UserRecord>),
    /// The end.
    End {
        /// Records before this one.
        records: u64,
    },
}

/// A user with what belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserRecord {
    /// The user.
    pub user: User,
    /// The password in force and the earlier ones.
    pub password: Option<Password>,
    /// Names of the user's groups.
    pub groups: Vec<String>,
    /// The verified software token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_token: Option<SoftwareToken>,
    /// Confirmed devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Passkeys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passkeys: Vec<Passkey>,
}

impl UserRecord {
    /// Whether all of it is of the user, who is of this pool.
    pub(super) fn belongs_to(&self, pool_id: &str) -> bool {
        let sub = self.user.sub.as_str();
        let is_own = |owner: (&str, &str)| owner == (pool_id, sub);
        self.user.pool_id == pool_id
            && self.password.iter().all(|password| is_own((&password.pool_id, &password.sub)))
            && self.software_token.iter().all(|token| is_own((token.pool_id(), token.sub())))
            && self.devices.iter().all(|device| is_own((device.pool_id(), device.sub())))
            && self.passkeys.iter().all(|passkey| is_own((passkey.pool_id(), passkey.sub())))
    }

    fn each_secret(
        &mut self,
        change: &mut dyn FnMut(Purpose, &str, &mut Sealed) -> Result<(), TransferError>,
    ) -> Result<(), TransferError> {
        let (pool_id, sub) = (self.user.pool_id.as_str(), self.user.sub.as_str());
        if let Some(token) = &mut self.software_token {
            change(Purpose::SoftwareToken, &secret_identity(pool_id, sub), &mut token.secret)?;
        }
        for device in &mut self.devices {
            let identity = Device::identity(pool_id, sub, &device.key);
            change(Purpose::DeviceVerifier, &identity, &mut device.verifier)?;
        }
        let hashes = self.password.iter_mut();
        let mut hashes =
            hashes.flat_map(|password| std::iter::once(&mut password.current).chain(&mut password.history));
        hashes.try_for_each(|hash| match hash {
            PasswordHash::Srp { verifier, .. } => {
                change(Purpose::PasswordVerifier, &passwords::identity_of(pool_id, sub), verifier)
            }
            PasswordHash::Imported { hash } => {
                change(Purpose::PasswordVerifier, &passwords::imported_identity_of(pool_id, sub), hash)
            }
            PasswordHash::Argon2id { .. } => Ok(()),
        })
    }
}

impl Record {
    /// Opens every secret with the ring of this installation.
    pub(super) fn opened(mut self, ring: &KeyRing) -> Result<Self, TransferError> {
        self.each_secret(&mut |purpose, identity, value| {
            let plain = ring.open(purpose, identity, value)?;
            *value = Sealed(STANDARD.encode(plain));
            Ok(())
        })?;
        Ok(self)
    }

    /// Seals every secret with the ring of this installation. `line` is where the record stands.
    pub(super) fn sealed(mut self, ring: &KeyRing, entropy: &dyn Entropy, line: u64) -> Result<Self, TransferError> {
        self.each_secret(&mut |purpose, identity, value| {
            let plain = STANDARD
                .decode(&value.0)
                .map_err(|_| TransferError::Damaged { line, reason: "a secret is not base64".to_owned() })?;
            *value = ring.seal(entropy, purpose, identity, &plain);
            Ok(())
        })?;
        Ok(self)
    }

    fn each_secret(
        &mut self,
        change: &mut dyn FnMut(Purpose, &str, &mut Sealed) -> Result<(), TransferError>,
    ) -> Result<(), TransferError> {
        match self {
            Self::SigningKey(key) => change(Purpose::SigningKey, &key.kid, &mut key.private),
            Self::Client(client) => {
                let id = client.id.clone();
                client.secrets.iter_mut().try_for_each(|secret| change(Purpose::ClientSecret, &id, &mut secret.value))
            }
            Self::IdentityProvider(provider) => {
                let identities: Vec<String> =
                    provider.secrets.keys().map(|key| provider.secret_identity(key)).collect();
                let mut secrets = provider.secrets.values_mut().zip(&identities);
                secrets.try_for_each(|(value, identity)| change(Purpose::ProviderSecret, identity, value))
            }
            Self::User(record) => record.each_secret(change),
            Self::Pool(_) | Self::Domain(_) | Self::Part { .. } | Self::End { .. } => Ok(()),
        }
    }
}
