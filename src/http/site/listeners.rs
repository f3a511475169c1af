//! Events that are frequent and equal for all listeners are rendered once.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;

use crate::pipeline::counting::Overlay;

/// Shared renderings of the most frequent events.
#[derive(Debug, Default)]
pub struct Listeners {
    pub(in crate::http) overlay: CachedEvent<Overlay>,
}

/// The last rendered event, reused for the next client that gets the same.
#[derive(Debug)]
pub(in crate::http) struct CachedEvent<T>(RefCell<Option<(Arc<T>, Bytes)>>);

impl<T> Default for CachedEvent<T> {
    fn default() -> CachedEvent<T> {
        CachedEvent(RefCell::default())
    }
}

impl<T> CachedEvent<T> {
    pub fn of(&self, what: &Arc<T>, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut said = self.0.borrow_mut();
        match &*said {
            Some((known, event)) if Arc::ptr_eq(known, what) => event.clone(),
            _ => {
                let event = make();
                *said = Some((Arc::clone(what), event.clone()));
                event
            }
        }
    }
}
