//! The line editor: a still picture to draw on, a list of lines, and a form for one of them.
//!
//! The form does everything without a script, by numbers; `lines.js` adds dragging, saving without
//! leaving the page, and what the line would have counted.

pub mod draw;

use std::fmt::Write;

use crate::ui::escape::Text;
use crate::ui::facts::{Clock, CountingFacts, DrawnLine, Head, LineTally, Refusal};
use crate::ui::format::capital;
use crate::ui::frame::{Frame, Tab, refusal_html};

/// What the line editor shows.
#[derive(Debug, Clone, PartialEq)]
pub struct LinesPage {
    /// What stands above.
    pub head: Head,
    /// The clock on the wall.
    pub clock: Clock,
    /// Lines of the scene in use that are not deleted, pinned ones first.
    pub lines: Vec<DrawnLine>,
    /// Their sums of today.
    pub tallies: Vec<LineTally>,
    /// Which is edited.
    pub chosen: ChosenLine,
    /// Width and height of the picture, for the layout; `None` while unknown.
    pub size: Option<(u32, u32)>,
    /// How counting is going, and which classes there are.
    pub counting: CountingFacts,
    /// Under `[privacy] counts_only`: the one still is the only picture, for who may change something.
    pub is_counts_only: bool,
    /// What was typed and could not be taken: shown again, to be mended.
    pub refused: Option<(LineForm, Refusal)>,
}

/// Which line is edited: the value of `line` in the page's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenLine {
    /// `line=7`. A number that is not there is as [`ChosenLine::First`].
    Number(u64),
    /// `line=new`: one that is still to be drawn.
    New,
    /// Nothing said: the first that is not pinned, else the first, else a new one.
    First,
}

impl ChosenLine {
    /// The line of this value of `line`.
    pub fn parse(value: Option<&str>) -> ChosenLine {
        match value {
            Some("new") => ChosenLine::New,
            Some(number) => number.parse().map_or(ChosenLine::First, ChosenLine::Number),
            None => ChosenLine::First,
        }
    }
}

/// What the editor's form sends: `POST lines`, `application/x-www-form-urlencoded`. After it has been
/// carried out the browser is sent (303) to `lines?line=ID`, or to `lines` after a deletion.
#[derive(Debug, Clone, PartialEq)]
pub struct LineForm {
    /// What to do.
    pub action: LineAction,
    /// The line; `None`: a new one.
    pub id: Option<u64>,
    /// The version it had when the page was made, as If-Match.
    pub version: Option<u64>,
    /// Its name.
    pub name: String,
    /// Where it begins, in fractions of the picture.
    pub a: [f64; 2],
    /// Where it ends.
    pub b: [f64; 2],
    /// What going in is called.
    pub in_name: String,
    /// What going out is called.
    pub out_name: String,
    /// Names of the classes that are counted; everything if empty.
    pub classes: Vec<String>,
    /// Which point of a box has to pass.
    pub anchor: String,
    /// `every` or `once`.
    pub recrossing: String,
}

/// What a [`LineForm`] wants. Turning the arrow round needs no word of its own: the form that is read
/// has `a` and `b` changed already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineAction {
    /// Keep it as it is in the form.
    Save,
    /// Delete it.
    Delete,
}

impl LineForm {
    /// Reads the fields of the form, decoded, in their order. What is missing or no number is as it was
    /// never typed (empty, 0): the ledger says what is wrong with such a line.
    pub fn from_fields(fields: &[(String, String)]) -> LineForm {
        let all = |name: &'static str| {
            fields.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.trim())
        };
        let text = |name: &'static str| all(name).next_back().unwrap_or_default().to_owned();
        let or = |text: String, usual: &str| if text.is_empty() { usual.to_owned() } else { text };
        // "50,5" is what half of the world types.
        let fraction = |name: &'static str| {
            let percent: f64 = text(name).replace(',', ".").parse().unwrap_or(0.0);
            if percent.is_finite() { percent / 100.0 } else { 0.0 }
        };
        let (mut a, mut b) = ([fraction("ax"), fraction("ay")], [fraction("bx"), fraction("by")]);
        let action = match text("do").as_str() {
            "delete" => LineAction::Delete,
            "flip" => {
                std::mem::swap(&mut a, &mut b);
                LineAction::Save
            }
            _ => LineAction::Save,
        };
        LineForm {
            action,
            id: text("id").parse().ok(),
            version: text("version").parse().ok(),
            name: text("name"),
            a,
            b,
            in_name: or(text("in_name"), "in"),
            out_name: or(text("out_name"), "out"),
            classes: all("class").filter(|class| !class.is_empty()).map(str::to_owned).collect(),
            anchor: or(text("anchor"), "bottom"),
            recrossing: or(text("recrossing"), "every"),
        }
    }
}

/// The classes that most people count, in the order they are offered; the others a model has follow
/// behind a word.
const USUAL: [&str; 8] = ["person", "bicycle", "car", "motorcycle", "bus", "truck", "dog", "cat"];

/// The line editor as HTML, at `lines`. It posts [`LineForm`]s and refers to `api/v1/still.jpg` and, from
/// the script, to `api/v1/lines` and `api/v1/events`. `lines.js` says the same in the same words.
pub fn lines_page(page: &LinesPage) -> String {
    let edited = Edited::from_page(page);
    let size = page.size.unwrap_or((1280, 720));
    let (view_width, view_height) = draw::view_box(size);
    let how = if edited.pinned.is_some() {
        "This line is set in the configuration: it is shown, not changed."
    } else if edited.id.is_none() {
        "Draw across the picture from one end to the other, or drag the ends. Arrow keys move an end; with Shift, further."
    } else {
        "Drag an end, or the line itself. Arrow keys move an end; with Shift, further."
    };
    let why = if page.is_counts_only {
        "The camera gives none at present, or you are not <a href=\"sign-in?next=lines\">signed in</a>: in privacy mode only users who may change something get one."
    } else {
        "The camera gives none at present."
    };
    let main = format!(
        include_str!("lines.html"),
        why = why,
        id = number(edited.id),
        version = number(edited.version),
        pinned = edited.pinned.is_some(),
        width = size.0,
        height = size.1,
        view_box = format_args!("0 0 {view_width} {view_height}"),
        title = Text(&edited.title),
        drawn = draw::lines(&page.lines, size),
        here = edited.address(),
        how = how,
        refused = page.refused.as_ref().map(|(_, why)| refusal_html(why)).unwrap_or_default(),
        list = list(page, edited.id),
        editor = match &edited.pinned {
            Some(origin) => pinned_line_html(&edited, origin),
            None => editor(page, &edited),
        },
    );
    Frame::new(&page.head, Tab::Lines, "Lines", &["page.js", "head.js", "lines.js"]).render(&main)
}

/// What is in the form.
struct Edited {
    id: Option<u64>,
    version: Option<u64>,
    title: String,
    form: LineForm,
    pinned: Option<String>,
}

impl Edited {
    fn from_page(page: &LinesPage) -> Edited {
        let first = || page.lines.iter().find(|line| line.pinned.is_none()).or(page.lines.first());
        let line = match page.chosen {
            ChosenLine::Number(id) => page.lines.iter().find(|line| line.id == id).or_else(first),
            ChosenLine::First => first(),
            ChosenLine::New => None,
        };
        if let Some((form, _)) = &page.refused {
            let name = page.lines.iter().find(|line| Some(line.id) == form.id);
            return Edited {
                id: form.id,
                version: form.version,
                title: name.map_or_else(|| "New line".into(), |line| line.name.clone()),
                form: form.clone(),
                pinned: None,
            };
        }
        match line {
            Some(line) => Edited {
                id: Some(line.id),
                version: Some(line.version),
                title: line.name.clone(),
                form: LineForm {
                    action: LineAction::Save,
                    id: Some(line.id),
                    version: Some(line.version),
                    name: line.name.clone(),
                    a: line.a,
                    b: line.b,
                    in_name: line.in_name.clone(),
                    out_name: line.out_name.clone(),
                    classes: line.classes.clone(),
                    anchor: line.anchor.clone(),
                    recrossing: line.recrossing.clone(),
                },
                pinned: line.pinned.clone(),
            },
            None => Edited {
                id: None,
                version: None,
                title: "New line".into(),
                form: LineForm {
                    name: unused_name(&page.lines),
                    a: [0.5, 0.9],
                    b: [0.5, 0.1],
                    in_name: "in".into(),
                    out_name: "out".into(),
                    anchor: "bottom".into(),
                    recrossing: "every".into(),
                    ..LineForm::from_fields(&[])
                },
                pinned: None,
            },
        }
    }

    /// Where this line is edited.
    fn address(&self) -> String {
        self.id.map_or_else(|| "lines?line=new".into(), |id| format!("lines?line={id}"))
    }
}

/// A name that no line has yet, so that a line can be saved as soon as it is drawn.
fn unused_name(lines: &[DrawnLine]) -> String {
    let is_free = |name: &str| lines.iter().all(|line| line.name != name);
    (1..).map(|n| format!("Line {n}")).find(|name| is_free(name)).unwrap_or_default()
}

fn number(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// A fraction as per cent with one digit behind the point.
fn percent(fraction: f64) -> String {
    format!("{:.1}", fraction * 100.0)
}

/// All lines with what they counted today.
fn list(page: &LinesPage, chosen: Option<u64>) -> String {
    if page.lines.is_empty() {
        return "<p class=\"muted\">No line yet. Draw one where people pass: from then on every crossing is stored, with or without viewers.</p>"
            .into();
    }
    let mut rows = String::new();
    for line in &page.lines {
        let tally = page.tallies.iter().find(|tally| tally.line_id == line.id);
        let figure = |of: fn(&LineTally) -> u64| tally.map_or(0, of);
        let is_chosen = Some(line.id) == chosen;
        // Writing to a string does not fail.
        let _ = write!(
            rows,
            "<tr{}><th scope=\"row\"><a href=\"lines?line={}\"{}>{}</a></th><td class=\"in\" data-in=\"{id}\">{}</td><td \
             class=\"out\" data-out=\"{id}\">{}</td><td class=\"muted\">{}</td></tr>",
            if is_chosen { " class=\"on\"" } else { "" },
            line.id,
            if is_chosen { " aria-current=\"true\"" } else { "" },
            Text(&line.name),
            figure(|tally| tally.count_in),
            figure(|tally| tally.count_out),
            Text(line.pinned.as_deref().unwrap_or("drawn here")),
            id = line.id,
        );
    }
    // Which of them count nothing, above all.
    let notes: String =
        page.counting.notes.iter().map(|note| format!("<p class=\"small\">{}</p>", Text(note))).collect();
    format!(
        "<table><thead><tr><th scope=\"col\">Today</th><th scope=\"col\">In</th><th scope=\"col\">Out</th><th \
         scope=\"col\">Source</th></tr></thead><tbody>{rows}</tbody></table>{notes}"
    )
}

/// What the operator's file says of a line, to be read.
fn pinned_line_html(edited: &Edited, origin: &str) -> String {
    let form = &edited.form;
    let classes = if form.classes.is_empty() { "everything".to_owned() } else { form.classes.join(", ") };
    let end = |[x, y]: [f64; 2]| format!("{} % from the left, {} % from the top", percent(x), percent(y));
    format!(
        "<section aria-labelledby=\"title\"><h2 id=\"title\">{name}</h2><p class=\"muted\">Pinned by \
         <code>{origin}</code>. Change it there, then reload the service.</p><dl class=\"facts\"><dt>Arrow \
         direction</dt><dd>{in_name}</dd><dt>Opposite direction</dt><dd>{out_name}</dd><dt>Counts</dt><dd>{classes}</dd><dt>End \
         a</dt><dd>{a}</dd><dt>End b</dt><dd>{b}</dd></dl></section>",
        name = Text(&form.name),
        origin = Text(origin),
        in_name = Text(&form.in_name),
        out_name = Text(&form.out_name),
        classes = Text(&classes),
        a = end(form.a),
        b = end(form.b),
    )
}

fn editor(page: &LinesPage, edited: &Edited) -> String {
    let form = &edited.form;
    let [ax, ay, bx, by] = [form.a[0], form.a[1], form.b[0], form.b[1]].map(percent);
    let delete = match edited.id {
        Some(_) => format!(
            "<details><summary>Delete this line</summary><p class=\"small\">Its counts stay in Counts and in exports. Only the line is deleted.</p><p class=\"flip\"><button class=\"btn danger\" id=\"delete\" \
             name=\"do\" value=\"delete\" formnovalidate>Delete {}</button></p></details>",
            Text(&edited.title)
        ),
        None => String::new(),
    };
    let is_usual = form.anchor == "bottom" && form.recrossing == "every";
    format!(
        include_str!("form.html"),
        id = number(edited.id),
        version = number(edited.version),
        title = Text(&edited.title),
        name = Text(&form.name),
        in_name = Text(&form.in_name),
        out_name = Text(&form.out_name),
        classes = classes(&page.counting, &form.classes),
        ax = ax,
        ay = ay,
        bx = bx,
        by = by,
        advanced_open = if is_usual { "" } else { " open" },
        anchors = options(
            &[
                ("bottom", "its feet pass (middle of the lower edge)"),
                ("center", "its middle passes (looking straight down)"),
                ("top", "its head passes (legs are hidden)"),
                ("left", "its left edge passes"),
                ("right", "its right edge passes"),
                ("box", "all of it has passed"),
            ],
            &form.anchor,
        ),
        recrossings = options(
            &[("every", "is counted each time"), ("once", "is counted the first time only")],
            &form.recrossing,
        ),
        here = edited.address(),
        delete = delete,
    )
}

fn options(options: &[(&str, &str)], chosen: &str) -> String {
    let mut html = String::new();
    for (value, words) in options {
        let selected = if *value == chosen { " selected" } else { "" };
        let _ = write!(html, "<option value=\"{value}\"{selected}>{words}</option>");
    }
    html
}

/// What the line counts. Classes that were chosen stay, also where the model in use has no such.
fn classes(facts: &CountingFacts, chosen: &[String]) -> String {
    if !facts.tells_classes && chosen.is_empty() {
        return "<p class=\"small muted\" id=\"classes\">Motion mode counts everything. Choose a model to count \
                people only. <a href=\"models\">Models</a></p>"
            .into();
    }
    let known: &[String] = if facts.tells_classes { &facts.labels } else { &[] };
    let tick = |label: &str| {
        let checked = if chosen.iter().any(|own| own == label) { " checked" } else { "" };
        format!(
            "<label class=\"tick\"><input type=\"checkbox\" name=\"class\" value=\"{}\"{checked}> {}</label> ",
            Text(label),
            Text(&capital(label))
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
    // A model with few classes needs no second list.
    let (first, rest) =
        if rest.len() <= 4 { (first.into_iter().chain(rest).collect(), Vec::new()) } else { (first, rest) };
    let more = if rest.is_empty() {
        String::new()
    } else {
        format!(
            "<details><summary>{} more</summary><div class=\"row ticks\">{}</div></details>",
            rest.len(),
            rest.iter().map(|label| tick(label)).collect::<String>()
        )
    };
    format!(
        "<fieldset class=\"field\" id=\"classes\"><legend class=\"small\">Counts (nothing ticked: everything)</legend>\
         <div class=\"row ticks\">{}</div>{more}</fieldset>",
        first.iter().map(|label| tick(label)).collect::<String>()
    )
}
