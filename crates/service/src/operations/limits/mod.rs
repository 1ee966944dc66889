//! Provisioned limits (oauth-federation.md §22, accounts.md §20.1): how many requests a second a category may take.
//!
//! This version counts no requests, so nothing can be provisioned: every category has its default, which is also the
//! most that it can be given.

pub mod get_provisioned_limit;
pub mod update_provisioned_limit;

use wire::{LimitDefinitionType, LimitType};

use crate::ApiError;

/// The attribute of a definition that names the category.
const CATEGORY: &str = "Category";
/// Requests per second by category.
const DEFAULTS: [(&str, i64); 16] = [
    ("UserAuthentication", 120),
    ("UserCreation", 50),
    ("UserFederation", 25),
    ("UserAccountRecovery", 30),
    ("UserRead", 120),
    ("UserUpdate", 25),
    ("UserToken", 120),
    ("UserResourceRead", 50),
    ("UserResourceUpdate", 25),
    ("UserList", 30),
    ("UserPoolRead", 15),
    ("UserPoolUpdate", 15),
    ("UserPoolResourceRead", 20),
    ("UserPoolResourceUpdate", 15),
    ("UserPoolClientRead", 15),
    ("UserPoolClientUpdate", 15),
];

/// The limit that a definition names.
///
/// # Errors
/// `InvalidParameterException` where it names no category, `ResourceNotFoundException` where there is none of that name.
fn limit(definition: &LimitDefinitionType) -> Result<LimitType, ApiError> {
    // Decision: the service's words are not recorded.
    let category = definition.attributes.get(CATEGORY).filter(|_| definition.attributes.len() == 1);
    let category =
        category.ok_or_else(|| ApiError::invalid_parameter("LimitDefinition needs Category as its only attribute."))?;
    let found = DEFAULTS.into_iter().find(|(name, _)| name == category);
    let (_name, value) =
        found.ok_or_else(|| ApiError::not_found(format!("There is no limit of the category {category}.")))?;
    Ok(LimitType { limit_definition: definition.clone(), provisioned_limit_value: value, free_limit_value: value })
}
