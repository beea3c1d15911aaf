//! The files the browser loads, compiled into the program and named by their content, so that they may be kept for ever.
//!
//! Files that name other files (`app.css` names the fonts) are given the final names here, before they are hashed.

use std::{borrow::Cow, sync::OnceLock};

use sha2::{Digest, Sha256};

/// Value of `Cache-Control` for every asset: a changed file has another name.
pub const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// Name in the source tree, for example `app.css`.
    pub source: &'static str,
    /// Name in the address, for example `app-1f2e3d4c5b6a.css`.
    pub name: String,
    /// Address, `/assets/` and the name.
    pub url: String,
    /// Media type.
    pub content_type: &'static str,
    /// Content.
    pub bytes: Cow<'static, [u8]>,
}

macro_rules! files {
    ($($source:literal: $content_type:expr),+ $(,)?) => {
        [$(($source, $content_type, include_bytes!(concat!("assets/", $source)).as_slice())),+]
    };
}

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const WOFF2: &str = "font/woff2";

/// Leaves before the files that name them.
fn build() -> Vec<Asset> {
    let files = files![
        "fonts/instrument-sans.woff2": WOFF2,
        "fonts/instrument-sans-latin1.woff2": WOFF2,
        "fonts/literata.woff2": WOFF2,
        "fonts/literata-latin1.woff2": WOFF2,
        "fonts/geist-mono.woff2": WOFF2,
        "icons.svg": SVG,
        "favicon.svg": SVG,
        "app.js": JS,
        "run.js": JS,
        "app.css": CSS,
    ];
    let mut assets: Vec<Asset> = Vec::with_capacity(files.len());
    for (source, content_type, bytes) in files {
        let bytes = if content_type == CSS {
            linked(bytes, &assets)
        } else {
            Cow::Borrowed(bytes)
        };
        let hash: String = Sha256::digest(&bytes)
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let file = source.rsplit('/').next().unwrap_or(source);
        let (stem, extension) = file.split_once('.').unwrap_or((file, "bin"));
        let name = format!("{stem}-{hash}.{extension}");
        assets.push(Asset {
            source,
            url: format!("/assets/{name}"),
            name,
            content_type,
            bytes,
        });
    }
    assets
}

fn linked(bytes: &'static [u8], assets: &[Asset]) -> Cow<'static, [u8]> {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    for asset in assets {
        text = text.replace(&format!("url({})", asset.source), &format!("url({})", asset.url));
    }
    Cow::Owned(text.into_bytes())
}

/// All files.
pub fn assets() -> &'static [Asset] {
    static ASSETS: OnceLock<Vec<Asset>> = OnceLock::new();
    ASSETS.get_or_init(build)
}

/// The file of an address, by the part behind `/assets/`.
#[must_use]
pub fn asset(name: &str) -> Option<&'static Asset> {
    assets().iter().find(|asset| asset.name == name)
}

/// The address of a file of the source tree.
///
/// # Panics
/// If there is no such file: names are literals in templates, and a test renders them all.
#[must_use]
pub fn asset_url(source: &str) -> &'static str {
    let asset = assets().iter().find(|asset| asset.source == source);
    &asset.expect("templates name only files of this table").url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_hash_of_the_content() {
        for file in assets() {
            let hash: String = Sha256::digest(&file.bytes)
                .iter()
                .take(6)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert!(file.name.contains(&hash), "{}", file.name);
            assert_eq!(asset(&file.name).map(|found| found.source), Some(file.source));
        }
        assert!(asset("app.css").is_none());
        assert!(asset("../Cargo.toml").is_none());
    }

    #[test]
    fn the_style_sheet_names_only_files_that_exist() {
        let css = assets()
            .iter()
            .find(|file| file.source == "app.css")
            .expect("app.css is in the table");
        let text = std::str::from_utf8(&css.bytes).expect("css is text");
        let urls: Vec<_> = text
            .split("url(")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .collect();
        assert_eq!(urls.len(), 5, "one address per font file");
        for url in urls {
            assert!(asset(url.trim_start_matches("/assets/")).is_some(), "{url}");
        }
    }
}
