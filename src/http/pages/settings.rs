//! The settings page. Its forms are requests to the API; one that only previews deletions requests the page.

use hyper::Response;

use crate::http::api::machine::settings_form;
use crate::http::pages::{data_settings, retention};
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use crate::http::site::html::html;
use crate::http::site::preferences::SettingsInForce;
use crate::pipeline::CameraControls;
use crate::ui::{self, SettingsPage};

/// The message after an import.
const IMPORTED: &str = "These settings are in force, in the place of those that were set here before";

/// `GET /settings`.
pub async fn settings(request: Request) -> Response<Body> {
    let (site, query) = (&request.site, &request.query);
    let mut page = data_settings::page(&request).await;
    if let Some(form) = &request.returned {
        data_settings::put_returned(site, &mut page, form).await;
    }
    if let (Some(_), Ok(preferences)) = (query.get("plan"), site.preferences()) {
        let plan = match settings_form::changes(query, &preferences.in_force()) {
            Ok(changes) => retention::preview(site, &changes).await,
            Err(not) => Err(not),
        };
        data_settings::put_typed(&mut page, query);
        match plan {
            Ok(plan) => page.plan = plan,
            Err(not) => data_settings::put_wrong(&mut page, &not.into()),
        }
    }
    if let Some(set) = request.told::<CameraControls>() {
        data_settings::put_told(site, &mut page, set);
    }
    let imported = request.told::<SettingsInForce>();
    if let Some(in_force) = imported {
        page.complaint.clone_from(&in_force.complaint);
    }
    let done = match query.get("done") {
        Some("import") => Some(IMPORTED),
        Some("off") => Some("The machine is switching off"),
        Some("reboot") => Some("The machine is restarting: this page is back in about a minute"),
        _ => None,
    };
    html(ui::settings_page(&SettingsPage {
        saved: query.get("saved").unwrap_or_default().split(',').map(String::from).collect(),
        search: query.get("q").unwrap_or_default().trim().to_owned(),
        has_power: site.power.is_some(),
        done: done.map(String::from),
        ..page
    }))
}
