//! The server with a store of pictures and the recording thread, on a [`TestCam`].

use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use tallycam::base::Worker;
use tallycam::http::{self, Server};
use tallycam::pipeline::recording::{RecorderHandle, RecorderSettings};
use tallycam::store::media::{Media, MediaSettings, RetentionRules};
use tempfile::TempDir;

use super::client::Answer;
use super::served::{Served, serve_run};
use super::testcam::TestCam;

/// A server that stores pictures, stopped and joined when dropped.
pub struct Kept {
    served: Served,
    pub recorder: RecorderHandle,
    pub media: Media,
    workers: Vec<Worker>,
    directory: TempDir,
}

impl Deref for Kept {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.served.stop();
        self.served.join();
        self.recorder.stop();
        self.media.stop();
        self.workers.clear();
    }
}

/// Stores the pictures of `cam`, with the usual settings.
pub fn keep(cam: &TestCam) -> Kept {
    keep_with(cam, http::ServerSettings::default(), RecorderSettings::default())
}

pub fn keep_with(cam: &TestCam, http: http::ServerSettings, recorder: RecorderSettings) -> Kept {
    keep_by(cam, http, recorder, |server| server)
}

/// The same with a server that `make` extends.
pub fn keep_by(
    cam: &TestCam,
    http: http::ServerSettings,
    recorder: RecorderSettings,
    more: impl FnOnce(Server) -> Server,
) -> Kept {
    let directory = tempfile::tempdir().unwrap();
    let (media, writer) = Media::open(MediaSettings {
        directory: directory.path().to_owned(),
        camera: http.name.clone(),
        zone: http.zone.clone(),
        retention: RetentionRules::default(),
    })
    .unwrap();
    let run = cam.pipeline(tallycam::pipeline::CaptureOptions::default());
    let (recorder, recording) =
        RecorderHandle::start(&run.pipeline, Ok(media.clone()), None, recorder).unwrap();
    let served = serve_run(run, None, |pipeline| {
        more(Server::new(http, pipeline, None).with_recorder(recorder.clone()))
    });
    Kept { served, recorder, media, workers: vec![recording, writer], directory }
}

impl Kept {
    pub fn folder(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file to the folder from which the old route imports.
    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let folder = self.folder().join("import");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    }

    /// `method path` with JSON.
    pub fn json(&self, method: &str, path: &str, body: &serde_json::Value) -> Answer {
        self.send(method, path, "application/json", &body.to_string())
    }

    /// `method path` with extra header lines, each with its line end, and bytes as the body.
    pub fn upload(&self, method: &str, path: &str, lines: &str, body: &[u8]) -> Answer {
        let mut client = self.connect();
        let len = body.len();
        client.send(&format!(
            "{method} {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n{lines}Content-Length: {len}\r\n\r\n"
        ));
        // A body that is refused midway is not read to its end.
        let _ = client.0.get_mut().write_all(body);
        client.answer(false)
    }

    /// Uploads a picture under this name and returns its number.
    pub fn add(&self, name: &str, number: u64) -> u64 {
        let jpeg = super::testcam::numbered_jpeg(number, 0);
        let answer = self.upload("POST", &format!("/api/v1/media?name={name}"), "", &jpeg);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_u64().unwrap()
    }

    /// The items, newest first.
    pub fn items(&self) -> Vec<serde_json::Value> {
        let answer = self.get("/api/v1/media");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["items"].as_array().unwrap().clone()
    }

    pub fn names(&self) -> Vec<String> {
        self.items().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The program `sqlite3`'s answer from the store; `None` if it is not installed.
    pub fn sqlite3(&self, query: &str) -> Option<String> {
        let output =
            Command::new("sqlite3").arg("-readonly").arg(self.media.file()).arg(query).output().ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    }
}

/// An AVI with these pictures, written by the program's encoder, `step_us` apart.
pub fn avi(pictures: &[Vec<u8>], step_us: u64) -> Vec<u8> {
    let mut avi = tallycam::encode::AviWriter::new(std::io::Cursor::new(Vec::new()), 64, 48).unwrap();
    pictures.iter().for_each(|picture| avi.push(picture).unwrap());
    avi.finish(u32::try_from(step_us).unwrap()).unwrap().into_inner()
}
