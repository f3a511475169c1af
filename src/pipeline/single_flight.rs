//! What many may ask of the capture thread at once: one of them does, and the others have the same answer.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// An answer that is asked for by one at a time.
#[derive(Debug)]
pub struct SingleFlight<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for SingleFlight<T> {
    fn default() -> SingleFlight<T> {
        SingleFlight(Mutex::default())
    }
}

impl<T: Clone, E: Clone> SingleFlight<Result<T, E>> {
    /// What `ask` says, or has said to somebody else who began to ask later than this one came; a success also earlier,
    /// by at most `stays`. Who goes in the middle leaves the turn to the next.
    ///
    /// # Errors
    /// Those of `ask`.
    pub async fn get(&self, stays: Duration, ask: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let came = Instant::now();
        let mut last = self.0.lock().await;
        let known = last.as_ref().filter(|(began, answer)| {
            came <= *began || (answer.is_ok() && came.saturating_duration_since(*began) < stays)
        });
        if let Some((_, answer)) = known {
            return answer.clone();
        }
        let began = Instant::now();
        let answer = ask.await;
        *last = Some((began, answer.clone()));
        answer
    }

    /// What was answered is so no longer.
    pub async fn invalidate(&self) {
        *self.0.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// 60 ask at once, of whom the first is answered when all have come; how often somebody asked.
    async fn sixty(stays: Duration, answer: Result<u8, u8>) -> u32 {
        let (asked, count) = (Rc::new(SingleFlight::default()), Rc::new(Cell::new(0)));
        let all: Vec<_> = (0..60)
            .map(|_| {
                let (asked, count) = (Rc::clone(&asked), Rc::clone(&count));
                tokio::task::spawn_local(async move {
                    let ask = async {
                        count.set(count.get() + 1);
                        tokio::task::yield_now().await;
                        answer
                    };
                    assert_eq!(asked.get(stays, ask).await, answer);
                })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
        count.get()
    }

    #[tokio::test]
    async fn of_many_at_once_two_ask() {
        let tasks = tokio::task::LocalSet::new();
        let hour = Duration::from_secs(3600);
        let counts = async {
            [
                // The second began when all had come.
                sixty(Duration::ZERO, Ok(1)).await,
                sixty(hour, Ok(1)).await,
                sixty(hour, Err(1)).await,
            ]
        };
        assert_eq!(tasks.run_until(counts).await, [2, 1, 2]);
    }

    #[tokio::test]
    async fn who_goes_leaves_the_turn_and_who_forgets_asks_again() {
        let (asked, hour) = (SingleFlight::<Result<u8, u8>>::default(), Duration::from_secs(3600));
        {
            let mut gone = Box::pin(asked.get(hour, std::future::pending()));
            assert!(
                std::future::poll_fn(|cx| std::task::Poll::Ready(gone.as_mut().poll(cx).is_pending())).await
            );
        }
        assert_eq!(asked.get(hour, async { Ok(1) }).await, Ok(1));
        assert_eq!(asked.get(hour, async { Ok(2) }).await, Ok(1));
        asked.invalidate().await;
        assert_eq!(asked.get(hour, async { Ok(3) }).await, Ok(3));
    }
}
