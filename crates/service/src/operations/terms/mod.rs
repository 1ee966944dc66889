//! Terms documents (oauth-federation.md §13).

pub mod create_terms;
pub mod delete_terms;
pub mod describe_terms;
pub mod describe_terms_by_client;
pub mod list_terms;
pub mod update_terms;

use std::collections::BTreeMap;

use domain::{Terms, TermsOfClient};
use store::Stored;
use wire::{ErrorKind, TermsType};

use crate::{ApiError, Ctx};

/// The language whose link counts where there is none for the user's.
const DEFAULT_LANGUAGE: &str = "cognito:default";
/// The names that a document can have.
pub(super) const NAMES: [&str; 2] = ["terms-of-use", "privacy-policy"];

/// A document of a pool that is there.
///
/// # Errors
/// `ResourceNotFoundException`.
async fn find(ctx: &Ctx, pool_id: &str, id: &str) -> Result<Stored<Terms>, ApiError> {
    // Decision: the service's words are not recorded.
    let found = ctx.app.store.part::<Terms>(pool_id, &id.to_ascii_lowercase()).await?;
    found.ok_or_else(|| ApiError::not_found(format!("Terms {id} do not exist.")))
}

/// Where it is kept that a client has a document of that name, if it has one.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn of_client(
    ctx: &Ctx,
    pool_id: &str,
    client_id: &str,
    name: &str,
) -> Result<Option<Stored<TermsOfClient>>, ApiError> {
    Ok(ctx.app.store.part(pool_id, &TermsOfClient::key(client_id, name)).await?)
}

/// The answer to a second document of a name.
fn exist(name: &str) -> ApiError {
    // Decision: the service's words are not recorded.
    ApiError::new(ErrorKind::TermsExists, format!("Terms of the name {name} already exist for this client."))
}

/// Links that people can follow, one of them for every language without its own.
///
/// # Errors
/// `InvalidParameterException`.
fn links(given: Option<&BTreeMap<String, String>>) -> Result<BTreeMap<String, String>, ApiError> {
    let links = given.cloned().unwrap_or_default();
    // Decision: the service's words are not recorded.
    if !links.contains_key(DEFAULT_LANGUAGE) {
        return Err(ApiError::invalid_parameter(format!("Links must contain a link for {DEFAULT_LANGUAGE}.")));
    }
    // Decision: a link that a page shows leads to a page, and runs nothing.
    let is_page = |link: &String| {
        ["https://", "http://"].iter().any(|scheme| link.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
    };
    match links.values().find(|link| !is_page(link)) {
        Some(link) => Err(ApiError::invalid_parameter(format!("The link {link} is not an http or https URL."))),
        None => Ok(links),
    }
}

/// A document as answers show it.
fn answer(terms: &Terms) -> TermsType {
    TermsType {
        terms_id: terms.id.clone(),
        user_pool_id: terms.pool_id.clone(),
        client_id: terms.client_id.clone(),
        terms_name: terms.name.clone(),
        terms_source: terms.source,
        enforcement: terms.enforcement,
        links: terms.links.clone(),
        creation_date: terms.created_at,
        last_modified_date: terms.modified_at,
    }
}
