//! Converts libcamera's names to those of tallycam.

/// Converts "AnalogueGain" to "analogue_gain".
pub fn snake(name: &str) -> String {
    split(name).iter().map(|word| word.to_lowercase()).collect::<Vec<_>>().join("_")
}

/// Converts a control's enumerators, "AwbAuto" and "AwbTungsten", to titles: "Auto", "Tungsten".
pub fn titles(names: &[(i64, String)]) -> Vec<(i64, String)> {
    let words: Vec<Vec<&str>> = names.iter().map(|(_, name)| split(name)).collect();
    let shortest = words.iter().map(Vec::len).min().unwrap_or(0);
    // The common prefix, but never a whole name.
    let common = match words.as_slice() {
        [] | [_] => 0,
        [first, rest @ ..] => (0..shortest.saturating_sub(1))
            .take_while(|&at| rest.iter().all(|other| other[at] == first[at]))
            .count(),
    };
    std::iter::zip(names, words).map(|((number, _), words)| (*number, sentence(&words[common..]))).collect()
}

fn sentence(words: &[&str]) -> String {
    let lower =
        |word: &&str| if word.len() > 1 && is_upper(word) { (*word).to_owned() } else { word.to_lowercase() };
    let mut text = words.iter().map(lower).collect::<Vec<_>>().join(" ");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

fn is_upper(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Splits "HdrModeHDRPlus" into "Hdr", "Mode", "HDR", "Plus".
fn split(name: &str) -> Vec<&str> {
    let bytes = name.as_bytes();
    let begins = |at: usize| {
        bytes[at].is_ascii_uppercase()
            && (!bytes[at - 1].is_ascii_uppercase() || bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase))
    };
    let mut words = Vec::new();
    let mut from = 0;
    for at in 1..bytes.len() {
        if begins(at) && name.is_char_boundary(at) {
            words.push(&name[from..at]);
            from = at;
        }
    }
    words.push(&name[from..]);
    words
}

/// The unit of a control with this name in snake case; empty for none.
pub fn unit(name: &str) -> &'static str {
    match name {
        "exposure_time" | "ae_flicker_period" | "ae_flicker_detected" | "frame_duration" => "µs",
        "analogue_gain" | "digital_gain" | "colour_gains_red" | "colour_gains_blue" | "zoom" => "×",
        "colour_temperature" => "K",
        "exposure_value" => "EV",
        "lens_position" => "dioptres",
        "lux" => "lux",
        "sensor_temperature" => "°C",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case() {
        for (name, expected) in [
            ("AeEnable", "ae_enable"),
            ("AnalogueGain", "analogue_gain"),
            ("Lux", "lux"),
            ("HDRMode", "hdr_mode"),
        ] {
            assert_eq!(snake(name), expected);
        }
    }

    #[test]
    fn titles_lose_their_common_prefix() {
        let named = |names: &[&str]| {
            let names: Vec<(i64, String)> = (0..).zip(names.iter().map(|name| (*name).to_owned())).collect();
            titles(&names).into_iter().map(|(_, title)| title).collect::<Vec<_>>()
        };
        assert_eq!(named(&["AfModeManual", "AfModeAuto"]), ["Manual", "Auto"]);
        assert_eq!(named(&["MeteringCentreWeighted", "MeteringSpot"]), ["Centre weighted", "Spot"]);
        assert_eq!(
            named(&["NoiseReductionModeHighQuality", "NoiseReductionModeZSL"]),
            ["High quality", "ZSL"]
        );
        assert_eq!(named(&["HdrModeOff"]), ["Hdr mode off"]);
    }
}
