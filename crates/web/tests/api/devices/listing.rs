//! Devices as users and administrators see them.

use super::*;

#[tokio::test]
async fn devices_are_listed_by_page() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, challenging()).await;
        let mut keys = Vec::new();
        let mut access = String::new();
        for _ in 0..3 {
            let (device, token) = confirmed(&server, &client, "alice").await;
            keys.push(device.key);
            access = token;
        }
        confirmed(&server, &client, "bob").await;
        keys.sort();
        let list = async |limit: Option<i64>, token: Option<&str>| {
            let request = json!({"AccessToken": access, "Limit": limit, "PaginationToken": token});
            server.call("ListDevices", request).await
        };
        let admin_list = async |limit: Option<i64>, token: Option<&str>| {
            let request = json!({"UserPoolId": pool, "Username": "alice", "Limit": limit, "PaginationToken": token});
            server.call("AdminListDevices", request).await
        };
        let named = |answer: &Value| -> Vec<String> {
            let devices = answer["Devices"].as_array().unwrap().iter();
            devices.map(|device| device["DeviceKey"].as_str().unwrap().to_owned()).collect()
        };
        let all = list(None, None).await.ok();
        assert_eq!((named(&all), all.get("PaginationToken")), (keys.clone(), None));
        assert_eq!(named(&list(Some(0), None).await.ok()), keys);
        let all = admin_list(None, None).await.ok();
        assert_eq!((named(&all), all.get("PaginationToken")), (keys.clone(), None));

        let page = list(Some(2), None).await.ok();
        assert_eq!(named(&page), keys[..2]);
        let next = page["PaginationToken"].as_str().unwrap();
        let last = list(Some(2), Some(next)).await.ok();
        assert_eq!((named(&last), last.get("PaginationToken")), (keys[2..].to_vec(), None));
        let bad = "InvalidParameterException: Invalid pagination token";
        // A token is good for its own list only.
        assert_eq!(admin_list(Some(2), Some(next)).await.error(), bad);
        assert_eq!(list(None, Some("x")).await.error(), bad);
        let bob = token(&sign_in(&server, &client, "bob").await, "AccessToken");
        let request = json!({"AccessToken": bob, "PaginationToken": next});
        assert_eq!(server.call("ListDevices", request).await.error(), bad);
        let page = admin_list(Some(1), None).await.ok();
        let next = page["PaginationToken"].as_str().unwrap();
        assert_eq!(named(&admin_list(Some(1), Some(next)).await.ok()), keys[1..2]);
        assert!(list(Some(61), None).await.error().contains("validation error"));

        for (operation, error) in [
            ("AdminListDevices", "ResourceNotFoundException: User does not exist."),
            ("AdminGetDevice", "ResourceNotFoundException: User does not exist."),
            ("AdminForgetDevice", NO_USER),
            ("AdminUpdateDeviceStatus", NO_USER),
        ] {
            let request = |pool: &str| json!({"UserPoolId": pool, "Username": "nobody", "DeviceKey": keys[0]});
            assert_eq!(server.call(operation, request(&pool)).await.error(), error, "{operation}");
            let no_pool = "ResourceNotFoundException: User pool us-east-1_Unknown00 does not exist.";
            assert_eq!(server.call(operation, request("us-east-1_Unknown00")).await.error(), no_pool);
        }
        let without_status = "InvalidParameterException: Missing required parameter DeviceRememberedStatus";
        let request = json!({"AccessToken": access, "DeviceKey": keys[0]});
        assert_eq!(server.call("UpdateDeviceStatus", request).await.error(), without_status);
        for operation in ["GetDevice", "ForgetDevice"] {
            let without_token = "InvalidParameterException: Missing required parameter AccessToken";
            assert_eq!(server.call(operation, json!({"DeviceKey": keys[0]})).await.error(), without_token);
        }
        let request = json!({"UserPoolId": pool, "Username": "alice", "DeviceKey": keys[0]});
        assert_eq!(server.call("AdminForgetDevice", request.clone()).await.ok(), Value::Null);
        assert_eq!(server.call("AdminForgetDevice", request.clone()).await.error(), NO_DEVICE);
        assert_eq!(server.call("AdminGetDevice", request).await.error(), NO_DEVICE);
        assert_eq!(named(&list(None, None).await.ok()), keys[1..]);
    })
    .await;
}

#[tokio::test]
async fn administrators_see_what_confirmed_a_device() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, challenging()).await;
    let first = sign_in(&server, &client, "alice").await;
    let device = Device::new(&first);
    let body = json!({
        "AccessToken": token(&first, "AccessToken"), "DeviceKey": device.key,
        "DeviceSecretVerifierConfig": device.verifier(),
    });
    let request = http::Request::builder()
        .method("POST")
        .uri("/")
        .header("host", "127.0.0.1:9229")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "AWSCognitoIdentityProviderService.ConfirmDevice")
        .header("user-agent", "a".repeat(1_000))
        .body(body.to_string().into())
        .unwrap();
    server.request(request).await.ok();
    let request = json!({"UserPoolId": pool, "Username": "alice", "DeviceKey": device.key});
    let answer = server.call("AdminGetDevice", request).await.ok();
    let attributes = answer["Device"]["DeviceAttributes"].as_array().unwrap();
    let software = json!({"Name": "dev:device_sdk", "Value": "a".repeat(256)});
    assert!(attributes.contains(&software), "{attributes:?}");
}
