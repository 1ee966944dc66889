//! Where a user stands, and what every operation makes of it (accounts.md §10.3): random sequences of operations on
//! the server and on a small model, side by side. The sequences are the same at every run.

use domain::Entropy;
use serde_json::{Value, json};
use testkit::{Answer, SeededEntropy, Server};

use crate::users::{create, named};

/// Sequences of operations, each on a user of its own.
const SEQUENCES: usize = 60;
/// Operations in each.
const STEPS: usize = 60;
/// From one operation to the next, in seconds: long enough that no failure counts any more, short enough that an
/// invitation outlives the sequence.
const PAUSE: i64 = 1_000;
/// How many operations a reset code outlives, of those that live for an hour.
const RESET_CODE_STEPS: usize = 3;
const PASSWORDS: [&str; 3] = ["Passw0rd-1", "Passw0rd-2", "Passw0rd-3"];

#[derive(Clone, Copy, Debug)]
enum Operation {
    SignUp,
    AdminCreateUser,
    Resend,
    ConfirmSignUp,
    AdminConfirmSignUp,
    AdminSetUserPassword {
        permanent: bool,
    },
    AdminResetUserPassword,
    ForgotPassword,
    ConfirmForgotPassword,
    /// Answers a challenge, too, with another password.
    SignIn,
    ChangePassword,
    GetUser,
    AdminDisableUser,
    AdminEnableUser,
    AdminUserGlobalSignOut,
    AdminDisableProviderForUser,
    AdminDeleteUser,
}

/// Some come up more often, so that sequences get somewhere.
const OPERATIONS: [Operation; 24] = [
    Operation::SignUp,
    Operation::SignUp,
    Operation::AdminCreateUser,
    Operation::Resend,
    Operation::ConfirmSignUp,
    Operation::ConfirmSignUp,
    Operation::AdminConfirmSignUp,
    Operation::AdminSetUserPassword { permanent: true },
    Operation::AdminSetUserPassword { permanent: false },
    Operation::AdminResetUserPassword,
    Operation::ForgotPassword,
    Operation::ConfirmForgotPassword,
    Operation::ConfirmForgotPassword,
    Operation::SignIn,
    Operation::SignIn,
    Operation::SignIn,
    Operation::ChangePassword,
    Operation::GetUser,
    Operation::GetUser,
    Operation::AdminDisableUser,
    Operation::AdminEnableUser,
    Operation::AdminUserGlobalSignOut,
    Operation::AdminDisableProviderForUser,
    Operation::AdminDeleteUser,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Unconfirmed,
    Confirmed,
    ForceChangePassword,
    ResetRequired,
    ExternalProvider,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Unconfirmed => "UNCONFIRMED",
            Self::Confirmed => "CONFIRMED",
            Self::ForceChangePassword => "FORCE_CHANGE_PASSWORD",
            Self::ResetRequired => "RESET_REQUIRED",
            Self::ExternalProvider => "EXTERNAL_PROVIDER",
        }
    }
}

/// A user as the model sees one.
#[derive(Clone, Debug)]
struct User {
    status: Status,
    enabled: bool,
    password: Option<usize>,
    /// Whether the address is verified.
    reachable: bool,
    /// In which step the outstanding reset code was made.
    reset_code: Option<usize>,
}

/// What the model knows: the user, if there is one, and whether the last token that was given out still counts for it.
#[derive(Clone, Debug, Default)]
struct Model {
    user: Option<User>,
    token: Token,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Token {
    #[default]
    None,
    Good,
    Revoked,
    /// Of a user who is gone.
    Orphan,
}

const OK: &str = "ok";
const CHALLENGE: &str = "challenge";
const UNKNOWN: &str = "UserNotFoundException";
const REFUSED: &str = "NotAuthorizedException";
const EXPIRED: &str = "ExpiredCodeException";

impl Model {
    /// What an operation with that password answers, and what it leaves behind.
    fn expect(&mut self, operation: Operation, password: usize, step: usize) -> &'static str {
        let fresh =
            |status, reachable| User { status, enabled: true, password: Some(password), reachable, reset_code: None };
        if let Operation::GetUser | Operation::ChangePassword = operation {
            return self.with_token(operation, password);
        }
        let Some(user) = &mut self.user else {
            return match operation {
                Operation::SignUp => {
                    self.user = Some(fresh(Status::Unconfirmed, false));
                    OK
                }
                Operation::AdminCreateUser => {
                    self.user = Some(fresh(Status::ForceChangePassword, true));
                    OK
                }
                _ => UNKNOWN,
            };
        };
        match operation {
            Operation::SignUp | Operation::AdminCreateUser => "UsernameExistsException",
            Operation::Resend if user.status == Status::ForceChangePassword => {
                (user.password, user.reset_code) = (Some(password), None);
                OK
            }
            Operation::Resend => "UnsupportedUserStateException",
            Operation::ConfirmSignUp | Operation::AdminConfirmSignUp => {
                let by_code = matches!(operation, Operation::ConfirmSignUp);
                if user.status != Status::Unconfirmed || by_code && !user.enabled {
                    return REFUSED;
                }
                user.status = Status::Confirmed;
                user.reachable |= by_code;
                OK
            }
            Operation::AdminSetUserPassword { permanent } => {
                user.status = if permanent { Status::Confirmed } else { Status::ForceChangePassword };
                (user.password, user.reset_code) = (Some(password), None);
                OK
            }
            Operation::AdminResetUserPassword | Operation::ForgotPassword => {
                let by_administrator = matches!(operation, Operation::AdminResetUserPassword);
                let has_none = matches!(user.status, Status::ForceChangePassword | Status::ExternalProvider);
                if !user.enabled || has_none || by_administrator && user.status == Status::Unconfirmed {
                    return REFUSED;
                }
                if !user.reachable {
                    return "InvalidParameterException";
                }
                if by_administrator {
                    user.status = Status::ResetRequired;
                }
                user.reset_code = Some(step);
                OK
            }
            Operation::ConfirmForgotPassword => {
                if !user.enabled {
                    return REFUSED;
                }
                if user.reset_code.is_none_or(|made| step - made > RESET_CODE_STEPS) {
                    return EXPIRED;
                }
                if user.status == Status::ResetRequired {
                    user.status = Status::Confirmed;
                }
                (user.password, user.reset_code) = (Some(password), None);
                OK
            }
            Operation::SignIn => {
                if user.status == Status::Unconfirmed && user.enabled {
                    return "UserNotConfirmedException";
                }
                if !user.enabled || user.password != Some(password) {
                    return REFUSED;
                }
                match user.status {
                    Status::ResetRequired => "PasswordResetRequiredException",
                    Status::ForceChangePassword => {
                        user.status = Status::Confirmed;
                        (user.password, user.reset_code) = (Some((password + 1) % PASSWORDS.len()), None);
                        self.token = Token::Good;
                        CHALLENGE
                    }
                    _ => {
                        self.token = Token::Good;
                        OK
                    }
                }
            }
            Operation::AdminDisableUser | Operation::AdminEnableUser => {
                user.enabled = matches!(operation, Operation::AdminEnableUser);
                if !user.enabled && self.token == Token::Good {
                    self.token = Token::Revoked;
                }
                OK
            }
            Operation::AdminUserGlobalSignOut => {
                if self.token == Token::Good {
                    self.token = Token::Revoked;
                }
                OK
            }
            Operation::AdminDisableProviderForUser => {
                user.status = Status::ExternalProvider;
                (user.password, user.reset_code) = (None, None);
                OK
            }
            Operation::AdminDeleteUser => {
                self.user = None;
                if self.token != Token::None {
                    self.token = Token::Orphan;
                }
                OK
            }
            Operation::GetUser | Operation::ChangePassword => unreachable!("these go by the token"),
        }
    }

    fn with_token(&mut self, operation: Operation, password: usize) -> &'static str {
        let user = match (&mut self.user, self.token) {
            (_, Token::None) => return REFUSED,
            (None, _) | (_, Token::Orphan) => return UNKNOWN,
            (Some(user), Token::Good) if user.enabled => user,
            _ => return REFUSED,
        };
        match user.status {
            Status::ResetRequired => return "PasswordResetRequiredException",
            Status::Unconfirmed => return "UserNotConfirmedException",
            _ => {}
        }
        if let Operation::ChangePassword = operation {
            if user.status == Status::ExternalProvider || user.password != Some(password) {
                return REFUSED;
            }
            (user.password, user.reset_code) = (Some((password + 1) % PASSWORDS.len()), None);
        }
        OK
    }
}

/// The user on the server.
struct Real<'a> {
    server: &'a Server,
    pool: &'a str,
    client: &'a str,
    username: String,
    token: Option<Value>,
}

impl Real<'_> {
    /// What the server answers: the kind of the error, [`CHALLENGE`] or [`OK`].
    async fn answer(&mut self, operation: Operation, password: usize) -> String {
        let (server, pool, client, username) = (self.server, self.pool, self.client, &self.username);
        let (given, next) = (PASSWORDS[password], PASSWORDS[(password + 1) % PASSWORDS.len()]);
        let email = format!("{username}@example.com");
        let pairs = [("email", email.as_str()), ("email_verified", "true")];
        let invite = |action: Value| json!({"TemporaryPassword": given, "DesiredDeliveryMediums": ["EMAIL"], "MessageAction": action});
        let token = self.token.clone().unwrap_or_else(|| json!("none"));
        let answer = match operation {
            Operation::SignUp => {
                let attributes = json!([{"Name": "email", "Value": email}]);
                let request =
                    json!({"ClientId": client, "Username": username, "Password": given, "UserAttributes": attributes});
                server.call("SignUp", request).await
            }
            Operation::AdminCreateUser => create(server, pool, username, &pairs, invite(Value::Null)).await,
            Operation::Resend => create(server, pool, username, &[], invite(json!("RESEND"))).await,
            Operation::ConfirmSignUp => {
                let code = self.code("SignUp").await;
                let request = json!({"ClientId": client, "Username": username, "ConfirmationCode": code});
                server.call("ConfirmSignUp", request).await
            }
            Operation::AdminSetUserPassword { permanent } => {
                crate::users::set_password(server, pool, username, given, permanent).await
            }
            Operation::ForgotPassword => {
                server.call("ForgotPassword", json!({"ClientId": client, "Username": username})).await
            }
            Operation::ConfirmForgotPassword => {
                let code = self.code("ForgotPassword").await;
                let request =
                    json!({"ClientId": client, "Username": username, "ConfirmationCode": code, "Password": given});
                server.call("ConfirmForgotPassword", request).await
            }
            Operation::SignIn => return self.sign_in(given, next).await,
            Operation::ChangePassword => {
                let request = json!({"AccessToken": token, "PreviousPassword": given, "ProposedPassword": next});
                server.call("ChangePassword", request).await
            }
            Operation::GetUser => server.call("GetUser", json!({"AccessToken": token})).await,
            Operation::AdminDisableProviderForUser => {
                let user = json!({
                    "ProviderName": "Cognito", "ProviderAttributeName": "Cognito_Subject", "ProviderAttributeValue": username,
                });
                server.call("AdminDisableProviderForUser", json!({"UserPoolId": pool, "User": user})).await
            }
            Operation::AdminConfirmSignUp
            | Operation::AdminResetUserPassword
            | Operation::AdminDisableUser
            | Operation::AdminEnableUser
            | Operation::AdminUserGlobalSignOut
            | Operation::AdminDeleteUser => named(server, &format!("{operation:?}"), pool, username).await,
        };
        kind(&answer)
    }

    async fn sign_in(&mut self, given: &str, next: &str) -> String {
        let answer = self.server.sign_in(self.client, &self.username, given).await;
        if answer.status != 200 {
            return kind(&answer);
        }
        let (mut answer, mut outcome) = (answer.ok(), OK);
        if answer["ChallengeName"] == "NEW_PASSWORD_REQUIRED" {
            let request = json!({
                "ClientId": self.client, "ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": answer["Session"],
                "ChallengeResponses": {"USERNAME": self.username, "NEW_PASSWORD": next},
            });
            answer = self.server.call("RespondToAuthChallenge", request).await.ok();
            outcome = CHALLENGE;
        }
        self.token = Some(answer["AuthenticationResult"]["AccessToken"].clone());
        outcome.to_owned()
    }

    /// The newest code of that purpose, or one that nobody ever got.
    async fn code(&self, purpose: &str) -> Value {
        let messages = self.server.messages(self.pool, &self.username).await;
        let newest = messages.iter().find(|message| message["purpose"] == purpose);
        newest.map_or_else(|| json!("none"), |message| message["code"].clone())
    }
}

fn kind(answer: &Answer) -> String {
    if answer.status == 200 {
        return OK.to_owned();
    }
    let error = answer.error();
    error.split_once(':').unwrap().0.to_owned()
}

/// A number below `limit`.
fn draw(entropy: &SeededEntropy, limit: usize) -> usize {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    usize::try_from(u32::from_be_bytes(bytes)).unwrap() % limit
}

#[tokio::test]
async fn every_operation_does_what_the_model_says() {
    let unlimited = |settings: &mut service::Settings| {
        let limits = &mut settings.limits;
        for limit in [
            &mut limits.reset_requests_per_hour,
            &mut limits.wrong_reset_codes_per_hour,
            &mut limits.wrong_sign_up_codes_per_hour,
            &mut limits.wrong_codes_per_day,
            &mut limits.password_changes_per_hour,
        ] {
            *limit = usize::MAX;
        }
    };
    let server = Server::builder().settings(unlimited).start().await;
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"]})).await;
    let day = json!({"AccessTokenValidity": 1, "TokenValidityUnits": {"AccessToken": "days"}});
    let client = server.client_id(&pool, day).await;
    let mut reached = std::collections::BTreeSet::new();
    for sequence in 0..SEQUENCES {
        let entropy = SeededEntropy::new(u64::try_from(sequence).unwrap());
        let username = format!("user{sequence}");
        let mut real = Real { server: &server, pool: &pool, client: &client, username: username.clone(), token: None };
        let mut model = Model::default();
        let mut history = Vec::new();
        for step in 0..STEPS {
            server.advance(PAUSE);
            let (operation, password) = (OPERATIONS[draw(&entropy, OPERATIONS.len())], draw(&entropy, PASSWORDS.len()));
            let before = model.user.as_ref().map(|user| user.status.name());
            history.push((operation, password));
            let expected = model.expect(operation, password, step);
            let answered = real.answer(operation, password).await;
            assert_eq!(answered, expected, "sequence {sequence} after {history:?}");
            let shown = named(&server, "AdminGetUser", &pool, &username).await;
            match &model.user {
                None => assert_eq!(kind(&shown), UNKNOWN, "sequence {sequence} after {history:?}"),
                Some(user) => {
                    let shown = shown.ok();
                    let state = (shown["UserStatus"].as_str().unwrap(), shown["Enabled"].as_bool().unwrap());
                    assert_eq!(state, (user.status.name(), user.enabled), "sequence {sequence} after {history:?}");
                }
            }
            reached.insert((before, format!("{operation:?}")));
        }
    }
    // Not much would be shown by sequences that get nowhere: six states, eighteen operations.
    assert!(reached.len() >= 100, "only {} of 108 combinations came up", reached.len());
}
