//! The files that pages refer to, embedded in the program, [pressed](minify) into what browsers need.

mod minify;

use minify::{Press, length, pressed};

/// One embedded file.
#[derive(Debug)]
pub struct Asset {
    /// Its URL, relative to the pages.
    pub path: &'static str,
    /// Its media type, with the character set where there is one.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: &'static [u8],
    /// Its entity tag, quotes included, as it stands in the `ETag` header. Made from the bytes, so
    /// that it changes when they do and only then.
    pub etag: &'static str,
}

/// Names the file once; its bytes and its tag follow from it.
macro_rules! asset {
    ($path:literal, $content_type:literal, $press:ident) => {{
        const TEXT: &[u8] = include_bytes!($path);
        static BODY: [u8; length(TEXT, Press::$press)] = pressed(TEXT, Press::$press);
        static TAG: [u8; 18] = entity_tag(&BODY);
        Asset {
            path: $path,
            content_type: $content_type,
            body: &BODY,
            etag: match std::str::from_utf8(&TAG) {
                Ok(etag) => etag,
                Err(_) => unreachable!(),
            },
        }
    }};
}

static ASSETS: [Asset; 21] = [
    asset!("tallycam.css", "text/css; charset=utf-8", Sheet),
    asset!("tallycam.js", "text/javascript; charset=utf-8", Script),
    asset!("overlay.js", "text/javascript; charset=utf-8", Script),
    asset!("lines.js", "text/javascript; charset=utf-8", Script),
    asset!("counts.js", "text/javascript; charset=utf-8", Script),
    asset!("media.js", "text/javascript; charset=utf-8", Script),
    asset!("player.js", "text/javascript; charset=utf-8", Script),
    asset!("database.js", "text/javascript; charset=utf-8", Script),
    asset!("controls.js", "text/javascript; charset=utf-8", Script),
    asset!("settings.js", "text/javascript; charset=utf-8", Script),
    asset!("recording.js", "text/javascript; charset=utf-8", Script),
    asset!("access.js", "text/javascript; charset=utf-8", Script),
    asset!("page.js", "text/javascript; charset=utf-8", Script),
    asset!("head.js", "text/javascript; charset=utf-8", Script),
    asset!("events.js", "text/javascript; charset=utf-8", Script),
    asset!("icon.svg", "image/svg+xml", Nothing),
    asset!("icon-192.png", "image/png", Nothing),
    asset!("icon-512.png", "image/png", Nothing),
    asset!("icon-maskable.png", "image/png", Nothing),
    asset!("apple-touch-icon.png", "image/png", Nothing),
    asset!("manifest.webmanifest", "application/manifest+json", Nothing),
];

/// The embedded file with this relative URL (no leading slash, no query), if there is one.
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
            "recording.js",
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
    fn the_scripts_are_small() {
        for asset in ASSETS.iter().filter(|asset| asset.path.ends_with(".js")) {
            assert!(asset.body.len() < 16 * 1024, "{}", asset.path);
        }
        let sent = |end: &[&str]| -> usize {
            let own = ASSETS.iter().filter(|asset| end.iter().any(|end| asset.path.ends_with(end)));
            own.map(|asset| asset.body.len()).sum()
        };
        assert!(sent(&[".js", ".css"]) < 110_000, "{} bytes", sent(&[".js", ".css"]));
        assert!(sent(&[".png"]) < 24_000, "{} bytes", sent(&[".png"]));
    }

    #[test]
    fn what_is_pressed_may_be() {
        for asset in ASSETS.iter().filter(|asset| !asset.path.ends_with(".png")) {
            let text = std::fs::read_to_string(format!("src/ui/assets/{}", asset.path)).unwrap();
            if asset.path.ends_with(".js") {
                for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                    let quotes = line.replace("'`'", "").matches('`').count();
                    assert!(
                        quotes.is_multiple_of(2),
                        "a text goes on in the next line of {}: {line}",
                        asset.path
                    );
                    assert!(!line.contains('\t'), "{}: {line}", asset.path);
                    let is_loop = ["for (", "while ("].iter().any(|word| line.contains(word));
                    let is_bare = line.contains(");}") || line.contains("); }") && !line.contains('{');
                    assert!(!(is_loop && is_bare), "a loop without a body in {}: {line}", asset.path);
                }
            } else if asset.path.ends_with(".css") {
                for within in text.split('"').skip(1).step_by(2) {
                    assert!(!within.contains(['{', '}', ';']) && !within.contains("  "), "{within}");
                }
                assert!(!asset.body.contains(&b'\'') && !text.contains('\t'), "{}", asset.path);
            }
        }
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
    fn nothing_is_fetched_from_elsewhere() {
        for asset in ASSETS.iter().filter(|asset| !asset.path.ends_with(".png")) {
            let text = std::str::from_utf8(asset.body).unwrap();
            let text = text.replace("http://www.w3.org/2000/svg", "").replace("url(#", "");
            for far in ["http:", "https:", "url(", "@import", "fetch('/", "src = '/"] {
                assert!(!text.contains(far), "{} contains {far}", asset.path);
            }
        }
    }
}
