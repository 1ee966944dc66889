//! How long a client's tokens live (accounts.md §14.1, §14.2).

use domain::client;
use wire::{TimeUnitsType, TokenValidityUnitsType};

use super::settings::Settings;
use crate::ApiError;

/// Shortest life of an access or ID token, in seconds.
const SHORTEST: i64 = 5 * 60;
/// Longest life of an access or ID token, in seconds.
const LONGEST: i64 = 24 * 60 * 60;
/// Shortest life of a refresh token, in seconds.
const SHORTEST_REFRESH: i64 = 60 * 60;
/// Longest life of a refresh token, in seconds.
const LONGEST_REFRESH: i64 = 3_650 * LONGEST;
/// Life of an access or ID token when nothing else is said, in seconds.
const DEFAULT: i64 = 60 * 60;
/// Life of a refresh token when nothing else is said, or 0, in seconds.
const DEFAULT_REFRESH: i64 = 30 * LONGEST;

/// What is stored of the lives.
pub struct Lifetimes {
    /// `RefreshTokenValidity` in its unit.
    pub refresh: i64,
    /// All three units, when one of them was given.
    pub units: Option<TokenValidityUnitsType>,
}

/// The lives that the request asks for.
///
/// # Errors
/// `InvalidParameterException` for a life out of range, or an access or ID token that outlives the refresh token.
pub fn of(settings: &Settings) -> Result<Lifetimes, ApiError> {
    let given = settings.token_validity_units.clone().unwrap_or_default();
    let access_unit = given.access_token.unwrap_or(TimeUnitsType::Hours);
    let id_unit = given.id_token.unwrap_or(TimeUnitsType::Hours);
    let refresh_unit = given.refresh_token.unwrap_or(TimeUnitsType::Days);

    // Decision: 30 days stay 30 days when another unit comes without a value.
    let refresh = settings
        .refresh_token_validity
        .filter(|validity| *validity != 0)
        .unwrap_or_else(|| DEFAULT_REFRESH.checked_div(client::seconds_in(refresh_unit)).unwrap_or_default());
    let refresh_seconds = refresh.saturating_mul(client::seconds_in(refresh_unit));
    let life = |validity: Option<i64>, unit| {
        validity.map_or(DEFAULT, |validity| validity.saturating_mul(client::seconds_in(unit)))
    };
    let short_lives = [life(settings.access_token_validity, access_unit), life(settings.id_token_validity, id_unit)];
    if !(SHORTEST_REFRESH..=LONGEST_REFRESH).contains(&refresh_seconds)
        || !short_lives.iter().all(|seconds| (SHORTEST..=LONGEST).contains(seconds))
    {
        return Err(ApiError::invalid_parameter("Invalid range for token validity."));
    }
    if short_lives.iter().any(|seconds| *seconds > refresh_seconds) {
        return Err(ApiError::invalid_parameter(
            "Access and Id Token expiration times must be less than or equal to refresh token expiration times.",
        ));
    }
    let units = (given != TokenValidityUnitsType::default()).then_some(TokenValidityUnitsType {
        access_token: Some(access_unit),
        id_token: Some(id_unit),
        refresh_token: Some(refresh_unit),
    });
    Ok(Lifetimes { refresh, units })
}
