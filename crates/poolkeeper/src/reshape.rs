//! `poolkeeper reshape`, which `[beyond]` has to allow.

use anyhow::{Context, bail};
use indicatif::HumanCount;
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error};
use service::reshape::{Shape, reshape};
use store::archive::{Progress, Stage};

use crate::{configuration::Configuration, opening, print, progress::Shown, system};

/// Gives a pool other sign-in names and required attributes.
///
/// # Errors
/// When `[beyond]` does not allow it, a name is unknown, users would share a name, or the database fails.
pub async fn run(
    configuration: &Configuration,
    user_pool_id: &str,
    alias_attributes: &[String],
    username_attributes: &[String],
    required: &[String],
) -> anyhow::Result<()> {
    if !configuration.beyond.reshape {
        bail!(
            "this changes what is fixed when a pool is made, which the original cannot do. Allow it with `reshape = true` \
             in the section [beyond] of the configuration file"
        );
    }
    let shape = Shape {
        alias_attributes: values("alias attribute", alias_attributes)?,
        username_attributes: values("username attribute", username_attributes)?,
        required: required.iter().filter(|name| *name != "none").cloned().collect(),
    };
    let opened = opening::for_keys(configuration).await?;
    let about = u64::try_from(opened.store.estimated_users(user_pool_id).await?).unwrap_or_default();
    let mut shown = Shown::default();
    let mut tell = |users: u64| {
        let progress =
            Progress { stage: Stage::Loading, rows: users, of_rows: about.max(users), bytes: 0, of_bytes: 0 };
        shown.tell(&progress);
    };
    let done = reshape(&opened.store, user_pool_id, &shape, system::now(), &mut tell).await;
    shown.end();
    print(&format!("{user_pool_id} has another shape; {} users were looked at", HumanCount(done?)))
}

/// Names of the API as values of it; `none` alone is no value.
fn values<T: DeserializeOwned>(what: &str, names: &[String]) -> anyhow::Result<Vec<T>> {
    if names == ["none"] {
        return Ok(Vec::new());
    }
    let value = |name: &String| {
        let found = T::deserialize(IntoDeserializer::<Error>::into_deserializer(name.as_str()));
        found.with_context(|| format!("{name} is no {what}"))
    };
    names.iter().map(value).collect()
}
