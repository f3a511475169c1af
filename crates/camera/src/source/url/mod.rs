//! Network cameras: MJPEG streams and single JPEGs over HTTP and HTTPS, and everything that `ffmpeg` can open
//! (`rtsp://` and the like).
//!
//! Everything happens on the capture thread, inside `open` and `next`: the source owns a single-threaded runtime that
//! runs only while one of them waits. Only the lookup of a host's name, a blocking call of the C library, runs on a
//! thread of its own, "resolve", which ends with the call. JPEGs are passed on unchanged.

mod address;
mod client;
mod cookies;
mod download;
mod ffmpeg;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod login;
mod wire;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep_until, timeout};

pub use self::download::download;

use self::address::{CameraUrl, Login, split_scheme};
use self::client::{ServerAnswer, ServerContent, UrlClient};
use self::wire::{SLOW_CAMERA, UrlConnection, WireLimits};
use super::exec::ExecOpener;
use super::multipart::{MAX_PICTURE, MultipartReader, Newest, value};
use super::pace::frame_interval;
use super::{FormatRequest, Opener, Source, StreamFormat};
use crate::media::{Fourcc, Frame, SourceError, SourceErrorKind};
use tallycam_base::{ClockTime, Fault, Stop, block_on};

/// Default interval between requests for single JPEGs.
const POLL_STEP: Duration = Duration::from_secs(1);
/// Bytes read in a row before searching for frames.
const AT_ONCE: usize = 4 << 20;
/// Bytes of a part in which its type is searched.
const LONGEST_HEAD: usize = 4 << 10;

/// Opens a network camera; see the module.
#[derive(Debug, Clone)]
pub struct UrlOpener(Transport);

#[derive(Debug, Clone)]
enum Transport {
    Http { address: CameraUrl, login: Option<Login>, wanted: FormatRequest, limits: WireLimits },
    Ffmpeg(ExecOpener),
}

impl UrlOpener {
    /// A camera at `url`. `login` is user name and password; if it is `None`, one inside the URL is used.
    ///
    /// # Errors
    /// [`SourceErrorKind::Unsupported`] if `url` is invalid or has an unknown scheme.
    pub fn new(
        url: &str,
        login: Option<(String, String)>,
        wanted: FormatRequest,
    ) -> Result<UrlOpener, SourceError> {
        let login = login.map(|(user, password)| Login { user, password });
        let bad = |error: Fault| {
            // Not quoted: it may contain a password.
            SourceError::new(SourceErrorKind::Unsupported, "this is no address of a camera")
                .because(error)
                .hint("it looks like http://192.168.0.20/video or rtsp://192.168.0.20/stream")
        };
        let (scheme, rest) = split_scheme(url).map_err(bad)?;
        if ffmpeg::SCHEMES.contains(&scheme.as_str()) {
            return Ok(UrlOpener(Transport::Ffmpeg(ffmpeg::opener(&scheme, rest, login, wanted))));
        }
        let (address, own) = CameraUrl::parse(url).map_err(bad)?;
        Ok(UrlOpener(Transport::Http {
            address,
            login: login.or(own),
            wanted,
            limits: WireLimits::default(),
        }))
    }
}

impl Opener for UrlOpener {
    fn describe(&self) -> String {
        match &self.0 {
            Transport::Http { address, .. } => address.to_string(),
            Transport::Ffmpeg(program) => program.describe(),
        }
    }

    fn set_silent_after(&mut self, time: Duration) {
        if let Transport::Http { limits, .. } = &mut self.0 {
            *limits = WireLimits::with_silence(time);
        }
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        match &mut self.0 {
            Transport::Http { address, login, wanted, limits } => {
                let source = UrlSource::open(address.clone(), login.clone(), wanted, *limits, stop)?;
                Ok(Box::new(source))
            }
            Transport::Ffmpeg(program) => {
                let described = program.describe();
                program.open(stop).map_err(|fault| match fault.kind {
                    SourceErrorKind::Absent => {
                        let what = format!("{described} needs ffmpeg, which is not installed");
                        SourceError::new(SourceErrorKind::Unsupported, what).hint("sudo apt install ffmpeg")
                    }
                    _ => fault,
                })
            }
        }
    }
}

/// A runtime whose drop never blocks.
struct Loop(Option<Runtime>);

impl Loop {
    fn new() -> Result<Loop, SourceError> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .thread_name("resolve")
            .thread_keep_alive(Duration::from_secs(1))
            .build();
        runtime.map(|runtime| Loop(Some(runtime))).map_err(|error| {
            SourceError::new(SourceErrorKind::Failed, "the network cannot be used").because(error)
        })
    }

    fn block_on<T>(&self, future: impl Future<Output = Result<T, SourceError>>) -> Result<T, SourceError> {
        match &self.0 {
            Some(runtime) => block_on(runtime, future),
            None => Err(SourceError::new(SourceErrorKind::Failed, "the network is not used any more")),
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Does not wait for a name lookup in progress.
            runtime.shutdown_background();
        }
    }
}

struct UrlSource {
    exchange: Exchange,
    reader: MultipartReader,
    shown: String,
    delivers: StreamFormat,
    polling: Polling,
    sequence: u64,
    /// A faulty frame has been logged.
    is_reported: bool,
    /// Last, so that connections are dropped before it.
    runtime: Loop,
}

/// State of a camera that is polled for single JPEGs.
struct Polling {
    /// Time from one request to the next.
    step: Duration,
    due: Instant,
    /// An answer was a single JPEG, so the next ones are, whatever their type says.
    is_still: bool,
    /// The last answer had no JPEG: the camera may be busy.
    missed: Option<SourceError>,
}

/// The client and the result of its request.
type Asked = (Box<UrlClient>, Result<ServerAnswer, SourceError>);

/// State of the exchange with the server.
enum Exchange {
    /// An answer is arriving.
    Reading(Box<UrlResponse>),
    /// The next request waits until it is due.
    Resting(Box<UrlClient>),
    /// A request is in progress.
    Asking(Pin<Box<dyn Future<Output = Asked>>>),
    /// Unusable.
    Over,
}

struct UrlResponse {
    client: Box<UrlClient>,
    wire: UrlConnection,
    body: Incoming,
    content: ServerContent,
    /// JPEGs found in this answer, complete or not.
    found: u64,
    /// The beginning of the body, if it was read in advance.
    begun: Bytes,
    /// The beginning of its first part, until a JPEG is found.
    head: Vec<u8>,
    /// Type of its first part, if that is video other than JPEG.
    codec: Option<String>,
    /// How the answer ended.
    ended: Option<Result<(), SourceError>>,
}

impl UrlSource {
    fn open(
        address: CameraUrl,
        login: Option<Login>,
        wanted: &FormatRequest,
        limits: WireLimits,
        stop: &Stop,
    ) -> Result<UrlSource, SourceError> {
        let runtime = Loop::new()?;
        let shown = address.to_string();
        let mut client = Box::new(UrlClient::new(address, login, limits));
        let answer = runtime.block_on(async {
            tokio::select! {
                // The limit covers the whole opening: name lookup, redirects, login.
                answer = timeout(limits.opening_limit(), client.open_stream()) => answer.unwrap_or_else(|_| {
                    let what = format!("{shown} did not answer within {} s", limits.opening_limit().as_secs());
                    Err(SourceError::new(SourceErrorKind::Silent, what)
                        .hint(format!("is it switched on, and the address right? {SLOW_CAMERA}")))
                }),
                () = stop.stopped() => {
                    Err(SourceError::new(SourceErrorKind::Failed, format!("opening {shown} was given up")))
                }
            }
        })?;
        let step = wanted.fps.and_then(frame_interval).unwrap_or(POLL_STEP);
        let mut notes = Vec::new();
        if wanted.width.is_some() || wanted.height.is_some() {
            notes.push("the camera decides the size of its pictures; its URL may take one".into());
        }
        if wanted.fps.is_some() && answer.content == ServerContent::Stream {
            notes.push("the camera decides how many pictures it sends; its URL may take a number".into());
        }
        let delivers = StreamFormat {
            name: shown.clone(),
            fourcc: Fourcc::MJPG,
            width: 0,
            height: 0,
            fps: (answer.content == ServerContent::Picture).then(|| 1.0 / step.as_secs_f64()),
            notes,
            is_simulated: false,
        };
        Ok(UrlSource {
            exchange: Exchange::Reading(Box::new(UrlResponse::new(client, answer))),
            reader: MultipartReader::new(MAX_PICTURE),
            shown,
            delivers,
            polling: Polling { step, due: Instant::now() + step, is_still: false, missed: None },
            sequence: 0,
            is_reported: false,
            runtime,
        })
    }
}

impl Source for UrlSource {
    fn source_info(&self) -> &StreamFormat {
        &self.delivers
    }

    fn first_frame_within(&self) -> Duration {
        wire::ANSWER_WITHIN
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        let UrlSource { exchange, reader, shown, polling, runtime, .. } = self;
        let newest = runtime.block_on(async {
            // Cancelling loses nothing: all data are in the exchange and the reader.
            match timeout(wait, newest(exchange, reader, shown, polling)).await {
                Ok(newest) => newest,
                Err(_) => Ok(None),
            }
        })?;
        let Some(newest) = newest else { return Ok(None) };
        if let Some(error) = newest.error.filter(|_| !std::mem::replace(&mut self.is_reported, true)) {
            log::warn!("{}: {error}; continuing with the next", self.shown);
        }
        self.sequence += newest.found;
        Ok(Some(self.reader.frame(newest.range, ClockTime::now(), self.sequence)))
    }

    fn take_missed(&mut self) -> Option<SourceError> {
        self.polling.missed.take()
    }
}

/// The newest frame, however long it takes; `None` after an answer without one from a camera of single JPEGs.
async fn newest(
    exchange: &mut Exchange,
    reader: &mut MultipartReader,
    shown: &str,
    polling: &mut Polling,
) -> Result<Option<Newest>, SourceError> {
    loop {
        match exchange {
            Exchange::Reading(reading) => {
                let found = match reader.newest() {
                    Err(noise) if reading.found == 0 => return Err(no_pictures_fault(shown).because(noise)),
                    // After a faulty frame noise is expected; if it goes on, the source counts as silent.
                    Err(_) => None,
                    Ok(found) => found,
                };
                if let Some(newest) = found {
                    reading.found += newest.found;
                    return Ok(Some(newest));
                }
                if let Some(codec) = reading.codec.take() {
                    return Err(client::not_jpeg_fault(&format!("{shown} sends {codec}")));
                }
                match reading.ended.take() {
                    None => reading.read_available(reader).await,
                    Some(ended) => {
                        let cut = reader.finish_stream();
                        let found = reading.found + u64::from(cut.is_some());
                        polling.is_still |=
                            reading.content == ServerContent::Picture || (found == 1 && ended.is_ok());
                        let Exchange::Reading(reading) = std::mem::replace(exchange, Exchange::Over) else {
                            continue;
                        };
                        if !polling.is_still {
                            return Err(ended.err().unwrap_or_else(|| {
                                SourceError::new(
                                    SourceErrorKind::Failed,
                                    format!("{shown} closed the connection"),
                                )
                            }));
                        }
                        *exchange = Exchange::Resting(reading.client_with_wire());
                        if found == 0 {
                            polling.missed = ended.err().or_else(|| Some(no_pictures_fault(shown)));
                            return Ok(None);
                        }
                        if let Some(range) = cut {
                            // Perhaps only the end is missing: the decoder will see.
                            return Ok(Some(Newest { range, found: 1, error: None }));
                        }
                    }
                }
            }
            Exchange::Resting(_) => {
                sleep_until(polling.due).await;
                // A delay is not made up for.
                polling.due = (polling.due + polling.step).max(Instant::now());
                if let Exchange::Resting(mut client) = std::mem::replace(exchange, Exchange::Over) {
                    *exchange = Exchange::Asking(Box::pin(async move {
                        let answer = client.open_stream().await;
                        (client, answer)
                    }));
                }
            }
            Exchange::Asking(asked) => {
                let (client, answer) = asked.await;
                match answer {
                    Ok(answer) => {
                        *exchange = Exchange::Reading(Box::new(UrlResponse::new(client, answer)));
                    }
                    Err(fault) => {
                        *exchange = Exchange::Resting(client);
                        polling.missed = Some(fault);
                        return Ok(None);
                    }
                }
            }
            Exchange::Over => {
                return Err(SourceError::new(
                    SourceErrorKind::Failed,
                    format!("{shown} closed the connection"),
                ));
            }
        }
    }
}

impl UrlResponse {
    fn new(client: Box<UrlClient>, answer: ServerAnswer) -> UrlResponse {
        let ServerAnswer { wire, body, content, begun } = answer;
        let (head, codec) = (Vec::new(), None);
        UrlResponse { client, wire, body, content, found: 0, begun, head, codec, ended: None }
    }

    /// Waits for bytes and reads all available ones, so that the newest frame can be chosen.
    async fn read_available(&mut self, reader: &mut MultipartReader) {
        let begun = std::mem::take(&mut self.begun);
        let mut taken = begun.len();
        self.take_bytes(&begun, reader);
        while taken < AT_ONCE && self.ended.is_none() {
            let chunk = poll_fn(|cx| match self.wire.poll_chunk(&mut self.body, cx) {
                Poll::Ready(chunk) => Poll::Ready(Some(chunk)),
                Poll::Pending if taken > 0 => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            match chunk.await {
                None => return,
                Some(Some(Ok(bytes))) => {
                    taken += bytes.len();
                    self.take_bytes(&bytes, reader);
                }
                Some(Some(Err(error))) => {
                    self.ended = Some(Err(connection_broken(&self.client, &error)));
                }
                Some(None) => self.ended = Some(Ok(())),
            }
            // Lets the runtime check the socket, so that bytes that have arrived meanwhile are read as well.
            tokio::task::yield_now().await;
        }
    }

    fn take_bytes(&mut self, bytes: &[u8], reader: &mut MultipartReader) {
        if self.found == 0 && self.content == ServerContent::Stream && self.head.len() < LONGEST_HEAD {
            self.head.extend_from_slice(&bytes[..bytes.len().min(LONGEST_HEAD - self.head.len())]);
            self.codec = self.codec.take().or_else(|| other_video_type(&self.head));
        }
        reader.push(bytes);
    }

    /// The client, with the connection for its next request.
    fn client_with_wire(self) -> Box<UrlClient> {
        let mut client = self.client;
        client.reuse_connection(self.wire);
        client
    }
}

/// The type of the part that begins here, if it is video other than JPEG: `video/x-h264`. Its first bytes must be
/// there, too, because they decide.
fn other_video_type(begin: &[u8]) -> Option<String> {
    let end = memchr::memmem::find(begin, b"\r\n\r\n")?;
    let kind = value(&begin[..end], b"content-type:")?.split(';').next()?.trim().to_ascii_lowercase();
    let is_jpeg = begin.get(end + 4..end + 6)? == b"\xff\xd8";
    (kind.starts_with("video/") && !is_jpeg).then_some(kind)
}

fn no_pictures_fault(shown: &str) -> SourceError {
    SourceError::new(SourceErrorKind::Broken, format!("{shown} sends no pictures"))
        .hint("open it in a browser; use the address of the image itself")
}

fn connection_broken(client: &UrlClient, error: &hyper::Error) -> SourceError {
    let fault = wire::http_fault(client.address(), error);
    SourceError { what: format!("{} broke off", client.address()), ..fault }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for url in [
            "http://admin:hush@cam/video?pwd=hush&who=admin",
            "rtsp://admin:hush@cam:554/live?password=hush&s3=hush",
            "rtsp://admin:h%75sh@cam/live",
        ] {
            for login in [None, Some(("admin".to_owned(), "hush".to_owned()))] {
                let shown = UrlOpener::new(url, login, FormatRequest::ANYTHING).unwrap().describe();
                assert!(
                    shown.contains("cam") && !shown.contains("hush") && !shown.contains("admin"),
                    "{shown}"
                );
            }
        }
        assert!(UrlOpener::new("gopher://cam", None, FormatRequest::ANYTHING).is_err());
        let error = UrlOpener::new("http://admin:hush@:80/", None, FormatRequest::ANYTHING).unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Unsupported);
        assert!(!error.line().contains("hush"));
    }
}
