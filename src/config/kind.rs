//! What a key may hold: reading a TOML value into its place in [`Config`], writing it as TOML, and
//! saying in words what is expected and what was found instead.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeValue};

use super::complaint::{masked, nearest, one_of};
use super::{Config, Listen, MOST_PIXELS, MOST_RANGES, PixelRange, duration, listen, size};
use crate::media::Fourcc;

/// What a key holds, its limits, and where it goes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text that says something: 1 to 64 characters.
    Label(fn(&mut Config, String)),
    /// Text; empty is none.
    Text(fn(&mut Config, Option<String>)),
    /// Text that is never shown; empty is none.
    Secret(fn(&mut Config, Option<String>)),
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
    /// The same, or `"off"`.
    NumberOrOff(f64, f64, fn(&mut Config, Option<f64>)),
    /// A number from the first to the second, or `"auto"`.
    AutoNumber(f64, f64, fn(&mut Config, Option<f64>)),
    /// A length of time from the first to the second.
    Time(Duration, Duration, fn(&mut Config, Duration)),
    /// Any length of time, or `"never"`.
    TimeOrNever(fn(&mut Config, Option<Duration>)),
    /// Pixels in a row and rows, `"512x384"`, each from the first to the second, or `"auto"`.
    AutoPixels(u32, u32, fn(&mut Config, Option<(u32, u32)>)),
    /// An amount of bytes.
    Size(fn(&mut Config, u64)),
    /// An amount of bytes, or `"unlimited"`.
    SizeOrUnlimited(fn(&mut Config, Option<u64>)),
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
}

/// What values look like.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    /// One lower-case word: `boolean`, `integer`, `number`, `choice`, `text`, `secret`, `time`, `pixels`, `size`, `crop`,
    /// `color`, `ranges`, `list`, `zone`, `device`, `url`, `command`, `path`.
    pub word: &'static str,
    /// The least, of a time in seconds.
    pub least: Option<f64>,
    /// The most.
    pub most: Option<f64>,
    /// All there are, of a choice.
    pub choices: Vec<String>,
    /// A word that may stand in its place: `auto`, `never`, `off`, `unlimited`, `none`.
    pub or: Option<&'static str>,
}

impl Shape {
    /// Whether a value is written in quotes: all but numbers, flags and lists are.
    pub fn is_text(&self) -> bool {
        !matches!(self.word, "boolean" | "integer" | "number" | "crop" | "ranges" | "list" | "command")
    }
}

/// A value that is not what its key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The end of a sentence that begins with the key: "must be a whole number from 1 to 100, not 500".
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The part that is wrong, in bytes of the document.
    pub span: Range<usize>,
    /// What else is wrong with the value: further items of a list.
    pub further: Vec<Wrong>,
}

impl Wrong {
    pub(super) fn new((message, hint): Fault, span: Range<usize>) -> Wrong {
        Wrong { message, hint, span, further: Vec::new() }
    }

    /// All of several as one; `None` of none.
    pub(super) fn all(wrongs: Vec<Wrong>) -> Option<Wrong> {
        let mut wrongs = wrongs.into_iter();
        wrongs.next().map(|first| Wrong { further: wrongs.collect(), ..first })
    }
}

/// What is wrong, before it is known where: message and hint.
pub(super) type Fault = (String, Option<String>);

impl Kind {
    /// Reads `value` into its place in `config` and gives it back as TOML (a secret as `"***"`, a
    /// URL without its password, also where it is a word of a command). On error `config` is as it was.
    ///
    /// # Errors
    /// [`Wrong`], when this is no such value or not in its range.
    pub fn take(self, value: &Spanned<DeValue<'_>>, config: &mut Config) -> Result<String, Wrong> {
        let given = value.get_ref();
        let wrong = |fault| Wrong::new(fault, value.span());
        let other = |hint| wrong((self.must_be(given), hint));
        let text = given.as_str();
        Ok(match self {
            Kind::Label(put) => match text {
                Some(text)
                    if (1..=64).contains(&text.chars().count()) && !text.contains(char::is_control) =>
                {
                    put(config, text.to_owned());
                    quoted(text)
                }
                _ => return Err(other(in_quotes(given))),
            },
            Kind::Text(put) => {
                let text = text.ok_or_else(|| other(in_quotes(given)))?;
                put(config, some(text));
                quoted(text)
            }
            Kind::Secret(put) => {
                let text = text.ok_or_else(|| {
                    wrong((format!("must be {}", self.expects()), Some("write it in quotes".into())))
                })?;
                put(config, some(text));
                quoted(if text.is_empty() { "" } else { "***" })
            }
            Kind::Choice(words, put) => {
                let at = text.and_then(|t| words.iter().position(|w| *w == t));
                let at =
                    at.ok_or_else(|| other(text.and_then(|t| word_meant(t, words)).map(did_you_mean)))?;
                put(config, at);
                quoted(words[at])
            }
            Kind::Boolean(put) => {
                let hint = || match text.map(str::to_ascii_lowercase).as_deref() {
                    Some("true" | "yes" | "on" | "1") => Some(String::from("write `true`, without quotes")),
                    Some("false" | "no" | "off" | "0") => Some(String::from("write `false`, without quotes")),
                    _ => None,
                };
                let yes = given.as_bool().ok_or_else(|| other(hint()))?;
                put(config, yes);
                yes.to_string()
            }
            Kind::Integer(least, most, put) => {
                let number = integer(given).filter(|n| (least..=most).contains(n));
                let number = number.ok_or_else(|| other(without_quotes(text)))?;
                put(config, number);
                number.to_string()
            }
            Kind::AutoInteger(least, most, put) => {
                let number = match text {
                    Some("auto") => None,
                    _ => Some(
                        integer(given)
                            .filter(|n| (least..=most).contains(n))
                            .ok_or_else(|| other(without_quotes(text)))?,
                    ),
                };
                put(config, number);
                number.map_or_else(|| quoted("auto"), |n| n.to_string())
            }
            Kind::OneOf(numbers, put) => {
                // In quotes as well: other settings of this look want them.
                let one = integer(given).or_else(|| text?.parse().ok());
                let at = one.and_then(|one| numbers.iter().position(|n| *n == one));
                let at = at.ok_or_else(|| other(None))?;
                put(config, at);
                numbers[at].to_string()
            }
            Kind::Number(least, most, put) => {
                let number = number(given).filter(|n| (least..=most).contains(n));
                let number = number.ok_or_else(|| other(without_quotes(text)))?;
                put(config, number);
                number.to_string()
            }
            Kind::NumberOrOff(least, most, put) => {
                let number = match text {
                    Some("off") => None,
                    _ => Some(
                        number(given)
                            .filter(|n| (least..=most).contains(n))
                            .ok_or_else(|| other(without_quotes(text)))?,
                    ),
                };
                put(config, number);
                number.map_or_else(|| quoted("off"), |n| n.to_string())
            }
            Kind::Crop(put) => {
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
            Kind::Color(put) => {
                let color = text.and_then(color).ok_or_else(|| other(in_quotes(given)))?;
                put(config, color);
                quoted(&format!("{:02X}{:02X}{:02X}", color[0], color[1], color[2]))
            }
            Kind::AutoNumber(least, most, put) => {
                let number = match text {
                    Some("auto") => None,
                    _ => Some(
                        number(given)
                            .filter(|n| (least..=most).contains(n))
                            .ok_or_else(|| other(without_quotes(text)))?,
                    ),
                };
                put(config, number);
                number.map_or_else(|| quoted("auto"), |n| n.to_string())
            }
            Kind::Time(least, most, put) => {
                let time = text.and_then(duration::parse).filter(|t| (least..=most).contains(t));
                let time = time.ok_or_else(|| other(with_unit(given)))?;
                put(config, time);
                quoted(&duration::show(time))
            }
            Kind::TimeOrNever(put) => {
                let time = match text {
                    Some("never") => None,
                    _ => Some(text.and_then(duration::parse).ok_or_else(|| other(with_unit(given)))?),
                };
                put(config, time);
                quoted(&time.map_or_else(|| String::from("never"), duration::show))
            }
            Kind::AutoPixels(least, most, put) => {
                let pixels = match text {
                    Some("auto") => None,
                    _ => Some(
                        text.and_then(pixels)
                            .filter(|(w, h)| [w, h].iter().all(|n| (least..=most).contains(*n)))
                            .ok_or_else(|| other(None))?,
                    ),
                };
                put(config, pixels);
                quoted(&pixels.map_or_else(|| String::from("auto"), |(w, h)| format!("{w}x{h}")))
            }
            Kind::Size(put) => {
                let bytes = amount(text, given).ok_or_else(|| other(with_unit_of_size(given)))?;
                put(config, bytes);
                quoted(&size::show(bytes))
            }
            Kind::SizeOrUnlimited(put) => {
                let bytes = match text {
                    Some("unlimited") => None,
                    _ => Some(amount(text, given).ok_or_else(|| other(with_unit_of_size(given)))?),
                };
                put(config, bytes);
                quoted(&bytes.map_or_else(|| String::from("unlimited"), size::show))
            }
            Kind::Ranges(put) => {
                let ranges = match given {
                    DeValue::String(one) if one.is_empty() => Vec::new(),
                    DeValue::String(one) => vec![pixel_range(one).ok_or_else(|| other(None))?],
                    DeValue::Array(list) => ranges(list)?,
                    _ => return Err(other(None)),
                };
                let shown: Vec<String> = ranges.iter().map(|range| quoted(&range.to_string())).collect();
                put(config, ranges);
                format!("[{}]", shown.join(", "))
            }
            Kind::Words(put) => {
                let words = words(given).map_err(|fault| match fault {
                    Ok(wrong) => wrong,
                    Err(()) => other(None),
                })?;
                let shown: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                put(config, words);
                format!("[{}]", shown.join(", "))
            }
            Kind::Zone(put) => {
                let text = text.ok_or_else(|| other(None))?;
                let zone = Some(text).filter(|t| !matches!(*t, "" | "auto"));
                if let Some(name) = zone
                    && jiff::tz::TimeZone::get(name).is_err()
                {
                    let hint = String::from("`timedatectl list-timezones` lists them");
                    return Err(wrong((self.must_be(given), Some(hint))));
                }
                put(config, zone.map(str::to_owned));
                quoted(zone.unwrap_or("auto"))
            }
            Kind::Format(put) => {
                let format = match text {
                    Some("auto") => None,
                    _ => Some(
                        usable(text).ok_or_else(|| other(text.and_then(format_meant).map(did_you_mean)))?,
                    ),
                };
                put(config, format.map(|f| f.to_string()));
                quoted(&format.map_or_else(|| String::from("auto"), |f| f.to_string()))
            }
            Kind::Device(put) => {
                let index = integer(given).filter(|n| (0..=255).contains(n)).map(|n| n.to_string());
                let device = index.as_deref().or(text).ok_or_else(|| other(None))?;
                put(config, some(device));
                index.clone().unwrap_or_else(|| quoted(device))
            }
            Kind::Url(put) => {
                let text = text.ok_or_else(|| other(None))?;
                if let Some(fault) = url_fault(text) {
                    return Err(wrong(fault));
                }
                put(config, some(text));
                quoted(&without_password(text))
            }
            Kind::Command(put) => {
                let command = match given {
                    DeValue::String(line) => shlex::split(line).ok_or_else(|| {
                        wrong((
                            String::from("has a quote that is not closed"),
                            Some(String::from("a list needs no quoting: [\"program\", \"argument\"]")),
                        ))
                    })?,
                    DeValue::Array(list) => texts(list, "must be a list of texts")?,
                    _ => return Err(other(None)),
                };
                if command.first().is_some_and(String::is_empty) {
                    return Err(wrong((String::from("must begin with a program's name"), None)));
                }
                let shown: Vec<String> = command.iter().map(|word| quoted(&without_password(word))).collect();
                put(config, command);
                format!("[{}]", shown.join(", "))
            }
            Kind::Path(put) => {
                let text = text.filter(|t| !t.contains('\0')).ok_or_else(|| other(None))?;
                put(config, some(text).map(PathBuf::from));
                quoted(text)
            }
            Kind::Listen(put) => {
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
        })
    }

    /// Reads a value from the command line or the environment: TOML where it is such a value, else
    /// the text as it stands, so that `30s` needs no quotes there. Spans count from the text's start.
    ///
    /// # Errors
    /// [`Wrong`], as [`Kind::take`].
    pub fn take_text(self, text: &str, config: &mut Config) -> Result<String, Wrong> {
        let plain = Spanned::new(0..text.len(), DeValue::String(text.into()));
        let Ok(value) = given(text) else { return self.take(&plain, config) };
        self.take(&value, config).or_else(|wrong| match value.get_ref() {
            DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_) => Err(wrong),
            _ => self.take(&plain, config).map_err(|_| wrong),
        })
    }

    /// What a program or a form has to know to offer values of it.
    pub fn shape(self) -> Shape {
        let plain = |word| Shape { word, ..Shape::default() };
        let from_to =
            |word, least: f64, most: f64| Shape { least: Some(least), most: Some(most), ..plain(word) };
        let one_of = |words: Vec<String>| Shape { choices: words, ..plain("choice") };
        match self {
            Kind::Label(_) | Kind::Text(_) => plain("text"),
            Kind::Secret(_) => plain("secret"),
            Kind::Choice(words, _) => one_of(words.iter().map(|word| (*word).to_owned()).collect()),
            Kind::Format(_) => {
                let known = Fourcc::USABLE.iter().map(|format| format.to_string());
                one_of(std::iter::once(String::from("auto")).chain(known).collect())
            }
            Kind::OneOf(numbers, _) => one_of(numbers.iter().map(i64::to_string).collect()),
            Kind::Boolean(_) => plain("boolean"),
            Kind::Integer(least, i64::MAX, _) => Shape { least: Some(least as f64), ..plain("integer") },
            Kind::Integer(least, most, _) => from_to("integer", least as f64, most as f64),
            Kind::AutoInteger(least, most, _) => {
                Shape { or: Some("auto"), ..from_to("integer", least as f64, most as f64) }
            }
            Kind::Number(least, most, _) => from_to("number", least, most),
            Kind::NumberOrOff(least, most, _) => Shape { or: Some("off"), ..from_to("number", least, most) },
            Kind::AutoNumber(least, most, _) => Shape { or: Some("auto"), ..from_to("number", least, most) },
            Kind::Time(least, most, _) => from_to("time", least.as_secs_f64(), most.as_secs_f64()),
            Kind::TimeOrNever(_) => Shape { or: Some("never"), ..plain("time") },
            Kind::AutoPixels(least, most, _) => {
                Shape { or: Some("auto"), ..from_to("pixels", f64::from(least), f64::from(most)) }
            }
            Kind::Size(_) => plain("size"),
            Kind::SizeOrUnlimited(_) => Shape { or: Some("unlimited"), ..plain("size") },
            Kind::Crop(_) => Shape { or: Some("none"), ..plain("crop") },
            Kind::Color(_) => plain("color"),
            Kind::Ranges(_) => plain("ranges"),
            Kind::Words(_) | Kind::Listen(_) => plain("list"),
            Kind::Zone(_) => Shape { or: Some("auto"), ..plain("zone") },
            Kind::Device(_) => plain("device"),
            Kind::Url(_) => plain("url"),
            Kind::Command(_) => plain("command"),
            Kind::Path(_) => plain("path"),
        }
    }

    /// Whether its value must not be shown.
    pub fn is_secret(self) -> bool {
        matches!(self, Kind::Secret(_))
    }

    /// What is expected, as the object of "must be …".
    pub fn expects(self) -> String {
        match self {
            Kind::Label(_) => String::from("text of 1 to 64 characters"),
            Kind::Text(_) | Kind::Secret(_) => String::from("text"),
            Kind::Choice(words, _) => one_of(&words.iter().map(|w| quoted(w)).collect::<Vec<_>>()),
            Kind::Boolean(_) => String::from("true or false"),
            Kind::Integer(0, i64::MAX, _) => String::from("a whole number from 0"),
            Kind::Integer(least, most, _) => format!("a whole number from {least} to {most}"),
            Kind::AutoInteger(least, most, _) => {
                format!("a whole number from {least} to {most}, or \"auto\"")
            }
            Kind::OneOf(numbers, _) => one_of(&numbers.iter().map(i64::to_string).collect::<Vec<_>>()),
            Kind::Number(least, most, _) => format!("a number from {least} to {most}"),
            Kind::NumberOrOff(least, most, _) => format!("a number from {least} to {most}, or \"off\""),
            Kind::AutoNumber(least, most, _) => format!("a number from {least} to {most}, or \"auto\""),
            Kind::Crop(_) => String::from(
                "[left, top, width, height] within the picture, as fractions such as [0.25, 0.25, 0.5, 0.5], or \"none\"",
            ),
            Kind::Color(_) => String::from("a colour as RRGGBB, such as \"FF8800\""),
            Kind::Time(least, most, _) => {
                format!("a time from \"{}\" to \"{}\"", duration::show(least), duration::show(most))
            }
            Kind::TimeOrNever(_) => String::from("a time such as \"30s\", \"5m\" or \"1h\", or \"never\""),
            Kind::AutoPixels(least, most, _) => {
                format!(
                    "width and height in pixels such as \"512x384\", each from {least} to {most}, or \"auto\""
                )
            }
            Kind::Size(_) => String::from("an amount such as \"500MB\" or \"2GB\""),
            Kind::SizeOrUnlimited(_) => {
                String::from("an amount such as \"500MB\" or \"2GB\", or \"unlimited\"")
            }
            Kind::Ranges(_) => {
                String::from("a list of pixels and their colours such as [\"0-3 FF0000\", \"7 0000FF\"]")
            }
            Kind::Words(_) => String::from("a list of words such as [\"person\", \"car\"]"),
            Kind::Zone(_) => String::from("a time zone such as \"Europe/Berlin\", or \"auto\""),
            Kind::Format(_) => {
                let mut words: Vec<String> = Fourcc::USABLE.iter().map(|f| quoted(&f.to_string())).collect();
                words.push(quoted("auto"));
                one_of(&words)
            }
            Kind::Device(_) => String::from("a device's path, its name in /dev/v4l/by-id or its number"),
            Kind::Url(_) => String::from("a URL that begins with http://, https:// or rtsp://"),
            Kind::Command(_) => String::from("a list of texts (the program, then its arguments) or one line"),
            Kind::Path(_) => String::from("a path"),
            Kind::Listen(_) => String::from(
                "a list of addresses such as [\"0.0.0.0:8080\", \"unix:/run/tallycam/http.sock\"]",
            ),
        }
    }

    fn must_be(self, given: &DeValue<'_>) -> String {
        format!("must be {}, not {}", self.expects(), found(given))
    }
}

/// Whether left, top, width and height are a part of the picture, one of more than nothing.
fn is_part(&[left, top, width, height]: &[f64; 4]) -> bool {
    let within = |from: f64, length: f64| from >= 0.0 && length >= 0.01 && from + length <= 1.0 + 1e-9;
    within(left, width) && within(top, height)
}

/// The colour `RRGGBB`, with or without a `#` before it.
pub fn color(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let all = u32::from_str_radix(digits, 16).ok()?;
    let [_, red, green, blue] = all.to_be_bytes();
    Some([red, green, blue])
}

/// Pixels from 0 to 999 and their colour: `0-3 FF0000`, or `7 0000FF` for one of them.
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

fn ranges(list: &DeArray<'_>) -> Result<Vec<PixelRange>, Wrong> {
    items(list, |item, before: &[PixelRange]| {
        if before.len() >= MOST_RANGES {
            return Err((format!("must be a list of at most {MOST_RANGES}"), None));
        }
        item.as_str().and_then(pixel_range).ok_or_else(|| {
            let must = "must list pixels and a colour such as \"0-3 FF0000\"";
            (format!("{must}, not {}", found(item)), None)
        })
    })
}

/// Reads the value of a camera control: a whole number, or a boolean as 0 and 1.
///
/// # Errors
/// [`Wrong`], for anything else.
pub fn control(value: &Spanned<DeValue<'_>>) -> Result<i64, Wrong> {
    let given = value.get_ref();
    integer(given).or_else(|| given.as_bool().map(i64::from)).ok_or_else(|| {
        let message = format!("must be a whole number, true or false, not {}", found(given));
        Wrong::new((message, without_quotes(given.as_str())), value.span())
    })
}

/// `text`, which the command line or the environment gave, as the TOML value it is.
///
/// # Errors
/// The parser's, when it is none.
pub fn given(text: &str) -> Result<Spanned<DeValue<'_>>, toml::de::Error> {
    let before = text.len() - text.trim_start().len();
    DeValue::parse(text.trim()).map(|value| {
        let span = value.span();
        Spanned::new(span.start + before..span.end + before, value.into_inner())
    })
}

/// `text` as a TOML basic string, which is a JSON string too.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `url` with the password it carries, if any, as `***`.
pub fn without_password(url: &str) -> String {
    let Some(host) = url.find("://").map(|at| at + 3) else { return url.to_owned() };
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    match url[host..end].rsplit_once('@').map(|(user, rest)| (user.split_once(':'), rest)) {
        Some((Some((user, _)), rest)) => format!("{}{user}:***@{rest}{}", &url[..host], &url[end..]),
        _ => url.to_owned(),
    }
}

/// A list of words, or one. `Err(Err(()))`: it is neither.
pub(super) fn words(given: &DeValue<'_>) -> Result<Vec<String>, Result<Wrong, ()>> {
    match given {
        DeValue::String(one) => {
            Ok(one.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect())
        }
        DeValue::Array(list) => texts(list, "must be a list of words").map_err(Ok),
        _ => Err(Err(())),
    }
}

/// What was found, as the object of "not …".
pub(super) fn found(given: &DeValue<'_>) -> String {
    match given {
        DeValue::String(text) if text.is_empty() => String::from("empty text"),
        DeValue::String(text) => quoted(&shortened(&masked(text))),
        DeValue::Integer(number) => {
            integer(given).map_or_else(|| shortened(number.as_str()), |number| number.to_string())
        }
        DeValue::Float(number) => shortened(number.as_str()),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(_) => String::from("a date"),
        DeValue::Array(_) => String::from("a list"),
        DeValue::Table(_) => String::from("a table"),
    }
}

pub(super) fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    text.chars().take(39).chain(['…']).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|t| !t.is_empty())
}

pub(super) fn did_you_mean(word: &str) -> String {
    format!("did you mean {}?", quoted(word))
}

fn integer(given: &DeValue<'_>) -> Option<i64> {
    let number = given.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

pub(super) fn number(given: &DeValue<'_>) -> Option<f64> {
    match given {
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => integer(given).map(|n| n as f64),
    }
}

fn without_quotes(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    text.parse::<f64>().is_ok_and(f64::is_finite).then(|| format!("write {text} without quotes"))
}

fn in_quotes(given: &DeValue<'_>) -> Option<String> {
    match given {
        DeValue::Integer(number) => Some(format!("write it in quotes: {}", quoted(number.as_str()))),
        DeValue::Float(number) => Some(format!("write it in quotes: {}", quoted(number.as_str()))),
        _ => None,
    }
}

/// A bare number has no unit: seconds are what most people mean.
fn with_unit(given: &DeValue<'_>) -> Option<String> {
    let seconds = match given {
        DeValue::String(text) => text.trim().parse::<f64>().ok()?,
        _ => number(given)?,
    };
    (seconds.is_finite() && (0.0..1e9).contains(&seconds)).then(|| format!("with its unit: \"{seconds}s\""))
}

/// `512x384`, also with spaces or `×`.
fn pixels(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once(['x', 'X', '×'])?;
    Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
}

/// An amount of bytes; none at all needs no unit.
fn amount(text: Option<&str>, given: &DeValue<'_>) -> Option<u64> {
    let is_nothing = match text {
        Some(text) => text.trim() == "0",
        None => number(given) == Some(0.0),
    };
    if is_nothing { Some(0) } else { text.and_then(size::parse) }
}

fn with_unit_of_size(given: &DeValue<'_>) -> Option<String> {
    let bytes = match given {
        DeValue::String(text) => text.trim().parse::<f64>().ok()?,
        _ => number(given)?,
    };
    let is_amount = bytes.fract() == 0.0 && (0.0..1e15).contains(&bytes);
    is_amount.then(|| format!("with its unit: \"{}\"", size::show(bytes as u64)))
}

fn usable(text: Option<&str>) -> Option<Fourcc> {
    text?.parse().ok().filter(|f| Fourcc::USABLE.contains(f))
}

/// The one of `words` that `text` most likely meant: by its letters, or since others call it so.
pub(super) fn word_meant<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
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
        .or_else(|| nearest(&text, words.iter().copied()))
}

/// The format that other programs call by another name.
fn format_meant(text: &str) -> Option<&'static str> {
    Some(match text.to_ascii_uppercase().as_str() {
        "MJPEG" | "MPJG" | "JPG" => "MJPG",
        "I420" | "YUV420" | "YUV420P" | "IYUV" => "YU12",
        "YUY2" | "YUYV422" | "YUV422" | "YUV" => "YUYV",
        "UYVY422" => "UYVY",
        "GRAY" | "GRAY8" | "Y800" | "Y8" => "GREY",
        _ => return None,
    })
}

/// What is wrong with a URL, by RFC 3986's outline: a scheme we speak, a host, no white space.
fn url_fault(text: &str) -> Option<Fault> {
    if text.is_empty() {
        return None;
    }
    let must_be = || {
        format!(
            "must be a URL that begins with http://, https:// or rtsp://, not {}",
            quoted(&shortened(&masked(text)))
        )
    };
    let Some((scheme, rest)) = text.split_once("://") else {
        let is_path = text.starts_with('/') || text.starts_with('.');
        let hint = if is_path {
            String::from(
                "for files: kind = \"files\" and path; for a camera on this machine: kind = \"v4l2\" and device",
            )
        } else {
            format!("did you mean {}?", quoted(&format!("http://{}", shortened(&masked(text)))))
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
    match port {
        Some(port) if port.parse::<u16>().is_err() => Some((
            format!("must be a URL with a port from 1 to 65535, not {}", quoted(&shortened(port))),
            None,
        )),
        _ => None,
    }
}

/// The items of a list as `read` takes them, with those before; or all that are wrong.
fn items<T>(
    list: &DeArray<'_>,
    mut read: impl FnMut(&DeValue<'_>, &[T]) -> Result<T, Fault>,
) -> Result<Vec<T>, Wrong> {
    let (mut good, mut wrongs) = (Vec::new(), Vec::new());
    for item in list.iter() {
        match read(item.get_ref(), &good) {
            Ok(value) => good.push(value),
            Err(fault) => wrongs.push(Wrong::new(fault, item.span())),
        }
    }
    Wrong::all(wrongs).map_or(Ok(good), Err)
}

fn texts(list: &DeArray<'_>, must: &str) -> Result<Vec<String>, Wrong> {
    items(list, |item, _| match item.as_str() {
        Some(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err((format!("{must}, not {}", found(item)), in_quotes(item))),
    })
}

fn addresses(list: &DeArray<'_>) -> Result<Vec<Listen>, Wrong> {
    items(list, |item, before: &[Listen]| {
        let DeValue::String(text) = item else {
            let port = integer(item).filter(|n| (1..=65_535).contains(n));
            let hint = port.map(|p| format!("write \"0.0.0.0:{p}\""));
            return Err((format!("must list addresses in quotes, not {}", found(item)), hint));
        };
        let listen = listen::parse(text)?;
        if before.contains(&listen) {
            return Err((format!("names {} twice", quoted(&listen.to_string())), None));
        }
        Ok(listen)
    })
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
    fn only_the_password_is_taken_out_of_a_url() {
        for (url, shown) in [
            ("http://cam/x", "http://cam/x"),
            ("http://me:pw@cam:80/x@y:z", "http://me:***@cam:80/x@y:z"),
            ("http://me@cam", "http://me@cam"),
            ("http://me:p@w@cam?x=1", "http://me:***@cam?x=1"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(without_password(url), shown);
        }
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
    }
}
