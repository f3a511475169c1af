//! One row of the table of keys, and the macro that makes a section of rows: the struct of its values with their
//! defaults, and the [`Key`]s.

use std::time::Duration;

use super::super::kind::{At, Boolean, ValueKind};

/// What all our environment variables begin with.
pub const VARIABLE_PREFIX: &str = "TALLYCAM_";

/// The environment variable that sets `path`.
pub fn variable(path: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", path.replace('.', "_").to_uppercase())
}

/// So many seconds.
pub(super) const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The section's name; empty for keys above all sections.
    pub section: &'static str,
    /// The key's name in its section.
    pub name: &'static str,
    /// What it holds, and where that goes.
    pub kind: &'static dyn ValueKind,
    /// Its default, as TOML.
    pub default: &'static str,
    /// Names that other programs give to it.
    pub aliases: &'static [&'static str],
    /// What it does, in sentences for the camera's owner.
    pub about: &'static str,
    /// What its numbers count, for people; empty where they say it themselves.
    pub unit: &'static str,
    /// Why it can be set by the operator only: in the configuration file, the environment or on the command
    /// line. Who may change the camera may not therefore choose what runs on its machine, read its files or
    /// switch it off; where there is no password that is whoever reaches it.
    pub operator_only: Option<&'static str>,
    /// It takes effect only when the daemon starts.
    pub at_start: bool,
    /// Its place on the page of settings.
    pub page: PagePlace,
    /// What the page calls it.
    pub label: &'static str,
    /// What it does, in few words for the page; may be empty.
    pub hint: &'static str,
    /// What else people call it; may be empty.
    pub synonyms: &'static str,
    /// The kinds of source, or of light, that it is for; all if empty.
    pub only_for: &'static [&'static str],
    /// Words for its values.
    pub words: &'static [(&'static str, &'static str)],
}

/// The place of a key on the page of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagePlace {
    /// At the end, under its own name.
    End,
    /// In sight, in the group with this name.
    Shown(&'static str),
    /// Folded away under "Advanced" in the group with this name.
    Advanced(&'static str),
    /// Not there: it is the operator's, or has a page of its own.
    Elsewhere,
}

/// One section.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its name, as between the brackets.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Its keys, in the order of the shipped file.
    pub keys: &'static [Key],
}

impl Key {
    /// A row without anything that a row may leave out.
    pub(super) const PLAIN: Key = Key {
        section: "",
        name: "",
        kind: &At { kind: Boolean, put: |_, _| () },
        default: "",
        aliases: &[],
        about: "",
        unit: "",
        operator_only: None,
        at_start: false,
        page: PagePlace::End,
        label: "",
        hint: "",
        synonyms: "",
        only_for: &[],
        words: &[],
    };

    /// `section.key`, as `--set` takes it and messages name it.
    pub fn path(&self) -> String {
        if self.section.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.section, self.name) }
    }

    /// Whether it can be set on the page, by the API or in a file that these have written.
    pub fn is_settable_on_page(&self) -> bool {
        self.operator_only.is_none()
    }

    /// The environment variable that sets it: `TALLYCAM_SECTION_KEY`.
    pub fn variable(&self) -> String {
        variable(&self.path())
    }
}

/// A section: `FIELD: STRUCT = "what it is about" { rows } and { fields that are no keys }`.
///
/// A row is `field: type = default as TOML, kind, { attributes of its Key }`, with `as "name"` where the
/// key has another name than the field. An attribute that is left out is that of [`Key::PLAIN`].
macro_rules! section {
    (
        $(#[$doc:meta])*
        $section:ident: $Struct:ident = $about:literal {
            $($field:ident $(as $name:literal)?: $type:ty = $default:literal, $kind:expr, {
                $($attribute:ident: $value:expr),* $(,)?
            })*
        }
        $(and { $($(#[$extra_doc:meta])* $extra:ident: $extra_type:ty),* })?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $Struct {
            $(
                #[doc = concat!("`", section!(@name $field $($name)?), "`, as the table of keys explains it.")]
                pub $field: $type,
            )*
            $($($(#[$extra_doc])* pub $extra: $extra_type,)*)?
        }

        impl Default for $Struct {
            /// Every key at its default.
            fn default() -> $Struct {
                $Struct {
                    $($field: $crate::config::kind::default_value(&$kind, $default),)*
                    $($($extra: Default::default(),)*)?
                }
            }
        }

        impl $Struct {
            pub(super) const SECTION: Section = Section {
                name: stringify!($section),
                about: $about,
                keys: &[$(Key {
                    section: stringify!($section),
                    name: section!(@name $field $($name)?),
                    default: $default,
                    kind: &At {
                        kind: $kind,
                        put: |config, value| config.$section.$field = $crate::config::kind::FitPlace::fit(value),
                    },
                    $($attribute: $value,)*
                    ..Key::PLAIN
                }),*],
            };
        }
    };
    (@name $field:ident $name:literal) => { $name };
    (@name $field:ident) => { stringify!($field) };
}

pub(super) use section;
