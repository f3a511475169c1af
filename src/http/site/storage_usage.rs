//! The last measured disk usage of media.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use tallycam_store::media::Storage;

/// A cached measurement: `/state` and `/metrics` are requested often.
#[derive(Debug, Default)]
pub struct StorageUsage {
    pub(in crate::http) known: RefCell<Option<Rc<Storage>>>,
    /// The time of the measurement, and the revision of the list then.
    pub(in crate::http) looked: Cell<Option<(Instant, u64)>>,
}

impl StorageUsage {
    /// The last measurement; `None` before the first.
    pub fn known(&self) -> Option<Rc<Storage>> {
        self.known.borrow().clone()
    }
}
