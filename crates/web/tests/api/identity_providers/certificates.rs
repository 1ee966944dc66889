//! Certificates of SAML providers (oauth-federation.md §15.1): one must be valid when the provider is set up.

use super::*;

const UNREADABLE: &str = "InvalidParameterException: Invalid metadata: no certificate of the provider can be read.";
const INVALID: &str = "InvalidParameterException: Invalid metadata: no certificate of the provider is valid now, each has expired or begins later.";

/// The certificate with another validity, in base64: nobody looks at who has signed it.
fn changed(from: &[u8], to: &[u8]) -> String {
    let mut certificate = CERTIFICATE.to_vec();
    let at = certificate.windows(from.len()).position(|window| window == from).unwrap();
    certificate[at..at + to.len()].copy_from_slice(to);
    STANDARD.encode(certificate)
}

fn until(moment: &[u8; 15]) -> String {
    changed(b"20991231235959Z", moment)
}

fn from(moment: &[u8; 13]) -> String {
    changed(b"200101000000Z", moment)
}

fn details(keys: &str) -> Value {
    json!({"ProviderDetails": {"MetadataFile": with_keys(keys, SIGN_IN)}})
}

#[tokio::test]
async fn one_must_be_readable_and_valid() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    create(&server, &pool, "Acme", "SAML", &details(&key(&STANDARD.encode(CERTIFICATE)))).await.ok();
    let before = describe(&server, &pool, "Acme").await;
    let update = async |members: &Value| {
        let request = with(json!({"UserPoolId": pool, "ProviderName": "Acme"}), members);
        server.call("UpdateIdentityProvider", request).await
    };
    // The tests begin at 03:04:05 on 2 January 2026.
    let expired = key(&until(b"20260102030404Z"));
    let for_encryption =
        key(&STANDARD.encode(CERTIFICATE)).replace("<KeyDescriptor>", "<KeyDescriptor use=\"encryption\">");
    let url = "https://idp.example.com/expired";
    server.documents.publish(url, Document::Text(with_keys(&expired, SIGN_IN)));
    for (members, error) in [
        (details(&key("MII")), UNREADABLE),
        (details(&format!("{}{}", key("MII"), key(&"A".repeat(5_000)))), UNREADABLE),
        (details(&expired), INVALID),
        (details(&key(&from(b"260102030406Z"))), INVALID),
        (details(&format!("{expired}{}", key("MII"))), INVALID),
        (details(&format!("{expired}{for_encryption}")), INVALID),
        (json!({"ProviderDetails": {"MetadataURL": url}}), INVALID),
    ] {
        assert_eq!(create(&server, &pool, "Corp", "SAML", &members).await.error(), error, "{members}");
        assert_eq!(update(&members).await.error(), error, "{members}");
    }
    assert_eq!(describe(&server, &pool, "Acme").await, before);

    for (number, keys) in [
        key(&until(b"20260102030405Z")),
        key(&from(b"260102030405Z")),
        format!("{expired}{}", key(&STANDARD.encode(CERTIFICATE))),
        format!("{}{}", key("MII"), key(&STANDARD.encode(CERTIFICATE))),
    ]
    .iter()
    .enumerate()
    {
        create(&server, &pool, &format!("Corp{number}"), "SAML", &details(keys)).await.ok();
        update(&details(keys)).await.ok();
    }
    // What does not touch the metadata needs no valid certificate.
    server.advance(3_600);
    let named = json!({"UserPoolId": pool, "ProviderName": "Corp0", "AttributeMapping": {"email": "mail"}});
    server.call("UpdateIdentityProvider", named).await.ok();
}
