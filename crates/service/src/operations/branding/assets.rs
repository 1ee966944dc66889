//! Pictures of a managed login style (oauth-federation.md §12.1): what may stand where, and that it is what it says.

use wire::{AssetCategoryType, AssetExtensionType, AssetType};

use crate::ApiError;

/// Most pictures in a style.
const MOST: usize = 40;

/// What pictures begin with, by their first bytes.
const JPEG: &[u8] = &[0xFF, 0xD8, 0xFF];
const PNG: &[u8] = &[0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A];
const ICO: &[u8] = &[0, 0, 1, 0];

/// Puts pictures into a style, each over the one that stands in its place.
///
/// # Errors
/// `InvalidParameterException`.
pub fn put(present: &mut Vec<AssetType>, given: &[AssetType]) -> Result<(), ApiError> {
    for asset in given {
        check(asset)?;
        present.retain(|other| !is_same_place(other, asset));
        present.push(asset.clone());
    }
    if present.len() > MOST {
        return Err(ApiError::invalid_parameter(format!("A style cannot have more than {MOST} assets.")));
    }
    Ok(())
}

fn is_same_place(one: &AssetType, other: &AssetType) -> bool {
    (one.category, one.color_mode, &one.resource_id) == (other.category, other.color_mode, &other.resource_id)
}

fn check(asset: &AssetType) -> Result<(), ApiError> {
    // Decision: the service's words are not recorded.
    let refused = |what: &str| Err(ApiError::invalid_parameter(format!("Asset {}: {what}", asset.category.as_str())));
    let allowed: &[AssetExtensionType] = match asset.category {
        AssetCategoryType::FaviconIco => &[AssetExtensionType::Ico],
        AssetCategoryType::FaviconSvg => &[AssetExtensionType::Svg],
        AssetCategoryType::IdpButtonIcon => ICONS,
        _ => PICTURES,
    };
    if !allowed.contains(&asset.extension) {
        let names: Vec<&str> = allowed.iter().map(|extension| extension.as_str()).collect();
        return refused(&format!("Extension must be one of {}.", names.join(", ")));
    }
    let Some(bytes) = asset.bytes.as_ref().map(|blob| blob.0.as_slice()).filter(|bytes| !bytes.is_empty()) else {
        return refused("Bytes are missing.");
    };
    if !is_picture(asset.extension, bytes) {
        return refused(&format!("the file is not of the type {}.", asset.extension.as_str()));
    }
    if asset.extension == AssetExtensionType::Svg && !is_harmless_svg(bytes) {
        return refused(
            "the SVG file must not hold scripts, event handlers, foreign objects or references to other files.",
        );
    }
    Ok(())
}

/// What most places take.
const PICTURES: &[AssetExtensionType] = &[AssetExtensionType::Png, AssetExtensionType::Svg, AssetExtensionType::Jpeg];
/// What the icon on a button takes.
const ICONS: &[AssetExtensionType] = &[
    AssetExtensionType::Ico,
    AssetExtensionType::Jpeg,
    AssetExtensionType::Png,
    AssetExtensionType::Svg,
    AssetExtensionType::Webp,
];

fn is_picture(extension: AssetExtensionType, bytes: &[u8]) -> bool {
    match extension {
        AssetExtensionType::Ico => bytes.starts_with(ICO),
        AssetExtensionType::Jpeg => is_jpeg(bytes),
        AssetExtensionType::Png => is_png(bytes),
        AssetExtensionType::Webp => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
        AssetExtensionType::Svg => std::str::from_utf8(bytes).is_ok_and(|text| {
            let text = text.trim_start_matches('\u{feff}').trim_start();
            (text.starts_with("<?xml") || text.starts_with("<svg") || text.starts_with("<!--")) && text.contains("<svg")
        }),
    }
}

/// Whether a file begins as a JPEG picture does.
pub fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(JPEG)
}

/// Whether a file begins as a PNG picture does.
pub fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(PNG)
}

/// Whether nothing in the file is among what makes an SVG picture run or fetch anything.
///
/// Decision: the service has a list of what is allowed; here it is a list of what is not, and pages show pictures as
/// images only, in which nothing runs either.
fn is_harmless_svg(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let forbidden = ["<script", "<foreignobject", "<iframe", "<embed", "<object", "<!doctype", "<!entity", "<handler"];
    let runs = forbidden.iter().any(|element| text.contains(element)) || text.contains("javascript:");
    // An attribute whose name begins with "on" comes after white space, a quote or a slash, and before an equals sign.
    let handles = text.match_indices("on").any(|(position, _)| {
        let before = position.checked_sub(1).and_then(|before| text.as_bytes().get(before)).copied();
        // No name is read twice, of which one part after the other begins so: a megabyte of "on" would take minutes.
        if !before.is_some_and(|byte| byte.is_ascii_whitespace() || b"\"'/".contains(&byte)) {
            return false;
        }
        let rest = text.get(position..).unwrap_or_default();
        let name_ends = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(rest.len());
        rest.get(name_ends..).unwrap_or_default().trim_start().starts_with('=')
    });
    let refers = text.match_indices("href").any(|(position, _)| {
        let value = text.get(position + 4..).unwrap_or_default().trim_start().strip_prefix('=').map(str::trim_start);
        value.is_some_and(|value| !value.trim_start_matches(['"', '\'']).starts_with('#'))
    });
    !(runs || handles || refers)
}

#[cfg(test)]
mod tests {
    use super::is_harmless_svg;

    #[test]
    fn pictures_that_run_or_fetch_something_are_told_from_others() {
        for good in [
            "<svg><path d='M0 0'/></svg>",
            "<svg viewBox=\"0 0 1 1\"><use href=\"#a\"/><text>once upon = </text></svg>",
            "<svg><linearGradient id='one'/></svg>",
        ] {
            assert!(is_harmless_svg(good.as_bytes()), "{good}");
        }
        for bad in [
            "<svg><script>alert(1)</script></svg>",
            "<svg onload=\"alert(1)\"/>",
            "<svg/onload = alert(1)>",
            "<svg><a xlink:href='javascript:alert(1)'/></svg>",
            "<svg><foreignObject/></svg>",
            "<svg><image href=\"https://example.com/x.png\"/></svg>",
            "<!DOCTYPE svg [<!ENTITY a 'b'>]><svg/>",
        ] {
            assert!(!is_harmless_svg(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn large_pictures_are_read_once() {
        // It would take minutes to read the rest of the file at each of these places.
        for piece in ["on", " on", " on=\"", "href", "href = \"#", "'/"] {
            let large = format!("<svg>{}", piece.repeat(1_000_000 / piece.len()));
            assert_eq!(is_harmless_svg(large.as_bytes()), piece != " on=\"", "{piece}");
        }
    }
}
