//! `/api/v1/lens`: the lens position, the sharpness and the focus sweep, also for pages and the old routes.
//!
//! A change is made on the camera at once and stored as settings of its controls, so that it holds after the next
//! opening. Without stored settings it holds until the camera closes.

use std::rc::Rc;

use hyper::header::ETAG;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::http::api::camera::controls;
use crate::http::api::machine::settings;
use crate::http::auth::caller::Who;
use crate::http::report;
use crate::http::report::schema_parts::object;
use crate::http::report::wire;
use crate::http::report::wire::Redact;
use crate::http::request::body;
use crate::http::request::body::FieldError;
use crate::http::request::kinds::{Given, NumberIn, SentKind, kinds};
use crate::http::request::problem::Problem;
use crate::http::request::{etag, json_body, reply};
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::preferences::{NotSet, PreferenceChanges, SettingsInForce};
use crate::http::site::task::to_its_end;
use crate::pipeline::CameraState;
use crate::pipeline::focus::{FocusError, Move, Planned, SweepEnd};
use crate::ui::{LastSweep, LensReport, LensWindow, SweepProgress};
use tallycam_config::LensKind;

/// A change of the lens: exactly one of these. `auto: false` beside a position or a step is allowed, because it is
/// implied.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
#[schemars(extend("minProperties" = 1, "not" = {"required": ["position", "step"]}, "dependentSchemas" = {
    "window": {"maxProperties": 1},
    "position": {"properties": {"auto": {"const": false}}},
    "step": {"properties": {"auto": {"const": false}}},
}))]
pub struct LensPatch {
    position: Given<NumberIn<0, 100>>,
    auto: Given<bool>,
    #[schemars(extend("not" = {"const": 0}))]
    step: Given<NumberIn<-100, 100>>,
    /// `null`: all of the picture.
    window: Given<Option<WindowPlace>>,
}

kinds!([] WindowPlace);

/// The focus window of a change, in fractions of the shown picture.
#[derive(Debug, Clone, Copy, PartialEq)]
struct WindowPlace([f64; 2]);

impl SentKind for WindowPlace {
    fn of(given: &Value) -> Result<WindowPlace, String> {
        let share = |key| given.get(key)?.as_f64().filter(|share| (0.0..=1.0).contains(share));
        let is_window = given.as_object().is_some_and(|given| given.len() == 2);
        let at = share("x").zip(share("y")).filter(|_| is_window);
        let (x, y) = at.ok_or("{\"x\": 0.4, \"y\": 0.6}, each from 0 to 1, or null")?;
        Ok(WindowPlace([x, y]))
    }

    fn schema() -> Value {
        let share = json!({"type": "number", "minimum": 0, "maximum": 1});
        object(json!({"x": share, "y": share}))
    }
}

/// The wanted change.
#[derive(Debug, PartialEq)]
enum LensWish {
    Move(Move),
    LookAt(Option<[f64; 2]>),
}

impl LensPatch {
    /// The one change of the body `sent`.
    fn of(sent: &Value) -> Result<LensWish, FieldError> {
        let patch: LensPatch = body::of(sent, &[])?;
        let (position, auto) = (patch.position.0.map(|to| to.0), patch.auto.0);
        let wrong = |key, expected: &str| Err(body::wrong(key, expected, body::given_in(sent, key)));
        Ok(LensWish::Move(match (position, patch.step.0.map(|by| by.0), auto, patch.window.0) {
            (None, None, None, Some(window)) => return Ok(LensWish::LookAt(window.map(|at| at.0))),
            (.., Some(_)) => return wrong("window", "by itself, without a position, a step or auto"),
            (Some(_), Some(_), ..) => return wrong("step", "left away where a position is given"),
            (None, None, Some(is_on), _) => Move::Auto(is_on),
            (_, _, Some(true), _) => {
                return wrong("auto", "false, or left away, where a position or a step is given");
            }
            (_, Some(0.0), ..) => return wrong("step", "a number from -1 to 1 that is not 0"),
            (Some(position), ..) => Move::To(position),
            (_, Some(step), ..) => Move::By(step),
            (None, None, None, None) => return wrong("position", "given, or auto, or step"),
        }))
    }
}

/// Points autofocus at this place and stores it.
pub async fn look_at(site: &Rc<Site>, at: Option<[f64; 2]>, expected: Option<u64>) -> Result<(), Problem> {
    let values = site.focus.autofocus_at(kind(site), at).await?;
    let now = site.pipeline.controls().await?;
    let wanted = values.into_iter().map(|value| (value.name, Some(value.value))).collect();
    let set = controls::set(site, now, wanted, expected).await;
    site.focus.invalidate();
    let set = set?;
    if set.refused.is_empty() {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, set.notes.join(" ")))
}

/// The state of the lens and the sharpness of the newest picture, redacted for `who`.
pub async fn report(site: &Site, who: &Who) -> LensReport {
    let (status, sharpness) = (site.focus.status(kind(site)).await, site.focus.sharpness().await);
    let rounded = |value: f64, per: f64| (value * per).round() / per;
    let report = LensReport {
        supported: status.reason.is_none(),
        reason: status.reason,
        position: status.position.map(|position| rounded(position, 1e4)),
        auto: status.auto,
        has_position: status.has_position,
        has_window: status.window.is_some(),
        window: status.window.flatten().map(|[x, y]| LensWindow { x: rounded(x, 1e4), y: rounded(y, 1e4) }),
        sharpness: sharpness.map(|sharpness| rounded(sharpness, 100.0)),
        sweep: status.sweep.map(|(done, of)| SweepProgress { done, of }),
        last_sweep: status
            .ended
            .map(|end| LastSweep { found: matches!(end, SweepEnd::Found { .. }), message: end.describe() }),
        unsaved: site.unsaved(),
    };
    wire::redacted_for(who, report)
}

/// Checks that the lens supports such a move. It moves nothing, and a sweep goes on.
///
/// # Errors
/// It does not, or the camera cannot be asked.
pub async fn can(site: &Site, movement: Move) -> Result<(), Problem> {
    Ok(site.focus.check_move(kind(site), movement).await?)
}

/// Makes a valid move. It completes even if its caller leaves.
pub async fn make(site: &Rc<Site>, movement: Move) -> Result<(), Problem> {
    make_if(site, movement, None).await
}

/// The same; with `expected`, only if the settings still have that version.
async fn make_if(site: &Rc<Site>, movement: Move, expected: Option<u64>) -> Result<(), Problem> {
    let site = Rc::clone(site);
    to_its_end(async move { make_and_keep(&site, movement, expected).await }).await
}

async fn make_and_keep(site: &Site, movement: Move, expected: Option<u64>) -> Result<(), Problem> {
    let _turn = site.focus.lock_controls().await;
    let planned = site.focus.plan(kind(site), movement).await?;
    refuse_pinned(site, &planned)?;
    let in_force = site.preferences().ok().map(|settings| settings.in_force());
    // Before the lens moves, because planning takes time.
    if expected.is_some_and(|version| in_force.as_ref().is_some_and(|it| it.version != version)) {
        return Err(NotSet::Changed.into());
    }
    site.focus.set(planned.controls()).await.map_err(FocusError::from)?;
    if let Err(problem) = keep(site, &planned, expected).await {
        // The position would not survive a restart, so it must not hold now.
        bring_back(site, &planned, in_force.as_deref()).await;
        return Err(problem);
    }
    Ok(())
}

/// Restores the lens after a change that was not stored; `was` are the settings from its start.
async fn bring_back(site: &Site, planned: &Planned, was: Option<&SettingsInForce>) {
    let mut controls = match site.pipeline.controls().await {
        // Another camera's lens has not been moved.
        Ok(found) if found.identity != planned.identity => {
            log::warn!("the focus position was not restored: there is another camera now");
            return;
        }
        Ok(found) => found.controls,
        Err(error) => {
            log::warn!("the focus position was not restored: {error}");
            return;
        }
    };
    // A position without effect under autofocus is restored only if it is set by now.
    let is = site.preferences().ok().map(|settings| settings.in_force());
    let identity = planned.identity.as_deref();
    controls.retain_mut(|control| {
        let is_changed = planned.change.kept.iter().any(|(name, _)| *name == control.name);
        match planned.before.iter().find(|before| before.name == control.name) {
            Some(before) => control.value = before.value,
            None if is.as_ref().is_some_and(|is| controls::set_to(is, identity, &control.name).is_some()) => {
            }
            None => return false,
        }
        is_changed
    });
    controls::set_back(site, &controls, planned.identity.as_deref(), was).await;
}

/// Starts a focus sweep, which goes on by itself.
pub async fn sweep(site: &Rc<Site>) -> Result<(), Problem> {
    if site.pipeline.status().state == CameraState::Paused {
        return Err(Problem::new(StatusCode::CONFLICT, "the camera is paused: there is nothing to look at")
            .hint("resume it on the live page. `POST /api/v1/resume` does so, too"));
    }
    let turn = site.focus.lock_controls().await;
    let mut sweeping = site.focus.start_sweep(kind(site)).await?;
    drop(turn);
    // Before the lens moves: a pinned result could not be stored.
    for end in sweeping.end_plans() {
        refuse_pinned(site, &end)?;
    }
    let site = Rc::clone(site);
    tokio::task::spawn_local(async move {
        let in_force = site.preferences().ok().map(|settings| settings.in_force());
        let Some(planned) = sweeping.run().await else { return };
        // The operator may have pinned it meanwhile.
        let kept = match refuse_pinned(&site, &planned) {
            Ok(()) => keep(&site, &planned, None).await,
            Err(pinned) => Err(pinned),
        };
        if let Err(problem) = &kept {
            log::warn!("the result of the focus sweep is not saved: {}", problem.detail);
            site.focus.record_not_saved("what it has found is not kept, and the log says why");
        }
        // The sweep ends here: other moves waited for it.
        drop(sweeping);
        if kept.is_err() {
            let _turn = site.focus.lock_controls().await;
            bring_back(&site, &planned, in_force.as_deref()).await;
        }
    });
    Ok(())
}

/// Cancels the current sweep; completes when the lens is back at its place.
pub async fn cancel(site: &Site) {
    site.focus.cancel_sweep().await;
}

/// `[lens] kind` in force.
fn kind(site: &Site) -> LensKind {
    site.preferences().map_or(LensKind::Auto, |settings| settings.in_force().resolved.config.lens.kind)
}

/// Refuses to change a value that the operator pins. The pinned value itself is allowed: if the operator's file
/// switches autofocus off, the lens can still be moved by hand.
fn refuse_pinned(site: &Site, planned: &Planned) -> Result<(), Problem> {
    let Ok(settings) = site.preferences() else { return Ok(()) };
    let (in_force, identity) = (settings.in_force(), planned.identity.as_deref());
    for value in &planned.change.values {
        let Some(place) = report::controls::pinned(&in_force, identity, &value.name) else { continue };
        if controls::set_to(&in_force, identity, &value.name) != Some(value.value) {
            return Err(NotSet::Pinned { path: value.name.clone(), place }.into());
        }
    }
    Ok(())
}

/// Stores a change for its camera, without values that the operator pins.
async fn keep(site: &Site, planned: &Planned, expected: Option<u64>) -> Result<(), Problem> {
    let (Ok(settings), Some(identity)) = (site.preferences(), planned.identity.as_deref()) else {
        return Ok(());
    };
    let in_force = settings.in_force();
    let is_ours = |name: &str| report::controls::pinned(&in_force, Some(identity), name).is_none();
    let kept = planned.change.kept.iter().filter(|(name, _)| is_ours(name));
    let of = |(name, value): &(String, Option<f64>)| {
        controls::kept_as(&in_force, identity, name, value.map(|value| value.to_string()))
    };
    let changes: PreferenceChanges = kept.flat_map(of).collect();
    if changes.is_empty() {
        return Ok(());
    }
    settings.change(changes, expected.into()).await?;
    Ok(())
}

/// The version that settings must still have, if the request names one; checked before the lens moves.
fn expected(request: &Request) -> Result<Option<u64>, Problem> {
    let Ok(preferences) = request.site.preferences() else { return Ok(None) };
    Ok(settings::expected(&request.headers, preferences.in_force().version)?)
}

impl Redact for LensReport {
    fn redact(&mut self) {
        wire::redact_reason(&mut self.reason, &mut None);
        wire::redact_reason(&mut self.unsaved, &mut None);
    }
}

/// `GET /api/v1/lens`.
pub async fn get(request: Request) -> Response<Body> {
    let report = report(&request.site, &request.reader().await).await;
    let mut response = reply::json(wire::json(&report));
    // Its stored part are settings, and share their version.
    let version = request.site.preferences().ok().map(|preferences| preferences.in_force().version);
    if let Some(tag) = version.and_then(etag::of) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// `PATCH /api/v1/lens`.
pub async fn patch(request: Request) -> Result<Response<Body>, Problem> {
    let sent: Value = json_body::read(&request.headers, &request.body).map_err(FieldError::from)?;
    match LensPatch::of(&sent) {
        Ok(LensWish::Move(movement)) => make_if(&request.site, movement, expected(&request)?).await?,
        Ok(LensWish::LookAt(at)) => look_at(&request.site, at, expected(&request)?).await?,
        Err(error) => {
            // Without a lens, a wrong value does not matter: the same as for the light.
            if !matches!(error, FieldError::Unknown { .. }) {
                request.site.focus.require_lens(kind(&request.site)).await?;
            }
            return Err(error.into());
        }
    }
    Ok(get(request).await)
}

/// `POST /api/v1/lens/reset`.
pub async fn post_reset(request: Request) -> Result<Response<Body>, Problem> {
    body::read_none(&request.headers, &request.body)?;
    make_if(&request.site, Move::Reset, expected(&request)?).await?;
    Ok(get(request).await)
}

/// `POST /api/v1/lens/sweep`.
pub async fn post_sweep(request: Request) -> Result<Response<Body>, Problem> {
    body::read_none(&request.headers, &request.body)?;
    sweep(&request.site).await?;
    let mut response = get(request).await;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// `DELETE /api/v1/lens/sweep`.
pub async fn delete_sweep(request: Request) -> Response<Body> {
    cancel(&request.site).await;
    get(request).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_window_is_a_place_or_null() {
        let of = |body: Value| LensPatch::of(&body).map_err(|error| format!("{error:?}"));
        assert_eq!(of(json!({"window": {"x": 0.4, "y": 1}})), Ok(LensWish::LookAt(Some([0.4, 1.0]))));
        assert_eq!(of(json!({"window": null})), Ok(LensWish::LookAt(None)));
        for wrong in
            [json!({"x": 2, "y": 0}), json!({"x": 0.1}), json!([0.1, 0.1]), json!({"x": 0, "y": 0, "z": 0})]
        {
            assert!(of(json!({"window": wrong})).is_err(), "{wrong}");
        }
        assert!(of(json!({"window": null, "step": 0.1})).is_err());
    }

    #[test]
    fn a_change_is_exactly_one_move() {
        for (body, movement) in [
            (json!({"position": 0.4}), Move::To(0.4)),
            (json!({"position": 0, "auto": false}), Move::To(0.0)),
            (json!({"step": -0.05}), Move::By(-0.05)),
            (json!({"auto": true}), Move::Auto(true)),
            (json!({"auto": "off"}), Move::Auto(false)),
        ] {
            assert_eq!(LensPatch::of(&body), Ok(LensWish::Move(movement)), "{body}");
        }
        for body in [
            json!({}),
            json!({"position": 0.4, "auto": true}),
            json!({"position": 0.4, "step": 0.1}),
            json!({"auto": true, "step": 0.1}),
            json!({"step": 0}),
            json!({"position": null}),
            json!({"position": 1.1}),
        ] {
            assert!(matches!(LensPatch::of(&body), Err(FieldError::Wrong { .. })), "{body}");
        }
    }
}
