//! What was last seen of the room that pictures have.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use crate::store::media::Storage;

/// How much room there was when it was looked at last: `/state` and `/metrics` are asked for often.
#[derive(Debug, Default)]
pub struct StorageUsage {
    pub(in crate::http) known: RefCell<Option<Rc<Storage>>>,
    /// When, and at which revision of the list.
    pub(in crate::http) looked: Cell<Option<(Instant, u64)>>,
}

impl StorageUsage {
    /// What is known; nothing before the first look.
    pub fn known(&self) -> Option<Rc<Storage>> {
        self.known.borrow().clone()
    }
}
