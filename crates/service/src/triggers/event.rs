//! What a function is told (triggers-security.md §2).

use std::collections::BTreeMap;

use domain::{NameKind, Pool, User, names};
use serde_json::{Value, json};

use super::Trigger;
use crate::{Ctx, users};

/// What `awsSdkVersion` says of clients that do not say what they are.
const UNKNOWN_SDK: &str = "aws-sdk-unknown-unknown";

/// An event without its envelope.
pub struct Event<'a> {
    /// The occasion.
    pub trigger: Trigger,
    /// What exactly it is: the end of `triggerSource`, such as `SignUp`.
    pub source: &'static str,
    /// `userName`: the stored username.
    pub user_name: &'a str,
    /// The client through which the user comes, [`NO_CLIENT`](super::NO_CLIENT), or none at all.
    pub client_id: Option<&'a str>,
    /// `request`.
    pub request: Value,
    /// `response`, which the function fills in.
    pub response: Value,
}

impl Event<'_> {
    /// The whole event.
    pub(super) fn envelope(self, ctx: &Ctx, pool: &Pool) -> Value {
        json!({
            "version": self.trigger.version(pool),
            "region": pool.region(),
            "userPoolId": pool.id,
            "userName": self.user_name,
            "callerContext": {
                "awsSdkVersion": sdk_version(&[&ctx.sdk_agent, &ctx.user_agent]),
                "clientId": self.client_id,
            },
            "triggerSource": format!("{}_{}", self.trigger.source(), self.source),
            "request": self.request,
            "response": self.response,
        })
    }
}

/// `userAttributes` of an existing user: the attributes, and what only functions see as attributes.
///
/// Decision: `cognito:mfa_enabled` is not confirmed of the service, and `cognito:default_val`, which was seen in the place
/// of a required attribute that an administrator's user lacks, is no value; neither is told.
#[must_use]
pub fn user_attributes(pool: &Pool, user: &User) -> BTreeMap<String, String> {
    let stored = users::attribute_list(user).into_iter();
    let mut attributes: BTreeMap<_, _> =
        stored.map(|attribute| (attribute.name, attribute.value.unwrap_or_default())).collect();
    let mut add = |name: &str, value: String| attributes.insert(format!("cognito:{name}"), value);
    add("user_status", user.status.as_str().to_owned());
    if let Some(moment) = user.tokens_not_before {
        add("token_nbf", moment.milliseconds().to_string());
    }
    for (kind, _) in names::claims(pool, user) {
        let name = match kind {
            NameKind::Email => "email",
            NameKind::PhoneNumber => "phone_number",
            _ => continue,
        };
        add(&format!("{name}_alias"), user.attribute(name).unwrap_or_default().to_owned());
    }
    attributes
}

/// `awsSdkVersion`, from the first product of an SDK in what the client says it is, such as
/// `aws-sdk-nodejs/2.856.0 linux/v12.18.4`. `aws-sdk-js` of version 2, which the service was seen to tell, is the SDK in
/// browsers, where it says so in `X-Amz-User-Agent` alone.
fn sdk_version(agents: &[&Option<String>]) -> String {
    let products = agents.iter().copied().flatten().flat_map(|agent| agent.split_ascii_whitespace());
    let mut sdks = products.filter_map(|product| {
        let (name, version) = product.split_once('/')?;
        let name = name.to_ascii_lowercase();
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+_".contains(&byte));
        (name.starts_with("aws-sdk-") && !version.is_empty() && is_plain(&name) && is_plain(version))
            .then(|| format!("{name}-{version}"))
    });
    sdks.next().unwrap_or_else(|| UNKNOWN_SDK.to_owned())
}

#[cfg(test)]
mod tests {
    use super::sdk_version;

    #[test]
    fn clients_are_told_from_their_user_agents() {
        for (agent, version) in [
            ("aws-sdk-nodejs/2.856.0 linux/v12.18.4 promise", "aws-sdk-nodejs-2.856.0"),
            ("aws-sdk-js/2.1639.0 promise", "aws-sdk-js-2.1639.0"),
            ("aws-sdk-iOS/2.9.3 iOS/14.4 en_US", "aws-sdk-ios-2.9.3"),
            ("aws-sdk-java/2.20.43 Linux/5.10 OpenJDK_64-Bit_Server_VM/17 Java/17", "aws-sdk-java-2.20.43"),
            ("exec-env/AWS_Lambda aws-sdk-java/2.20.43", "aws-sdk-java-2.20.43"),
            ("Boto3/1.26.90 Python/3.11 Botocore/1.29.90", "aws-sdk-unknown-unknown"),
            ("Mozilla/5.0 (X11; Linux x86_64)", "aws-sdk-unknown-unknown"),
            ("aws-sdk-js/", "aws-sdk-unknown-unknown"),
            ("aws-sdk-js", "aws-sdk-unknown-unknown"),
            ("aws-sdk-js/<script>", "aws-sdk-unknown-unknown"),
            ("", "aws-sdk-unknown-unknown"),
        ] {
            assert_eq!(sdk_version(&[&None, &Some(agent.to_owned())]), version, "{agent}");
        }
        assert_eq!(sdk_version(&[&None, &None]), "aws-sdk-unknown-unknown");
        let browser = Some("Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0".to_owned());
        let told = |sdk: &str| sdk_version(&[&Some(sdk.to_owned()), &browser]);
        assert_eq!(told("aws-sdk-js/2.1639.0 callback"), "aws-sdk-js-2.1639.0");
        assert_eq!(told("aws-amplify/5.0.4 js"), "aws-sdk-unknown-unknown");
    }
}
