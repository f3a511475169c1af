//! Single values as users write them: numbers, colours, pixels, URLs, lists. Also the messages for wrong ones.

use toml::Spanned;
use toml::de::{DeArray, DeValue};

use super::super::diagnostic::closest_match;
use super::super::redact::{may_be_secret, may_hold_secret};
use super::super::{Listen, MOST_PIXELS, MOST_RANGES, PixelRange, size};
use super::listen;
use super::wrong::{Complaint, Parse, Wrong};
use tallycam_base::json::quoted;
use tallycam_base::redact::{STARS, redact_url};
use tallycam_base::unicode::is_unseen_control;
use tallycam_camera::media::Fourcc;

/// True if left, top, width and height are a non-empty part of the frame.
pub(super) fn is_part(&[left, top, width, height]: &[f64; 4]) -> bool {
    let within = |from: f64, length: f64| from >= 0.0 && length >= 0.01 && from + length <= 1.0 + 1e-9;
    within(left, width) && within(top, height)
}

/// The colour `RRGGBB`, with or without a leading `#`.
pub fn color(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let all = u32::from_str_radix(digits, 16).ok()?;
    let [_, red, green, blue] = all.to_be_bytes();
    Some([red, green, blue])
}

/// Pixels from 0 to 999 with their colour: `0-3 FF0000`, or `7 0000FF` for one pixel.
pub fn pixel_range(text: &str) -> Option<PixelRange> {
    let (pixels, color_of) = text.trim().split_once(char::is_whitespace)?;
    let (from, to) = pixels.split_once('-').unwrap_or((pixels, pixels));
    let pixel = |digits: &str| {
        let is_plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|pixel| is_plain && *pixel < MOST_PIXELS)
    };
    let range = PixelRange { from: pixel(from)?, to: pixel(to)?, color: color(color_of.trim())? };
    (range.from <= range.to).then_some(range)
}

pub(super) fn ranges(list: &DeArray<'_>) -> Result<Vec<PixelRange>, Wrong> {
    parse_items(list, |item, before: &[PixelRange]| {
        if before.len() >= MOST_RANGES {
            return Err((format!("must be a list of at most {MOST_RANGES}"), None));
        }
        item.as_str().and_then(pixel_range).ok_or_else(|| {
            let must = "must list pixels and a colour such as \"0-3 FF0000\"";
            (format!("{must}, not {}", describe_value(item)), None)
        })
    })
}

/// Reads the value of the camera control `name`: a number, or a boolean as 0 and 1.
///
/// # Errors
/// [`Wrong`] for anything else.
pub fn control(name: &str, value: &Spanned<DeValue<'_>>) -> Result<f64, Wrong> {
    let given = value.get_ref();
    let number = number(given).filter(|number| number.is_finite());
    number.or_else(|| given.as_bool().map(f64::from)).ok_or_else(|| {
        let must_be = "must be a number, true or false";
        // A password in the wrong table is still a secret.
        let fault = if may_be_secret(name) {
            (must_be.to_owned(), None)
        } else {
            (format!("{must_be}, not {}", describe_value(given)), unquoted_number_hint(given.as_str()))
        };
        Wrong::new(fault, value.span())
    })
}

/// The TOML value of `text` from the command line or the environment.
///
/// # Errors
/// The parser's error if `text` is not TOML.
pub fn parse_given(text: &str) -> Result<Spanned<DeValue<'_>>, toml::de::Error> {
    let before = text.len() - text.trim_start().len();
    DeValue::parse(text.trim()).map(|value| {
        let span = value.span();
        Spanned::new(span.start + before..span.end + before, value.into_inner())
    })
}

/// A list of words, or a single text of words. `Err(Err(()))` if it is neither.
pub(crate) fn parse_word_list(given: &DeValue<'_>) -> Result<Vec<String>, Result<Wrong, ()>> {
    match given {
        DeValue::String(one) => {
            Ok(one.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect())
        }
        DeValue::Array(list) => parse_texts(list, "must be a list of words").map_err(Ok),
        _ => Err(Err(())),
    }
}

/// The given value, as the object of "not …".
pub(crate) fn describe_value(given: &DeValue<'_>) -> String {
    match given {
        DeValue::String(text) if text.is_empty() => String::from("empty text"),
        DeValue::String(text) if may_hold_secret(text) => quoted(STARS),
        DeValue::String(text) => quoted(&abbreviate(text)),
        DeValue::Integer(number) => {
            integer(given).map_or_else(|| abbreviate(number.as_str()), |number| number.to_string())
        }
        DeValue::Float(number) => abbreviate(number.as_str()),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(_) => String::from("a date"),
        DeValue::Array(list) if is_of_numbers(list.iter().map(Spanned::get_ref)) => {
            let numbers: Vec<String> = list.iter().map(|number| describe_value(number.get_ref())).collect();
            abbreviate(&format!("[{}]", numbers.join(", ")))
        }
        DeValue::Array(_) => String::from("a list"),
        DeValue::Table(_) => String::from("a table"),
    }
}

/// True for a short list of numbers.
fn is_of_numbers<'v>(values: impl ExactSizeIterator<Item = &'v DeValue<'v>>) -> bool {
    let mut values = values;
    (1..=8).contains(&values.len()) && values.all(|v| matches!(v, DeValue::Integer(_) | DeValue::Float(_)))
}

pub(crate) fn abbreviate(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    text.chars().take(39).chain(['…']).collect()
}

pub(super) fn non_empty(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|t| !t.is_empty())
}

pub(crate) fn suggestion(word: &str) -> String {
    format!("did you mean {}?", quoted(word))
}

pub(super) fn integer(given: &DeValue<'_>) -> Option<i64> {
    let number = given.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

pub(crate) fn number(given: &DeValue<'_>) -> Option<f64> {
    match given {
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => integer(given).map(|n| n as f64),
    }
}

pub(super) fn unquoted_number_hint(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    text.parse::<f64>().is_ok_and(f64::is_finite).then(|| format!("write {text} without quotes"))
}

pub(super) fn quoted_value_hint(given: &DeValue<'_>) -> Option<String> {
    match given {
        DeValue::Integer(number) => Some(format!("write it in quotes: {}", quoted(number.as_str()))),
        DeValue::Float(number) => Some(format!("write it in quotes: {}", quoted(number.as_str()))),
        _ => None,
    }
}

/// The hint for an invisible character, because the text looks correct.
pub(crate) fn invisible_character_hint(given: &DeValue<'_>) -> Option<String> {
    let at = given.as_str()?.chars().position(is_unseen_control)?;
    Some(format!("it has a control character, or a mark that is not seen, in place {}", at + 1))
}

/// The hint for a number without a unit, for keys of at most minutes: seconds are the likely unit.
pub(super) fn missing_unit_hint(given: &DeValue<'_>) -> Option<String> {
    bare_number(given).map(|seconds| format!("with its unit: \"{seconds}s\""))
}

/// The hint for a number without a unit where days are possible. It suggests no single unit: a mistake would delete
/// media after seconds.
pub(super) fn any_unit_hint(given: &DeValue<'_>) -> Option<String> {
    let number = bare_number(given)?;
    Some(format!(
        "with its unit: \"{number}d\" for days, \"{number}h\" for hours, \"{number}m\" for minutes or \"{number}s\" \
         for seconds"
    ))
}

fn bare_number(given: &DeValue<'_>) -> Option<f64> {
    let number = match given {
        DeValue::String(text) => text.trim().parse::<f64>().ok()?,
        _ => number(given)?,
    };
    (number.is_finite() && (0.0..1e9).contains(&number)).then_some(number)
}

/// The recommended larger input size (measured in docs/accuracy.md), with its name.
pub(super) const FAR: (&str, (u32, u32)) = ("far", (512, 384));

/// `512x384`, also with spaces or `×`; or the name of a size.
pub(super) fn pixels(text: &str) -> Option<(u32, u32)> {
    let (name, size) = FAR;
    if text.trim() == name {
        return Some(size);
    }
    let (width, height) = text.split_once(['x', 'X', '×'])?;
    Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
}

/// A size in bytes; zero needs no unit.
pub(super) fn amount(text: Option<&str>, given: &DeValue<'_>) -> Option<u64> {
    let is_nothing = match text {
        Some(text) => text.trim() == "0",
        None => number(given) == Some(0.0),
    };
    if is_nothing { Some(0) } else { text.and_then(size::parse) }
}

pub(super) fn missing_size_unit_hint(given: &DeValue<'_>) -> Option<String> {
    let bytes = match given {
        DeValue::String(text) => text.trim().parse::<f64>().ok()?,
        _ => number(given)?,
    };
    let is_amount = bytes.fract() == 0.0 && (0.0..1e15).contains(&bytes);
    is_amount.then(|| format!("with its unit: \"{}\"", size::show_size(bytes as u64)))
}

pub(super) fn parse_usable_fourcc(text: Option<&str>) -> Option<Fourcc> {
    text?.parse().ok().filter(|f| Fourcc::USABLE.contains(f))
}

/// The one of `words` that `text` most likely means, by its spelling or as another name for it.
pub(crate) fn suggest_word<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
    const OTHERS: [(&str, &[&str]); 11] = [
        ("v4l2", &["usb", "uvc", "webcam", "camera", "video", "v4l"]),
        ("libcamera", &["csi", "rpicam", "picamera", "raspicam"]),
        ("url", &["http", "https", "network", "ip", "rtsp", "mjpeg"]),
        ("files", &["folder", "directory", "clip"]),
        ("sim", &["demo", "simulated", "test"]),
        ("onnx", &["model", "tract", "yolo", "network"]),
        ("none", &["off", "no", "false"]),
        ("bottom", &["foot", "feet", "bottom_center"]),
        ("every", &["always", "all"]),
        ("full", &["fast", "max"]),
        ("real", &["realtime", "normal"]),
    ];
    let text = text.to_lowercase();
    let called = OTHERS.iter().find(|(_, others)| others.contains(&text.as_str())).map(|(word, _)| *word);
    let begins = |word: &&&str| text.starts_with(**word);
    words
        .iter()
        .find(|word| Some(**word) == called)
        .or_else(|| words.iter().find(begins))
        .copied()
        .or_else(|| closest_match(&text, words.iter().copied()))
}

/// The format that other programs call `text`.
pub(super) fn suggest_format(text: &str) -> Option<&'static str> {
    Some(match text.to_ascii_uppercase().as_str() {
        "MJPEG" | "MPJG" | "JPG" => "MJPG",
        "I420" | "YUV420" | "YUV420P" | "IYUV" => "YU12",
        "YUY2" | "YUYV422" | "YUV422" | "YUV" => "YUYV",
        "UYVY422" => "UYVY",
        "GRAY" | "GRAY8" | "Y800" | "Y8" => "GREY",
        _ => return None,
    })
}

/// The fault of a URL by RFC 3986: it needs a supported scheme, a host and no white space.
pub(super) fn url_fault(text: &str) -> Option<Complaint> {
    if text.is_empty() {
        return None;
    }
    let must_be = || {
        format!(
            "must be a URL that begins with http://, https:// or rtsp://, not {}",
            quoted(&abbreviate(&redact_url(text)))
        )
    };
    let Some((scheme, rest)) = text.split_once("://") else {
        let is_path = text.starts_with('/') || text.starts_with('.');
        let hint = if is_path {
            String::from(
                "for files: kind = \"files\" and path; for a camera on this machine: kind = \"v4l2\" and device",
            )
        } else {
            format!("did you mean {}?", quoted(&abbreviate(&redact_url(&format!("http://{text}")))))
        };
        return Some((must_be(), Some(hint)));
    };
    if !["http", "https", "rtsp", "rtsps"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Some((must_be(), None));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Some((
            String::from("must be a URL without spaces"),
            Some(String::from("write a space as %20")),
        ));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let host = authority.rsplit('@').next().unwrap_or("");
    if host.is_empty() || host.starts_with(':') {
        return Some((String::from("must be a URL that names a host"), None));
    }
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    // A special character in the user name or password may have ended the host: the host found is then a part of
    // them.
    let name = port.map_or(host, |port| &host[..host.len() - port.len() - 1]).trim_matches(['[', ']']);
    let is_sure = name.parse::<std::net::IpAddr>().is_ok()
        || name == "localhost"
        || (name.contains('.') && !authority.contains('@'));
    if rest[authority.len()..].contains('@') && !is_sure {
        return Some((
            String::from("must be a URL that says clearly where its password ends"),
            Some(String::from(
                "write # as %23, / as %2F, ? as %3F and @ as %40 in its user name, password and path, \
                 or use `source.username` and `source.password`",
            )),
        ));
    }
    match port {
        Some(port) if port.parse::<u16>().is_err() => Some((
            format!("must be a URL with a port from 1 to 65535, not {}", quoted(&abbreviate(port))),
            None,
        )),
        _ => None,
    }
}

/// The items of a list, each read with the items before it; or all their faults.
pub(super) fn parse_items<T>(
    list: &DeArray<'_>,
    mut read: impl FnMut(&DeValue<'_>, &[T]) -> Result<T, Complaint>,
) -> Result<Vec<T>, Wrong> {
    let (mut good, mut wrongs) = (Vec::new(), Vec::new());
    for item in list.iter() {
        match read(item.get_ref(), &good) {
            Ok(value) => good.push(value),
            Err(fault) => wrongs.push(Wrong::new(fault, item.span())),
        }
    }
    Wrong::merge(wrongs).map_or(Ok(good), Err)
}

pub(super) fn parse_texts(list: &DeArray<'_>, must: &str) -> Result<Vec<String>, Wrong> {
    parse_items(list, |item, _| match item.as_str() {
        Some(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err((format!("{must}, not {}", describe_value(item)), quoted_value_hint(item))),
    })
}

/// A list of texts, each read by `parse`, without duplicates.
pub(super) fn parse_each(list: &DeArray<'_>, parse: Parse) -> Result<Vec<String>, Wrong> {
    parse_items(list, |item, before: &[String]| {
        let DeValue::String(text) = item else {
            return Err((format!("must list texts in quotes, not {}", describe_value(item)), None));
        };
        let one = parse(text)?;
        if before.contains(&one) {
            return Err((format!("names {} twice", quoted(&one)), None));
        }
        Ok(one)
    })
}

pub(super) fn addresses(list: &DeArray<'_>) -> Result<Vec<Listen>, Wrong> {
    parse_items(list, |item, before: &[Listen]| {
        let DeValue::String(text) = item else {
            let port = integer(item).filter(|n| (1..=65_535).contains(n));
            let hint = port.map(|p| format!("write \"0.0.0.0:{p}\""));
            return Err((format!("must list addresses in quotes, not {}", describe_value(item)), hint));
        };
        let listen = listen::parse(text)?;
        let at = |listen: &Listen| listen.to_string().trim_start_matches("https://").to_owned();
        if before.iter().any(|other| at(other) == at(&listen)) {
            return Err((format!("names {} twice", quoted(&listen.to_string())), None));
        }
        Ok(listen)
    })
}
