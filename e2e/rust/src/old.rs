//! rusoto: it has not changed since 2022 and must go on working, its typed errors included.

use std::collections::HashMap;
use std::error::Error;

use hyper::client::HttpConnector;
use rusoto_cognito_idp::{
    AdminGetUserError, AdminGetUserRequest, AttributeType, CognitoIdentityProvider, CognitoIdentityProviderClient,
    ConfirmForgotPasswordError, ConfirmForgotPasswordRequest, ConfirmSignUpRequest, CreateUserPoolClientRequest,
    CreateUserPoolRequest, DescribeUserPoolError, DescribeUserPoolRequest, ForgotPasswordError, ForgotPasswordRequest,
    GetUserRequest, InitiateAuthError, InitiateAuthRequest, ListUserPoolsRequest, SignUpError, SignUpRequest,
};
use rusoto_core::credential::StaticProvider;
use rusoto_core::{HttpClient, Region, RusotoError};

use crate::{Inbox, NEW_PASSWORD, Outcome, PASSWORD, ensure, wrong};

/// Tests that share a client.
pub struct Story {
    client: CognitoIdentityProviderClient,
}

/// A pool and its app client.
struct Pool {
    id: String,
    client_id: String,
}

impl Story {
    /// A client of this server.
    pub fn new(endpoint: &str) -> Self {
        let region = Region::Custom { name: "us-east-1".to_owned(), endpoint: endpoint.to_owned() };
        let credentials = StaticProvider::new_minimal("AKIDEXAMPLE".to_owned(), "secret".to_owned());
        let http = HttpClient::from_connector(HttpConnector::new());
        Self { client: CognitoIdentityProviderClient::new_with(http, credentials, region) }
    }

    async fn pool(&self) -> Result<Pool, Box<dyn Error + Send + Sync>> {
        let made = self
            .client
            .create_user_pool(CreateUserPoolRequest {
                pool_name: "rusoto".to_owned(),
                auto_verified_attributes: Some(vec!["email".to_owned()]),
                ..CreateUserPoolRequest::default()
            })
            .await?;
        let id = made.user_pool.and_then(|pool| pool.id).ok_or("a pool without an id")?;
        let app = self
            .client
            .create_user_pool_client(CreateUserPoolClientRequest {
                user_pool_id: id.clone(),
                client_name: "app".to_owned(),
                explicit_auth_flows: Some(vec!["ALLOW_USER_PASSWORD_AUTH".to_owned()]),
                ..CreateUserPoolClientRequest::default()
            })
            .await?;
        let client_id = app.user_pool_client.and_then(|app| app.client_id).ok_or("a client without an id")?;
        Ok(Pool { id, client_id })
    }

    async fn sign_in(
        &self,
        pool: &Pool,
        username: &str,
        password: &str,
    ) -> Result<Option<String>, RusotoError<InitiateAuthError>> {
        let parameters =
            HashMap::from([("USERNAME".to_owned(), username.to_owned()), ("PASSWORD".to_owned(), password.to_owned())]);
        let answer = self
            .client
            .initiate_auth(InitiateAuthRequest {
                client_id: pool.client_id.clone(),
                auth_flow: "USER_PASSWORD_AUTH".to_owned(),
                auth_parameters: Some(parameters),
                ..InitiateAuthRequest::default()
            })
            .await?;
        Ok(answer.authentication_result.and_then(|tokens| tokens.access_token))
    }

    async fn forgot(&self, pool: &Pool, username: &str) -> Result<Option<String>, RusotoError<ForgotPasswordError>> {
        let answer = self
            .client
            .forgot_password(ForgotPasswordRequest {
                client_id: pool.client_id.clone(),
                username: username.to_owned(),
                ..ForgotPasswordRequest::default()
            })
            .await?;
        Ok(answer.code_delivery_details.and_then(|details| details.destination))
    }

    async fn confirm(
        &self,
        pool: &Pool,
        username: &str,
        code: &str,
        password: &str,
    ) -> Result<(), RusotoError<ConfirmForgotPasswordError>> {
        self.client
            .confirm_forgot_password(ConfirmForgotPasswordRequest {
                client_id: pool.client_id.clone(),
                username: username.to_owned(),
                confirmation_code: code.to_owned(),
                password: password.to_owned(),
                ..ConfirmForgotPasswordRequest::default()
            })
            .await
            .map(|_| ())
    }

    /// Sign-up, recovery with every wrong turn, sign-in with the new password.
    pub async fn recovery(&self, inbox: &Inbox) -> Outcome {
        let pool = self.pool().await?;
        let username = "rusoto-recovery";
        self.client
            .sign_up(SignUpRequest {
                client_id: pool.client_id.clone(),
                username: username.to_owned(),
                password: PASSWORD.to_owned(),
                user_attributes: Some(vec![AttributeType {
                    name: "email".to_owned(),
                    value: Some("crab@example.com".to_owned()),
                }]),
                ..SignUpRequest::default()
            })
            .await?;
        match self.sign_in(&pool, username, PASSWORD).await {
            Err(RusotoError::Service(InitiateAuthError::UserNotConfirmed(text))) => {
                ensure(text == "User is not confirmed.", &text)?;
            }
            other => return Err(format!("an unconfirmed user: {other:?}").into()),
        }
        let code = inbox.code(&pool.id, username, "SignUp").await?;
        self.client
            .confirm_sign_up(ConfirmSignUpRequest {
                client_id: pool.client_id.clone(),
                username: username.to_owned(),
                confirmation_code: code,
                ..ConfirmSignUpRequest::default()
            })
            .await?;

        let destination = self.forgot(&pool, username).await?;
        ensure(destination.as_deref() == Some("c***@e***"), &format!("the masked address: {destination:?}"))?;
        let code = inbox.code(&pool.id, username, "ForgotPassword").await?;
        match self.confirm(&pool, username, &wrong(&code), NEW_PASSWORD).await {
            Err(RusotoError::Service(ConfirmForgotPasswordError::CodeMismatch(text))) => {
                ensure(text == "Invalid verification code provided, please try again.", &text)?;
            }
            other => return Err(format!("a wrong code: {other:?}").into()),
        }
        match self.confirm(&pool, username, &code, "short").await {
            Err(RusotoError::Service(ConfirmForgotPasswordError::InvalidPassword(text))) => {
                ensure(text == "Password does not conform to policy: Password not long enough", &text)?;
            }
            other => return Err(format!("a short password: {other:?}").into()),
        }
        self.confirm(&pool, username, &code, NEW_PASSWORD).await?;
        match self.confirm(&pool, username, &code, NEW_PASSWORD).await {
            Err(RusotoError::Service(ConfirmForgotPasswordError::ExpiredCode(text))) => {
                ensure(text == "Invalid code provided, please request a code again.", &text)?;
            }
            other => return Err(format!("a spent code: {other:?}").into()),
        }
        match self.sign_in(&pool, username, PASSWORD).await {
            Err(RusotoError::Service(InitiateAuthError::NotAuthorized(text))) => {
                ensure(text == "Incorrect username or password.", &text)?;
            }
            other => return Err(format!("the old password: {other:?}").into()),
        }
        let token = self.sign_in(&pool, username, NEW_PASSWORD).await?.ok_or("no access token")?;
        let user = self.client.get_user(GetUserRequest { access_token: token }).await?;
        ensure(user.username == username, "the token is the user's")
    }

    /// Errors as rusoto's own types, and a signed call that succeeds.
    pub async fn errors(&self) -> Outcome {
        let pool = self.pool().await?;
        let request = ListUserPoolsRequest { max_results: 10, next_token: None };
        let listed = self.client.list_user_pools(request).await?;
        ensure(listed.user_pools.is_some_and(|pools| !pools.is_empty()), "the pool is listed")?;

        let unknown = DescribeUserPoolRequest { user_pool_id: "us-east-1_AbCdEfGh1".to_owned() };
        match self.client.describe_user_pool(unknown).await {
            Err(RusotoError::Service(DescribeUserPoolError::ResourceNotFound(text))) => {
                ensure(text == "User pool us-east-1_AbCdEfGh1 does not exist.", &text)?;
            }
            other => return Err(format!("an unknown pool: {other:?}").into()),
        }
        let nobody = AdminGetUserRequest { user_pool_id: pool.id.clone(), username: "nobody".to_owned() };
        match self.client.admin_get_user(nobody).await {
            Err(RusotoError::Service(AdminGetUserError::UserNotFound(text))) => {
                ensure(text == "User does not exist.", &text)?;
            }
            other => return Err(format!("an unknown user: {other:?}").into()),
        }
        let forgot = self.forgot(&pool, "nobody").await;
        ensure(
            matches!(forgot, Err(RusotoError::Service(ForgotPasswordError::UserNotFound(_)))),
            &format!("an unknown user's password: {forgot:?}"),
        )?;
        let signed_up = self
            .client
            .sign_up(SignUpRequest {
                client_id: pool.client_id.clone(),
                username: "weak".to_owned(),
                password: "NoSymbols123".to_owned(),
                ..SignUpRequest::default()
            })
            .await;
        match signed_up {
            Err(RusotoError::Service(SignUpError::InvalidPassword(text))) => {
                ensure(text == "Password did not conform with policy: Password must have symbol characters", &text)
            }
            other => Err(format!("a password without symbols: {other:?}").into()),
        }
    }
}
