//! How login pages look: styles of managed login and the look of the classic pages (oauth-federation.md §12).

pub mod create_managed_login_branding;
pub mod delete_managed_login_branding;
pub mod describe_managed_login_branding;
pub mod describe_managed_login_branding_by_client;
pub mod get_ui_customization;
pub mod set_ui_customization;
pub mod update_managed_login_branding;

mod assets;
mod classic;
mod css;
mod settings;

use domain::{Branding, BrandingOfClient};
use store::Stored;
use wire::{AssetType, ErrorKind, ManagedLoginBrandingType};

use crate::{ApiError, Ctx};

/// Most bytes of a style as it is stored, pictures included.
const LARGEST: usize = 1_000_000;

/// A style of a pool that is there.
///
/// # Errors
/// `ResourceNotFoundException`.
async fn find(ctx: &Ctx, pool_id: &str, id: &str) -> Result<Stored<Branding>, ApiError> {
    // Decision: the service's words are not recorded.
    let found = ctx.app.store.part::<Branding>(pool_id, &id.to_ascii_lowercase()).await?;
    found.ok_or_else(|| ApiError::not_found(format!("Managed login branding {id} does not exist.")))
}

/// Where it is kept which style a client has, if it has one.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn of_client(
    ctx: &Ctx,
    pool_id: &str,
    client_id: &str,
) -> Result<Option<Stored<BrandingOfClient>>, ApiError> {
    Ok(ctx.app.store.part(pool_id, client_id).await?)
}

/// What a request wants a style to be.
struct Wishes {
    use_provided_values: Option<bool>,
    settings: Option<serde_json::Value>,
    assets: Option<Vec<AssetType>>,
}

impl Wishes {
    /// Puts them into a style: settings and pictures that the request leaves out stay, unless the style goes back to
    /// the default values.
    ///
    /// Decision: settings are merged member by member, lists being replaced whole; a picture replaces the one in its
    /// place. A style that is given settings or pictures no longer uses the default values.
    ///
    /// # Errors
    /// `InvalidParameterException`.
    fn apply(&self, style: &mut Branding) -> Result<(), ApiError> {
        let customizes = self.settings.is_some() || self.assets.is_some();
        if self.use_provided_values == Some(true) {
            if customizes {
                // Decision: the service's words are not recorded.
                return Err(ApiError::invalid_parameter(
                    "Settings and Assets cannot be given when UseCognitoProvidedValues is true.",
                ));
            }
            style.use_provided_values = true;
            style.settings = None;
            style.assets.clear();
            return Ok(());
        }
        if customizes || self.use_provided_values.is_some() {
            style.use_provided_values = false;
        }
        if let Some(wanted) = &self.settings {
            settings::check(wanted)?;
            settings::merge(style.settings.get_or_insert_with(|| serde_json::json!({})), wanted);
        }
        assets::put(&mut style.assets, self.assets.as_deref().unwrap_or_default())?;
        if serde_json::to_vec(style)?.len() > LARGEST {
            // Decision: the service takes requests of 2 MB; here a whole style is smaller than that.
            return Err(ApiError::invalid_parameter(format!(
                "Settings and Assets of a style cannot be larger than {LARGEST} bytes together."
            )));
        }
        Ok(())
    }
}

/// A style as answers show it; with what it leaves to the default style where `merged`.
fn answer(style: &Branding, merged: bool) -> ManagedLoginBrandingType {
    let shown = if merged { Some(settings::merged(style.settings.as_ref())) } else { style.settings.clone() };
    ManagedLoginBrandingType {
        managed_login_branding_id: Some(style.id.clone()),
        user_pool_id: Some(style.pool_id.clone()),
        use_cognito_provided_values: Some(style.use_provided_values),
        settings: shown,
        assets: (!style.assets.is_empty()).then(|| style.assets.clone()),
        creation_date: Some(style.created_at),
        last_modified_date: Some(style.modified_at),
    }
}

/// The answer to a second style for a client.
fn exists() -> ApiError {
    // Decision: the service's words are not recorded.
    ApiError::new(ErrorKind::ManagedLoginBrandingExists, "Managed login branding already exists for this client.")
}
