//! A row of the table of keys, and the macro that turns a section of rows into the struct of its values with defaults
//! and into its [`Key`]s.

use std::time::Duration;

use super::super::kind::{At, Boolean, Complaint, ValueKind};

/// Prefix of tallycam's environment variables.
pub(crate) const VARIABLE_PREFIX: &str = "TALLYCAM_";

/// The environment variable that sets `path`.
pub fn variable(path: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", path.replace('.', "_").to_uppercase())
}

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
    /// Kind and place of its value.
    pub kind: &'static dyn ValueKind,
    /// Its default, as TOML.
    pub default: &'static str,
    /// Names that other programs give to it.
    pub aliases: &'static [&'static str],
    /// Explanation, in sentences for the camera's owner.
    pub about: &'static str,
    /// Unit of its numbers, for people; empty if the numbers need none.
    pub unit: &'static str,
    /// Reason why only the operator may set it: in the configuration file, the environment or on the command line.
    ///
    /// A user who may change the camera must not choose which programs run on its machine, read its files or switch
    /// it off. Without a password, everyone on the network is such a user.
    pub operator_only: Option<&'static str>,
    /// It takes effect only when the service starts.
    pub at_start: bool,
    /// Its place on the page of settings.
    pub page: PagePlace,
    /// Label on the page.
    pub label: &'static str,
    /// Short explanation for the page; may be empty.
    pub hint: &'static str,
    /// Other words for it, for the search on the page; may be empty.
    pub synonyms: &'static str,
    /// Kinds of source or of light that use it; all if empty.
    pub only_for: &'static [&'static str],
    /// Labels of its values.
    pub words: &'static [(&'static str, &'static str)],
}

/// Place of a key on the page of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagePlace {
    /// At the end, under its own name.
    End,
    /// Visible, in the group with this name.
    Shown(&'static str),
    /// Folded away under "Advanced", in the group with this name.
    Advanced(&'static str),
    /// Not on the page: only the operator sets it, or it has its own page.
    Elsewhere,
}

/// A section of keys.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its name, as between the brackets.
    pub name: &'static str,
    /// Explanation.
    pub about: &'static str,
    /// Its keys, in the order of the shipped file.
    pub keys: &'static [Key],
}

impl Key {
    /// A row with every optional attribute left out.
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

    /// It can be set on the page, by the API and in the files that these write.
    pub fn is_settable_on_page(&self) -> bool {
        self.operator_only.is_none()
    }

    /// Refuses the value `shown` if it is a path that a user of the page may not choose: one that is no device.
    pub(crate) fn check_page_path(&self, shown: String) -> Result<String, Complaint> {
        let path = shown.trim_matches('"');
        let is_path = match self.kind.shape().word {
            "path" => !path.is_empty(),
            "device" => path.contains('/'),
            _ => false,
        };
        // Names of libcamera look like paths, and are none.
        let is_device = path.starts_with("/dev/") || path.starts_with("/base/");
        if is_path && (!is_device || path.split('/').any(|part| part == "..")) {
            let message = String::from("must be a device below /dev if it is set on the page");
            return Err((message, Some(String::from("set another path in the configuration file"))));
        }
        Ok(shown)
    }

    /// The environment variable that sets it: `TALLYCAM_SECTION_KEY`.
    pub fn variable(&self) -> String {
        variable(&self.path())
    }
}

/// A section: `FIELD: STRUCT = "explanation" { rows } and { fields that are no keys }`.
///
/// A row is `field: type = default as TOML, kind, { attributes of its Key }`, with `as "name"` if the key has another
/// name than the field. A missing attribute has the value of [`Key::PLAIN`].
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
            fn default() -> $Struct {
                $Struct {
                    $($field: $crate::kind::default_value(&$kind, $default),)*
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
                        put: |config, value| config.$section.$field = $crate::kind::FitPlace::fit(value),
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
