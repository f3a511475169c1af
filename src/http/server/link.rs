//! One connection's state, and the list of all connections. The limits need only the link's counters and two numbers
//! from the kernel: unsent and unacknowledged bytes. hyper reads and writes through [`LinkIo`], which counts.

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
use crate::http::server::permit::Permit;
use crate::http::server::socket::Socket;
use crate::http::server::tls::{Tls, TlsSocket};

/// A player may pause a download for this many times `stall` of the settings: usually a minute.
const PAUSES: u32 = 12;

/// A client of a video in the making may pause for this many: usually 20 seconds.
const BRIEF_PAUSES: u32 = 4;

/// The sweep no longer sees a closed connection with unsent bytes. The kernel drops its peer after this many times
/// the sweep's limit. It must not be sooner: the kernel takes a window without room for a whole segment, as a slow
/// viewer has it, for a closed one.
const KERNEL_WAITS: u32 = 3;

/// Time limits of a peer.
#[derive(Debug, Clone, Copy)]
pub struct LinkLimits {
    /// To take any of the pending bytes.
    pub stall: Duration,
    /// To send the head of a request.
    pub head_timeout: Duration,
    /// To send the next request.
    pub keep_alive: Duration,
}

/// A connection's state for the time limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionPhase {
    /// No byte has arrived.
    Fresh,
    /// Part of a request's head has arrived.
    Head,
    /// The body of a request is awaited.
    Body,
    /// A request is being answered.
    Busy,
    /// Waiting for the next request.
    Idle,
}

/// The scarce place that a connection's response occupies until it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionUse {
    /// None.
    Nothing,
    /// A live stream.
    Stream,
    /// A live stream of a view that nobody else watches.
    View,
    /// A replay.
    Replay,
    Events,
    /// A file, an archive, a table made while it is sent, or a long body being read.
    File,
}

impl ConnectionUse {
    /// True if this place counts among those of `kind`. A view is also a stream.
    fn counts_as(self, kind: ConnectionUse) -> bool {
        self == kind || (self == ConnectionUse::View && kind == ConnectionUse::Stream)
    }

    /// The users of this kind of place, for messages.
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

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// All places are taken.
    Taken,
    /// Only the places reserved for known clients are free.
    Kept,
    /// The address has its share already.
    Share,
}

/// One address gets at most this part of the places of a kind, rounded up.
pub(in crate::http) const SHARE: usize = 4;

/// All addresses of one network together get at most this part.
const NETWORK_SHARE: usize = 2;

/// This part of the places of a kind, rounded up, is reserved for known clients: programs of this machine and
/// signed-in callers.
const KEPT: usize = 16;

/// Maximum number of files, archives, tables and long bodies under way.
pub(in crate::http) const FILES: usize = 16;

/// How many of `most` places are reserved for known clients; none if there are very few.
pub(in crate::http) fn kept(most: usize) -> usize {
    if most < SHARE { 0 } else { most.div_ceil(KEPT) }
}

/// The next step for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkVerdict {
    /// Finish the current response, then close: the server stops.
    Finish,
    /// Answer 408, then close: the head came too late.
    TooLate,
    /// Close silently: nobody waits for an answer.
    Close,
    /// Reset: the peer takes no bytes.
    Shed,
    /// Reset: the peer no longer has the right to the answer, or its place went to somebody with fewer.
    Revoke,
}

/// One connection. Its task, its response's body and the sweep share it.
#[derive(Debug)]
pub struct Link {
    pub(in crate::http) socket: Socket,
    /// The TLS layer between hyper and the socket.
    pub(in crate::http) tls: Option<Box<Tls>>,
    pub(in crate::http) peer: Rc<str>,
    address: Option<IpAddr>,
    phase: Cell<(ConnectionPhase, Instant)>,
    /// The client according to the last request.
    client: Cell<LimitedClient>,
    /// The client is a program of this machine, or signed in.
    is_known: Cell<bool>,
    uses: Cell<ConnectionUse>,
    /// The connection will be closed and no longer counts.
    is_leaving: Cell<bool>,
    pub(in crate::http) is_viewer: Cell<bool>,
    /// `stall` of the settings when the connection was accepted.
    stall: Duration,
    /// The peer may stop taking bytes of the current response for this many times `stall`.
    patience: Cell<u32>,
    /// A request was answered before its body was complete.
    pub(in crate::http) is_cut: Cell<bool>,
    /// Bytes have arrived since the last request.
    has_read: Cell<bool>,
    /// The permit of the answer under way.
    permit: RefCell<Option<Permit>>,
    /// The peer has sent its last byte.
    pub(in crate::http) at_end: Cell<bool>,
    /// Wakes hyper's task to read the withheld end of input, once the current response is out.
    withheld: RefCell<Option<Waker>>,
    /// Bytes handed to the kernel, here and through a lane.
    written: Arc<AtomicU64>,
    /// Bytes that hyper or TLS holds and the kernel has not taken.
    unwritten: Cell<usize>,
    /// Acknowledged bytes, and when that number last moved or nothing was pending.
    progress: Cell<(u64, Instant)>,
    pub(in crate::http) verdict: Cell<Option<LinkVerdict>>,
    pub(in crate::http) called: Notify,
}

impl Link {
    /// A newly accepted connection. `stall` is that of the settings.
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
            client: Cell::new(LimitedClient::from_peer(address)),
            is_known: Cell::new(false),
            uses: Cell::new(ConnectionUse::Nothing),
            is_leaving: Cell::new(false),
            is_viewer: Cell::new(false),
            stall,
            patience: Cell::new(1),
            is_cut: Cell::new(false),
            has_read: Cell::new(false),
            permit: RefCell::default(),
            at_end: Cell::new(false),
            withheld: RefCell::default(),
            written: Arc::default(),
            unwritten: Cell::new(0),
            progress: Cell::new((0, now)),
            verdict: Cell::new(None),
            called: Notify::new(),
        })
    }

    /// The peer's address; "unix" for a Unix socket.
    pub fn peer(&self) -> &Rc<str> {
        &self.peer
    }

    /// The peer's IP address; `None` over a Unix socket.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// This machine's address that the peer connected to; `None` over a Unix socket.
    pub fn own_address(&self) -> Option<IpAddr> {
        self.socket.local_addr().map(|address| address.ip())
    }

    /// True if everything given to hyper has left this machine's buffers, so the next picture would not queue behind
    /// an old one.
    pub fn has_room(&self) -> bool {
        self.is_written() && self.socket.unsent() == 0
    }

    /// True if hyper holds no bytes of the pictures it was handed. A response's head and a stream's opening are not
    /// counted.
    pub fn is_written(&self) -> bool {
        self.unwritten.get() == 0
    }

    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// A closed lane past hyper; `None` if the connection cannot have one, for example over HTTPS.
    pub fn lane(&self, sent: &Arc<SendRate>) -> Option<Lane> {
        if self.is_tls() {
            return None;
        }
        Some(Lane::new(self.socket.another()?, self.written.clone(), sent.clone()))
    }

    fn wire(&self) -> TlsSocket<'_> {
        TlsSocket { socket: &self.socket, written: &self.written }
    }

    /// Writes the last response without hyper, as far as possible without waiting.
    pub(in crate::http) fn say(&self, status: &str, body: &str) {
        let response = response(status, "", body);
        match &self.tls {
            Some(tls) if !tls.is_plain() => tell(status, tls.say(self.wire(), response.as_bytes())),
            _ => say(&self.socket, status, &response),
        }
    }

    /// Reads from the peer; 0 at the end of input.
    fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(tls) = &self.tls {
            let read = tls.poll_read(self.wire(), cx, into);
            // hyper does not report failures before the first request.
            if let Poll::Ready(Err(error)) = &read {
                log::debug!("{}: HTTPS: {error}", self.peer);
            }
            return read;
        }
        loop {
            // Asked first, because a viewer's task comes by with every picture and there is usually nothing to read.
            ready!(self.socket.poll_readable(cx))?;
            match self.socket.try_read(into) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }

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

    /// Counts `bytes` that a stream handed to hyper.
    pub fn holds(&self, bytes: usize) {
        self.unwritten.set(self.unwritten.get() + bytes);
    }

    /// Sets the client: the peer, or the one that a proxy on this machine names. `is_known` is true for programs of
    /// this machine and signed-in callers.
    pub fn is_of(&self, client: LimitedClient, is_known: bool) {
        self.client.set(client);
        self.is_known.set(is_known);
    }

    /// True if the client is a program of this machine, or signed in.
    pub fn is_known(&self) -> bool {
        self.is_known.get()
    }

    pub fn client(&self) -> LimitedClient {
        self.client.get()
    }

    /// Marks the connection as a stream from now on.
    pub fn watches(&self) {
        self.is_viewer.set(true);
        self.pass_end_on();
    }

    /// Marks the answer as a file: a paused player takes no bytes for a while and is not disconnected at once.
    pub fn may_pause(&self) {
        self.patience.set(PAUSES);
    }

    /// The same for an answer that keeps others waiting.
    pub fn may_pause_briefly(&self) {
        self.patience.set(BRIEF_PAUSES);
    }

    /// Notes a complete request head. Returns true if it arrived together with the previous request.
    pub fn asked(&self) -> bool {
        self.patience.set(1);
        self.is_viewer.set(false);
        self.permit.replace(None);
        self.uses.set(ConnectionUse::Nothing);
        self.phase.set((ConnectionPhase::Busy, Instant::now()));
        !self.has_read.replace(false)
    }

    /// Notes that a request's body is awaited, or that it is complete.
    pub fn awaits_body(&self, is_awaited: bool) {
        let phase = if is_awaited { ConnectionPhase::Body } else { ConnectionPhase::Busy };
        self.phase.set((phase, Instant::now()));
    }

    /// Ends the answer that begins now once `permit` says no.
    pub fn is_allowed_by(&self, permit: Permit) {
        self.permit.replace(Some(permit));
    }

    /// True if an answer is under way that is no longer allowed.
    pub fn is_revoked(&self) -> bool {
        let is_under_way = self.phase.get().0 == ConnectionPhase::Busy || self.unwritten.get() > 0;
        is_under_way && self.permit.borrow().as_ref().is_some_and(|permit| !(permit.0)())
    }

    /// Notes that the request was answered before its body was complete.
    pub fn cut(&self) {
        self.is_cut.set(true);
    }

    /// Notes the end of a response's body; bytes of it may still be on their way.
    pub fn answered(&self) {
        self.uses.set(ConnectionUse::Nothing);
        self.phase.set((ConnectionPhase::Idle, Instant::now()));
        self.pass_end_on();
    }

    /// True while the end of input must not reach hyper, which would drop the current response. A client may end its
    /// side and still wait for the answer (`nc -N`). From a viewer, that end is the only sign that it has left.
    fn withholds_end(&self) -> bool {
        let has_request = matches!(self.phase.get().0, ConnectionPhase::Body | ConnectionPhase::Busy);
        !self.is_viewer.get() && (has_request || self.unwritten.get() > 0)
    }

    /// Wakes hyper to read an end of input that is no longer withheld.
    fn pass_end_on(&self) {
        if !self.withholds_end()
            && let Some(waker) = self.withheld.take()
        {
            waker.wake();
        }
    }

    /// Tells the connection's task its verdict.
    pub fn call(&self, verdict: LinkVerdict) {
        self.verdict.set(Some(verdict));
        self.called.notify_one();
    }

    /// The verdict of the time limits at `now`.
    pub fn judge(&self, now: Instant, settings: &LinkLimits) -> Option<LinkVerdict> {
        let written = self.written.load(Ordering::Relaxed);
        let unacknowledged = if written == 0 { 0 } else { self.socket.unacknowledged() };
        // Wraps below zero if a lane has written meanwhile; that is also progress.
        let acknowledged = written.wrapping_sub(unacknowledged as u64);
        let (before, moved) = self.progress.get();
        let is_clear = unacknowledged == 0 && self.unwritten.get() == 0;
        if is_clear || acknowledged != before {
            self.progress.set((acknowledged, now));
        } else if now - moved >= settings.stall.saturating_mul(self.patience.get()) {
            return Some(LinkVerdict::Shed);
        }
        let (phase, since) = self.phase.get();
        match phase {
            ConnectionPhase::Body | ConnectionPhase::Busy => None,
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
        // An embedding program may set an endless `stall`.
        self.socket.give_up_after(self.stall.saturating_mul(self.patience.get() * KERNEL_WAITS));
    }
}

/// The connection as hyper reads and writes it.
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
        // hyper offers everything it holds, every time.
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
            // A client that speaks plain HTTP still gets a message.
            if tls.is_plain() {
                return Poll::Ready(Ok(()));
            }
            ready!(tls.poll_close(link.wire(), cx))?;
        }
        // The peer may already have gone; that is no failure.
        let _ = rustix::net::shutdown(&link.socket, rustix::net::Shutdown::Write);
        Poll::Ready(Ok(()))
    }
}

/// A response as text, made without hyper.
pub(in crate::http) fn response(status: &str, fields: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         {fields}Connection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Writes a response as far as possible without waiting.
pub(in crate::http) fn say(socket: &Socket, status: &str, response: &str) {
    tell(status, socket.try_write_vectored(&[IoSlice::new(response.as_bytes())]).map(drop));
}

fn tell(status: &str, said: io::Result<()>) {
    if let Err(error) = said {
        log::debug!("{status} could not be written: {error}");
    }
}

/// All open connections.
#[derive(Debug, Default)]
pub(in crate::http) struct Links {
    pub(in crate::http) open: RefCell<Vec<Rc<Link>>>,
    pub(in crate::http) arrival: Notify,
    departure: Notify,
}

impl Links {
    pub fn count(&self) -> usize {
        self.open.borrow().len()
    }

    /// Connections with a place of this kind.
    pub fn users(&self, kind: ConnectionUse) -> usize {
        self.open.borrow().iter().filter(|link| link.uses.get().counts_as(kind)).count()
    }

    /// Takes one of `most` places of this kind for `link`, until its answer ends. A known client may take all of
    /// them. Others may take those that are not [`kept`], and one address at most a quarter of these, so that it
    /// cannot lock the others out. In a network that has its half, the address with the most loses one to an address
    /// with fewer.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn take_place(&self, link: &Link, uses: ConnectionUse, most: usize) -> Result<(), NoPlace> {
        let (mut all, mut own, mut strangers) = (0, 0, 0);
        let mut beside: HashMap<LimitedClient, Vec<&Rc<Link>>> = HashMap::new();
        let open = self.open.borrow();
        let others = open.iter().filter(|other| other.uses.get().counts_as(uses));
        for other in others.filter(|other| !std::ptr::eq(Rc::as_ptr(other), link)) {
            all += 1;
            own += usize::from(other.client() == link.client());
            strangers += usize::from(!other.is_known());
            if !other.is_known() && other.client().network() == link.client().network() {
                beside.entry(other.client()).or_default().push(other);
            }
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
        let of_network: usize = beside.values().map(Vec::len).sum();
        if !link.is_known()
            && link.client() != LimitedClient::Unnamed
            && of_network >= most.div_ceil(NETWORK_SHARE)
        {
            let most_of_all = beside.values().max_by_key(|links| links.len());
            let other = most_of_all.filter(|links| links.len() > own + 1).and_then(|links| links.last());
            let other = other.ok_or(NoPlace::Share)?;
            other.uses.set(ConnectionUse::Nothing);
            other.call(LinkVerdict::Revoke);
        }
        link.uses.set(uses);
        Ok(())
    }

    /// True if a connection from `address` may be opened when `most` are allowed; some are [`kept`]. If all are
    /// taken, one without a whole request is closed for it: the one that has waited longest, of the address with the
    /// most connections. An address that has its quarter loses one of its own, and one whose network has its half
    /// loses one of the network.
    pub fn has_room(&self, address: Option<IpAddr>, most: usize) -> bool {
        let client = LimitedClient::from_peer(address);
        let open = self.open.borrow();
        let staying = || open.iter().filter(|link| !link.is_leaving.get());
        // Before the first request, only the address identifies a connection.
        let known: HashSet<_> = staying().filter(|link| link.is_known()).map(|link| link.address).collect();
        let is_stranger = |address| {
            LimitedClient::from_peer(address) != LimitedClient::Unnamed && !known.contains(&address)
        };
        let mut of_each: HashMap<LimitedClient, usize> = HashMap::new();
        let (mut all, mut strangers, mut of_network) = (0, 0, 0);
        for link in staying() {
            all += 1;
            strangers += usize::from(is_stranger(link.address));
            of_network += usize::from(link.client().network() == client.network());
            *of_each.entry(link.client()).or_default() += 1;
        }
        let count = |client: LimitedClient| of_each.get(&client).copied().unwrap_or_default();
        let is_share_full = is_stranger(address) && count(client) >= most.div_ceil(SHARE);
        let is_network_full = is_stranger(address) && of_network >= most.div_ceil(NETWORK_SHARE);
        let is_rest_full = is_stranger(address) && strangers >= most - kept(most);
        if all < most && !is_share_full && !is_network_full && !is_rest_full {
            return true;
        }
        let may_go = staying().filter(|link| {
            link.phase.get().0 != ConnectionPhase::Busy
                && (!is_share_full || link.client() == client)
                && (!is_network_full || link.client().network() == client.network())
                && (!is_rest_full || is_stranger(link.address))
        });
        let longest = may_go.min_by_key(|link| (Reverse(count(link.client())), link.phase.get().1));
        let Some(longest) = longest else { return false };
        longest.is_leaving.set(true);
        longest.call(LinkVerdict::Close);
        true
    }

    /// Bytes of complete answers that clients have not taken: of all clients, of `client`, and of its network.
    pub fn unsent(&self, client: LimitedClient) -> [usize; 3] {
        let open = self.open.borrow();
        let of = |is_it: &dyn Fn(LimitedClient) -> bool| {
            let waiting = open.iter().filter(|link| !link.is_viewer.get() && is_it(link.client()));
            waiting.map(|link| link.unwritten.get()).sum()
        };
        [of(&|_| true), of(&|other| other == client), of(&|other| other.network() == client.network())]
    }

    pub(in crate::http) fn enter(&self, link: Rc<Link>) {
        self.open.borrow_mut().push(link);
        self.arrival.notify_one();
    }

    pub(in crate::http) fn leave(&self, link: &Rc<Link>) {
        let mut open = self.open.borrow_mut();
        if let Some(place) = open.iter().position(|l| Rc::ptr_eq(l, link)) {
            open.swap_remove(place);
        }
        if open.is_empty() {
            self.departure.notify_one();
        }
    }

    /// Tells every connection to finish, and waits at most `time` until all have.
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

    /// Connections from the addresses that a test names, without peers.
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

        /// Adds a connection from the `n`th address that has been in this phase for `age` seconds.
        fn enter(&mut self, n: u8, phase: ConnectionPhase, age: u64) -> usize {
            self.push(Crowd::link(address(n)), phase, age)
        }

        fn push(&mut self, link: Rc<Link>, phase: ConnectionPhase, age: u64) -> usize {
            let since = Instant::now().checked_sub(Duration::from_secs(age)).unwrap();
            link.phase.set((phase, since));
            self.links.enter(link.clone());
            self.all.push(link);
            self.all.len() - 1
        }

        /// The connections told to close.
        fn going(&self) -> Vec<usize> {
            (0..self.all.len()).filter(|n| self.all[*n].is_leaving.get()).collect()
        }
    }

    #[tokio::test]
    async fn a_new_connection_replaces_the_longest_idle_one_of_the_busiest_address() {
        let mut crowd = Crowd::default();
        crowd.enter(1, ConnectionPhase::Idle, 50);
        crowd.enter(2, ConnectionPhase::Busy, 40);
        crowd.enter(2, ConnectionPhase::Idle, 10);
        crowd.enter(2, ConnectionPhase::Idle, 30);
        for _ in 0..3 {
            crowd.enter(0, ConnectionPhase::Busy, 1);
        }
        assert!(crowd.links.has_room(address(3), 12) && crowd.going().is_empty());
        // One of the 12 places is reserved; one address may have three.
        for n in 4..9 {
            crowd.enter(n, ConnectionPhase::Busy, 1);
        }
        assert!(crowd.links.has_room(address(3), 12));
        assert_eq!(crowd.going(), [3], "neither the oldest of all nor one that is being answered");
        assert!(crowd.links.has_room(address(3), 11));
        assert_eq!(crowd.going(), [2, 3]);
        assert!(crowd.links.has_room(address(3), 10));
        assert_eq!(crowd.going(), [0, 2, 3]);
        assert!(!crowd.links.has_room(address(3), 9), "none is idle any more");
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
        crowd.enter(1, ConnectionPhase::Busy, 1);
        assert!(!crowd.links.has_room(address(1), 12), "none of its own is idle");
        assert!(crowd.links.has_room(address(2), 12) && crowd.links.has_room(address(0), 12));
        assert_eq!(crowd.going(), [3]);
        crowd.all[4].phase.set((ConnectionPhase::Head, Instant::now()));
        assert!(crowd.links.has_room(address(1), 12), "half a head makes room, too");
        crowd.enter(1, ConnectionPhase::Busy, 1);
        crowd.all[5].awaits_body(true);
        assert!(crowd.links.has_room(address(1), 12), "and half a body");
        assert_eq!(crowd.going(), [3, 4, 5]);
    }

    #[tokio::test]
    async fn an_ipv6_address_has_its_share_within_its_network() {
        let mut crowd = Crowd::default();
        let at = |network: &str, n: usize| Some(format!("{network}::{n:x}").parse().unwrap());
        for network in ["fd00", "fe80"] {
            for n in [1, 1, 1, 2, 2, 2] {
                crowd.push(Crowd::link(at(network, n)), ConnectionPhase::Busy, 1);
            }
        }
        assert!(!crowd.links.has_room(at("fd00", 1), 12), "it has its quarter");
        assert!(!crowd.links.has_room(at("fd00", 3), 12), "its network has its half");
        crowd.all[4].phase.set((ConnectionPhase::Head, Instant::now()));
        assert!(crowd.links.has_room(at("fd00", 3), 12));
        assert_eq!(crowd.going(), [4]);
        assert!(crowd.links.has_room(at("fd00", 3), 24), "others are free");
        assert!(crowd.links.has_room(address(3), 24));
    }

    #[tokio::test]
    async fn an_address_of_a_full_network_takes_a_place_of_the_one_with_the_most() {
        let crowd = Crowd::default();
        let mut open = Vec::new();
        let mut take = |address: &str| {
            let link = Crowd::link(Some(address.parse().unwrap()));
            crowd.links.enter(link.clone());
            open.push(link.clone());
            crowd.links.take_place(&link, ConnectionUse::Stream, 12)
        };
        for n in [1, 1, 1, 2, 2, 3] {
            assert_eq!(take(&format!("fd00::{n}")), Ok(()));
        }
        assert_eq!(take("fd00::1"), Err(NoPlace::Share));
        assert_eq!(take("fd00::4"), Ok(()), "one guest is not everybody");
        assert_eq!(take("10.0.0.1"), Ok(()));
        let ended = |link: &Rc<Link>| link.verdict.get() == Some(LinkVerdict::Revoke);
        assert_eq!(open.iter().map(ended).collect::<Vec<_>>()[..4], [false, false, true, false]);
        assert_eq!(crowd.links.users(ConnectionUse::Stream), 7);
    }

    #[tokio::test]
    async fn some_connections_are_reserved_for_this_machine_and_signed_in_clients() {
        let mut crowd = Crowd::default();
        for n in 1..=30 {
            crowd.enter(n, ConnectionPhase::Busy, 1);
        }
        assert!(!crowd.links.has_room(address(40), 32), "30 of 32: the others are reserved");
        assert!(crowd.links.has_room(address(0), 32) && crowd.links.has_room(None, 32));
        crowd.all[6].is_of(LimitedClient::from_address(address(7).unwrap()), true);
        assert!(crowd.links.has_room(address(7), 32), "somebody is signed in there");
        crowd.enter(7, ConnectionPhase::Idle, 1);
        assert!(crowd.links.has_room(address(40), 32), "the 29 strangers may have another one");
        crowd.enter(40, ConnectionPhase::Busy, 1);
        assert!(!crowd.links.has_room(address(41), 32));
        assert!(crowd.links.has_room(address(0), 32), "an idle one is closed for it");
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
        assert_eq!(take(1, false, ConnectionUse::File), Ok(()), "another kind has its own places");
        assert_eq!(take(1, false, ConnectionUse::View), Ok(()), "a view is also a stream");
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
    async fn pipelined_requests_are_recognised_after_the_first() {
        let link = Crowd::link(None);
        link.has_read.set(true);
        assert_eq!([link.asked(), link.asked(), link.asked()], [false, true, true]);
        link.has_read.set(true);
        assert_eq!([link.asked(), link.asked()], [false, true]);
    }

    #[test]
    fn few_places_are_not_reserved() {
        assert_eq!([1, 3, 4, 16, 17, 100, 512].map(kept), [0, 0, 1, 1, 2, 7, 32]);
    }
}
