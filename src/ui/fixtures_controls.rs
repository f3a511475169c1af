//! Pages of what is turned and set, with made-up data: to be looked at, and to be read by tests.

use super::fixtures::{clock, head};
use super::*;
use crate::media::{Control, ControlKind};

pub(super) fn light() -> LightFacts {
    let colors = (0..16).map(|i| if i < 4 { [0, 0x72, 0xb2] } else { [0xff, 0xb4, 0x6b] });
    LightFacts {
        kind: "sim",
        has_colors: true,
        is_on: true,
        brightness: 153,
        color: [0xff, 0xb4, 0x6b],
        ranges: Vec::new(),
        pixels: 16,
        colors: colors.collect(),
        presets: vec![("white", [255; 3]), ("warm", [0xff, 0xb4, 0x6b]), ("red", [255, 0, 0])],
        shows: "on",
        reason: String::new(),
        hint: String::new(),
        auto_below: None,
        luma: None,
        pinned: None,
    }
}

pub(super) fn live() -> LiveHands {
    LiveHands {
        view: ViewFacts { is_gray: true, ..ViewFacts::default() },
        light: Some(light()),
        lens: LensFacts {
            is_supported: true,
            reason: String::new(),
            position: Some(0.35),
            auto: Some(false),
            has_position: true,
            has_window: false,
            sharpness: Some(211.6),
            sweep: None,
            swept: "Sharpest at 0.35, after 22 places".into(),
        },
        said: String::new(),
    }
}

/// All that is text in it.
pub(super) fn fill_text(hands: LiveHands, text: &dyn Fn() -> String) -> LiveHands {
    LiveHands {
        light: hands.light.map(|light| LightFacts {
            reason: text(),
            hint: text(),
            pinned: Some(text()),
            ..light
        }),
        lens: LensFacts { swept: text(), ..hands.lens },
        said: text(),
        ..hands
    }
}

fn setting(path: &str, field: Field, text: &str, default: &str) -> Setting {
    Setting {
        path: path.into(),
        field,
        text: text.into(),
        is: text.into(),
        default: default.into(),
        origin: if text == default { ValueOrigin::Default } else { ValueOrigin::Page },
        about: "What it does. And more of it.".into(),
        wrong: None,
        needs_restart: false,
    }
}

pub(super) fn settings() -> SettingsPage {
    let whole = |least, most| Field::Number { least, most, is_whole: true };
    let words = |words: &[&str]| Field::Choice(words.iter().map(|word| (*word).to_owned()).collect());
    let rate = || Field::NumberOr { least: 0.01, most: 240.0, word: "auto" };
    let control = |name: &str, title: &str, kind: ControlKind, default, value| Control {
        id: 1,
        name: name.into(),
        title: title.into(),
        kind,
        unit: String::new(),
        default,
        value,
        read_only: false,
        inactive: name == "exposure_time_absolute",
    };
    let kinds = words(&["auto", "v4l2", "url", "files", "sim"]);
    SettingsPage {
        head: head(),
        settings: vec![
            setting("name", Field::Text, "Yard", "camera"),
            Setting {
                origin: ValueOrigin::Pinned("/etc/tallycam/config.toml line 14".into()),
                ..setting("source.kind", kinds, "v4l2", "auto")
            },
            setting("source.device", Field::Text, "usb-046d_C920-video-index0", ""),
            setting("source.url", Field::Text, "", ""),
            setting("source.password", Field::Secret, "", ""),
            setting(
                "source.width",
                Field::NumberOr { least: 16.0, most: 8192.0, word: "auto" },
                "960",
                "auto",
            ),
            setting(
                "source.height",
                Field::NumberOr { least: 16.0, most: 8192.0, word: "auto" },
                "720",
                "auto",
            ),
            setting("source.format", words(&["MJPG", "YUYV", "auto"]), "auto", "auto"),
            setting("source.fps", rate(), "auto", "auto"),
            setting("stream.quality", whole(1.0, 100.0), "80", "80"),
            setting(
                "stream.idle_stop",
                Field::Time(String::new(), String::new(), Some("never")),
                "30s",
                "30s",
            ),
            setting("stream.max_viewers", whole(1.0, 10_000.0), "60", "200"),
            setting("picture.gray", Field::Switch, "true", "false"),
            setting("picture.scale", words(&["1", "1/2", "1/4", "1/8"]), "1", "1"),
            setting("picture.crop", Field::Text, "none", "none"),
            setting("detect.score", Field::NumberOr { least: 0.01, most: 1.0, word: "auto" }, "auto", "auto"),
            setting("detect.classes", Field::List, "person, car", ""),
            setting(
                "counts.time_zone",
                Field::Suggested(["Europe/Berlin".into(), "UTC".into()].into()),
                "auto",
                "auto",
            ),
            setting("retention.min_free", Field::Size(None), "500MB", "500MB"),
            setting("lights.kind", words(&["none", "spi", "gpio", "sim"]), "sim", "none"),
            Setting {
                needs_restart: true,
                ..setting("http.max_connections", whole(1.0, 20_000.0), "100", "512")
            },
            setting("new.key", Field::Time("1s".into(), "5m".into(), None), "5s", "5s"),
        ],
        modes: [("MJPG", 1280, 720, 30.0), ("MJPG", 960, 720, 30.0), ("YUYV", 640, 480, 24.998)]
            .map(|(format, width, height, fps)| CameraMode { format: format.into(), width, height, fps })
            .to_vec(),
        controls: Some(ControlsFacts {
            camera: "HD Pro Webcam C920 (/dev/video0)".into(),
            identity: "usb-046d_C920".into(),
            controls: vec![
                control("brightness", "Brightness", ControlKind::integer(0, 255, 1), 128.0, 140.0),
                control(
                    "white_balance_automatic",
                    "White Balance, Automatic",
                    ControlKind::Boolean,
                    1.0,
                    1.0,
                ),
                control(
                    "auto_exposure",
                    "Auto Exposure",
                    ControlKind::Menu(vec![(1, "Manual Mode".into()), (3, "Aperture Priority Mode".into())]),
                    3.0,
                    3.0,
                ),
                control(
                    "exposure_time_absolute",
                    "Exposure Time, Absolute",
                    ControlKind::integer(3, 2047, 1),
                    250.0,
                    250.0,
                ),
                control("pan_reset", "Pan, Reset", ControlKind::Button, 0.0, 0.0),
            ],
            saved: vec!["brightness".into()],
            pinned: vec!["auto_exposure".into()],
            ..ControlsFacts::default()
        }),
        has_power: true,
        ..SettingsPage::default()
    }
}

/// All that is text in it.
pub(super) fn settings_page_with(text: &dyn Fn() -> String) -> SettingsPage {
    let mut page = settings();
    page.head = Head {
        name: text(),
        version: text(),
        state: text(),
        headline: text(),
        is_open: true,
        is_admin: true,
    };
    for own in &mut page.settings {
        (own.text, own.is, own.default, own.about) = (text(), text(), text(), text());
        own.wrong = Some(text());
        if let ValueOrigin::Pinned(place) = &mut own.origin {
            *place = text();
        }
        if let Field::Choice(words) = &mut own.field {
            *words = vec![text()];
        }
    }
    for mode in &mut page.modes {
        mode.format = text();
    }
    if let Some(facts) = &mut page.controls {
        (facts.camera, facts.identity) = (text(), text());
        for control in &mut facts.controls {
            control.title = text();
            if let ControlKind::Menu(choices) = &mut control.kind {
                *choices = vec![(1, text())];
            }
        }
        facts.wrong = vec![("brightness".into(), text())];
        facts.notes = vec![text()];
    }
    page.complaint = text();
    page.unkept = text();
    page.done = Some(text());
    page.refused = Some(Refusal { detail: text(), hint: text() });
    page
}

fn finding(name: &str, state: &str, said: &str, hint: &str) -> FindingFacts {
    FindingFacts { name: name.into(), state: state.into(), said: said.into(), hint: hint.into() }
}

/// Every page in its states, by the name of its file.
pub(super) fn all() -> Vec<(&'static str, String)> {
    let mut refused = settings();
    for own in &mut refused.settings {
        if own.path == "stream.quality" {
            own.text = "500".into();
            own.wrong = Some("must be a whole number from 1 to 100, not 500".into());
        }
    }
    refused.refused = Some(Refusal { detail: "Nothing was changed.".into(), hint: String::new() });
    if let Some(facts) = &mut refused.controls {
        facts.typed = vec![("brightness".into(), 90.0)];
        facts.wrong = vec![("brightness".into(), "Somebody else has set this to 140 meanwhile".into())];
        facts.notes = vec!["The camera's control contrast has no 33: it is set to 35.".into()];
    }
    refused.complaint = "settings.toml:3: `stream.qality` is no key\nhint: did you mean `quality`?".into();
    let mut no_light = super::fixtures::live();
    no_light.hands = LiveHands::default();
    let diagnosis = DiagnosisPage {
        head: head(),
        clock: clock(),
        findings: vec![
            finding(
                "power",
                "bad",
                "the power supply is too weak: 14 times since 06:12 the voltage fell below 4.63 V",
                "use a 5 V, 3 A supply and a short cable",
            ),
            finding("clock", "warning", "this Pi has no clock battery", ""),
            finding("camera", "good", "HD Pro Webcam C920\nMJPG 1280x720 30 24 15\nYUYV 640x480 30", ""),
            finding("lens", "none", "this camera has no control for focus", ""),
        ],
    };
    let lines =
        [("info", "source", "camera is back after 79 min"), ("warn", "power", "under-voltage <again>")];
    let row = |who: &str, role: &str, what: &str, is_refusal| ActivityRow {
        time_us: clock().now_us,
        who: who.into(),
        role: role.into(),
        from: "192.168.1.7".into(),
        browser: "Firefox <\"140\">".into(),
        what: what.into(),
        is_refusal,
    };
    let activity = ActivityPage {
        head: head(),
        clock: clock(),
        rows: vec![
            row("ann", "admin", "changed line <Door>: name", false),
            row("", "", "12 wrong passwords", true),
            row("ann", "admin", "signed in", false),
        ],
        is_newest: false,
        next: Some(17),
        dropped: 3,
    };
    vec![
        ("settings.html", settings_page(&settings())),
        ("settings-refused.html", settings_page(&refused)),
        (
            "settings-fixed.html",
            settings_page(&SettingsPage {
                fixed: "Settings cannot be changed here".into(),
                controls: None,
                no_controls: "The camera is used by another program".into(),
                modes: Vec::new(),
                has_power: false,
                ..settings()
            }),
        ),
        ("live-no-hands.html", live_page(&no_light)),
        ("lights.html", lights_page(&LightsPage { head: head(), light: Some(light()), refused: None })),
        ("lights-none.html", lights_page(&LightsPage { head: head(), ..LightsPage::default() })),
        ("diagnosis.html", diagnosis_page(&diagnosis)),
        (
            "diagnosis-well.html",
            diagnosis_page(&DiagnosisPage { findings: diagnosis.findings[2..].to_vec(), ..diagnosis }),
        ),
        (
            "log.html",
            log_page(&LogPage {
                head: head(),
                clock: clock(),
                level: "info",
                lines: lines
                    .map(|(level, place, text)| LogLine {
                        time_us: clock().now_us,
                        level,
                        place: place.into(),
                        text: text.into(),
                    })
                    .to_vec(),
            }),
        ),
        ("activity.html", activity_page(&activity)),
        (
            "activity-empty.html",
            activity_page(&ActivityPage {
                rows: Vec::new(),
                next: None,
                is_newest: true,
                dropped: 0,
                ..activity
            }),
        ),
        (
            "log-empty.html",
            log_page(&LogPage { head: head(), clock: clock(), level: "error", lines: Vec::new() }),
        ),
    ]
}
