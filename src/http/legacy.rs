//! The addresses of mjpg-streamer, µStreamer and the Flask programs: frozen, byte-exact, and only a translation to
//! the rest of the program.

use std::fs::File;
use std::path::Path;

use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use rustix::fs::{Mode, OFlags};

use crate::http::api::camera::light::LightRequest;
use crate::http::api::camera::{lens, light, live};
use crate::http::api::machine::power;
use crate::http::api::machine::power::ByKey;
use crate::http::api::media::snapshots::asked_of_old;
use crate::http::auth::refusals::Refusal;
use crate::http::report;
use crate::http::report::wire;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::request::reply;
use crate::http::request::reply::{TEXT, no_store};
use crate::http::server::body::Body;
use crate::http::site::handler;
use crate::http::site::handler::{Request, Route};
use crate::http::site::power_switch::PowerAction;
use crate::http::site::preferences::{PreferenceChanges, Terms};
use crate::http::site::readers::MediaReadError;
use crate::pipeline::HoldOutcome;
use crate::pipeline::focus::Move;
use crate::pipeline::recording::import::{ImportError, ImportRequest, import};
use crate::pipeline::recording::{RecordingRequest, SnapshotRequest};
use tallycam_config::kind::color;
use tallycam_store::media::MediaError;

const JSON: &str = "application/json";

/// A fixed answer; old text bodies have no trailing newline.
fn say(status: StatusCode, kind: &'static str, body: &'static str) -> Response<Body> {
    let mut response = reply::fixed(kind, body);
    *response.status_mut() = status;
    response
}

/// The route meant by the query: `/?action=stream` and `/?action=snapshot`, as in mjpg-streamer, are not the page.
pub fn meant(table: &'static [Route], route: &'static Route, query: &Query) -> &'static Route {
    let picture = match query.get("action").filter(|_| route.path == "/") {
        Some("stream") => handler::got(table, "/stream"),
        Some("snapshot") => handler::got(table, "/snapshot.jpg"),
        _ => None,
    };
    picture.unwrap_or(route)
}

/// `GET /snapshot`: the JPEG. With the key `filename` it is stored under this name, as viewers see it unless the
/// query asks for another form.
pub async fn snapshot(request: Request) -> Result<Response<Body>, Problem> {
    if request.query.get("filename").is_none() {
        return live::snapshot(request).await;
    }
    let kept = match once(&request).and_then(|()| request.site.recorder()) {
        Ok(recorder) => {
            let (which, change) = asked_of_old(&request.query, &request.site.settings().zone);
            let (name, date, note) = (name(&request, ".jpg"), date(&request), String::new());
            let options = SnapshotRequest { name, date, note, which, change };
            recorder.snapshot(options).await.map_err(Problem::from)
        }
        Err(problem) => Err(problem),
    };
    old_answer(&request, kept.map(drop), "Error with snapshot")
}

/// `GET /video_capture`: `false` starts a recording, `true` ends it: the value is the old button's state.
pub async fn video_capture(request: Request) -> Result<Response<Body>, Problem> {
    let recorder = once(&request).and_then(|()| request.site.recorder());
    let done = match (switched_on(&request), recorder) {
        (_, Err(problem)) => Err(problem),
        (Some(true), Ok(recorder)) => {
            let options = RecordingRequest {
                name: name(&request, ".avi"),
                date: date(&request),
                ..RecordingRequest::default()
            };
            recorder.record(options).await.map(drop).map_err(Problem::from)
        }
        (Some(false), Ok(recorder)) => recorder.end_recording().await.map(drop).map_err(Problem::from),
        (None, Ok(_)) => Ok(()),
    };
    old_answer(&request, done, "Error with recording video")
}

/// `GET /autofocus`: `false` switches it on, `true` off: as in the other old switches, the value is the button's
/// state.
pub async fn autofocus(request: Request) -> Result<Response<Body>, Problem> {
    let movement = Ok(switched_on(&request).map(Move::Auto));
    focused(&request, movement, Move::Auto(true), "Autofocus not supported").await
}

/// `GET /set_focus?value=`: to a position, clamped to 0…1.
pub async fn set_focus(request: Request) -> Result<Response<Body>, Problem> {
    let movement = match number(&request, "value") {
        Some(place) => Ok(Some(Move::To(place.clamp(0.0, 1.0)))),
        None => Err("value is not a number"),
    };
    focused(&request, movement, Move::To(0.0), NO_FOCUS).await
}

/// `GET /step_focus?direction=`: by 0.05 in the direction of the number's sign, `+` or `-`. An unescaped plus arrives
/// as a space.
pub async fn step_focus(request: Request) -> Result<Response<Body>, Problem> {
    let sign = match request.query.get("direction") {
        Some("+" | " ") => Some(1.0),
        Some("-") => Some(-1.0),
        _ => number(&request, "direction").map(|number| if number == 0.0 { 0.0 } else { number.signum() }),
    };
    let movement = match sign {
        Some(sign) => Ok((sign != 0.0).then_some(Move::By(0.05 * sign))),
        None => Err("direction is neither a number nor + nor -"),
    };
    focused(&request, movement, Move::By(0.05), NO_FOCUS).await
}

const NO_FOCUS: &str = "Changing focus not supported";

/// `200`, or 403 with `words` if this camera's lens cannot make the move `any`. `movement` is the move, no move, or
/// the fault of the parameter.
async fn focused(
    request: &Request,
    movement: Result<Option<Move>, &'static str>,
    any: Move,
    words: &'static str,
) -> Result<Response<Body>, Problem> {
    let done = match movement {
        Ok(Some(movement)) => lens::make(&request.site, movement).await,
        Ok(None) | Err(_) => lens::can(&request.site, any).await,
    };
    match (done, movement) {
        (Err(problem), _) if problem.status == StatusCode::FORBIDDEN => {
            Ok(no_store(say(StatusCode::FORBIDDEN, TEXT, words)))
        }
        (_, Err(wrong)) => Ok(no_store(say(StatusCode::BAD_REQUEST, TEXT, wrong))),
        (Err(problem), Ok(Some(_))) => Err(problem),
        _ => Ok(no_store(say(StatusCode::OK, TEXT, "200"))),
    }
}

/// The value of `key` as a number, possibly infinite.
fn number(request: &Request, key: &str) -> Option<f64> {
    request.query.get(key)?.trim().parse().ok().filter(|number: &f64| !number.is_nan())
}

/// True if `status` switches on, which is `false`: the value is the old button's state. `None` for any other word,
/// which changes nothing.
fn switched_on(request: &Request) -> Option<bool> {
    let status = request.query.get("status")?.trim().to_ascii_lowercase();
    Some(!status.parse::<bool>().ok()?)
}

/// `GET /grayscale?status=`: `false` switches the effect on, `true` off.
pub async fn grayscale(request: Request) -> Result<Response<Body>, Problem> {
    switch(request, "picture.gray", "true", "false").await
}

/// `GET /resolution?status=`: the same for half the width and height.
pub async fn resolution(request: Request) -> Result<Response<Body>, Problem> {
    switch(request, "picture.scale", "\"1/2\"", "\"1\"").await
}

async fn switch(request: Request, key: &str, on: &str, off: &str) -> Result<Response<Body>, Problem> {
    if let Some(is_on) = switched_on(&request) {
        let value = if is_on { on } else { off };
        let changes = PreferenceChanges::from([(key.to_owned(), Some(value.to_owned()))]);
        request.site.preferences()?.change(changes, Terms::default()).await?;
    }
    Ok(no_store(say(StatusCode::OK, TEXT, "200")))
}

/// An item, as the old programs list it.
#[derive(serde::Serialize, schemars::JsonSchema)]
pub struct LegacyRow {
    date: String,
    filename: String,
}

/// `GET /get_database`: all items by ID.
pub async fn get_database(request: Request) -> Result<Response<Body>, Problem> {
    let rows = request.site.media_readers()?.read(|reader| reader.legacy_list()).await?;
    let rows: Vec<LegacyRow> =
        rows.into_iter().map(|(_, date, filename)| LegacyRow { date, filename }).collect();
    Ok(no_store(reply::fixed(JSON, wire::json(&rows))))
}

/// `GET /database/add`: stores a copy of the file of this name in the folder `import` beside the store. A name that
/// exists in the store is `200`, with or without such a file, and nothing is imported again.
pub async fn database_add(request: Request) -> Result<Response<Body>, Problem> {
    once(&request)?;
    let site = &request.site;
    let media = site.media()?.clone();
    let wanted = request.query.get("filename").unwrap_or_default().to_owned();
    if by_name(&request, &wanted).await?.is_some() {
        return Ok(say(StatusCode::OK, TEXT, "200"));
    }
    let folder = media.file().parent().map(|folder| folder.join("import")).unwrap_or_default();
    let options = ImportRequest {
        name: Some(wanted.clone()),
        may_rename: false,
        date: date(&request),
        note: String::new(),
        stamp: None,
        modified_us: None,
        fps: None,
        source: format!("file {wanted}"),
        zone: site.settings().zone.clone(),
    };
    let added = tokio::task::spawn_blocking({
        let wanted = wanted.clone();
        move || {
            let Some(file) = open_in(&folder, &wanted) else { return Ok(false) };
            match import(&media, file, options) {
                // Another request has added it meanwhile.
                Ok(_) | Err(ImportError::Media(MediaError::SameName(_))) => Ok(true),
                Err(error) => Err(error),
            }
        }
    });
    match added.await {
        Ok(Ok(true)) => Ok(say(StatusCode::OK, TEXT, "200")),
        Ok(Ok(false)) => Ok(unable_to_find(&wanted)),
        Ok(Err(error)) => Err(error.into()),
        Err(panicked) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, panicked.to_string())),
    }
}

/// `GET /database/remove`.
pub async fn database_remove(request: Request) -> Result<Response<Body>, Problem> {
    once(&request)?;
    let media = request.site.media()?;
    let wanted = request.query.get("filename").unwrap_or_default();
    let Some(id) = by_name(&request, wanted).await? else { return Ok(unable_to_find(wanted)) };
    match media.remove(vec![id]).await {
        Err(MediaError::Unknown(_)) => Ok(unable_to_find(wanted)),
        removed => {
            removed?;
            Ok(say(StatusCode::OK, TEXT, "200"))
        }
    }
}

/// `GET /database/new`: sets the old file aside, even one that cannot be opened, and deletes nothing.
pub async fn database_new(request: Request) -> Result<Response<Body>, Problem> {
    request.site.recorder()?.recreate_store(&request.site.settings().zone).await?;
    Ok(say(StatusCode::OK, TEXT, "200"))
}

/// The ID of the item with this name.
async fn by_name(request: &Request, name: &str) -> Result<Option<u64>, Problem> {
    let name = name.to_owned();
    match request.site.media_readers()?.read(move |reader| reader.by_name(&name)).await {
        Ok(item) => Ok(Some(item.id)),
        Err(MediaReadError::Store(MediaError::Unknown(_) | MediaError::Wrong(_))) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens the file `name` directly in `folder`; only a regular file, no link.
fn open_in(folder: &Path, name: &str) -> Option<File> {
    if Path::new(name).file_name().is_none_or(|own| own != name) {
        return None;
    }
    // Opening a pipe would block otherwise.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(folder.join(name), flags, Mode::empty()).ok()?);
    file.metadata().is_ok_and(|data| data.is_file()).then_some(file)
}

/// Checks that name and date are not repeated, because their value would be ambiguous.
fn once(request: &Request) -> Result<(), Problem> {
    request.query.once("filename")?;
    request.query.once("date")?;
    Ok(())
}

/// The name from an old route with the extension, which callers usually omit; an empty name counts as absent.
fn name(request: &Request, extension: &str) -> Option<String> {
    let name = request.query.get("filename").filter(|name| !name.is_empty())?;
    let has_it = name.to_ascii_lowercase().ends_with(extension) && name.len() > extension.len();
    Some(if has_it { name.to_owned() } else { format!("{name}{extension}") })
}

/// The date from an old route as ISO 8601: `2018-1-5` is 2018-01-05, and a time may follow. `None` if malformed.
fn date(request: &Request) -> Option<String> {
    let text = request.query.get("date")?.trim();
    let (day, time) = text.split_at(text.find(['T', ' ']).unwrap_or(text.len()));
    let mut numbers = day.splitn(3, '-');
    let (year, month, day) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let day = jiff::civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    let date = format!("{day}{time}");
    let has_time =
        || date.parse::<jiff::civil::DateTime>().is_ok() || date.parse::<jiff::Timestamp>().is_ok();
    (time.is_empty() || has_time()).then_some(date)
}

/// `GET /light`: `false` switches it on and `true` off, as the old documentation says; the reverse with
/// `[lights] old_status = "program"`.
pub async fn light(request: Request) -> Result<Response<Body>, Problem> {
    if !report::light::has(&request.site) {
        return Ok(say(StatusCode::FORBIDDEN, TEXT, "Changing light not supported"));
    }
    let is_on = switched_on(&request).map(|is_on| is_on != light::is_old_status_the_programs(&request.site));
    lit(&request, LightRequest { is_on, ..LightRequest::default() }).await
}

/// `GET /set_brightness?value=`: the integer part; a value outside 0–255 changes nothing.
pub async fn set_brightness(request: Request) -> Result<Response<Body>, Problem> {
    if !report::light::has(&request.site) {
        return Ok(say(StatusCode::FORBIDDEN, TEXT, "Changing brightness not supported"));
    }
    let Some(value) = number(&request, "value") else {
        return Ok(no_store(say(StatusCode::BAD_REQUEST, TEXT, "value is not a number")));
    };
    let value = value.trunc();
    let brightness = (0.0..=255.0).contains(&value).then_some(value as u8);
    lit(&request, LightRequest { brightness, ..LightRequest::default() }).await
}

/// `GET /set_color?value=`: the first six hexadecimal digits, RRGGBB; without them nothing changes. A light that is
/// off stays off and has this colour when it is switched on.
pub async fn set_color(request: Request) -> Result<Response<Body>, Problem> {
    if !report::light::has_colors(&request.site) {
        return Ok(say(StatusCode::FORBIDDEN, TEXT, "Changing color not supported"));
    }
    let value = request.query.get("value").unwrap_or_default();
    let color = value.strip_prefix('#').unwrap_or(value).get(..6).and_then(color);
    lit(&request, LightRequest { color, ..LightRequest::default() }).await
}

/// Applies `options`, if any.
async fn lit(request: &Request, options: LightRequest) -> Result<Response<Body>, Problem> {
    if options != LightRequest::default() {
        light::change(&request.site, options, None).await?;
    }
    Ok(say(StatusCode::OK, TEXT, "200"))
}

/// `200`, or the old words for any fault: 400 for a wrong request, else 500, as in the old programs, even for
/// temporary faults. Privacy mode answers as everywhere else.
fn old_answer(
    request: &Request,
    done: Result<(), Problem>,
    words: &'static str,
) -> Result<Response<Body>, Problem> {
    match done {
        Ok(()) => Ok(say(StatusCode::OK, TEXT, "200")),
        Err(problem) if problem.status == StatusCode::FORBIDDEN => Err(problem),
        Err(problem) => {
            log::warn!("{words}, asked for by {}: {}", request.link.peer(), problem.detail);
            let is_refused = problem.status.is_client_error();
            let status = if is_refused { StatusCode::BAD_REQUEST } else { StatusCode::INTERNAL_SERVER_ERROR };
            Ok(say(status, TEXT, words))
        }
    }
}

fn unable_to_find(name: &str) -> Response<Body> {
    let mut response = no_store(reply::fixed(TEXT, format!("Unable to find {name}")));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// `GET /health`.
pub async fn health(request: Request) -> Response<Body> {
    let site = &request.site;
    let (status, body) = match site.is_healthy(&site.pipeline.status()) {
        true => (StatusCode::OK, "True"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "False"),
    };
    no_store(say(status, TEXT, body))
}

/// `POST /start_stream`: holds the camera open and restarts the counts of `/get_counts` at zero.
pub async fn start_stream(request: Request) -> Response<Body> {
    let site = &request.site;
    let body = match site.pipeline.hold_open().await {
        HoldOutcome::Started => {
            if let Some(counting) = &site.counting {
                counting.force_on();
            }
            r#"{"status":"started"}"#
        }
        HoldOutcome::AlreadyRunning => r#"{"status":"already_running"}"#,
        HoldOutcome::CouldNotOpen(trouble) => {
            log::info!("/start_stream from {}: {trouble}", request.link.peer());
            r#"{"status":"error","message":"Could not open camera."}"#
        }
    };
    say(StatusCode::OK, JSON, body)
}

/// `POST /stop_stream`: the camera is released before the answer.
pub async fn stop_stream(request: Request) -> Response<Body> {
    request.site.pause().await;
    say(StatusCode::OK, JSON, r#"{"status":"stopped"}"#)
}

/// `POST /shutdown`: the same with another answer.
pub async fn shutdown(request: Request) -> Response<Body> {
    request.site.pause().await;
    say(StatusCode::OK, TEXT, "Capture released")
}

/// `GET /get_counts`: 0/0 without counting.
pub async fn get_counts(request: Request) -> Response<Body> {
    let counting = request.site.counting.as_ref();
    let (count_in, count_out) = counting.map_or((0, 0), |counting| counting.since_start());
    no_store(reply::fixed(JSON, format!(r#"{{"in_count":{count_in},"out_count":{count_out}}}"#)))
}

/// `GET /shutdown?key=`: switches the machine off. (`POST /shutdown`, above, is another program's.)
pub async fn power_off(request: Request) -> Response<Body> {
    by_key(&request, PowerAction::Off, "Error with shutdown").await
}

/// `GET /reboot?key=`.
pub async fn reboot(request: Request) -> Response<Body> {
    by_key(&request, PowerAction::Reboot, "Error with reboot").await
}

async fn by_key(request: &Request, action: PowerAction, words: &'static str) -> Response<Body> {
    let wrong = match power::ask_by_key(request, action).await {
        Ok(()) => return no_store(say(StatusCode::OK, TEXT, "200")),
        Err(ByKey::NotDone) => return no_store(say(StatusCode::INTERNAL_SERVER_ERROR, TEXT, words)),
        Err(wrong) => wrong,
    };
    if let Some(more) = request.site.audit.refused(Refusal::WrongKey, request.caller(), "") {
        log::warn!("wrong key from {}: the machine is not {action}{more}", request.link.peer());
    }
    let mut response = no_store(say(StatusCode::UNAUTHORIZED, TEXT, "Invalid key"));
    if let ByKey::TooSoon(seconds) = wrong {
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// `GET /get_controller_data`: there is no such controller.
pub async fn get_controller_data(_: Request) -> Response<Body> {
    no_store(say(StatusCode::FORBIDDEN, TEXT, "Controller unavailable"))
}
