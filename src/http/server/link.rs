//! What is known of one connection, and of all of them: counts and two questions to the kernel (what is unsent, what is
//! not acknowledged) say everything that limits need. hyper reads and writes through [`LinkIo`], which counts.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::io::{self, IoSlice, Write as _};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::sync::Notify;

use crate::access::LimitedClient;
use crate::http::server::lane::{Lane, SendRate};
use crate::http::server::socket::Socket;
use crate::http::server::tls::{Tls, TlsSocket};

/// A player may pause a download for so many times `stall` of the settings: a minute, usually.
const PAUSES: u32 = 12;

/// Of a connection that is closed and has not sent its last bytes the sweep sees nothing: the kernel gives its peer up
/// after so many times what the sweep would have allowed it. Not before: the kernel takes a window that never has room
/// for a whole segment of the queue, as that of a slow viewer, for one that is shut.
const KERNEL_WAITS: u32 = 3;

/// How long a peer may take for what.
#[derive(Debug, Clone, Copy)]
pub struct LinkLimits {
    /// For taking anything of what is due to it.
    pub stall: Duration,
    /// For a request's head.
    pub head_timeout: Duration,
    /// For the next request.
    pub keep_alive: Duration,
}

/// What a connection is doing, as far as time limits are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionPhase {
    /// Nothing has come yet.
    Fresh,
    /// Part of a request's head has come.
    Head,
    /// A request is being answered.
    Busy,
    /// Waiting for the next request.
    Idle,
}

/// What a connection's answer takes for as long as it goes on: places of which there are few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionUse {
    /// Nothing of that kind.
    Nothing,
    /// A stream of live pictures.
    Stream,
    /// Likewise, of one's own view, where nobody else watches it.
    View,
    /// A recording that is played.
    Replay,
    Events,
    /// A file, an archive or a table that is made as it is sent, or a long body that is read.
    File,
}

impl ConnectionUse {
    /// Whether a place of this kind counts among those of `kind`: a view is a stream, too.
    fn counts_as(self, kind: ConnectionUse) -> bool {
        self == kind || (self == ConnectionUse::View && kind == ConnectionUse::Stream)
    }

    /// Who has such a place.
    pub fn users(self) -> &'static str {
        match self {
            ConnectionUse::Nothing => "connections",
            ConnectionUse::Stream => "viewers",
            ConnectionUse::View => "views",
            ConnectionUse::Replay => "replays",
            ConnectionUse::Events => "listeners to events",
            ConnectionUse::File => "files, archives and tables on their way",
        }
    }
}

/// All places of a kind are taken, or those of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// All of them.
    Taken,
    /// All but those that are kept for known clients.
    Kept,
    /// Those that one address may have.
    Share,
}

/// One address has at most this part of the places of a kind; rounded up.
pub(in crate::http) const SHARE: usize = 4;

/// This part of the places of a kind, rounded up, is kept for known clients: programs of this machine, and whoever is
/// signed in.
const KEPT: usize = 16;

/// Files, archives and tables that are sent at once, and long bodies that are read.
pub(in crate::http) const FILES: usize = 16;

/// How many of `most` places are kept for known clients. Of very few none is.
pub(in crate::http) fn kept(most: usize) -> usize {
    if most < SHARE { 0 } else { most.div_ceil(KEPT) }
}

/// What is to become of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkVerdict {
    /// Finish the response under way, then close: the server stops.
    Finish,
    /// Answer 408, then close: a head did not come in time.
    TooLate,
    /// Close without a word: nobody waits for one.
    Close,
    /// Reset: the peer takes nothing.
    Shed,
}

/// What is known of one connection. Its task, its response's body and the sweep share it.
#[derive(Debug)]
pub struct Link {
    pub(in crate::http) socket: Socket,
    /// What is between hyper and the socket of a connection over HTTPS.
    pub(in crate::http) tls: Option<Box<Tls>>,
    pub(in crate::http) peer: Rc<str>,
    address: Option<IpAddr>,
    phase: Cell<(ConnectionPhase, Instant)>,
    /// Who is at the other end, as the last request told.
    client: Cell<LimitedClient>,
    /// It is a program of this machine, or signed in.
    is_known: Cell<bool>,
    uses: Cell<ConnectionUse>,
    /// It is to be closed, and does not count any more.
    is_leaving: Cell<bool>,
    pub(in crate::http) is_viewer: Cell<bool>,
    /// `stall` of the settings of when it came.
    stall: Duration,
    /// The answer under way is one of which a player takes as much as it needs.
    may_pause: Cell<bool>,
    /// A request was answered before all of it had come.
    pub(in crate::http) is_cut: Cell<bool>,
    /// Bytes came since the last request.
    has_read: Cell<bool>,
    /// The peer has sent its last byte.
    pub(in crate::http) at_end: Cell<bool>,
    /// hyper's task, which is told of that end when the answer under way is out.
    withheld: RefCell<Option<Waker>>,
    /// Bytes handed to the kernel, here and through a lane.
    written: Arc<AtomicU64>,
    /// Bytes that hyper or TLS holds and the kernel has not taken.
    unwritten: Cell<usize>,
    /// Bytes acknowledged, and when that number last moved or nothing was due.
    progress: Cell<(u64, Instant)>,
    pub(in crate::http) verdict: Cell<Option<LinkVerdict>>,
    pub(in crate::http) called: Notify,
}

/// Who connects from `address`, or over a Unix socket. Whoever does from this machine is not told apart.
fn client_of(address: Option<IpAddr>) -> LimitedClient {
    address
        .filter(|address| !address.to_canonical().is_loopback())
        .map_or(LimitedClient::Unnamed, LimitedClient::from_address)
}

impl Link {
    /// A connection that has just been accepted. `stall`: `stall` of the settings.
    pub fn new(
        socket: Socket,
        tls: Option<Box<Tls>>,
        peer: Rc<str>,
        address: Option<IpAddr>,
        stall: Duration,
    ) -> Rc<Link> {
        let now = Instant::now();
        Rc::new(Link {
            socket,
            tls,
            peer,
            address,
            phase: Cell::new((ConnectionPhase::Fresh, now)),
            client: Cell::new(client_of(address)),
            is_known: Cell::new(false),
            uses: Cell::new(ConnectionUse::Nothing),
            is_leaving: Cell::new(false),
            is_viewer: Cell::new(false),
            stall,
            may_pause: Cell::new(false),
            is_cut: Cell::new(false),
            has_read: Cell::new(false),
            at_end: Cell::new(false),
            withheld: RefCell::default(),
            written: Arc::default(),
            unwritten: Cell::new(0),
            progress: Cell::new((0, now)),
            verdict: Cell::new(None),
            called: Notify::new(),
        })
    }

    /// The peer's address; of a Unix socket, "unix".
    pub fn peer(&self) -> &Rc<str> {
        &self.peer
    }

    /// The peer's address as a number; `None` over a Unix socket.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// This machine's own address that the peer came to; `None` over a Unix socket.
    pub fn own_address(&self) -> Option<IpAddr> {
        self.socket.local_addr().map(|address| address.ip())
    }

    /// Whether all that was given to hyper has left this machine's buffers, so that the next
    /// picture would not queue behind an old one.
    pub fn has_room(&self) -> bool {
        self.is_written() && self.socket.unsent() == 0
    }

    /// Whether hyper holds nothing of the pictures it was handed. Of a response's head and a stream's opening it does
    /// not tell.
    pub fn is_written(&self) -> bool {
        self.unwritten.get() == 0
    }

    /// Whether it is one over HTTPS.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// A lane past hyper, closed; `None` where the connection can have none, as over HTTPS.
    pub fn lane(&self, sent: &Arc<SendRate>) -> Option<Lane> {
        if self.is_tls() {
            return None;
        }
        Some(Lane::new(self.socket.another()?, self.written.clone(), sent.clone()))
    }

    fn wire(&self) -> TlsSocket<'_> {
        TlsSocket { socket: &self.socket, written: &self.written }
    }

    /// Writes a response without hyper, as far as it goes without waiting. Nothing comes after it.
    pub(in crate::http) fn say(&self, status: &str, body: &str) {
        let response = response(status, "", body);
        match &self.tls {
            Some(tls) if !tls.is_plain() => tell(status, tls.say(self.wire(), response.as_bytes())),
            _ => say(&self.socket, status, &response),
        }
    }

    /// Reads what the peer says; 0 at its end.
    fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(tls) = &self.tls {
            let read = tls.poll_read(self.wire(), cx, into);
            // hyper does not tell of what fails before the first request.
            if let Poll::Ready(Err(error)) = &read {
                log::debug!("{}: HTTPS: {error}", self.peer);
            }
            return read;
        }
        loop {
            // Asked first: a viewer's task comes by with every picture, and there is nothing to read.
            ready!(self.socket.poll_readable(cx))?;
            match self.socket.try_read(into) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }

    /// Writes as much as goes.
    fn poll_write(&self, cx: &mut Context<'_>, runs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let Some(tls) = &self.tls {
            return tls.poll_write(self.wire(), cx, runs);
        }
        loop {
            match self.wire().write_vectored(runs) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => ready!(self.socket.poll_writable(cx))?,
                written => return Poll::Ready(written),
            }
        }
    }

    /// Bytes that TLS holds.
    fn sealed(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.unsent())
    }

    /// A stream handed `bytes` to hyper.
    pub fn holds(&self, bytes: usize) {
        self.unwritten.set(self.unwritten.get() + bytes);
    }

    /// Who asks: the peer, or whom a proxy of this machine names; a known one is of this machine, or signed in.
    pub fn is_of(&self, client: LimitedClient, is_known: bool) {
        self.client.set(client);
        self.is_known.set(is_known);
    }

    /// Whether the client is a program of this machine, or signed in.
    pub fn is_known(&self) -> bool {
        self.is_known.get()
    }

    /// Who asks.
    pub fn client(&self) -> LimitedClient {
        self.client.get()
    }

    /// The connection carries a stream from now on.
    pub fn watches(&self) {
        self.is_viewer.set(true);
        self.pass_end_on();
    }

    /// The answer is a file: a player that is paused takes nothing of it for a while, and is not let go at once.
    pub fn may_pause(&self) {
        self.may_pause.set(true);
    }

    /// A request's head is complete. Tells whether it was here before: it came along with the one before it.
    pub fn asked(&self) -> bool {
        self.may_pause.set(false);
        self.uses.set(ConnectionUse::Nothing);
        self.phase.set((ConnectionPhase::Busy, Instant::now()));
        !self.has_read.replace(false)
    }

    /// The request is answered though its body has not come to its end.
    pub fn cut(&self) {
        self.is_cut.set(true);
    }

    /// A response's body is over (bytes of it may still be on their way).
    pub fn answered(&self) {
        self.uses.set(ConnectionUse::Nothing);
        self.phase.set((ConnectionPhase::Idle, Instant::now()));
        self.pass_end_on();
    }

    /// The end of what the peer sends is not yet to be passed on: hyper would drop the answer under
    /// way, but a client may say that it asks nothing more and still wait (`nc -N`). Of a viewer
    /// it is the only sign that it has left.
    fn withholds_end(&self) -> bool {
        !self.is_viewer.get() && (self.phase.get().0 == ConnectionPhase::Busy || self.unwritten.get() > 0)
    }

    /// Has hyper look again for an end that was withheld, once it no longer is.
    fn pass_end_on(&self) {
        if !self.withholds_end()
            && let Some(waker) = self.withheld.take()
        {
            waker.wake();
        }
    }

    /// Tells the connection's task what is to become of it.
    pub fn call(&self, verdict: LinkVerdict) {
        self.verdict.set(Some(verdict));
        self.called.notify_one();
    }

    /// So many times `stall` of the settings the peer may take nothing.
    fn patience(&self) -> u32 {
        if self.may_pause.get() { PAUSES } else { 1 }
    }

    /// What the time limits say at `now`.
    pub fn judge(&self, now: Instant, settings: &LinkLimits) -> Option<LinkVerdict> {
        let written = self.written.load(Ordering::Relaxed);
        let unacknowledged = if written == 0 { 0 } else { self.socket.unacknowledged() };
        // Less than nothing if a lane has written meanwhile: that is progress, too.
        let acknowledged = written.wrapping_sub(unacknowledged as u64);
        let (before, moved) = self.progress.get();
        let is_clear = unacknowledged == 0 && self.unwritten.get() == 0;
        if is_clear || acknowledged != before {
            self.progress.set((acknowledged, now));
        } else if now - moved >= settings.stall.saturating_mul(self.patience()) {
            return Some(LinkVerdict::Shed);
        }
        let (phase, since) = self.phase.get();
        match phase {
            ConnectionPhase::Busy => None,
            ConnectionPhase::Fresh => (now - since >= settings.head_timeout).then_some(LinkVerdict::Close),
            ConnectionPhase::Head => (now - since >= settings.head_timeout).then_some(LinkVerdict::TooLate),
            ConnectionPhase::Idle if !is_clear => {
                self.phase.set((ConnectionPhase::Idle, now));
                None
            }
            ConnectionPhase::Idle => (now - since >= settings.keep_alive).then_some(LinkVerdict::Close),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Whoever embeds the server may have it wait for ever.
        self.socket.give_up_after(self.stall.saturating_mul(self.patience() * KERNEL_WAITS));
    }
}

/// hyper's view of a connection.
pub(in crate::http) struct LinkIo(pub(in crate::http) Rc<Link>);

impl Read for LinkIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let link = &self.0;
        let mut buffer = [0; 2048];
        let room = into.remaining().min(buffer.len());
        let bytes = ready!(link.poll_read(cx, &mut buffer[..room]))?;
        into.put_slice(&buffer[..bytes]);
        if bytes == 0 {
            link.at_end.set(true);
            if link.withholds_end() {
                link.withheld.replace(Some(cx.waker().clone()));
                return Poll::Pending;
            }
        } else {
            link.has_read.set(true);
            if matches!(link.phase.get().0, ConnectionPhase::Fresh | ConnectionPhase::Idle) {
                link.phase.set((ConnectionPhase::Head, Instant::now()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for LinkIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, run: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(run)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        runs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let link = &self.0;
        // hyper offers all it holds, every time.
        let held = runs.iter().map(|run| run.len()).sum::<usize>();
        let written = link.poll_write(cx, runs);
        let taken = match &written {
            Poll::Ready(Ok(bytes)) => *bytes,
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        link.unwritten.set(held - taken + link.sealed());
        link.pass_end_on();
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let link = &self.0;
        let Some(tls) = &link.tls else { return Poll::Ready(Ok(())) };
        let before = tls.unsent();
        let flushed = tls.poll_flush(link.wire(), cx);
        link.unwritten.set(link.unwritten.get().saturating_sub(before - tls.unsent()));
        link.pass_end_on();
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let link = &self.0;
        if let Some(tls) = &link.tls {
            // Who speaks plain HTTP is told something yet.
            if tls.is_plain() {
                return Poll::Ready(Ok(()));
            }
            ready!(tls.poll_close(link.wire(), cx))?;
        }
        // The peer may have gone already, which is no failure.
        let _ = rustix::net::shutdown(&link.socket, rustix::net::Shutdown::Write);
        Poll::Ready(Ok(()))
    }
}

/// A response without hyper.
pub(in crate::http) fn response(status: &str, fields: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         {fields}Connection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Writes a response as far as it goes without waiting.
pub(in crate::http) fn say(socket: &Socket, status: &str, response: &str) {
    tell(status, socket.try_write_vectored(&[IoSlice::new(response.as_bytes())]).map(drop));
}

fn tell(status: &str, said: io::Result<()>) {
    if let Err(error) = said {
        log::debug!("{status} could not be written: {error}");
    }
}

/// All connections that are open.
#[derive(Debug, Default)]
pub(in crate::http) struct Links {
    pub(in crate::http) open: RefCell<Vec<Rc<Link>>>,
    pub(in crate::http) arrival: Notify,
    departure: Notify,
}

impl Links {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.open.borrow().len()
    }

    /// How many have a place of this kind.
    pub fn users(&self, kind: ConnectionUse) -> usize {
        self.open.borrow().iter().filter(|link| link.uses.get().counts_as(kind)).count()
    }

    /// Has `link` take one of `most` places for this use, until its answer is over. A known client may have all of
    /// them, and anybody else those that are not [`kept`], of which one address gets a quarter: it does not keep all
    /// others out.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn take_place(&self, link: &Link, uses: ConnectionUse, most: usize) -> Result<(), NoPlace> {
        let (mut all, mut own, mut strangers) = (0, 0, 0);
        let open = self.open.borrow();
        let others = open.iter().filter(|other| other.uses.get().counts_as(uses));
        for other in others.filter(|other| !std::ptr::eq(Rc::as_ptr(other), link)) {
            all += 1;
            own += usize::from(other.client() == link.client());
            strangers += usize::from(!other.is_known());
        }
        if all >= most {
            return Err(NoPlace::Taken);
        }
        if !link.is_known() && strangers >= most - kept(most) {
            return Err(NoPlace::Kept);
        }
        if !link.is_known() && link.client() != LimitedClient::Unnamed && own >= most.div_ceil(SHARE) {
            return Err(NoPlace::Share);
        }
        link.uses.set(uses);
        Ok(())
    }

    /// Whether another connection from `address` may be opened where there are `most`; some are [`kept`]. One that
    /// waits for its next request goes for it where all are taken: of the address that has most of them the one that
    /// has waited longest. An address that has its quarter loses one of its own.
    pub fn has_room(&self, address: Option<IpAddr>, most: usize) -> bool {
        let client = client_of(address);
        let open = self.open.borrow();
        let staying = || open.iter().filter(|link| !link.is_leaving.get());
        // Before a request nothing but its address tells of a connection.
        let known: HashSet<_> = staying().filter(|link| link.is_known()).map(|link| link.address).collect();
        let is_stranger = |address| client_of(address) != LimitedClient::Unnamed && !known.contains(&address);
        let mut of_each: HashMap<LimitedClient, usize> = HashMap::new();
        let (mut all, mut strangers) = (0, 0);
        for link in staying() {
            all += 1;
            strangers += usize::from(is_stranger(link.address));
            *of_each.entry(link.client()).or_default() += 1;
        }
        let count = |client: LimitedClient| of_each.get(&client).copied().unwrap_or_default();
        let is_share_full = is_stranger(address) && count(client) >= most.div_ceil(SHARE);
        let is_rest_full = is_stranger(address) && strangers >= most - kept(most);
        if all < most && !is_share_full && !is_rest_full {
            return true;
        }
        let waiting = staying()
            .filter(|link| matches!(link.phase.get().0, ConnectionPhase::Fresh | ConnectionPhase::Idle));
        let may_go = waiting.filter(|link| {
            (!is_share_full || link.client() == client) && (!is_rest_full || is_stranger(link.address))
        });
        let longest = may_go.min_by_key(|link| (Reverse(count(link.client())), link.phase.get().1));
        let Some(longest) = longest else { return false };
        longest.is_leaving.set(true);
        longest.call(LinkVerdict::Close);
        true
    }

    /// Bytes of whole answers that wait to be taken by their clients: all, and those of `client`.
    pub fn unsent(&self, client: LimitedClient) -> (usize, usize) {
        let open = self.open.borrow();
        let waiting = open.iter().filter(|link| !link.is_viewer.get());
        waiting.fold((0, 0), |(all, own), link| {
            let bytes = link.unwritten.get();
            (all + bytes, own + if link.client() == client { bytes } else { 0 })
        })
    }

    /// Notes a connection.
    pub(in crate::http) fn enter(&self, link: Rc<Link>) {
        self.open.borrow_mut().push(link);
        self.arrival.notify_one();
    }

    /// Forgets a connection.
    pub(in crate::http) fn leave(&self, link: &Rc<Link>) {
        let mut open = self.open.borrow_mut();
        if let Some(place) = open.iter().position(|l| Rc::ptr_eq(l, link)) {
            open.swap_remove(place);
        }
        if open.is_empty() {
            self.departure.notify_one();
        }
    }

    /// Tells every connection to finish, and waits until all have, at most `time`.
    pub async fn finish_within(&self, time: Duration) {
        self.open.borrow().iter().for_each(|link| link.call(LinkVerdict::Finish));
        let all_gone = async {
            while self.count() > 0 {
                self.departure.notified().await;
            }
        };
        if tokio::time::timeout(time, all_gone).await.is_err() {
            log::info!("{} connections did not end in time and were closed", self.count());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Connections, of whoever the test says; nobody is at their other end.
    #[derive(Default)]
    struct Crowd {
        links: Links,
        all: Vec<Rc<Link>>,
    }

    fn address(n: u8) -> Option<IpAddr> {
        Some(match n {
            0 => [127, 0, 0, 1].into(),
            n => [10, 0, 0, n].into(),
        })
    }

    impl Crowd {
        fn link(address: Option<IpAddr>) -> Rc<Link> {
            let (ours, _) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let socket = Socket::Unix(tokio::net::UnixStream::from_std(ours).unwrap());
            Link::new(socket, None, "test".into(), address, Duration::from_secs(5))
        }

        /// One more from the `n`th address, in this phase for `ages` seconds.
        fn enter(&mut self, n: u8, phase: ConnectionPhase, age: u64) -> usize {
            let link = Crowd::link(address(n));
            let since = Instant::now().checked_sub(Duration::from_secs(age)).unwrap();
            link.phase.set((phase, since));
            self.links.enter(link.clone());
            self.all.push(link);
            self.all.len() - 1
        }

        /// Which ones were told to go.
        fn going(&self) -> Vec<usize> {
            (0..self.all.len()).filter(|n| self.all[*n].is_leaving.get()).collect()
        }
    }

    #[tokio::test]
    async fn of_the_address_that_has_most_the_one_that_waits_longest_goes_for_a_new_one() {
        let mut crowd = Crowd::default();
        crowd.enter(1, ConnectionPhase::Idle, 50);
        crowd.enter(2, ConnectionPhase::Busy, 40);
        crowd.enter(2, ConnectionPhase::Idle, 10);
        crowd.enter(2, ConnectionPhase::Idle, 30);
        for _ in 0..3 {
            crowd.enter(0, ConnectionPhase::Busy, 1);
        }
        assert!(crowd.links.has_room(address(3), 12) && crowd.going().is_empty());
        // 12 places, of which one is kept; one address may have three.
        for n in 4..9 {
            crowd.enter(n, ConnectionPhase::Busy, 1);
        }
        assert!(crowd.links.has_room(address(3), 12));
        assert_eq!(crowd.going(), [3], "not the oldest of all, and nobody who is answered");
        assert!(crowd.links.has_room(address(3), 11));
        assert_eq!(crowd.going(), [2, 3]);
        assert!(crowd.links.has_room(address(3), 10));
        assert_eq!(crowd.going(), [0, 2, 3]);
        assert!(!crowd.links.has_room(address(3), 9), "nobody waits any more");
    }

    #[tokio::test]
    async fn an_address_with_its_quarter_loses_one_of_its_own() {
        let mut crowd = Crowd::default();
        crowd.enter(2, ConnectionPhase::Idle, 90);
        for age in [10, 20, 30] {
            crowd.enter(1, ConnectionPhase::Fresh, age);
        }
        assert!(crowd.links.has_room(address(1), 12));
        assert_eq!(crowd.going(), [3]);
        for n in [1, 2] {
            crowd.all[n].phase.set((ConnectionPhase::Busy, Instant::now()));
        }
        crowd.enter(1, ConnectionPhase::Head, 1);
        assert!(!crowd.links.has_room(address(1), 12), "none of its own waits");
        assert!(crowd.links.has_room(address(2), 12) && crowd.links.has_room(address(0), 12));
        assert_eq!(crowd.going(), [3]);
    }

    #[tokio::test]
    async fn some_connections_are_kept_for_this_machine_and_for_who_is_signed_in() {
        let mut crowd = Crowd::default();
        for n in 1..=30 {
            crowd.enter(n, ConnectionPhase::Head, 1);
        }
        assert!(!crowd.links.has_room(address(40), 32), "30 of 32: the others are kept");
        assert!(crowd.links.has_room(address(0), 32) && crowd.links.has_room(None, 32));
        crowd.all[6].is_of(LimitedClient::from_address(address(7).unwrap()), true);
        assert!(crowd.links.has_room(address(7), 32), "somebody is signed in there");
        crowd.enter(7, ConnectionPhase::Idle, 1);
        assert!(crowd.links.has_room(address(40), 32), "the 29 others may have another one");
        crowd.enter(40, ConnectionPhase::Head, 1);
        assert!(!crowd.links.has_room(address(41), 32));
        assert!(crowd.links.has_room(address(0), 32), "for whom one that waits goes");
        assert_eq!(crowd.going(), [30]);
    }

    #[tokio::test]
    async fn a_known_client_may_have_all_places_of_a_kind() {
        let crowd = Crowd::default();
        let mut open = Vec::new();
        let mut take = |n: u8, is_known: bool, uses: ConnectionUse| {
            let link = Crowd::link(address(n));
            link.is_of(LimitedClient::from_address(address(n).unwrap()), is_known);
            crowd.links.enter(link.clone());
            let taken = crowd.links.take_place(&link, uses, 16);
            open.push(link);
            taken
        };
        for _ in 0..4 {
            assert_eq!(take(1, false, ConnectionUse::Stream), Ok(()));
        }
        assert_eq!(take(1, false, ConnectionUse::Stream), Err(NoPlace::Share));
        assert_eq!(take(1, false, ConnectionUse::File), Ok(()), "another kind has places of its own");
        assert_eq!(take(1, false, ConnectionUse::View), Ok(()), "which is a stream, too");
        for n in [2, 2, 2, 2, 3, 3, 3, 3, 4, 4] {
            assert_eq!(take(n, false, ConnectionUse::Stream), Ok(()));
        }
        assert_eq!(take(4, false, ConnectionUse::Stream), Err(NoPlace::Kept));
        assert_eq!(take(1, true, ConnectionUse::Stream), Ok(()));
        assert_eq!(take(1, true, ConnectionUse::Stream), Err(NoPlace::Taken));
        open[0].answered();
        assert_eq!(crowd.links.users(ConnectionUse::Stream), 15);
    }

    #[tokio::test]
    async fn of_requests_that_come_at_once_all_but_the_first_are_told_apart() {
        let link = Crowd::link(None);
        link.has_read.set(true);
        assert_eq!([link.asked(), link.asked(), link.asked()], [false, true, true]);
        link.has_read.set(true);
        assert_eq!([link.asked(), link.asked()], [false, true]);
    }

    #[test]
    fn of_few_places_none_is_kept() {
        assert_eq!([1, 3, 4, 16, 17, 100, 512].map(kept), [0, 0, 1, 1, 2, 7, 32]);
    }
}
