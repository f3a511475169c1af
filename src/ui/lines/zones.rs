//! Zones in the editor: their form, their list, and their drawing.

use std::fmt::Write;

use super::form::{ask_to_delete, class_names, named, shape_form};
use super::{ANCHORS, LinesPage, classes, draw, percent, unused_name};
use crate::ui::escape::Text;
use crate::ui::facts::ZoneNow;
use crate::ui::frame::options;

/// Corners of a new zone, if they are free: the lower middle of the picture.
const NEW: [[f64; 2]; 4] = [[0.3, 0.5], [0.7, 0.5], [0.7, 0.9], [0.3, 0.9]];

/// The values of a zone's form, which shows the corners in per cent.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneForm {
    /// The zone; `None` for a new one.
    pub id: Option<u64>,
    /// Its version when the page was made, as in If-Match.
    pub version: Option<u64>,
    pub name: String,
    /// The corners as typed.
    pub typed: String,
    /// The corners in fractions of the picture; an unreadable one is NaN.
    pub points: Vec<[f64; 2]>,
    /// Nothing is tracked in it.
    pub exclude: bool,
    /// Names of the counted classes; empty for all.
    pub classes: Vec<String>,
    /// The point of a box that must be inside.
    pub anchor: String,
}

impl ZoneForm {
    /// Reads the decoded fields of the form.
    pub fn from_fields(fields: &[(String, String)]) -> ZoneForm {
        let typed = named(fields, "corners");
        let row = |row: &str| {
            let numbers: Vec<f64> = row
                .split([' ', '\t', ';'])
                .filter(|word| !word.is_empty())
                .map(|word| word.trim_end_matches(',').replace(',', ".").parse().unwrap_or(f64::NAN))
                .collect();
            let [x, y] = numbers[..] else { return [f64::NAN; 2] };
            [x / 100.0, y / 100.0]
        };
        let rows = typed.lines().map(str::trim).filter(|row| !row.is_empty());
        ZoneForm {
            id: None,
            version: None,
            name: named(fields, "name"),
            points: rows.map(row).collect(),
            typed,
            exclude: named(fields, "exclude") == "1",
            classes: class_names(fields),
            anchor: Some(named(fields, "anchor"))
                .filter(|anchor| !anchor.is_empty())
                .unwrap_or("bottom".into()),
        }
    }

    /// The form of an existing zone.
    pub(super) fn of(ZoneNow { row, .. }: &ZoneNow) -> ZoneForm {
        ZoneForm {
            id: Some(row.id),
            version: Some(row.version),
            name: row.draft.name.clone(),
            typed: typed(&row.draft.points),
            points: row.draft.points.clone(),
            exclude: row.draft.exclude,
            classes: row.draft.classes.clone(),
            anchor: row.draft.anchor.as_str().into(),
        }
    }

    /// The zone of the form as SVG.
    pub(super) fn svg(&self, size: (u32, u32)) -> String {
        let is_known = |point: &[f64; 2]| point.iter().all(|at| at.is_finite());
        let points: Vec<[f64; 2]> = self.points.iter().copied().filter(is_known).collect();
        draw::zone(&self.name, &points, self.exclude, size, &mut Default::default())
    }

    /// The form of a new zone.
    pub(super) fn new(page: &LinesPage) -> ZoneForm {
        let is_taken = |points: &[[f64; 2]]| page.zones.iter().any(|zone| zone.row.draft.points == points);
        let moved = |step: u8| NEW.map(|[x, y]| [x, y - 0.1 * f64::from(step)]);
        let points = (0..5).map(moved).find(|points| !is_taken(points)).unwrap_or(NEW);
        ZoneForm {
            name: unused_name("Zone", page.zones.iter().map(|zone| zone.row.draft.name.as_str())),
            typed: typed(&points),
            points: points.to_vec(),
            ..ZoneForm::from_fields(&[])
        }
    }
}

/// Corners as people type them: per cent from the left and from the top, one corner per line.
fn typed(points: &[[f64; 2]]) -> String {
    points.iter().map(|[x, y]| format!("{} {}\n", percent(*x), percent(*y))).collect()
}

/// The areas of the privacy mask.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MaskNow {
    /// Their corners in fractions of the shown picture; none for readers below an operator.
    pub areas: Vec<Vec<[f64; 2]>>,
    /// The version of the settings.
    pub version: u64,
    /// The place that pins them.
    pub pinned: Option<String>,
}

impl MaskNow {
    /// The form of the area with this number, or of a new one.
    pub(super) fn form(&self, id: Option<u64>) -> Option<ZoneForm> {
        let points = match id {
            Some(id) => self.areas.get(usize::try_from(id).ok()?.checked_sub(1)?)?.clone(),
            None => NEW.to_vec(),
        };
        let number = id.unwrap_or(self.areas.len() as u64 + 1);
        Some(ZoneForm {
            id,
            version: Some(self.version),
            name: format!("Privacy mask {number}"),
            typed: typed(&points),
            points,
            exclude: true,
            ..ZoneForm::from_fields(&[])
        })
    }

    pub(super) fn rows(&self, chosen: Option<u64>) -> String {
        let row = |id: u64| {
            let (class, current) =
                if Some(id) == chosen { (" class=\"on\"", " aria-current=\"true\"") } else { ("", "") };
            let place = self.pinned.as_deref().unwrap_or("drawn here");
            format!(
                "<tr{class}><th scope=\"row\"><a href=\"lines?mask={id}\"{current}>Privacy mask {id}</a></th><td \
                 colspan=\"2\">black</td><td class=\"muted\">{}</td></tr>",
                Text(place)
            )
        };
        (1..=self.areas.len() as u64).map(row).collect()
    }

    /// All areas but the `chosen` one, as SVG.
    pub(super) fn svg(&self, chosen: Option<u64>, size: (u32, u32)) -> String {
        let others = self.areas.iter().zip(1..).filter(|(_, id)| Some(*id) != chosen);
        others.map(|(points, _)| draw::zone("", points, true, size, &mut Default::default())).collect()
    }
}

/// The explanation on the form of a mask.
const MASK_WORDS: &str = "This area is black before anything is made of the picture: streams, snapshots, recordings \
    and counting. Images that are stored already stay as they are: delete them under Media.";

/// An area of the mask that is only shown. `origin` is HTML.
pub(super) fn mask_facts(form: &ZoneForm, origin: &str) -> String {
    let name = Text(&form.name);
    format!(
        "<section aria-labelledby=\"title\"><h2 id=\"title\">{name}</h2>{origin}<p>{MASK_WORDS}</p></section>"
    )
}

pub(super) fn mask_editor(form: &ZoneForm) -> String {
    let delete = form.id.map(|_| {
        let ask = ask_to_delete(&form.name, "The area is shown again.");
        format!("<section><details><summary>Delete this mask</summary>{ask}</details></section>")
    });
    format!(
        include_str!("mask.html"),
        form = shape_form("mask", form.id, form.version),
        title = Text(&form.name),
        words = MASK_WORDS,
        points = Text(&form.typed),
        rows = form.points.len().clamp(4, 12) + 1,
        delete = delete.unwrap_or_default(),
    )
}

/// All zones with their occupancy.
pub(super) fn rows(page: &LinesPage, chosen: Option<u64>) -> String {
    let mut rows = String::new();
    for ZoneNow { row: zone, occupancy } in &page.zones {
        let is_chosen = Some(zone.id) == chosen;
        let inside = match zone.draft.exclude {
            true => "<td colspan=\"2\">excluded</td>".to_owned(),
            false => {
                format!("<td colspan=\"2\"><b data-zone=\"{}\">{occupancy}</b> inside now</td>", zone.id)
            }
        };
        let _ = write!(
            rows,
            "<tr{}><th scope=\"row\"><a href=\"lines?zone={}\"{}>{}</a></th>{inside}<td class=\"muted\">{}</td></tr>",
            if is_chosen { " class=\"on\"" } else { "" },
            zone.id,
            if is_chosen { " aria-current=\"true\"" } else { "" },
            Text(&zone.draft.name),
            Text(zone.pinned.as_deref().unwrap_or("drawn here")),
        );
    }
    rows
}

/// A zone that is only shown. `origin` is HTML.
pub(super) fn facts(form: &ZoneForm, origin: &str) -> String {
    format!(
        "<section aria-labelledby=\"title\"><h2 id=\"title\">{}</h2>{origin}<p>{}</p></section>",
        Text(&form.name),
        if form.exclude {
            "This area is ignored: nothing in it is counted."
        } else {
            "Counts what is inside."
        },
    )
}

pub(super) fn editor(page: &LinesPage, form: &ZoneForm, title: &str) -> String {
    let delete = match form.id {
        Some(_) => format!(
            "<details><summary>Delete this zone</summary>{}</details>",
            ask_to_delete(title, "Its occupancy is no longer shown in Counts.")
        ),
        None => String::new(),
    };
    format!(
        include_str!("zone.html"),
        form = shape_form("zone", form.id, form.version),
        title = Text(title),
        name = Text(&form.name),
        name_invalid = page.mark("name"),
        points_invalid = page.mark("points"),
        advanced_open = if !page.mark("points").is_empty() || form.anchor != "bottom" { " open" } else { "" },
        kinds = options(
            &[("", "count what is inside"), ("1", "ignore this area")],
            if form.exclude { "1" } else { "" },
        ),
        classes = classes(&page.counting, &form.classes),
        points = Text(&form.typed),
        rows = form.points.len().clamp(4, 12) + 1,
        anchors = options(&ANCHORS.map(|(word, words)| (word, words.1)), &form.anchor),
        delete = delete,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ui::fixtures;

    fn points(text: &str) -> Vec<[f64; 2]> {
        ZoneForm::from_fields(&[("corners".into(), text.into())]).points
    }

    #[test]
    fn corners_are_read_as_people_type_them() {
        assert_eq!(points("10 20\r\n50,5;20\n\n 30,\t40 \n"), [[0.1, 0.2], [0.505, 0.2], [0.3, 0.4]]);
        for wrong in ["10", "10 20 30", "ten 20", "nan 1"] {
            assert!(points(wrong)[0][0].is_nan(), "{wrong}");
        }
        assert_eq!(points(&typed(&NEW)), NEW);
    }

    #[test]
    fn a_new_zone_lies_on_no_other_and_has_the_next_number() {
        let mut page = fixtures::editor();
        page.zones.clear();
        let first = ZoneForm::new(&page);
        assert_eq!((first.name.as_str(), &first.points[..]), ("Zone 1", &NEW[..]));
        let mut there = fixtures::zones().remove(0);
        (there.row.draft.name, there.row.draft.points) = ("Hall".into(), NEW.to_vec());
        page.zones.push(there);
        let second = ZoneForm::new(&page);
        assert_eq!(second.name, "Zone 2");
        assert_ne!(second.points, first.points);
    }
}
