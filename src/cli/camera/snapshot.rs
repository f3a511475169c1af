//! `tallycam snapshot`.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::common::atomic_file::{already_exists, write_bytes_atomically};
use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::{ConfigArgs, Failure, media, print_json, print_stdout, write_stdout};
use crate::daemon::still::capture_picture;
use tallycam_camera::media::SourceErrorKind;
use tallycam_config::{Config, Listen};

/// Take a snapshot.
///
/// Opens the configured camera, waits for the first frame and closes it. While the service has the camera open, use
/// --url http://localhost:8080/snapshot, or --keep to store the snapshot there.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// File for the JPEG; - is standard output
    #[arg(value_name = "FILE", default_value = "-")]
    to: PathBuf,
    /// Use this network camera instead of the configured one
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Overwrite FILE
    #[arg(long)]
    force: bool,
    /// Seconds to wait for a frame
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
    /// Let the service take and store it, on the page Media
    #[arg(long, conflicts_with_all = ["to", "url", "force", "wait"])]
    keep: bool,
    /// Name of the stored snapshot; default: date and time
    #[arg(long, value_name = "NAME", requires = "keep")]
    name: Option<String>,
    /// Date; default: today
    #[arg(long, value_name = "DATE", requires = "keep")]
    date: Option<String>,
    /// A note on it
    #[arg(long, value_name = "TEXT", requires = "keep")]
    note: Option<String>,
    /// The picture to store: as shown, the camera's own, or its largest size
    #[arg(long, value_name = "WHICH", requires = "keep", value_parser = ["shown", "original", "largest"])]
    picture: Option<String>,
    /// Maximum width in pixels, 16 to 8192
    #[arg(long, value_name = "PIXELS", requires = "keep", value_parser = clap::value_parser!(u32).range(16..=8192))]
    width: Option<u32>,
    /// Rotate clockwise
    #[arg(long, value_name = "DEGREES", requires = "keep", value_parser = ["0", "90", "180", "270"])]
    rotate: Option<String>,
    /// Grayscale
    #[arg(long, requires = "keep")]
    gray: bool,
    /// Print the details of the stored snapshot as JSON
    #[arg(long, requires = "keep")]
    json: bool,
}

/// Covers the opening of the camera and a change of its size.
const PATIENCE: Duration = Duration::from_secs(60);

impl SnapshotArgs {
    /// Takes the snapshot.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let mut given = given.clone();
        if let Some(url) = &self.url {
            given.sets.push(String::from("source.kind=url"));
            given.sets.push(format!("source.url={url}"));
        }
        let mut config = given.load()?.config;
        if self.url.is_some() {
            // A picture from a URL is not changed: it may come from our own service, which has changed it already.
            config.picture = Config::default().picture;
        }
        if self.keep {
            return self.take_and_keep(&config);
        }
        if config.privacy.counts_only {
            return Err(Failure::failed("no snapshot is taken: privacy mode is on")
                .hint("set [privacy] counts_only = false to show images"));
        }
        let to_standard_output = self.to == Path::new("-");
        if to_standard_output && io::stdout().is_terminal() {
            return Err(Failure::usage("an image is not written to a terminal")
                .hint("name a file: tallycam snapshot picture.jpg"));
        }
        // Checked before the camera opens, so that nobody waits in vain.
        if !to_standard_output && !self.force && self.to.exists() {
            return Err(already_exists(&self.to));
        }
        let taken = capture_picture(&config, Duration::from_secs(self.wait))
            .map_err(|trouble| hint_daemon_running(trouble.into(), &config.http.listen))?;
        let jpeg = taken.picture.jpeg();
        if to_standard_output {
            write_stdout(&jpeg)
        } else {
            write_bytes_atomically(&self.to, &jpeg, self.force)
        }
    }
}

impl SnapshotArgs {
    /// Has the running service take and store a snapshot.
    fn take_and_keep(&self, config: &Config) -> Result<(), Failure> {
        let daemon = Daemon::require(config, "keeping a picture")?.with_timeout(PATIENCE);
        let texts = [
            ("name", &self.name),
            ("date", &self.date),
            ("note", &self.note),
            ("picture", &self.picture),
            ("rotate", &self.rotate),
        ];
        let mut options: Map<String, Value> = texts
            .into_iter()
            .filter_map(|(key, text)| Some((key.to_owned(), Value::from(text.as_deref()?))))
            .collect();
        if let Some(width) = self.width {
            options.insert(String::from("w"), Value::from(width));
        }
        if self.gray {
            options.insert(String::from("gray"), Value::from(true));
        }
        let what = "no snapshot was stored";
        let item: Value =
            daemon.json("POST", "/api/v1/snapshots", RequestBody::Json(&Value::Object(options)), what)?;
        if self.json {
            return print_json(&item);
        }
        let number = |key: &str| item.get(key).and_then(Value::as_u64).unwrap_or_default();
        let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
        let size = media::bytes(number("bytes"));
        print_stdout(&format!(
            "{} {name}: {} × {}, {size}\n",
            number("id"),
            number("width"),
            number("height")
        ))
    }
}

/// A busy camera is most often in use by the service.
fn hint_daemon_running(failure: Failure, listens: &[Listen]) -> Failure {
    let address = listens.iter().find_map(|listen| match listen {
        Listen::Tcp(address) if address.ip().is_unspecified() => {
            Some(format!("localhost:{}", address.port()))
        }
        Listen::Tcp(address) => Some(address.to_string()),
        // `snapshot` does not trust a certificate that tallycam made itself.
        Listen::Https(_) | Listen::Unix(_) => None,
    });
    match (failure, address) {
        (Failure::Device(trouble), Some(address)) if trouble.kind == SourceErrorKind::Busy => {
            let hint = format!("if it is the service, use its snapshot: --url http://{address}/snapshot");
            Failure::Device(trouble.hint(hint))
        }
        (other, _) => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tallycam_camera::media::SourceError;

    #[test]
    fn a_busy_camera_hints_at_the_snapshot_of_the_service() {
        let hint = |listens: &[&str]| {
            let busy = Failure::Device(
                SourceError::new(SourceErrorKind::Busy, "/dev/video0 is in use").hint("wait"),
            );
            let sets = [format!("http.listen={listens:?}")];
            let resolved = tallycam_config::Config::from_text(Path::new("x"), "", &sets, []).unwrap();
            hint_daemon_running(busy, &resolved.config.http.listen).to_text()
        };
        assert!(
            hint(&["unix:/run/x", "0.0.0.0:81"]).ends_with("snapshot: --url http://localhost:81/snapshot")
        );
        assert!(hint(&["10.0.0.2:80"]).ends_with("snapshot: --url http://10.0.0.2:80/snapshot"));
        assert!(hint(&["unix:/run/x"]).ends_with("hint: wait"));
    }
}
