//! The look of the classic pages (oauth-federation.md §12.3): the client's, or that of all clients. Its parts are found
//! below the domain, under paths that name their version.

use domain::{UiCustomization, ui_customization::ALL_CLIENTS};

use crate::{App, date_version};

/// The look of a client's pages.
///
/// # Errors
/// When the store cannot be read.
pub async fn of(app: &App, pool_id: &str, client_id: &str) -> Result<Option<UiCustomization>, store::Error> {
    match exactly(app, pool_id, client_id).await? {
        Some(own) => Ok(Some(own)),
        None => exactly(app, pool_id, ALL_CLIENTS).await,
    }
}

/// The look that was set for this client, or for [`ALL_CLIENTS`].
///
/// # Errors
/// When the store cannot be read.
pub async fn exactly(app: &App, pool_id: &str, client_id: &str) -> Result<Option<UiCustomization>, store::Error> {
    Ok(app.store.part::<UiCustomization>(pool_id, client_id).await?.map(|stored| stored.value))
}

/// The path of the style rules.
#[must_use]
pub fn style_path(look: &UiCustomization) -> String {
    format!("{}/CSS/custom-css.css", folder(look))
}

/// The path of the logo, which may be a PNG all the same.
#[must_use]
pub fn image_path(look: &UiCustomization) -> String {
    format!("{}/images/image.jpg", folder(look))
}

fn folder(look: &UiCustomization) -> String {
    format!("/{}/{}/assets", look.client_id, date_version::of(look.modified_at))
}
