//! Requests the camera's frames from a server: logs in, follows redirects, and judges the answer.

use std::future::poll_fn;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, COOKIE, HeaderName,
    HeaderValue, LOCATION, SET_COOKIE, WWW_AUTHENTICATE,
};
use hyper::{HeaderMap, StatusCode};
use tokio::time::timeout;

use super::address::{CameraUrl, Login};
use super::cookies::Cookies;
use super::login::{Challenge, Encoding, has_latin1_form};
use super::wire::{Reach, UrlConnection, WireLimits};
use crate::media::{SourceError, SourceErrorKind};

/// How many times in a row a server may call a nonce stale.
const MAX_STALE: u32 = 3;
/// Redirects followed in a row.
const MAX_REDIRECTS: usize = 5;

/// Content of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerContent {
    /// An endless stream of frames.
    Stream,
    /// A single frame; it must be requested again.
    Picture,
}

/// A good answer whose body is still to be read.
pub(super) struct ServerAnswer {
    pub wire: UrlConnection,
    pub body: Incoming,
    pub content: ServerContent,
    /// The beginning of the body, if it had to be read.
    pub begun: Bytes,
}

/// A client that repeats one request.
pub(super) struct UrlClient {
    /// As configured.
    first: CameraUrl,
    /// The address of each request before redirects: `first`, or its permanent new address.
    begins: (CameraUrl, Reach),
    /// After redirects.
    address: CameraUrl,
    login: Option<Login>,
    encoding: Encoding,
    limits: WireLimits,
    challenge: Option<Challenge>,
    cookies: Cookies,
    /// A connection for the next request, and its server.
    idle: Option<(CameraUrl, UrlConnection)>,
    /// Servers that the ones asked so far may redirect to.
    reach: Reach,
}

impl UrlClient {
    pub(super) fn new(address: CameraUrl, login: Option<Login>, limits: WireLimits) -> UrlClient {
        let reach = Reach::Anybody;
        UrlClient {
            first: address.clone(),
            begins: (address.clone(), reach),
            address,
            login,
            encoding: Encoding::Utf8,
            limits,
            challenge: None,
            cookies: Cookies::default(),
            idle: None,
            reach,
        }
    }

    /// The requested address after redirects.
    pub(super) fn address(&self) -> &CameraUrl {
        &self.address
    }

    /// Keeps a connection whose answer has been read to its end.
    pub(super) fn reuse_connection(&mut self, wire: UrlConnection) {
        self.idle = Some((self.address.clone(), wire));
    }

    /// Sends requests until there is an answer with frames, or a fault.
    pub(super) async fn open_stream(&mut self) -> Result<ServerAnswer, SourceError> {
        let (address, reach) = self.begins.clone();
        self.move_to(address);
        self.reach = reach;
        let answer = self.follow().await;
        answer.map_err(|fault| {
            if self.address == self.first {
                fault
            } else {
                fault.because(format!("{} led there", self.first))
            }
        })
    }

    /// Follows redirects and answers challenges, from the present address on.
    async fn follow(&mut self) -> Result<ServerAnswer, SourceError> {
        let mut redirects = 0;
        let mut has_moved_for_good = true;
        // How many times in a row the server has answered this request with a challenge.
        let mut challenged = 0;
        loop {
            let (mut wire, response) = self.request().await?;
            let (head, mut body) = response.into_parts();
            for field in head.headers.get_all(SET_COOKIE) {
                self.cookies.record(&self.address, &String::from_utf8_lossy(field.as_bytes()));
            }
            match head.status {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                    self.check_readable(&head.headers)?;
                    let mut begun = Bytes::new();
                    let content = match self.content(field(&head.headers, CONTENT_TYPE)) {
                        Ok(content) => content,
                        Err(fault) => {
                            begun = self.beginning(&mut wire, &mut body).await.ok_or(fault)?;
                            ServerContent::Stream
                        }
                    };
                    return Ok(ServerAnswer { wire, body, content, begun });
                }
                StatusCode::UNAUTHORIZED => {
                    self.challenge = Some(self.challenge(&head.headers, challenged)?);
                    challenged += 1;
                    // Some cameras accept a nonce only on the connection that it came on.
                    if wire.drain_body(&mut body).await {
                        self.reuse_connection(wire);
                    }
                }
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => {
                    redirects += 1;
                    self.reach = self.reach.intersect(wire.redirect_reach());
                    let next = self.redirect(field(&head.headers, LOCATION), redirects)?;
                    if next.is_same_server(&self.address) && wire.drain_body(&mut body).await {
                        self.reuse_connection(wire);
                    }
                    self.move_to(next);
                    // Others are asked again each time: their goal may be good once.
                    has_moved_for_good &= [StatusCode::MOVED_PERMANENTLY, StatusCode::PERMANENT_REDIRECT]
                        .contains(&head.status);
                    if has_moved_for_good {
                        self.begins = (self.address.clone(), self.reach);
                    }
                    challenged = 0;
                }
                status => return Err(self.status_fault(status)),
            }
        }
    }

    /// Goes on at `address`. Another server has its own challenges.
    fn move_to(&mut self, address: CameraUrl) {
        if !address.is_same_server(&self.address) {
            self.challenge = None;
        }
        self.address = address;
    }

    /// Sends one request, over the idle connection if there is a working one.
    async fn request(&mut self) -> Result<(UrlConnection, hyper::Response<Incoming>), SourceError> {
        if let Some((server, mut wire)) = self.idle.take()
            && server.is_same_server(&self.address)
            && wire.is_open()
        {
            let fields = self.own_fields();
            match wire.get(&self.address, fields).await {
                Ok(response) => return Ok((wire, response)),
                // The server may have closed it meanwhile.
                Err(fault) => log::debug!("{fault}; connecting again"),
            }
        }
        let mut wire = UrlConnection::connect(&self.address, self.limits, self.reach).await?;
        let fields = self.own_fields();
        let response = wire.get(&self.address, fields).await?;
        Ok((wire, response))
    }

    /// Login and cookies for the present address.
    fn own_fields(&mut self) -> Vec<(HeaderName, HeaderValue)> {
        let cookie = self.cookies.field(&self.address).map(String::into_bytes);
        let fields = [(AUTHORIZATION, self.authorization()), (COOKIE, cookie)];
        let valid =
            |(name, value): (_, Option<Vec<u8>>)| Some((name, HeaderValue::from_bytes(&value?).ok()?));
        fields.into_iter().filter_map(valid).collect()
    }

    fn authorization(&mut self) -> Option<Vec<u8>> {
        let login = self.login.as_ref().filter(|_| self.address.may_share_login(&self.first))?;
        Some(self.challenge.as_mut()?.authorization(login, self.encoding, &self.address.path))
    }

    fn challenge(&mut self, headers: &HeaderMap, challenged: u32) -> Result<Challenge, SourceError> {
        let address = &self.address;
        let denied = |what: String| SourceError::new(SourceErrorKind::Denied, what);
        let Some(login) = self.login.as_ref().filter(|_| address.may_share_login(&self.first)) else {
            return Err(denied(format!("{address} asks for a user name and password"))
                .hint("enter the camera's user name and password"));
        };
        let fields = headers.get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes);
        let challenge = Challenge::choose(fields).map_err(|kinds| {
            let kinds = if kinds.is_empty() { String::from("a login of no kind") } else { kinds };
            denied(format!("{address} asks for {kinds}, which is not known here"))
                .hint("switch the camera to Basic or Digest authentication")
        })?;
        // A stale nonce says nothing about the password.
        if challenged > MAX_STALE || (challenged > 0 && !challenge.is_stale()) {
            if self.encoding == Encoding::Utf8 && challenge.may_be_latin1() && has_latin1_form(login) {
                self.encoding = Encoding::Latin1;
                return Ok(challenge);
            }
            return Err(denied(format!("{address} refuses the user name or password"))
                .hint("check the camera's user name and password"));
        }
        Ok(challenge)
    }

    /// The first bytes of a body whose type promises no pictures, if they begin one or a part.
    async fn beginning(&self, wire: &mut UrlConnection, body: &mut Incoming) -> Option<Bytes> {
        let first = timeout(self.limits.opening_limit(), poll_fn(|cx| wire.poll_chunk(body, cx)));
        let bytes = first.await.ok()??.ok()?;
        let text = bytes.trim_ascii_start();
        let begins = [&b"\xff\xd8"[..], b"--"].iter().any(|begin| text.starts_with(begin));
        begins.then_some(bytes)
    }

    /// The goal of a redirect.
    fn redirect(&self, location: Option<&str>, redirects: usize) -> Result<CameraUrl, SourceError> {
        let failed = |what: String| SourceError::new(SourceErrorKind::Failed, what);
        let address = &self.address;
        if redirects > MAX_REDIRECTS {
            return Err(failed(format!("{address} redirects more than {MAX_REDIRECTS} times")));
        }
        let location = location.ok_or_else(|| failed(format!("{address} redirects to nowhere")))?;
        let next = address
            .resolve_redirect(location)
            .map_err(|e| failed(format!("{address} redirects to what is no address")).because(e))?;
        if address.secure && !next.secure {
            return Err(failed(format!("{address} redirects to {next}, which is not secure"))
                .hint("if this is intended, set that address for the camera"));
        }
        log::debug!("{address} redirects to {next}");
        Ok(next)
    }

    fn status_fault(&self, status: StatusCode) -> SourceError {
        let address = &self.address;
        match status {
            StatusCode::FORBIDDEN => {
                SourceError::new(SourceErrorKind::Denied, format!("{address} may not be seen ({status})"))
                    .hint("the camera's settings say who may see its picture")
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                SourceError::new(SourceErrorKind::Absent, format!("there is no {address} ({status})"))
                    .hint("the camera's manual names the path of its MJPEG stream or snapshot")
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                SourceError::new(SourceErrorKind::Busy, format!("{address} is busy ({status})"))
                    .hint("many cameras serve only a few viewers at once")
            }
            StatusCode::LOOP_DETECTED => {
                SourceError::new(SourceErrorKind::Unsupported, format!("{address} is this tallycam itself"))
                    .hint("use the address of the camera, or of another tallycam")
            }
            _ => SourceError::new(SourceErrorKind::Failed, format!("{address} answers {status}")),
        }
    }

    /// Checks that the body is readable as sent: compression was not requested, and an answer without a byte is an
    /// error.
    fn check_readable(&self, headers: &HeaderMap) -> Result<(), SourceError> {
        let address = &self.address;
        let encoding = field(headers, CONTENT_ENCODING).unwrap_or("identity").trim();
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
            let what = format!(
                "{address} compresses its answer (Content-Encoding: {encoding}), which was not asked for"
            );
            return Err(SourceError::new(SourceErrorKind::Unsupported, what)
                .hint("switch compression off in the camera, or in the proxy before it"));
        }
        if field(headers, CONTENT_LENGTH) == Some("0") {
            let what = format!("{address} answers with nothing (Content-Length: 0)");
            return Err(SourceError::new(SourceErrorKind::Broken, what)
                .hint("open it in a browser; is another path right?"));
        }
        if let Some(range) = field(headers, CONTENT_RANGE).filter(|range| !is_whole(range)) {
            let what = format!("{address} sends a part of its picture (Content-Range: {range})");
            return Err(SourceError::new(SourceErrorKind::Broken, what).hint("newer firmware may fix it"));
        }
        Ok(())
    }

    /// Judges an answer by its `Content-Type`. Without a telling one the bytes decide, also against a fault.
    fn content(&self, kind: Option<&str>) -> Result<ServerContent, SourceError> {
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let kind = kind.to_ascii_lowercase();
        let fault = || {
            let what = format!("{} is {kind}, not a picture", self.address);
            SourceError::new(SourceErrorKind::Unsupported, what)
        };
        match kind.as_str() {
            "image/jpeg" | "image/jpg" | "image/pjpeg" => Ok(ServerContent::Picture),
            "video/mjpeg" | "video/x-mjpeg" | "video/x-motion-jpeg" | "video/x-jpeg" => {
                Ok(ServerContent::Stream)
            }
            kind if kind.starts_with("video/") || kind.contains("mpegurl") || kind.contains("dash") => {
                Err(not_jpeg_fault(&format!("{} is {kind}", self.address)))
            }
            kind if ["text/", "image/", "audio/"].iter().any(|start| kind.starts_with(start))
                || ["application/json", "application/xml", "application/pdf"].contains(&kind) =>
            {
                Err(fault().hint("use the address of the image itself, not of the page around it"))
            }
            _ => Ok(ServerContent::Stream),
        }
    }
}

/// The fault for video other than JPEG, with a hint.
pub(super) fn not_jpeg_fault(what: &str) -> SourceError {
    let name = if what.ends_with("264") {
        " (H.264)"
    } else if what.ends_with("265") || what.ends_with("hevc") {
        " (H.265)"
    } else {
        ""
    };
    SourceError::new(SourceErrorKind::Unsupported, format!("{what}{name}, not JPEG pictures"))
        .hint("use the camera's rtsp:// address, or let ffmpeg turn it into pictures")
        .shell(
            "ffmpeg does so with [source] kind = \"exec\", command = \"ffmpeg -nostdin -loglevel error -i URL -an \
             -vf setpts=N/TB -fps_mode passthrough -q:v 4 -f mjpeg -\"",
        )
}

/// True if a `Content-Range` covers everything, or does not say: `bytes 0-99/100`.
fn is_whole(range: &str) -> bool {
    let numbers: Vec<u64> = range
        .trim_start_matches(|letter: char| !letter.is_ascii_digit())
        .split(['-', '/'])
        .map_while(|number| number.trim().parse().ok())
        .collect();
    !matches!(numbers[..], [first, last, all] if first != 0 || last.saturating_add(1) != all)
}

fn field(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
