//! The server on real sockets, before a camera that is directed by the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::media::Trouble;
use crate::pipeline;
use crate::source::{Opener, Source};

/// A camera that is not there.
struct NoCamera;

impl Opener for NoCamera {
    fn describe(&self) -> String {
        String::from("no camera")
    }

    fn open(&mut self, _: &Stop) -> Result<Box<dyn Source>, Trouble> {
        Err(Trouble::new(crate::media::TroubleKind::Absent, "there is no camera"))
    }
}

/// A site without a socket, whose camera sleeps.
pub(super) fn site(name: &str) -> Site {
    let (pipeline, worker) = Pipeline::start(Box::new(NoCamera), pipeline::Settings::default()).unwrap();
    pipeline.stop();
    worker.join_within(Duration::from_secs(10)).unwrap();
    Site::new(Settings { name: name.to_owned(), ..Settings::default() }, pipeline)
}
