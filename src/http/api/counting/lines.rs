//! `/api/v1/lines`: the lines of a scene, for programs and for the page.
//!
//! A change may name the version that it was made on (`If-Match`); otherwise it applies to the current one.

use std::time::Duration;

use hyper::header::{ETAG, HeaderValue, LOCATION};
use hyper::{Method, Response, StatusCode};

use crate::http::auth::audit::{AuditNote, noted};
use crate::http::auth::caller::Who;
use crate::http::report::wire;
use crate::http::report::wire::List;
use crate::http::request::body_fields::{Fields, PLACE};
use crate::http::request::etag::IfMatch;
use crate::http::request::problem::Problem;
use crate::http::request::{etag, json_body, reply};
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::store::{Anchor, Counts, EditError, LineDraft, LineRow, Recrossing, Scene};
use crate::ui::LineForm;

/// Maximum number of tries of a partial change while others change the line.
const TRIES: usize = 5;

/// Longest wait for a camera's first picture, which tells its scene.
const SCENE_WAIT: Duration = Duration::from_secs(10);

/// The keys of a line that may be set.
const SAID: [&str; 8] = ["name", "a", "b", "in_name", "out_name", "classes", "anchor", "recrossing"];

/// Pairs of values that must fit each other; the store reports a fault of the pair under the second.
const TOGETHER: [(&str, &str); 2] = [("a", "b"), ("in_name", "out_name")];

/// The read-only keys of a line: they may be sent back and change nothing.
const TOLD: [&str; 7] = ["id", "version", "scene", "pinned", "created", "moved", "deleted"];

/// A page's form: ends and corners in per cent, and reversing the line.
const TYPED: [&str; 6] = ["ax", "ay", "bx", "by", "reverse", "corners"];

/// The values of a page's form that has the field `key`.
pub fn typed<T>(request: &Request, key: &str, read: fn(&[(String, String)]) -> T) -> Option<T> {
    let fields = json_body::form_of(&request.headers, &request.body)?;
    fields.get(key).is_some().then(|| read(fields.pairs()))
}

/// The form has tenths of a per cent: an end that was not moved keeps all its digits.
pub fn as_it_was(typed: [f64; 2], known: [f64; 2]) -> [f64; 2] {
    let is_same = (0..2).all(|axis| (typed[axis] - known[axis]).abs() < 0.000_51);
    if is_same { known } else { typed }
}

/// The requested line; missing values are those of `base`, or the defaults.
fn draft(fields: &Fields, base: Option<&LineDraft>, typed: Option<&LineForm>) -> Result<LineDraft, Problem> {
    let wrong = Problem::unprocessable;
    let name = fields.text("name").map_err(wrong)?.or_else(|| base.map(|base| base.name.clone()));
    let a = fields.place("a").map_err(wrong)?.or(typed.map(|form| form.a)).or(base.map(|base| base.a));
    let b = fields.place("b").map_err(wrong)?.or(typed.map(|form| form.b)).or(base.map(|base| base.b));
    let needed = [("name", "a name", name.is_some()), ("a", PLACE, a.is_some()), ("b", PLACE, b.is_some())];
    let (Some(name), Some(a), Some(b)) = (name, a, b) else { return Err(missing(&needed).given_in(fields)) };
    let text = |key, known: Option<&String>, usual: &str| -> Result<String, Problem> {
        let given = fields.text(key).map_err(wrong)?;
        Ok(given.or_else(|| known.cloned()).unwrap_or_else(|| usual.to_owned()))
    };
    let recrossing = fields.one_of("recrossing", &Recrossing::WORDS).map_err(wrong)?;
    Ok(LineDraft {
        name,
        a,
        b,
        in_name: text("in_name", base.map(|base| &base.in_name), "in")?,
        out_name: text("out_name", base.map(|base| &base.out_name), "out")?,
        classes: classes(fields, base.map(|base| &base.classes))?,
        anchor: anchor_of(fields, base.map(|base| base.anchor))?,
        recrossing: recrossing.or(base.map(|base| base.recrossing)).unwrap_or_default(),
    })
}

/// The fault of the line in `fields`, named for a sent key: the other key of a pair may be unchanged.
fn refused(error: EditError, fields: &Fields) -> Problem {
    let is_sent = |key: &str| fields.get(key).is_some();
    let error = match error {
        EditError::Wrong { field, range, words, others } => {
            let other = TOGETHER.iter().find(|(first, second)| *second == field && is_sent(first));
            let field = other.filter(|_| !is_sent(field)).map_or(field, |(first, _)| *first);
            EditError::Wrong { field, range, words, others }
        }
        error => error,
    };
    Problem::from(error).given_in(fields)
}

/// The classes that a line or zone counts: the given ones, or as before.
pub fn classes(fields: &Fields, known: Option<&Vec<String>>) -> Result<Vec<String>, Problem> {
    let said = fields.texts("classes").map_err(Problem::unprocessable)?;
    Ok(said.or_else(|| known.cloned()).unwrap_or_default())
}

/// The given anchor, or as before.
pub fn anchor_of(fields: &Fields, known: Option<Anchor>) -> Result<Anchor, Problem> {
    let said = fields.one_of("anchor", &Anchor::WORDS).map_err(Problem::unprocessable)?;
    Ok(said.or(known).unwrap_or_default())
}

/// The required keys of a line or zone.
const NEEDED: [&str; 4] = ["name", "a", "b", "points"];

/// Reads the keys `said` and the read-only keys `told` of a request; no others. `null` is refused, because it would
/// mean nothing.
pub fn read(request: &Request, said: &[&'static str], told: &[&str]) -> Result<Fields, Problem> {
    let is_form = json_body::is_form(&request.headers, &request.body);
    let told = if is_form { [told, &TYPED].concat() } else { told.to_vec() };
    let fields = Fields::read_back(&request.headers, &request.body, said, &told);
    let fields = fields.map_err(Problem::unprocessable)?;
    // `null` for a required key is reported as a missing key instead.
    let is_refused = |key: &&&str| request.method == Method::PATCH || !NEEDED.contains(*key);
    let refused: Vec<&'static str> = said.iter().filter(is_refused).copied().collect();
    fields.no_null(&refused).map_err(Problem::unprocessable)?;
    Ok(fields)
}

/// The problem of missing keys: each key with its expected value, and whether it is present.
pub fn missing(needed: &[(&str, &str, bool)]) -> Problem {
    let missing = needed.iter().filter(|(_, _, is_there)| !is_there).map(|&(key, range, _)| (key, range));
    Problem::missing(&missing.collect::<Vec<_>>())
}

/// The scene that `?scene=` names, or the current one.
pub fn scene(request: &Request, counts: &Counts) -> Result<Scene, Problem> {
    Ok(request.query.one_of("scene", &Scene::WORDS)?.unwrap_or_else(|| counts.scene()))
}

/// The scene for new lines and zones: the current or the next one.
pub async fn new_scene(site: &Site) -> Result<Scene, Problem> {
    site.counting()?.scene(SCENE_WAIT).await.map_err(|none| Problem::from(&none))
}

/// `GET /api/v1/lines`.
pub async fn list(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let scene = scene(&request, counts)?;
    let with_deleted = request.query.one_of("deleted", &[("1", true), ("0", false)])?.unwrap_or(false);
    let rows = match with_deleted {
        true => request.site.counts_readers()?.read(|reader| reader.lines()).await?,
        false => counts.lines().borrow().to_vec(),
    };
    Ok(reply::json(wire::json(&reports(&request.reader().await, &rows, scene))))
}

/// The `rows` of `scene` as a list, redacted for `who`.
pub fn reports(who: &Who, rows: &[LineRow], scene: Scene) -> List<LineRow> {
    let here = rows.iter().filter(|row| row.is_in_scene(scene));
    List::whole(here.map(|row| wire::redacted_for(who, row.clone())))
}

/// `POST /api/v1/lines`.
pub async fn add(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let fields = read(&request, &SAID, &TOLD)?;
    let draft = draft(&fields, None, typed(&request, "ax", LineForm::from_fields).as_ref())?;
    let scene = new_scene(&request.site).await?;
    let row = counts.add_line(scene, draft).await.map_err(|error| refused(error, &fields))?;
    let mut response = one(&request, &row).await;
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(place) = HeaderValue::from_str(&format!("lines/{}", row.id)) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// `GET /api/v1/lines/{id}`, including deleted lines.
pub async fn get(request: Request) -> Result<Response<Body>, Problem> {
    let id = request.id;
    if let Ok(row) = known(request.site.counts()?, id) {
        return Ok(one(&request, &row).await);
    }
    let rows = request.site.counts_readers()?.read(|reader| reader.lines()).await?;
    let row = rows.iter().find(|row| row.id == id).ok_or(unknown(id))?;
    Ok(one(&request, row).await)
}

/// `PUT /api/v1/lines/{id}`: replaces the whole line.
pub async fn replace(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let fields = read(&request, &SAID, &TOLD)?;
    let form = typed(&request, "ax", LineForm::from_fields);
    let mut draft = draft(&fields, None, form.as_ref())?;
    let known = known(counts, request.id)?;
    if form.is_some() {
        (draft.a, draft.b) = (as_it_was(draft.a, known.draft.a), as_it_was(draft.b, known.draft.b));
    }
    let version = version(&request, &known)?;
    let changed = counts.change_line(request.id, version, draft).await;
    Ok(one(&request, &changed.map_err(|error| refused(error, &fields))?).await)
}

/// `PATCH /api/v1/lines/{id}`: changes the given keys only.
pub async fn change(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let fields = read(&request, &SAID, &TOLD)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let row = known(counts, request.id)?;
        let asked = version(&request, &row)?;
        let form = typed(&request, "ax", LineForm::from_fields);
        let draft = draft(&fields, Some(&row.draft), form.as_ref())?;
        match counts.change_line(request.id, Some(row.version), draft).await {
            // The request names no version: it applies to the newer one.
            Err(EditError::Changed { .. }) if asked.is_none() && tries < TRIES => {}
            changed => {
                return Ok(one(&request, &changed.map_err(|error| refused(error, &fields))?).await);
            }
        }
    }
}

/// `DELETE /api/v1/lines/{id}`: its counts stay.
pub async fn delete(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let row = known(counts, request.id)?;
    let version = version(&request, &row)?;
    counts.delete_line(request.id, version).await?;
    Ok(noted(reply::no_content(), AuditNote::Of(row.draft.name)))
}

fn known(counts: &Counts, id: u64) -> Result<LineRow, EditError> {
    counts.lines().borrow().iter().find(|row| row.id == id).cloned().ok_or(unknown(id))
}

fn unknown(id: u64) -> EditError {
    EditError::Unknown { what: "line", id }
}

/// The version that the line must still have, if the request names one.
fn version(request: &Request, row: &LineRow) -> Result<Option<u64>, EditError> {
    match etag::if_match(&request.headers, row.version) {
        IfMatch::Any => Ok(None),
        IfMatch::This => Ok(Some(row.version)),
        IfMatch::Other => Err(EditError::Changed { what: "line", id: row.id, version: row.version }),
    }
}

async fn one(request: &Request, row: &LineRow) -> Response<Body> {
    let mut response = reply::json(wire::json(&wire::redacted_for(&request.reader().await, row.clone())));
    if let Some(tag) = etag::of(row.version) {
        response.headers_mut().insert(ETAG, tag);
    }
    noted(response, AuditNote::Of(row.draft.name.clone()))
}
