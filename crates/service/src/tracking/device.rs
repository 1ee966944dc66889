//! What a client runs on, out of its `User-Agent` (auth-flows.md §19: `DeviceType`), as a text for people:
//! `Firefox 128 on Windows`, `AWS SDK for JavaScript 3 on Linux`. What the service makes of the header is not recorded.
//!
//! A header says whatever its client likes, so this names a device to its owner and decides nothing.

use domain::tracked_session::UNKNOWN;

/// Most characters of an answer: the model's limit of `DeviceType`.
const LONGEST: usize = 1_024;
/// Most characters of the name of a program that is not in the tables.
const LONGEST_NAME: usize = 64;

/// Programs by the product that they name, the more special first: what is built on a browser also names that.
const PROGRAMS: &[(&str, &str)] = &[
    ("aws-cli", "AWS CLI"),
    ("Boto3", "Boto3"),
    ("aws-amplify", "AWS Amplify"),
    ("aws-sdk-js", "AWS SDK for JavaScript"),
    ("aws-sdk-java", "AWS SDK for Java"),
    ("aws-sdk-kotlin", "AWS SDK for Kotlin"),
    ("aws-sdk-swift", "AWS SDK for Swift"),
    ("aws-sdk-go-v2", "AWS SDK for Go"),
    ("aws-sdk-go", "AWS SDK for Go"),
    ("aws-sdk-dotnet", "AWS SDK for .NET"),
    ("aws-sdk-php", "AWS SDK for PHP"),
    ("aws-sdk-ruby3", "AWS SDK for Ruby"),
    ("aws-sdk-rust", "AWS SDK for Rust"),
    ("aws-sdk-cpp", "AWS SDK for C++"),
    ("Botocore", "Botocore"),
    ("EdgA", "Edge"),
    ("EdgiOS", "Edge"),
    ("Edg", "Edge"),
    ("Edge", "Edge"),
    ("OPR", "Opera"),
    ("OPT", "Opera"),
    ("Opera", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("YaBrowser", "Yandex Browser"),
    ("Vivaldi", "Vivaldi"),
    ("Electron", "Electron"),
    ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"),
    ("CriOS", "Chrome"),
    ("HeadlessChrome", "Chrome"),
    ("Chromium", "Chromium"),
    ("Chrome", "Chrome"),
];

/// Operating systems by a word of theirs, the more special first: Android also says Linux, an iPhone also Mac OS X.
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("iPod", "iPod"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("win32", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("macOS", "macOS"),
    ("Darwin", "macOS"),
    ("iOS", "iOS"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
];

/// The device that a `User-Agent` speaks of, or `unknown`; at most 1,024 characters.
pub(super) fn from_user_agent(user_agent: Option<&str>) -> String {
    let text = user_agent.unwrap_or_default();
    let (program, system) = (program(text), system(text));
    let device = match (program, system) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(program), None) => program,
        (None, Some(system)) => system.to_owned(),
        (None, None) => UNKNOWN.to_owned(),
    };
    device.chars().take(LONGEST).collect()
}

/// The same in two parts: the program and the system that it runs on, each with the first number of its version where it
/// says one.
pub(crate) fn program_and_system(user_agent: &str) -> (Option<String>, Option<String>) {
    let system = system(user_agent).map(|name| match name {
        "Windows" => named_windows(user_agent),
        "iPhone" | "iPad" | "iPod" => named("iOS", number_after(user_agent, " OS ")),
        "Android" => named(name, number_after(user_agent, "Android ")),
        name => name.to_owned(),
    });
    (program(user_agent), system)
}

/// The name that people know a version of Windows by; 11 calls itself 10.
fn named_windows(text: &str) -> String {
    let names = [("10.0", "10"), ("6.3", "8.1"), ("6.2", "8"), ("6.1", "7")];
    let version = number_after(text, "Windows NT ");
    let name = names.iter().find(|(number, _)| version.starts_with(number)).map(|(_, name)| *name);
    name.map_or_else(|| "Windows".to_owned(), |name| format!("Windows {name}"))
}

/// What follows these words, if they are there.
fn number_after<'a>(text: &'a str, words: &str) -> &'a str {
    text.split_once(words).map(|(_, after)| after).unwrap_or_default()
}

/// The program and the first number of its version.
fn program(text: &str) -> Option<String> {
    for (product, name) in PROGRAMS {
        if let Some(version) = version_of(text, product) {
            return Some(named(name, version));
        }
    }
    // Safari's own version stands behind another word; everything that is built like it says `Safari` too.
    if version_of(text, "Safari").is_some()
        && let Some(version) = version_of(text, "Version")
    {
        return Some(named("Safari", version));
    }
    if text.contains("MSIE ") || text.contains("Trident/") {
        return Some("Internet Explorer".to_owned());
    }
    // Whatever else calls itself something, which browsers do not do by their first word.
    let (name, version) = text.split_whitespace().next()?.split_once('/')?;
    let is_a_name = (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'%'))
        && name != "Mozilla";
    is_a_name.then(|| named(&name.replace("%20", " "), version))
}

/// What stands behind `product/`, where that is a product and not the end of another one's name.
fn version_of<'a>(text: &'a str, product: &str) -> Option<&'a str> {
    text.split(|character: char| character.is_whitespace() || matches!(character, '(' | ')' | ';' | ','))
        .find_map(|word| word.strip_prefix(product)?.strip_prefix('/'))
}

/// A name with the first number of a version.
fn named(name: &str, version: &str) -> String {
    let digits: String = version.chars().take_while(char::is_ascii_digit).take(8).collect();
    if digits.is_empty() { name.to_owned() } else { format!("{name} {digits}") }
}

fn system(text: &str) -> Option<&'static str> {
    // SDKs write `os/linux/6.1` and `os/macos#14`.
    let lower = text.to_ascii_lowercase();
    let by_sdk = [("os/linux", "Linux"), ("os/macos", "macOS"), ("os/windows", "Windows"), ("os/android", "Android")];
    let found = |table: &[(&str, &'static str)], text: &str| {
        table.iter().find(|(word, _)| text.contains(word)).map(|(_, name)| *name)
    };
    found(SYSTEMS, text).or_else(|| found(&by_sdk, &lower))
}

#[cfg(test)]
mod tests {
    use super::{from_user_agent, program_and_system};

    #[test]
    fn well_known_clients() {
        for (user_agent, expected) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                "Chrome 126 on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.68",
                "Edge 126 on Windows",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox 128 on Linux"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                "Safari 17 on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                "Safari 17 on iPhone",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
                "Chrome 126 on iPad",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
                "Samsung Internet 25 on Android",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 OPR/111.0",
                "Opera 111 on ChromeOS",
            ),
            ("Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", "Internet Explorer on Windows"),
            ("Mozilla/5.0 (X11; U; FreeBSD amd64; rv:99) Gecko/20100101", "Unix"),
            (
                "Boto3/1.35.0 md/Botocore#1.35.0 ua/2.0 os/linux#6.1.0 md/arch#x86_64 lang/python#3.11.2",
                "Boto3 1 on Linux",
            ),
            (
                "aws-cli/2.17.0 md/awscrt#0.20.11 ua/2.0 os/macos#23.5.0 md/arch#arm64 lang/python#3.11.8",
                "AWS CLI 2 on macOS",
            ),
            (
                "aws-sdk-js/3.600.0 ua/2.0 os/linux#6.1.0 lang/js md/nodejs#20.15.0 api/cognito-identity-provider#3.600.0",
                "AWS SDK for JavaScript 3 on Linux",
            ),
            ("aws-amplify/6.6.3 auth/3 framework/2", "AWS Amplify 6"),
            ("Notes%20App/42 CFNetwork/1498.700.2 Darwin/23.6.0", "Notes App 42 on macOS"),
            ("okhttp/4.12.0", "okhttp 4"),
            ("Dart/3.4 (dart:io)", "Dart 3"),
            ("curl/8.5.0", "curl 8"),
        ] {
            assert_eq!(from_user_agent(Some(user_agent)), expected, "{user_agent}");
        }
    }

    #[test]
    fn systems_have_versions_where_both_parts_are_asked_for() {
        for (user_agent, program, system) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0 Safari/537.36", "Chrome 126", "Windows 10"),
            (
                "Mozilla/5.0 (Windows NT 6.3; WOW64; rv:115.0) Gecko/20100101 Firefox/115.0",
                "Firefox 115",
                "Windows 8.1",
            ),
            ("aws-cli/2.17.0 ua/2.0 os/windows#10", "AWS CLI 2", "Windows"),
            ("Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) Version/17.5 Safari/604.1", "Safari 17", "iOS 17"),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S921B) Chrome/121.0.0.0 Mobile Safari/537.36",
                "Chrome 121",
                "Android 14",
            ),
            ("Mozilla/5.0 (Linux; Android; x) Firefox/x", "Firefox", "Android"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.5 Safari/605.1.15", "Safari 17", "macOS"),
        ] {
            assert_eq!(program_and_system(user_agent), (Some(program.to_owned()), Some(system.to_owned())));
        }
        assert_eq!(program_and_system("Mozilla/5.0"), (None, None));
    }

    #[test]
    fn what_says_nothing_is_unknown() {
        for user_agent in ["", " ", "Mozilla/5.0", "/", "/1", "x", "<script>/1", "Ünï/1", "\u{fffd}\u{fffd}/2"] {
            assert_eq!(from_user_agent(Some(user_agent)), "unknown", "{user_agent}");
        }
        assert_eq!(from_user_agent(None), "unknown");
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_taken(text in r"([\PC ]{0,40}[/;( ]?){0,8}") {
            let device = from_user_agent(Some(&text));
            proptest::prop_assert!(!device.is_empty() && device.chars().count() <= 1_024);
            proptest::prop_assert!(device.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{}", device);
        }
    }
}
