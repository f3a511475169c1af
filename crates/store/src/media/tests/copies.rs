//! A backup whose receiver is slow, or takes nothing.

use super::*;

/// Same as `backup::PIECE` and `backup::WAITING`.
const PIECE: u64 = 256 << 10;
const WAITING: usize = 4;

impl Bench {
    /// Starts a backup and runs turns and steps until it is answered.
    fn backup(&mut self) -> Result<Backup, MediaError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let media = self.media.clone();
        let mut made = Box::pin(media.backup());
        runtime.block_on(std::future::poll_fn(|context| match made.as_mut().poll(context) {
            std::task::Poll::Ready(done) => std::task::Poll::Ready(done),
            std::task::Poll::Pending => {
                self.turn();
                self.pass(0);
                made.as_mut().poll(context)
            }
        }))
    }

    /// Lets time pass, then runs some steps of all jobs.
    fn pass(&mut self, time: u64) {
        self.clock.pass(time);
        for _ in 0..10 {
            self.clock.pass(20_000);
            self.writer.run_background();
        }
    }
}

#[test]
fn a_receiver_that_takes_nothing_for_a_minute_is_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    bench.snapshot(None, &jpeg(1, 3 << 20)).expect("kept");
    let mut slow = bench.backup().expect("it begins");
    assert!(slow.len > (WAITING as u64 + 3) * PIECE);
    bench.pass(0);
    assert_eq!(slow.pieces.len(), WAITING, "no more of it is in memory");
    // A receiver that takes a little now and then is not given up.
    for _ in 0..3 {
        bench.pass(59 * S);
        slow.pieces.try_recv().expect("a piece").expect("whole");
        bench.pass(0);
        assert_eq!(slow.pieces.len(), WAITING);
    }
    let second = bench.backup().expect_err("one at a time");
    assert!(matches!(second, MediaError::BackingUp), "{second}");
    bench.pass(61 * S);
    let mut left = 0;
    while let Ok(piece) = slow.pieces.try_recv() {
        left += piece.expect("whole").len() as u64;
    }
    assert!(slow.pieces.is_closed() && left + 3 * PIECE < slow.len, "it ends early, which its length tells");
    // It does not block the next backup.
    let mut next = bench.backup().expect("it begins");
    let mut bytes = 0;
    loop {
        bench.pass(0);
        match next.pieces.try_recv() {
            Ok(piece) => bytes += piece.expect("whole").len() as u64,
            Err(_) => break,
        }
    }
    assert_eq!(bytes, next.len);
    bench.assert_sound();
}
