//! The editor of lines and zones: a still picture to draw on, a list, and a form.
//!
//! The form does everything by numbers, without a script. `lines.js` adds dragging, saving without leaving the page,
//! and a preview of the counts.

pub mod draw;
mod form;
pub mod zones;

use std::fmt::Write;

use crate::ui::escape::Text;
use crate::ui::facts::{CountingReport, Head, LocalClock, Reader, RefusalReason, ReturnedForm, ZoneNow};
use crate::ui::form::sign_in_link;
use crate::ui::format::{capital, class_name};
use crate::ui::frame::{PageFrame, Tab, options};
pub use form::{ChosenShape, LineForm};
use form::{ask_to_delete, how_to_draw, reasons};
use tallycam_store::{LineDraft, LineRow, TallyRow};
use zones::{MaskNow, ZoneForm};

/// Data of the line editor.
#[derive(Debug, Clone, PartialEq)]
pub struct LinesPage {
    pub head: Head,
    pub clock: LocalClock,
    /// Lines of the scene in use that are not deleted, pinned ones first.
    pub lines: Vec<LineRow>,
    /// Its zones, likewise.
    pub zones: Vec<ZoneNow>,
    pub tallies: Vec<TallyRow>,
    /// The newest check of each line.
    pub checks: Vec<crate::ui::CheckBadge>,
    pub mask: MaskNow,
    /// The edited line or zone.
    pub chosen: ChosenShape,
    /// Width and height of the picture, for the layout; `None` while unknown.
    pub size: Option<(u32, u32)>,
    /// The state of counting and the available classes.
    pub counting: CountingReport,
    /// `privacy.counts_only` is on: only readers who may draw get the one still picture.
    pub is_counts_only: bool,
    /// A refused form, shown again with the reason.
    pub refused: Option<(ShapeForm, RefusalReason)>,
}

impl ShapeForm {
    /// The values of a form that was refused. `version` is the current one of its line or zone: to save the form again
    /// replaces what somebody else has saved meanwhile, as the refusal says.
    pub fn returned(form: &ReturnedForm, version: Option<u64>) -> ShapeForm {
        let id = form.id();
        let zone = || ZoneForm { id, version, ..ZoneForm::from_fields(&form.fields) };
        if form.action.contains("/zones") {
            return ShapeForm::Zone(zone());
        }
        if form.action.contains("/masks") {
            let name = id.map_or("New privacy mask".into(), |id| format!("Privacy mask {id}"));
            return ShapeForm::Mask(ZoneForm { name, ..zone() });
        }
        ShapeForm::Line(LineForm { id, version, ..LineForm::from_fields(&form.fields) })
    }
}

impl LinesPage {
    /// The name of the first wrong field; empty if it is none.
    fn invalid(&self) -> &str {
        self.refused.as_ref().map_or("", |(_, refused)| &refused.field)
    }

    /// The attributes of the field `name`.
    fn mark(&self, name: &str) -> &'static str {
        let Some((_, refused)) = &self.refused else { return "" };
        let is_wrong = refused.field == name || refused.errors.iter().any(|(field, _)| field == name);
        if is_wrong { INVALID } else { "" }
    }
}

/// The values of either form.
#[derive(Debug, Clone, PartialEq)]
pub enum ShapeForm {
    Line(LineForm),
    Zone(ZoneForm),
    /// An area of the privacy mask.
    Mask(ZoneForm),
}

/// Attributes of a wrong field.
const INVALID: &str = " aria-invalid=\"true\" aria-describedby=\"said\" autofocus";

/// The count points: their word, and their meaning for a line and for a zone.
const ANCHORS: [(&str, (&str, &str)); 6] = [
    ("bottom", ("its feet pass (middle of the lower edge)", "its feet are (middle of the lower edge)")),
    ("center", ("its middle passes (looking straight down)", "its middle is (looking straight down)")),
    ("top", ("its head passes (legs are hidden)", "its head is (legs are hidden)")),
    ("left", ("its left edge passes", "its left edge is")),
    ("right", ("its right edge passes", "its right edge is")),
    ("box", ("all of it has passed", "all of it is")),
];

/// The most usual classes, in the order of the form; the model's other classes are folded.
const USUAL: [&str; 8] = ["person", "bicycle", "car", "motorcycle", "bus", "truck", "dog", "cat"];

/// The editor as HTML, at `lines`. It refers to `api/v1/still.jpg` and, from the script, to `api/v1/events`.
pub fn lines_page(page: &LinesPage) -> String {
    let edited = Edited::from_page(page);
    let size = page.size.unwrap_or((1280, 720));
    let (view_width, view_height) = draw::view_box(size);
    let kind = edited.kind();
    let how = match (&edited.pinned, edited.id) {
        _ if edited.is_locked => format!("Drawing needs {}.", edited.drawer().1),
        (Some(_), _) => format!("This {kind} is set in the configuration: it is shown, not changed."),
        (None, None) => {
            let words = match &edited.form {
                ShapeForm::Line(_) => "Press Draw and drag from one end to the other, or drag its ends.",
                ShapeForm::Zone(_) | ShapeForm::Mask(_) => {
                    "Press Draw and click its corners, or drag a rectangle. Enter closes it."
                }
            };
            how_to_draw(words, edited.ends())
        }
        (None, Some(_)) => {
            how_to_draw(&format!("Drag its {}, or the {kind} itself.", edited.ends()), edited.ends())
        }
    };
    let why = if page.is_counts_only {
        "The camera gives none at present, or you are not <a href=\"sign-in?next=lines\">signed in</a>: in privacy \
         mode only users who may change something get one."
    } else {
        "The camera gives none at present."
    };
    let acts = match &edited.pinned {
        _ if edited.is_locked => {
            sign_in_link(page.head.reader, &format!("sign-in?next={}", edited.address()))
        }
        Some(_) => String::new(),
        None => format!(
            "<button class=\"btn main\" id=\"save\" form=\"form\">Save {kind}</button><button \
             class=\"btn\" type=\"button\" id=\"start\" aria-pressed=\"false\" hidden>Draw</button><a class=\"btn \
             quiet\" \
             id=\"undo\" href=\"{}\">Undo changes</a>",
            edited.address()
        ),
    };
    let refused = page.refused.as_ref().map(|(_, why)| reasons(why));
    let (others, own) = edited.drawn(page, size);
    let main = format!(
        include_str!("lines.html"),
        locked = if edited.is_locked { " data-locked" } else { "" },
        kind = kind,
        why = why,
        id = number(edited.id),
        version = number(edited.version),
        width = size.0,
        height = size.1,
        view_box = format_args!("0 0 {view_width} {view_height}"),
        title = Text(&edited.title),
        others = others,
        own = own,
        acts = acts,
        here = edited.address(),
        how = how,
        invalid = Text(page.invalid()),
        refused = refused.unwrap_or_default(),
        list = list(page, &edited),
        add = add(page),
        editor = match &edited.form {
            _ if edited.is_locked && edited.id.is_none() => String::new(),
            ShapeForm::Line(form) if edited.is_shown_only() => line_facts(form, &edited.origin()),
            ShapeForm::Zone(form) if edited.is_shown_only() => zones::facts(form, &edited.origin()),
            ShapeForm::Mask(form) if edited.is_shown_only() => zones::mask_facts(form, &edited.origin()),
            ShapeForm::Line(form) => editor(page, form, &edited.title),
            ShapeForm::Zone(form) => zones::editor(page, form, &edited.title),
            ShapeForm::Mask(form) => zones::mask_editor(form),
        },
    );
    PageFrame::new(&page.head, Tab::Lines, "Lines & zones", &["page.js", "head.js", "lines.js"]).render(&main)
}

/// The links to new shapes, of those that the reader may draw.
fn add(page: &LinesPage) -> String {
    let mask = "<a class=\"btn\" id=\"add-mask\" href=\"lines?mask=new\">Add a privacy mask</a>";
    match page.head.reader {
        reader if reader < Reader::Operator => String::new(),
        reader => {
            let mask = if reader < Reader::Admin || page.mask.pinned.is_some() { "" } else { mask };
            format!(
                "<p class=\"row\"><a class=\"btn\" id=\"add\" href=\"lines?line=new\">Add a line</a> <a \
                 class=\"btn\" id=\"add-zone\" href=\"lines?zone=new\">Add a zone</a> {mask}</p>\n    "
            )
        }
    }
}

/// The line or zone in the form.
struct Edited {
    id: Option<u64>,
    version: Option<u64>,
    title: String,
    form: ShapeForm,
    pinned: Option<String>,
    /// The reader may not draw.
    is_locked: bool,
}

impl Edited {
    fn from_page(page: &LinesPage) -> Edited {
        let edited = Edited::chosen(page);
        Edited { is_locked: page.head.reader < edited.drawer().0, ..edited }
    }

    fn chosen(page: &LinesPage) -> Edited {
        if let Some((form, _)) = &page.refused {
            let (id, version, title) = match form {
                ShapeForm::Line(form) => {
                    let line = page.lines.iter().find(|line| Some(line.id) == form.id);
                    (form.id, form.version, line.map_or("New line", |line| &line.draft.name))
                }
                ShapeForm::Zone(form) => {
                    let zone = page.zones.iter().find(|zone| Some(zone.row.id) == form.id);
                    (form.id, form.version, zone.map_or("New zone", |zone| &zone.row.draft.name))
                }
                ShapeForm::Mask(form) => (form.id, form.version, form.name.as_str()),
            };
            let (title, form) = (title.to_owned(), form.clone());
            return Edited { id, version, title, form, pinned: None, is_locked: false };
        }
        let first = || page.lines.iter().find(|line| line.pinned.is_none()).or(page.lines.first());
        let line = match page.chosen {
            ChosenShape::Zone(id) if page.zones.iter().any(|zone| zone.row.id == id) => {
                return Edited::zone(page, id);
            }
            ChosenShape::NewZone => {
                let form = ShapeForm::Zone(ZoneForm::new(page));
                let title = "New zone".into();
                return Edited { id: None, version: None, title, form, pinned: None, is_locked: false };
            }
            ChosenShape::Mask(id) if page.mask.form(id).is_some() => return Edited::mask(page, id),
            ChosenShape::Line(id) => page.lines.iter().find(|line| line.id == id).or_else(first),
            ChosenShape::First | ChosenShape::Zone(_) | ChosenShape::Mask(_) => first(),
            ChosenShape::NewLine => None,
        };
        match line {
            Some(line) => Edited {
                id: Some(line.id),
                version: Some(line.version),
                title: line.draft.name.clone(),
                form: ShapeForm::Line(LineForm::of(line)),
                pinned: line.pinned.clone(),
                is_locked: false,
            },
            None => Edited {
                id: None,
                version: None,
                title: "New line".into(),
                form: ShapeForm::Line(LineForm::new(page)),
                pinned: None,
                is_locked: false,
            },
        }
    }

    fn zone(page: &LinesPage, id: u64) -> Edited {
        let zone = page.zones.iter().find(|zone| zone.row.id == id);
        Edited {
            id: Some(id),
            version: zone.map(|zone| zone.row.version),
            title: zone.map(|zone| zone.row.draft.name.clone()).unwrap_or_default(),
            form: ShapeForm::Zone(zone.map_or_else(|| ZoneForm::new(page), ZoneForm::of)),
            pinned: zone.and_then(|zone| zone.row.pinned.clone()),
            is_locked: false,
        }
    }

    fn mask(page: &LinesPage, id: Option<u64>) -> Edited {
        let form = page.mask.form(id).unwrap_or_else(|| ZoneForm::new(page));
        Edited {
            id,
            version: form.version,
            title: form.name.clone(),
            form: ShapeForm::Mask(form),
            pinned: page.mask.pinned.clone(),
            is_locked: false,
        }
    }

    /// The least role that may draw it, and its words. The mask is a setting.
    fn drawer(&self) -> (Reader, &'static str) {
        match self.form {
            ShapeForm::Mask(_) => (Reader::Admin, "an admin"),
            _ => (Reader::Operator, "an operator"),
        }
    }

    /// True if the form is only shown.
    fn is_shown_only(&self) -> bool {
        self.is_locked || self.pinned.is_some()
    }

    /// The place that pins it, as HTML.
    fn origin(&self) -> String {
        let pinned = self.pinned.as_ref().map(|origin| {
            format!(
                "<p class=\"muted\">Pinned by <code>{}</code>. Change it there, then reload the service.</p>",
                Text(origin)
            )
        });
        pinned.unwrap_or_default()
    }

    fn kind(&self) -> &'static str {
        match self.form {
            ShapeForm::Line(_) => "line",
            ShapeForm::Zone(_) => "zone",
            ShapeForm::Mask(_) => "mask",
        }
    }

    fn ends(&self) -> &'static str {
        match self.form {
            ShapeForm::Line(_) => "ends",
            ShapeForm::Zone(_) | ShapeForm::Mask(_) => "corners",
        }
    }

    /// The address of its editor.
    fn address(&self) -> String {
        self.id
            .map_or_else(|| format!("lines?{}=new", self.kind()), |id| format!("lines?{}={id}", self.kind()))
    }

    /// The number of the edited line, zone or area of the mask.
    fn numbers(&self) -> (Option<u64>, Option<u64>, Option<u64>) {
        match self.form {
            ShapeForm::Line(_) => (self.id, None, None),
            ShapeForm::Zone(_) => (None, self.id, None),
            ShapeForm::Mask(_) => (None, None, self.id),
        }
    }

    /// The other lines and zones, and the edited one as in the form, as SVG.
    fn drawn(&self, page: &LinesPage, size: (u32, u32)) -> (String, String) {
        let (line, zone, mask) = self.numbers();
        let lines: Vec<LineRow> =
            page.lines.iter().filter(|own| Some(own.id) != line || self.is_shown_only()).cloned().collect();
        let zones: Vec<ZoneNow> = page
            .zones
            .iter()
            .filter(|own| Some(own.row.id) != zone || self.is_shown_only())
            .cloned()
            .collect();
        let own = match &self.form {
            _ if self.is_shown_only() => String::new(),
            ShapeForm::Line(form) => {
                draw::line((form.a, form.b), &form.name, &form.in_name, size, &mut Default::default())
                    + &draw::ends(form.a, form.b, size)
            }
            ShapeForm::Zone(form) | ShapeForm::Mask(form) => form.svg(size),
        };
        let mask = page.mask.svg(mask.filter(|_| !self.is_shown_only()), size);
        (mask + &draw::all(&lines, &zones, size), own)
    }
}

impl LineForm {
    /// The form of an existing line.
    fn of(line: &LineRow) -> LineForm {
        let LineDraft { name, a, b, in_name, out_name, classes, anchor, recrossing } = line.draft.clone();
        LineForm {
            typed: None,
            id: Some(line.id),
            version: Some(line.version),
            name,
            a,
            b,
            in_name,
            out_name,
            classes,
            anchor: anchor.as_str().to_owned(),
            recrossing: recrossing.as_str().to_owned(),
        }
    }

    /// The form of a new line: vertical, where no other line is.
    fn new(page: &LinesPage) -> LineForm {
        let is_free = |x: &f64| {
            page.lines
                .iter()
                .all(|LineRow { draft, .. }| [draft.a, draft.b].iter().any(|end| (end[0] - x).abs() > 0.06))
        };
        let x = [0.5, 0.35, 0.65, 0.2, 0.8].into_iter().find(is_free).unwrap_or(0.43);
        LineForm {
            name: unused_name("Line", page.lines.iter().map(|line| line.draft.name.as_str())),
            a: [x, 0.9],
            b: [x, 0.1],
            ..LineForm::from_fields(&[])
        }
    }
}

/// "Line 3" after two, or the next free number, so that a new line can be saved at once.
fn unused_name<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let is_free = |name: &String| names.iter().all(|other| other != name);
    (names.len() + 1..).map(|n| format!("{word} {n}")).find(is_free).unwrap_or_default()
}

fn number(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// As per cent with one decimal digit.
fn percent(fraction: f64) -> String {
    format!("{:.1}", fraction * 100.0)
}

/// All lines with today's sums.
fn list(page: &LinesPage, edited: &Edited) -> String {
    let (chosen, chosen_zone, chosen_mask) = edited.numbers();
    if page.lines.is_empty() && page.zones.is_empty() && page.mask.areas.is_empty() {
        return "<p class=\"muted\">No line yet. Draw one where people pass: from then on every crossing is stored, \
            with or without viewers.</p>"
            .into();
    }
    let mut rows = String::new();
    for line in &page.lines {
        let tally = page.tallies.iter().find(|tally| tally.line_id == line.id);
        let figure = |of: fn(&TallyRow) -> u64| tally.map_or(0, of);
        let is_chosen = Some(line.id) == chosen;
        let _ = write!(
            rows,
            "<tr{}><th scope=\"row\"><a href=\"lines?line={}\"{}>{}</a>{}</th><td class=\"in\" \
             data-in=\"{id}\">{}</td><td class=\"out\" data-out=\"{id}\">{}</td><td class=\"muted\">{}</td></tr>",
            if is_chosen { " class=\"on\"" } else { "" },
            line.id,
            if is_chosen { " aria-current=\"true\"" } else { "" },
            Text(&line.draft.name),
            crate::ui::counts::checks::badge(&page.checks, line.id, page.head.reader),
            figure(|tally| tally.count_in),
            figure(|tally| tally.count_out),
            Text(line.pinned.as_deref().unwrap_or("drawn here")),
            id = line.id,
        );
    }
    rows.push_str(&zones::rows(page, chosen_zone));
    rows.push_str(&page.mask.rows(chosen_mask));
    // Notes about lines that count nothing.
    let notes: String =
        page.counting.notes.iter().map(|note| format!("<p class=\"small\">{}</p>", Text(note))).collect();
    format!(
        "<table><thead><tr><th scope=\"col\">Today</th><th scope=\"col\">In</th><th scope=\"col\">Out</th><th \
         scope=\"col\">Source</th></tr></thead><tbody>{rows}</tbody></table>{notes}"
    )
}

/// A line that is only shown. `origin` is HTML.
fn line_facts(form: &LineForm, origin: &str) -> String {
    let classes = if form.classes.is_empty() { "everything".to_owned() } else { form.classes.join(", ") };
    let end = |[x, y]: [f64; 2]| format!("{} % from the left, {} % from the top", percent(x), percent(y));
    format!(
        "<section aria-labelledby=\"title\"><h2 id=\"title\">{name}</h2>{origin}<dl \
         class=\"facts\"><dt>Arrow direction</dt><dd>{in_name}</dd><dt>Opposite \
         direction</dt><dd>{out_name}</dd><dt>Counts</dt><dd>{classes}</dd><dt>End \
         a</dt><dd>{a}</dd><dt>End b</dt><dd>{b}</dd></dl></section>",
        name = Text(&form.name),
        in_name = Text(&form.in_name),
        out_name = Text(&form.out_name),
        classes = Text(&classes),
        a = end(form.a),
        b = end(form.b),
    )
}

fn editor(page: &LinesPage, form: &LineForm, title: &str) -> String {
    let ends = || [form.a[0], form.a[1], form.b[0], form.b[1]].map(percent);
    let [ax, ay, bx, by] = form.typed.clone().unwrap_or_else(ends);
    let invalid = |name: &str| page.mark(name);
    let is_wrong_inside = ["a", "b", "anchor", "recrossing"].iter().any(|name| !invalid(name).is_empty());
    let delete = match form.id {
        Some(_) => format!(
            "<details><summary>Delete this line</summary>{}</details>",
            ask_to_delete(title, "Its counts stay in Counts and in exports.")
        ),
        None => String::new(),
    };
    let is_usual = form.anchor == "bottom" && form.recrossing == "every";
    format!(
        include_str!("form.html"),
        form = form::shape_form("line", form.id, form.version),
        title = Text(title),
        name = Text(&form.name),
        name_invalid = invalid("name"),
        in_name = Text(&form.in_name),
        in_invalid = invalid("in_name"),
        out_name = Text(&form.out_name),
        out_invalid = invalid("out_name"),
        classes = classes(&page.counting, &form.classes),
        ax = Text(&ax),
        ay = Text(&ay),
        bx = Text(&bx),
        by = Text(&by),
        a_invalid = invalid("a"),
        b_invalid = invalid("b"),
        anchor_invalid = invalid("anchor"),
        recrossing_invalid = invalid("recrossing"),
        advanced_open = if is_usual && !is_wrong_inside { "" } else { " open" },
        anchors = options(&ANCHORS.map(|(word, words)| (word, words.0)), &form.anchor),
        recrossings = options(
            &[("every", "count every time"), ("once", "count the first time only")],
            &form.recrossing,
        ),
        delete = delete,
    )
}

/// The classes of the line. Chosen ones are listed even if the model does not know them.
fn classes(facts: &CountingReport, chosen: &[String]) -> String {
    if !facts.tells_classes && chosen.is_empty() {
        return "<p class=\"small muted\" id=\"classes\">Motion mode counts everything. Choose a model to count \
                people only. <a href=\"models\">Models</a></p>"
            .into();
    }
    let known: &[String] = if facts.tells_classes { &facts.labels } else { &[] };
    let tick = |label: &str| {
        let checked = if chosen.iter().any(|own| own == label) { " checked" } else { "" };
        format!(
            "<label class=\"tick\"><input type=\"checkbox\" name=\"classes\" value=\"{}\"{checked}> {}</label> ",
            Text(label),
            Text(&capital(class_name(label)))
        )
    };
    let is_first = |label: &str| USUAL.contains(&label) || chosen.iter().any(|own| own == label);
    let mut first: Vec<&str> =
        USUAL.into_iter().filter(|usual| known.iter().any(|own| own == usual)).collect();
    for label in chosen.iter().map(String::as_str) {
        if !first.contains(&label) {
            first.push(label);
        }
    }
    let rest: Vec<&str> = known.iter().map(String::as_str).filter(|label| !is_first(label)).collect();
    // A short list of classes needs no second one.
    let (first, rest) =
        if rest.len() <= 4 { (first.into_iter().chain(rest).collect(), Vec::new()) } else { (first, rest) };
    let more = if rest.is_empty() {
        String::new()
    } else {
        format!(
            "<details><summary>{} more classes</summary><div class=\"row ticks\">{}</div></details>",
            rest.len(),
            rest.iter().map(|label| tick(label)).collect::<String>()
        )
    };
    format!(
        "<fieldset class=\"field\" id=\"classes\"><legend class=\"small\">Count only (none = all)</legend>\
         <div class=\"row ticks\">{}</div>{more}</fieldset>",
        first.iter().map(|label| tick(label)).collect::<String>()
    )
}
