//! UserMigration without a handler: users come along from another user pool, here or at AWS (triggers-security.md §10).
//!
//! Who signs in is signed in there (InitiateAuth with the password), and brought along with the attributes that the new
//! token shows (GetUser). Where the token is not to be had, an administrator of the other pool is asked (AdminGetUser),
//! if the configuration has an access key.
//!
//! An answer that says nothing about the user (no connection, throttled, a client or key that is refused) fails the call:
//! "not found" is only said where the other pool said it.

use std::{collections::BTreeMap, path::PathBuf, sync::Once, time::Duration};

use domain::Secret;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use serde_json::{Value, json};
use service::triggers::Failure;
use tokio::time::timeout;

use crate::{
    ArnPattern, Call,
    url::{self, HttpClient, Trust, client, with_causes},
};

/// How long both requests may take together: less than the five seconds of the caller, so that the log says who was
/// slow.
const BUDGET: Duration = Duration::from_millis(4_800);

/// The longest answer of the other pool, in bytes. Fifty attributes of 2,048 characters and three tokens fit.
const LONGEST_ANSWER: usize = 1_024 * 1_024;

/// What operations' names begin with in `X-Amz-Target`.
const TARGET: &str = "AWSCognitoIdentityProviderService";

/// Where users come from.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http` or `https`, without a path.
    pub endpoint: Uri,
    /// The region that requests with an access key are signed for.
    pub region: String,
    /// The id of the other pool.
    pub pool: String,
    /// The id of a client of that pool that may sign in with USER_PASSWORD_AUTH.
    pub client: String,
    /// That client's secret, if it has one.
    pub client_secret: Option<Secret<String>>,
    /// Who may call AdminGetUser there.
    pub access_key: Option<AccessKey>,
    /// Names of the attributes that come along; `*` stands for any number of characters. `username` is the user's name
    /// there, for those who type an alias.
    pub attributes: Vec<String>,
    /// PEM file with the certificates that are trusted instead of the public authorities.
    pub ca_file: Option<PathBuf>,
}

/// An access key.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: Secret<String>,
}

/// The other pool and the connections to it.
#[derive(Debug)]
pub(crate) struct Source {
    options: Options,
    client: HttpClient,
    attributes: Vec<ArnPattern>,
    /// That ForgotPassword finds nobody without an access key is said once.
    warned: Once,
}

/// What the other pool says to a request.
enum Answer {
    Done(Value),
    Refused { name: String, message: String },
}

/// What becomes of a user who is brought along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Confirmed,
    ResetRequired,
}

impl Source {
    pub(crate) fn new(options: Options) -> Result<Self, url::Error> {
        let attributes = options.attributes.iter().map(|name| ArnPattern::new(name)).collect();
        Ok(Self { client: client(Trust::Only(options.ca_file.clone()))?, options, attributes, warned: Once::new() })
    }

    pub(crate) async fn call(&self, call: Call) -> Result<String, Failure> {
        let mut event: Value = serde_json::from_slice(&call.event).unwrap_or_default();
        let found = timeout(BUDGET, self.find(&call, &event)).await.unwrap_or_else(|_elapsed| {
            self.warn(&call, "it has not answered in time");
            Err(unavailable())
        })?;
        if let (Some(found), Some(response)) = (found, event.get_mut("response").and_then(Value::as_object_mut)) {
            response.extend(found);
        }
        Ok(event.to_string())
    }

    /// What the event's `response` gets; nothing where the other pool does not know the user.
    async fn find(&self, call: &Call, event: &Value) -> Result<Option<Response>, Failure> {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let typed = text("/userName");
        match text("/triggerSource") {
            "UserMigration_Authentication" => self.sign_in(call, typed, text("/request/password")).await,
            "UserMigration_ForgotPassword" => self.forgetful(call, typed).await,
            other => {
                self.warn(call, &format!("migrate_from answers UserMigration, and is called with {other}"));
                Err(Failure::NotCalled("InvalidRequestContentException".to_owned()))
            }
        }
    }

    /// A challenge in place of tokens says that the password was right, and that it was not enough.
    ///
    /// Decision: such a user comes along, and must reset the password here, which proves an address. A second factor is
    /// nothing that one pool tells another; without the reset, the password alone would do here what it does not do
    /// there. A temporary password is not made a lasting one. Somebody without a verified address, whom a reset would
    /// lock out, does not come along, and neither does somebody whose attributes cannot be read.
    async fn sign_in(&self, call: &Call, typed: &str, password: &str) -> Result<Option<Response>, Failure> {
        let mut parameters = BTreeMap::from([("USERNAME", typed.to_owned()), ("PASSWORD", password.to_owned())]);
        if let Some(secret) = &self.options.client_secret {
            parameters.insert("SECRET_HASH", crypto::hash::secret_hash(typed, &self.options.client, secret.reveal()));
        }
        let request =
            json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": self.options.client, "AuthParameters": parameters});
        let answer = match self.ask(call, "InitiateAuth", request, None).await? {
            Answer::Done(answer) => answer,
            Answer::Refused { name, message } => {
                return match meaning(&name, &message) {
                    Meaning::Nobody => Ok(None),
                    Meaning::MustReset => self.must_reset(call, typed).await,
                    Meaning::Locked => Err(throttled()),
                    Meaning::Fault => Err(self.refused(call, "InitiateAuth", &name)),
                };
            }
        };
        if let Some(token) = answer.pointer("/AuthenticationResult/AccessToken") {
            return match self.ask(call, "GetUser", json!({"AccessToken": token}), None).await? {
                Answer::Done(user) => Ok(self.response(&Found::of_user(&user), typed, Status::Confirmed)),
                Answer::Refused { name, .. } => Err(self.refused(call, "GetUser", &name)),
            };
        }
        let challenge = answer.get("ChallengeName").and_then(Value::as_str).unwrap_or_default();
        let response = if self.options.access_key.is_some() {
            self.must_reset(call, typed).await?
        } else if challenge == "NEW_PASSWORD_REQUIRED" {
            self.response(&Found::of_challenge(&answer), typed, Status::ResetRequired)
        } else {
            self.warn(call, "a user has a second factor there, and attributes can be read with an access key only");
            None
        };
        match response {
            Some(response) => Ok(Some(response)),
            // Whoever hears this knows the password.
            None => Err(Failure::Threw("This user cannot be moved. Ask an administrator".to_owned())),
        }
    }

    /// Decision: without an access key nobody is found, as if the pool had no such function.
    async fn forgetful(&self, call: &Call, typed: &str) -> Result<Option<Response>, Failure> {
        if self.options.access_key.is_none() {
            self.warned.call_once(|| {
                self.warn(
                    call,
                    "who has forgotten the password is not looked for there without access_key_id and \
                     secret_access_key_file of a key that may call AdminGetUser",
                );
            });
        }
        self.must_reset(call, typed).await
    }

    /// Somebody whom an administrator sees, and who resets the password here.
    ///
    /// Decision: nobody comes along who is disabled there, has not confirmed the sign-up, is from another identity
    /// provider or has no verified address. The first three could not reset a password there either, and the last could
    /// do nothing with a code, nor sign in with the password afterwards.
    async fn must_reset(&self, call: &Call, typed: &str) -> Result<Option<Response>, Failure> {
        let Some(key) = &self.options.access_key else { return Ok(None) };
        let request = json!({"UserPoolId": self.options.pool, "Username": typed});
        match self.ask(call, "AdminGetUser", request, Some(key)).await? {
            Answer::Done(user) => {
                let status = user.get("UserStatus").and_then(Value::as_str).unwrap_or_default();
                let may_reset = user.get("Enabled") == Some(&Value::Bool(true))
                    && ["CONFIRMED", "RESET_REQUIRED", "FORCE_CHANGE_PASSWORD"].contains(&status);
                let found = may_reset.then(|| Found::of_user(&user));
                Ok(found.and_then(|found| self.response(&found, typed, Status::ResetRequired)))
            }
            Answer::Refused { name, .. } if name == "UserNotFoundException" => Ok(None),
            Answer::Refused { name, .. } => Err(self.refused(call, "AdminGetUser", &name)),
        }
    }

    /// What the event's `response` gets; nothing for somebody who cannot be brought along.
    ///
    /// Decision: an id (`sub`) that is typed as a name brings nobody, as nobody who uses this pool can know it.
    fn response(&self, found: &Found, typed: &str, status: Status) -> Option<Response> {
        let comes_along = |name: &str| self.attributes.iter().any(|pattern| pattern.matches(name));
        let is_typed = |value: &str| value.to_lowercase() == typed.to_lowercase();
        let mut attributes: BTreeMap<&str, &str> = found
            .attributes
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| comes_along(name) && !is_read_only(name))
            .collect();
        let has_typed_id = found.id().is_some_and(is_typed);
        let has_typed_alias = ["email", "phone_number", "preferred_username"]
            .iter()
            .any(|name| attributes.get(name).is_some_and(|value| is_typed(value)));
        let is_verified = ["email", "phone_number"].iter().any(|name| {
            let flag = format!("{name}_verified");
            attributes.contains_key(name) && attributes.get(&*flag).is_some_and(|value| *value == "true")
        });
        if has_typed_id || attributes.is_empty() || (status == Status::ResetRequired && !is_verified) {
            return None;
        }
        if !is_typed(&found.username) && !found.has_generated_name() {
            if !has_typed_alias {
                return None;
            }
            if comes_along("username") {
                attributes.insert("username", &found.username);
            }
        }
        let status = match status {
            Status::Confirmed => "CONFIRMED",
            Status::ResetRequired => "RESET_REQUIRED",
        };
        let members = [
            ("userAttributes", json!(attributes)),
            ("finalUserStatus", Value::from(status)),
            ("messageAction", Value::from("SUPPRESS")),
        ];
        Some(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Sends a request to the other pool.
    async fn ask(&self, call: &Call, operation: &str, body: Value, key: Option<&AccessKey>) -> Result<Answer, Failure> {
        let request = self.request(call, operation, body, key)?;
        let answer = self.client.request(request).await.map_err(|error| {
            self.warn(call, &with_causes(&error));
            unavailable()
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error| {
            self.warn(call, &with_causes(error.as_ref()));
            unavailable()
        })?;
        let answer: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        if head.status == StatusCode::OK && answer.is_object() {
            return Ok(Answer::Done(answer));
        }
        let text = |names: [&str; 2]| names.iter().find_map(|name| answer.get(name)?.as_str()).unwrap_or_default();
        // `namespace#Name` in some versions of the protocol.
        let name = text(["__type", "code"]).rsplit('#').next().unwrap_or_default().to_owned();
        if head.status == StatusCode::TOO_MANY_REQUESTS || is_throttling(&name) {
            self.warn(call, &format!("{operation} is throttled"));
            return Err(throttled());
        }
        if head.status == StatusCode::BAD_REQUEST && !name.is_empty() {
            return Ok(Answer::Refused { name, message: text(["message", "Message"]).to_owned() });
        }
        self.warn(call, &format!("{operation} was answered with status {} {name}", head.status.as_u16()));
        Err(unavailable())
    }

    fn request(
        &self,
        call: &Call,
        operation: &str,
        body: Value,
        key: Option<&AccessKey>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let body = body.to_string();
        let host = self.options.endpoint.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let target = format!("{TARGET}.{operation}");
        let headers =
            [("content-type", "application/x-amz-json-1.1"), ("host", host), ("x-amz-target", target.as_str())];
        let mut request = Request::post(self.options.endpoint.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(AccessKey { id, secret }) = key {
            let unsigned = crypto::sigv4::SignedRequest {
                method: "POST",
                path: "/",
                query: "",
                headers: &headers,
                body: body.as_bytes(),
            };
            let (secret, now) = (secret.reveal(), call.began.seconds());
            let signed = crypto::sigv4::sign(&unsigned, id, secret, None, &self.options.region, now);
            for (name, value) in signed.map_err(|error| self.unusable(call, &error.to_string()))? {
                let mut value =
                    HeaderValue::from_str(&value).map_err(|error| self.unusable(call, &error.to_string()))?;
                value.set_sensitive(name == header::AUTHORIZATION.as_str());
                request = request.header(name, value);
            }
        }
        request.body(Full::new(body.into())).map_err(|error| self.unusable(call, &error.to_string()))
    }

    /// What the other pool says is not about the user. Its message is not repeated: it may hold what was typed.
    fn refused(&self, call: &Call, operation: &str, name: &str) -> Failure {
        self.warn(
            call,
            &format!(
                "{operation} was refused with {name}; check pool, client, its secret, whether it has the flow \
                 USER_PASSWORD_AUTH, and the access key"
            ),
        );
        unavailable()
    }

    fn unusable(&self, call: &Call, reason: &str) -> Failure {
        self.warn(call, reason);
        unavailable()
    }

    fn warn(&self, call: &Call, reason: &str) {
        let (source, function) = (&self.options.pool, &call.arn);
        tracing::warn!(function, request_id = call.request_id, source, reason, "no user from the other pool");
    }
}

/// Members of the event's `response`.
type Response = serde_json::Map<String, Value>;

/// A user of the other pool.
#[derive(Debug)]
struct Found {
    username: String,
    attributes: BTreeMap<String, String>,
}

impl Found {
    /// The user of an answer of GetUser or AdminGetUser.
    fn of_user(answer: &Value) -> Self {
        let lists = ["UserAttributes", "Attributes"].iter().filter_map(|name| answer.get(name)?.as_array());
        let attributes = lists.flatten().filter_map(|attribute| {
            let text = |name: &str| attribute.get(name)?.as_str().map(str::to_owned);
            Some((text("Name")?, text("Value")?))
        });
        let username = answer.get("Username").and_then(Value::as_str).unwrap_or_default();
        Self { username: username.to_owned(), attributes: attributes.collect() }
    }

    /// The user of a NEW_PASSWORD_REQUIRED challenge, which shows the attributes itself.
    fn of_challenge(answer: &Value) -> Self {
        let parameter = |name: &str| answer.get("ChallengeParameters")?.get(name)?.as_str();
        let attributes = parameter("userAttributes").and_then(|text| serde_json::from_str(text).ok());
        Self {
            username: parameter("USER_ID_FOR_SRP").unwrap_or_default().to_owned(),
            attributes: attributes.unwrap_or_default(),
        }
    }

    fn id(&self) -> Option<&str> {
        self.attributes.get("sub").map(String::as_str)
    }

    /// Pools in which an address is the name call their users by their ids. A challenge does not show the id: it is
    /// known by its shape.
    fn has_generated_name(&self) -> bool {
        let is_id = |name: &str| name.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        self.id().map_or_else(|| is_id(&self.username), |id| id == self.username)
    }
}

/// What the pool of the user decides, and nobody who writes to it.
fn is_read_only(name: &str) -> bool {
    matches!(name, "sub" | "identities") || name.starts_with("cognito:")
}

/// What a refusal of a sign-in says about the user.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Nobody,
    MustReset,
    Locked,
    Fault,
}

/// Decision: wrong passwords, unknown and disabled users, temporary passwords that have expired and sign-ups that were
/// not confirmed are the same: nobody comes along, and the client is told what it is told of unknown users.
fn meaning(name: &str, message: &str) -> Meaning {
    match (name, message) {
        ("UserNotFoundException" | "UserNotConfirmedException", _)
        | (
            "NotAuthorizedException",
            "Incorrect username or password."
            | "User is disabled."
            | "Temporary password has expired and must be reset by an administrator.",
        ) => Meaning::Nobody,
        ("PasswordResetRequiredException", _) => Meaning::MustReset,
        ("NotAuthorizedException", "Password attempts exceeded") => Meaning::Locked,
        _ => Meaning::Fault,
    }
}

fn is_throttling(name: &str) -> bool {
    matches!(name, "TooManyRequestsException" | "LimitExceededException" | "ThrottlingException")
}

fn throttled() -> Failure {
    Failure::NotCalled("TooManyRequestsException".to_owned())
}

fn unavailable() -> Failure {
    Failure::NotCalled("ServiceException".to_owned())
}

#[cfg(test)]
#[path = "migrate_from/tests.rs"]
mod tests;
