//! `/api/v1/lines`: the lines of a scene, drawn, changed and deleted by programs and by the page.
//!
//! A change may name the version it was made on (`If-Match`); one that names none is made on whatever
//! is there.

use std::time::Duration;

use hyper::header::{ETAG, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Site;
use super::body::Body;
use super::etag::{self, Wish};
use super::payload;
use super::problem::Problem;
use super::query::WrongValue;
use super::route::Request;
use super::v1;
use super::wire::{self, LineReport, List};
use crate::store::{Anchor, Recrossing};
use crate::store::{Counts, EditError, LineDraft, LineRow, Scene};

/// A change of part of a line is tried so often while others change it, too.
const TRIES: usize = 5;

/// A camera that nobody has seen yet is waited for so long, to see which scene it shows.
const SCENE_WAIT: Duration = Duration::from_secs(10);

/// What is sent of a line. Of what only we know, what was given may be sent back; it changes nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineBody {
    name: Option<String>,
    a: Option<[f64; 2]>,
    b: Option<[f64; 2]>,
    in_name: Option<String>,
    out_name: Option<String>,
    classes: Option<Vec<String>>,
    anchor: Option<String>,
    recrossing: Option<String>,
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "scene")]
    _scene: Option<IgnoredAny>,
    #[serde(rename = "pinned")]
    _pinned: Option<IgnoredAny>,
    #[serde(rename = "created")]
    _created: Option<IgnoredAny>,
    #[serde(rename = "moved")]
    _moved: Option<IgnoredAny>,
    #[serde(rename = "deleted")]
    _deleted: Option<IgnoredAny>,
}

impl LineBody {
    /// The line that is meant: what is not said is as in `base`, or as usual.
    fn draft(self, base: Option<LineDraft>) -> Result<LineDraft, Problem> {
        const PLACE: &str = "[x, y] in fractions of the picture";
        let base = base.as_ref();
        let name = self.name.or_else(|| base.map(|base| base.name.clone()));
        let (a, b) = (self.a.or(base.map(|base| base.a)), self.b.or(base.map(|base| base.b)));
        let needed =
            [("name", "a name", name.is_some()), ("a", PLACE, a.is_some()), ("b", PLACE, b.is_some())];
        let (Some(name), Some(a), Some(b)) = (name, a, b) else { return Err(missing(&needed)) };
        let text = |given: Option<String>, known: Option<&String>, usual: &str| {
            given.or_else(|| known.cloned()).unwrap_or_else(|| usual.to_owned())
        };
        Ok(LineDraft {
            name,
            a,
            b,
            in_name: text(self.in_name, base.map(|base| &base.in_name), "in"),
            out_name: text(self.out_name, base.map(|base| &base.out_name), "out"),
            classes: self.classes.or_else(|| base.map(|base| base.classes.clone())).unwrap_or_default(),
            anchor: anchor(self.anchor.as_deref(), base.map(|base| base.anchor))?,
            recrossing: recrossing(self.recrossing.as_deref(), base.map(|base| base.recrossing))?,
        })
    }
}

/// The anchor of this word; without one, `known`, or the usual.
///
/// # Errors
/// There is none of this word.
pub fn anchor(word: Option<&str>, known: Option<Anchor>) -> Result<Anchor, EditError> {
    let Some(word) = word else { return Ok(known.unwrap_or_default()) };
    Anchor::of_word(word).ok_or_else(|| {
        let words: Vec<&str> = Anchor::WORDS.iter().map(|(word, _)| *word).collect();
        EditError::Wrong(format!("anchor is {word:?}, and should be one of {}", words.join(", ")))
    })
}

/// The policy of this word; without one, `known`, or the usual.
///
/// # Errors
/// There is none of this word.
pub fn recrossing(word: Option<&str>, known: Option<Recrossing>) -> Result<Recrossing, EditError> {
    let Some(word) = word else { return Ok(known.unwrap_or_default()) };
    Recrossing::of_word(word)
        .ok_or_else(|| EditError::Wrong(format!("recrossing is {word:?}, and should be every or once")))
}

/// Which of these keys were not sent, and have to be: each with what it should be, and whether it is there.
pub fn missing(needed: &[(&str, &str, bool)]) -> Problem {
    let missing = needed.iter().filter(|(_, _, is_there)| !is_there).map(|&(key, range, _)| (key, range));
    Problem::missing(&missing.collect::<Vec<_>>())
}

/// The scene that is asked for: by `?scene=`, or the one that is shown.
pub fn scene(request: &Request, counts: &Counts) -> Result<Scene, WrongValue> {
    let words = [Scene::Camera, Scene::Files, Scene::Sim].map(|scene| (scene.word(), scene));
    Ok(request.query.one_of("scene", &words)?.unwrap_or_else(|| counts.scene()))
}

/// The scene that something new is drawn in: the one that is shown, or will be.
pub async fn new_scene(site: &Site) -> Result<Scene, Problem> {
    site.counting()?.scene(SCENE_WAIT).await.map_err(|none| Problem::from(&none))
}

/// `GET /api/v1/lines`.
pub async fn list(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let scene = scene(&request, counts)?;
    let with_deleted = request.query.one_of("deleted", &[("1", true), ("0", false)])?.unwrap_or(false);
    let rows = match with_deleted {
        true => request.site.ledger()?.read(|reader| reader.lines()).await?,
        false => counts.lines().borrow().to_vec(),
    };
    Ok(v1::json(reports(&rows, scene)))
}

/// Those of `rows` that belong to `scene`, as a list.
pub fn reports(rows: &[LineRow], scene: Scene) -> String {
    let here = rows.iter().filter(|row| row.scene.is_none_or(|own| own == scene));
    wire::json(&List::whole(here.map(LineReport::from)))
}

/// `POST /api/v1/lines`.
pub async fn add(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let draft = payload::read::<LineBody>(&request.headers, &request.body)?.draft(None)?;
    let scene = new_scene(&request.site).await?;
    let row = counts.add_line(scene, draft).await?;
    let mut response = one(&row);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(place) = HeaderValue::from_str(&format!("lines/{}", row.id)) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// `GET /api/v1/lines/{id}`; deleted ones are still there.
pub async fn get(request: Request) -> Result<Response<Body>, Problem> {
    let id = request.id;
    if let Ok(row) = known(request.site.counts()?, id) {
        return Ok(one(&row));
    }
    let rows = request.site.ledger()?.read(|reader| reader.lines()).await?;
    let row = rows.iter().find(|row| row.id == id).ok_or(unknown(id))?;
    Ok(one(row))
}

/// `PUT /api/v1/lines/{id}`: all of it anew.
pub async fn replace(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let draft = payload::read::<LineBody>(&request.headers, &request.body)?.draft(None)?;
    let version = version(&request, &known(counts, request.id)?)?;
    Ok(one(&counts.change_line(request.id, version, draft).await?))
}

/// `PATCH /api/v1/lines/{id}`: what is said, and nothing else.
pub async fn change(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let mut tries = 0;
    loop {
        tries += 1;
        let row = known(counts, request.id)?;
        let wished = version(&request, &row)?;
        let draft = payload::read::<LineBody>(&request.headers, &request.body)?.draft(Some(row.draft))?;
        match counts.change_line(request.id, Some(row.version), draft).await {
            // Nobody asked for a certain version: it is made on the newer one.
            Err(EditError::Changed { .. }) if wished.is_none() && tries < TRIES => {}
            changed => return Ok(one(&changed?)),
        }
    }
}

/// `DELETE /api/v1/lines/{id}`: what it counted stays.
pub async fn delete(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let version = version(&request, &known(counts, request.id)?)?;
    counts.delete_line(request.id, version).await?;
    Ok(v1::no_content())
}

fn known(counts: &Counts, id: u64) -> Result<LineRow, EditError> {
    counts.lines().borrow().iter().find(|row| row.id == id).cloned().ok_or(unknown(id))
}

fn unknown(id: u64) -> EditError {
    EditError::Unknown { what: "line", id }
}

/// The version that the line has to have still, if any was named.
fn version(request: &Request, row: &LineRow) -> Result<Option<u64>, EditError> {
    match etag::wish(&request.headers, row.version) {
        Wish::Any => Ok(None),
        Wish::This => Ok(Some(row.version)),
        Wish::Other => Err(EditError::Changed { what: "line", id: row.id, version: row.version }),
    }
}

fn one(row: &LineRow) -> Response<Body> {
    let mut response = v1::json(wire::json(&LineReport::from(row)));
    if let Some(tag) = etag::of(row.version) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
