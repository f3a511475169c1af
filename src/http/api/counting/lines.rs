//! `/api/v1/lines`: the lines of a scene, for programs and for the page.

use hyper::Response;
use serde_json::{Value, json};

use crate::http::api::counting::shapes::{DrawnShape, as_it_was, known, one, row, scene};
use crate::http::auth::caller::Who;
use crate::http::report::wire;
use crate::http::report::wire::List;
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::ui::LineForm;
use tallycam_store::{Counts, EditError, LineDraft, LineRow, Scene};

/// Pairs of values that must fit each other; the store reports a fault of the pair under the second.
const TOGETHER: [(&str, &str); 2] = [("a", "b"), ("in_name", "out_name")];

impl DrawnShape for LineRow {
    row!(LineDraft, "line": lines add_line change_line delete_line);

    type Report = LineRow;
    const TYPED: &'static [&'static str] = &["ax", "ay", "bx", "by"];

    fn places() -> Value {
        json!({"a": [0, 0], "b": [0, 0]})
    }

    fn put_typed(draft: &mut LineDraft, form: &[(String, String)], sent: &Value, known: Option<&LineDraft>) {
        let form = LineForm::from_fields(form);
        if sent.get("a").is_none() {
            draft.a = form.a;
        }
        if sent.get("b").is_none() {
            draft.b = form.b;
        }
        if let Some(known) = known {
            as_it_was(&mut draft.a, known.a);
            as_it_was(&mut draft.b, known.b);
        }
    }

    fn report(&self, _: &Site) -> Result<LineRow, Problem> {
        Ok(self.clone())
    }

    /// The other key of a pair may be unchanged.
    fn named(error: EditError, sent: &Value) -> EditError {
        let is_sent = |key: &str| sent.get(key).is_some_and(|value| !value.is_null());
        match error {
            EditError::Wrong { field, range, words, others } => {
                let other = TOGETHER.iter().find(|(first, second)| *second == field && is_sent(first));
                let field = other.filter(|_| !is_sent(field)).map_or(field, |(first, _)| *first);
                EditError::Wrong { field, range, words, others }
            }
            error => error,
        }
    }
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

/// `GET /api/v1/lines/{id}`, including deleted lines.
pub async fn get(request: Request) -> Result<Response<Body>, Problem> {
    let id = request.id;
    if let Ok(row) = known::<LineRow>(request.site.counts()?, id) {
        return one(&request, &row).await;
    }
    let rows = request.site.counts_readers()?.read(|reader| reader.lines()).await?;
    let row = rows.iter().find(|row| row.id == id).ok_or(EditError::Unknown { what: "line", id })?;
    one(&request, row).await
}
