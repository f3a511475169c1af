//! Kinds of lists, and of texts with their own grammar: addresses, programs, colours, time zones.

use toml::de::DeValue;

use super::listen;
use super::scalar::{
    addresses, color, integer, is_part, non_empty, number, parse_each, parse_texts, parse_usable_fourcc,
    parse_word_list, pixel_range, quoted_value_hint, ranges, suggest_format, suggestion, url_fault,
};
use super::value::{BadValue, Kind};
use super::wrong::{Parse, Shape};
use crate::diagnostic::join_with_or;
use crate::{Listen, MOST_RANGES, PixelRange};
use tallycam_base::json::quoted;
use tallycam_base::redact::{redact_command, redact_url};
use tallycam_camera::media::Fourcc;

fn list<T: ToString>(items: &[T]) -> String {
    let shown: Vec<String> = items.iter().map(|item| quoted(&item.to_string())).collect();
    format!("[{}]", shown.join(", "))
}

/// Left, top, width and height of a part of the frame, as fractions.
#[derive(Debug)]
pub(crate) struct PicturePart;

impl Kind for PicturePart {
    type Value = [f64; 4];
    const WORD: &'static str = "crop";
    const EXPECTED: &'static str = "[left, top, width, height] within the picture, as fractions such as \
                                    [0.25, 0.25, 0.5, 0.5], width and height at least 0.01";

    fn read(&self, given: &DeValue<'_>) -> Result<([f64; 4], String), BadValue> {
        let sides = given.as_array().and_then(|list| {
            list.iter().map(|side| number(side.get_ref())).collect::<Option<Vec<f64>>>()?.try_into().ok()
        });
        let crop = sides.filter(is_part).ok_or(BadValue::Other(None))?;
        let [left, top, width, height] = crop;
        Ok((crop, format!("[{left}, {top}, {width}, {height}]")))
    }
}

/// A colour as `"RRGGBB"`.
#[derive(Debug)]
pub(crate) struct Color;

impl Kind for Color {
    type Value = [u8; 3];
    const WORD: &'static str = "color";
    const EXPECTED: &'static str = "a colour as RRGGBB, such as \"FF8800\"";

    fn read(&self, given: &DeValue<'_>) -> Result<([u8; 3], String), BadValue> {
        let color =
            given.as_str().and_then(color).ok_or_else(|| BadValue::Other(quoted_value_hint(given)))?;
        Ok((color, quoted(&format!("{:02X}{:02X}{:02X}", color[0], color[1], color[2]))))
    }
}

/// Pixels of a strip with their own colour: a list of texts such as `"0-3 FF0000"`.
#[derive(Debug)]
pub(crate) struct Ranges;

impl Kind for Ranges {
    type Value = Vec<PixelRange>;
    const WORD: &'static str = "ranges";
    const EXPECTED: &'static str =
        "a list of pixels and their colours such as [\"0-3 FF0000\", \"7 0000FF\"]";

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let ranges = match given {
            // One text may hold several ranges: the page shows them like that.
            DeValue::String(all) => all
                .split(',')
                .map(str::trim)
                .filter(|one| !one.is_empty())
                .map(pixel_range)
                .collect::<Option<Vec<PixelRange>>>()
                .filter(|ranges| ranges.len() <= MOST_RANGES)
                .ok_or(BadValue::Other(None))?,
            DeValue::Array(list) => ranges(list)?,
            _ => return Err(BadValue::Other(None)),
        };
        let shown = list(&ranges);
        Ok((ranges, shown))
    }
}

/// A list of words, or a single text of words.
#[derive(Debug)]
pub(crate) struct Words;

impl Kind for Words {
    type Value = Vec<String>;
    const WORD: &'static str = "list";
    const EXPECTED: &'static str = "a list of words such as [\"person\", \"car\"]";

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let words =
            parse_word_list(given).map_err(|fault| fault.map_or(BadValue::Other(None), BadValue::Parts))?;
        let shown = list(&words);
        Ok((words, shown))
    }
}

/// A time zone by its IANA name, or `"auto"`.
#[derive(Debug)]
pub(crate) struct ZoneName;

impl Kind for ZoneName {
    type Value = Option<String>;
    const EXPECTED: &'static str = "a time zone such as \"Europe/Berlin\", or \"auto\"";

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let text = given.as_str().ok_or(BadValue::Other(None))?;
        let zone = Some(text).filter(|text| !matches!(*text, "" | "auto"));
        if zone.is_some_and(|name| jiff::tz::TimeZone::get(name).is_err()) {
            return Err(BadValue::Other(Some(String::from("`timedatectl list-timezones` lists them"))));
        }
        Ok((zone.map(str::to_owned), quoted(zone.unwrap_or("auto"))))
    }

    fn shape(&self) -> Shape {
        Shape { or: Some("auto"), ..Shape::plain("zone") }
    }
}

/// A supported pixel format, or `"auto"`.
#[derive(Debug)]
pub(crate) struct Format;

impl Kind for Format {
    type Value = Option<String>;

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let text = given.as_str();
        let hint = || text.and_then(suggest_format).map(suggestion);
        let format = match text {
            Some("auto") => None,
            _ => Some(parse_usable_fourcc(text).ok_or_else(|| BadValue::Other(hint()))?.to_string()),
        };
        let shown = quoted(format.as_deref().unwrap_or("auto"));
        Ok((format, shown))
    }

    fn expected(&self) -> String {
        let mut words: Vec<String> = Fourcc::USABLE.iter().map(|f| quoted(&f.to_string())).collect();
        words.push(quoted("auto"));
        join_with_or(&words)
    }

    fn shape(&self) -> Shape {
        let known = Fourcc::USABLE.iter().map(|format| format.to_string());
        Shape::one_of(std::iter::once(String::from("auto")).chain(known))
    }
}

/// A video device: path, name in `/dev/v4l/by-id`, or index; empty is none.
#[derive(Debug)]
pub(crate) struct VideoDevice;

impl Kind for VideoDevice {
    type Value = Option<String>;
    const WORD: &'static str = "device";
    const EXPECTED: &'static str = "a device's path, its name in /dev/v4l/by-id or its number";
    const IS_EXPLAINED: bool = true;

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        if let Some(index) = integer(given).filter(|n| (0..=255).contains(n)) {
            return Ok((Some(index.to_string()), index.to_string()));
        }
        let device = given.as_str().ok_or(BadValue::Other(None))?;
        Ok((non_empty(device), quoted(device)))
    }
}

/// Address of a network camera; empty is none.
#[derive(Debug)]
pub(crate) struct Url;

impl Kind for Url {
    type Value = Option<String>;
    const WORD: &'static str = "url";
    const EXPECTED: &'static str = "a URL that begins with http://, https:// or rtsp://";

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let text = given.as_str().ok_or(BadValue::Other(None))?;
        url_fault(text).map_or(Ok(()), |fault| Err(BadValue::Own(fault)))?;
        Ok((non_empty(text), quoted(&redact_url(text))))
    }
}

/// Text that this function reads, and the description of it; empty is none.
#[derive(Debug)]
pub(crate) struct TextLike(pub Parse, pub &'static str);

impl Kind for TextLike {
    type Value = Option<String>;
    const WORD: &'static str = "text";

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let text = given.as_str().ok_or_else(|| BadValue::Other(quoted_value_hint(given)))?.trim();
        let read = if text.is_empty() { String::new() } else { self.0(text)? };
        let shown = quoted(&read);
        Ok((non_empty(&read), shown))
    }

    fn expected(&self) -> String {
        self.1.to_owned()
    }
}

/// A program and its arguments, as a list or as one line; empty is none.
#[derive(Debug)]
pub(crate) struct ProgramLine;

impl Kind for ProgramLine {
    type Value = Vec<String>;
    const WORD: &'static str = "command";
    const EXPECTED: &'static str = "a list of texts (the program, then its arguments) or one line";
    const IS_EXPLAINED: bool = true;

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let fault =
            |message: &str, hint: Option<&str>| BadValue::Own((message.to_owned(), hint.map(str::to_owned)));
        let command = match given {
            DeValue::String(line) => shlex::split(line).ok_or_else(|| {
                let hint = "a list needs no quoting: [\"program\", \"argument\"]";
                fault("has a quote that is not closed", Some(hint))
            })?,
            DeValue::Array(list) => parse_texts(list, "must be a list of texts")?,
            _ => return Err(BadValue::Other(None)),
        };
        if command.first().is_some_and(String::is_empty) {
            return Err(fault("must begin with a program's name", None));
        }
        let shown = list(&redact_command(&command));
        Ok((command, shown))
    }
}

/// Addresses to listen on, at least one.
#[derive(Debug)]
pub(crate) struct Addresses;

impl Kind for Addresses {
    type Value = Vec<Listen>;
    const WORD: &'static str = "list";
    const EXPECTED: &'static str = "a list of addresses such as [\"0.0.0.0:8080\", \"https://0.0.0.0:8443\", \
            \"unix:/run/tallycam/http.sock\"]";

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let listens = match given {
            DeValue::String(one) => vec![listen::parse(one)?],
            DeValue::Array(list) => addresses(list)?,
            _ => {
                let port = integer(given).filter(|n| (1..=65_535).contains(n));
                return Err(BadValue::Other(port.map(|p| format!("write [\"0.0.0.0:{p}\"]"))));
            }
        };
        if listens.is_empty() {
            return Err(BadValue::Own((String::from("must name at least one address"), None)));
        }
        let shown = list(&listens);
        Ok((listens, shown))
    }
}

/// A list of texts that this function reads, and the description of them with an example.
#[derive(Debug)]
pub(crate) struct EachText(pub Parse, pub &'static str);

impl Kind for EachText {
    type Value = Vec<String>;
    const WORD: &'static str = "list";

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let all: Vec<String> = match given {
            DeValue::String(text) => {
                let each = text.split(',').map(str::trim).filter(|text| !text.is_empty());
                each.map(self.0).collect::<Result<_, _>>()?
            }
            DeValue::Array(list) => parse_each(list, self.0)?,
            _ => return Err(BadValue::Other(None)),
        };
        let shown = list(&all);
        Ok((all, shown))
    }

    fn expected(&self) -> String {
        format!("a list of {}", self.1)
    }
}
