//! Known models that tallycam can download by name.

use super::found::FoundModel;

/// A model that can be downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// The name of the installed model.
    pub name: &'static str,
    /// A sentence about the model.
    pub about: &'static str,
    /// The licence, an SPDX name.
    pub licence: &'static str,
    /// The address, at a fixed commit.
    pub url: &'static str,
    /// SHA-256 of the file, 64 lower-case digits.
    pub sha256: &'static str,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// The text of its `NAME.toml`.
    pub description: &'static str,
}

impl CatalogueEntry {
    /// Whether `models` includes this one, under any name.
    pub fn is_installed(&self, models: &[FoundModel]) -> bool {
        models.iter().any(|model| model.name == self.name || self.matches(model))
    }

    /// Whether the description of `model` states the same SHA-256.
    pub(super) fn matches(&self, model: &FoundModel) -> bool {
        model.card.as_ref().and_then(|card| card.sha256.as_deref()) == Some(self.sha256)
    }
}

/// The built-in model, `models/yolox_nano_320.onnx`: name, SHA-256, bytes, and input size in pixels.
pub const BUILT_IN: &str = "yolox_nano_320";
pub(super) const BUILT_IN_SUM: &str = "2d897be42eb74e41b1ed04f0615cc32fdb89e5f112432a7f2b30283ef3b32a10";
pub(super) const BUILT_IN_BYTES: u64 = 1_835_964;
pub(super) const BUILT_IN_SIZE: (u32, u32) = (320, 320);
/// The built-in model of earlier versions. Settings may still name it.
pub const FORMER_BUILT_IN: &str = "ssdlite_mobilenet_v2";
/// The message if settings name the former model and it is missing.
pub const FORMER_BUILT_IN_IS_GONE: &str =
    "ssdlite_mobilenet_v2 is not on this machine any more: the built-in model counts in its place";
/// The hint of that message.
pub const FORMER_BUILT_IN_HINT: &str =
    "`tallycam model add ssdlite_mobilenet_v2` and a restart bring it back";

/// All models that can be downloaded.
pub const CATALOGUE: [CatalogueEntry; 2] = [
    CatalogueEntry {
        name: "yolox-nano",
        about: "YOLOX-Nano at 416 × 416: COCO's 80 classes, with suitcases and balls too",
        licence: "Apache-2.0",
        url: "https://raw.githubusercontent.com/Kazuhito00/YOLOX-ONNX-TFLite-Sample/\
              0f785c070ce8da070aeaeef46c0da7904ff7012e/model/yolox_nano.onnx",
        sha256: "695e750a5d5754bb5a8d5325643b59282191a7e7a564e435a415fd3c578eab14",
        bytes: 3_660_092,
        description: include_str!("../../../../models/catalogue/yolox-nano.toml"),
    },
    CatalogueEntry {
        name: FORMER_BUILT_IN,
        about: "SSDLite at 300 × 300: the built-in model of earlier versions; misses most vehicles",
        licence: "Apache-2.0",
        url: "https://github.com/tallycam/tallycam/releases/download/v0.1.0/ssdlite_mobilenet_v2.onnx",
        sha256: "b5aa77cc7ece1f243f9e169149ac258803317dd2c9b149d1cb5d3af440f4e88f",
        bytes: 6_743_260,
        description: include_str!("../../../../models/catalogue/ssdlite_mobilenet_v2.toml"),
    },
];

/// The entry of the file with this SHA-256.
pub(super) fn find_by_sha256(sha256: &str) -> Option<&'static CatalogueEntry> {
    CATALOGUE.iter().find(|entry| entry.sha256 == sha256)
}

#[cfg(test)]
mod tests {
    use super::super::description;
    use super::*;

    #[test]
    fn every_entry_is_whole() {
        for entry in &CATALOGUE {
            let card = description::read(entry.description).unwrap();
            assert_eq!(card.sha256.as_deref(), Some(entry.sha256), "{}", entry.name);
            assert_eq!(card.licence, entry.licence);
            assert!(entry.url.starts_with("https://") && !entry.url.contains(' '), "{}", entry.url);
        }
    }
}
