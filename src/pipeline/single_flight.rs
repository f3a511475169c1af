//! Shares one answer of the capture thread among concurrent requests.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// An answer that only one caller at a time requests.
#[derive(Debug)]
pub struct SingleFlight<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for SingleFlight<T> {
    fn default() -> SingleFlight<T> {
        SingleFlight(Mutex::default())
    }
}

impl<T: Clone, E: Clone> SingleFlight<Result<T, E>> {
    /// The result of `ask`, or of another caller's `ask` that began after this call. A success may be older, by at
    /// most `stays`. A caller that is cancelled leaves its turn to the next.
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

    /// Discards the stored answer.
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

    /// Runs 60 concurrent requests; the first is answered after all have arrived. Returns the number of calls of
    /// `ask`.
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
    async fn two_of_many_concurrent_requests_ask() {
        let tasks = tokio::task::LocalSet::new();
        let hour = Duration::from_secs(3600);
        let counts = async {
            [
                // The second one began after all had arrived.
                sixty(Duration::ZERO, Ok(1)).await,
                sixty(hour, Ok(1)).await,
                sixty(hour, Err(1)).await,
            ]
        };
        assert_eq!(tasks.run_until(counts).await, [2, 1, 2]);
    }

    #[tokio::test]
    async fn a_cancelled_request_leaves_its_turn_and_a_discarded_answer_is_asked_again() {
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
