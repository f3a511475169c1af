//! Work that continues after its caller has left.

use std::future::Future;
use std::sync::Arc;

use hyper::StatusCode;
use tokio::sync::Semaphore;

use crate::http::request::problem::Problem;
use crate::http::site::preferences::NotSet;

/// Maximum number of changes under way. A connection that ends does not end its change, and so frees no place.
const AT_ONCE: usize = 16;

thread_local! {
    /// Places of this thread: each server has its own thread.
    static PLACES: Arc<Semaphore> = Arc::new(Semaphore::new(AT_ONCE));
}

/// Runs `work` to its end, even if its caller leaves: a value set on the camera is stored or taken back. At most
/// [`AT_ONCE`] run at a time.
///
/// # Errors
/// Those of `work`; [`NotSet::Busy`] if no place is free.
pub async fn to_its_end<T: 'static>(
    work: impl Future<Output = Result<T, Problem>> + 'static,
) -> Result<T, Problem> {
    let place = PLACES.with(Arc::clone).try_acquire_owned().map_err(|_| NotSet::Busy)?;
    let done = tokio::task::spawn_local(async move {
        let _place = place;
        work.await
    });
    let failed = |error: tokio::task::JoinError| {
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    };
    done.await.unwrap_or_else(failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;
    use std::rc::Rc;
    use std::task::{Context, Waker};

    use super::*;
    #[tokio::test]
    async fn work_completes_even_if_nobody_waits_for_it() {
        let tasks = tokio::task::LocalSet::new();
        let (go_on, started) = tokio::sync::oneshot::channel();
        let (done, is_done) = tokio::sync::oneshot::channel();
        tasks
            .run_until(async move {
                let mut asked = Box::pin(to_its_end(async move {
                    let _ = started.await;
                    done.send(()).map_err(|()| unreachable!())
                }));
                assert!(asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                drop(asked);
                go_on.send(()).unwrap();
                is_done.await.unwrap();
            })
            .await;
    }

    #[tokio::test]
    async fn changes_are_limited_and_a_caller_that_leaves_frees_no_place() {
        let tasks = tokio::task::LocalSet::new();
        let free = || PLACES.with(|places| places.available_permits());
        let (go_on, started) = tokio::sync::watch::channel(false);
        let (count, begun) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let change = || {
            let (mut started, count, begun) = (started.clone(), Rc::clone(&count), Rc::clone(&begun));
            to_its_end(async move {
                begun.set(begun.get() + 1);
                let _ = started.wait_for(|go_on| *go_on).await;
                count.set(count.get() + 1);
                Ok(())
            })
        };
        tasks
            .run_until(async {
                let asked: Vec<_> = (0..AT_ONCE).map(|_| tokio::task::spawn_local(change())).collect();
                while begun.get() < AT_ONCE {
                    tokio::task::yield_now().await;
                }
                let busy = change().await.unwrap_err();
                assert_eq!((busy.status, busy.retry_after), (StatusCode::SERVICE_UNAVAILABLE, Some(5)));
                for one in asked {
                    one.abort();
                    assert!(one.await.is_err());
                }
                assert_eq!(change().await, Err(busy));
                go_on.send(true).unwrap();
                while free() < AT_ONCE {
                    tokio::task::yield_now().await;
                }
                assert_eq!((count.get(), begun.get()), (AT_ONCE, AT_ONCE));
                change().await.unwrap();
            })
            .await;
    }
}
