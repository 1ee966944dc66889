//! `ProviderDetails` by the type of the provider (oauth-federation.md §15.1): what must be there, what may, and what the
//! server adds.
//!
//! The metadata of a SAML provider come in the request, or are read from the address that it names, over https alone. One of
//! their certificates must be valid.
//!
//! Decision: nothing else is fetched when a provider is set up; what an OpenID Connect issuer publishes is read at sign-in.

use std::collections::BTreeMap;

use wire::IdentityProviderTypeType;

use saml::Metadata;

use crate::{
    ApiError, Ctx,
    saml_provider::{METADATA_FILE, METADATA_URL},
};

/// The key of the secret that OAuth providers share with the pool.
pub const CLIENT_SECRET: &str = "client_secret";
/// The key of the private key with which the pool proves itself to Apple.
pub const PRIVATE_KEY: &str = "private_key";
/// The version of Facebook's interface when nothing is said.
const FACEBOOK_VERSION: &str = "v17.0";
/// The one algorithm for signing requests to SAML providers.
const SIGNING_ALGORITHM: &str = "rsa-sha256";

/// Details in order.
#[derive(Debug)]
pub struct Details {
    /// What can be shown.
    pub plain: BTreeMap<String, String>,
    /// What is sealed.
    pub secrets: BTreeMap<String, String>,
}

/// Checks the details of a provider and completes them. With `has_private_key` the private key may be left out, since
/// there is one already.
///
/// # Errors
/// `InvalidParameterException` for the first key that is missing, unknown or wrong.
pub async fn of(
    ctx: &Ctx,
    kind: IdentityProviderTypeType,
    given: &BTreeMap<String, String>,
    has_private_key: bool,
) -> Result<Details, ApiError> {
    let (required, optional) = keys(kind);
    let missing = required.iter().copied().find(|key| {
        let is_given = given.get(*key).is_some_and(|value| !value.trim().is_empty());
        !(is_given || *key == PRIVATE_KEY && has_private_key)
    });
    // Decision: the service's words are not recorded.
    if let Some(key) = missing {
        return Err(refused(format!("{key} is required for identity providers of type {}.", kind.as_str())));
    }
    let is_known = |key: &str| required.contains(&key) || optional.contains(&key);
    if let Some(key) = given.keys().find(|key| !is_known(key)) {
        let key: String = key.chars().take(100).collect();
        return Err(refused(format!("{key} is not known for identity providers of type {}.", kind.as_str())));
    }
    let (secrets, mut plain): (BTreeMap<_, _>, BTreeMap<_, _>) =
        given.clone().into_iter().partition(|(key, _)| [CLIENT_SECRET, PRIVATE_KEY].contains(&key.as_str()));
    let added = match kind {
        IdentityProviderTypeType::Google => google(),
        IdentityProviderTypeType::Facebook => facebook(&mut plain)?,
        IdentityProviderTypeType::LoginWithAmazon => amazon(),
        IdentityProviderTypeType::SignInWithApple => apple(),
        IdentityProviderTypeType::Oidc => oidc(ctx, &plain)?,
        IdentityProviderTypeType::Saml => saml(ctx, &mut plain).await?,
    };
    plain.extend(added);
    Ok(Details { plain, secrets })
}

fn refused(message: String) -> ApiError {
    ApiError::invalid_parameter(format!("Invalid ProviderDetails: {message}"))
}

/// The keys that a request must have, and those that it may have: what the server adds itself may come back.
const fn keys(kind: IdentityProviderTypeType) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        IdentityProviderTypeType::Google => (
            &["client_id", CLIENT_SECRET, "authorize_scopes"],
            &[
                "attributes_url",
                "attributes_url_add_attributes",
                "authorize_url",
                "oidc_issuer",
                "token_request_method",
                "token_url",
            ],
        ),
        IdentityProviderTypeType::Facebook => (
            &["client_id", CLIENT_SECRET, "authorize_scopes"],
            &[
                "api_version",
                "attributes_url",
                "attributes_url_add_attributes",
                "authorize_url",
                "token_request_method",
                "token_url",
            ],
        ),
        IdentityProviderTypeType::LoginWithAmazon => (
            &["client_id", CLIENT_SECRET, "authorize_scopes"],
            &["attributes_url", "attributes_url_add_attributes", "authorize_url", "token_request_method", "token_url"],
        ),
        IdentityProviderTypeType::SignInWithApple => (
            &["client_id", "team_id", "key_id", PRIVATE_KEY, "authorize_scopes"],
            &["attributes_url_add_attributes", "authorize_url", "oidc_issuer", "token_request_method", "token_url"],
        ),
        IdentityProviderTypeType::Oidc => (
            &["client_id", "attributes_request_method", "oidc_issuer", "authorize_scopes"],
            &[
                CLIENT_SECRET,
                "authorize_url",
                "token_url",
                "attributes_url",
                "jwks_uri",
                "attributes_url_add_attributes",
            ],
        ),
        IdentityProviderTypeType::Saml => (
            &[],
            &[
                METADATA_URL,
                METADATA_FILE,
                "IDPSignout",
                "IDPInit",
                "EncryptedResponses",
                "RequestSigningAlgorithm",
                "SSORedirectBindingURI",
                "SLORedirectBindingURI",
            ],
        ),
    }
}

fn added<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn google() -> BTreeMap<String, String> {
    added([
        ("attributes_url", "https://people.googleapis.com/v1/people/me?personFields="),
        ("attributes_url_add_attributes", "true"),
        ("authorize_url", "https://accounts.google.com/o/oauth2/v2/auth"),
        ("oidc_issuer", "https://accounts.google.com"),
        ("token_request_method", "POST"),
        ("token_url", "https://www.googleapis.com/oauth2/v4/token"),
    ])
}

fn facebook(plain: &mut BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ApiError> {
    let version = plain.entry("api_version".to_owned()).or_insert_with(|| FACEBOOK_VERSION.to_owned()).clone();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = version.strip_prefix('v').and_then(|number| number.split_once('.'));
    if !parts.is_some_and(|(major, minor)| is_number(major) && is_number(minor)) || version.len() > 16 {
        return Err(refused(format!("api_version must look like {FACEBOOK_VERSION}.")));
    }
    Ok(added([
        ("attributes_url", &format!("https://graph.facebook.com/{version}/me?fields=")),
        ("attributes_url_add_attributes", "true"),
        ("authorize_url", &format!("https://www.facebook.com/{version}/dialog/oauth")),
        ("token_request_method", "GET"),
        ("token_url", &format!("https://graph.facebook.com/{version}/oauth/access_token")),
    ]))
}

fn amazon() -> BTreeMap<String, String> {
    added([
        ("attributes_url", "https://api.amazon.com/user/profile"),
        ("attributes_url_add_attributes", "false"),
        ("authorize_url", "https://www.amazon.com/ap/oa"),
        ("token_request_method", "POST"),
        ("token_url", "https://api.amazon.com/auth/o2/token"),
    ])
}

fn apple() -> BTreeMap<String, String> {
    added([
        ("attributes_url_add_attributes", "false"),
        ("authorize_url", "https://appleid.apple.com/auth/authorize"),
        ("oidc_issuer", "https://appleid.apple.com"),
        ("token_request_method", "POST"),
        ("token_url", "https://appleid.apple.com/auth/token"),
    ])
}

fn oidc(ctx: &Ctx, plain: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ApiError> {
    let value = |key: &str| plain.get(key).map(String::as_str).unwrap_or_default();
    if !["GET", "POST"].contains(&value("attributes_request_method")) {
        return Err(refused("attributes_request_method must be GET or POST.".to_owned()));
    }
    if !value("authorize_scopes").split_whitespace().any(|scope| scope == "openid") {
        return Err(refused("authorize_scopes must include openid.".to_owned()));
    }
    let issuer = value("oidc_issuer");
    if !ctx.app.issuers.reach(issuer) || issuer.ends_with('/') {
        return Err(refused("oidc_issuer must be an https URL on port 443 or 80 without a trailing slash.".to_owned()));
    }
    for key in ["authorize_url", "token_url", "attributes_url", "jwks_uri"] {
        if plain.get(key).is_some_and(|url| !ctx.app.issuers.reach(url)) {
            return Err(refused(format!("{key} must be an https URL on port 443 or 80.")));
        }
    }
    Ok(added([("attributes_url_add_attributes", "false")]))
}

/// An absolute https URL with a host, no user and no fragment, on one of the two ports that the service goes to.
pub fn is_https(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (host, port) = authority.rsplit_once(':').map_or((authority, "443"), |(host, port)| (host, port));
    let is_clean = url.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"#\\<>\"".contains(c));
    is_clean && !host.is_empty() && !host.contains('@') && ["443", "80"].contains(&port)
}

/// An absolute URL of a server on this machine, over http or https and on any port, without a user and a fragment.
pub fn is_on_this_machine(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let is_port = |text: &str| text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let is_clean = url.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"#\\<>\"".contains(c));
    let hosts = ["localhost", "127.0.0.1", "[::1]"];
    let mut ports = hosts.iter().filter_map(|host| authority.strip_prefix(host));
    is_clean && ports.any(|port| port.is_empty() || is_port(port))
}

async fn saml(ctx: &Ctx, plain: &mut BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ApiError> {
    for key in ["IDPSignout", "IDPInit", "EncryptedResponses"] {
        if plain.get(key).is_some_and(|value| !["true", "false"].contains(&value.as_str())) {
            return Err(refused(format!("{key} must be true or false.")));
        }
    }
    if plain.get("RequestSigningAlgorithm").is_some_and(|algorithm| algorithm != SIGNING_ALGORITHM) {
        return Err(refused(format!("RequestSigningAlgorithm must be {SIGNING_ALGORITHM}.")));
    }
    for (key, refusal) in
        [("EncryptedResponses", "ProviderDetails.EncryptedResponses"), ("IDPSignout", "ProviderDetails.IDPSignout")]
    {
        if plain.get(key).is_some_and(|value| value == "true") {
            return Err(ApiError::not_supported(refusal));
        }
    }
    let metadata = match (plain.get(METADATA_URL), plain.get(METADATA_FILE)) {
        (None, Some(file)) => Metadata::read(file),
        (Some(url), None) => at_address(ctx, url).await?,
        (None, None) | (Some(_), Some(_)) => {
            return Err(refused(format!("exactly one of {METADATA_URL} and {METADATA_FILE} is required.")));
        }
    };
    let metadata = metadata.map_err(ApiError::invalid_parameter)?;
    // Decision: the service's words are not recorded.
    metadata.check_certificates(ctx.now).map_err(ApiError::invalid_parameter)?;
    // What the metadata say counts, whatever an answer that comes back says.
    plain.remove("SLORedirectBindingURI");
    let mut added = added([("SSORedirectBindingURI", &metadata.sign_in)]);
    added.extend(metadata.sign_out.map(|sign_out| ("SLORedirectBindingURI".to_owned(), sign_out)));
    Ok(added)
}

/// The metadata at an address, or what is wrong with what is there.
async fn at_address(ctx: &Ctx, url: &str) -> Result<Result<Metadata, String>, ApiError> {
    if !ctx.app.issuers.reach(url) {
        return Err(refused(format!("{METADATA_URL} must be an https URL on port 443 or 80.")));
    }
    let read = ctx.app.issuers.metadata(url, ctx.now).await;
    // Decision: why, the log says; whoever makes providers learns nothing of what the server can reach.
    let read = read.map_err(|_| ApiError::invalid_parameter(format!("Error retrieving metadata from {url}")))?;
    Ok(Result::clone(&read))
}

#[cfg(test)]
mod tests {
    use super::{is_https, is_on_this_machine};

    #[test]
    fn this_machine_is_known_by_its_names() {
        for good in
            ["http://localhost", "http://127.0.0.1:9229/us-east-1_abc", "https://[::1]:8443/x", "http://localhost/?x"]
        {
            assert!(is_on_this_machine(good), "{good}");
        }
        for bad in [
            "",
            "localhost",
            "ftp://localhost",
            "http://localhost.example",
            "http://localhost:80@a.example",
            "http://localhost@a.example",
            "http://localhost:",
            "http://localhost:99999",
            "http://127.0.0.2",
            "http://10.0.0.1",
            "http://localhost/#x",
            "http://localhost\\@a.example",
            "HTTP://LOCALHOST",
        ] {
            assert!(!is_on_this_machine(bad), "{bad}");
        }
    }

    #[test]
    fn only_encrypted_addresses_on_the_usual_ports_are_taken() {
        for good in ["https://a.example", "https://a.example:443/x", "https://a.example:80", "https://a.example/x?y"] {
            assert!(is_https(good), "{good}");
        }
        for bad in [
            "",
            "http://a.example",
            "https://",
            "https://:443",
            "https://a.example:8443",
            "https://a.example:",
            "https://user@a.example",
            "https://a.example/#x",
            "https://a.example/ x",
            "https://a.example\\@b.example",
            "ftp://a.example",
        ] {
            assert!(!is_https(bad), "{bad}");
        }
    }
}
