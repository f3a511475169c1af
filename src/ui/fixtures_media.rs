//! Made-up but consistent figures of what is kept, for the tests of all pages.

use super::fixtures::{HOUR, MIDNIGHT, NOW, clock, head};
use super::*;

const MINUTE: u64 = HOUR / 60;

fn row(id: u64, name: &str, at_us: u64, bytes: u64, seconds: u64) -> MediaRow {
    MediaRow {
        id,
        name: name.into(),
        is_recording: seconds > 0,
        date: "2026-11-12".into(),
        at_us,
        is_sure: true,
        duration_us: seconds * 1_000_000,
        frames: if seconds > 0 { seconds * 299 / 10 } else { 1 },
        gaps: 0,
        width: 960,
        height: 720,
        bytes,
        source: "HD Pro Webcam C920 (/dev/video0)".into(),
        origin: "asked".into(),
        note: String::new(),
        is_kept: false,
        is_open: false,
        version: 3,
    }
}

pub(super) fn rush_hour_recording() -> MediaRow {
    MediaRow {
        frames: 7_236,
        gaps: 1,
        is_kept: true,
        note: "The school's first day".into(),
        ..row(1279, "Morning rush", MIDNIGHT + 8 * HOUR + 31 * MINUTE + 5_000_000, 73_000_000, 242)
    }
}

pub(super) fn rows() -> Vec<MediaRow> {
    let today = |hour: u64, minute: u64| MIDNIGHT + hour * HOUR + minute * MINUTE;
    let yesterday = |hour, minute| today(hour, minute) - 24 * HOUR;
    vec![
        MediaRow {
            origin: "crossing".into(),
            ..row(1284, "2026-11-12_13-47-02.mp4", today(13, 47), 27_000_000, 90)
        },
        row(1283, "Gate open", today(12, 58), 212_000, 0),
        row(1282, "2026-11-12_12-31-40.jpg", today(12, 31), 198_000, 0),
        row(1281, "2026-11-12_11-05-00.mp4", today(11, 5), 112_000_000, 370),
        rush_hour_recording(),
        row(1278, "2026-11-11_17-42-11.mp4", yesterday(17, 42), 42_000_000, 140),
        row(1277, "2026-11-11_12-04-37.jpg", yesterday(12, 4), 205_000, 0),
        MediaRow {
            origin: "time-lapse".into(),
            frames: 1_440,
            ..row(1276, "A day in November", yesterday(0, 0), 46_000_000, 86_400)
        },
    ]
}

pub(super) fn recording_now() -> RecordingNow {
    RecordingNow {
        id: 1285,
        name: "Gate <left>".into(),
        origin: "asked".into(),
        began_us: NOW - 134_000_000,
        duration_us: 134_000_000,
        frames: 4_015,
        bytes: 41_000_000,
        gaps: 0,
        every_us: None,
    }
}

pub(super) fn media_room() -> MediaRoom {
    MediaRoom {
        file_bytes: 18_400_000_000,
        unused_bytes: 1_000_000_000,
        snapshots: (1_180, 240_000_000),
        recordings: (91, 17_100_000_000),
        kept_bytes: 1_300_000_000,
        going_bytes: 60_000_000,
        aside: vec![AsideRow {
            name: "media-2026-08-03-101502.db".into(),
            bytes: 2_100_000_000,
            at_us: MIDNIGHT - 101 * 24 * HOUR,
        }],
        free_bytes: 7_200_000_000,
        total_bytes: 29_100_000_000,
        bytes_a_day: Some(200_000_000.0),
        days_left: Some(41.3),
    }
}

pub(super) fn disk_full_trouble() -> KeepingTrouble {
    KeepingTrouble {
        what: NotKept::Full,
        reason: "there is no room left on the disk for pictures".into(),
        hint: "delete something, or tighten retention".into(),
    }
}

pub(super) fn media() -> MediaPage {
    MediaPage {
        head: head(),
        clock: clock(),
        ask: MediaAsk::default(),
        rows: rows(),
        next: Some("1276".into()),
        room: Some(media_room()),
        now: Some(recording_now()),
        trouble: None,
        is_counts_only: false,
        refused: None,
    }
}

/// Seconds at which somebody went in, and out.
const IN: [u64; 22] =
    [4, 11, 12, 26, 31, 38, 52, 58, 61, 74, 83, 92, 98, 117, 131, 149, 153, 166, 182, 199, 214, 229];
const OUT: [u64; 12] = [8, 19, 44, 47, 71, 88, 104, 126, 160, 187, 205, 236];

pub(super) fn player() -> PlayerPage {
    let crossed = IN.iter().map(|at| (*at, true)).chain(OUT.iter().map(|at| (*at, false)));
    PlayerPage {
        head: head(),
        clock: clock(),
        item: rush_hour_recording(),
        at_us: 87_500_000,
        speed: 1.0,
        gaps: vec![(139_000_000, 142_000_000)],
        crossed: Some(crossed.map(|(at, is_in)| (at * 1_000_000, is_in)).collect()),
        refused: None,
    }
}

pub(super) fn snapshot() -> PlayerPage {
    PlayerPage { item: rows().swap_remove(1), at_us: 0, gaps: Vec::new(), crossed: None, ..player() }
}

pub(super) fn database() -> DatabasePage {
    let free = |text: &str| Rule { text: text.into(), pinned: None };
    DatabasePage {
        head: head(),
        clock: clock(),
        file: "/var/lib/tallycam/media.db".into(),
        room: Some(media_room()),
        rules: Rules {
            snapshots_age: free(""),
            snapshots_size: free("1.5"),
            recordings_age: free("30"),
            recordings_size: free("20"),
            min_free: Rule { text: "2".into(), pinned: Some("config.toml:140".into()) },
        },
        plan: Some(RetentionPreview {
            goes: vec![
                (row(17, "2026-10-01_09-00-00.mp4", MIDNIGHT - 42 * 24 * HOUR, 27_000_000, 90), "age"),
                (row(18, "2026-10-02_09-00-00.mp4", MIDNIGHT - 41 * 24 * HOUR, 12_000_000, 40), "bytes"),
            ],
            unmet: None,
            is_trial: false,
        }),
        checked: None,
        done: None,
        trouble: None,
        is_counts_only: false,
        refused: None,
    }
}

pub(super) fn live() -> LiveKeeping {
    LiveKeeping {
        clock: clock(),
        now: Some(recording_now()),
        newest: rows(),
        trouble: None,
        said: String::new(),
    }
}

/// The pages of what is kept, in their states.
pub(super) fn all() -> Vec<(&'static str, String)> {
    let none = MediaPage { rows: Vec::new(), next: None, now: None, ..media() };
    let page = media();
    let refused = Refusal { detail: "there is an item called \"Gate\" already".into(), hint: String::new() };
    vec![
        ("media.html", media_page(&media())),
        ("media-empty.html", media_page(&none)),
        (
            "media-full.html",
            media_page(&MediaPage { trouble: Some(disk_full_trouble()), now: None, ..media() }),
        ),
        ("media-only.html", media_page(&MediaPage { is_counts_only: true, room: None, ..none.clone() })),
        (
            "media-nothing.html",
            media_page(&MediaPage { ask: MediaAsk { text: "moon".into(), ..MediaAsk::default() }, ..none }),
        ),
        ("media-ask.html", media_ask_page(&page.head, &page.clock, &page.ask, &page.rows[..3])),
        ("player.html", player_page(&player())),
        ("player-snapshot.html", player_page(&snapshot())),
        (
            "player-refused.html",
            player_page(&PlayerPage {
                refused: Some((MediaForm { id: 1279, name: "Gate".into(), ..MediaForm::default() }, refused)),
                ..player()
            }),
        ),
        ("database.html", database_page(&database())),
        (
            "database-checked.html",
            database_page(&DatabasePage {
                checked: Some(Checked {
                    items: 1_271,
                    pictures: 412_000,
                    faults: vec!["chunk 7 of item 3 ends before its pictures do".into()],
                    mended: Vec::new(),
                }),
                done: Some("1.0 GB were given back to the file system".into()),
                trouble: Some(disk_full_trouble()),
                ..database()
            }),
        ),
    ]
}
