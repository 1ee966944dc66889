//! Who encrypts the codes that functions are told which send messages (triggers-security.md §12).

use std::{fmt, future::ready, pin::Pin, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::{
    envelope::{Context, DataKey, Draft, RawAesKey, local_key},
    seal::KeyRing,
};
use domain::Entropy;

/// Name under which the encryption context tells the pool.
const POOL: &str = "userpool-id";

/// Encrypts codes with the keys that pools name (`KMSKeyID`), as the operator has configured it.
pub trait CodeKeys: fmt::Debug + Send + Sync {
    /// Whether the configuration says where this key is. Whether it is really there, only [`CodeKeys::encrypt`] shows.
    fn knows(&self, key_arn: &str) -> bool;

    /// Encrypts a text for a function of the pool `pool_id` with the key `key_arn`: a message in the format of the AWS
    /// Encryption SDK, in base64, whose encryption context names the pool.
    ///
    /// # Errors
    /// Why that cannot be done, in words for the operator that hold nothing secret.
    fn encrypt(&self, key_arn: &str, pool_id: &str, plaintext: String, entropy: Arc<dyn Entropy>) -> Encrypting;
}

/// An encryption that is under way.
pub type Encrypting = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// There are no keys: no code can be told to a function.
#[derive(Debug)]
pub struct NoCodeKeys;

impl CodeKeys for NoCodeKeys {
    fn knows(&self, _: &str) -> bool {
        false
    }

    fn encrypt(&self, key_arn: &str, _: &str, _: String, _: Arc<dyn Entropy>) -> Encrypting {
        let reason = format!("no key is configured for {key_arn}; add it to [[kms_keys]] in the configuration file");
        Box::pin(ready(Err(reason)))
    }
}

/// This server in the place of KMS: functions decrypt with the KMS keyring of the AWS Encryption SDKs, and ask this server
/// (`AWS_ENDPOINT_URL_KMS`). It has every key that is asked for.
#[derive(Debug)]
pub struct LocalKeys(pub Arc<KeyRing>);

impl CodeKeys for LocalKeys {
    fn knows(&self, _: &str) -> bool {
        true
    }

    fn encrypt(&self, key_arn: &str, pool_id: &str, plaintext: String, entropy: Arc<dyn Entropy>) -> Encrypting {
        let encrypt = || {
            let draft = draft(pool_id)?;
            let data_key = local_key::data_key(&self.0, &*entropy, key_arn, draft.context());
            seal(draft, &data_key, &plaintext, &*entropy)
        };
        Box::pin(ready(encrypt()))
    }
}

/// An AES key that the functions have, too: they decrypt with the raw AES keyring of the AWS Encryption SDKs.
#[derive(Debug)]
pub struct RawKey(pub RawAesKey);

impl CodeKeys for RawKey {
    fn knows(&self, _: &str) -> bool {
        true
    }

    fn encrypt(&self, _: &str, pool_id: &str, plaintext: String, entropy: Arc<dyn Entropy>) -> Encrypting {
        let encrypt = || {
            let draft = draft(pool_id)?;
            let data_key = self.0.data_key(&*entropy, draft.context()).map_err(|error| error.to_string())?;
            seal(draft, &data_key, &plaintext, &*entropy)
        };
        Box::pin(ready(encrypt()))
    }
}

/// The beginning of a message for a function of this pool.
///
/// # Errors
/// In words for the operator.
pub fn draft(pool_id: &str) -> Result<Draft, String> {
    let context = Context::new([(POOL, pool_id)]).map_err(|error| error.to_string())?;
    Draft::new(context).map_err(|error| error.to_string())
}

/// The whole message in base64, with a data key for the context of its draft.
///
/// # Errors
/// In words for the operator.
pub fn seal(draft: Draft, data_key: &DataKey, plaintext: &str, entropy: &dyn Entropy) -> Result<String, String> {
    let message = draft.seal(entropy, data_key, plaintext.as_bytes()).map_err(|error| error.to_string())?;
    Ok(STANDARD.encode(message))
}

#[cfg(test)]
mod tests {
    use crypto::{
        envelope::{EncryptedDataKey, open},
        random::SystemEntropy,
        seal::MasterKey,
    };

    use super::*;

    const ARN: &str = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";

    async fn message(keys: &dyn CodeKeys) -> Vec<u8> {
        let encrypting = keys.encrypt(ARN, "us-east-1_AbCdEf123", "123456".to_owned(), Arc::new(SystemEntropy));
        STANDARD.decode(encrypting.await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn this_server_stands_in_for_kms() {
        let ring = Arc::new(KeyRing::new(vec![MasterKey::generate(&SystemEntropy)]).unwrap());
        let message = message(&LocalKeys(ring.clone())).await;
        let unwrap = |encrypted: &EncryptedDataKey, context: &Context| {
            assert_eq!((encrypted.provider.as_str(), encrypted.info.as_slice()), ("aws-kms", ARN.as_bytes()));
            let decrypted = local_key::decrypt(&ring, &encrypted.ciphertext, context)?;
            assert_eq!(decrypted.key_arn, ARN);
            Some(decrypted.plaintext)
        };
        let (plaintext, context) = open(&message, unwrap).unwrap();
        assert_eq!(plaintext, b"123456");
        assert_eq!(context.get("userpool-id"), Some("us-east-1_AbCdEf123"));
    }

    #[tokio::test]
    async fn functions_may_have_the_key_themselves() {
        let key = || RawAesKey::new("shop", "codes", &[7; 32]).unwrap();
        let message = message(&RawKey(key())).await;
        let (plaintext, _) = open(&message, |encrypted, context| key().decrypt(encrypted, context)).unwrap();
        assert_eq!(plaintext, b"123456");
    }

    #[tokio::test]
    async fn without_keys_nothing_is_told() {
        let encrypting = NoCodeKeys.encrypt(ARN, "p", "123456".to_owned(), Arc::new(SystemEntropy));
        let reason = encrypting.await.unwrap_err();
        assert!(!NoCodeKeys.knows(ARN));
        assert!(reason.contains(ARN) && reason.contains("[[kms_keys]]") && !reason.contains("123456"), "{reason}");
    }
}
