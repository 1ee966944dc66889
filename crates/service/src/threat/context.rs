//! From where somebody acts (triggers-security.md §15.5, §16): the connection, what an app or an administrator's server
//! says of its user, and the operator's file of places.
//!
//! What is said and cannot be read is treated as if it had not been said, except for an address that would count.

use std::net::IpAddr;

use crypto::encoded_data::{self, EncodedData};
use domain::{Client, auth_event::EventContext, tracked_session::UNKNOWN};
use wire::{ContextDataType, UserContextDataType};

use crate::{
    ApiError, Ctx,
    tracking::{Location, device::program_and_system},
};

/// Stands for a program or a system that nothing is known of.
const OTHER: &str = "Other";
/// Most characters of each of the two parts of a device's name.
const LONGEST_PART: usize = 64;
/// Most bytes of a header that is read.
const LONGEST_USER_AGENT: usize = 1_024;
/// Most bytes of a device's id; longer ones are none.
const LONGEST_ID: usize = 256;
/// Most bytes of a time zone.
const LONGEST_TIMEZONE: usize = 8;

/// By the connection alone.
#[must_use]
pub fn of_connection(ctx: &Ctx) -> EventContext {
    context(ctx, ctx.client_address, None, None)
}

/// By what an app says of its user. `is_proven` says whether the client has proven itself by its secret: only then the
/// address that it names counts, where it may name one.
///
/// Decision: an address that does not count may have any form.
///
/// # Errors
/// `InvalidParameterException` for a malformed address.
pub fn of_public(
    ctx: &Ctx,
    client: &Client,
    said: Option<&UserContextDataType>,
    is_proven: bool,
) -> Result<EventContext, ApiError> {
    let Some(said) = said else { return Ok(of_connection(ctx)) };
    let named = said.ip_address.as_deref().filter(|_| is_proven && client.propagates_user_context);
    let address = named.map(parse).transpose()?.unwrap_or(ctx.client_address);
    Ok(context(ctx, address, opened(client, said.encoded_data.as_deref()), None))
}

/// By what an administrator's server says of its user, whose address counts in any case.
///
/// # Errors
/// `InvalidParameterException` for a malformed address.
pub fn of_admin(ctx: &Ctx, client: &Client, said: Option<&ContextDataType>) -> Result<EventContext, ApiError> {
    let Some(said) = said else { return Ok(of_connection(ctx)) };
    let is_user_agent = |name: &str| name.eq_ignore_ascii_case("user-agent");
    let mut headers = said.http_headers.iter();
    let user_agent = headers.find(|header| header.header_name.as_deref().is_some_and(is_user_agent));
    let user_agent = user_agent.and_then(|header| header.header_value.as_deref());
    let user_agent = user_agent.filter(|text| text.len() <= LONGEST_USER_AGENT);
    Ok(context(ctx, parse(&said.ip_address)?, opened(client, said.encoded_data.as_deref()), user_agent))
}

fn opened(client: &Client, encoded_data: Option<&str>) -> Option<EncodedData> {
    encoded_data::open(encoded_data?, &client.id)
}

fn parse(address: &str) -> Result<IpAddr, ApiError> {
    let parsed = address.parse::<IpAddr>().map(|address| address.to_canonical());
    // Decision: the service's words are not recorded.
    parsed.map_err(|_not_one| ApiError::invalid_parameter("IpAddress is not a valid IPv4 or IPv6 address."))
}

/// `user_agent` is what was said of the user's browser; without it that of the connection counts.
fn context(ctx: &Ctx, address: IpAddr, data: Option<EncodedData>, user_agent: Option<&str>) -> EventContext {
    let Location { city, country } = ctx.app.settings.locations.of(address);
    let has_encoded_data = data.is_some();
    let data = data.unwrap_or_default();
    let user_agent = user_agent.or(ctx.user_agent.as_deref()).unwrap_or_default();
    EventContext {
        address,
        device_name: device_name(&data, user_agent),
        device_id: data.device_id.filter(|id| id.len() <= LONGEST_ID),
        timezone: data.timezone.filter(|text| is_timezone(text)),
        city,
        country: Some(country).filter(|country| country != UNKNOWN),
        has_encoded_data,
    }
}

/// What the device is called, by what the app itself says, and else by the header.
fn device_name(data: &EncodedData, user_agent: &str) -> String {
    let (program, system) = match (&data.user_agent, app_and_system(data)) {
        (Some(user_agent), _) => program_and_system(user_agent),
        (None, (None, None)) => program_and_system(user_agent),
        (None, both) => both,
    };
    let part =
        |text: Option<String>| text.map_or_else(|| OTHER.to_owned(), |text| text.chars().take(LONGEST_PART).collect());
    format!("{}, {}", part(program), part(system))
}

/// What apps on telephones say: `Pixel 8`, `Android 14`.
fn app_and_system(data: &EncodedData) -> (Option<String>, Option<String>) {
    let device = data.device_name.as_ref().or(data.manufacturer.as_ref()).cloned();
    let platform = data.platform.as_deref().map(|name| {
        let known = ["iOS", "Android"];
        known.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name)
    });
    let system = match (platform, &data.system_version) {
        (Some(platform), Some(version)) => Some(format!("{platform} {version}")),
        (platform, version) => platform.or(version.as_deref()).map(str::to_owned),
    };
    (device, system)
}

/// Whether a text can be an offset from UTC, also in the odd forms that scripts write.
fn is_timezone(text: &str) -> bool {
    (1..=LONGEST_TIMEZONE).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b':' | b'.'))
}

#[cfg(test)]
mod tests {
    use crypto::encoded_data::EncodedData;

    use super::{device_name, is_timezone};

    const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn devices_are_named_by_what_is_said_of_them() {
        let none = EncodedData::default;
        let script = EncodedData { user_agent: text("Mozilla/5.0 (Windows NT 10.0) Chrome/126.0"), ..none() };
        let unknown_script = EncodedData { user_agent: text("Mozilla/5.0"), ..none() };
        let android = EncodedData {
            device_name: text("oriole"),
            manufacturer: text("Google"),
            platform: text("ANDROID"),
            system_version: text("14"),
            ..none()
        };
        let brand = EncodedData { device_name: None, system_version: None, ..android.clone() };
        let system = EncodedData { system_version: text("17.5"), platform: text("iOS"), ..none() };
        let other = EncodedData { platform: text("Tizen"), device_name: text(&"x".repeat(200)), ..none() };
        for (data, header, name) in [
            (none(), BROWSER, "Firefox 128, Linux"),
            (none(), "", "Other, Other"),
            (none(), "okhttp/4.12.0", "okhttp 4, Other"),
            (script, BROWSER, "Chrome 126, Windows 10"),
            (unknown_script, BROWSER, "Other, Other"),
            (android, BROWSER, "oriole, Android 14"),
            (brand, BROWSER, "Google, Android"),
            (system, BROWSER, "Other, iOS 17.5"),
            (other, BROWSER, &format!("{}, Tizen", "x".repeat(64))),
        ] {
            assert_eq!(device_name(&data, header), name);
        }
    }

    #[test]
    fn time_zones_may_be_odd_and_nothing_else() {
        for timezone in ["-07:00", "+05:45", "01:00", ".5:30", "-.5:30", "75:45"] {
            assert!(is_timezone(timezone), "{timezone}");
        }
        for timezone in ["", "Europe/Oslo", "<b>", "0000000000", "١:٠"] {
            assert!(!is_timezone(timezone), "{timezone}");
        }
    }
}
