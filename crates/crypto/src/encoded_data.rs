//! `EncodedData`, by which apps say what device they run on (triggers-security.md §16):
//! base64 of `{"payload": P, "signature": base64(HMAC-SHA256(client id, version ‖ P)), "version": …}`, where P is JSON in
//! a string.
//!
//! The key is no secret, so the signature says only that the data has arrived as it was made. What an app says of its
//! device can be made up by whoever has the app; it tells devices apart, and proves nothing.

use base64::{Engine, engine::DecodePaddingMode, engine::general_purpose};
use serde::Deserialize;
use serde_json::Value;

use crate::hash::{constant_time_eq, hmac_sha256_parts};

/// Most bytes of what is looked at; scripts and apps send one or two thousand.
const LONGEST: usize = 16_384;
/// Most bytes of a single value that is told.
const LONGEST_VALUE: usize = 1_024;
/// What scripts send as the id where the browser keeps none, and what all such devices would have in common.
const NO_ID: &str = "UNAVAILABLE";

/// Base64 with or without padding.
const BASE64: general_purpose::GeneralPurpose = general_purpose::GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    general_purpose::GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an app says of its device. Each value has 1,024 bytes at most, and no control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedData {
    /// `DeviceId`: by which it is known again.
    pub device_id: Option<String>,
    /// `UserAgent`, of scripts.
    pub user_agent: Option<String>,
    /// `DeviceName`, of apps.
    pub device_name: Option<String>,
    /// `DeviceManufacturer` or `DeviceBrand`, of apps under Android.
    pub manufacturer: Option<String>,
    /// `Platform`, of apps; where they leave it out, by the version of the data: `iOS` or `Android`.
    pub platform: Option<String>,
    /// `DeviceOsReleaseVersion`, of apps.
    pub system_version: Option<String>,
    /// `ClientTimezone`, such as `-07:00`; scripts write odd forms where the offset is no whole number of hours.
    pub timezone: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    payload: String,
    signature: String,
    version: String,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "contextData")]
    context_data: serde_json::Map<String, Value>,
}

/// What the data says, if it is signed with this client's id; `None` of everything else.
///
/// Decision: the username, the pool and the moment in it are not looked at. Apps send names as they were typed, or
/// `unknown`, hosted pages send no pool, and whoever could replay the data could as well sign it anew.
#[must_use]
pub fn open(text: &str, client_id: &str) -> Option<EncodedData> {
    if text.len() > LONGEST {
        return None;
    }
    let Envelope { payload, signature, version } = serde_json::from_slice(&decode(text)?).ok()?;
    let expected = hmac_sha256_parts(client_id.as_bytes(), &[version.as_bytes(), payload.as_bytes()]);
    if !constant_time_eq(&decode(&signature)?, &expected) {
        return None;
    }
    let Payload { context_data } = serde_json::from_str(&payload).ok()?;
    let value = |name: &str| {
        let text = context_data.get(name)?.as_str()?.trim();
        let is_plain = (1..=LONGEST_VALUE).contains(&text.len()) && !text.chars().any(char::is_control);
        is_plain.then(|| text.to_owned())
    };
    Some(EncodedData {
        device_id: value("DeviceId").filter(|id| id != NO_ID),
        user_agent: value("UserAgent"),
        device_name: value("DeviceName"),
        manufacturer: value("DeviceManufacturer").or_else(|| value("DeviceBrand")),
        platform: value("Platform").or_else(|| platform(&version).map(str::to_owned)),
        system_version: value("DeviceOsReleaseVersion"),
        timezone: value("ClientTimezone"),
    })
}

/// Base64; the classic app for Android breaks the lines of it.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    BASE64.decode(text).ok()
}

fn platform(version: &str) -> Option<&'static str> {
    let named = [("IOS", "iOS"), ("ANDROID", "Android")];
    named.iter().find(|(prefix, _)| version.starts_with(prefix)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::prelude::*;
    use serde_json::json;

    use super::{EncodedData, LONGEST, open};
    use crate::hash::{hex, hmac_sha256_parts, sha256};

    const CLIENT: &str = "1example23456789";
    const PAYLOAD: &str = r#"{"contextData":{"DeviceId":"d-1","DeviceLanguage":"en-US"},"username":"mary_major","userPoolId":"us-east-1_EXAMPLE","timestamp":"1767323045000"}"#;
    const WHOLE: &str = "eyJwYXlsb2FkIjoie1wiY29udGV4dERhdGFcIjp7XCJEZXZpY2VJZFwiOlwiZC0xXCIsXCJEZXZpY2VMYW5ndWFnZVwiOlwiZW4tVVNcIn0sXCJ1c2VybmFtZVwiOlwibWFyeV9tYWpvclwiLFwidXNlclBvb2xJZFwiOlwidXMtZWFzdC0xX0VYQU1QTEVcIixcInRpbWVzdGFtcFwiOlwiMTc2NzMyMzA0NTAwMFwifSIsInNpZ25hdHVyZSI6Imd1a2lrRjQxQlNncFYxbmptaE5RMWZYeFU0ZE1PNk9LRndmSEVpQ2MzL2M9IiwidmVyc2lvbiI6IkpTMjAxNzExMTUifQ==";

    fn signature(version: &str, payload: &str) -> String {
        STANDARD.encode(hmac_sha256_parts(CLIENT.as_bytes(), &[version.as_bytes(), payload.as_bytes()]))
    }

    fn envelope(version: &str, payload: &str, signature: &str) -> String {
        // Not by json!, which sorts the members.
        let text = |text: &str| serde_json::to_string(text).unwrap();
        let parts = [text(payload), text(signature), text(version)];
        STANDARD.encode(format!(r#"{{"payload":{},"signature":{},"version":{}}}"#, parts[0], parts[1], parts[2]))
    }

    fn sealed(version: &str, payload: &str) -> String {
        envelope(version, payload, &signature(version, payload))
    }

    fn device(id: &str, platform: Option<&str>) -> Option<EncodedData> {
        let (device_id, platform) = (Some(id.to_owned()), platform.map(str::to_owned));
        Some(EncodedData { device_id, platform, ..EncodedData::default() })
    }

    #[test]
    fn the_first_vector() {
        let agent =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
        let payload = format!(
            r#"{{"contextData":{{"UserAgent":"{agent}","DeviceId":"qn8ojaedcuyc9nnt228f:1767323045000","DeviceLanguage":"en-US","DeviceFingerprint":"{agent}PDF Viewer:Chrome PDF Viewer:Chromium PDF Viewer:Microsoft Edge PDF Viewer:WebKit built-in PDF:en-US","DevicePlatform":"Linux x86_64","ClientTimezone":"-07:00"}},"username":"mary_major","userPoolId":"us-east-1_EXAMPLE","timestamp":"1767323045000"}}"#
        );
        assert_eq!(payload.len(), 573);
        assert_eq!(
            hex(&sha256(payload.as_bytes())),
            "a63126f2bbf1dc48f5b97871f07b94507f1aee7f23fbc6f53a4d7cbafeb65533"
        );
        assert_eq!(signature("JS20171115", &payload), "aWOoBn5DcBNP/Ke9Qx4VJvjn+WdHmNNwfE/UYAtmWrU=");
        let whole = sealed("JS20171115", &payload);
        assert_eq!(hex(&sha256(whole.as_bytes())), "f0298203f1ae10d1e0cc2394992e688c07eb6c4f305cc75478fcb49b120525d2");
        let expected = EncodedData {
            device_id: Some("qn8ojaedcuyc9nnt228f:1767323045000".to_owned()),
            user_agent: Some(agent.to_owned()),
            timezone: Some("-07:00".to_owned()),
            ..EncodedData::default()
        };
        assert_eq!(open(&whole, CLIENT), Some(expected));
        assert_eq!(open(&whole, "another"), None);
    }

    #[test]
    fn the_other_vectors() {
        for (version, expected, platform) in [
            ("JS20171115", "gukikF41BSgpV1njmhNQ1fXxU4dMO6OKFwfHEiCc3/c=", None),
            ("IOS20171114", "S71Eccg5pIDxvTKNqSdFZ1eniN0pRbBfBc3wGUdxdio=", Some("iOS")),
            ("ANDROID20171114", "AIgaoYIojwxF9/APUvgvC89RZ/46WHD50ZUSbhiQ70k=", Some("Android")),
            ("FLUTTER20230306", "J2HQk0ZAgKeteu/dFTgk4ZEWqx3TIArqOlv+KDfdtkM=", None),
        ] {
            assert_eq!(signature(version, PAYLOAD), expected, "{version}");
            assert_eq!(open(&envelope(version, PAYLOAD, expected), CLIENT), device("d-1", platform), "{version}");
        }
        assert_eq!(sealed("JS20171115", PAYLOAD), WHOLE);
        assert_eq!(open(WHOLE, CLIENT), device("d-1", None));
        assert_eq!(open(WHOLE.trim_end_matches('='), CLIENT), device("d-1", None));
    }

    /// The classic app for Android breaks lines in the data and in the signature, and escapes slashes in the payload, which
    /// count as they stand there.
    #[test]
    fn broken_lines_and_escaped_slashes() {
        let payload = r#"{"contextData":{"DeviceId":"a\/b","DeviceName":"oriole","DeviceBrand":"google","Platform":"ANDROID","DeviceOsReleaseVersion":"14","ClientTimezone":"+05:30","HasSimCard":true},"username":"x"}"#;
        let signature = signature("ANDROID20171114", payload);
        let (first, second) = signature.split_at(40);
        let whole = envelope("ANDROID20171114", payload, &format!("{first}\n{second}\n"));
        let lines: Vec<&str> = whole.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect();
        let expected = EncodedData {
            device_id: Some("a/b".to_owned()),
            device_name: Some("oriole".to_owned()),
            manufacturer: Some("google".to_owned()),
            platform: Some("ANDROID".to_owned()),
            system_version: Some("14".to_owned()),
            timezone: Some("+05:30".to_owned()),
            user_agent: None,
        };
        assert_eq!(open(&(lines.join("\n") + "\n"), CLIENT), Some(expected));
    }

    #[test]
    fn values_that_say_nothing_are_none() {
        let long = "x".repeat(1_025);
        for value in [json!("UNAVAILABLE"), json!(""), json!(" "), json!(7), json!(null), json!("a\nb"), json!(long)] {
            let payload = json!({"contextData": {"DeviceId": value}}).to_string();
            assert_eq!(open(&sealed("JS20171115", &payload), CLIENT), Some(EncodedData::default()), "{value}");
        }
        for timezone in [".5:30", "-.5:30", "75:45"] {
            let payload = json!({"contextData": {"ClientTimezone": timezone}}).to_string();
            let opened = open(&sealed("JS20171115", &payload), CLIENT).unwrap();
            assert_eq!(opened.timezone.as_deref(), Some(timezone));
        }
    }

    #[test]
    fn what_is_wrong_is_nothing() {
        let deep = format!(r#"{{"contextData":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        for wrong in [
            String::new(),
            "placeholder".to_owned(),
            "====".to_owned(),
            STANDARD.encode("null"),
            STANDARD.encode("[1,2"),
            STANDARD.encode(b"\xff\xfe"),
            STANDARD.encode(json!({"payload": PAYLOAD, "version": "JS20171115"}).to_string()),
            STANDARD.encode(json!({"payload": {}, "signature": "", "version": ""}).to_string()),
            envelope("JS20171115", PAYLOAD, ""),
            envelope("JS20171115", PAYLOAD, "not base64!"),
            envelope("JS20171115", PAYLOAD, &signature("JS20171116", PAYLOAD)),
            envelope("JS20171115", &format!("{PAYLOAD} "), &signature("JS20171115", PAYLOAD)),
            sealed("JS20171115", "no JSON"),
            sealed("JS20171115", r#"{"contextData":"text"}"#),
            sealed("JS20171115", "{}"),
            sealed("JS20171115", &deep),
            "A".repeat(LONGEST + 1),
        ] {
            assert_eq!(open(&wrong, CLIENT), None, "{wrong}");
        }
        let long = json!({"contextData": {"DeviceId": "d", "DeviceFingerprint": "x".repeat(LONGEST)}}).to_string();
        assert_eq!(open(&sealed("JS20171115", &long), CLIENT), None);
    }

    proptest! {
        #[test]
        fn only_what_was_signed_opens(at in 0..WHOLE.len(), with in "[A-Za-z0-9+/]") {
            let mut changed = WHOLE.to_owned();
            changed.replace_range(at..=at, &with);
            // Characters of the padding may change.
            let is_same = open(&changed, CLIENT) == open(WHOLE, CLIENT);
            prop_assert!(open(&changed, CLIENT).is_none() || is_same);
        }

        #[test]
        fn anything_is_taken(text in ".{0,200}") {
            prop_assert_eq!(open(&text, CLIENT), None);
            _ = open(&sealed(&text, PAYLOAD), CLIENT).unwrap();
            _ = open(&sealed("JS20171115", &text), CLIENT);
        }
    }
}
