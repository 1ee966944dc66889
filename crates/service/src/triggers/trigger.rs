//! The occasions at which functions are called (triggers-security.md §1, §2).

use domain::Pool;
use wire::{LambdaConfigType, PreTokenGenerationLambdaVersionType};

/// An occasion at which a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Before a user is stored who signs up, is created or comes from elsewhere.
    PreSignUp,
    /// After a user was confirmed, or has set a new password by a code.
    PostConfirmation,
    /// Before a sign-in's first factor is checked.
    PreAuthentication,
    /// After a sign-in's last step, before there are tokens.
    PostAuthentication,
    /// Before tokens are made: says what is in them.
    PreTokenGeneration,
    /// When nobody is known by a name: brings the user along from elsewhere.
    UserMigration,
    /// Before a message is written: says how it reads.
    CustomMessage,
    /// Says which challenge comes next in CUSTOM_AUTH.
    DefineAuthChallenge,
    /// Makes a challenge.
    CreateAuthChallenge,
    /// Checks the answer to a challenge.
    VerifyAuthChallengeResponse,
    /// Takes mails in place of the sender.
    CustomEmailSender,
    /// Takes text messages in place of the sender.
    CustomSmsSender,
    /// What another identity provider says of a user, before it is taken over.
    InboundFederation,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::PreSignUp,
        Self::PostConfirmation,
        Self::PreAuthentication,
        Self::PostAuthentication,
        Self::PreTokenGeneration,
        Self::UserMigration,
        Self::CustomMessage,
        Self::DefineAuthChallenge,
        Self::CreateAuthChallenge,
        Self::VerifyAuthChallengeResponse,
        Self::CustomEmailSender,
        Self::CustomSmsSender,
        Self::InboundFederation,
    ];

    /// Its key in `LambdaConfig`, which messages call it by, too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreSignUp => "PreSignUp",
            Self::PostConfirmation => "PostConfirmation",
            Self::PreAuthentication => "PreAuthentication",
            Self::PostAuthentication => "PostAuthentication",
            Self::PreTokenGeneration => "PreTokenGeneration",
            Self::UserMigration => "UserMigration",
            Self::CustomMessage => "CustomMessage",
            Self::DefineAuthChallenge => "DefineAuthChallenge",
            Self::CreateAuthChallenge => "CreateAuthChallenge",
            Self::VerifyAuthChallengeResponse => "VerifyAuthChallengeResponse",
            Self::CustomEmailSender => "CustomEmailSender",
            Self::CustomSmsSender => "CustomSMSSender",
            Self::InboundFederation => "InboundFederation",
        }
    }

    /// What `triggerSource` begins with.
    pub(super) const fn source(self) -> &'static str {
        match self {
            Self::PreTokenGeneration => "TokenGeneration",
            _ => self.as_str(),
        }
    }

    /// `version` of its events.
    pub(super) fn version(self, pool: &Pool) -> &'static str {
        let triggers = pool.sign_in.triggers.as_ref();
        let versioned = triggers.and_then(|triggers| triggers.pre_token_generation_config.as_ref());
        match (self, versioned.map(|function| function.lambda_version)) {
            (Self::PreTokenGeneration, Some(PreTokenGenerationLambdaVersionType::V20)) => "2",
            (Self::PreTokenGeneration, Some(PreTokenGenerationLambdaVersionType::V30)) => "3",
            _ => "1",
        }
    }
}

/// ARN of the function that a pool has for an occasion.
#[must_use]
pub fn function(pool: &Pool, trigger: Trigger) -> Option<&str> {
    let triggers: &LambdaConfigType = pool.sign_in.triggers.as_ref()?;
    let plain = match trigger {
        Trigger::PreSignUp => &triggers.pre_sign_up,
        Trigger::PostConfirmation => &triggers.post_confirmation,
        Trigger::PreAuthentication => &triggers.pre_authentication,
        Trigger::PostAuthentication => &triggers.post_authentication,
        Trigger::PreTokenGeneration => match &triggers.pre_token_generation_config {
            Some(versioned) => return Some(&versioned.lambda_arn),
            None => &triggers.pre_token_generation,
        },
        Trigger::UserMigration => &triggers.user_migration,
        Trigger::CustomMessage => &triggers.custom_message,
        Trigger::DefineAuthChallenge => &triggers.define_auth_challenge,
        Trigger::CreateAuthChallenge => &triggers.create_auth_challenge,
        Trigger::VerifyAuthChallengeResponse => &triggers.verify_auth_challenge_response,
        Trigger::CustomEmailSender => {
            return triggers.custom_email_sender.as_ref().map(|sender| sender.lambda_arn.as_str());
        }
        Trigger::CustomSmsSender => {
            return triggers.custom_sms_sender.as_ref().map(|sender| sender.lambda_arn.as_str());
        }
        Trigger::InboundFederation => {
            return triggers.inbound_federation.as_ref().map(|function| function.lambda_arn.as_str());
        }
    };
    plain.as_deref()
}
