//! Updates of a card: the running version, the last update, and packages handed over to root.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::http::VERSION;
use crate::http::auth::audit::{AuditNote, noted};
use crate::http::report::wire;
use crate::http::request::form_data::FormData;
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::request::reply::no_store;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::{Request, read_upload};
use crate::maintenance::update::{
    LONGEST, PROGRAM, Pending, UpdatePhase, UpdateStatus, built, is_card_image, is_pending, publish, verify,
};
use crate::maintenance::{cut, file_error, has_room};
use tallycam_base::{Fault, private};

/// Maximum number of parts of a form.
const MOST_PARTS: usize = 10;

/// Maximum size of a signature in bytes.
const LONGEST_SIGNATURE: u64 = 4096;

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct UpdateReport {
    version: &'static str,
    built: Option<String>,
    /// How updates are installed: `page`, `apt`, or `key` if the configuration names no key.
    #[schemars(extend("enum" = ["page", "apt", "key"]))]
    by: &'static str,
    /// `waiting`, a phase, or `null`.
    phase: Option<String>,
    message: Option<String>,
    time: Option<String>,
}

/// How updates are installed here, and the state of the last one.
pub struct Last {
    is_card: bool,
    has_key: bool,
    pub is_waiting: bool,
    pub status: Option<UpdateStatus>,
}

impl Last {
    /// Reads on a thread that may wait for the disk.
    pub async fn of(site: &Site) -> Last {
        let state = site.maintenance.as_ref().map(|maintenance| maintenance.state().to_owned());
        let has_key = site.settings().update_key.is_some();
        let read = move || {
            let is_card = is_card_image();
            let status = if is_card { UpdateStatus::read(Path::new(PROGRAM)) } else { None };
            Last { is_card, has_key, is_waiting: state.is_some_and(|state| is_pending(&state)), status }
        };
        let unread = Last { is_card: false, has_key, is_waiting: false, status: None };
        spawn_blocking(read).await.unwrap_or(unread)
    }

    /// `page`, `apt`, or `key` if the configuration names no key.
    pub fn by(&self) -> &'static str {
        match (self.is_card, self.has_key) {
            (false, _) => "apt",
            (true, false) => "key",
            (true, true) => "page",
        }
    }

    pub fn phase(&self) -> Option<&'static str> {
        if self.is_waiting {
            return Some("waiting");
        }
        Some(match self.status.as_ref()?.phase {
            UpdatePhase::Checking => "checking",
            UpdatePhase::Unpacking => "unpacking",
            UpdatePhase::Starting => "starting",
            UpdatePhase::Done => "done",
            UpdatePhase::Failed => "failed",
        })
    }
}

/// `GET /api/v1/update`.
pub async fn get(request: Request) -> Response<Body> {
    let last = Last::of(&request.site).await;
    let report = UpdateReport {
        version: VERSION,
        built: built(),
        by: last.by(),
        phase: last.phase().map(String::from),
        message: last.status.as_ref().map(|status| status.words.clone()),
        time: last.status.map(|status| status.time),
    };
    no_store(reply::json(wire::json(&report)))
}

/// `POST /api/v1/update`: the package and its signature.
pub async fn post(mut request: Request) -> Result<Response<Body>, Problem> {
    take(&mut request).await?;
    let mut response = no_store(reply::no_content());
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(noted(response, AuditNote::Did(String::from("handed over a package to be installed"))))
}

async fn take(request: &mut Request) -> Result<(), Problem> {
    let site = request.site.clone();
    let cannot =
        |detail: &str, hint: &str| Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).hint(hint));
    match Last::of(&site).await.by() {
        "apt" => {
            return cannot(
                "this is no card: the package manager installs other versions",
                "`sudo apt install ./tallycam_VERSION_ARCHITECTURE.deb` on its machine",
            );
        }
        "key" => {
            return cannot(
                "the configuration names no key that updates are signed with",
                "set [update] key in tallycam.toml on the card, or run `sudo tallycam update` on it",
            );
        }
        _ => {}
    }
    let Some(state) = site.maintenance.as_ref().map(|maintenance| maintenance.state().to_owned()) else {
        return cannot("this program keeps nothing", "run `sudo tallycam update` on its machine");
    };
    let Some(boundary) = request.form_boundary() else {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a form with two files is expected");
        return Err(problem.hint("the package and its .minisig, as multipart/form-data"));
    };
    let mut upload = request.take_upload()?;
    upload.limit(LONGEST)?;
    let key = site.settings().update_key.clone();
    let Ok(place) = site.updating.clone().try_acquire_owned() else {
        return Err(Problem::new(StatusCode::CONFLICT, "another package is being taken"));
    };
    let len = upload.len().unwrap_or(LONGEST);
    let read = read_upload(upload, move |received| {
        let _place = place;
        has_room(&state, len, 0)?;
        keep(&state, FormData::new(received, &boundary), key.as_deref())
    });
    read.await?;
    log::warn!("{} uploads a package to install", request.link.peer());
    Ok(())
}

/// Places both files where root takes them, if the signature is right. Root verifies it again.
fn keep<R: Read>(state: &Path, form: FormData<R>, key: Option<&str>) -> Result<(), Fault> {
    let pending = Pending::create(state)?;
    let kept = fill(&pending, form, key).and_then(|()| publish(state));
    if kept.is_err() {
        // A refused package must take no space.
        let _ = Pending::create(state);
    }
    kept
}

fn fill<R: Read>(pending: &Pending, mut form: FormData<R>, key: Option<&str>) -> Result<(), Fault> {
    let (mut has_package, mut has_signature) = (false, false);
    for _ in 0..MOST_PARTS {
        let Some(part) = form.part().map_err(cut)? else { break };
        let Some(name) = part.file.filter(|name| !name.is_empty()) else { continue };
        if name.ends_with(".minisig") && !has_signature {
            has_signature = true;
            write(&pending.signature, &mut form.body().take(LONGEST_SIGNATURE))?;
        } else if !has_package {
            has_package = true;
            write(&pending.deb, &mut form.body())?;
        }
    }
    if !has_package || !has_signature {
        return Err(Fault::wrong("the package, or its signature FILE.minisig, is missing"));
    }
    verify(&pending.deb, &pending.signature, key)
}

fn write(file: &Path, from: &mut dyn Read) -> Result<(), Fault> {
    let mut out: File =
        private::options().write(true).create_new(true).open(file).map_err(file_error(file))?;
    let mut piece = vec![0; 64 << 10];
    loop {
        let got = from.read(&mut piece).map_err(cut)?;
        if got == 0 {
            return out.sync_all().map_err(file_error(file));
        }
        io::Write::write_all(&mut out, &piece[..got]).map_err(file_error(file))?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_unsigned_package_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let part = |name: &str, text: &str| {
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\n{text}\r\n"
            )
        };
        let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        let (package, signature) = (part("a.deb", "a package"), part("a.deb.minisig", "a signature"));
        for (form, key, words) in [
            (package.clone(), Some(key), "its signature FILE.minisig, is missing"),
            (signature.clone(), Some(key), "is missing"),
            (format!("{package}{signature}"), Some(key), "no signature of minisign"),
            (format!("{signature}{package}"), None, "names no key"),
        ] {
            let form = format!("{form}--b--\r\n");
            let fault = keep(state.path(), FormData::new(form.as_bytes(), "b"), key).unwrap_err();
            assert!(fault.to_string().contains(words), "{fault}");
            assert!(!is_pending(state.path()));
            assert_eq!(std::fs::read_dir(state.path().join("update")).unwrap().count(), 0, "{words}");
        }
        let cut = FormData::new(package.as_bytes(), "b");
        assert!(
            keep(state.path(), cut, Some(key)).unwrap_err().to_string().starts_with("the backup was cut off")
        );
    }
}
