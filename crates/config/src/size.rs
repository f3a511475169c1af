//! Sizes in bytes as users write them: `"500MB"`, `"1.5GB"`, `"2GiB"`, `"4096B"`.
//!
//! kB, MB, GB and TB are powers of 1000, as for disks; KiB to TiB are powers of 1024.

const UNITS: [(&str, f64); 9] = [
    ("b", 1.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("tib", 1_099_511_627_776.0),
];

/// Maximum size: a million terabytes.
const MOST: f64 = 1e18;

/// Reads a size in bytes; `None` for anything else, also without a unit or with fractions of a byte.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().to_ascii_lowercase();
    let factor = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    let bytes = number.parse::<f64>().ok()? * factor;
    (bytes.is_finite() && bytes <= MOST && bytes.fract() == 0.0).then_some(bytes as u64)
}

/// Writes a size in the largest unit that divides it, so that [`parse`] reads the same one.
pub fn show_size(bytes: u64) -> String {
    for (unit, factor) in
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("MiB", 1 << 20), ("kB", 1000)]
    {
        if bytes > 0 && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_spellings_are_read() {
        for (text, bytes) in [
            ("0B", 0),
            ("500MB", 500_000_000),
            ("1.5 GB", 1_500_000_000),
            ("2gib", 2 << 30),
            ("64KiB", 65_536),
            ("1TB", 1_000_000_000_000),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in ["", "500", "MB", "-1MB", "1.2.3MB", "1e3MB", "0.1B", "9999999TB", "5 M B", "5m"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_size_is_read_back(bytes in prop_oneof![0u64..5000, 0u64..1 << 50]) {
            prop_assert_eq!(parse(&show_size(bytes)), Some(bytes));
        }
    }
}
