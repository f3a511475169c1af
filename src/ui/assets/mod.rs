//! The files that pages refer to, embedded in the program.

/// One embedded file.
#[derive(Debug)]
pub struct Asset {
    pub path: &'static str,
    /// The media type, with a character set for text.
    pub content_type: &'static str,
    pub body: &'static [u8],
    /// The entity tag with its quotes, as in the header `ETag`. A hash of the bytes.
    pub etag: &'static str,
}

/// Includes a file with its entity tag.
macro_rules! asset {
    ($path:literal, $content_type:literal) => {{
        const BODY: &[u8] = include_bytes!($path);
        static TAG: [u8; 18] = entity_tag(BODY);
        Asset {
            path: $path,
            content_type: $content_type,
            body: BODY,
            etag: match std::str::from_utf8(&TAG) {
                Ok(etag) => etag,
                Err(_) => unreachable!(),
            },
        }
    }};
}

static ASSETS: [Asset; 20] = [
    asset!("tallycam.css", "text/css; charset=utf-8"),
    asset!("tallycam.js", "text/javascript; charset=utf-8"),
    asset!("overlay.js", "text/javascript; charset=utf-8"),
    asset!("lines.js", "text/javascript; charset=utf-8"),
    asset!("counts.js", "text/javascript; charset=utf-8"),
    asset!("media.js", "text/javascript; charset=utf-8"),
    asset!("player.js", "text/javascript; charset=utf-8"),
    asset!("database.js", "text/javascript; charset=utf-8"),
    asset!("controls.js", "text/javascript; charset=utf-8"),
    asset!("settings.js", "text/javascript; charset=utf-8"),
    asset!("access.js", "text/javascript; charset=utf-8"),
    asset!("page.js", "text/javascript; charset=utf-8"),
    asset!("head.js", "text/javascript; charset=utf-8"),
    asset!("events.js", "text/javascript; charset=utf-8"),
    asset!("icon.svg", "image/svg+xml"),
    asset!("icon-192.png", "image/png"),
    asset!("icon-512.png", "image/png"),
    asset!("icon-maskable.png", "image/png"),
    asset!("apple-touch-icon.png", "image/png"),
    asset!("manifest.webmanifest", "application/manifest+json"),
];

pub fn assets() -> &'static [Asset] {
    &ASSETS
}

/// The file with this relative URL (no leading slash, no query).
pub fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

/// 64-bit FNV-1a (draft-eastlake-fnv) of `body` in hexadecimal digits, between quotes.
const fn entity_tag(body: &[u8]) -> [u8; 18] {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < body.len() {
        hash = (hash ^ body[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    let mut tag = [b'"'; 18];
    let mut digit = 0;
    while digit < 16 {
        tag[1 + digit] = b"0123456789abcdef"[(hash >> (60 - 4 * digit)) as usize & 15];
        digit += 1;
    }
    tag
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_file_is_found_by_its_path_and_no_other() {
        for path in [
            "tallycam.css",
            "tallycam.js",
            "overlay.js",
            "lines.js",
            "counts.js",
            "media.js",
            "player.js",
            "database.js",
            "controls.js",
            "settings.js",
            "access.js",
            "page.js",
            "head.js",
            "events.js",
            "icon.svg",
            "icon-192.png",
            "icon-512.png",
            "icon-maskable.png",
            "apple-touch-icon.png",
            "manifest.webmanifest",
        ] {
            let asset = asset(path).unwrap();
            assert_eq!(asset.path, path);
            assert!(!asset.body.is_empty());
        }
        for path in ["", "/tallycam.css", "tallycam.css?x", "live.html", "../Cargo.toml"] {
            assert!(asset(path).is_none(), "{path} was found");
        }
    }

    #[test]
    fn tags_are_distinct_and_follow_the_bytes() {
        let tags: HashSet<_> = ASSETS.iter().map(|a| a.etag).collect();
        assert_eq!(tags.len(), ASSETS.len());
        for asset in &ASSETS {
            assert_eq!(asset.etag.as_bytes(), entity_tag(asset.body));
        }
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // Test vectors of the FNV draft, appendix C.
        assert_eq!(&entity_tag(b""), b"\"cbf29ce484222325\"");
        assert_eq!(&entity_tag(b"a"), b"\"af63dc4c8601ec8c\"");
        assert_eq!(&entity_tag(b"foobar"), b"\"85944171f73967e8\"");
    }

    #[test]
    fn the_icons_are_small() {
        let icons = ASSETS.iter().filter(|asset| asset.path.ends_with(".png"));
        let sent: usize = icons.map(|asset| asset.body.len()).sum();
        assert!(sent < 24_000, "{sent} bytes");
    }

    #[test]
    fn the_manifest_names_icons_that_are_there() {
        let manifest: serde_json::Value =
            serde_json::from_slice(asset("manifest.webmanifest").unwrap().body).unwrap();
        let icons = manifest["icons"].as_array().unwrap();
        assert_eq!(icons.len(), 4);
        for icon in icons {
            let own = asset(icon["src"].as_str().unwrap()).unwrap();
            assert_eq!(own.content_type, icon["type"]);
            // Width and height in the head of a PNG.
            if let Some(size) =
                icon["sizes"].as_str().and_then(|sizes| sizes.split('x').next()?.parse::<u32>().ok())
            {
                assert_eq!(own.body[16..24], [size.to_be_bytes(), size.to_be_bytes()].concat());
            }
        }
    }

    #[test]
    fn assets_refer_to_no_other_host() {
        for asset in ASSETS.iter().filter(|asset| !asset.path.ends_with(".png")) {
            let text = std::str::from_utf8(asset.body).unwrap();
            let text = text.replace("http://www.w3.org/2000/svg", "").replace("url(#", "");
            for far in ["http:", "https:", "url(", "@import", "fetch('/", "src = '/"] {
                assert!(!text.contains(far), "{} contains {far}", asset.path);
            }
        }
    }
}
