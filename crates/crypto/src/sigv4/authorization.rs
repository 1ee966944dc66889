//! Reading the `Authorization` header:
//! `AWS4-HMAC-SHA256 Credential=<key>/<yyyymmdd>/<region>/<service>/aws4_request, SignedHeaders=<a;b>, Signature=<hex>`.

use super::{MOST_HEADERS, SigV4Error, SignedRequest, date};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a signed request says about itself, not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The access key.
    pub access_key_id: String,
    /// The date of the scope, `YYYYMMDD` when it is right.
    pub date: String,
    /// The region of the scope.
    pub region: String,
    /// The service of the scope.
    pub service: String,
    /// The end of the scope, `aws4_request` when it is right.
    pub terminator: String,
    /// The headers that are signed, as listed.
    pub signed_headers: Vec<String>,
    /// The signature, 64 hexadecimal digits when it is right.
    pub signature: String,
    /// When the request was made by its own account: seconds since 1970, from `X-Amz-Date` or else `Date`.
    pub timestamp: i64,
}

impl Credential {
    /// Whether a header is in the list.
    pub(super) fn signs(&self, name: &str) -> bool {
        self.signed_headers.iter().any(|signed| signed == name)
    }
}

/// Reads the credential of a request, without checking anything but its form.
///
/// # Errors
/// [`MissingAuthenticationToken`](super::SigV4ErrorKind::MissingAuthenticationToken) without an `Authorization`
/// header; [`IncompleteSignature`](super::SigV4ErrorKind::IncompleteSignature) when a part is missing, listing all
/// that are.
pub fn parse_authorization(request: &SignedRequest<'_>) -> Result<Credential, SigV4Error> {
    let sent = request.header("authorization").ok_or_else(SigV4Error::missing)?;
    let parameters = parameters(&sent);
    let parameter = |name: &str| {
        let mut values = parameters.iter().filter(|(other, _)| *other == name).map(|(_, value)| *value);
        // A part that is there twice is as bad as none: which one was meant?
        values.next().filter(|value| !value.is_empty() && values.next().is_none())
    };
    let (credential, signature, signed_headers) =
        (parameter("Credential"), parameter("Signature"), parameter("SignedHeaders"));
    let date = request.header("x-amz-date").or_else(|| request.header("date"));
    let (Some(credential), Some(signature), Some(signed_headers), Some(date)) =
        (credential, signature, signed_headers, &date)
    else {
        let faults = [
            (credential.is_none(), "Authorization header requires 'Credential' parameter."),
            (signature.is_none(), "Authorization header requires 'Signature' parameter."),
            (signed_headers.is_none(), "Authorization header requires 'SignedHeaders' parameter."),
            (date.is_none(), "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."),
        ];
        let faults: Vec<&str> = faults.into_iter().filter(|(applies, _)| *applies).map(|(_, text)| text).collect();
        return Err(SigV4Error::incomplete(format!("{} Authorization={sent}", faults.join(" "))));
    };
    let timestamp = date::parse(date.trim())
        .ok_or_else(|| SigV4Error::incomplete(format!("Date must be in ISO-8601 'basic format'. Got '{date}'.")))?;
    let signed_headers: Vec<String> = signed_headers.split(';').map(str::to_owned).collect();
    if signed_headers.len() > MOST_HEADERS {
        return Err(SigV4Error::incomplete(format!("Authorization header signs more than {MOST_HEADERS} headers.")));
    }
    let parts: Vec<&str> = credential.split('/').collect();
    let [access_key_id, scope_date, region, service, terminator] = parts.as_slice() else {
        return Err(SigV4Error::incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
             '{credential}'"
        )));
    };
    Ok(Credential {
        access_key_id: (*access_key_id).to_owned(),
        date: (*scope_date).to_owned(),
        region: (*region).to_owned(),
        service: (*service).to_owned(),
        terminator: (*terminator).to_owned(),
        signed_headers,
        signature: signature.to_owned(),
        timestamp,
    })
}

/// The `name=value` pairs after the algorithm; none when the algorithm is another.
fn parameters(sent: &str) -> Vec<(&str, &str)> {
    let rest = sent.trim().strip_prefix(ALGORITHM).filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or_default();
    rest.split(',').filter_map(|pair| pair.trim().split_once('=')).collect()
}
