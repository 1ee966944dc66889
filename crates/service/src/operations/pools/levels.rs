//! `AcrConfiguration`: what tokens call the levels of assurance (auth-flows.md §16).

use std::collections::BTreeMap;

use domain::Level;

use super::settings::Settings;
use crate::ApiError;

/// The names that a request gives. All four that result, with the defaults of the levels that it leaves out, must
/// differ.
///
/// # Errors
/// `InvalidParameterException`.
pub fn names(settings: &Settings) -> Result<BTreeMap<Level, String>, ApiError> {
    let given = |level: Level| settings.acr_configuration.as_ref()?.get(level.key());
    let names: BTreeMap<Level, String> = Level::ALL
        .into_iter()
        .filter_map(|level| given(level).map(|configured| (level, configured.acr_value.clone())))
        .collect();
    let name = |level: Level| names.get(&level).map_or(level.default_name(), String::as_str);
    let mut seen: Vec<&str> = Vec::new();
    for name in Level::ALL.map(name) {
        if seen.contains(&name) {
            // Decision: the service's words are not recorded.
            return Err(ApiError::invalid_parameter(format!(
                "AcrConfiguration gives the name {name} to more than one level. Names must be unique, those of the levels that are left out included."
            )));
        }
        seen.push(name);
    }
    Ok(names)
}
