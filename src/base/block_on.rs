//! Waiting: on a thread of its own for something asynchronous, and in a task for a job.

use std::future::pending;
use std::pin::pin;

use tokio::runtime::Runtime;
use tokio::task::{JoinError, JoinHandle};

/// Runs `future` on this thread to its end, as [`Runtime::block_on`] does, which would be in the program again for each
/// future.
pub fn block_on<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let mut output = None;
    {
        let whole = pin!(async { output = Some(future.await) });
        let whole: std::pin::Pin<&mut dyn Future<Output = ()>> = whole;
        runtime.block_on(whole);
    }
    // It has ended, so it has put its output there.
    match output {
        Some(output) => output,
        None => unreachable!("a future that has ended has an output"),
    }
}

/// The result of a job, once; waits for ever where there is none.
pub async fn wait_job<T>(job: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match job {
        Some(running) => {
            let result = running.await;
            *job = None;
            result
        }
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_what_the_future_gives_and_borrows_what_it_borrows() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let mut seen = Vec::new();
        let sum = block_on(&runtime, async {
            tokio::task::yield_now().await;
            seen.push(1);
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            seen.push(2);
            seen.iter().sum::<i32>()
        });
        assert_eq!((sum, seen), (3, vec![1, 2]));
    }
}
