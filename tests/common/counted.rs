//! The server with a counts.db and the counting threads, on a [`TestCam`] and a detector that the test steers.

use std::collections::HashMap;
use std::io::BufRead;
use std::net::TcpStream;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tallycam::base::{Fault, Worker, clock};
use tallycam::http::{self, ModelLibrary, Server};
use tallycam::media::SmallImage;
use tallycam::outbound::api::ApiCalls;
use tallycam::pipeline::counting::{Counting, CountingSettings, LoadedDetector, MakeDetector};
use tallycam::pipeline::recording::{RecorderHandle, RecorderSettings};
use tallycam::store::media::{Media, MediaSettings, RetentionRules};
use tallycam::store::{self, Counts, NewCrossing, Scene, StoreError};
use tallycam::vision::{Bounds, Class, CounterOptions, Detection, Detector, Direction, Labels, Point};
use tempfile::TempDir;

use super::client::Client;
use super::served::{Served, serve_run};
use super::testcam::TestCam;

/// A detector that sees one person, at the place that the test sets.
#[derive(Clone)]
pub struct Stage(Arc<Mutex<Option<f32>>>, Labels);

impl Stage {
    fn new() -> Stage {
        Stage(Arc::default(), Labels::new(["person"]))
    }

    /// Puts the person at this fraction of the width; `None` removes it.
    pub fn put(&self, x: Option<f32>) {
        *self.0.lock().unwrap() = x;
    }
}

impl Detector for Stage {
    fn name(&self) -> &str {
        "stage"
    }

    fn labels(&self) -> &Labels {
        &self.1
    }

    fn least_size(&self, width: u32, height: u32) -> (u32, u32) {
        (width, height)
    }

    fn options(&self) -> CounterOptions {
        CounterOptions::default()
    }

    fn detect(&mut self, _: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault> {
        found.clear();
        let person = |x| Detection {
            class: Class(0),
            score: 0.9,
            bounds: Bounds::centered_at(Point::new(x, 0.5), 0.2, 0.4),
        };
        found.extend(self.0.lock().unwrap().map(person));
        Ok(())
    }
}

/// How to count; the defaults suit most tests.
pub struct Setup {
    pub http: http::ServerSettings,
    pub counts_only: bool,
    /// The simulation may stand in for the camera.
    pub may_be_simulated: bool,
    pub has_counts_db: bool,
    pub models: Option<Arc<dyn ModelLibrary>>,
    pub has_unix: bool,
    pub keeps: bool,
    /// Calls of the service's own parts.
    pub calls: Option<ApiCalls>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            http: http::ServerSettings::default(),
            counts_only: false,
            may_be_simulated: false,
            has_counts_db: true,
            models: None,
            has_unix: false,
            keeps: false,
            calls: None,
        }
    }
}

/// A server that counts, stopped and joined when dropped.
pub struct Counted {
    served: Served,
    pub counting: Counting,
    /// counts.db, even if the server has none.
    pub counts: Counts,
    pub stage: Stage,
    kept: Option<(RecorderHandle, Media)>,
    workers: Vec<Worker>,
    /// Number of crossings that the test recorded.
    recorded: Mutex<u64>,
    directory: TempDir,
}

impl Deref for Counted {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.served.stop();
        self.served.join();
        self.counting.stop();
        self.counts.stop();
        if let Some((recorder, media)) = &self.kept {
            recorder.stop();
            media.stop();
        }
        self.workers.clear();
    }
}

/// Counts the frames of `cam`, with the usual settings.
pub fn count(cam: &TestCam) -> Counted {
    count_with(cam, Setup::default())
}

/// The same, and stores its pictures.
pub fn count_and_keep(cam: &TestCam) -> Counted {
    count_with(cam, Setup { keeps: true, ..Setup::default() })
}

pub fn count_with(cam: &TestCam, setup: Setup) -> Counted {
    let directory = tempfile::tempdir().unwrap();
    let (counts, writer) = Counts::open(store::CountsOptions {
        directory: directory.path().to_owned(),
        camera: setup.http.name.clone(),
        zone: setup.http.zone.clone(),
        day_starts: setup.http.day_starts,
    })
    .unwrap();
    let run = cam.pipeline(tallycam::pipeline::CaptureOptions::default());
    let stage = Stage::new();
    let make: MakeDetector = Box::new({
        let stage = stage.clone();
        move |_, name| match name {
            None | Some("stage") => {
                Ok(LoadedDetector { detector: Box::new(stage.clone()), backend: "replay", notes: Vec::new() })
            }
            Some(name) => {
                Err(Fault::wrong(format!("there is no model called {name:?}")).hint("read the test"))
            }
        }
    });
    let counts_db = match setup.has_counts_db {
        true => Ok(counts.clone()),
        false => Err(StoreError::file("counts.db".as_ref(), "it is damaged", Some("read the test"))),
    };
    let settings = CountingSettings {
        is_on: true,
        fps: Some(50.0),
        classes: Vec::new(),
        score: None,
        region: None,
        filter: Default::default(),
        scene: Scene::Camera,
        may_be_simulated: setup.may_be_simulated,
        thumbnails: false,
        movement_map: false,
        counts_only: setup.counts_only,
    };
    let (counting, mut workers) = Counting::start(&run.pipeline, counts_db, make, settings).unwrap();
    workers.push(writer);
    let kept = setup.keeps.then(|| {
        let (media, writer) = Media::open(MediaSettings {
            directory: directory.path().to_owned(),
            camera: setup.http.name.clone(),
            zone: setup.http.zone.clone(),
            retention: RetentionRules::default(),
        })
        .unwrap();
        let settings = RecorderSettings::default();
        let (recorder, recording) =
            RecorderHandle::start(&run.pipeline, Ok(media.clone()), Some(counts.clone()), settings).unwrap();
        workers.extend([recording, writer]);
        (recorder, media)
    });
    let unix = setup.has_unix.then(|| directory.path().join("http.sock"));
    let served = serve_run(run, unix.as_deref(), |pipeline| {
        let server = Server::new(setup.http, pipeline, Some(counting.clone()));
        let server = match setup.calls {
            Some(calls) => server.with_calls(calls),
            None => server,
        };
        let server = match setup.models {
            Some(models) => server.with_models(models),
            None => server,
        };
        match &kept {
            Some((recorder, _)) => server.with_recorder(recorder.clone()),
            None => server,
        }
    });
    Counted { served, counting, counts, kept, stage, workers, recorded: Mutex::new(0), directory }
}

impl Counted {
    /// The store of pictures, if there is one.
    pub fn media(&self) -> &Media {
        &self.kept.as_ref().unwrap().1
    }

    pub fn join(&mut self) {
        self.served.join();
    }

    /// Draws a line down the middle through the API and returns its number.
    pub fn draw(&self, name: &str) -> u64 {
        let body = json!({"name": name, "a": [0.5, 1], "b": [0.5, 0]}).to_string();
        let answer = self.send("POST", "/api/v1/lines", "application/json", &body);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_u64().unwrap()
    }

    /// Records `many` crossings of `line`, every third one out, and waits until they are stored.
    pub fn record(&self, line: u64, many: u64) {
        self.record_of("person", line, many);
    }

    /// The same for another class.
    pub fn record_of(&self, class: &str, line: u64, many: u64) {
        let mut recorded = self.recorded.lock().unwrap();
        let mut committed = self.counts.subscribe_crossings();
        let crossings = (*recorded..*recorded + many).map(|n| NewCrossing {
            line,
            scene: Scene::Camera,
            // A track number that the counting thread never gives.
            track: 1_000_000 + n,
            ordinal: 1,
            class: class.into(),
            direction: if n % 3 == 2 { Direction::Out } else { Direction::In },
            score: 0.75,
            monotonic_us: clock::monotonic_us(),
            kmh: None,
            thumbnail: None,
        });
        self.counts.record(crossings.collect()).unwrap();
        *recorded += many;
        for _ in 0..many {
            committed.blocking_recv().unwrap();
        }
    }

    /// Listens to `path` with extra header lines, past the head.
    pub fn listen(&self, path: &str, lines: &str) -> Listener {
        Listener::new(self.connect(), path, lines)
    }

    /// Listens to `path` over the Unix socket. The socket buffers only some hundred kilobytes that the client has not
    /// read; TCP buffers megabytes.
    pub fn listen_nearby(&self, path: &str) -> Listener {
        let socket = UnixStream::connect(self.directory.path().join("http.sock")).unwrap();
        // Only a type for the descriptor: it is read and written like any other.
        Listener::new(Client::new(TcpStream::from(OwnedFd::from(socket))), path, "")
    }

    /// A value of `/metrics`, by its name with its labels.
    pub fn figure(&self, series: &str) -> Option<String> {
        let answer = self.get("/metrics");
        let value = answer.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map(str::to_owned)
    }
}

/// A listener to events. It uses HTTP/1.0, so that no chunk framing stands between the lines.
pub struct Listener(pub Client);

#[derive(Debug, Default, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: Option<u64>,
    pub data: Value,
}

impl Listener {
    pub fn new(mut client: Client, path: &str, lines: &str) -> Listener {
        client.send(&format!("GET {path} HTTP/1.0\r\nHost: 192.0.2.1\r\n{lines}\r\n"));
        let head = client.head();
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")), "{head:?}");
        Listener(client)
    }

    /// The next block of lines; `None` at the end.
    pub fn block(&mut self) -> Option<HashMap<String, String>> {
        let mut fields = HashMap::new();
        loop {
            let mut line = String::new();
            if self.0.0.read_line(&mut line).unwrap() == 0 {
                assert!(fields.is_empty(), "cut off in the middle: {fields:?}");
                return None;
            }
            let line = line.strip_suffix('\n').expect("a whole line");
            if line.is_empty() {
                return Some(fields);
            }
            let (name, value) = line.split_once(':').unwrap();
            fields.insert(name.to_owned(), value.trim_start().to_owned());
        }
    }

    /// The next event of any name; `None` at the end.
    pub fn event(&mut self) -> Option<Event> {
        loop {
            let block = self.block()?;
            if let Some(name) = block.get("event") {
                return Some(Event {
                    name: name.clone(),
                    id: block.get("id").map(|id| id.parse().unwrap()),
                    data: serde_json::from_str(&block["data"]).unwrap(),
                });
            }
        }
    }

    pub fn next(&mut self, name: &str) -> Event {
        loop {
            let event = self.event().expect("it has not ended");
            if event.name == name {
                return event;
            }
        }
    }
}

/// Settings that neither drop stalled peers nor send comments, so that waiting for an absent event ends.
pub fn patient() -> http::ServerSettings {
    let hour = Duration::from_secs(3600);
    http::ServerSettings { stall: hour, heartbeat: hour, ..http::ServerSettings::default() }
}
