//! Work that goes on when whoever asked for it has gone.

use std::future::Future;
use std::sync::Arc;

use hyper::StatusCode;
use tokio::sync::Semaphore;

use crate::http::request::problem::Problem;
use crate::http::site::preferences::NotSet;

/// Changes that go on when whoever asked for them has gone: a connection that ends makes no room for another.
const AT_ONCE: usize = 16;

thread_local! {
    /// Places for them: a server has a thread of its own.
    static PLACES: Arc<Semaphore> = Arc::new(Semaphore::new(AT_ONCE));
}

/// Does `work` to its end, also when whoever asked for it goes in the middle: what the camera is told is kept, or taken
/// back. At most [`AT_ONCE`] are under way.
///
/// # Errors
/// Those of `work`; [`NotSet::Busy`] where there is no place for it.
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
    async fn what_is_begun_is_done_though_nobody_waits_for_it() {
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
    async fn no_more_are_begun_than_there_are_places_for_and_who_goes_makes_no_room() {
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
