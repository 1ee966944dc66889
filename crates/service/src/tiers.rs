//! The tiers of pools and the features that not every one of them includes (accounts.md §13.5). The operator can lift
//! the difference: `Settings::lift_tiers`.

use wire::{ErrorKind, PreTokenGenerationLambdaVersionType, UserPoolTierType};

use crate::{ApiError, Ctx};

/// A feature that not every tier includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Sign-in that begins with something else than a password.
    PasswordlessSignIn,
    /// A trigger that changes access tokens.
    TokenCustomization(PreTokenGenerationLambdaVersionType),
    /// `PasswordHistorySize`.
    PasswordHistory,
    /// Codes by mail as a second factor.
    EmailMfa,
    /// `AdvancedSecurityMode` other than OFF.
    ThreatProtection,
    /// `ManagedLoginVersion` 2.
    ManagedLogin,
    /// Replicas in other regions.
    Replication,
    /// Sign-ins that are kept track of.
    SessionTracking,
    /// Levels of assurance that sign-ins aim at.
    StepUp,
}

impl Feature {
    /// What the service calls it.
    fn name(self) -> String {
        match self {
            Self::PasswordlessSignIn => "Passwordless Sign-In".to_owned(),
            Self::TokenCustomization(version) => {
                format!("Token Customization with Pre-Token Generation Lambda {}", version.as_str())
            }
            // Decision: the service's names of the following are not recorded.
            Self::PasswordHistory => "Password History".to_owned(),
            Self::EmailMfa => "Email MFA".to_owned(),
            Self::ThreatProtection => "Threat Protection".to_owned(),
            Self::ManagedLogin => "Managed Login".to_owned(),
            Self::Replication => "Multi-Region Replication".to_owned(),
            Self::SessionTracking => "User Session Tracking".to_owned(),
            Self::StepUp => "Step-Up Authentication".to_owned(),
        }
    }

    const fn is_in(self, tier: UserPoolTierType) -> bool {
        match (self, tier) {
            (_, UserPoolTierType::Plus) => true,
            (Self::ThreatProtection, _) | (_, UserPoolTierType::Lite) => false,
            (_, UserPoolTierType::Essentials) => true,
        }
    }
}

/// Whether the tier includes this feature.
#[must_use]
pub fn includes(ctx: &Ctx, tier: UserPoolTierType, feature: Feature) -> bool {
    refusal(ctx, tier, &[feature]).is_none()
}

/// Checks that the tier includes all of these features.
///
/// # Errors
/// `FeatureUnavailableInTierException` naming those that it does not include.
pub fn check(ctx: &Ctx, tier: UserPoolTierType, used: &[Feature]) -> Result<(), ApiError> {
    match refusal(ctx, tier, used) {
        Some(message) => Err(ApiError::new(ErrorKind::FeatureUnavailableInTier, message)),
        None => Ok(()),
    }
}

/// Checks that a pool can move to this tier with features that stay as they are, since the request that moves it
/// cannot switch them off.
///
/// # Errors
/// `TierChangeNotAllowedException` naming those that it does not include.
pub fn check_change(ctx: &Ctx, tier: UserPoolTierType, kept: &[Feature]) -> Result<(), ApiError> {
    match refusal(ctx, tier, kept) {
        Some(message) => Err(ApiError::new(ErrorKind::TierChangeNotAllowed, message)),
        None => Ok(()),
    }
}

fn refusal(ctx: &Ctx, tier: UserPoolTierType, used: &[Feature]) -> Option<String> {
    if ctx.app.settings.lift_tiers {
        return None;
    }
    let missing: Vec<String> = used.iter().filter(|feature| !feature.is_in(tier)).map(|used| used.name()).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "The following features need to be disabled for the {} pricing tier configured: {}",
            tier.as_str(),
            missing.join(", ")
        )
    })
}
