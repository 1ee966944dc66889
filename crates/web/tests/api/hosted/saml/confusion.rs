//! Answers that are good, but another provider's, or for another address.

use super::*;
use crate::saml_provider::{ENTITY, OTHER, Provider};

const ANOTHERS: &str = "server_error: Invalid SAML response received: it is another provider's. ";
const NOT_HERE: &str = "server_error: Invalid SAML response received: it may not be shown here. ";

#[tokio::test]
async fn of_two_providers_neither_speaks_for_the_other() {
    let server = Server::memory().await;
    let scene = scene(&server, json!({}), &json!({"IDPInit": "true"})).await;
    let details = json!({"MetadataFile": OTHER.metadata(""), "IDPInit": "true"});
    let provider = json!({"UserPoolId": scene.pool, "ProviderName": "Other", "ProviderType": "SAML",
        "ProviderDetails": details, "AttributeMapping": {"email": "mail"}});
    server.call("CreateIdentityProvider", provider).await.ok();
    let members = client_members(json!({"SupportedIdentityProviders": ["Adfs", "Other"]}));
    let scene = Scene { client: server.client_id(&scene.pool, members).await, ..scene };

    // Who has left for one provider, and comes back with what one of them has signed.
    let asked_for = async |name: &str, by: &Provider, issuer: &str| {
        let browser = Browser::new(&server);
        let left = scene.leave_for(&browser, name).await;
        let answer = by.signed(&scene.answer(&left, &json!({"issuer": issuer})), "");
        scene.back(&browser, &left, &response(&answer, ADDRESS, &left.id)).await
    };
    // Who comes with what nobody has asked for.
    let unasked = async |name: &str, by: &Provider, issuer: &str| {
        let relay_state = asked(&scene.client, &[("identity_provider", name), ("state", "mine")]);
        let left = Left { id: String::new(), relay_state };
        let answer = by.signed(&scene.answer(&left, &json!({"request": null, "issuer": issuer})), "");
        scene.back(&Browser::new(&server), &left, &response(&answer, ADDRESS, "")).await
    };
    for (name, by, issuer, error) in [
        ("Adfs", &OTHER, OTHER.entity, ASSERTION_SIGNATURE),
        ("Adfs", &OTHER, ENTITY, ASSERTION_SIGNATURE),
        ("Adfs", &PROVIDER, OTHER.entity, ANOTHERS),
        ("Other", &PROVIDER, ENTITY, ASSERTION_SIGNATURE),
        ("Other", &PROVIDER, OTHER.entity, ASSERTION_SIGNATURE),
        ("Other", &OTHER, ENTITY, ANOTHERS),
    ] {
        assert_eq!(told(&asked_for(name, by, issuer).await), error, "{name} {issuer}");
        assert_eq!(told(&unasked(name, by, issuer).await), error, "{name} {issuer}");
    }
    // Each for itself: another user, although both call theirs alike, and another assertion with the same id.
    for (name, by) in [("Adfs", &PROVIDER), ("Other", &OTHER)] {
        let claims = scene.redeem(&asked_for(name, by, by.entity).await).await;
        assert_eq!(claims["cognito:username"], format!("{name}_Alice@idp"));
        assert_eq!(claims["identities"][0]["issuer"], by.entity);
    }
}

/// Of a pool with both domains, each host has its own address for answers (§17.1).
#[tokio::test]
async fn an_answer_is_for_the_host_that_it_was_sent_to() {
    const HOST: &str = "auth.example.com:9229";
    const OWN_ADDRESS: &str = "http://auth.example.com:9229/saml2/idpresponse";
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let certificate = json!({"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"});
    let request = json!({"UserPoolId": scene.pool, "Domain": "auth.example.com", "CustomDomainConfig": certificate});
    server.call("CreateUserPoolDomain", request).await.ok();
    let at = |address: &str| if address == ADDRESS { Browser::new(&server) } else { Browser::at_host(&server, HOST) };

    for (number, (own, other)) in [(ADDRESS, OWN_ADDRESS), (OWN_ADDRESS, ADDRESS)].into_iter().enumerate() {
        let query = asked(&scene.client, &[("identity_provider", "Adfs")]);
        let request = request_in(&location(&at(own).get(&format!("/oauth2/authorize?{query}")).await));
        assert!(request.contains(&format!(" AssertionConsumerServiceURL=\"{own}\" ")), "{request}");
        let sign_in = async |recipient: &str, destination: &str, back_at: &str| {
            let (browser, there) = (at(own), at(back_at));
            let left = scene.leave(&browser).await;
            there.cookies.borrow_mut().clone_from(&browser.cookies.borrow());
            let change = json!({"id": format!("_{number}"), "recipient": recipient});
            let message = response(&signed(&scene.answer(&left, &change)), destination, &left.id);
            scene.back(&there, &left, &message).await
        };
        for (recipient, destination, back_at) in
            [(other, own, own), (own, other, own), (other, other, own), (own, own, other)]
        {
            let refused = told(&sign_in(recipient, destination, back_at).await);
            assert_eq!(refused, NOT_HERE, "{recipient} {destination} {back_at}");
        }
        scene.redeem(&sign_in(own, own, own).await).await;
    }
}
