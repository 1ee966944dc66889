//! How a client proves itself at the token and revocation endpoints (oauth-federation.md §6; RFC 6749 §2.3.1): with HTTP
//! Basic, or with `client_id` and `client_secret` in the form; a public client only says which one it is.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Client, Pool};
use store::Stored;

use super::{Parameters, token::Refusal};
use crate::{Ctx, quotas, secret_hash};

/// What a request says of its client.
pub(super) struct Credentials {
    /// The client's id.
    pub(super) client_id: String,
    /// Its secret.
    pub(super) secret: Option<String>,
}

/// Reads the header, or the form where there is none.
///
/// # Errors
/// `invalid_request` when there is no client, when the header cannot be read, or when header and form both prove a
/// client or do not name the same one.
pub(super) fn credentials(authorization: Option<&str>, form: &Parameters) -> Result<Credentials, Refusal> {
    let malformed = || Refusal::Known("invalid_request", None);
    let (named, shown) = (form.get("client_id"), form.get("client_secret"));
    let Some(authorization) = authorization else {
        let client_id = named.ok_or_else(malformed)?.to_owned();
        return Ok(Credentials { client_id, secret: shown.map(str::to_owned) });
    };
    let credentials = basic(authorization).ok_or_else(malformed)?;
    if shown.is_some() || named.is_some_and(|named| named != credentials.client_id) {
        return Err(malformed());
    }
    Ok(credentials)
}

/// `Basic` with the base64 of `id:secret`. Many clients send an empty secret where there is none.
fn basic(authorization: &str) -> Option<Credentials> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (client_id, secret) = decoded.split_once(':')?;
    Some(Credentials {
        client_id: unescaped(client_id),
        secret: Some(unescaped(secret)).filter(|secret| !secret.is_empty()),
    })
}

/// Undoes what RFC 6749 asks clients to do with both parts.
///
/// Decision: a plus sign stands for itself. Secrets may have one and never a blank, and most clients escape nothing.
fn unescaped(text: &str) -> String {
    let escaped = text.replace('+', "%2B");
    let mut pairs = form_urlencoded::parse(escaped.as_bytes());
    match (pairs.next(), pairs.next()) {
        (Some((name, value)), None) if value.is_empty() => name.into_owned(),
        _ => text.to_owned(),
    }
}

/// The client of this pool that has proven itself.
///
/// # Errors
/// `invalid_client`, also for one that is not there; `TooManyRequestsException` while the address has guessed too often, or
/// the client comes too often.
pub(super) async fn client(ctx: &Ctx, pool: &Pool, credentials: &Credentials) -> Result<Arc<Stored<Client>>, Refusal> {
    let client = ctx.app.client(&credentials.client_id).await?.filter(|client| client.pool_id == pool.id);
    let client = client.ok_or(Refusal::Known("invalid_client", None))?;
    quotas::of_client_at_domain(ctx, &client.id)?;
    if secret_hash::proves_itself(ctx, &client, credentials.secret.as_deref())? {
        Ok(client)
    } else {
        Err(Refusal::Known("invalid_client", Some("invalid_client_secret".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::credentials;
    use crate::hosted::{Parameters, token::Refusal};

    fn read(authorization: Option<&str>, form: &str) -> String {
        match credentials(authorization, &Parameters::read(form.as_bytes()).unwrap()) {
            Ok(credentials) => format!("{} {:?}", credentials.client_id, credentials.secret),
            Err(Refusal::Known(error, _)) => error.to_owned(),
            Err(Refusal::Failed(error)) => error.to_string(),
        }
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn clients_prove_themselves_in_one_way() {
        let id = "client_id=abc";
        assert_eq!(read(None, id), "abc None");
        assert_eq!(read(None, "client_id=abc&client_secret=s%2B"), r#"abc Some("s+")"#);
        assert_eq!(read(None, "client_id=abc&client_secret="), "abc None");
        for text in ["abc:s+", "abc:s%2B", "a%62c:s%2b"] {
            assert_eq!(read(Some(&basic(text)), ""), r#"abc Some("s+")"#);
            assert_eq!(read(Some(&basic(text).replace("Basic", "bASIC")), id), r#"abc Some("s+")"#);
        }
        assert_eq!(read(Some(&basic("abc:")), ""), "abc None");
        assert_eq!(read(Some(&basic("abc:d:e")), ""), r#"abc Some("d:e")"#);
        assert_eq!(read(Some(&basic("abc:d=e&f")), ""), r#"abc Some("d=e&f")"#);
        for (authorization, form) in [
            (None, ""),
            (None, "client_secret=s"),
            (Some(basic("abc:s")), "client_id=abc&client_secret=s"),
            (Some(basic("abc:s")), "client_id=other"),
            (Some(basic("abc")), id),
            (Some("Basic".to_owned()), id),
            (Some("Basic !".to_owned()), id),
            (Some("Bearer abc".to_owned()), id),
            (Some(format!("Basic {}", STANDARD.encode(b"abc:\xff"))), id),
        ] {
            assert_eq!(read(authorization.as_deref(), form), "invalid_request", "{authorization:?} {form}");
        }
    }
}
