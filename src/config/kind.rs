//! What a key may hold: reading a TOML value into its place in [`Config`], writing it as TOML, and
//! saying in words what is expected and what was found instead.

mod scalar;
mod wrong;

use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::diagnostic::join_with_or;
use super::{Config, Listen, MOST_RANGES, PixelRange, duration, listen, size};
pub use crate::base::json::quoted;
use crate::base::redact::{redact_command, redact_url};
use crate::base::unicode::{is_blank, is_unseen_control};
use crate::media::Fourcc;
pub(super) use scalar::{
    abbreviate, describe_value, invisible_character_hint, number, parse_word_list, suggest_word, suggestion,
};
use scalar::{
    addresses, amount, any_unit_hint, integer, is_part, missing_size_unit_hint, missing_unit_hint, non_empty,
    parse_each, parse_texts, parse_usable_fourcc, pixels, quoted_value_hint, ranges, suggest_format,
    unquoted_number_hint, url_fault, value_or_word,
};
pub use scalar::{color, control, parse_given, pixel_range};
pub(super) use wrong::Fault;
pub use wrong::{Parse, Shape, Wrong};

/// What a key holds, its limits, and where it goes.
#[derive(Debug, Clone, Copy)]
pub enum ValueKind {
    /// Text that says something: 1 to 64 characters.
    Label(fn(&mut Config, String)),
    /// A line of text of at most so many characters; empty is none.
    Line(usize, fn(&mut Config, Option<String>)),
    /// Text; empty is none.
    Text(fn(&mut Config, Option<String>)),
    /// Text of at least so many characters that is never shown; empty is none.
    Secret(usize, fn(&mut Config, Option<String>)),
    /// One of these words; the place gets its index.
    Choice(&'static [&'static str], fn(&mut Config, usize)),
    /// `true` or `false`.
    Boolean(fn(&mut Config, bool)),
    /// A whole number from the first to the second.
    Integer(i64, i64, fn(&mut Config, i64)),
    /// The same, or `"auto"`.
    AutoInteger(i64, i64, fn(&mut Config, Option<i64>)),
    /// One of these numbers; the place gets its index.
    OneOf(&'static [i64], fn(&mut Config, usize)),
    /// A number from the first to the second.
    Number(f64, f64, fn(&mut Config, f64)),
    /// The same, or this word.
    NumberOr(&'static str, f64, f64, fn(&mut Config, Option<f64>)),
    /// A length of time from the first to the second.
    Time(Duration, Duration, fn(&mut Config, Duration)),
    /// A length of time of at least the first, or `"never"`.
    TimeOrNever(Duration, fn(&mut Config, Option<Duration>)),
    /// Pixels in a row and rows, `"512x384"`, each from the first to the second, or `"auto"`.
    AutoPixels(u32, u32, fn(&mut Config, Option<(u32, u32)>)),
    /// An amount of bytes.
    Size(fn(&mut Config, u64)),
    /// An amount of at least so many bytes, or `"unlimited"`.
    SizeOrUnlimited(u64, fn(&mut Config, Option<u64>)),
    /// Left, top, width and height as fractions of the picture, a part of it; or `"none"`.
    Crop(fn(&mut Config, Option<[f64; 4]>)),
    /// A colour as `"RRGGBB"`.
    Color(fn(&mut Config, [u8; 3])),
    /// Pixels of a strip with a colour of their own: a list of texts such as `"0-3 FF0000"`.
    Ranges(fn(&mut Config, Vec<PixelRange>)),
    /// A list of words, or one word.
    Words(fn(&mut Config, Vec<String>)),
    /// A time zone by its IANA name, or `"auto"`.
    Zone(fn(&mut Config, Option<String>)),
    /// A pixel format the pipeline takes, or `"auto"`.
    Format(fn(&mut Config, Option<String>)),
    /// A video device: path, name below `/dev/v4l/by-id`, or index; empty is none.
    Device(fn(&mut Config, Option<String>)),
    /// An address of a network camera; empty is none.
    Url(fn(&mut Config, Option<String>)),
    /// A program and its arguments, as a list or as one line; empty is none.
    Command(fn(&mut Config, Vec<String>)),
    /// A path; empty is none.
    Path(fn(&mut Config, Option<PathBuf>)),
    /// Addresses to listen on, at least one.
    Listen(fn(&mut Config, Vec<Listen>)),
    /// Texts that are each read so: what they are, and an example.
    Each(fn(&mut Config, Vec<String>), Parse, &'static str),
}

impl ValueKind {
    /// Reads `value` into its place in `config` and gives it back as TOML (a secret as `"***"`, of a
    /// URL scheme and host, of a command its program). On error `config` is as it was.
    ///
    /// # Errors
    /// [`Wrong`], when this is no such value or not in its range.
    pub fn apply_toml(self, value: &Spanned<DeValue<'_>>, config: &mut Config) -> Result<String, Wrong> {
        let given = value.get_ref();
        let wrong = |fault| Wrong::new(fault, value.span());
        let other = |hint| wrong((self.expectation_message(given), hint));
        let text = given.as_str();
        Ok(match self {
            ValueKind::Label(put) => match text {
                Some(text)
                    if (1..=64).contains(&text.chars().count())
                        && !text.contains(is_unseen_control)
                        && !text.chars().all(is_blank) =>
                {
                    put(config, text.to_owned());
                    quoted(text)
                }
                _ => return Err(other(invisible_character_hint(given).or_else(|| quoted_value_hint(given)))),
            },
            ValueKind::Line(most, put) => {
                let text = text.ok_or_else(|| other(quoted_value_hint(given)))?;
                let count = text.chars().count();
                if count > most {
                    return Err(wrong((
                        format!("must be {}, and has {count}", self.describe_expected()),
                        None,
                    )));
                }
                if let Some(at) = text.chars().position(char::is_control) {
                    let message =
                        format!("has a control character in place {}, and is to be one line", at + 1);
                    return Err(wrong((message, None)));
                }
                put(config, non_empty(text));
                quoted(text)
            }
            ValueKind::Text(put) => {
                let text = text.ok_or_else(|| other(quoted_value_hint(given)))?;
                put(config, non_empty(text));
                quoted(text)
            }
            ValueKind::Secret(least, put) => {
                let text = text.ok_or_else(|| {
                    wrong((
                        format!("must be {}", self.describe_expected()),
                        Some("write it in quotes".into()),
                    ))
                })?;
                if !text.is_empty() && text.chars().count() < least {
                    let hint = String::from("`openssl rand -hex 16` makes one that nobody guesses");
                    return Err(wrong((format!("must be {}", self.describe_expected()), Some(hint))));
                }
                put(config, non_empty(text));
                quoted(if text.is_empty() { "" } else { "***" })
            }
            ValueKind::Choice(words, put) => {
                let at = text.and_then(|t| words.iter().position(|w| *w == t));
                let at =
                    at.ok_or_else(|| other(text.and_then(|t| suggest_word(t, words)).map(suggestion)))?;
                put(config, at);
                quoted(words[at])
            }
            ValueKind::Boolean(put) => {
                let hint = || match text.map(str::to_ascii_lowercase).as_deref() {
                    Some("true" | "yes" | "on" | "1") => Some(String::from("write `true`, without quotes")),
                    Some("false" | "no" | "off" | "0") => Some(String::from("write `false`, without quotes")),
                    _ => None,
                };
                let yes = given.as_bool().ok_or_else(|| other(hint()))?;
                put(config, yes);
                yes.to_string()
            }
            ValueKind::Integer(least, most, put) => {
                let number = integer(given).filter(|n| (least..=most).contains(n));
                let number = number.ok_or_else(|| other(unquoted_number_hint(text)))?;
                put(config, number);
                number.to_string()
            }
            ValueKind::AutoInteger(least, most, put) => {
                let read = || integer(given).filter(|n| (least..=most).contains(n));
                let number = value_or_word(text, "auto", read, || other(unquoted_number_hint(text)))?;
                put(config, number);
                number.map_or_else(|| quoted("auto"), |n| n.to_string())
            }
            ValueKind::OneOf(numbers, put) => {
                // In quotes as well: other settings of this look want them.
                let one = integer(given).or_else(|| text?.parse().ok());
                let at = one.and_then(|one| numbers.iter().position(|n| *n == one));
                let at = at.ok_or_else(|| other(None))?;
                put(config, at);
                numbers[at].to_string()
            }
            ValueKind::Number(least, most, put) => {
                let number = number(given).filter(|n| (least..=most).contains(n));
                let number = number.ok_or_else(|| other(unquoted_number_hint(text)))?;
                put(config, number);
                number.to_string()
            }
            ValueKind::NumberOr(word, least, most, put) => {
                let read = || number(given).filter(|n| (least..=most).contains(n));
                let number = value_or_word(text, word, read, || other(unquoted_number_hint(text)))?;
                put(config, number);
                number.map_or_else(|| quoted(word), |n| n.to_string())
            }
            ValueKind::Crop(put) => {
                let crop = match given {
                    DeValue::String(none) if none == "none" => None,
                    DeValue::Array(list) => {
                        let sides: Option<Vec<f64>> =
                            list.iter().map(|side| number(side.get_ref())).collect();
                        let crop = sides.and_then(|sides| <[f64; 4]>::try_from(sides).ok());
                        Some(crop.filter(is_part).ok_or_else(|| other(None))?)
                    }
                    _ => return Err(other(None)),
                };
                put(config, crop);
                match crop {
                    None => quoted("none"),
                    Some([left, top, width, height]) => format!("[{left}, {top}, {width}, {height}]"),
                }
            }
            ValueKind::Color(put) => {
                let color = text.and_then(color).ok_or_else(|| other(quoted_value_hint(given)))?;
                put(config, color);
                quoted(&format!("{:02X}{:02X}{:02X}", color[0], color[1], color[2]))
            }
            ValueKind::Time(least, most, put) => {
                let time = text.and_then(duration::parse).filter(|t| (least..=most).contains(t));
                let time = time.ok_or_else(|| other(missing_unit_hint(given)))?;
                put(config, time);
                quoted(&duration::format_duration(time))
            }
            ValueKind::TimeOrNever(least, put) => {
                let read = || text.and_then(duration::parse).filter(|time| *time >= least);
                let time = value_or_word(text, "never", read, || other(any_unit_hint(given)))?;
                put(config, time);
                quoted(&time.map_or_else(|| String::from("never"), duration::format_duration))
            }
            ValueKind::AutoPixels(least, most, put) => {
                let fits = |(w, h): &(u32, u32)| [w, h].iter().all(|n| (least..=most).contains(*n));
                let read = || text.and_then(pixels).filter(fits);
                let pixels = value_or_word(text, "auto", read, || other(None))?;
                put(config, pixels);
                quoted(&pixels.map_or_else(|| String::from("auto"), |(w, h)| format!("{w}x{h}")))
            }
            ValueKind::Size(put) => {
                let bytes = amount(text, given).ok_or_else(|| other(missing_size_unit_hint(given)))?;
                put(config, bytes);
                quoted(&size::format_size(bytes))
            }
            ValueKind::SizeOrUnlimited(least, put) => {
                let read = || amount(text, given).filter(|bytes| *bytes >= least);
                let bytes = value_or_word(text, "unlimited", read, || other(missing_size_unit_hint(given)))?;
                put(config, bytes);
                quoted(&bytes.map_or_else(|| String::from("unlimited"), size::format_size))
            }
            ValueKind::Ranges(put) => {
                let ranges = match given {
                    // One or several in one text: so a page shows them, and so they are typed there.
                    DeValue::String(all) => all
                        .split(',')
                        .map(str::trim)
                        .filter(|one| !one.is_empty())
                        .map(pixel_range)
                        .collect::<Option<Vec<PixelRange>>>()
                        .filter(|ranges| ranges.len() <= MOST_RANGES)
                        .ok_or_else(|| other(None))?,
                    DeValue::Array(list) => ranges(list)?,
                    _ => return Err(other(None)),
                };
                let shown: Vec<String> = ranges.iter().map(|range| quoted(&range.to_string())).collect();
                put(config, ranges);
                format!("[{}]", shown.join(", "))
            }
            ValueKind::Words(put) => {
                let words = parse_word_list(given).map_err(|fault| match fault {
                    Ok(wrong) => wrong,
                    Err(()) => other(None),
                })?;
                let shown: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                put(config, words);
                format!("[{}]", shown.join(", "))
            }
            ValueKind::Zone(put) => {
                let text = text.ok_or_else(|| other(None))?;
                let zone = Some(text).filter(|t| !matches!(*t, "" | "auto"));
                if let Some(name) = zone
                    && jiff::tz::TimeZone::get(name).is_err()
                {
                    let hint = String::from("`timedatectl list-timezones` lists them");
                    return Err(wrong((self.expectation_message(given), Some(hint))));
                }
                put(config, zone.map(str::to_owned));
                quoted(zone.unwrap_or("auto"))
            }
            ValueKind::Format(put) => {
                let format = match text {
                    Some("auto") => None,
                    _ => Some(
                        parse_usable_fourcc(text)
                            .ok_or_else(|| other(text.and_then(suggest_format).map(suggestion)))?,
                    ),
                };
                put(config, format.map(|f| f.to_string()));
                quoted(&format.map_or_else(|| String::from("auto"), |f| f.to_string()))
            }
            ValueKind::Device(put) => {
                let index = integer(given).filter(|n| (0..=255).contains(n)).map(|n| n.to_string());
                let device = index.as_deref().or(text).ok_or_else(|| other(None))?;
                put(config, non_empty(device));
                index.clone().unwrap_or_else(|| quoted(device))
            }
            ValueKind::Url(put) => {
                let text = text.ok_or_else(|| other(None))?;
                if let Some(fault) = url_fault(text) {
                    return Err(wrong(fault));
                }
                put(config, non_empty(text));
                quoted(&redact_url(text))
            }
            ValueKind::Command(put) => {
                let command = match given {
                    DeValue::String(line) => shlex::split(line).ok_or_else(|| {
                        wrong((
                            String::from("has a quote that is not closed"),
                            Some(String::from("a list needs no quoting: [\"program\", \"argument\"]")),
                        ))
                    })?,
                    DeValue::Array(list) => parse_texts(list, "must be a list of texts")?,
                    _ => return Err(other(None)),
                };
                if command.first().is_some_and(String::is_empty) {
                    return Err(wrong((String::from("must begin with a program's name"), None)));
                }
                let shown: Vec<String> = redact_command(&command).iter().map(|word| quoted(word)).collect();
                put(config, command);
                format!("[{}]", shown.join(", "))
            }
            ValueKind::Path(put) => {
                let text = text.filter(|t| !t.contains('\0')).ok_or_else(|| other(None))?;
                put(config, non_empty(text).map(PathBuf::from));
                quoted(text)
            }
            ValueKind::Listen(put) => {
                let listens = match given {
                    DeValue::String(one) => vec![listen::parse(one).map_err(wrong)?],
                    DeValue::Array(list) => addresses(list)?,
                    _ => {
                        let port = integer(given).filter(|n| (1..=65_535).contains(n));
                        return Err(other(port.map(|p| format!("write [\"0.0.0.0:{p}\"]"))));
                    }
                };
                if listens.is_empty() {
                    return Err(wrong((String::from("must name at least one address"), None)));
                }
                let shown: Vec<String> = listens.iter().map(|l| quoted(&l.to_string())).collect();
                put(config, listens);
                format!("[{}]", shown.join(", "))
            }
            ValueKind::Each(put, parse, _) => {
                let all = match given {
                    DeValue::String(text) => {
                        let each = text.split(',').map(str::trim).filter(|text| !text.is_empty());
                        each.map(parse).collect::<Result<_, _>>().map_err(wrong)?
                    }
                    DeValue::Array(list) => parse_each(list, parse)?,
                    _ => return Err(other(None)),
                };
                let shown: Vec<String> = all.iter().map(|one| quoted(one)).collect();
                put(config, all);
                format!("[{}]", shown.join(", "))
            }
        })
    }

    /// Reads a value from the command line or the environment: TOML where it is such a value, else
    /// the text as it stands, so that `30s` needs no quotes there. Spans count from the text's start.
    ///
    /// # Errors
    /// [`Wrong`], as [`ValueKind::apply_toml`].
    pub fn apply_text(self, text: &str, config: &mut Config) -> Result<String, Wrong> {
        let plain = Spanned::new(0..text.len(), DeValue::String(text.into()));
        let Ok(value) = parse_given(text) else { return self.apply_toml(&plain, config) };
        self.apply_toml(&value, config).or_else(|wrong| match value.get_ref() {
            DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_) => Err(wrong),
            _ => self.apply_toml(&plain, config).map_err(|_| wrong),
        })
    }

    /// What a program or a form has to know to offer values of it.
    pub fn shape(self) -> Shape {
        let plain = |word| Shape { word, ..Shape::default() };
        let from_to =
            |word, least: f64, most: f64| Shape { least: Some(least), most: Some(most), ..plain(word) };
        let at_least = |word, least: f64| Shape { least: (least > 0.0).then_some(least), ..plain(word) };
        let one_of = |words: Vec<String>| Shape { choices: words, ..plain("choice") };
        match self {
            ValueKind::Label(_) | ValueKind::Line(..) | ValueKind::Text(_) => plain("text"),
            ValueKind::Secret(..) => plain("secret"),
            ValueKind::Choice(words, _) => one_of(words.iter().map(|word| (*word).to_owned()).collect()),
            ValueKind::Format(_) => {
                let known = Fourcc::USABLE.iter().map(|format| format.to_string());
                one_of(std::iter::once(String::from("auto")).chain(known).collect())
            }
            ValueKind::OneOf(numbers, _) => one_of(numbers.iter().map(i64::to_string).collect()),
            ValueKind::Boolean(_) => plain("boolean"),
            ValueKind::Integer(least, i64::MAX, _) => Shape { least: Some(least as f64), ..plain("integer") },
            ValueKind::Integer(least, most, _) => from_to("integer", least as f64, most as f64),
            ValueKind::AutoInteger(least, most, _) => {
                Shape { or: Some("auto"), ..from_to("integer", least as f64, most as f64) }
            }
            ValueKind::Number(least, most, _) => from_to("number", least, most),
            ValueKind::NumberOr(word, least, most, _) => {
                Shape { or: Some(word), ..from_to("number", least, most) }
            }
            ValueKind::Time(least, most, _) => from_to("time", least.as_secs_f64(), most.as_secs_f64()),
            ValueKind::TimeOrNever(least, _) => {
                Shape { or: Some("never"), ..at_least("time", least.as_secs_f64()) }
            }
            ValueKind::AutoPixels(least, most, _) => {
                Shape { or: Some("auto"), ..from_to("pixels", f64::from(least), f64::from(most)) }
            }
            ValueKind::Size(_) => plain("size"),
            ValueKind::SizeOrUnlimited(least, _) => {
                Shape { or: Some("unlimited"), ..at_least("size", least as f64) }
            }
            ValueKind::Crop(_) => Shape { or: Some("none"), ..plain("crop") },
            ValueKind::Color(_) => plain("color"),
            ValueKind::Ranges(_) => plain("ranges"),
            ValueKind::Words(_) | ValueKind::Listen(_) | ValueKind::Each(..) => plain("list"),
            ValueKind::Zone(_) => Shape { or: Some("auto"), ..plain("zone") },
            ValueKind::Device(_) => plain("device"),
            ValueKind::Url(_) => plain("url"),
            ValueKind::Command(_) => plain("command"),
            ValueKind::Path(_) => plain("path"),
        }
    }

    /// Whether its value must not be shown.
    pub fn is_secret(self) -> bool {
        matches!(self, ValueKind::Secret(..))
    }

    /// What is expected, as the object of "must be …".
    pub fn describe_expected(self) -> String {
        match self {
            ValueKind::Label(_) => String::from("text of 1 to 64 characters"),
            ValueKind::Line(most, _) => format!("text of at most {most} characters"),
            ValueKind::Text(_) | ValueKind::Secret(0, _) => String::from("text"),
            ValueKind::Secret(least, _) => format!("text of at least {least} characters"),
            ValueKind::Choice(words, _) => join_with_or(&words.iter().map(|w| quoted(w)).collect::<Vec<_>>()),
            ValueKind::Boolean(_) => String::from("true or false"),
            ValueKind::Integer(0, i64::MAX, _) => String::from("a whole number from 0"),
            ValueKind::Integer(least, most, _) => format!("a whole number from {least} to {most}"),
            ValueKind::AutoInteger(least, most, _) => {
                format!("a whole number from {least} to {most}, or \"auto\"")
            }
            ValueKind::OneOf(numbers, _) => {
                join_with_or(&numbers.iter().map(i64::to_string).collect::<Vec<_>>())
            }
            ValueKind::Number(least, most, _) => format!("a number from {least} to {most}"),
            ValueKind::NumberOr(word, least, most, _) => {
                format!("a number from {least} to {most}, or \"{word}\"")
            }
            ValueKind::Crop(_) => String::from(
                "[left, top, width, height] within the picture, as fractions such as [0.25, 0.25, 0.5, 0.5], width and \
                 height at least 0.01, or \"none\"",
            ),
            ValueKind::Color(_) => String::from("a colour as RRGGBB, such as \"FF8800\""),
            ValueKind::Time(least, most, _) => {
                format!(
                    "a time from \"{}\" to \"{}\"",
                    duration::format_duration(least),
                    duration::format_duration(most)
                )
            }
            ValueKind::TimeOrNever(Duration::ZERO, _) => {
                String::from("a time such as \"30s\", \"5m\" or \"1h\", or \"never\"")
            }
            ValueKind::TimeOrNever(least, _) => {
                format!("a time of at least \"{}\", or \"never\"", duration::format_duration(least))
            }
            ValueKind::AutoPixels(least, most, _) => {
                format!(
                    "width and height in pixels such as \"512x384\", each from {least} to {most}, \"far\" or \"auto\""
                )
            }
            ValueKind::Size(_) => String::from("an amount such as \"500MB\" or \"2GB\""),
            ValueKind::SizeOrUnlimited(least, _) => {
                format!("an amount of at least \"{}\", or \"unlimited\"", size::format_size(least))
            }
            ValueKind::Ranges(_) => {
                String::from("a list of pixels and their colours such as [\"0-3 FF0000\", \"7 0000FF\"]")
            }
            ValueKind::Words(_) => String::from("a list of words such as [\"person\", \"car\"]"),
            ValueKind::Zone(_) => String::from("a time zone such as \"Europe/Berlin\", or \"auto\""),
            ValueKind::Format(_) => {
                let mut words: Vec<String> = Fourcc::USABLE.iter().map(|f| quoted(&f.to_string())).collect();
                words.push(quoted("auto"));
                join_with_or(&words)
            }
            ValueKind::Device(_) => String::from("a device's path, its name in /dev/v4l/by-id or its number"),
            ValueKind::Url(_) => String::from("a URL that begins with http://, https:// or rtsp://"),
            ValueKind::Command(_) => {
                String::from("a list of texts (the program, then its arguments) or one line")
            }
            ValueKind::Path(_) => String::from("a path"),
            ValueKind::Listen(_) => String::from(
                "a list of addresses such as [\"0.0.0.0:8080\", \"https://0.0.0.0:8443\", \"unix:/run/tallycam/http.sock\"]",
            ),
            ValueKind::Each(_, _, what) => format!("a list of {what}"),
        }
    }

    fn expectation_message(self, given: &DeValue<'_>) -> String {
        format!("must be {}, not {}", self.describe_expected(), describe_value(given))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quoted_text_is_that_text_in_toml_and_in_json(text in any::<String>()) {
            let quoted = quoted(&text);
            let toml = DeValue::parse(&quoted).map(|v| v.into_inner().as_str().map(str::to_owned));
            prop_assert_eq!(toml, Ok(Some(text.clone())));
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).ok(), Some(text));
        }
    }

    #[test]
    fn a_line_is_short_and_has_no_control_characters() {
        let kind = ValueKind::Line(5, |config, text| config.picture.text = text);
        let mut config = Config::default();
        for (given, want) in [
            ("", Ok(None)),
            ("Gäte5", Ok(Some("Gäte5"))),
            ("Gate 5", Err("must be text of at most 5 characters, and has 6")),
            ("a\nb", Err("has a control character in place 2, and is to be one line")),
            ("ab\u{7f}", Err("has a control character in place 3, and is to be one line")),
        ] {
            let value = Spanned::new(0..given.len(), DeValue::String(given.into()));
            match (kind.apply_toml(&value, &mut config), want) {
                (Ok(shown), Ok(want)) => {
                    assert_eq!((shown, config.picture.text.as_deref()), (quoted(given), want));
                }
                (Err(wrong), Err(want)) => assert_eq!(wrong.message, want),
                (took, _) => panic!("{given:?}: {took:?}"),
            }
        }
        assert!(kind.apply_text("17", &mut config).is_ok(), "words without quotes, from a command line");
    }

    #[test]
    fn pixels_and_their_colours() {
        for (text, said) in [
            ("0-3 ff0000", Some("0-3 FF0000")),
            (" 7   #0000FF ", Some("7 0000FF")),
            ("7-7 0000FF", Some("7 0000FF")),
            ("0-999 000000", Some("0-999 000000")),
            ("3-0 FF0000", None),
            ("0-1000 FF0000", None),
            ("-3 FF0000", None),
            ("0- FF0000", None),
            ("+1 FF0000", None),
            ("0-3", None),
            ("0-3 red", None),
            ("", None),
        ] {
            assert_eq!(pixel_range(text).map(|range| range.to_string()).as_deref(), said, "{text:?}");
        }
    }

    #[test]
    fn several_ranges_may_stand_in_one_text() {
        let kind = ValueKind::Ranges(|config, ranges| config.lights.ranges = ranges);
        let mut config = Config::default();
        for (given, want) in [
            ("0-3 ff0000, 7 0000FF", Some(r#"["0-3 FF0000", "7 0000FF"]"#)),
            (r#"["0-3 FF0000", "7 0000FF"]"#, Some(r#"["0-3 FF0000", "7 0000FF"]"#)),
            ("7 0000FF,", Some(r#"["7 0000FF"]"#)),
            ("", Some("[]")),
            ("0-3 FF0000 7 0000FF", None),
            ("0-3 FF0000, 7", None),
        ] {
            assert_eq!(kind.apply_text(given, &mut config).ok().as_deref(), want, "{given}");
        }
        let many = ["1 FF0000"; MOST_RANGES + 1].join(", ");
        assert!(kind.apply_text(&many, &mut config).is_err());
    }

    #[test]
    fn urls() {
        for good in
            ["", "http://cam", "https://u:p@[::1]:80/x?y", "RTSP://10.0.0.1:554/stream", "http://[fe80::1]/"]
        {
            assert_eq!(url_fault(good), None, "{good}");
        }
        for bad in [
            "cam",
            "/dev/video0",
            "ftp://cam",
            "http://",
            "http://:80",
            "http://cam:x",
            "http://a b",
            "http://u@/",
        ] {
            assert!(url_fault(bad).is_some(), "{bad}");
        }
        // A sign that should have been written otherwise makes the password look like a port.
        let (message, hint) = url_fault("http://admin:secret/x@cam").unwrap();
        assert!(!message.contains("secret"), "{message}");
        assert!(hint.unwrap().contains("%2F"));
        for bad in [
            "admin:s3cret@10.0.0.5/video",
            "http:/me:s3cret@cam",
            "me:12 s3cret\", x@cam",
            "ftp://me:s3cret@cam",
        ] {
            let fault = url_fault(bad).unwrap();
            assert!(!format!("{fault:?}").contains("s3cret"), "{fault:?}");
        }
    }
}
