//! Checks drafts of lines and zones, with messages for their authors. Pure.

use crate::counts::{EditError, LineDraft, ZoneDraft};
use tallycam_base::unicode::{is_blank, is_unseen_control};
use tallycam_base::{CROSSES_ITSELF, crosses_itself};
use tallycam_vision::{CountingLine, LineError, LineId, Point, Polygon};

/// Maximum number of lines in a scene, including those of the operator's file.
pub const MOST_LINES: usize = 100;

/// Maximum number of zones in a scene.
pub const MOST_ZONES: usize = 50;

const MOST_CORNERS: usize = 32;
const LONGEST_NAME: usize = 60;
const LONGEST_DIRECTION: usize = 30;
const MOST_CLASSES: usize = 100;

// Requirements on a pair of values. Each text fits both, because the client may have sent either.
const APART: &str = "[x, y], another point than the other end";
const ON_PICTURE: &str = "[x, y] in fractions of the picture, with some of the line from a to b on it";
const OWN_NAME: &str = "another name than the other direction has";

/// An end may lie beyond the edge; the line goes on there.
const PLACE: &str = "[x, y] in fractions of the picture, each from -1 to 2";

/// The draft with trimmed names, if it is a valid line.
pub fn line(draft: LineDraft) -> Result<LineDraft, EditError> {
    let [a, b] = [draft.a, draft.b].map(|[x, y]| Point::new(x as f32, y as f32));
    let name = name("name", "line", &draft.name, LONGEST_NAME);
    let ends = CountingLine::new(LineId(0), draft.name.as_str(), a, b).map(drop).map_err(|error| {
        let (field, range) = match error {
            LineError::EqualEnds => ("b", APART),
            // Both ends may be wrong; the first is reported.
            _ if !is_in_unit_square(a) => ("a", PLACE),
            _ if !is_in_unit_square(b) => ("b", PLACE),
            _ => ("b", ON_PICTURE),
        };
        EditError::out_of_range(field, range, error.to_string())
    });
    let in_name = self::name("in_name", "direction", &draft.in_name, LONGEST_DIRECTION);
    let out_name = self::name("out_name", "direction", &draft.out_name, LONGEST_DIRECTION);
    let apart = match (&in_name, &out_name) {
        (Ok(into), Ok(out)) if into == out => {
            let words = "both directions have the same name; give each its own";
            Err(EditError::out_of_range("out_name", OWN_NAME, words))
        }
        _ => Ok(()),
    };
    let classes = classes(draft.classes);
    EditError::all([fault(&name), ends, fault(&in_name), fault(&out_name), apart, fault(&classes)])?;
    Ok(LineDraft { name: name?, in_name: in_name?, out_name: out_name?, classes: classes?, ..draft })
}

/// The draft with trimmed names, if it is a valid zone.
pub fn zone(draft: ZoneDraft) -> Result<ZoneDraft, EditError> {
    let name = name("name", "zone", &draft.name, LONGEST_NAME);
    let classes = classes(draft.classes);
    EditError::all([fault(&name), corners(&draft.points), fault(&classes)])?;
    Ok(ZoneDraft { name: name?, classes: classes?, ..draft })
}

/// Checks the outline of a zone.
fn corners(points: &[[f64; 2]]) -> Result<(), EditError> {
    let range = format!(
        "a list of 3 to {MOST_CORNERS} [x, y] in fractions of the picture, each from -1 to 2, not all on one line and \
         not all beyond one edge"
    );
    let wrong = |words: String| EditError::out_of_range("points", range.as_str(), words);
    if points.len() > MOST_CORNERS {
        let has = points.len();
        return Err(wrong(format!("a zone has at most {MOST_CORNERS} corners, not {has}")));
    }
    let corners: Vec<Point> = points.iter().map(|&[x, y]| Point::new(x as f32, y as f32)).collect();
    // With all corners beyond one edge, no part of the zone is in the picture.
    let is_beyond =
        [|p: &Point| p.x < 0.0, |p: &Point| p.x > 1.0, |p: &Point| p.y < 0.0, |p: &Point| p.y > 1.0]
            .iter()
            .any(|beyond| !corners.is_empty() && corners.iter().all(beyond));
    Polygon::new(corners).map_err(|error| wrong(error.to_string()))?;
    if crosses_itself(points) {
        return Err(wrong(format!("the outline of the zone {}", CROSSES_ITSELF)));
    }
    if is_beyond {
        return Err(wrong(String::from("the zone is outside the picture; coordinates go from 0 to 1")));
    }
    Ok(())
}

fn fault<T>(checked: &Result<T, EditError>) -> Result<(), EditError> {
    checked.as_ref().map(drop).map_err(Clone::clone)
}

fn is_in_unit_square(point: Point) -> bool {
    [point.x, point.y].iter().all(|at| (-1.0..=2.0).contains(at))
}

fn name(field: &'static str, what: &str, name: &str, longest: usize) -> Result<String, EditError> {
    let name = name.trim();
    let length = name.chars().count();
    let range = if field == "classes" { "a list of names, each of" } else { "a name of" };
    let wrong = |words: String| {
        Err(EditError::out_of_range(field, format!("{range} 1 to {longest} characters"), words))
    };
    if name.chars().all(is_blank) {
        return wrong(format!("the {what} has no name"));
    }
    if length > longest {
        return wrong(format!("the name of the {what} is too long: {length} characters, at most {longest}"));
    }
    if name.chars().any(is_unseen_control) {
        return wrong(format!(
            "the name of the {what} holds a control character, or a mark that is not seen"
        ));
    }
    Ok(name.to_owned())
}

fn classes(classes: Vec<String>) -> Result<Vec<String>, EditError> {
    if classes.len() > MOST_CLASSES {
        let range = format!("a list of at most {MOST_CLASSES} names");
        return Err(EditError::out_of_range(
            "classes",
            range,
            format!("at most {MOST_CLASSES} classes can be named"),
        ));
    }
    let mut named: Vec<String> = Vec::with_capacity(classes.len());
    for class in &classes {
        let class = name("classes", "class", class, LONGEST_NAME)?;
        if !named.contains(&class) {
            named.push(class);
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallycam_vision::Anchor;

    fn door() -> LineDraft {
        LineDraft {
            classes: vec![String::from("person"), String::from("person ")],
            ..LineDraft::new(" Door ", [0.1, 0.5], [0.9, 0.5])
        }
    }

    #[test]
    fn the_expected_range_excludes_the_refused_value() {
        let field = |judged| match judged {
            Err(EditError::Wrong { field, range, .. }) => (field, range),
            other => panic!("{other:?}"),
        };
        for (draft, value, range) in [
            (LineDraft { a: [0.9, 0.5], ..door() }, "b", APART),
            (LineDraft { a: [0.1, 1.5], b: [0.9, 1.5], ..door() }, "b", ON_PICTURE),
            (LineDraft { a: [0.1, 2.5], b: [0.9, 2.5], ..door() }, "a", PLACE),
            (LineDraft { a: [f64::NAN, 0.0], ..door() }, "a", PLACE),
            (LineDraft { b: [0.5, 1e300], ..door() }, "b", PLACE),
            (LineDraft { in_name: String::from("out"), ..door() }, "out_name", OWN_NAME),
        ] {
            assert_eq!(field(line(draft.clone())), (value, range.to_owned()), "{draft:?}");
        }
    }

    fn wrong<T: std::fmt::Debug>(judged: Result<T, EditError>) -> String {
        match judged {
            Err(EditError::Wrong { words, .. }) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_is_tidied() {
        let line = line(door()).expect("it is one");
        assert_eq!((line.name.as_str(), line.classes), ("Door", vec![String::from("person")]));
    }

    #[test]
    fn mistakes_in_a_line_are_named() {
        for (draft, words) in [
            (LineDraft { a: [f64::NAN, 0.0], ..door() }, "no place"),
            (LineDraft { a: [0.9, 0.5], ..door() }, "same point"),
            (LineDraft { a: [0.1, 1.5], b: [0.9, 1.5], ..door() }, "outside the picture"),
            (LineDraft { a: [1e300, 0.0], ..door() }, "no place"),
            (LineDraft { name: String::from("  "), ..door() }, "no name"),
            (LineDraft { name: "ä".repeat(61), ..door() }, "too long"),
            (LineDraft { name: String::from("a\nb"), ..door() }, "control"),
            (LineDraft { name: String::from("Do\u{202e}or"), ..door() }, "not seen"),
            (LineDraft { name: String::from("\u{200d}"), ..door() }, "no name"),
            (LineDraft { in_name: String::from("in\u{200b}"), ..door() }, "not seen"),
            (LineDraft { classes: vec![String::from("per\u{ad}son")], ..door() }, "not seen"),
            (LineDraft { in_name: "x".repeat(31), ..door() }, "too long"),
            (LineDraft { in_name: String::from("out"), ..door() }, "same name"),
            (LineDraft { classes: vec![String::new()], ..door() }, "no name"),
        ] {
            let told = wrong(line(draft.clone()));
            assert!(told.contains(words), "{draft:?}: {told}");
        }
        assert!(line(LineDraft { name: "ä".repeat(60), ..door() }).is_ok());
    }

    #[test]
    fn mistakes_in_a_zone_are_named() {
        let square = ZoneDraft {
            name: String::from("Hall"),
            points: vec![[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]],
            classes: Vec::new(),
            anchor: Anchor::Center,
            exclude: false,
        };
        assert!(zone(square.clone()).is_ok());
        let beyond = square.points.iter().map(|&[x, y]| [x + 1.2, y]).collect();
        for (points, words) in [
            (vec![], "three corners"),
            (vec![[0.0, 0.0]; 33], "at most 32"),
            (vec![[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]], "no inside"),
            (vec![[0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.9]], "crosses itself"),
            (beyond, "outside the picture"),
        ] {
            let told = wrong(zone(ZoneDraft { points, ..square.clone() }));
            assert!(told.contains(words), "{told}");
        }
    }
}
