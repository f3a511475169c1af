//! Every page is tested with axe-core, the accessibility engine. Light and dark, on a phone and on a desktop, it has
//! no findings but minor ones. npm fetches axe-core once into the folder of build products. Without npm or
//! network the test says so and is left out, except in CI.
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::common::wait_until;
use crate::webdriver::{Browser, Wanted};
use serde_json::{Value, json};

const AXE: &str = "axe-core@4.14.1";

/// The page Counts again, once there is something to count.
const FULL_COUNTS: &str = "counts#flows";

/// The engine's script; `None` if it cannot be fetched.
fn axe() -> Option<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(AXE);
    let script = folder.join("package/axe.min.js");
    if !script.is_file() {
        std::fs::create_dir_all(&folder).unwrap();
        if let Err(word) = fetch(&folder) {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{word}");
            // Directly to standard error: the test harness would hide captured output.
            let _ = writeln!(std::io::stderr(), "LEFT OUT: no page is before axe-core: {word}");
            return None;
        }
    }
    Some(std::fs::read_to_string(script).unwrap())
}

fn fetch(folder: &Path) -> Result<PathBuf, String> {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(folder).output();
        let output = output.map_err(|error| format!("{program}: {error} (Debian: npm)"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(format!("{program} {arguments:?}: {said}"))
        }
    };
    let packed = run("npm", &["pack", "--silent", AXE])?;
    let packed = String::from_utf8_lossy(&packed).trim().to_owned();
    run("tar", &["-xzf", &packed])?;
    Ok(folder.join(packed))
}

/// Moderate to critical findings of the page, with the elements. The engine is already injected.
fn findings(browser: &Browser) -> Value {
    browser.script(
        "return axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
            .filter(({ impact }) => ['moderate', 'serious', 'critical'].includes(impact))
            .map(({ id, help, nodes }) => ({ id, help, nodes: nodes.slice(0, 5).map(node => node.html + ' ' + node.failureSummary) })));",
    )
}

fn post(daemon: &Daemon, path: &str, body: &Value) -> Value {
    client::send_json(daemon.address, "POST", path, body).json()
}

/// Lets every section of the page Counts have something to show.
fn fill_counts(daemon: &Daemon) {
    let set = |method: &str, path: &str, body: &Value| {
        let answer = client::send_json(daemon.address, method, path, body);
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
    };
    let line = |name: &str, x: f64| {
        post(daemon, "/api/v1/lines", &json!({ "name": name, "a": [x, 1], "b": [x, 0] }))["id"].clone()
    };
    set("PATCH", "/api/v1/settings", &json!({ "detect.movement_map": true }));
    let (west, east) = (line("West", 0.4), line("East", 0.6));
    set("POST", "/api/v1/speeds", &json!({ "line": west, "other": east, "metres": 4 }));
    let points = json!([[0.3, 1], [0.7, 1], [0.6, 0.3], [0.4, 0.3]]);
    let zone = post(daemon, "/api/v1/zones", &json!({ "name": "Street", "points": points }));
    set("POST", &format!("/api/v1/zones/{}/ground", zone["id"]), &json!({ "width": 6, "depth": 9 }));
}

#[test]
fn nothing_serious_is_found_on_any_page() {
    let Some(axe) = axe() else { return };
    let hall = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &crate::scene(&["name=\"Hall\""]));
    let neighbours = format!("http.neighbours=[\"http://{}\", \"http://127.0.0.1:1\"]", hall.address);
    let arguments = crate::scene(&["lights.kind=\"sim\"", "lights.on=true", &neighbours]);
    let daemon = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &arguments);
    let picture = post(&daemon, "/api/v1/snapshots", &json!({ "name": "One.jpg" }));
    let player = format!("player?id={}", picture["id"]);
    let [check, watched] = crate::checks::pages(&daemon);
    fill_counts(&daemon);
    let pages = [
        "",
        "counts",
        "checks",
        "check?line=1&minutes=5",
        &check,
        &watched,
        "media",
        &player,
        "lines",
        "lines?line=new",
        "lines?zone=new",
        "lines?mask=new",
        "models",
        "settings",
        "lights",
        "cameras",
        "all",
        "welcome",
        "nothing-here",
        "diagnosis",
        "notifications",
        "log",
        "database",
        "access",
        "activity",
        "sign-in",
        FULL_COUNTS,
    ];
    // Ordered so that each state is one change away from the previous one.
    let states = [(false, "closed"), (true, "closed"), (true, "open"), (false, "open")];
    let mut wrong = Vec::new();
    for size in [Wanted::DESKTOP, Wanted::PHONE] {
        let Some(browser) = Browser::start(size) else { return };
        for page in pages {
            if page == FULL_COUNTS {
                // The map of the hour so far is stored when it is switched off.
                let off = json!({ "detect.movement_map": false });
                client::send_json(daemon.address, "PATCH", "/api/v1/settings", &off);
                let sections = ["flows\"", "speeds\"", "movement\"", "stays-csv\"", "speed\""];
                wait_until("Counts has every section", || {
                    let page = client::get(daemon.address, "/counts").text().to_owned();
                    sections.iter().all(|id| page.contains(&format!("id=\"{id}")))
                });
            }
            browser.goto(&format!("http://{}/{page}", daemon.address));
            browser.wait_for("document.readyState !== 'loading'");
            browser.script(&axe);
            for (is_dark, state) in states {
                browser.prefer(is_dark);
                // During a colour transition a button has neither colour.
                browser.wait_for("document.getAnimations().every(one => !(one instanceof CSSTransition))");
                if state == "open" {
                    browser
                        .script("document.querySelectorAll('details').forEach(one => { one.open = true; })");
                }
                let found = findings(&browser);
                if found != json!([]) {
                    wrong.push(format!(
                        "/{page}, {state}, dark: {is_dark}, phone: {}: {found:#}",
                        size.is_phone
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
