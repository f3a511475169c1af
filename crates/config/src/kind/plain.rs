//! Kinds of texts, words, numbers, times and sizes.

use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::scalar::{
    amount, any_unit_hint, integer, invisible_character_hint, missing_size_unit_hint, missing_unit_hint,
    non_empty, number, pixels, quoted_value_hint, suggest_word, suggestion, unquoted_number_hint,
};
use super::value::{BadValue, Kind};
use super::wrong::Shape;
use crate::diagnostic::join_with_or;
use crate::{duration, size};
use tallycam_base::json::quoted;
use tallycam_base::unicode::{is_blank, is_unseen_control};

/// A non-empty text of 1 to 64 characters.
#[derive(Debug)]
pub(crate) struct NameText;

impl Kind for NameText {
    type Value = String;
    const WORD: &'static str = "text";
    const EXPECTED: &'static str = "text of 1 to 64 characters";

    fn read(&self, given: &DeValue<'_>) -> Result<(String, String), BadValue> {
        let is_label = |text: &&str| {
            (1..=64).contains(&text.chars().count())
                && !text.contains(is_unseen_control)
                && !text.chars().all(is_blank)
        };
        let hint = || invisible_character_hint(given).or_else(|| quoted_value_hint(given));
        let text = given.as_str().filter(is_label).ok_or_else(|| BadValue::Other(hint()))?;
        Ok((text.to_owned(), quoted(text)))
    }
}

/// A line of text with at most this many characters; empty is none.
#[derive(Debug)]
pub(crate) struct TextLine(pub usize);

impl Kind for TextLine {
    type Value = Option<String>;
    const WORD: &'static str = "text";

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let text = given.as_str().ok_or_else(|| BadValue::Other(quoted_value_hint(given)))?;
        let count = text.chars().count();
        if count > self.0 {
            return Err(BadValue::Own((format!("must be {}, and has {count}", self.expected()), None)));
        }
        if let Some(at) = text.chars().position(char::is_control) {
            let message = format!("has a control character in place {}, and is to be one line", at + 1);
            return Err(BadValue::Own((message, None)));
        }
        Ok((non_empty(text), quoted(text)))
    }

    fn expected(&self) -> String {
        format!("text of at most {} characters", self.0)
    }
}

/// Text; empty is none.
#[derive(Debug)]
pub(crate) struct AnyText;

impl Kind for AnyText {
    type Value = Option<String>;
    const WORD: &'static str = "text";
    const EXPECTED: &'static str = "text";
    const IS_EXPLAINED: bool = true;

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let text = given.as_str().ok_or_else(|| BadValue::Other(quoted_value_hint(given)))?;
        Ok((non_empty(text), quoted(text)))
    }
}

/// Text with at least this many characters that is never shown; empty is none.
#[derive(Debug)]
pub(crate) struct SecretText(pub usize);

impl Kind for SecretText {
    type Value = Option<String>;
    const WORD: &'static str = "secret";

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let must =
            |hint: &str| BadValue::Own((format!("must be {}", self.expected()), Some(hint.to_owned())));
        let text = given.as_str().ok_or_else(|| must("write it in quotes"))?;
        if !text.is_empty() && text.chars().count() < self.0 {
            return Err(must("`openssl rand -hex 16` makes one that nobody guesses"));
        }
        Ok((non_empty(text), quoted(if text.is_empty() { "" } else { "***" })))
    }

    fn expected(&self) -> String {
        match self.0 {
            0 => String::from("text"),
            least => format!("text of at least {least} characters"),
        }
    }

    fn is_explained(&self, _about: &str) -> bool {
        self.0 == 0
    }
}

/// A path; empty is none.
#[derive(Debug)]
pub(crate) struct FilePath;

impl Kind for FilePath {
    type Value = Option<PathBuf>;
    const WORD: &'static str = "path";
    const EXPECTED: &'static str = "a path";
    const IS_EXPLAINED: bool = true;

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let text = given.as_str().filter(|text| !text.contains('\0')).ok_or(BadValue::Other(None))?;
        Ok((non_empty(text).map(PathBuf::from), quoted(text)))
    }
}

/// One of these words, each with its value.
#[derive(Debug)]
pub(crate) struct Choice<T: 'static>(pub &'static [(&'static str, T)]);

impl<T> Choice<T> {
    fn words(&self) -> Vec<&'static str> {
        self.0.iter().map(|(word, _)| *word).collect()
    }
}

impl<T: Copy + Debug + Sync> Kind for Choice<T> {
    type Value = T;

    fn read(&self, given: &DeValue<'_>) -> Result<(T, String), BadValue> {
        let text = given.as_str();
        let hint = || text.and_then(|text| suggest_word(text, &self.words())).map(suggestion);
        let chosen = self.0.iter().find(|(word, _)| text == Some(*word));
        let (word, meaning) = chosen.ok_or_else(|| BadValue::Other(hint()))?;
        Ok((*meaning, quoted(word)))
    }

    fn expected(&self) -> String {
        join_with_or(&self.words().into_iter().map(quoted).collect::<Vec<_>>())
    }

    fn shape(&self) -> Shape {
        Shape::one_of(self.words())
    }

    fn is_explained(&self, about: &str) -> bool {
        self.words().iter().all(|word| about.contains(&quoted(word)))
    }
}

/// `true` or `false`.
#[derive(Debug)]
pub(crate) struct Boolean;

impl Kind for Boolean {
    type Value = bool;
    const WORD: &'static str = "boolean";
    const EXPECTED: &'static str = "true or false";
    const IS_EXPLAINED: bool = true;

    fn read(&self, given: &DeValue<'_>) -> Result<(bool, String), BadValue> {
        let hint = || match given.as_str()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(String::from("write `true`, without quotes")),
            "false" | "no" | "off" | "0" => Some(String::from("write `false`, without quotes")),
            _ => None,
        };
        let yes = given.as_bool().ok_or_else(|| BadValue::Other(hint()))?;
        Ok((yes, yes.to_string()))
    }
}

/// A whole number in this range.
#[derive(Debug)]
pub(crate) struct Integer(pub i64, pub i64);

impl Kind for Integer {
    type Value = i64;

    fn read(&self, given: &DeValue<'_>) -> Result<(i64, String), BadValue> {
        let number = integer(given).filter(|number| (self.0..=self.1).contains(number));
        let number = number.ok_or_else(|| BadValue::Other(unquoted_number_hint(given.as_str())))?;
        Ok((number, number.to_string()))
    }

    fn expected(&self) -> String {
        match *self {
            Integer(least, i64::MAX) => format!("a whole number from {least}"),
            Integer(least, most) => format!("a whole number from {least} to {most}"),
        }
    }

    fn shape(&self) -> Shape {
        let most = Some(self.1).filter(|most| *most < i64::MAX).map(|most| most as f64);
        Shape { least: Some(self.0 as f64), most, ..Shape::plain("integer") }
    }
}

/// One of these numbers.
#[derive(Debug)]
pub(crate) struct OneOf(pub &'static [i64]);

impl Kind for OneOf {
    type Value = i64;
    const IS_EXPLAINED: bool = true;

    fn read(&self, given: &DeValue<'_>) -> Result<(i64, String), BadValue> {
        // Quoted numbers are accepted: similar keys require quotes.
        let one = integer(given).or_else(|| given.as_str()?.parse().ok());
        let one = one.filter(|one| self.0.contains(one)).ok_or(BadValue::Other(None))?;
        Ok((one, one.to_string()))
    }

    fn expected(&self) -> String {
        join_with_or(&self.0.iter().map(i64::to_string).collect::<Vec<_>>())
    }

    fn shape(&self) -> Shape {
        Shape::one_of(self.0)
    }
}

/// A number in this range.
#[derive(Debug)]
pub(crate) struct Number(pub f64, pub f64);

impl Kind for Number {
    type Value = f64;

    fn read(&self, given: &DeValue<'_>) -> Result<(f64, String), BadValue> {
        let number = number(given).filter(|number| (self.0..=self.1).contains(number));
        let number = number.ok_or_else(|| BadValue::Other(unquoted_number_hint(given.as_str())))?;
        Ok((number, number.to_string()))
    }

    fn expected(&self) -> String {
        format!("a number from {} to {}", self.0, self.1)
    }

    fn shape(&self) -> Shape {
        Shape { least: Some(self.0), most: Some(self.1), ..Shape::plain("number") }
    }
}

/// A duration in this range.
#[derive(Debug)]
pub(crate) struct Time(pub Duration, pub Duration);

impl Kind for Time {
    type Value = Duration;

    fn read(&self, given: &DeValue<'_>) -> Result<(Duration, String), BadValue> {
        let time = given.as_str().and_then(duration::parse).filter(|time| (self.0..=self.1).contains(time));
        let time = time.ok_or_else(|| BadValue::Other(missing_unit_hint(given)))?;
        Ok((time, quoted(&duration::format_duration(time))))
    }

    fn expected(&self) -> String {
        let [least, most] = [self.0, self.1].map(|time| quoted(&duration::format_duration(time)));
        format!("a time from {least} to {most}")
    }

    fn shape(&self) -> Shape {
        let [least, most] = [self.0, self.1].map(|time| Some(time.as_secs_f64()));
        Shape { least, most, ..Shape::plain("time") }
    }
}

/// A duration of at least this length; it may be days.
#[derive(Debug)]
pub(crate) struct LongTime(pub Duration);

impl Kind for LongTime {
    type Value = Duration;

    fn read(&self, given: &DeValue<'_>) -> Result<(Duration, String), BadValue> {
        let time = given.as_str().and_then(duration::parse).filter(|time| *time >= self.0);
        let time = time.ok_or_else(|| BadValue::Other(any_unit_hint(given)))?;
        Ok((time, quoted(&duration::format_duration(time))))
    }

    fn expected(&self) -> String {
        match self.0 {
            Duration::ZERO => String::from("a time such as \"30s\", \"5m\" or \"1h\""),
            least => format!("a time of at least {}", quoted(&duration::format_duration(least))),
        }
    }

    fn shape(&self) -> Shape {
        Shape { least: Some(self.0.as_secs_f64()).filter(|least| *least > 0.0), ..Shape::plain("time") }
    }
}

/// A size of at least this many bytes.
#[derive(Debug)]
pub(crate) struct Size(pub u64);

impl Kind for Size {
    type Value = u64;

    fn read(&self, given: &DeValue<'_>) -> Result<(u64, String), BadValue> {
        let bytes = amount(given.as_str(), given).filter(|bytes| *bytes >= self.0);
        let bytes = bytes.ok_or_else(|| BadValue::Other(missing_size_unit_hint(given)))?;
        Ok((bytes, quoted(&size::show_size(bytes))))
    }

    fn expected(&self) -> String {
        match self.0 {
            0 => String::from("an amount such as \"500MB\" or \"2GB\""),
            least => format!("an amount of at least {}", quoted(&size::show_size(least))),
        }
    }

    fn shape(&self) -> Shape {
        Shape { least: Some(self.0 as f64).filter(|least| *least > 0.0), ..Shape::plain("size") }
    }
}

/// Width and height in pixels, `"512x384"`, each in this range, or `"auto"`.
#[derive(Debug)]
pub(crate) struct AutoPixels(pub u32, pub u32);

impl Kind for AutoPixels {
    type Value = Option<(u32, u32)>;

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let fits = |(w, h): &(u32, u32)| [w, h].iter().all(|n| (self.0..=self.1).contains(*n));
        let pixels = match given.as_str() {
            Some("auto") => None,
            text => Some(text.and_then(pixels).filter(fits).ok_or(BadValue::Other(None))?),
        };
        let shown = pixels.map_or_else(|| String::from("auto"), |(w, h)| format!("{w}x{h}"));
        Ok((pixels, quoted(&shown)))
    }

    fn expected(&self) -> String {
        let AutoPixels(least, most) = self;
        format!(
            "width and height in pixels such as \"512x384\", each from {least} to {most}, \"far\" or \"auto\""
        )
    }

    fn shape(&self) -> Shape {
        let [least, most] = [self.0, self.1].map(|pixels| Some(f64::from(pixels)));
        Shape { least, most, or: Some("auto"), ..Shape::plain("pixels") }
    }
}
