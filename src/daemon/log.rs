//! The log: to journald with levels and fields if systemd started the program, else as lines to standard error.
//!
//! Every thread logs. One call writes a whole line, so lines never mix. [`set_level`] changes the level at run time.
//! The last lines stay in memory for the page and the API. Other crates are logged only from warnings up, because
//! their details mean nothing to an operator.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use jiff::tz::TimeZone;
use log::{Level, LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::JournalLog;

use tallycam_base::LoggedLine;
use tallycam_base::{Recent, clock};

/// Starts logging for the whole program, once; a second call only sets the level. `recent` keeps the last lines.
///
/// `camera` goes into the journal as the field `CAMERA`, so that `journalctl CAMERA=door` shows the lines of one
/// camera's instance.
pub fn start(level: LevelFilter, camera: &str, recent: Recent) {
    let sink = match systemd_journal_logger::connected_to_journal().then(JournalLog::new) {
        Some(Ok(journal)) => Sink::Journal(
            journal.add_extra_field("CAMERA", camera).with_syslog_identifier(String::from("tallycam")),
        ),
        _ => Sink::Lines { coloured: use_color(), zone: TimeZone::system() },
    };
    // A logger that was set before stays.
    let _ = log::set_boxed_logger(Box::new(Logger { sink, recent }));
    set_level(level);
}

/// Drops lines below `level`.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// True if standard error is a terminal and `NO_COLOR` (<https://no-color.org>) is unset or empty.
fn use_color() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

struct Logger {
    sink: Sink,
    recent: Recent,
}

enum Sink {
    Journal(JournalLog),
    Lines { coloured: bool, zone: TimeZone },
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_own_target(metadata.target()) || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let wall_us = clock::wall_us();
        self.recent.add(LoggedLine {
            wall_us,
            level: record.level(),
            place: module_path(record.target()).to_owned(),
            text: record.args().to_string(),
        });
        // The daemon goes on without a writable log.
        match &self.sink {
            Sink::Journal(journal) => drop(journal.journal_send(record)),
            Sink::Lines { coloured, zone } => {
                let line = line(record, wall_us, zone, *coloured);
                drop(std::io::stderr().write_all(line.as_bytes()));
            }
        }
    }

    fn flush(&self) {}
}

fn is_own_target(target: &str) -> bool {
    target.split("::").next() == Some(env!("CARGO_CRATE_NAME"))
}

/// As in `2026-11-20 08:41:02.123 INFO  pipeline: the camera is open`, in the time of `zone`, with a line end.
fn line(record: &Record<'_>, wall_us: u64, zone: &TimeZone, coloured: bool) -> String {
    let time = jiff::Timestamp::from_microsecond(wall_us as i64).unwrap_or_default().to_zoned(zone.clone());
    let (on, off) = match (coloured, record.level()) {
        (false, _) => ("", ""),
        (true, Level::Error) => ("\x1b[31m", "\x1b[0m"),
        (true, Level::Warn) => ("\x1b[33m", "\x1b[0m"),
        (true, Level::Info) => ("\x1b[32m", "\x1b[0m"),
        (true, Level::Debug | Level::Trace) => ("\x1b[2m", "\x1b[0m"),
    };
    let mut line = String::with_capacity(120);
    // Writing into a String cannot fail.
    let _ = writeln!(
        line,
        "{} {on}{:<5}{off} {}: {}",
        time.strftime("%Y-%m-%d %H:%M:%S.%3f"),
        record.level(),
        module_path(record.target()),
        record.args()
    );
    line
}

/// The module path inside the program: `tallycam::source::v4l2` becomes `source::v4l2`.
fn module_path(target: &str) -> &str {
    match target.split_once("::") {
        Some((_, inner)) if is_own_target(target) => inner,
        _ => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20T08:41:02.123456Z.
    const WALL_US: u64 = 1_795_164_062_123_456;

    fn written(level: Level, target: &str, coloured: bool) -> String {
        let message = format_args!("the camera is open");
        line(
            &Record::builder().level(level).target(target).args(message).build(),
            WALL_US,
            &TimeZone::UTC,
            coloured,
        )
    }

    #[test]
    fn a_line_has_time_level_place_and_words() {
        assert_eq!(
            written(Level::Info, "tallycam::pipeline", false),
            "2026-11-20 08:41:02.123 INFO  pipeline: the camera is open\n"
        );
        assert_eq!(
            written(Level::Error, "tallycam::source::v4l2", false),
            "2026-11-20 08:41:02.123 ERROR source::v4l2: the camera is open\n"
        );
    }

    #[test]
    fn colour_is_only_around_the_level() {
        assert_eq!(
            written(Level::Warn, "tallycam::http", true),
            "2026-11-20 08:41:02.123 \x1b[33mWARN \x1b[0m http: the camera is open\n"
        );
    }

    #[test]
    fn a_zone_shows_its_own_time() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let record = Record::builder().args(format_args!("")).build();
        assert!(line(&record, WALL_US, &zone, false).starts_with("2026-11-20 09:41:02.123 "));
    }

    #[test]
    fn other_crates_are_heard_from_warnings_up() {
        let sink = Sink::Lines { coloured: false, zone: TimeZone::UTC };
        let logger = Logger { sink, recent: Recent::default() };
        let hears = |level, target| logger.enabled(&Metadata::builder().level(level).target(target).build());
        assert!(hears(Level::Trace, "tallycam::http"));
        assert!(hears(Level::Warn, "rustls::client"));
        assert!(!hears(Level::Info, "rustls::client"));
        assert!(!hears(Level::Info, "tallycamera"));
    }

    #[test]
    fn logged_lines_are_kept() {
        let recent = Recent::default();
        let sink = Sink::Lines { coloured: false, zone: TimeZone::UTC };
        let logger = Logger { sink, recent: recent.clone() };
        let say = |level, target| {
            let message = format_args!("the camera is open");
            logger.log(&Record::builder().level(level).target(target).args(message).build());
        };
        say(Level::Info, "tallycam::source::v4l2");
        say(Level::Info, "rustls::client");
        let lines = recent.lines(Level::Trace, 10);
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (lines[0].level, lines[0].place.as_str(), lines[0].text.as_str()),
            (Level::Info, "source::v4l2", "the camera is open")
        );
    }
}
