//! `tallycam snapshot`.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{Failure, Given, wiring, write_out};
use crate::config::Listen;
use crate::media::TroubleKind;

/// Take one picture.
///
/// Opens the configured camera itself, waits for its first picture and closes it again. While
/// `tallycam serve` has the camera open, take the picture from that: --url
/// http://localhost:8080/snapshot.
#[derive(Debug, Args)]
pub struct Snapshot {
    #[command(flatten)]
    given: Given,
    /// Where the JPEG goes; - is standard output
    #[arg(value_name = "FILE", default_value = "-")]
    to: PathBuf,
    /// Take it from this network camera instead of the configured one
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Replace FILE if it is there
    #[arg(long)]
    force: bool,
    /// Seconds to wait for a picture
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
}

impl Snapshot {
    /// Takes the picture.
    pub fn run(&self, given: &Given) -> Result<(), Failure> {
        let mut given = given.and(&self.given);
        if let Some(url) = &self.url {
            given.sets.push(String::from("source.kind=url"));
            given.sets.push(format!("source.url={url}"));
        }
        let config = given.load()?.config;
        let to_standard_output = self.to == Path::new("-");
        if to_standard_output && io::stdout().is_terminal() {
            return Err(Failure::Usage {
                message: String::from("a picture is not written to a terminal"),
                hint: Some(String::from("name a file: tallycam snapshot picture.jpg")),
            });
        }
        // Known before the camera is opened, so that no one waits for it in vain.
        if !to_standard_output && !self.force && self.to.exists() {
            return Err(is_there(&self.to));
        }
        let taken = wiring::take_picture(&config, Duration::from_secs(self.wait))
            .map_err(|failure| hint_at_the_daemon(failure, &config.http.listen))?;
        let jpeg = taken.picture.jpeg();
        if to_standard_output { write_out(&jpeg) } else { write_file(&self.to, &jpeg, self.force) }
    }
}

/// A camera in use is most often in use by ourselves.
fn hint_at_the_daemon(failure: Failure, listens: &[Listen]) -> Failure {
    let address = listens.iter().find_map(|listen| match listen {
        Listen::Tcp(address) if address.ip().is_unspecified() => {
            Some(format!("localhost:{}", address.port()))
        }
        Listen::Tcp(address) => Some(address.to_string()),
        Listen::Unix(_) => None,
    });
    match (failure, address) {
        (Failure::Device(trouble), Some(address)) if trouble.kind == TroubleKind::Busy => {
            let hint = format!(
                "if that is `tallycam serve`, take the picture from it: --url http://{address}/snapshot"
            );
            Failure::Device(trouble.hint(hint))
        }
        (other, _) => other,
    }
}

fn is_there(file: &Path) -> Failure {
    Failure::Io {
        message: format!("{} is there already", file.display()),
        hint: Some(String::from("--force replaces it")),
    }
}

/// Writes `bytes` beside `file` and moves them there in one step: nobody ever sees half a picture.
fn write_file(file: &Path, bytes: &[u8], replace: bool) -> Result<(), Failure> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = File::create_new(&beside)
        .and_then(|mut part| part.write_all(bytes).and_then(|()| part.sync_all()))
        .and_then(|()| move_to(&beside, file, replace));
    if written.is_err() {
        // What is left of the attempt; the attempt's own error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => is_there(file),
        _ => Failure::Io { message: format!("{} could not be written: {error}", file.display()), hint: None },
    })
}

fn move_to(from: &Path, to: &Path, replace: bool) -> io::Result<()> {
    if replace {
        return fs::rename(from, to);
    }
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that knows no such rename (some network ones): look, then move.
        Err(Errno::INVAL | Errno::NOSYS) if to.exists() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
        done => Ok(done?),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::media::Trouble;

    #[test]
    fn a_file_is_replaced_only_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jpg");
        write_file(&file, b"one", false).unwrap();
        assert!(write_file(&file, b"two", false).unwrap_err().text().contains("is there already"));
        assert_eq!(fs::read(&file).unwrap(), b"one");
        write_file(&file, b"three", true).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was left behind");
    }

    #[test]
    fn a_busy_camera_is_asked_for_where_we_serve_it() {
        let hint = |listens: &[&str]| {
            let busy = Failure::Device(Trouble::new(TroubleKind::Busy, "/dev/video0 is in use").hint("wait"));
            let sets = [format!("http.listen={listens:?}")];
            let resolved = crate::config::Config::from_text(Path::new("x"), "", &sets, []).unwrap();
            hint_at_the_daemon(busy, &resolved.config.http.listen).text()
        };
        assert!(hint(&["unix:/run/x", "0.0.0.0:81"]).ends_with("it: --url http://localhost:81/snapshot"));
        assert!(hint(&["10.0.0.2:80"]).ends_with("it: --url http://10.0.0.2:80/snapshot"));
        assert!(hint(&["unix:/run/x"]).ends_with("hint: wait"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let failure = write_file(Path::new("/nowhere/a.jpg"), b"", false).unwrap_err();
        assert_eq!(
            failure.text(),
            "tallycam: /nowhere/a.jpg could not be written: No such file or directory (os error 2)"
        );
        assert_eq!(failure.code(), 74);
    }
}
