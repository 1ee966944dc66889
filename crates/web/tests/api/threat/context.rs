//! From where somebody acts (triggers-security.md §15.5, §16): addresses and devices, as events show them.

use base64::{Engine, engine::general_purpose::STANDARD};
use testkit::Answer;

use super::{
    sign_in::{ABROAD, HOME, LAPTOP, PASSWORD, PHONE, Scene, context},
    *,
};

const BAD_ADDRESS: &str = "InvalidParameterException: IpAddress is not a valid IPv4 or IPv6 address.";

/// What a script says of its device, signed with the client's id.
pub fn encoded_data(client: &str, data: &Value) -> String {
    let payload = json!({
        "contextData": data, "username": "alice", "userPoolId": "", "timestamp": "1767323045000",
    });
    let (payload, version) = (payload.to_string(), "JS20171115");
    let signature = crypto::hash::hmac_sha256_parts(client.as_bytes(), &[version.as_bytes(), payload.as_bytes()]);
    STANDARD
        .encode(json!({"payload": payload, "signature": STANDARD.encode(signature), "version": version}).to_string())
}

/// A sign-in of alice by InitiateAuth, at which the app says this; the client's secret, where it has one.
async fn initiate(scene: &Scene, (client, secret): (&str, Option<&str>), said: &Value) -> Answer {
    let mut parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD});
    if let Some(secret) = secret {
        parameters["SECRET_HASH"] = json!(crypto::hash::secret_hash("alice", client, secret));
    }
    let request = json!({
        "ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters, "UserContextData": said,
    });
    let answer = scene.server.call("InitiateAuth", request).await;
    scene.server.advance(1);
    answer
}

/// Where the newest event was.
async fn seen(scene: &Scene) -> Value {
    scene.events().await[0]["EventContextData"].clone()
}

/// The address of the newest event.
async fn address(scene: &Scene) -> Value {
    seen(scene).await["IpAddress"].clone()
}

#[tokio::test]
async fn an_address_that_a_trusted_client_names_counts() {
    let scene = Scene::new("AUDIT", json!({}), "OFF").await;
    let client = async |propagates: bool| {
        let members = json!({"GenerateSecret": true, "EnablePropagateAdditionalUserContextData": propagates});
        let client = scene.server.client(&scene.pool, members).await;
        let text = |name: &str| client[name].as_str().unwrap().to_owned();
        (text("ClientId"), text("ClientSecret"))
    };
    let (trusted, secret) = client(true).await;
    let proven = (trusted.as_str(), Some(secret.as_str()));
    initiate(&scene, proven, &json!({})).await.ok();
    let connection = address(&scene).await;
    assert_ne!(connection, HOME);
    for (named, shown) in [(HOME, HOME), ("::ffff:81.2.69.160", HOME), ("2001:DB8::0:1", "2001:db8::1")] {
        initiate(&scene, proven, &json!({"IpAddress": named})).await.ok();
        assert_eq!(address(&scene).await, shown);
    }
    initiate(&scene, proven, &json!({"IpAddress": HOME})).await.ok();
    assert_eq!(seen(&scene).await["Country"], "Switzerland");
    for wrong in ["", "localhost", "81.2.69.160:443", "81.2.69.0/24", " 81.2.69.160", "[::1]", "fe80::1%eth0"] {
        assert_eq!(initiate(&scene, proven, &json!({"IpAddress": wrong})).await.error(), BAD_ADDRESS, "{wrong}");
    }

    // Whoever has no secret, or is not to name addresses, may name any.
    let (doubted, secret) = client(false).await;
    for client in [(doubted.as_str(), Some(secret.as_str())), (scene.client.as_str(), None)] {
        for named in [HOME, "nowhere"] {
            initiate(&scene, client, &json!({"IpAddress": named})).await.ok();
            assert_eq!(address(&scene).await, connection);
        }
    }
    // The same of an operation that is no sign-in.
    let request = |client: (&str, &str), address: &str| {
        json!({
            "ClientId": client.0, "Username": "alice", "UserContextData": {"IpAddress": address},
            "SecretHash": crypto::hash::secret_hash("alice", client.0, client.1),
        })
    };
    let (trusted, secret) = (proven.0, proven.1.unwrap());
    scene.server.call("ForgotPassword", request((trusted, secret), HOME)).await.ok();
    assert_eq!(address(&scene).await, HOME);
    let refused = scene.server.call("ForgotPassword", request((trusted, secret), "nowhere")).await;
    assert_eq!(refused.error(), BAD_ADDRESS);
}

#[tokio::test]
async fn what_scripts_say_of_their_device_is_shown() {
    let scene = Scene::new("AUDIT", json!({}), "OFF").await;
    let client = (scene.client.as_str(), None);
    let data = json!({"UserAgent": LAPTOP, "DeviceId": "device", "ClientTimezone": "-07:00"});
    let encoded = encoded_data(client.0, &data);
    initiate(&scene, client, &json!({"EncodedData": encoded})).await.ok();
    let connection = address(&scene).await;
    let expected = json!({
        "IpAddress": connection, "DeviceName": "Chrome 126, Windows 10", "Timezone": "-07:00", "City": "null",
        "Country": "null",
    });
    assert_eq!(seen(&scene).await, expected);

    // Offsets in odd forms are shown as they are.
    for timezone in [".5:30", "-.5:30", "75:45"] {
        let encoded = encoded_data(client.0, &json!({"ClientTimezone": timezone}));
        initiate(&scene, client, &json!({"EncodedData": encoded})).await.ok();
        assert_eq!(seen(&scene).await["Timezone"], timezone);
    }

    // What is not good is as if it had not been said.
    let of_another = encoded_data("another", &data);
    let too_long = encoded_data(client.0, &with(data, &json!({"DeviceFingerprint": "x".repeat(20_000)})));
    for wrong in ["", "placeholder", &encoded[..encoded.len() - 8], &of_another, &too_long] {
        initiate(&scene, client, &json!({"EncodedData": wrong})).await.ok();
        let seen = seen(&scene).await;
        assert_eq!((&seen["DeviceName"], &seen["Timezone"]), (&json!("Other, Other"), &Value::Null), "{wrong}");
    }
}

#[tokio::test]
async fn an_administrators_server_names_address_and_browser() {
    let scene = Scene::new("AUDIT", json!({}), "OFF").await;
    scene.signs_in(HOME, PHONE).await;
    let expected = json!({"IpAddress": HOME, "DeviceName": "Firefox 128, Linux", "Country": "Switzerland"});
    assert_eq!(with(seen(&scene).await, &expected), seen(&scene).await);
    let begin = async |said: Value| {
        let request = json!({
            "UserPoolId": scene.pool, "ClientId": scene.client, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": "alice", "PASSWORD": PASSWORD}, "ContextData": said,
        });
        let answer = scene.server.call("AdminInitiateAuth", request).await;
        scene.server.advance(1);
        answer
    };
    // What the app itself says goes before the header.
    let encoded = encoded_data(&scene.client, &json!({"UserAgent": LAPTOP, "DeviceId": "device"}));
    begin(with(context(ABROAD, PHONE), &json!({"EncodedData": encoded}))).await.ok();
    let expected = json!({"IpAddress": ABROAD, "DeviceName": "Chrome 126, Windows 10", "Country": "Norway"});
    assert_eq!(with(seen(&scene).await, &expected), seen(&scene).await);
    // Headers may have any case, no value, or be too long to be looked at.
    for (headers, name) in [
        (json!([{"headerName": "X"}, {}, {"headerName": "user-agent", "headerValue": PHONE}]), "Firefox 128, Linux"),
        (json!([{"headerName": "User-Agent"}]), "Other, Other"),
        (json!([{"headerName": "User-Agent", "headerValue": PHONE.repeat(20)}]), "Other, Other"),
        (json!([]), "Other, Other"),
    ] {
        begin(with(context(HOME, ""), &json!({"HttpHeaders": headers}))).await.ok();
        assert_eq!(seen(&scene).await["DeviceName"], name);
    }
    assert_eq!(begin(context("nowhere", PHONE)).await.error(), BAD_ADDRESS);
}

/// Where threat protection is off, nobody looks at what is said.
#[tokio::test]
async fn nothing_is_looked_at_where_it_is_off() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    let request = json!({
        "UserPoolId": pool, "ClientId": client, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
        "AuthParameters": {"USERNAME": "alice", "PASSWORD": PASSWORD}, "ContextData": context("nowhere", PHONE),
    });
    server.call("AdminInitiateAuth", request).await.ok();
}
