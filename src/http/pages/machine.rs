//! The pages of the machine: activity, backup and factory reset, notifications, updates.

use std::rc::Rc;

use hyper::Response;
use hyper::header::{HeaderName, HeaderValue};
use tokio::task::spawn_local;

use crate::http::api::machine::activity::{USUAL, in_words, rows};
use crate::http::api::machine::backup::ResetBegun;
use crate::http::api::machine::neighbours;
use crate::http::api::machine::notifications::{KEY, TestedReport, notifier};
use crate::http::api::machine::update::Last;
use crate::http::pages::data_counting;
use crate::http::report::media::StorageSummary;
use crate::http::report::state::StateReport;
use crate::http::request::problem::Problem;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::html::{allow_images, html};
use crate::maintenance::restore::StagedRestore;
use crate::outbound::notify::NotifyReport;
use crate::ui::{
    self, ActivityPage, ActivityRow, AllPage, BackupPage, BackupStep, DeliveryRow, MqttFacts,
    NotificationsPage, Replaced, RuleRow, UpdatePage, UpdateState,
};
use tallycam_base::{as_sentence, clock};
use tallycam_config::NotifyRule;
use tallycam_store::AuditKind;

/// `GET /activity`.
pub async fn activity(request: Request) -> Result<Response<Body>, Problem> {
    let cursor = request.query.whole("cursor", 1..=u64::MAX)?;
    let (rows, has_more) = rows(&request, cursor, USUAL as usize).await?;
    let site = &request.site;
    Ok(html(ui::activity_page(&ActivityPage {
        head: data_counting::head(&request),
        clock: site.clock(),
        is_newest: cursor.is_none(),
        next: rows.last().filter(|_| has_more).map(|last| last.id),
        dropped: site.counts()?.dropped_audit_rows(),
        rows: rows
            .into_iter()
            .map(|row| ActivityRow {
                time_us: row.time_us,
                is_refusal: row.entry.kind == AuditKind::Refused,
                what: in_words(&row),
                who: row.entry.who,
                role: row.entry.role,
                from: row.entry.address,
                browser: row.entry.browser,
            })
            .collect(),
    })))
}

/// Seconds for which browsers show the same stills.
const STILL: u64 = 10;

/// `GET /all`.
pub async fn all(request: Request) -> Response<Body> {
    let mut own = StateReport::of(&request.site, &request.who);
    let all = neighbours::report(&request, &own).await;
    // The look may have found the first ones.
    own.has_neighbours = all.items.len() > 1;
    let page = AllPage {
        head: data_counting::head_with(&request, &own),
        has_picture: !request.site.is_counts_only(),
        moment: clock::wall_us() / 1_000_000 / STILL,
        all,
    };
    let mut response = html(ui::all_page(&page));
    allow_images(&mut response, page.all.items.iter().filter_map(|one| one.address.as_deref()));
    response
}

/// Looks for neighbours beside the request, if nobody has for a while: the menu has a link if there are some.
pub fn look_for_neighbours(site: &Rc<Site>) {
    if site.neighbours.is_look_due() {
        let site = site.clone();
        spawn_local(async move { site.neighbours.look(&site.settings().neighbours).await });
    }
}

/// `GET /backup`.
pub async fn backup(request: Request) -> Response<Body> {
    let restored =
        request.told::<StagedRestore>().map(|StagedRestore { head, access }| BackupStep::Restored {
            name: head.name.clone(),
            made: head.made.clone(),
            users: access.users.clone(),
            tokens: access.tokens.clone(),
            is_open: access.is_open,
        });
    shown(&request, restored.unwrap_or(BackupStep::Begin))
}

/// `GET /factory-reset`: the confirmation page.
pub async fn factory_reset(request: Request) -> Response<Body> {
    let is_reset = request.told::<ResetBegun>().is_some();
    shown(&request, if is_reset { BackupStep::Reset } else { BackupStep::Ask })
}

/// The numbers that the question before a restore names.
fn replaced(request: &Request) -> Replaced {
    let site = &request.site;
    let counts = site.counts().ok();
    Replaced {
        lines: counts.map_or(0, |counts| {
            counts.lines().borrow().iter().filter(|line| line.deleted_us.is_none()).count()
        }),
        zones: counts.map_or(0, |counts| counts.zones().borrow().len()),
        users: site.auth.access().map_or(0, |access| access.users().len()),
        tokens: site.auth.access().map_or(0, |access| access.tokens().len()),
        media: StorageSummary::of(site).map(|stored| (stored.snapshots, stored.recordings)),
    }
}

fn shown(request: &Request, step: BackupStep) -> Response<Body> {
    html(ui::backup_page(&BackupPage {
        head: data_counting::head(request),
        is_counts_only: request.site.is_counts_only(),
        is_claimed_by_network: request.site.settings().is_claimed_by_network,
        step,
        replaced: replaced(request),
        refused: request.refused(),
    }))
}

/// `GET /notifications`.
pub async fn notifications(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let resolved = site.preferences()?.in_force().resolved.clone();
    let NotifyReport { rules, deliveries } = notifier(site)?.report();
    let row = |rule: &NotifyRule| {
        let state = rules.iter().find(|state| state.name == rule.name);
        RuleRow {
            fault: state.and_then(|state| state.fault.clone()),
            hint: state.and_then(|state| state.hint.clone()),
            behind_since_us: state.and_then(|state| state.behind_since.as_ref()).map(|since| since.0),
            rule: rule.hidden(),
        }
    };
    let tested = request.told::<TestedReport>();
    Ok(html(ui::notifications_page(&NotificationsPage {
        head: data_counting::head(&request),
        clock: site.clock(),
        rules: resolved.config.notify.iter().map(row).collect(),
        deliveries: deliveries
            .into_iter()
            .map(|row| DeliveryRow {
                time_us: row.time.0,
                rule: row.rule,
                text: row.text,
                has_arrived: row.arrived,
                answer: row.answer,
                tries: row.tries,
            })
            .collect(),
        places: places(site),
        pinned: site.pinned(KEY),
        mqtt: notifier(site)?.mqtt().report().map(|report| MqttFacts {
            words: as_sentence(report.words.as_deref().unwrap_or_default()),
            topic: report.topic,
            hint: report.hint,
            is_faulty: report.is_faulty,
        }),
        tested: tested.map(|tested| (tested.name.clone(), tested.answer.clone())),
    })))
}

/// The names of lines and zones.
fn places(site: &Site) -> Vec<String> {
    let Ok(counts) = site.counts() else { return Vec::new() };
    let (lines, zones) = (counts.lines(), counts.zones());
    let (lines, zones) = (lines.borrow(), zones.borrow());
    let lines = lines.iter().filter(|line| line.deleted_us.is_none()).map(|line| &line.draft.name);
    let mut names: Vec<String> = lines.chain(zones.iter().map(|zone| &zone.draft.name)).cloned().collect();
    names.dedup();
    names
}

/// `GET /update`.
pub async fn update(request: Request) -> Response<Body> {
    let last = Last::of(&request.site).await;
    let mut page = html(ui::update_page(&UpdatePage {
        head: data_counting::head(&request),
        by: last.by(),
        last: last.phase().map(|phase| UpdateState {
            phase,
            words: last
                .status
                .as_ref()
                .filter(|_| !last.is_waiting)
                .map(|status| status.words.clone())
                .unwrap_or_default(),
        }),
        refused: request.refused(),
    }));
    // The page reloads during an update, more slowly while the service restarts and cannot answer.
    let again_s = match last.phase() {
        _ if request.returned.is_some() => return page,
        Some("waiting" | "checking" | "unpacking") => "3",
        Some("starting") => "15",
        _ => return page,
    };
    page.headers_mut().insert(HeaderName::from_static("refresh"), HeaderValue::from_static(again_s));
    page
}
