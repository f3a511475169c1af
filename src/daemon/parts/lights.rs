//! From the configuration to the light: its hardware and its behaviour.

use crate::pipeline::LightsSettings;
use crate::pipeline::lights::{LitLight, Paint, PixelOrder, StripKind, StripSettings};
use tallycam_config::{ColorOrder, Config, LightKind};

/// The light's part of the configuration.
pub fn settings(config: &Config) -> LightsSettings {
    let lights = &config.lights;
    let paint =
        |range: &tallycam_config::PixelRange| Paint { from: range.from, to: range.to, color: range.color };
    LightsSettings {
        strip: StripSettings {
            kind: match lights.kind {
                LightKind::None => StripKind::None,
                LightKind::Spi => StripKind::Spi,
                LightKind::Pwm => StripKind::Pwm,
                LightKind::Gpio => StripKind::Lamp,
                LightKind::Sim => StripKind::Sim,
            },
            pixels: lights.pixels,
            order: match lights.order {
                ColorOrder::Grb => PixelOrder::Grb,
                ColorOrder::Rgb => PixelOrder::Rgb,
                ColorOrder::Bgr => PixelOrder::Bgr,
                ColorOrder::Grbw => PixelOrder::Grbw,
                ColorOrder::Rgbw => PixelOrder::Rgbw,
                ColorOrder::Bgrw => PixelOrder::Bgrw,
            },
            device: lights.device.clone(),
            pin: lights.pin,
            chip: lights.chip.clone(),
            active_low: lights.active_low,
            limit: lights.limit,
            gamma: lights.gamma,
        },
        is_on: lights.on,
        light: LitLight {
            color: lights.color,
            brightness: lights.brightness,
            ranges: lights.ranges.iter().map(paint).collect(),
        },
        has_status: lights.status,
        for_shots: lights.shot,
        settle: lights.settle,
        auto_below: lights.auto_below,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_parts_defaults_are_those_of_the_configuration() {
        let strip = StripSettings { device: Some("/dev/spidev0.0".into()), ..StripSettings::default() };
        let defaults = LightsSettings { strip, ..LightsSettings::default() };
        assert_eq!(settings(&Config::default()), defaults);
    }

    #[test]
    fn every_key_of_the_file_arrives() {
        let file = "[lights]\nkind = \"gpio\"\npixels = 7\norder = \"RGBW\"\ndevice = \"\"\npin = 5\n\
                    chip = \"/dev/gpiochip1\"\nactive_low = true\nlimit = 90\ngamma = 2.2\non = true\nbrightness = 12\n\
                    color = \"102030\"\nranges = [\"1-2 FF0000\"]\nstatus = true\nshot = true\nsettle = \"1s\"\n\
                    auto_below = 40\n";
        let config = Config::from_text(Path::new("config.toml"), file, &[], []).unwrap().config;
        let want = LightsSettings {
            strip: StripSettings {
                kind: StripKind::Lamp,
                pixels: 7,
                order: PixelOrder::Rgbw,
                device: None,
                pin: Some(5),
                chip: Some("/dev/gpiochip1".into()),
                active_low: true,
                limit: 90,
                gamma: 2.2,
            },
            is_on: true,
            light: LitLight {
                color: [16, 32, 48],
                brightness: 12,
                ranges: vec![Paint { from: 1, to: 2, color: [255, 0, 0] }],
            },
            has_status: true,
            for_shots: true,
            settle: Duration::from_secs(1),
            auto_below: Some(40.0),
        };
        assert_eq!(settings(&config), want);
    }
}
