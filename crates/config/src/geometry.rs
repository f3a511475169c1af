//! `[[line]]` and `[[zone]]`: shapes that the operator defines in the file instead of on the page.

use toml::Spanned;
use toml::de::DeValue;

use super::kind::tables::{Named, TableShape, label, parse_one_of, parse_yes_no, read_all};
use super::kind::{self, Complaint, FRACTIONS, Wrong, corners, describe_value, parse_point, quoted};
use tallycam_base::unicode::{is_blank, is_unseen_control};

/// Values of `anchor`.
pub const ANCHORS: [&str; 6] = ["bottom", "center", "top", "left", "right", "box"];

/// Values of `recrossing`.
pub(crate) const RECROSSINGS: [&str; 2] = ["every", "once"];

/// Maximum number of lines in the file, which is the limit of counts.db.
const MOST_LINES: usize = 100;

/// Maximum number of zones in the file, which is the limit of counts.db.
const MOST_ZONES: usize = 50;

/// Maximum number of classes of a line or zone, and maximum characters of a class.
const MOST_CLASSES: usize = 100;
const LONGEST_CLASS: usize = 60;

/// Two ends that are closer than this along both axes are one point.
const LEAST_LENGTH: f64 = 1e-4;

/// A `[[line]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LineConfig {
    /// `name`: 1–60 characters, unique.
    pub name: String,
    /// `a`: start of the line, x and y in fractions of the frame.
    pub a: [f64; 2],
    /// `b`: end of the line.
    pub b: [f64; 2],
    /// `in`: name of the direction in; default `in`.
    pub in_name: String,
    /// `out`: name of the direction out; default `out`.
    pub out_name: String,
    /// `classes`: the counted classes; all if empty.
    pub classes: Vec<String>,
    /// `anchor`: one of [`ANCHORS`]; default `bottom`.
    pub anchor: &'static str,
    /// `recrossing`: one of `RECROSSINGS`; default `every`.
    pub recrossing: &'static str,
    /// The place that sets it: `config.toml:112`.
    pub origin: String,
}

/// A `[[zone]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneConfig {
    /// `name`: 1–60 characters, unique.
    pub name: String,
    /// `points`: 3–32 corners in fractions of the frame.
    pub points: Vec<[f64; 2]>,
    /// `classes`: the counted classes; all if empty.
    pub classes: Vec<String>,
    /// `anchor`: one of [`ANCHORS`]; default `bottom`.
    pub anchor: &'static str,
    /// `exclude`: nothing is tracked or counted in this area; default false.
    pub exclude: bool,
    /// The place that sets it.
    pub origin: String,
}

/// Reads the tables of `line = […]`. `origin` turns a byte of the document into the place that sets it.
///
/// # Errors
/// All faults of all tables.
pub(super) fn lines(
    value: &Spanned<DeValue<'_>>,
    origin: &dyn Fn(usize) -> String,
) -> Result<Vec<LineConfig>, Wrong> {
    read_all(value.get_ref(), value.span(), &LINE, |table, reading| {
        let a = reading.read_required(table, "a", parse_point);
        let b = reading.read_required(table, "b", parse_point);
        if let (Some(a), Some(b)) = (a, b)
            && let Some(value) = table.get("b")
            && let Some(fault) = line_fault(a, b)
        {
            reading.wrongs.push(Wrong::new(fault, value.span()));
        }
        let in_name = reading.read_optional(table, "in", label::<30>).unwrap_or_else(|| String::from("in"));
        let out_name =
            reading.read_optional(table, "out", label::<30>).unwrap_or_else(|| String::from("out"));
        if in_name == out_name
            && let Some(value) = table.get("out").or_else(|| table.get("in"))
        {
            let message = format!("calls both directions {}", quoted(&in_name));
            let hint = Some(String::from("give each a name of its own"));
            reading.wrongs.push(Wrong::new((message, hint), value.span()));
        }
        LineConfig {
            name: reading.read_required(table, "name", label::<60>).unwrap_or_default(),
            a: a.unwrap_or_default(),
            b: b.unwrap_or_default(),
            in_name,
            out_name,
            classes: reading.read_optional(table, "classes", classes).unwrap_or_default(),
            anchor: reading
                .read_optional(table, "anchor", |v| parse_one_of(v, &ANCHORS))
                .unwrap_or(ANCHORS[0]),
            recrossing: reading
                .read_optional(table, "recrossing", |v| parse_one_of(v, &RECROSSINGS))
                .unwrap_or(RECROSSINGS[0]),
            origin: origin(reading.at),
        }
    })
}

/// Reads the tables of `zone = […]`, like [`lines()`].
///
/// # Errors
/// All faults of all tables.
pub(super) fn zones(
    value: &Spanned<DeValue<'_>>,
    origin: &dyn Fn(usize) -> String,
) -> Result<Vec<ZoneConfig>, Wrong> {
    read_all(value.get_ref(), value.span(), &ZONE, |table, reading| ZoneConfig {
        name: reading.read_required(table, "name", label::<60>).unwrap_or_default(),
        points: reading.read_required(table, "points", corners).unwrap_or_default(),
        classes: reading.read_optional(table, "classes", classes).unwrap_or_default(),
        anchor: reading.read_optional(table, "anchor", |v| parse_one_of(v, &ANCHORS)).unwrap_or(ANCHORS[0]),
        exclude: reading.read_optional(table, "exclude", parse_yes_no).unwrap_or_default(),
        origin: origin(reading.at),
    })
}

const LINE: TableShape = TableShape {
    what: "line",
    most: MOST_LINES,
    keys: &["name", "a", "b", "in", "out", "classes", "anchor", "recrossing"],
    example,
};

const ZONE: TableShape = TableShape {
    what: "zone",
    most: MOST_ZONES,
    keys: &["name", "points", "classes", "anchor", "exclude"],
    example,
};

fn example(name: &str) -> &'static str {
    match name {
        "name" => "name = \"Door\"",
        "points" => "points = [[0.1, 0.5], [0.4, 0.5], [0.4, 1.0]]",
        "a" => "a = [0.5, 1.0]",
        _ => "b = [0.5, 0.0]",
    }
}

impl Named for LineConfig {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for ZoneConfig {
    fn name(&self) -> &str {
        &self.name
    }
}

fn classes(value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Complaint> {
    let words = kind::parse_word_list(value.get_ref()).map_err(|_| {
        (
            format!("must be a list of words such as [\"person\"], not {}", describe_value(value.get_ref())),
            None,
        )
    })?;
    let is_class = |word: &String| {
        (1..=LONGEST_CLASS).contains(&word.trim().chars().count())
            && !word.contains(is_unseen_control)
            && !word.chars().all(is_blank)
    };
    if words.len() > MOST_CLASSES || !words.iter().all(is_class) {
        let must = format!("must be at most {MOST_CLASSES} words, each of 1 to {LONGEST_CLASS} characters");
        return Err((must, None));
    }
    Ok(words)
}

/// The fault of a line between these ends, if any. Counting would refuse the line later, without a place.
fn line_fault(a: [f64; 2], b: [f64; 2]) -> Option<Complaint> {
    if (0..2).all(|axis| (a[axis] - b[axis]).abs() < LEAST_LENGTH) {
        let message = "has a wrong `b`: it is the same point as `a`, and a line needs two different ends";
        return Some((String::from(message), None));
    }
    if !crosses_picture(a, b) {
        let message = "has a wrong `b`: no part of the line from `a` to it is on the picture";
        return Some((String::from(message), Some(String::from(FRACTIONS))));
    }
    None
}

/// True if any part of the line is in the frame (Liang and Barsky's clipping, 1984).
fn crosses_picture(a: [f64; 2], b: [f64; 2]) -> bool {
    let (mut from, mut to) = (0.0_f64, 1.0_f64);
    for (start, step) in [(a[0], b[0] - a[0]), (a[1], b[1] - a[1])] {
        if step == 0.0 {
            if !(0.0..=1.0).contains(&start) {
                return false;
            }
            continue;
        }
        let (first, last) = (-start / step, (1.0 - start) / step);
        from = from.max(first.min(last));
        to = to.min(first.max(last));
    }
    from <= to
}
