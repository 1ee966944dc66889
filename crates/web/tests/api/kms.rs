//! `TrentService.Decrypt` (triggers-security.md §12.3): this server in the place of KMS, for functions that send messages.

use std::sync::Arc;

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::{
    envelope::{Context, EncryptedDataKey, open},
    random::SystemEntropy,
};
use http::Request;
use serde_json::{Value, json};
use service::triggers::{CodeKeys, LocalKeys};
use testkit::{Answer, Server};
use zeroize::Zeroizing;

const ARN: &str = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";
const POOL: &str = "us-east-1_AbCdEf123";
const DECRYPT: &str = "TrentService.Decrypt";
const INVALID: &str = "InvalidCiphertextException: The ciphertext was not made by a server with this master key, or not \
                       for this encryption context.";

/// A code as a function receives it.
async fn encrypted_code(server: &Server) -> Vec<u8> {
    let keys = LocalKeys(server.app.ring.clone());
    let encrypting = keys.encrypt(ARN, POOL, "123456".to_owned(), Arc::new(SystemEntropy));
    STANDARD.decode(encrypting.await.unwrap()).unwrap()
}

/// The request that an AWS Encryption SDK makes of the message.
fn request_for(message: &[u8]) -> Value {
    let mut request = Value::Null;
    let _ = open(message, |encrypted: &EncryptedDataKey, context: &Context| {
        let pairs: serde_json::Map<_, _> =
            context.pairs().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        request = json!({
            "CiphertextBlob": STANDARD.encode(&encrypted.ciphertext),
            "KeyId": str::from_utf8(&encrypted.info).unwrap(),
            "EncryptionContext": pairs,
        });
        None
    });
    request
}

async fn call(server: &Server, target: &str, body: &str) -> Answer {
    let request =
        Request::post("/").header("x-amz-target", target).header("content-type", "application/x-amz-json-1.1");
    server.request(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn decrypt(server: &Server, request: &Value) -> Answer {
    call(server, DECRYPT, &request.to_string()).await
}

#[tokio::test]
async fn a_function_decrypts_its_code() {
    let server = Server::memory().await;
    let message = encrypted_code(&server).await;
    let answer = decrypt(&server, &request_for(&message)).await;
    assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.1"));
    let answer = answer.ok();
    let names: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(names, ["KeyId", "Plaintext", "EncryptionAlgorithm"]);
    assert_eq!((&answer["KeyId"], &answer["EncryptionAlgorithm"]), (&json!(ARN), &json!("SYMMETRIC_DEFAULT")));
    let data_key = STANDARD.decode(answer["Plaintext"].as_str().unwrap()).unwrap();
    let data_key: Zeroizing<[u8; 32]> = Zeroizing::new(data_key.try_into().unwrap());
    let (code, context) = open(&message, |_, _| Some(data_key.clone())).unwrap();
    assert_eq!((code.as_slice(), context.get("userpool-id")), (&b"123456"[..], Some(POOL)));
}

#[tokio::test]
async fn the_key_may_be_named_by_its_id_or_not_at_all() {
    let server = Server::memory().await;
    let right = request_for(&encrypted_code(&server).await);
    let mut request = right.clone();
    request["EncryptionAlgorithm"] = json!("SYMMETRIC_DEFAULT");
    request["GrantTokens"] = json!([]);
    request["DryRun"] = json!(false);
    for key_id in [json!(ARN), json!("11111111-2222-3333-4444-555555555555"), Value::Null] {
        request["KeyId"] = key_id;
        assert_eq!(decrypt(&server, &request).await.ok()["KeyId"], ARN);
    }
    let wrong =
        "IncorrectKeyException: The key ID in the request does not identify the key that the ciphertext was made with.";
    for key_id in ["", "1", "arn:aws:kms:us-east-1:000000000000:key/other", "555555555555", &format!("{ARN}x")] {
        request["KeyId"] = json!(key_id);
        assert_eq!(decrypt(&server, &request).await.error(), wrong, "{key_id}");
    }
}

#[tokio::test]
async fn context_and_ciphertext_must_be_the_very_ones() {
    let server = Server::memory().await;
    let right = request_for(&encrypted_code(&server).await);
    let change = |pointer: &str, value: Value| {
        let mut request = right.clone();
        *request.pointer_mut(pointer).unwrap() = value;
        request
    };
    let blob = STANDARD.decode(right["CiphertextBlob"].as_str().unwrap()).unwrap();
    let mut flipped = blob.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let other = request_for(&encrypted_code(&server).await);
    let mut more = right.clone();
    more["EncryptionContext"]["purpose"] = json!("x");
    let mut without = right.clone();
    without.as_object_mut().unwrap().remove("EncryptionContext");
    let mut long = right.clone();
    long["EncryptionContext"]["long"] = json!("x".repeat(70_000));
    for request in [
        change("/EncryptionContext/userpool-id", json!("us-east-1_Other0000")),
        change("/EncryptionContext", json!({"userpool-id": POOL})),
        change("/EncryptionContext", json!({})),
        change("/EncryptionContext", other["EncryptionContext"].clone()),
        change("/CiphertextBlob", other["CiphertextBlob"].clone()),
        change("/CiphertextBlob", json!(STANDARD.encode(&flipped))),
        change("/CiphertextBlob", json!(STANDARD.encode(&blob[..blob.len() - 1]))),
        change("/CiphertextBlob", json!("")),
        more,
        without,
        long,
    ] {
        let answer = decrypt(&server, &request).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, INVALID), "{request}");
    }
    // Another server has other master keys.
    let stranger = Server::builder().settings(|_| {}).start().await;
    let foreign = LocalKeys(Arc::new(
        crypto::seal::KeyRing::new(vec![crypto::seal::MasterKey::generate(&SystemEntropy)]).unwrap(),
    ));
    let encrypting = foreign.encrypt(ARN, POOL, "123456".to_owned(), Arc::new(SystemEntropy));
    let message = STANDARD.decode(encrypting.await.unwrap()).unwrap();
    assert_eq!(decrypt(&stranger, &request_for(&message)).await.error(), INVALID);
    decrypt(&server, &right).await.ok();
}

#[tokio::test]
async fn what_this_server_cannot_do_is_refused() {
    let server = Server::memory().await;
    let right = request_for(&encrypted_code(&server).await);
    let with = |name: &str, value: Value| {
        let mut request = right.clone();
        request[name] = value;
        request
    };
    let unsupported = "UnsupportedOperationException: This server takes neither Recipient nor DryRun.";
    assert_eq!(decrypt(&server, &with("Recipient", json!({}))).await.error(), unsupported);
    assert_eq!(decrypt(&server, &with("DryRun", json!(true))).await.error(), unsupported);
    let asymmetric = decrypt(&server, &with("EncryptionAlgorithm", json!("RSAES_OAEP_SHA_256"))).await;
    assert!(asymmetric.error().starts_with("InvalidKeyUsageException: "), "{}", asymmetric.error());
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"CiphertextBlob": 1}"#,
        r#"{"CiphertextBlob": "***"}"#,
        r#"{"CiphertextBlob": "", "EncryptionContext": {"a": 1}}"#,
    ] {
        let answer = call(&server, DECRYPT, body).await;
        assert!(answer.error().starts_with("SerializationException: "), "{body}: {}", answer.error());
    }
    for target in ["TrentService.GenerateDataKey", "TrentService.Encrypt", "TrentService.", "TrentService.decrypt"] {
        let answer = call(&server, target, "{}").await;
        assert!(answer.error().starts_with("UnknownOperationException: "), "{target}: {}", answer.error());
    }
    let html = Request::post("/").header("x-amz-target", DECRYPT).header("content-type", "text/html");
    let answer = server.request(html.body(Body::from("{}")).unwrap()).await;
    assert!(answer.error().starts_with("SerializationException: "), "{}", answer.error());
    let huge = format!(r#"{{"CiphertextBlob": "{}"}}"#, "A".repeat(8 * 1_024 * 1_024));
    assert!(call(&server, DECRYPT, &huge).await.error().starts_with("RequestEntityTooLargeException: "));
}

/// In production an access key of the server opens, in requests that are signed for KMS.
#[tokio::test]
async fn production_wants_a_signature() {
    let server = Server::builder().production().start().await;
    let (id, secret) = server.access_key().await;

    let body = request_for(&encrypted_code(&server).await).to_string();
    let unsigned = call(&server, DECRYPT, &body).await;
    assert_eq!(unsigned.error(), "MissingAuthenticationTokenException: Missing Authentication Token");
    // Whoever signs nothing learns nothing, not even which operations there are.
    let unknown = call(&server, "TrentService.Encrypt", "{}").await;
    assert_eq!(unknown.error(), "MissingAuthenticationTokenException: Missing Authentication Token");

    let signed =
        async |service: &str, secret: &str| server.signed_request(service, (&id, secret), DECRYPT, &body).await;
    assert_eq!(signed("kms", &secret).await.ok()["KeyId"], ARN);
    let other_service = signed("cognito-idp", &secret).await.error();
    assert_eq!(other_service, "InvalidSignatureException: Credential should be scoped to correct service: 'kms'. ");
    assert!(signed("kms", "wrong").await.error().starts_with("InvalidSignatureException: The request signature"));
}

/// A function that sends messages has a key for this alone, and administrators may have one for everything else.
#[tokio::test]
async fn production_wants_a_key_for_it() {
    let server = Server::builder().production().start().await;
    let function = server.limited_access_key(&["kms:Decrypt"]).await;
    let administrator = server.limited_access_key(&["cognito-idp:*"]).await;
    let body = request_for(&encrypted_code(&server).await).to_string();
    let send = async |(id, secret): &(String, String), operation: &str| {
        server.signed_request("kms", (id, secret), &format!("TrentService.{operation}"), &body).await
    };
    assert_eq!(send(&function, "Decrypt").await.ok()["KeyId"], ARN);
    let denied = |(id, _): &(String, String), action: &str| {
        format!(
            "AccessDeniedException: User: arn:aws:iam::000000000000:user/{id} is not authorized to perform: {action} on \
             resource: * because no identity-based policy allows the {action} action"
        )
    };
    let answer = send(&administrator, "Decrypt").await;
    assert_eq!((answer.status, answer.error()), (400, denied(&administrator, "kms:Decrypt")));
    let answer = server.signed_call(&function, "ListUserPools", json!({"MaxResults": 1})).await;
    assert_eq!(answer.error(), denied(&function, "cognito-idp:ListUserPools"));
    // What the server does not have is denied as well, and repeated in part.
    assert_eq!(send(&function, "Encrypt").await.error(), denied(&function, "kms:Encrypt"));
    let long = "x".repeat(3_000);
    assert_eq!(send(&function, &long).await.error(), denied(&function, &format!("kms:{}", &long[..128])));
    assert!(send(&server.access_key().await, "Encrypt").await.error().starts_with("UnknownOperationException: "));
}
