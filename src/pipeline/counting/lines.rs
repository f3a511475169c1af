//! Selects the stored lines and zones of a scene for counting, and translates their class names to the detector's
//! classes. Pure.
//!
//! A class that the detector does not know is reported, never guessed. A line whose classes are all unknown counts
//! nothing.

use tallycam_base::unicode::quoted;
use tallycam_store::{LineRow, Scene, ZoneRow};
use tallycam_vision::{Class, CountingLine, Labels, LineId, Point, Polygon, Zone, ZoneId};

/// The shapes for counting, and the unusable ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chosen {
    /// The lines that count.
    pub lines: Vec<CountingLine>,
    /// Numbers of the lines in the scene that cannot count.
    pub unable: Vec<u64>,
    /// The zones with occupancy.
    pub zones: Vec<Zone>,
    /// The excluded areas.
    pub excluded: Vec<Polygon>,
    /// Deviations from the drawn shapes, in sentences.
    pub notes: Vec<String>,
}

/// The detector's name and classes.
#[derive(Debug, Clone, Copy)]
pub struct DetectorView<'a> {
    /// The detector's name.
    pub detector: &'a str,
    /// Classes of the detector.
    pub labels: &'a Labels,
    /// Classes that the settings select; all if empty.
    pub kept: &'a [Class],
}

impl<'a> DetectorView<'a> {
    fn name(&self, class: Class) -> &'a str {
        self.labels.names().get(usize::from(class.0)).map_or("", String::as_str)
    }
}

/// The lines and zones of `scene` that the detector `eyes` supports.
pub fn choose(lines: &[LineRow], zones: &[ZoneRow], scene: Scene, eyes: DetectorView<'_>) -> Chosen {
    let mut chosen = Chosen::default();
    for row in lines.iter().filter(|row| row.is_in_scene(scene) && row.deleted_us.is_none()) {
        let what = format!("line {}", quoted(&row.draft.name));
        let Some(classes) = classes_of(&what, &row.draft.classes, eyes, &mut chosen.notes) else {
            chosen.unable.push(row.id);
            continue;
        };
        let [a, b] = [row.draft.a, row.draft.b].map(to_point);
        // counts.db handles names; the counter only needs different ones.
        match CountingLine::new(LineId(row.id), row.id.to_string(), a, b) {
            Ok(mut line) => {
                line.classes = classes;
                line.anchor = row.draft.anchor;
                line.recrossing = row.draft.recrossing;
                chosen.lines.push(line);
            }
            Err(error) => {
                chosen.unable.push(row.id);
                chosen.notes.push(format!("{what} counts nothing: {error}."));
            }
        }
    }
    for row in zones.iter().filter(|row| row.is_in_scene(scene)) {
        let what = format!("zone {}", quoted(&row.draft.name));
        let area = Polygon::new(row.draft.points.iter().copied().map(to_point).collect());
        if row.draft.exclude {
            match area {
                Ok(area) => chosen.excluded.push(area),
                Err(error) => chosen.notes.push(format!("{what} excludes nothing: {error}.")),
            }
            continue;
        }
        let Some(classes) = classes_of(&what, &row.draft.classes, eyes, &mut chosen.notes) else {
            continue;
        };
        match area {
            Ok(area) => chosen.zones.push(Zone {
                id: ZoneId(row.id),
                name: row.draft.name.clone(),
                area,
                classes,
                anchor: row.draft.anchor,
                ground: row.ground,
            }),
            Err(error) => chosen.notes.push(format!("{what} counts nothing: {error}.")),
        }
    }
    chosen
}

/// The note on a line beyond which many tracks first appear.
pub fn too_near_note(name: &str, past: u64) -> String {
    format!(
        "line {}: {past} were first seen already past this line: move it away from the edge.",
        quoted(name)
    )
}

fn to_point([x, y]: [f64; 2]) -> Point {
    Point::new(x as f32, y as f32)
}

/// The classes with these names; `None` if there are names and none of them can be counted.
fn classes_of(
    what: &str,
    names: &[String],
    eyes: DetectorView<'_>,
    notes: &mut Vec<String>,
) -> Option<Vec<Class>> {
    let (mut classes, unknown) = match_classes(names, eyes.labels);
    let is_kept = |class: &Class| eyes.kept.is_empty() || eyes.kept.contains(class);
    let left_out: Vec<&str> =
        classes.iter().filter(|&class| !is_kept(class)).map(|&class| eyes.name(class)).collect();
    let mut why = Vec::new();
    if !unknown.is_empty() {
        why.push(format!("{} does not know {}", eyes.detector, quote_names(&unknown)));
    }
    if !left_out.is_empty() {
        why.push(format!("`detect.classes` leaves out {}", quote_names(&left_out)));
    }
    if why.is_empty() {
        return Some(classes);
    }
    let why = why.join(", and ");
    classes.retain(is_kept);
    if classes.is_empty() {
        notes.push(format!("{what} counts nothing: {why}."));
        return None;
    }
    notes.push(format!("{what}: {why}; the other classes are counted."));
    Some(classes)
}

/// The classes of those names that the labels have, and the unknown names.
pub fn match_classes<'a>(names: &'a [String], labels: &Labels) -> (Vec<Class>, Vec<&'a str>) {
    let mut classes = Vec::new();
    let mut unknown = Vec::new();
    for name in names {
        match labels.class(name) {
            Some(class) => classes.push(class),
            None => unknown.push(name.as_str()),
        }
    }
    (classes, unknown)
}

/// `“dog”, “cat”`.
pub fn quote_names(names: &[&str]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallycam_store::{LineDraft, ZoneDraft};
    use tallycam_vision::{Anchor, Recrossing};

    fn line(id: u64, scene: Option<Scene>, classes: &[&str]) -> LineRow {
        LineRow {
            id,
            version: 1,
            scene,
            draft: LineDraft {
                classes: classes.iter().map(|&class| class.to_owned()).collect(),
                anchor: Anchor::Center,
                recrossing: Recrossing::Once,
                ..LineDraft::new(format!("line {id}"), [0.5, 1.0], [0.5, 0.0])
            },
            pinned: None,
            created_us: 0,
            moved_us: None,
            deleted_us: None,
        }
    }

    fn zone(points: &[[f64; 2]]) -> ZoneRow {
        ZoneRow {
            id: 7,
            version: 1,
            scene: None,
            draft: ZoneDraft {
                name: String::from("hall"),
                points: points.to_vec(),
                classes: Vec::new(),
                anchor: Anchor::default(),
                exclude: false,
            },
            pinned: None,
            ground: None,
        }
    }

    fn choose_lines(lines: &[LineRow]) -> Chosen {
        choose_with(lines, &[])
    }

    fn choose_with(lines: &[LineRow], kept: &[Class]) -> Chosen {
        let labels = Labels::new(["person", "car"]);
        choose(lines, &[], Scene::Camera, DetectorView { detector: "the model", labels: &labels, kept })
    }

    #[test]
    fn lines_of_the_scene_and_of_every_scene_count() {
        let rows =
            [line(1, Some(Scene::Camera), &[]), line(2, Some(Scene::Sim), &[]), line(3, None, &["car"])];
        let chosen = choose_lines(&rows);
        let ids: Vec<u64> = chosen.lines.iter().map(|line| line.id.0).collect();
        assert_eq!((ids, chosen.notes.len()), (vec![1, 3], 0));
        assert_eq!(chosen.lines[1].classes, [Class(1)]);
        assert_eq!((chosen.lines[1].anchor, chosen.lines[1].recrossing), (Anchor::Center, Recrossing::Once));
    }

    #[test]
    fn a_deleted_line_counts_nothing() {
        let chosen = choose_lines(&[LineRow { deleted_us: Some(5), ..line(1, None, &[]) }]);
        assert_eq!(chosen, Chosen::default());
    }

    #[test]
    fn unknown_classes_are_reported_and_a_line_without_known_ones_counts_nothing() {
        let chosen = choose_lines(&[line(1, None, &["car", "dog"]), line(2, None, &["dog", "cat"])]);
        assert_eq!((chosen.lines.len(), chosen.unable.as_slice()), (1, [2].as_slice()));
        assert_eq!(chosen.lines[0].classes, [Class(1)]);
        assert_eq!(
            chosen.notes,
            [
                "line “line 1”: the model does not know “dog”; the other classes are counted.",
                "line “line 2” counts nothing: the model does not know “dog”, “cat”.",
            ]
        );
    }

    #[test]
    fn deselected_classes_are_reported_and_a_line_with_only_those_counts_nothing() {
        let rows = [line(1, None, &["car"]), line(2, None, &["car", "person"]), line(3, None, &[])];
        let chosen = choose_with(&rows, &[Class(0)]);
        let ids: Vec<u64> = chosen.lines.iter().map(|line| line.id.0).collect();
        assert_eq!((ids, chosen.unable), (vec![2, 3], vec![1]));
        assert_eq!(chosen.lines[0].classes, [Class(0)]);
        assert_eq!(
            chosen.notes,
            [
                "line “line 1” counts nothing: `detect.classes` leaves out “car”.",
                "line “line 2”: `detect.classes` leaves out “car”; the other classes are counted.",
            ]
        );
        let chosen = choose_with(&[line(4, None, &["dog", "car"])], &[Class(0)]);
        assert_eq!(
            chosen.notes,
            [
                "line “line 4” counts nothing: the model does not know “dog”, and `detect.classes` leaves out “car”."
            ]
        );
        assert_eq!(choose_with(&rows, &[]).notes, Vec::<String>::new());
    }

    #[test]
    fn invalid_lines_and_zones_are_reported() {
        let mut point_line = line(1, None, &[]);
        point_line.draft.b = point_line.draft.a;
        let labels = Labels::new(["person"]);
        let zones = [zone(&[[0.0, 0.0], [1.0, 0.0]]), zone(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])];
        let eyes = DetectorView { detector: "the model", labels: &labels, kept: &[] };
        let chosen = choose(&[point_line], &zones, Scene::Files, eyes);
        assert!(chosen.lines.is_empty() && chosen.unable == [1]);
        assert_eq!(chosen.zones.len(), 1);
        assert_eq!(chosen.notes.len(), 2, "{:?}", chosen.notes);
    }

    #[test]
    fn notes_quote_names_unchanged() {
        let mut yard = zone(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]);
        yard.draft.name = String::from("zz\"\\");
        yard.draft.classes = vec![String::from("Tür\"")];
        let labels = Labels::new(["person"]);
        let eyes = DetectorView { detector: "the model", labels: &labels, kept: &[] };
        let chosen = choose(&[], &[yard], Scene::Files, eyes);
        assert_eq!(chosen.notes, ["zone “zz\"\\” counts nothing: the model does not know “Tür\"”."]);
    }
}
