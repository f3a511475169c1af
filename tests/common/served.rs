//! The server on a real socket, on a [`TestCam`].

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tallycam::base::Stop;
use tallycam::config::Listen;
use tallycam::http::{self, Server, listen};
use tallycam::pipeline::{self, Pipeline};

use super::client::{self, Answer, Client};
use super::testcam::{Running, TestCam};

/// A server, stopped and joined when dropped.
pub struct Served {
    pub address: SocketAddr,
    pub run: Running,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
    /// The thread's folder below `/proc`.
    task: PathBuf,
}

/// Serves `cam` on a free port.
pub fn serve(cam: &TestCam, settings: http::ServerSettings) -> Served {
    let pipeline = pipeline::CaptureOptions {
        silent_after: Duration::from_millis(300),
        ..pipeline::CaptureOptions::default()
    };
    serve_with(cam, settings, pipeline, None)
}

/// Serves `cam`, and also on the Unix socket `unix` if given.
pub fn serve_with(
    cam: &TestCam,
    settings: http::ServerSettings,
    pipeline: pipeline::CaptureOptions,
    unix: Option<&Path>,
) -> Served {
    let run = cam.pipeline(pipeline);
    serve_run(run, unix, |pipeline| Server::new(settings, pipeline, None))
}

/// Serves the pipeline `run` with the server that `make` builds.
pub fn serve_run(run: Running, unix: Option<&Path>, make: impl FnOnce(Pipeline) -> Server) -> Served {
    serve_at("127.0.0.1:0", run, unix, make)
}

/// The same on this address.
pub fn serve_at(
    address: &str,
    run: Running,
    unix: Option<&Path>,
    make: impl FnOnce(Pipeline) -> Server,
) -> Served {
    let tcp = Listen::Tcp(address.parse().unwrap());
    let listens: Vec<_> = [tcp].into_iter().chain(unix.map(|path| Listen::Unix(path.to_owned()))).collect();
    serve_all(&listens, run, make).0
}

/// The same on these addresses: returns the server on the first, and the addresses of all listeners.
pub fn serve_all(
    listens: &[Listen],
    run: Running,
    make: impl FnOnce(Pipeline) -> Server,
) -> (Served, Vec<String>) {
    let listeners: Vec<_> = listens.iter().map(|at| listen::bind(at).unwrap()).collect();
    let addresses: Vec<String> = listeners.iter().map(http::Listener::address).collect();
    let address = addresses[0].parse().unwrap();
    let stop = Stop::new();
    let (task, its_task) = mpsc::channel();
    let thread = std::thread::spawn({
        let (stop, server) = (stop.clone(), make(run.pipeline.clone()));
        move || {
            task.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(server.run(listeners, stop)).unwrap();
        }
    });
    let task = Path::new("/proc").join(its_task.recv().unwrap());
    (Served { address, run, stop, thread: Some(thread), task }, addresses)
}

impl Served {
    pub fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }

    pub fn ask(&self, request: &str) -> Answer {
        client::ask(self.address, request)
    }

    pub fn get(&self, path: &str) -> Answer {
        client::get(self.address, path)
    }

    pub fn post(&self, path: &str) -> Answer {
        self.ask(&format!("POST {path} HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 0\r\n\r\n"))
    }

    pub fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> Answer {
        self.send_with(method, path, &format!("Content-Type: {kind}\r\n"), body)
    }

    /// The same with extra header lines, each with its line end.
    pub fn send_with(&self, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        let len = body.len();
        self.ask(&format!(
            "{method} {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n{lines}Content-Length: {len}\r\n\r\n{body}"
        ))
    }

    pub fn state(&self) -> serde_json::Value {
        self.get("/state").json()
    }

    /// Number of times that its thread became idle and waited.
    pub fn waits(&self) -> u64 {
        let status = std::fs::read_to_string(self.task.join("status")).unwrap();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        count.trim().parse().unwrap()
    }

    /// A viewer of `path`, past the opening boundary.
    pub fn watch(&self, path: &str) -> Client {
        let mut client = self.connect();
        client.watch(path);
        client
    }

    pub fn stop(&self) {
        self.stop.set();
    }

    pub fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
        self.join();
    }
}
