//! Pages filled with made-up but consistent figures, for the tests of all pages. With
//! `TALLYCAM_SAMPLE_PAGES=DIRECTORY` in the environment they are written there, to be looked at.

use jiff::tz::TimeZone;

pub(super) use super::fixtures_media::{database, media, player};
use super::{fixtures_media, *};

pub(super) const HOUR: u64 = 3_600_000_000;
/// Thursday 12 November 2026, 00:00 in a zone an hour east.
pub(super) const MIDNIGHT: u64 = 1_794_438_000_000_000;
/// 14:02:37 of that day.
pub(super) const NOW: u64 = MIDNIGHT + 14 * HOUR + 157_000_000;

pub(super) fn clock() -> Clock {
    Clock { now_us: NOW, zone: TimeZone::fixed(jiff::tz::offset(1)), day_starts: 0 }
}

pub(super) fn head() -> Head {
    Head {
        name: "Yard".into(),
        version: "0.1.0".into(),
        state: "live".into(),
        headline: "Live".into(),
        is_open: false,
        is_admin: true,
    }
}

pub(super) fn access() -> AccessPage {
    AccessPage {
        head: head(),
        has_password: true,
        is_first: false,
        is_here: true,
        is_view_open: true,
        pinned: None,
        refused: None,
    }
}

pub(super) fn sign_in() -> SignInPage {
    SignInPage {
        head: head(),
        next: "lines?line=2".into(),
        has_password: true,
        is_view_open: true,
        is_claimed_by_network: false,
        signed_in: None,
        needed: None,
        fingerprint: Some("5E:0C:77:".repeat(10) + "A1:B2"),
        refused: None,
    }
}

pub(super) fn facts() -> CountingFacts {
    CountingFacts {
        word: "counting".into(),
        reason: String::new(),
        hint: String::new(),
        notes: Vec::new(),
        backend: "onnx".into(),
        model: "ssdlite_mobilenet_v2".into(),
        labels: [
            "person",
            "bicycle",
            "car",
            "motorcycle",
            "airplane",
            "bus",
            "train",
            "truck",
            "boat",
            "cat",
            "dog",
            "horse",
        ]
        .map(Into::into)
        .to_vec(),
        tells_classes: true,
        looks_per_second: 9.8,
        saved: 0.0,
        look_ms: 61.2,
        inference_ms: 52.4,
    }
}

pub(super) fn line(id: u64, name: &str, a: [f64; 2], b: [f64; 2]) -> DrawnLine {
    DrawnLine {
        id,
        version: 7,
        name: name.into(),
        a,
        b,
        in_name: "in".into(),
        out_name: "out".into(),
        classes: vec!["person".into()],
        anchor: "bottom".into(),
        recrossing: "every".into(),
        pinned: None,
        created_us: MIDNIGHT - 90 * 24 * HOUR,
        moved_us: Some(MIDNIGHT + 8 * HOUR),
        deleted_us: None,
    }
}

pub(super) fn lines() -> Vec<DrawnLine> {
    let west = line(2, "West walk", [0.312, 0.489], [0.335, 0.358]);
    vec![
        DrawnLine { pinned: Some("config.toml:112".into()), ..west },
        line(1, "Main path", [0.797, 0.715], [0.745, 0.264]),
    ]
}

pub(super) fn tallies() -> Vec<LineTally> {
    [(2, "West walk", 67, 56), (1, "Main path", 131, 103)]
        .map(|(line_id, line, count_in, count_out)| LineTally {
            line_id,
            line: line.into(),
            count_in,
            count_out,
            inside: count_in - count_out,
            since_us: MIDNIGHT,
        })
        .to_vec()
}

/// When the camera was unplugged.
pub(super) fn gaps() -> Vec<NotCounted> {
    vec![NotCounted {
        from_us: MIDNIGHT + 9 * HOUR + HOUR / 5,
        to_us: MIDNIGHT + 10 * HOUR + HOUR * 31 / 60,
        why: "unplugged".into(),
    }]
}

/// So many hours from a moment on, busy by day, of two lines and two classes.
pub(super) fn hours(from_us: u64, count: u64) -> Vec<ChartBucket> {
    const BUSY: [u64; 24] =
        [1, 0, 0, 0, 0, 3, 9, 23, 42, 26, 19, 28, 39, 34, 27, 33, 41, 25, 14, 9, 6, 4, 3, 1];
    let gap = &gaps()[0];
    (0..count)
        .map(|n| {
            let start_us = from_us + n * HOUR;
            let end_us = start_us + HOUR;
            let missed = gap.to_us.min(end_us).saturating_sub(gap.from_us.max(start_us));
            let covered = if start_us >= NOW { 0.0 } else { 1.0 - missed as f64 / HOUR as f64 };
            let of_day = usize::try_from((start_us - MIDNIGHT % (24 * HOUR)) / HOUR % 24).unwrap_or(0);
            let mix = (start_us / HOUR).wrapping_mul(2_654_435_761) >> 7;
            let mut busy = (BUSY[of_day] * (70 + mix % 60)) as f64 / 100.0 * covered;
            if start_us + HOUR > NOW {
                busy *= 0.04;
            }
            let kinds = [
                (1, "person", true, 0.6),
                (2, "person", true, 0.3),
                (1, "bicycle", true, 0.1),
                (1, "person", false, 0.5),
                (2, "person", false, 0.27),
            ];
            let counts = kinds
                .into_iter()
                .map(|(line_id, class, is_in, share)| KindCount {
                    line_id,
                    class: class.into(),
                    is_in,
                    count: (busy * share).round() as u64,
                })
                .filter(|kind| kind.count > 0)
                .collect();
            ChartBucket { start_us, end_us, covered, counts }
        })
        .collect()
}

/// Hours gathered into days.
fn days(hours: &[ChartBucket]) -> Vec<ChartBucket> {
    hours
        .chunks(24)
        .map(|day| {
            let passed = day.iter().filter(|hour| hour.start_us < NOW).count().max(1);
            ChartBucket {
                start_us: day[0].start_us,
                end_us: day[day.len() - 1].end_us,
                covered: day.iter().map(|hour| hour.covered).sum::<f64>() / passed as f64,
                counts: day.iter().flat_map(|hour| hour.counts.clone()).collect(),
            }
        })
        .collect()
}

pub(super) fn live() -> LivePage {
    LivePage {
        notes: Vec::new(),
        name: "Yard".into(),
        version: "0.1.0".into(),
        state: "live".into(),
        headline: "Live".into(),
        reason: String::new(),
        hint: String::new(),
        camera: "HD Pro Webcam C920 (/dev/video0)".into(),
        is_simulated: false,
        picture: "960 × 720 MJPG".into(),
        size: Some((960, 720)),
        fps: 29.94,
        viewers: 3,
        is_held: false,
        counting: Some(LiveCounting {
            clock: clock(),
            facts: facts(),
            lines: lines(),
            tallies: tallies(),
            hours: hours(MIDNIGHT, 24),
            gaps: gaps(),
            crossings: [
                (5, 2, true, 205),
                (11, 1, false, 195),
                (12, 1, false, 196),
                (25, 2, false, 188),
                (169, 2, true, 181),
            ]
            .map(|(ago, line_id, is_in, track)| Crossed {
                id: 1000 - ago,
                time_us: NOW - ago * 1_000_000,
                is_time_sure: true,
                line_id,
                line: if line_id == 1 { "Main path" } else { "West walk" }.into(),
                is_in,
                class: "person".into(),
                track,
            })
            .to_vec(),
        }),
        keeping: Some(fixtures_media::live()),
        hands: fixtures_controls::live(),
        is_counts_only: false,
        is_open: false,
        is_admin: true,
    }
}

pub(super) fn editor() -> LinesPage {
    LinesPage {
        head: head(),
        clock: clock(),
        lines: lines(),
        tallies: tallies(),
        chosen: ChosenLine::First,
        size: Some((960, 720)),
        counting: facts(),
        is_counts_only: false,
        refused: None,
    }
}

pub(super) fn counts(query: &[(&str, &str)]) -> CountsPage {
    let clock = clock();
    let ask = CountsAsk::from_query(
        |name| query.iter().find(|(own, _)| *own == name).map(|(_, value)| *value),
        &clock,
    );
    let read = |span: &Span| hours(span.from_us, (span.to_us - span.from_us) / HOUR);
    let by_hour = read(&ask.shown);
    CountsPage {
        head: head(),
        scene: "camera".into(),
        lines: lines(),
        tallies: tallies(),
        classes: vec!["bicycle".into(), "person".into()],
        shown: if ask.shown.bucket == "hour" { by_hour } else { days(&by_hour) },
        compared: ask.compared.as_ref().map(|spans| spans.each_ref().map(read)),
        weeks: read(&ask.weeks),
        gaps: gaps(),
        line_gaps: lines().iter().map(|line| (line.id, Vec::new())).collect(),
        resets: vec![SetToZero { time_us: MIDNIGHT + 7 * HOUR, line_id: None }],
        moves: vec![(1, MIDNIGHT + 6 * HOUR), (1, MIDNIGHT + 8 * HOUR)],
        counting: facts(),
        refused: None,
        ask,
        clock,
    }
}

fn crossings() -> CrossingsPage {
    let figure = |picture, words: &str| CrossingFigure { picture, words: words.into(), is_wrong: false };
    CrossingsPage {
        head: head(),
        clock: clock(),
        line_id: 1,
        line: LineCrossings {
            name: "Door <1>".into(),
            count_in: 1,
            count_out: 1,
            note: String::new(),
            crossings: vec![
                figure(Some("icon.svg".into()), "14:03:27 in: person #12"),
                figure(None, "14:05:02 out: <bicycle> #14"),
            ],
            missed: vec![figure(None, "14:04:11 person #13")],
        },
        no_pictures: String::new(),
    }
}

pub(super) fn models() -> ModelsPage {
    let found = |name: &str, problem: Option<&str>| FoundModel {
        name: name.into(),
        family: "ssd".into(),
        input: Some((300, 300)),
        classes: 80,
        licence: "Apache-2.0".into(),
        bytes: 9_100_000,
        is_in_use: name.starts_with("ssdlite"),
        guessed: Vec::new(),
        problem: problem.map(Into::into),
    };
    ModelsPage {
        head: head(),
        counting: facts(),
        chosen: Some("ssdlite_mobilenet_v2".into()),
        pinned: None,
        found: vec![
            found("ssdlite_mobilenet_v2", None),
            found("yard_own", None),
            found(
                "broken",
                Some("its outputs fit no known family; `tallycam model check broken.onnx` says more"),
            ),
        ],
        catalogue: vec![CatalogueModel {
            name: "yolox-nano".into(),
            about: "Finds more, and small things better, in a little less time.".into(),
            licence: "Apache-2.0".into(),
            bytes: 3_700_000,
            url: "models/yolox_nano_416.onnx at the project’s public repository".into(),
            is_here: false,
        }],
        refused: None,
    }
}

/// Every page in its states, by the name of its file.
pub(crate) fn all() -> Vec<(&'static str, String)> {
    let mut only = live();
    only.is_counts_only = true;
    let mut none = live();
    if let Some(counting) = &mut none.counting {
        (counting.lines, counting.tallies, counting.crossings) = Default::default();
    }
    let mut lost = live();
    (lost.state, lost.headline) = ("unplugged".into(), "Camera lost".into());
    if let Some(counting) = &mut lost.counting {
        counting.facts.word = "waiting".into();
        counting.facts.reason = "the camera was unplugged".into();
        counting.facts.hint = "Plug it in again and it is taken back by itself.".into();
        counting.facts.looks_per_second = 0.0;
    }
    let mut empty = counts(&[]);
    (empty.lines, empty.tallies, empty.shown, empty.weeks) = Default::default();
    let mut dark_day = counts(&[("range", "yesterday")]);
    for bucket in &mut dark_day.shown {
        (bucket.covered, bucket.counts) = (0.0, Vec::new());
    }
    dark_day.gaps =
        vec![NotCounted { from_us: MIDNIGHT - 26 * HOUR, to_us: MIDNIGHT + 6 * HOUR, why: "off".into() }];
    let mut refused = editor();
    refused.refused = Some((
        LineForm::from_fields(&[("name".into(), "Main path".into()), ("ax".into(), "50".into())]),
        Refusal {
            detail: "there is a line called \"Main path\" already; give each a name of its own".into(),
            hint: String::new(),
        },
    ));
    let mut pages = vec![
        ("live.html", live_page(&live())),
        ("live-only.html", live_page(&only)),
        ("live-none.html", live_page(&none)),
        ("live-lost.html", live_page(&lost)),
        ("live-open.html", live_page(&LivePage { is_open: true, ..live() })),
        ("live-off.html", live_page(&LivePage { counting: None, keeping: None, ..live() })),
        ("access.html", access_page(&access())),
        ("access-first.html", access_page(&AccessPage { is_first: true, ..access() })),
        ("sign-in.html", sign_in_page(&sign_in())),
        (
            "sign-in-refused.html",
            sign_in_page(&SignInPage {
                refused: Some(Refusal {
                    detail: "The password is wrong.".into(),
                    hint: "`tallycam password show-how` says where to find it.".into(),
                }),
                ..sign_in()
            }),
        ),
        (
            "sign-in-done.html",
            sign_in_page(&SignInPage { signed_in: Some((String::from("admin"), "admin")), ..sign_in() }),
        ),
        (
            "sign-in-open.html",
            sign_in_page(&SignInPage {
                has_password: false,
                head: Head { is_open: true, ..head() },
                ..sign_in()
            }),
        ),
        ("lines.html", lines_page(&editor())),
        ("lines-new.html", lines_page(&LinesPage { chosen: ChosenLine::New, ..editor() })),
        ("lines-pinned.html", lines_page(&LinesPage { chosen: ChosenLine::Number(2), ..editor() })),
        ("lines-refused.html", lines_page(&refused)),
        ("counts.html", counts_page(&counts(&[]))),
        ("counts-week.html", counts_page(&counts(&[("range", "7d"), ("heat", "in")]))),
        ("counts-month.html", counts_page(&counts(&[("range", "30d"), ("line", "1")]))),
        (
            "counts-own.html",
            counts_page(&counts(&[("range", "own"), ("from", "2026-01-01"), ("to", "2026-11-12")])),
        ),
        ("crossings.html", crossings_page(&crossings())),
        ("counts-empty.html", counts_page(&empty)),
        ("counts-dark.html", counts_page(&dark_day)),
        ("models.html", models_page(&models())),
        (
            "models-refused.html",
            models_page(&ModelsPage {
                pinned: Some("config.toml:88".into()),
                refused: Some(Refusal {
                    detail: "yolox-nano could not be fetched: no way to the internet.".into(),
                    hint: "Download it elsewhere, then `tallycam model add FILE`.".into(),
                }),
                ..models()
            }),
        ),
    ];
    pages.extend(fixtures_media::all());
    pages.extend(fixtures_controls::all());
    pages
}

mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::asset;
    use super::*;

    /// Values of `attribute` in `html`.
    fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
        let mark = format!(" {attribute}=\"");
        html.split(mark.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn every_page_can_be_looked_at() {
        let pages = all();
        if let Some(directory) = std::env::var_os("TALLYCAM_SAMPLE_PAGES") {
            let directory = std::path::Path::new(&directory);
            for (name, html) in &pages {
                std::fs::write(directory.join(name), html).unwrap();
            }
        }
        for (name, html) in &pages {
            for wrong in ["NaN", "inf%", "{name}", "{title}", "\u{fffd}"] {
                assert!(!html.contains(wrong), "{wrong} in {name}");
            }
        }
    }

    #[test]
    fn every_address_is_relative_and_every_asset_is_there() {
        for (name, html) in all() {
            for attribute in ["href", "src", "action", "formaction"] {
                for url in values(&html, attribute) {
                    assert!(
                        !url.starts_with('/') && !url.split('?').next().unwrap().contains(':'),
                        "{url} in {name}"
                    );
                }
            }
            for script in values(&html, "src").into_iter().filter(|url| url.ends_with(".js")) {
                assert!(asset(script).is_some(), "{script} in {name}");
            }
        }
    }

    #[test]
    fn nothing_is_inline() {
        for (name, html) in all() {
            assert!(
                !html.contains("style=") && !html.contains("<style") && !html.contains("javascript:"),
                "{name}"
            );
            assert_eq!(html.matches("<script").count(), html.matches("<script src=\"").count(), "{name}");
            for word in html.split_ascii_whitespace() {
                assert!(!(word.starts_with("on") && word.contains("=\"")), "{word} in {name}");
            }
        }
    }

    #[test]
    fn no_element_is_named_twice_and_every_label_and_name_leads_somewhere() {
        for (page, html) in all() {
            let mut ids = values(&html, "id");
            ids.sort_unstable();
            for pair in ids.windows(2) {
                assert_ne!(pair[0], pair[1], "{page}");
            }
            for attribute in ["for", "aria-labelledby", "aria-describedby"] {
                for id in values(&html, attribute).into_iter().flat_map(str::split_whitespace) {
                    assert!(ids.binary_search(&id).is_ok(), "{attribute} {id} in {page}");
                }
            }
        }
    }

    /// Tags that are opened are closed, in order: a page is well nested.
    #[test]
    fn every_tag_is_closed() {
        const ALONE: [&str; 7] = ["meta", "link", "img", "input", "br", "!doctype", "hr"];
        for (page, html) in all() {
            let mut open: Vec<&str> = Vec::new();
            for tag in html.split('<').skip(1) {
                let tag = tag.split('>').next().unwrap();
                let name = tag.split([' ', '/']).next().unwrap();
                if let Some(name) = tag.strip_prefix('/') {
                    assert_eq!(open.pop(), Some(name), "{page}");
                } else if !tag.ends_with('/') && !ALONE.contains(&name) {
                    open.push(name);
                }
            }
            assert_eq!(open, Vec::<&str>::new(), "{page}");
        }
    }

    /// The elements that a script asks for by their names are on each of these pages.
    #[track_caller]
    fn finds(script: &str, pages: &[&str]) {
        let text = std::str::from_utf8(asset(script).unwrap().body).unwrap();
        let mut names: Vec<&str> = Vec::new();
        for call in ["el('", "put('"] {
            names.extend(text.split(call).skip(1).filter_map(|rest| rest.split('\'').next()));
        }
        assert!(!names.is_empty() || script == "hands.js", "{script} names nothing");
        for (page, html) in all().into_iter().filter(|(page, _)| pages.contains(page)) {
            for name in &names {
                assert!(html.contains(&format!("id=\"{name}\"")), "{script} asks for {name} in {page}");
            }
        }
    }

    #[test]
    fn the_scripts_find_every_element_they_name() {
        finds("tallycam.js", &["live.html", "live-only.html", "live-none.html", "live-off.html"]);
        finds("overlay.js", &["live.html", "live-only.html", "live-none.html"]);
        finds("lines.js", &["lines.html", "lines-new.html", "lines-refused.html"]);
        finds("counts.js", &["counts.html", "counts-week.html"]);
        finds("media.js", &["media.html", "media-empty.html", "media-full.html", "media-only.html"]);
        finds("player.js", &["player.html", "player-refused.html"]);
        finds("database.js", &["database.html", "database-checked.html"]);
        finds("keeping.js", &["live.html", "live-none.html", "live-lost.html"]);
        finds("head.js", &["counts.html", "lines.html", "models.html", "live.html"]);
        finds("hands.js", &["live.html", "lights.html"]);
        finds("settings.js", &["settings.html", "settings-refused.html", "settings-fixed.html"]);
    }

    #[test]
    fn every_move_of_a_line_is_marked() {
        let html = counts_page(&counts(&[]));
        assert_eq!(html.matches("Main path moved").count(), 2);
        assert_eq!(html.matches("West walk moved").count(), 0);
    }

    #[test]
    fn what_is_not_known_of_a_line_is_hatched_in_its_own_chart() {
        let from_the_beginning =
            |page: &CountsPage| counts_page(page).matches("class=\"hatch\" x=\"0.00%\" width").count();
        let mut page = counts(&[]);
        let before = from_the_beginning(&page);
        let gap = |to_us| vec![NotCounted { from_us: MIDNIGHT, to_us, why: "no_class".into() }];
        page.line_gaps.insert(2, gap(MIDNIGHT + HOUR));
        assert_eq!(from_the_beginning(&page), before + 1);
        // Nothing was counted on it, and nothing could be: that is no 0.
        let unknown = "<b class=\"in\">– in</b>";
        page.shown.iter_mut().for_each(|bucket| bucket.counts.retain(|kind| kind.line_id != 2));
        let none = counts_page(&page);
        assert!(none.contains("<b class=\"in\">0 in</b>") && !none.contains(unknown), "some of it is known");
        // Nor is what lies between two gaps when the service is started anew, or between the last and a clock that is ahead.
        let (half, now_us) = (MIDNIGHT + HOUR, page.clock.now_us);
        let after = NotCounted { from_us: half + 700_000, to_us: now_us - 500_000, why: "no_class".into() };
        page.line_gaps.insert(2, [gap(half), vec![after]].concat());
        assert!(counts_page(&page).contains(unknown));
        page.line_gaps.insert(2, gap(u64::MAX));
        assert!(counts_page(&page).contains(unknown));
        // A camera that comes and goes every few seconds was counted in half of the time: that is a 0.
        let flaps = (MIDNIGHT..now_us).step_by(3_000_000);
        page.gaps = flaps
            .map(|from_us| NotCounted { from_us, to_us: from_us + 1_500_000, why: "unplugged".into() })
            .collect();
        page.line_gaps.insert(2, Vec::new());
        assert!(!counts_page(&page).contains(unknown));
        page.line_gaps.insert(2, gap(u64::MAX));
        assert!(counts_page(&page).contains(unknown));
        // So it is where the line was not drawn in all of that time.
        page.line_gaps.remove(&2);
        assert!(counts_page(&page).contains(unknown));
    }

    #[test]
    fn no_text_becomes_markup() {
        let filled_with = |text: &str| {
            let text = || text.to_owned();
            let head = Head {
                name: text(),
                version: text(),
                state: text(),
                headline: text(),
                is_open: true,
                is_admin: true,
            };
            let line = DrawnLine {
                name: text(),
                in_name: text(),
                out_name: text(),
                classes: vec![text()],
                anchor: text(),
                recrossing: text(),
                ..line(1, "", [0.1, 0.2], [0.3, 0.4])
            };
            let pinned = DrawnLine { id: 2, pinned: Some(text()), ..line.clone() };
            let lines = vec![line, pinned];
            let tallies: Vec<LineTally> =
                tallies().into_iter().map(|tally| LineTally { line: text(), ..tally }).collect();
            let facts = CountingFacts {
                word: text(),
                reason: text(),
                hint: text(),
                notes: vec![text()],
                backend: text(),
                model: text(),
                labels: vec![text()],
                ..facts()
            };
            let refusal = Refusal { detail: text(), hint: text() };
            let gaps = vec![NotCounted { why: text(), ..gaps()[0].clone() }];
            let mut live = live();
            live.counting = live.counting.map(|counting| LiveCounting {
                facts: facts.clone(),
                lines: lines.clone(),
                tallies: tallies.clone(),
                gaps: gaps.clone(),
                crossings: counting
                    .crossings
                    .into_iter()
                    .map(|crossed| Crossed { line: text(), class: text(), ..crossed })
                    .collect(),
                ..counting
            });
            live.hands = fixtures_controls::fill_text(live.hands, &text);
            let mut counts = CountsPage {
                head: head.clone(),
                scene: text(),
                lines: lines.clone(),
                tallies: tallies.clone(),
                classes: vec![text()],
                gaps,
                counting: facts.clone(),
                refused: Some(refusal.clone()),
                ..counts(&[])
            };
            counts.ask.class = Some(text());
            for kind in counts.shown.iter_mut().flat_map(|bucket| &mut bucket.counts) {
                kind.class = text();
            }
            let editor =
                LinesPage { head: head.clone(), lines, tallies, counting: facts.clone(), ..editor() };
            let models = ModelsPage {
                head: head.clone(),
                counting: facts,
                chosen: Some(text()),
                pinned: None,
                found: vec![FoundModel {
                    name: text(),
                    family: text(),
                    licence: text(),
                    guessed: vec![text()],
                    problem: Some(text()),
                    ..models().found[1].clone()
                }],
                catalogue: vec![CatalogueModel {
                    name: text(),
                    about: text(),
                    licence: text(),
                    url: text(),
                    ..models().catalogue[0].clone()
                }],
                refused: Some(refusal.clone()),
            };
            let row = MediaRow {
                name: text(),
                date: text(),
                source: text(),
                origin: text(),
                note: text(),
                ..fixtures_media::rush_hour_recording()
            };
            let trouble = Some(KeepingTrouble { what: NotKept::Recording, reason: text(), hint: text() });
            let now = Some(RecordingNow { name: text(), origin: text(), ..fixtures_media::recording_now() });
            let aside = vec![AsideRow { name: text(), bytes: 7, at_us: NOW }];
            live.keeping = live.keeping.map(|kept| LiveKeeping {
                newest: vec![row.clone()],
                trouble: trouble.clone(),
                now: now.clone(),
                said: text(),
                ..kept
            });
            let media = MediaPage {
                head: head.clone(),
                ask: MediaAsk { text: text(), cursor: Some(text()), ..MediaAsk::default() },
                rows: vec![row.clone()],
                next: Some(text()),
                now,
                trouble: trouble.clone(),
                refused: Some(refusal.clone()),
                ..media()
            };
            let typed = MediaForm { name: text(), date: text(), note: text(), ..MediaForm::default() };
            let player = PlayerPage {
                head: head.clone(),
                item: row.clone(),
                refused: Some((typed, refusal.clone())),
                ..player()
            };
            let rule = Rule { text: text(), pinned: Some(text()) };
            let mut database = DatabasePage {
                head: head.clone(),
                file: text(),
                rules: Rules {
                    snapshots_age: rule.clone(),
                    snapshots_size: rule.clone(),
                    recordings_age: rule.clone(),
                    recordings_size: rule.clone(),
                    min_free: rule,
                },
                plan: Some(RetentionPreview {
                    goes: vec![(row.clone(), "age")],
                    unmet: Some(text()),
                    is_trial: false,
                }),
                checked: Some(Checked { faults: vec![text()], mended: vec![text()], ..Checked::default() }),
                done: Some(text()),
                trouble,
                refused: Some(refusal.clone()),
                ..database()
            };
            if let Some(room) = &mut database.room {
                room.aside = aside;
            }
            let form = LineForm::from_fields(&[("name".into(), text()), ("class".into(), text())]);
            let settings = fixtures_controls::settings_page_with(&text);
            [
                live_page(&live),
                settings_page(&settings),
                settings_page(&SettingsPage {
                    fixed: text(),
                    controls: None,
                    no_controls: text(),
                    ..settings
                }),
                lights_page(&LightsPage {
                    head: head.clone(),
                    light: live.hands.light.clone(),
                    refused: Some(refusal.clone()),
                }),
                diagnosis_page(&DiagnosisPage {
                    head: head.clone(),
                    clock: clock(),
                    findings: vec![FindingFacts {
                        name: text(),
                        state: "bad".into(),
                        said: text(),
                        hint: text(),
                    }],
                }),
                log_page(&LogPage {
                    head: head.clone(),
                    clock: clock(),
                    level: "info",
                    lines: vec![LogLine { time_us: NOW, level: "warn", place: text(), text: text() }],
                }),
                media_page(&media),
                media_page(&MediaPage { rows: Vec::new(), ..media.clone() }),
                media_ask_page(&media.head, &media.clock, &media.ask, std::slice::from_ref(&row)),
                player_page(&player),
                player_page(&PlayerPage {
                    item: MediaRow { is_recording: false, ..row },
                    refused: None,
                    ..player.clone()
                }),
                database_page(&database),
                lines_page(&editor),
                lines_page(&LinesPage { chosen: ChosenLine::Number(2), ..editor.clone() }),
                lines_page(&LinesPage { refused: Some((form, refusal)), ..editor }),
                counts_page(&counts),
                models_page(&ModelsPage { pinned: Some(text()), ..models.clone() }),
                models_page(&models),
            ]
        };
        // As many tags and attributes as with a harmless word.
        let (evil, harmless) = (filled_with("\"><script>alert('x')</script>&{name}"), filled_with("x"));
        for (evil, harmless) in evil.iter().zip(&harmless) {
            assert!(evil.contains("&lt;script&gt;"));
            for mark in ["<", ">", "=\"", "\""] {
                assert_eq!(evil.matches(mark).count(), harmless.matches(mark).count(), "{mark} in {evil}");
            }
        }
    }
}
