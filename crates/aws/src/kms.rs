//! Keys of AWS KMS, for the codes of custom senders (triggers-security.md §12).

use std::{collections::HashMap, time::Duration};

use aws_sdk_kms::{Client, config::Builder, primitives::Blob, types::DataKeySpec};
use aws_smithy_types::retry::RetryConfig;
use crypto::envelope::{Context, DataKey, EncryptedDataKey, KMS_PROVIDER};
use zeroize::Zeroizing;

use crate::{
    CallError, Connection,
    connection::{region_of, within},
    failure::UNREADABLE,
};

/// How long a call may take, with all its tries.
const LONGEST: Duration = Duration::from_secs(5);
/// How often a call is tried: a data key too many does no harm.
const TRIES: u32 = 3;

/// Asks KMS for data keys.
#[derive(Clone, Debug)]
pub struct Kms {
    client: Client,
    region_is_given: bool,
}

impl Kms {
    pub(crate) fn new(connection: &Connection) -> Self {
        let retries = RetryConfig::standard().with_max_attempts(TRIES);
        let config = Builder::from(connection.config()).timeout_config(within(LONGEST)).retry_config(retries).build();
        Self { client: Client::from_conf(config), region_is_given: connection.region_is_given() }
    }

    /// A new data key, encrypted under the key with this ARN for this context. The server needs
    /// `kms:GenerateDataKey` on the key.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn generate_data_key(&self, key_arn: &str, context: &Context) -> Result<DataKey, CallError> {
        let call = self
            .client
            .generate_data_key()
            .key_id(key_arn)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(Some(pairs(context)));
        let answer = call.customize().config_override(self.region_of(key_arn)).send().await;
        let answer = answer.map_err(|error| CallError::new("KMS", &error))?;
        let plaintext = answer.plaintext.as_ref().and_then(data_key).ok_or_else(unreadable)?;
        let ciphertext = answer.ciphertext_blob.map(Blob::into_inner).filter(|blob| !blob.is_empty());
        let encrypted = EncryptedDataKey {
            provider: KMS_PROVIDER.to_owned(),
            // Where the configured key is an alias, receivers are told the key itself, as the SDKs do it.
            info: answer.key_id.unwrap_or_else(|| key_arn.to_owned()).into_bytes(),
            ciphertext: ciphertext.ok_or_else(unreadable)?,
        };
        Ok(DataKey { plaintext, encrypted })
    }

    /// Whether the key with this ARN can be used; it is not. The server needs `kms:DescribeKey`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn is_enabled(&self, key_arn: &str) -> Result<bool, CallError> {
        let call = self.client.describe_key().key_id(key_arn).customize();
        let answer = call.config_override(self.region_of(key_arn)).send().await;
        let answer = answer.map_err(|error| CallError::new("KMS", &error))?;
        Ok(answer.key_metadata.is_some_and(|key| key.enabled))
    }

    /// Decrypts a data key. The server needs `kms:Decrypt` on the key.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn decrypt(
        &self,
        key_arn: &str,
        ciphertext: &[u8],
        context: &Context,
    ) -> Result<Zeroizing<[u8; 32]>, CallError> {
        let call = self
            .client
            .decrypt()
            .key_id(key_arn)
            .ciphertext_blob(Blob::new(ciphertext))
            .set_encryption_context(Some(pairs(context)));
        let answer = call.customize().config_override(self.region_of(key_arn)).send().await;
        let answer = answer.map_err(|error| CallError::new("KMS", &error))?;
        answer.plaintext.as_ref().and_then(data_key).ok_or_else(unreadable)
    }

    /// What is different for this key: the region, unless one is given for all.
    fn region_of(&self, key_arn: &str) -> Builder {
        match region_of(key_arn, self.region_is_given) {
            Some(region) => Builder::new().region(region),
            None => Builder::new(),
        }
    }
}

fn pairs(context: &Context) -> HashMap<String, String> {
    context.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn data_key(plaintext: &Blob) -> Option<Zeroizing<[u8; 32]>> {
    plaintext.as_ref().try_into().ok().map(Zeroizing::new)
}

fn unreadable() -> CallError {
    CallError {
        service: "KMS",
        code: UNREADABLE.to_owned(),
        status: Some(200),
        detail: Some("the answer holds no data key of 32 bytes".to_owned()),
        advice: Some("Check that the configured endpoint is one of this service"),
    }
}
