//! The INI file of the Flask program (`config.txt`) as a configuration of ours. Pure.
//!
//! It is read as leniently as Python's `configparser` read it, and a little more: any case, a byte-order mark, line ends
//! of Windows, comments behind values, keys without their section; `%%` and `%(key)s` as that has them, and the section
//! `[DEFAULT]`, which stands below every other. Every line is accounted for: it becomes a key, or a comment that says why
//! not, or the file is refused with the line that is none; so is one that has nothing of the old program.

use std::borrow::Cow;

use super::diagnostic::{Diagnostic, Diagnostics, Lines};
use super::keys::SHORTEST_POWER_KEY;
use super::kind::quoted;

const HEAD: &str = "\
# Made by `tallycam config import`. What is not named here is at its default: `tallycam config default`
# explains every key. A key that is set here cannot be changed on the page.
";

/// One key of the old file.
struct Entry<'t> {
    section: String,
    key: String,
    value: Cow<'t, str>,
    line: usize,
}

/// Keys of the section `[SETTINGS]`.
const SETTINGS: [&str; 6] = ["camera", "light", "lighttype", "numlights", "tty", "baud"];

/// Whose keys are those of all sections that do not have them.
const BELOW_ALL: &str = "default";

/// What becomes of it.
#[derive(Default)]
struct Conversion {
    device: Option<String>,
    kind: Option<&'static str>,
    has_white: bool,
    pixels: Option<u16>,
    key: Option<String>,
    /// Lines without a counterpart, and why they have none.
    notes: Vec<String>,
}

/// The configuration that says what the old file of these bytes says; `name` is what that is called in complaints. What
/// is no UTF-8 is taken for Latin-1: the old program read whatever the system's encoding was.
///
/// # Errors
/// Every line that is none, or whose value means nothing.
pub fn convert(name: &str, bytes: &[u8]) -> Result<String, Diagnostics> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => convert_text(name, text, &[]),
        Err(_) => {
            // Each byte is the letter of its number.
            let text: String = bytes.iter().copied().map(char::from).collect();
            convert_text(name, &text, &[LATIN])
        }
    }
}

/// What is said of a file that is no UTF-8.
const LATIN: &str = "The old file is not UTF-8 and was read as Latin-1 (ISO 8859-1): look at the letters that are not plain ones.";

/// The same of a text, with `notes` on the whole of it.
fn convert_text(name: &str, text: &str, notes: &[&str]) -> Result<String, Diagnostics> {
    let lines = Lines::new(name, text);
    let mut complaints = Vec::new();
    let mut entries = entries(&lines, text, &mut complaints);
    interpolate(&mut entries);
    apply_defaults_section(&mut entries);
    let is_of_settings = |entry: &&Entry<'_>| ["", "settings"].contains(&entry.section.as_str());
    let value = |key: &str| {
        entries.iter().filter(is_of_settings).find(|entry| entry.key == key).map(|entry| &*entry.value)
    };
    let light = value("light").map(parse_on_off);
    let notes = notes.iter().map(ToString::to_string).collect();
    let mut made = Conversion { notes, ..Conversion::default() };
    for entry in &entries {
        let value_of = &*entry.value;
        let mut complain = |message: &str, hint: &str| {
            let message = format!("`{}` {message}, not {}", entry.key, quoted(value_of));
            complaints.push(Diagnostic {
                place: line_place(&lines, entry.line),
                message,
                hint: Some(hint.to_owned()),
                about: None,
            });
        };
        let typed = format!("{} = {}", entry.key, entry.value);
        match (entry.section.as_str(), entry.key.as_str()) {
            ("" | "settings", "camera") => match (value_of, value_of.parse::<u8>()) {
                (_, Ok(index)) => made.device = Some(index.to_string()),
                ("", _) => made.notes.push(format!("{typed}: the first camera that works is shown")),
                (path, _) if path.starts_with('/') => made.device = Some(quoted(path)),
                (word, _) if word.chars().all(|c| c.is_ascii_alphabetic()) => {
                    made.notes
                        .push(format!("{typed}: a camera on the Pi's own connector is found by itself"));
                }
                _ => complain("must be the camera's number", "0 is the first camera"),
            },
            ("" | "settings", "light") => match light.flatten() {
                Some(true) if value("lighttype").is_none() => made.notes.push(format!(
                    "{typed}: which light? kind = \"spi\", \"pwm\" or \"gpio\" in [lights] says so"
                )),
                Some(true) if value("lighttype").and_then(strip_kind).is_none() => {
                    made.notes
                        .push(format!("{typed}: a light, but of no kind that is known here (see lighttype)"));
                }
                // Said by kind.
                Some(true) => {}
                Some(false) => {
                    made.notes.push(format!("{typed}: there was no light, and there is none by default"))
                }
                None => complain("must be true or false", "write true or false"),
            },
            ("" | "settings", "lighttype") => match (strip_kind(value_of), light.flatten()) {
                (_, Some(false)) => made.notes.push(format!("{typed}: there was no light")),
                (Some("spi" | "pwm"), _) if value("numlights").is_some_and(is_zero) => {
                    made.notes.push(format!("{typed}: a strip of no pixels"));
                }
                (Some(kind), _) => {
                    made.kind = Some(kind);
                    made.has_white = has_white(value_of);
                }
                (None, _) => made.notes.push(format!(
                    "{typed}: not known here; kind = \"spi\", \"pwm\" or \"gpio\" in [lights] names the light"
                )),
            },
            ("" | "settings", "numlights") => match (value_of, value_of.parse::<u16>()) {
                ("", _) | (_, Ok(0)) => made.notes.push(format!("{typed}: there was no light")),
                (_, Ok(pixels)) if pixels <= 1000 => made.pixels = Some(pixels),
                _ => complain("must be a whole number from 0 to 1000", "so many pixels the strip has"),
            },
            ("" | "settings", "tty" | "baud") => {
                made.notes.push(format!("{typed}: tallycam has no serial controller"));
            }
            ("" | "keys", "userkey") if entry.value.is_empty() => {
                made.notes
                    .push(format!("{}: without a key nobody switches the machine off by it", entry.key));
            }
            ("" | "keys", "userkey") if value_of.chars().count() < SHORTEST_POWER_KEY => {
                made.notes.push(format!(
                    "{}: left out, since it is shorter than {SHORTEST_POWER_KEY} characters and could be guessed; set [power] \
                     key to a longer one to switch the machine off by it",
                    entry.key
                ));
            }
            ("" | "keys", "userkey") => made.key = Some(quoted(value_of)),
            // What it is worth is not known, so it is not shown.
            (BELOW_ALL, key) => made.notes.push(format!("{key}, in [DEFAULT]: no counterpart")),
            ("keys", key) => made.notes.push(format!("{key}, in [KEYS]: no counterpart")),
            ("" | "settings", _) => made.notes.push(format!("{typed}: no counterpart")),
            (section, _) => made.notes.push(format!("{typed}, in [{section}]: no counterpart")),
        }
    }
    let is_old = |entry: &Entry<'_>| match entry.section.as_str() {
        "" => entry.key == "userkey" || SETTINGS.contains(&entry.key.as_str()),
        section => ["settings", "keys"].contains(&section),
    };
    if !entries.iter().any(is_old) && complaints.is_empty() {
        let message = match entries.len() {
            0 => "there is no key in this file",
            _ => "there is nothing of the old program in this file",
        };
        complaints.push(Diagnostic {
            place: lines.place_of_span(0..0),
            message: String::from(message),
            hint: Some(String::from(
                "is it the config.txt of the Flask program? That has [SETTINGS] with `camera`, `light` and others",
            )),
            about: None,
        });
    }
    if !complaints.is_empty() {
        complaints.sort_by_key(|complaint| complaint.place.order);
        return Err(Diagnostics(complaints));
    }
    Ok(made.to_toml())
}

impl Conversion {
    fn to_toml(&self) -> String {
        let mut out = String::from(HEAD);
        for note in &self.notes {
            // A value may hold anything but a line end, and a comment may not.
            let note: String = note.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            out.push_str(&format!("# {note}\n"));
        }
        if let Some(device) = &self.device {
            out.push_str(&format!("\n[source]\nkind = \"v4l2\"\ndevice = {device}\n"));
        }
        out.push_str("\n[lights]\n");
        if let Some(kind) = self.kind {
            if kind == "pwm" {
                out.push_str("# A strip at GPIO 18, which needs root. Wired to GPIO 10 instead, it is \"spi\" and does not.\n");
            }
            out.push_str(&format!("kind = \"{kind}\"\n"));
        }
        if self.has_white {
            out.push_str("# With a white light of its own; \"RGBW\" where red and green are swapped.\norder = \"GRBW\"\n");
        }
        if let Some(pixels) = self.pixels {
            out.push_str(&format!("pixels = {pixels}\n"));
        }
        out.push_str("# As the old program did: /light?status=false switched the light off.\nold_status = \"program\"\n");
        if let Some(key) = &self.key {
            out.push_str(&format!(
                "\n[power]\n# What /shutdown?key= and /reboot?key= have to say.\nkey = {key}\n"
            ));
        }
        out.push_str(
            "\n[http]\n# 5000 is where the old program was.\nlisten = [\"0.0.0.0:8080\", \"0.0.0.0:5000\"]\n",
        );
        out
    }
}

/// The keys of the file in their order; what is neither section nor key is complained of.
fn entries<'t>(lines: &Lines<'_>, text: &'t str, complaints: &mut Vec<Diagnostic>) -> Vec<Entry<'t>> {
    let mut entries: Vec<Entry<'t>> = Vec::new();
    let mut section = String::new();
    for (n, line) in text.lines().enumerate() {
        let number = n + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        let mut complain = |message: String, hint: Option<String>| {
            complaints.push(Diagnostic { place: line_place(lines, number), message, hint, about: None });
        };
        if let Some(rest) = line.strip_prefix('[') {
            match rest.split_once(']') {
                Some((name, _)) => section = name.trim().to_lowercase(),
                None => complain(String::from("the section's name must be closed with `]`"), None),
            }
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else {
            complain(
                String::from("this is neither a section nor a key with its value"),
                Some(String::from("a key looks like this: camera = 0")),
            );
            continue;
        };
        let key = key.trim().to_lowercase();
        let is_name = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c));
        if !is_name {
            complain(String::from("this is no key"), None);
            continue;
        }
        if let Some(first) = entries.iter().find(|entry| entry.key == key && entry.section == section) {
            complain(format!("`{key}` is set twice"), Some(format!("line {} sets it first", first.line)));
            continue;
        }
        let value = Cow::from(match key.as_str() {
            "userkey" => secret(value),
            _ => strip_comment_and_quotes(value),
        });
        entries.push(Entry { section: section.clone(), key, value, line: number });
    }
    entries
}

/// Has every value be as `configparser` gave it: `%%` is a percent sign, and `%(key)s` what that key has, of the same
/// section or of `[DEFAULT]`. A percent sign that begins neither stays: the old program stopped at it.
fn interpolate(entries: &mut [Entry<'_>]) {
    let with_percent = entries.iter().enumerate().filter(|(_, entry)| entry.value.contains('%'));
    let meant = |(at, entry): (usize, &Entry<'_>)| {
        let mut left = MOST_NAMED;
        (at, interpolated(entries, &entry.section, &entry.value, &mut left))
    };
    let meant: Vec<(usize, String)> = with_percent.map(meant).collect();
    for (at, value) in meant {
        entries[at].value = Cow::Owned(value);
    }
}

/// So many keys a value may name, with what those name: more is none of the old program's.
const MOST_NAMED: usize = 100;

fn interpolated(entries: &[Entry<'_>], section: &str, value: &str, left: &mut usize) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let named =
            after.strip_prefix('(').and_then(|after| after.split_once(")s")).and_then(|(key, behind)| {
                let of = |section: &str| {
                    entries.iter().find(|other| other.section == section && other.key == key.to_lowercase())
                };
                Some((of(section).or_else(|| of(BELOW_ALL))?, behind))
            });
        rest = match (after.strip_prefix('%'), named) {
            (Some(behind), _) => {
                out.push('%');
                behind
            }
            (None, Some((other, behind))) if *left > 0 => {
                *left -= 1;
                out.push_str(&interpolated(entries, section, &other.value, left));
                behind
            }
            (None, _) => {
                out.push('%');
                after
            }
        };
    }
    out.push_str(rest);
    out
}

/// Gives the keys of `[DEFAULT]` to the section that reads them, where that has none of its own.
fn apply_defaults_section(entries: &mut [Entry<'_>]) {
    for at in 0..entries.len() {
        let key = entries[at].key.clone();
        let section = match key.as_str() {
            "userkey" => "keys",
            key if SETTINGS.contains(&key) => "settings",
            _ => continue,
        };
        let is_set = |entry: &Entry<'_>| entry.key == key && [section, ""].contains(&entry.section.as_str());
        if entries[at].section == BELOW_ALL && !entries.iter().any(is_set) {
            section.clone_into(&mut entries[at].section);
        }
    }
}

/// A value without the comment behind it and the quotes around it.
fn strip_comment_and_quotes(value: &str) -> &str {
    let value = value.trim();
    let behind = value.match_indices([';', '#']).map(|(at, _)| at);
    let end = behind.into_iter().find(|&at| at == 0 || value[..at].ends_with([' ', '\t']));
    let value = value[..end.unwrap_or(value.len())].trim();
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// The secret as `configparser` gave it to the program, quotes, `#` and all: another one than is in use would lock its
/// owner out. What begins as a comment is none: the program took it for the key, its owner did not.
fn secret(value: &str) -> &str {
    let value = value.trim();
    if value.starts_with([';', '#']) { "" } else { value }
}

fn parse_on_off(value: &str) -> Option<bool> {
    match value.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" | "none" | "" => Some(false),
        _ => None,
    }
}

/// The kind of light that the old program's word for it means.
fn strip_kind(word: &str) -> Option<&'static str> {
    let word = word.to_lowercase();
    let is_any = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
    if is_any(&["spi"]) {
        Some("spi")
    } else if is_any(&["neopixel", "ws28", "sk68", "adafruit", "pwm", "strip", "rgb"]) {
        Some("pwm")
    } else if is_any(&["gpio", "relay", "lamp", "led", "switch"]) {
        Some("gpio")
    } else {
        None
    }
}

/// Whether a strip of this name has white pixels.
fn has_white(word: &str) -> bool {
    let word = word.to_lowercase();
    // The orders that rpi_ws281x has names for, with white: it comes last in all of them.
    ["rgbw", "rbgw", "grbw", "gbrw", "brgw", "bgrw", "sk6812w", "sk6812_w"]
        .iter()
        .any(|part| word.contains(part))
}

fn is_zero(count: &str) -> bool {
    count.parse() == Ok(0_u16)
}

fn line_place(lines: &Lines<'_>, number: usize) -> super::diagnostic::FilePosition {
    lines.place_of_span(lines.line_start(number)..lines.line_start(number) + lines.line_text(number).len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use proptest::prelude::*;

    use super::super::{ColorOrder, Config, LightKind};
    use super::*;

    fn read(text: &str) -> Config {
        let toml = convert("config.txt", text.as_bytes()).unwrap();
        Config::from_text(Path::new("config.toml"), &toml, &[], []).unwrap().config
    }

    #[test]
    fn every_key_of_the_old_file_becomes_one_of_ours() {
        let config = read(
            "[SETTINGS]\ncamera = 1\nlight = True\nlighttype = NeoPixel\nnumlights = 24\ntty = /dev/ttyUSB0\n\
             baud = 9600\n\n[KEYS]\nuserkey = abc\"def-0123456789\n",
        );
        assert_eq!(config.source.device.as_deref(), Some("1"));
        assert_eq!((config.lights.kind, config.lights.pixels), (LightKind::Pwm, 24));
        assert!(config.lights.old_status_as_program);
        let listens: Vec<String> = config.http.listen.iter().map(|listen| listen.to_string()).collect();
        assert_eq!(listens, ["0.0.0.0:8080", "0.0.0.0:5000"]);
    }

    #[test]
    fn the_secret_stays_as_it_was() {
        for (written, key) in [
            ("a #1 0123456789ab", Some("a #1 0123456789ab")),
            ("\"x\" ;y 0123456789 ", Some("\"x\" ;y 0123456789")),
            ("'0123456789abcdef", Some("'0123456789abcdef")),
            ("# none", None),
            ("", None),
        ] {
            let config = read(&format!("[KEYS]\nuserkey = {written}\n"));
            assert_eq!(config.power.key.as_deref(), key, "{written}");
        }
    }

    #[test]
    fn a_key_that_could_be_guessed_is_left_out_and_told() {
        let toml = convert("config.txt", b"[KEYS]\nuserkey = 0123456789abcde\n").unwrap();
        assert!(toml.contains("# userkey: left out") && !toml.contains("abcde"), "{toml}");
        let config = Config::from_text(Path::new("c"), &toml, &[], []).unwrap().config;
        assert_eq!(config.power.key, None);
        let refused = Config::from_text(Path::new("c"), "[power]\nkey = \"0123456789abcde\"\n", &[], []);
        let told = refused.unwrap_err().to_string();
        assert!(
            told.contains("c:2:") && told.contains("at least 16 characters") && !told.contains("abcde"),
            "{told}"
        );
    }

    #[test]
    fn what_is_no_utf8_is_latin1_and_told() {
        let toml = convert("config.txt", b"; T\xfcr\n[KEYS]\nuserkey = p\xe4ss-0123456789ab\n").unwrap();
        assert!(toml.contains("\n# The old file is not UTF-8 and was read as Latin-1"), "{toml}");
        let key = |toml: &str| Config::from_text(Path::new("c"), toml, &[], []).unwrap().config.power.key;
        assert_eq!(key(&toml).as_deref(), Some("p\u{e4}ss-0123456789ab"));
        let toml = convert("config.txt", "[KEYS]\nuserkey = p\u{e4}ss-0123456789ab\n".as_bytes()).unwrap();
        assert_eq!((key(&toml).as_deref(), toml.contains("Latin")), (Some("p\u{e4}ss-0123456789ab"), false));
        let refused = convert("config.txt", b"[SETTINGS]\nlight = \xe4\n").unwrap_err().to_string();
        assert!(refused.contains("config.txt:2:1") && refused.contains("not \"\u{e4}\""), "{refused}");
    }

    #[test]
    fn what_configparser_made_of_percent_signs_and_defaults_is_what_counts() {
        let key = |text: &str| read(text).power.key;
        assert_eq!(key("[KEYS]\nuserkey = abc%%def-012345678\n").as_deref(), Some("abc%def-012345678"));
        let odd = key("[KEYS]\nuserkey = 0123456789abcde5%\n");
        assert_eq!(odd.as_deref(), Some("0123456789abcde5%"), "the old program stopped at it");
        let named = "[DEFAULT]\nname = door\n[KEYS]\nyear = 7%%\nuserkey = %(name)s-%(YEAR)s-%(none)s\n";
        assert_eq!(key(named).as_deref(), Some("door-7%-%(none)s"));
        // One that names itself comes to an end.
        let endless = key("[KEYS]\nuserkey = x%(userkey)s%(userkey)s\n").unwrap();
        assert!(endless.len() < 100_000, "{}", endless.len());

        let device = |text: &str| read(text).source.device;
        assert_eq!(device("[DEFAULT]\ncamera = 2\n[SETTINGS]\nlight = no\n").as_deref(), Some("2"));
        assert_eq!(device("[DEFAULT]\ncamera = 2\n[SETTINGS]\ncamera = 1\n").as_deref(), Some("1"));
        assert_eq!(device("[SETTINGS]\ncamera = 1\n[default]\ncamera = 2\n").as_deref(), Some("1"));
        assert_eq!(
            key("[DEFAULT]\nuserkey = 0123456789abcdef\n[KEYS]\n").as_deref(),
            Some("0123456789abcdef")
        );
        let toml = convert("x", b"[DEFAULT]\nadmin = s3cret\ncamera = 2\n[SETTINGS]\ncamera = 1\n").unwrap();
        assert!(toml.contains("# admin, in [DEFAULT]: no counterpart") && !toml.contains("s3cret"), "{toml}");
        let light = read("[DEFAULT]\nlighttype = gpio\n[SETTINGS]\nlight = True\n").lights;
        assert_eq!(light.kind, LightKind::Gpio);
    }

    #[test]
    fn what_has_nothing_of_the_old_program_is_refused() {
        for text in [
            "[source]\nkind = \"sim\"\n[lights]\nkind = \"spi\"\n",
            "name = \"door\"\n[http]\nlisten = [\"0.0.0.0:8080\"]\n",
            "[DEFAULT]\nx = 1\n[wifi]\ncamera = 1\n",
        ] {
            let refused = convert("config.toml", text.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains("there is nothing of the old program in this file"), "{refused}");
            assert!(refused.contains("[SETTINGS] with `camera`"), "{refused}");
        }
        assert!(convert("x", b"[SETTINGS]\ntheme = dark\n").is_ok(), "a section of its own");
    }

    #[test]
    fn it_is_read_whatever_has_been_done_to_it() {
        let same = read("[SETTINGS]\ncamera=0\nlight=false\n");
        for text in [
            "\u{feff}[settings]\r\nCAMERA = 0\r\nLight: no\r\n",
            "camera=0 ; the first\nlight='off' # none\n",
            "# a comment\n; another\n\n[Settings] \n  camera =\t0\n  light = 0\n",
        ] {
            assert_eq!(read(text), same, "{text}");
        }
        let toml = convert("x", b"[SETTINGS]\ncamera=0\nlight=False\n").unwrap();
        assert!(toml.contains("# light = False: there was no light"), "no line is lost: {toml}");
        let toml = convert("x", b"light = True\nlighttype = candle\n").unwrap();
        assert!(
            toml.contains("# light = True: a light, but of no kind")
                && toml.contains("# lighttype = candle:")
        );
        let toml = convert("x", b"tty = /dev/ttyUSB0\n[other]\nx = \x07y\n[KEYS]\nadmin = s3cret\n").unwrap();
        assert!(toml.contains("# tty = /dev/ttyUSB0: tallycam has no"), "{toml}");
        assert!(
            toml.contains("# x = \u{fffd}y, in [other]: no counterpart") && !toml.contains("s3cret"),
            "{toml}"
        );
    }

    #[test]
    fn what_a_light_is_called() {
        for (word, kind) in [
            ("neopixel", Some("pwm")),
            ("Adafruit NeoPixel (SPI)", Some("spi")),
            ("WS2812", Some("pwm")),
            ("gpio", Some("gpio")),
            ("LED", Some("gpio")),
            ("candle", None),
        ] {
            assert_eq!(strip_kind(word), kind, "{word}");
        }
        assert_eq!(read("light = false\nlighttype = neopixel\nnumlights = 0\n").lights.kind, LightKind::None);
        assert_eq!(read("numlights = 00\n"), read("numlights = 0\n"), "no strip of no pixels");
        let none = read("light = True\nlighttype = rgbw\nnumlights = 0\n").lights;
        assert_eq!((none.kind, none.order), (LightKind::None, ColorOrder::Grb));
        let white = read("light = True\nlighttype = Adafruit NeoPixel RGBW\nnumlights = 8\n").lights;
        assert_eq!((white.kind, white.order, white.pixels), (LightKind::Pwm, ColorOrder::Grbw, 8));
        let white = read("light = True\nlighttype = SK6812_STRIP_BGRW\nnumlights = 8\n").lights;
        assert_eq!((white.kind, white.order), (LightKind::Pwm, ColorOrder::Grbw));
    }

    #[test]
    fn nonsense_is_refused_by_its_line() {
        let refused = |text: &str| convert("config.txt", text.as_bytes()).unwrap_err().to_string();
        for (text, part) in [
            ("", "there is no key"),
            ("[SETTINGS\n", "config.txt:1:1: the section's name"),
            ("[SETTINGS]\n\nhello world\n", "config.txt:3:1: this is neither"),
            ("camera = -1\n", "config.txt:1:1: `camera` must be the camera's number, not \"-1\""),
            ("light = maybe\n", "`light` must be true or false"),
            ("x = 1\nnumlights = many\n", "config.txt:2:1: `numlights` must be a whole number"),
            ("light = 1\nlight = 0\n", "config.txt:2:1: `light` is set twice"),
            ("\0\u{1}=\n", "this is no key"),
        ] {
            assert!(refused(text).contains(part), "{text:?}: {}", refused(text));
        }
        assert_eq!(convert("x", b"light = 5\nnumlights = x\n[[\n").unwrap_err().count(), 3);
    }

    proptest! {
        #[test]
        fn what_is_taken_is_a_configuration(text in "(\\[?[A-Za-z]{0,9}\\]?[=:; #\"']{0,3}[ -~]{0,12}\r?\n){0,6}") {
            if let Ok(toml) = convert("x", text.as_bytes()) {
                prop_assert!(Config::from_text(Path::new("c"), &toml, &[], []).is_ok(), "{}", toml);
            }
        }

        #[test]
        fn any_text_is_read(text in any::<String>()) {
            let _ = convert("x", text.as_bytes());
        }
    }
}
