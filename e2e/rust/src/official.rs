//! The official SDK.

use std::error::Error;

use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_cognitoidentityprovider::error::ProvideErrorMetadata;
use aws_sdk_cognitoidentityprovider::operation::RequestId;
use aws_sdk_cognitoidentityprovider::types::{
    AttributeType, AuthFlowType, ChallengeNameType, DeliveryMediumType, ExplicitAuthFlowsType, MessageActionType,
    UserStatusType, VerifiedAttributeType,
};
use aws_sdk_cognitoidentityprovider::{Client, Config};

use crate::{Inbox, NEW_PASSWORD, Outcome, PASSWORD, ensure, wrong};

/// Tests that share a client.
pub struct Story {
    client: Client,
}

/// A pool and its app client.
struct Pool {
    id: String,
    client_id: String,
}

impl Story {
    /// A client of this server; failures are not retried.
    pub fn new(endpoint: &str) -> Self {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "tests"))
            .retry_config(RetryConfig::disabled())
            .build();
        Self { client: Client::from_conf(config) }
    }

    async fn pool(&self) -> Result<Pool, Box<dyn Error + Send + Sync>> {
        let made = self
            .client
            .create_user_pool()
            .pool_name("rust")
            .auto_verified_attributes(VerifiedAttributeType::Email)
            .send()
            .await?;
        let id = made.user_pool().and_then(|pool| pool.id()).ok_or("a pool without an id")?.to_owned();
        let app = self
            .client
            .create_user_pool_client()
            .user_pool_id(&id)
            .client_name("app")
            .explicit_auth_flows(ExplicitAuthFlowsType::AllowUserPasswordAuth)
            .explicit_auth_flows(ExplicitAuthFlowsType::AllowRefreshTokenAuth)
            .send()
            .await?;
        let client_id =
            app.user_pool_client().and_then(|app| app.client_id()).ok_or("a client without an id")?.to_owned();
        Ok(Pool { id, client_id })
    }

    /// The access token of a sign-in by password.
    async fn sign_in(
        &self,
        pool: &Pool,
        username: &str,
        password: &str,
    ) -> Result<String, Box<dyn Error + Send + Sync>> {
        let answer = self
            .client
            .initiate_auth()
            .client_id(&pool.client_id)
            .auth_flow(AuthFlowType::UserPasswordAuth)
            .auth_parameters("USERNAME", username)
            .auth_parameters("PASSWORD", password)
            .send()
            .await
            .map_err(|error| error.into_service_error())?;
        let tokens = answer.authentication_result().ok_or("a sign-in without tokens")?;
        ensure(tokens.expires_in() == 3600, "the access token lives an hour")?;
        Ok(tokens.access_token().ok_or("no access token")?.to_owned())
    }

    /// Sign-up, recovery, sign-in with the new password.
    pub async fn recovery(&self, inbox: &Inbox) -> Outcome {
        let pool = self.pool().await?;
        let username = "rust-recovery";
        let email = AttributeType::builder().name("email").value("ferris@example.com").build()?;
        let signed_up = self
            .client
            .sign_up()
            .client_id(&pool.client_id)
            .username(username)
            .password(PASSWORD)
            .user_attributes(email)
            .send()
            .await?;
        ensure(!signed_up.user_confirmed(), "nobody is confirmed by signing up")?;
        let code = inbox.code(&pool.id, username, "SignUp").await?;
        self.client
            .confirm_sign_up()
            .client_id(&pool.client_id)
            .username(username)
            .confirmation_code(code)
            .send()
            .await?;

        let forgot = self.client.forgot_password().client_id(&pool.client_id).username(username).send().await?;
        let details = forgot.code_delivery_details().ok_or("no delivery details")?;
        ensure(details.delivery_medium() == Some(&DeliveryMediumType::Email), "the code goes by mail")?;
        ensure(details.destination() == Some("f***@e***"), "the address is masked")?;
        ensure(details.attribute_name() == Some("email"), "the attribute is named")?;

        let code = inbox.code(&pool.id, username, "ForgotPassword").await?;
        let confirm = |code: String| {
            self.client
                .confirm_forgot_password()
                .client_id(&pool.client_id)
                .username(username)
                .confirmation_code(code)
                .password(NEW_PASSWORD)
                .send()
        };
        let refused = confirm(wrong(&code)).await.err().ok_or("a wrong code was accepted")?.into_service_error();
        ensure(refused.is_code_mismatch_exception(), &format!("a wrong code: {refused:?}"))?;
        ensure(
            refused.message() == Some("Invalid verification code provided, please try again."),
            &format!("the text: {refused:?}"),
        )?;
        ensure(refused.meta().request_id().is_some(), "errors carry a request id")?;
        confirm(code.clone()).await?;
        let refused = confirm(code).await.err().ok_or("a spent code was accepted")?.into_service_error();
        ensure(refused.is_expired_code_exception(), &format!("a spent code: {refused:?}"))?;

        ensure(self.sign_in(&pool, username, PASSWORD).await.is_err(), "the old password is refused")?;
        let token = self.sign_in(&pool, username, NEW_PASSWORD).await?;
        let user = self.client.get_user().access_token(token).send().await?;
        ensure(user.username() == username, "the token is the user's")?;
        let verified = user.user_attributes().iter().find(|item| item.name() == "email_verified");
        ensure(verified.and_then(|item| item.value()) == Some("true"), "the address is verified")
    }

    /// AdminCreateUser, then NEW_PASSWORD_REQUIRED.
    pub async fn invitation(&self) -> Outcome {
        let pool = self.pool().await?;
        let created = self
            .client
            .admin_create_user()
            .user_pool_id(&pool.id)
            .username("invited")
            .temporary_password(PASSWORD)
            .message_action(MessageActionType::Suppress)
            .send()
            .await?;
        let user = created.user().ok_or("no user")?;
        ensure(user.user_status() == Some(&UserStatusType::ForceChangePassword), "the password must be changed")?;
        ensure(user.user_create_date().is_some_and(|date| date.secs() > 1_700_000_000), "the date is a date")?;

        let challenge = self
            .client
            .initiate_auth()
            .client_id(&pool.client_id)
            .auth_flow(AuthFlowType::UserPasswordAuth)
            .auth_parameters("USERNAME", "invited")
            .auth_parameters("PASSWORD", PASSWORD)
            .send()
            .await?;
        ensure(challenge.challenge_name() == Some(&ChallengeNameType::NewPasswordRequired), "a new password is due")?;
        let answer = self
            .client
            .respond_to_auth_challenge()
            .client_id(&pool.client_id)
            .challenge_name(ChallengeNameType::NewPasswordRequired)
            .set_session(challenge.session().map(ToOwned::to_owned))
            .challenge_responses("USERNAME", "invited")
            .challenge_responses("NEW_PASSWORD", NEW_PASSWORD)
            .send()
            .await?;
        ensure(answer.authentication_result().is_some_and(|tokens| tokens.id_token().is_some()), "tokens")?;
        self.sign_in(&pool, "invited", NEW_PASSWORD).await.map(|_| ())
    }

    /// Errors as the SDK's own types.
    pub async fn errors(&self) -> Outcome {
        let pool = self.pool().await?;
        let refused = self
            .client
            .describe_user_pool()
            .user_pool_id("us-east-1_AbCdEfGh1")
            .send()
            .await
            .err()
            .ok_or("an unknown pool was described")?
            .into_service_error();
        ensure(refused.is_resource_not_found_exception(), &format!("unknown pool: {refused:?}"))?;
        ensure(
            refused.message() == Some("User pool us-east-1_AbCdEfGh1 does not exist."),
            &format!("the text: {refused:?}"),
        )?;
        let refused = self
            .client
            .sign_up()
            .client_id(&pool.client_id)
            .username("weak")
            .password("short")
            .send()
            .await
            .err()
            .ok_or("a short password was accepted")?
            .into_service_error();
        ensure(refused.is_invalid_password_exception(), &format!("short password: {refused:?}"))?;
        let refused = self
            .client
            .forgot_password()
            .client_id(&pool.client_id)
            .username("nobody")
            .send()
            .await
            .err()
            .ok_or("nobody was sent a code")?
            .into_service_error();
        ensure(refused.is_user_not_found_exception(), &format!("unknown user: {refused:?}"))
    }
}
