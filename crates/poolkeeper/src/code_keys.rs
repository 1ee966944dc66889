//! The keys with which codes are encrypted for functions that send messages: which one, by the ARN that a pool names.

use std::{fmt, sync::Arc};

use crypto::seal::KeyRing;
use domain::Entropy;
use functions::ArnPattern;
use service::triggers::{
    CodeKeys, Encrypting, LocalKeys, NoCodeKeys, RawKey,
    code_keys::{draft, seal},
};

use crate::{
    configuration::{KmsKey, KmsKeySection},
    mode::Mode,
};

/// The keys of the configuration. What it does not name, `dev` plays itself, and `serve` does not have.
///
/// # Errors
/// When one of them cannot be used.
pub async fn open(mode: Mode, sections: &[KmsKeySection], ring: &Arc<KeyRing>) -> anyhow::Result<Arc<dyn CodeKeys>> {
    let mut keys: Vec<(ArnPattern, Arc<dyn CodeKeys>)> = Vec::new();
    for section in sections {
        let key: Arc<dyn CodeKeys> = match section.key()? {
            KmsKey::Local => Arc::new(LocalKeys(ring.clone())),
            KmsKey::Raw(key) => Arc::new(RawKey(key)),
            KmsKey::Aws(settings) => Arc::new(AwsKeys(aws::Connection::open(&settings).await?.kms())),
        };
        keys.push((ArnPattern::new(&section.arn), key));
    }
    let others: Arc<dyn CodeKeys> = match mode {
        Mode::Dev => Arc::new(LocalKeys(ring.clone())),
        Mode::Serve => Arc::new(NoCodeKeys),
    };
    Ok(Arc::new(Choice { keys, others }))
}

/// Keys by pattern; the first that matches counts.
struct Choice {
    keys: Vec<(ArnPattern, Arc<dyn CodeKeys>)>,
    others: Arc<dyn CodeKeys>,
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(pattern, _)| pattern)).finish()
    }
}

impl Choice {
    fn of(&self, key_arn: &str) -> &dyn CodeKeys {
        let named = self.keys.iter().find(|(pattern, _)| pattern.matches(key_arn));
        &**named.map_or(&self.others, |(_, key)| key)
    }
}

impl CodeKeys for Choice {
    fn knows(&self, key_arn: &str) -> bool {
        self.of(key_arn).knows(key_arn)
    }

    fn encrypt(&self, key_arn: &str, pool_id: &str, plaintext: String, entropy: Arc<dyn Entropy>) -> Encrypting {
        self.of(key_arn).encrypt(key_arn, pool_id, plaintext, entropy)
    }
}

/// Keys of AWS KMS, which is asked for a data key for each message.
#[derive(Debug)]
struct AwsKeys(aws::Kms);

impl CodeKeys for AwsKeys {
    fn knows(&self, _: &str) -> bool {
        // Only a call shows whether it is there.
        true
    }

    fn encrypt(&self, key_arn: &str, pool_id: &str, plaintext: String, entropy: Arc<dyn Entropy>) -> Encrypting {
        let (kms, key_arn, pool_id) = (self.0.clone(), key_arn.to_owned(), pool_id.to_owned());
        Box::pin(async move {
            let draft = draft(&pool_id)?;
            let data_key = kms.generate_data_key(&key_arn, draft.context()).await.map_err(|error| error.to_string())?;
            seal(draft, &data_key, &plaintext, &*entropy)
        })
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use crypto::{
        envelope::{OpenError, open as open_message},
        random::SystemEntropy,
        seal::MasterKey,
    };

    use super::*;
    use crate::configuration::Configuration;

    const ACCOUNT: &str = "arn:aws:kms:eu-west-1:000000000000";

    /// Who encrypted the data key of a message under this key.
    async fn provider(keys: &dyn CodeKeys, arn: &str) -> Result<String, String> {
        let encrypting = keys.encrypt(arn, "eu-west-1_AbCdEf123", "123456".to_owned(), Arc::new(SystemEntropy));
        let message = STANDARD.decode(encrypting.await?).unwrap();
        let mut provider = String::new();
        let outcome = open_message(&message, |encrypted, _| {
            provider.clone_from(&encrypted.provider);
            None
        });
        assert_eq!(outcome, Err(OpenError::NoDataKey));
        Ok(provider)
    }

    #[tokio::test]
    async fn the_first_pattern_counts_and_the_mode_decides_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw.key");
        std::fs::write(&path, STANDARD.encode([7; 32])).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nowhere = listener.local_addr().unwrap();
        drop(listener);
        let text = format!(
            "[[kms_keys]]\narn = \"{ACCOUNT}:key/raw-*\"\nkind = \"raw\"\nkey_file = {path:?}\nnamespace = \"shop\"\nname = \"codes\"\n\
             [[kms_keys]]\narn = \"{ACCOUNT}:key/local\"\nkind = \"local\"\n\
             [[kms_keys]]\narn = \"{ACCOUNT}:key/raw-never\"\nkind = \"local\"\n\
             [[kms_keys]]\narn = \"*:key/aws\"\nkind = \"aws\"\naws = {{ endpoint = \"http://{nowhere}\" }}\n"
        );
        let configuration = Configuration::parse(&text).unwrap();
        let ring = Arc::new(KeyRing::new(vec![MasterKey::generate(&SystemEntropy)]).unwrap());
        let dev = open(Mode::Dev, &configuration.kms_keys, &ring).await.unwrap();
        let serve = open(Mode::Serve, &configuration.kms_keys, &ring).await.unwrap();
        for keys in [&*dev, &*serve] {
            assert_eq!(provider(keys, &format!("{ACCOUNT}:key/raw-1")).await.unwrap(), "shop");
            assert_eq!(provider(keys, &format!("{ACCOUNT}:key/raw-never")).await.unwrap(), "shop");
            assert_eq!(provider(keys, &format!("{ACCOUNT}:key/local")).await.unwrap(), "aws-kms");
        }
        for (key, in_dev, in_serve) in
            [("raw-1", true, true), ("local", true, true), ("aws", true, true), ("other", true, false)]
        {
            let arn = format!("{ACCOUNT}:key/{key}");
            assert_eq!((dev.knows(&arn), serve.knows(&arn)), (in_dev, in_serve), "{key}");
        }
        assert_eq!(provider(&*dev, &format!("{ACCOUNT}:key/other")).await.unwrap(), "aws-kms");
        let refused = provider(&*serve, &format!("{ACCOUNT}:key/other")).await.unwrap_err();
        assert!(refused.contains("[[kms_keys]]") && refused.contains("key/other"), "{refused}");
    }
}
