//! Kinds of values: each reads a TOML value into its place in [`Config`](super::Config), writes it as TOML, and
//! describes expected and given values.

mod areas;
pub(super) mod listen;
mod plain;
mod rules;
mod scalar;
mod special;
pub(super) mod tables;
mod value;
mod wrong;

pub(super) use areas::{FRACTIONS, MaskAreas, corners, parse_point};
pub(super) use plain::{
    AnyText, AutoPixels, Boolean, Choice, FilePath, Integer, LongTime, NameText, Number, OneOf, SecretText,
    Size, TextLine, Time,
};
pub(super) use rules::Rules;
pub use rules::{MailServer, NotifyRule, RuleTo, RuleWhen, WEEKDAYS, fill_in_hidden, toml_to_json};
pub(super) use scalar::{abbreviate, describe_value, number, parse_word_list, suggestion};
pub use scalar::{color, control, parse_given, pixel_range};
pub(super) use special::{
    Addresses, Color, EachText, Format, PicturePart, ProgramLine, Ranges, TextLike, Url, VideoDevice, Words,
    ZoneName,
};
pub use tallycam_base::json::quoted;
pub use value::ValueKind;
pub(super) use value::{At, FitPlace, Or, default_value};
pub(super) use wrong::Complaint;
pub use wrong::{Shape, Wrong};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use toml::Spanned;
    use toml::de::DeValue;

    use super::super::{Config, MOST_RANGES};
    use super::scalar::url_fault;
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
        let kind = At { kind: TextLine(5), put: |config, text| config.picture.text = text };
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
        let kind = At { kind: Ranges, put: |config, ranges| config.lights.ranges = ranges };
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
        // A special character in a password, not escaped, makes the password look like a port.
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
