//! The messages that one connection has sent and sends next. Pure; the clock is given.
//!
//! ```text
//! live     ─┐
//! backlog  ─┼─► at most 20 unacknowledged ─► broker
//! replay   ─┘            │
//!     `sent` ◄── longest acknowledged prefix
//! ```
//!
//! The backlog is what counts.db had when the connection began. Later rows go out first, so that a long backlog delays
//! no news; they count as sent once all rows before them are. A connection that is lost forgets what was under way, and
//! the next one reads it again from counts.db.

use std::collections::VecDeque;

use super::message::MqttMessage;

/// Maximum number of unacknowledged messages.
pub(super) const WINDOW: usize = 20;

/// Rows that are read at once.
pub(super) const PAGE: usize = 50;

/// Maximum rows of the backlog and of replays in a second.
const RATE: u64 = 50;

/// Maximum rows of a replay.
const MOST_REPLAYED: u64 = 500;

/// Rows to read from counts.db.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowsWanted {
    /// New rows after a place.
    Live(u64),
    /// Rows of the backlog after a place.
    Backlog(u64),
    /// The rows of all numbers after the first up to the second.
    Replay(u64, u64),
}

/// A row with its place in the order of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlacedRow {
    pub(super) place: u64,
    pub(super) message: MqttMessage,
}

/// The cargo in flight under a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cargo {
    Live,
    Backlog,
    Replay,
    Other(u64),
}

/// Rows that go out in order.
#[derive(Debug, Default)]
struct RowLane {
    /// All rows up to here are acknowledged.
    done: u64,
    /// All rows up to here have been read.
    read: u64,
    rows: VecDeque<PlacedRow>,
    flying: VecDeque<Flight>,
}

/// A row in flight.
#[derive(Debug)]
struct Flight {
    id: u16,
    place: u64,
    is_acknowledged: bool,
}

impl RowLane {
    fn from(place: u64) -> RowLane {
        RowLane { done: place, read: place, ..RowLane::default() }
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.flying.is_empty()
    }

    fn take(&mut self, rows: Vec<PlacedRow>) {
        self.read = rows.last().map_or(self.read, |last| last.place);
        self.rows.extend(rows);
    }

    fn acknowledge(&mut self, id: u16) {
        if let Some(flight) = self.flying.iter_mut().find(|flight| flight.id == id) {
            flight.is_acknowledged = true;
        }
        while self.flying.front().is_some_and(|first| first.is_acknowledged) {
            self.done = self.flying.pop_front().map_or(self.done, |first| first.place);
        }
    }
}

#[derive(Debug)]
struct RunningReplay {
    /// All numbers up to here have been read.
    read: u64,
    until: u64,
    rows: VecDeque<MqttMessage>,
}

/// The messages of one connection.
#[derive(Debug)]
pub(super) struct SendSession {
    live: RowLane,
    /// New rows may be there.
    has_news: bool,
    backlog: RowLane,
    /// The last place of the backlog; `None` when all of it is acknowledged.
    backlog_end: Option<u64>,
    is_backlog_read: bool,
    replay: Option<RunningReplay>,
    /// Messages that are no rows, each with the caller's own mark.
    others: VecDeque<(MqttMessage, u64)>,
    flying: Vec<(u16, Cargo)>,
    /// Rows of backlog and replay that may go now, in thousandths.
    credit: u64,
    credited_ms: u64,
}

impl SendSession {
    /// A connection that begins at the time `now_ms`. Everything up to `sent` was acknowledged before; rows after the
    /// place `newest` are new.
    pub(super) fn new(sent: u64, newest: u64, now_ms: u64) -> SendSession {
        let newest = newest.max(sent);
        SendSession {
            live: RowLane::from(newest),
            has_news: true,
            backlog: RowLane::from(sent),
            backlog_end: (sent < newest).then_some(newest),
            is_backlog_read: false,
            replay: None,
            others: VecDeque::new(),
            flying: Vec::new(),
            credit: WINDOW as u64 * 1000,
            credited_ms: now_ms,
        }
    }

    /// The place up to which everything is acknowledged.
    pub(super) fn sent(&self) -> u64 {
        if self.backlog_end.is_some() { self.backlog.done } else { self.live.done }
    }

    /// True while rows from before this connection are not acknowledged.
    pub(super) fn has_backlog(&self) -> bool {
        self.backlog_end.is_some()
    }

    /// True if all rows that are known are acknowledged.
    pub(super) fn is_settled(&self) -> bool {
        self.backlog_end.is_none() && self.live.is_empty() && !self.has_news
    }

    /// There may be new rows.
    pub(super) fn news(&mut self) {
        self.has_news = true;
    }

    /// Begins a replay of the numbers after `since` up to `until`. Returns false if another one is under way, or if
    /// there is nothing in it. Rows that have not been sent yet come by themselves.
    pub(super) fn begin_replay(&mut self, since: u64, until: u64) -> bool {
        let until = until.min(self.sent()).min(since.saturating_add(MOST_REPLAYED));
        if self.replay.is_some() || until <= since {
            return false;
        }
        self.replay = Some(RunningReplay { read: since, until, rows: VecDeque::new() });
        true
    }

    /// Queues a message that is no row. [`SendSession::acknowledged`] returns its mark. With the mark 0 it takes the
    /// place of a retained message on its topic that still waits, so a slow broker gets the newest state only.
    pub(super) fn push(&mut self, message: MqttMessage, mark: u64) {
        let is_older = |(waiting, its): &&mut (MqttMessage, u64)| {
            mark == 0 && *its == 0 && waiting.is_retained && waiting.topic == message.topic
        };
        match self.others.iter_mut().find(is_older) {
            Some((waiting, _)) => *waiting = message,
            None => self.others.push_back((message, mark)),
        }
    }

    /// The rows that are to be read next.
    pub(super) fn wanted(&self) -> Option<RowsWanted> {
        if self.has_news && self.live.rows.is_empty() {
            return Some(RowsWanted::Live(self.live.read));
        }
        if self.backlog_end.is_some() && !self.is_backlog_read && self.backlog.rows.is_empty() {
            return Some(RowsWanted::Backlog(self.backlog.read));
        }
        let replay = self.replay.as_ref().filter(|replay| replay.rows.is_empty())?;
        let until = replay.until.min(replay.read + PAGE as u64);
        (replay.read < until).then_some(RowsWanted::Replay(replay.read, until))
    }

    /// Takes the rows that were read for `wanted`. `is_more`: counts.db has more of them.
    pub(super) fn read(&mut self, wanted: RowsWanted, mut rows: Vec<PlacedRow>, is_more: bool) {
        match wanted {
            RowsWanted::Live(_) => {
                self.has_news = is_more;
                self.live.take(rows);
            }
            RowsWanted::Backlog(_) => {
                let end = self.backlog_end.unwrap_or(0);
                let before = rows.len();
                rows.retain(|row| row.place <= end);
                self.is_backlog_read = !is_more || rows.len() < before;
                self.backlog.take(rows);
                self.end_backlog();
            }
            RowsWanted::Replay(_, until) => {
                let Some(replay) = &mut self.replay else { return };
                replay.read = until;
                replay.rows.extend(rows.into_iter().map(|row| row.message));
                self.end_replay();
            }
        }
    }

    /// Hands the next message to `publish`, which returns its number, if one may go now.
    pub(super) fn next<E>(
        &mut self,
        now_ms: u64,
        publish: impl FnOnce(&MqttMessage) -> Result<u16, E>,
    ) -> Result<bool, E> {
        let passed_ms = now_ms.saturating_sub(self.credited_ms);
        self.credit = (self.credit + passed_ms * RATE).min(WINDOW as u64 * 1000);
        self.credited_ms = now_ms;
        if self.flying.len() >= WINDOW {
            return Ok(false);
        }
        if let Some((message, mark)) = self.others.pop_front() {
            let id = publish(&message)?;
            self.flying.push((id, Cargo::Other(mark)));
            return Ok(true);
        }
        let may_follow = self.credit >= 1000;
        let (lane, cargo) = match () {
            () if !self.live.rows.is_empty() => (&mut self.live, Cargo::Live),
            () if may_follow && !self.backlog.rows.is_empty() => (&mut self.backlog, Cargo::Backlog),
            () => return self.next_replayed(may_follow, publish),
        };
        let Some(PlacedRow { place, message }) = lane.rows.pop_front() else { return Ok(false) };
        let id = publish(&message)?;
        lane.flying.push_back(Flight { id, place, is_acknowledged: false });
        self.flying.push((id, cargo));
        if cargo == Cargo::Backlog {
            self.credit -= 1000;
        }
        Ok(true)
    }

    fn next_replayed<E>(
        &mut self,
        may_follow: bool,
        publish: impl FnOnce(&MqttMessage) -> Result<u16, E>,
    ) -> Result<bool, E> {
        let Some(replay) = self.replay.as_mut().filter(|_| may_follow) else { return Ok(false) };
        let Some(message) = replay.rows.pop_front() else { return Ok(false) };
        let id = publish(&message)?;
        self.flying.push((id, Cargo::Replay));
        self.credit -= 1000;
        self.end_replay();
        Ok(true)
    }

    /// True if rows wait only because of the rate.
    pub(super) fn is_throttled(&self) -> bool {
        let waits = |replay: &RunningReplay| !replay.rows.is_empty();
        self.credit < 1000 && (!self.backlog.rows.is_empty() || self.replay.as_ref().is_some_and(waits))
    }

    /// The message with the number `id` is acknowledged. Returns the mark of one that is no row.
    pub(super) fn acknowledged(&mut self, id: u16) -> Option<u64> {
        let at = self.flying.iter().position(|(flying, _)| *flying == id)?;
        match self.flying.swap_remove(at).1 {
            Cargo::Live => self.live.acknowledge(id),
            Cargo::Backlog => {
                self.backlog.acknowledge(id);
                self.end_backlog();
            }
            Cargo::Replay => {}
            Cargo::Other(mark) => return Some(mark),
        }
        None
    }

    fn end_backlog(&mut self) {
        if self.is_backlog_read && self.backlog.is_empty() {
            self.backlog_end = None;
        }
    }

    fn end_replay(&mut self) {
        let is_over = |replay: &RunningReplay| replay.rows.is_empty() && replay.read >= replay.until;
        if self.replay.as_ref().is_some_and(is_over) {
            self.replay = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn row(place: u64) -> PlacedRow {
        let message =
            MqttMessage { topic: String::from("c"), payload: place.to_string().into(), is_retained: false };
        PlacedRow { place, message }
    }

    /// A counts.db with these places, and a broker that keeps what it got.
    #[derive(Default)]
    struct Bench {
        stored: BTreeSet<u64>,
        got: Vec<u64>,
        id: u16,
        /// Number and place of what is not acknowledged.
        flying: Vec<(u16, u64)>,
        acknowledged: BTreeSet<u64>,
    }

    impl Bench {
        fn page(&self, since: u64) -> (Vec<PlacedRow>, bool) {
            let mut rest = self.stored.range(since + 1..);
            let rows = rest.by_ref().take(PAGE).map(|place| row(*place)).collect();
            (rows, rest.next().is_some())
        }

        fn read(&self, session: &mut SendSession) {
            while let Some(wanted) = session.wanted() {
                match wanted {
                    RowsWanted::Live(since) | RowsWanted::Backlog(since) => {
                        let (rows, is_more) = self.page(since);
                        session.read(wanted, rows, is_more);
                        if matches!(wanted, RowsWanted::Live(_)) && is_more {
                            return;
                        }
                    }
                    RowsWanted::Replay(since, until) => {
                        let rows = (since + 1..=until).map(row).collect();
                        session.read(wanted, rows, false);
                    }
                }
            }
        }

        /// Sends what may go. Returns how many went.
        fn send(&mut self, session: &mut SendSession, now_ms: u64) -> usize {
            let before = self.got.len();
            let Bench { got, id, flying, .. } = self;
            let mut publish = |message: &MqttMessage| {
                let place = String::from_utf8_lossy(&message.payload).parse().unwrap_or(0);
                *id = id.checked_add(1).unwrap_or(1);
                got.push(place);
                flying.push((*id, place));
                Ok::<u16, ()>(*id)
            };
            while session.next(now_ms, &mut publish).unwrap() {}
            self.got.len() - before
        }

        fn acknowledge(&mut self, session: &mut SendSession, at: usize) {
            if !self.flying.is_empty() {
                let (id, place) = self.flying.remove(at % self.flying.len());
                self.acknowledged.insert(place);
                session.acknowledged(id);
            }
        }

        fn settle(&mut self, session: &mut SendSession, now_ms: &mut u64) {
            for _ in 0..10_000 {
                self.read(session);
                let sent = self.send(session, *now_ms);
                if sent == 0
                    && self.flying.is_empty()
                    && session.wanted().is_none()
                    && !session.is_throttled()
                {
                    return;
                }
                while !self.flying.is_empty() {
                    self.acknowledge(session, 0);
                }
                *now_ms += 100;
            }
            panic!("it does not come to an end");
        }
    }

    fn stored(places: impl IntoIterator<Item = u64>) -> Bench {
        Bench { stored: places.into_iter().collect(), ..Bench::default() }
    }

    #[test]
    fn news_overtake_the_backlog_and_count_as_sent_after_it() {
        let mut bench = stored(1..=100);
        let mut session = SendSession::new(10, 100, 0);
        bench.read(&mut session);
        assert_eq!(bench.send(&mut session, 0), WINDOW, "no more than the window");
        bench.stored.insert(101);
        session.news();
        bench.read(&mut session);
        bench.acknowledge(&mut session, 0);
        bench.send(&mut session, 0);
        assert_eq!(bench.got.last(), Some(&101));
        let last = bench.flying.len() - 1;
        bench.acknowledge(&mut session, last);
        assert_eq!(session.sent(), 11, "101 is acknowledged, and what is before it is not");
        bench.settle(&mut session, &mut 0);
        assert!(session.sent() == 101 && session.is_settled() && !session.has_backlog());
        let mut each = bench.got;
        each.sort_unstable();
        assert_eq!(each, (11..=101).collect::<Vec<_>>(), "each one once");
    }

    #[test]
    fn the_backlog_goes_at_fifty_a_second() {
        let mut bench = stored(1..=1000);
        let mut session = SendSession::new(0, 1000, 0);
        let mut sent = 0;
        for now_ms in (0..10_000).step_by(10) {
            bench.read(&mut session);
            sent += bench.send(&mut session, now_ms);
            while !bench.flying.is_empty() {
                bench.acknowledge(&mut session, 0);
            }
        }
        assert!((500..=530).contains(&sent), "{sent}");
        assert!(bench.got.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn replays_are_answered_one_at_a_time() {
        let mut bench = stored(1..=2000);
        let mut session = SendSession::new(2000, 2000, 0);
        bench.settle(&mut session, &mut 0);
        assert!(!session.begin_replay(7, 7) && !session.begin_replay(2000, 3000), "nothing is in them");
        assert!(session.begin_replay(1000, 5000) && !session.begin_replay(1, 2), "another one is under way");
        bench.settle(&mut session, &mut 0);
        assert_eq!(bench.got, (1001..=1500).collect::<Vec<_>>());
        assert!(session.begin_replay(1, 2), "it is over");
    }

    #[test]
    fn other_messages_return_their_mark() {
        let mut session = SendSession::new(0, 0, 0);
        session.push(row(0).message, 7);
        assert_eq!(session.next(0, |_| Ok::<u16, ()>(9)), Ok(true));
        assert_eq!(
            (session.acknowledged(8), session.acknowledged(9), session.acknowledged(9)),
            (None, Some(7), None)
        );
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// A new row; `true`: instead of the oldest one, whose time was mended.
        New(bool),
        Work(u64),
        Acknowledge(usize),
        /// The connection is lost. `true`: the program too, and with it what was kept last.
        Lost(bool),
        Keep,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => any::<bool>().prop_map(Step::New),
            4 => (0..200_u64).prop_map(Step::Work),
            6 => any::<usize>().prop_map(Step::Acknowledge),
            1 => any::<bool>().prop_map(Step::Lost),
            1 => Just(Step::Keep),
        ]
    }

    #[test]
    fn a_slow_broker_gets_the_newest_state_only() {
        let mut session = SendSession::new(0, 0, 0);
        let state = |text: &str| MqttMessage::retained("state".into(), text);
        session.push(state("old"), 0);
        session.push(MqttMessage::retained("device".into(), "old"), 7);
        session.push(state("new"), 0);
        session.push(MqttMessage::retained("device".into(), "new"), 8);
        let (mut sent, mut id) = (Vec::new(), 0);
        while session
            .next(0, |message| {
                sent.push(message.payload.clone());
                id += 1;
                Ok::<u16, ()>(id)
            })
            .unwrap()
        {}
        assert_eq!(sent, [b"new", b"old", b"new"], "a group is told of each of its messages");
        assert_eq!((session.acknowledged(2), session.acknowledged(3)), (Some(7), Some(8)));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_order_is_kept(
            first in 0..150_u64,
            sent in 0..150_u64,
            steps in proptest::collection::vec(step(), 0..400),
        ) {
            let mut bench = stored(1..=first);
            let (mut now_ms, mut number) = (0, first);
            let began = sent.min(first);
            let (mut kept, mut session) = (began, SendSession::new(began, first, 0));
            let mut since_connect = 0;
            for step in steps {
                match step {
                    Step::New(is_mended) => {
                        number += 1;
                        if is_mended {
                            // The old number is no longer in counts.db.
                            bench.stored.pop_first();
                        }
                        bench.stored.insert(number);
                        session.news();
                    }
                    Step::Work(passed_ms) => {
                        now_ms += passed_ms;
                        bench.read(&mut session);
                        bench.send(&mut session, now_ms);
                        prop_assert!(bench.flying.len() <= WINDOW);
                    }
                    Step::Acknowledge(at) => bench.acknowledge(&mut session, at),
                    Step::Keep => kept = session.sent(),
                    Step::Lost(is_killed) => {
                        if !is_killed {
                            kept = session.sent();
                        }
                        bench.flying.clear();
                        since_connect = bench.got.len();
                        session = SendSession::new(kept, number, now_ms);
                    }
                }
                let sent = bench.stored.iter().filter(|place| (began + 1..=session.sent()).contains(place));
                let missing = sent.clone().find(|place| !bench.acknowledged.contains(place));
                prop_assert_eq!(missing, None, "{} counts as sent", session.sent());
            }
            bench.settle(&mut session, &mut now_ms);
            let got: BTreeSet<u64> = bench.got.iter().copied().collect();
            let lost: Vec<_> = bench.stored.range(began + 1..).filter(|place| !got.contains(place)).collect();
            prop_assert!(lost.is_empty(), "{:?}", lost);
            prop_assert!(bench.stored.last().is_none_or(|last| session.sent() >= *last));
            // Within a connection, live rows and backlog are two ascending sequences.
            let this = &bench.got[since_connect..];
            let mut ends = [0, 0];
            for place in this {
                let lane = ends.iter().position(|end| end < place);
                prop_assert!(lane.is_some(), "{:?}", this);
                let best = (0..2).filter(|at| ends[*at] < *place).max_by_key(|at| ends[*at]);
                ends[best.unwrap_or(0)] = *place;
            }
        }
    }
}
