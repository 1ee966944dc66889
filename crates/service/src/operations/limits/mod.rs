//! Provisioned limits (oauth-federation.md §22, accounts.md §20.1): how many requests a second a category may take.
//!
//! Rates are the operator's affair (`[quotas]` in the configuration), so nothing can be provisioned here: every category
//! shows the service's default, which is also the most that it can be given.

pub mod get_provisioned_limit;
pub mod update_provisioned_limit;

use wire::{LimitDefinitionType, LimitType};

use crate::{ApiError, quotas::Category};

/// The attribute of a definition that names the category.
const CATEGORY: &str = "Category";
/// The categories that have a name in the API.
const CATEGORIES: [(&str, Category); 17] = [
    ("UserAuthentication", Category::UserAuthentication),
    ("UserCreation", Category::UserCreation),
    ("UserFederation", Category::UserFederation),
    ("UserAccountRecovery", Category::UserAccountRecovery),
    ("UserRead", Category::UserRead),
    ("UserUpdate", Category::UserUpdate),
    ("UserToken", Category::UserToken),
    ("UserResourceRead", Category::UserResourceRead),
    ("UserResourceUpdate", Category::UserResourceUpdate),
    ("UserList", Category::UserList),
    ("UserPoolRead", Category::UserPoolRead),
    ("UserPoolUpdate", Category::UserPoolUpdate),
    ("UserPoolResourceRead", Category::UserPoolResourceRead),
    ("UserPoolResourceUpdate", Category::UserPoolResourceUpdate),
    ("UserPoolClientRead", Category::UserPoolClientRead),
    ("UserPoolClientUpdate", Category::UserPoolClientUpdate),
    ("ClientAuthentication", Category::ClientAuthentication),
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
    let found = CATEGORIES.into_iter().find(|(name, _)| name == category);
    let (_name, found) =
        found.ok_or_else(|| ApiError::not_found(format!("There is no limit of the category {category}.")))?;
    let value = i64::from(found.service_rate());
    Ok(LimitType { limit_definition: definition.clone(), provisioned_limit_value: value, free_limit_value: value })
}
