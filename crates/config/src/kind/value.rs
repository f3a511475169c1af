//! The trait of a kind of value, and the place of a kind's values in [`Config`].

use std::fmt::Debug;

use toml::Spanned;
use toml::de::DeValue;

use super::scalar::{describe_value, parse_given};
use super::wrong::{Complaint, Shape, Wrong};
use crate::Config;
use tallycam_base::json::quoted;

/// A kind of value with all its properties.
pub(crate) trait Kind: Debug + Sync {
    type Value: Debug;

    /// Reads a value and returns its redacted TOML: a secret as `"***"`, a URL and a command without their passwords.
    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue>;

    /// Word of the `Shape`.
    const WORD: &'static str = "";
    /// The expected values, as the object of "must be …".
    const EXPECTED: &'static str = "";
    /// Default and explanation of a key already describe the expected values.
    const IS_EXPLAINED: bool = false;

    /// The expected values, where they depend on a range.
    fn expected(&self) -> String {
        Self::EXPECTED.to_owned()
    }

    /// Facts for a program or a form that offers values, if there are more than the word.
    fn shape(&self) -> Shape {
        Shape::plain(Self::WORD)
    }

    /// Default and explanation `about` of a key already describe the expected values.
    fn is_explained(&self, _about: &str) -> bool {
        Self::IS_EXPLAINED
    }
}

#[derive(Debug)]
pub(crate) enum BadValue {
    /// Not an expected value, with an optional hint.
    Other(Option<String>),
    /// A fault with its own message.
    Own(Complaint),
    /// Faults of parts of the value, each with its place.
    Parts(Wrong),
}

impl From<Complaint> for BadValue {
    fn from(own: Complaint) -> BadValue {
        BadValue::Own(own)
    }
}

impl From<Wrong> for BadValue {
    fn from(wrong: Wrong) -> BadValue {
        BadValue::Parts(wrong)
    }
}

/// A word, or a value of the kind.
#[derive(Debug)]
pub(crate) struct Or<K>(pub &'static str, pub K);

impl<K: Kind> Kind for Or<K> {
    type Value = Option<K::Value>;

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        if given.as_str() == Some(self.0) {
            return Ok((None, quoted(self.0)));
        }
        self.1.read(given).map(|(value, shown)| (Some(value), shown))
    }

    fn expected(&self) -> String {
        format!("{}, or {}", self.1.expected(), quoted(self.0))
    }

    fn shape(&self) -> Shape {
        Shape { or: Some(self.0), ..self.1.shape() }
    }
}

/// A kind and the place of its value in [`Config`].
#[derive(Debug)]
pub(crate) struct At<K: Kind> {
    pub kind: K,
    pub put: fn(&mut Config, K::Value),
}

/// A kind of value without its type, as the table of keys holds it.
pub trait ValueKind: Debug + Sync {
    /// Reads `value` into its place in `config` and returns its redacted TOML. A secret becomes `"***"`; a URL keeps
    /// scheme and host, a command its program. On error `config` is unchanged.
    ///
    /// # Errors
    /// [`Wrong`] if `value` is not of this kind or outside its range.
    fn apply_toml(&self, value: &Spanned<DeValue<'_>>, config: &mut Config) -> Result<String, Wrong>;

    /// Reads a value from the command line or the environment: as TOML if it is a valid value, else as plain text:
    /// `30s` needs no quotes there. Spans count from the start of `text`.
    ///
    /// # Errors
    /// [`Wrong`], like [`ValueKind::apply_toml`].
    fn apply_text(&self, text: &str, config: &mut Config) -> Result<String, Wrong> {
        let plain = Spanned::new(0..text.len(), DeValue::String(text.into()));
        let Ok(value) = parse_given(text) else { return self.apply_toml(&plain, config) };
        self.apply_toml(&value, config).or_else(|wrong| match value.get_ref() {
            DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_) => Err(wrong),
            _ => self.apply_toml(&plain, config).map_err(|_| wrong),
        })
    }

    /// Facts for a program or a form that offers values.
    fn shape(&self) -> Shape;

    /// The expected values, as the object of "must be …".
    fn describe_expected(&self) -> String;

    /// Default and explanation `about` of a key already describe the expected values.
    fn is_explained(&self, about: &str) -> bool;

    /// The value must not be shown.
    fn is_secret(&self) -> bool {
        self.shape().word == "secret"
    }
}

impl<K: Kind> ValueKind for At<K> {
    fn apply_toml(&self, value: &Spanned<DeValue<'_>>, config: &mut Config) -> Result<String, Wrong> {
        let given = value.get_ref();
        match self.kind.read(given) {
            Ok((read, shown)) => {
                (self.put)(config, read);
                Ok(shown)
            }
            Err(BadValue::Other(hint)) => {
                let message = format!("must be {}, not {}", self.kind.expected(), describe_value(given));
                Err(Wrong::new((message, hint), value.span()))
            }
            Err(BadValue::Own(fault)) => Err(Wrong::new(fault, value.span())),
            Err(BadValue::Parts(wrong)) => Err(wrong),
        }
    }

    fn shape(&self) -> Shape {
        self.kind.shape()
    }

    fn describe_expected(&self) -> String {
        self.kind.expected()
    }

    fn is_explained(&self, about: &str) -> bool {
        self.kind.is_explained(about)
    }
}

/// The default of a key. `text` is TOML and a valid value of `kind`.
pub(crate) fn default_value<K: Kind, T>(kind: &K, text: &str) -> T
where
    K::Value: FitPlace<T>,
{
    let read = parse_given(text).ok().map(|value| kind.read(value.get_ref()));
    match read {
        Some(Ok((value, _))) => value.fit(),
        wrong => unreachable!("the default {text}: {:?}", wrong.and_then(Result::err)),
    }
}

/// Converts a value to the type of its place. A number in its range always fits.
pub(crate) trait FitPlace<T> {
    fn fit(self) -> T;
}

impl<T> FitPlace<T> for T {
    fn fit(self) -> T {
        self
    }
}

macro_rules! fit_integers {
    ($($type:ty)*) => {$(
        impl FitPlace<$type> for i64 {
            fn fit(self) -> $type {
                self.try_into().unwrap_or(<$type>::MAX)
            }
        }

        impl FitPlace<Option<$type>> for Option<i64> {
            fn fit(self) -> Option<$type> {
                self.map(FitPlace::fit)
            }
        }
    )*};
}

fit_integers!(u8 u16 u32 u64 usize);
