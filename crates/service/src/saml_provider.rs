//! SAML providers of pools (oauth-federation.md §15.1, §17): their metadata, and what a pool is called towards them.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{IdentityProvider, Spent};
use saml::{Assertion, Metadata};
use wire::Timestamp;

use crate::Ctx;

/// The key of metadata that came with the provider.
pub(crate) const METADATA_FILE: &str = "MetadataFile";
/// The key of the address at which they are found.
pub(crate) const METADATA_URL: &str = "MetadataURL";

/// The metadata of a provider: those that came with it, or those at its address, which count for six hours or until the
/// moment that they name.
///
/// # Errors
/// When they cannot be read, in words for the log.
pub(crate) async fn metadata(ctx: &Ctx, provider: &IdentityProvider) -> Result<Arc<Metadata>, String> {
    if let Some(file) = provider.details.get(METADATA_FILE) {
        return Metadata::read(file).map(Arc::new);
    }
    let url = provider.details.get(METADATA_URL).ok_or("the provider has no metadata")?;
    let read = ctx.app.issuers.metadata(url, ctx.now).await.map_err(|unanswered| format!("{unanswered:?}"))?;
    let metadata = Result::clone(&read)?;
    // Decision: metadata that came in a file count as long as they are there; nobody could get others.
    if metadata.valid_until.is_some_and(|until| until <= ctx.now) {
        return Err("the metadata have expired".to_owned());
    }
    Ok(Arc::new(metadata))
}

/// What a pool is called by providers: its entity id, and the audience of their assertions.
pub(crate) fn entity_id(pool_id: &str) -> String {
    format!("urn:amazon:cognito:sp:{pool_id}")
}

/// Where providers send their answers, below the address of a domain.
pub(crate) fn answer_address(base: &str) -> String {
    format!("{base}/saml2/idpresponse")
}

/// The mark that an assertion was used, which it may be once. `until` is when it would be refused anyway.
pub(crate) fn spent(provider: &IdentityProvider, assertion: &Assertion, until: Timestamp) -> Spent {
    let fields = [provider.pool_id.as_bytes(), assertion.issuer.as_bytes(), assertion.id.as_bytes()];
    // The key makes it a hash of fields with their lengths; it hides nothing.
    let hash = crypto::hash::hmac_sha256_fields(b"SAML assertions", &fields);
    Spent { id: URL_SAFE_NO_PAD.encode(hash), expires_at: until }
}
