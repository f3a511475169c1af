//! What is known of the camera: a paused one is answered from this alone, for a pause is a promise that nothing looks.
//! Where nobody has asked for its controls before, one look is taken as the pause begins.

use crate::base::Stop;
use crate::media::{CameraFormat, Control, SourceError, SourceErrorKind};
use crate::pipeline::commands::{CameraControls, ControlsError, WantedControls};
use crate::source::{Opener, Source};

/// What was seen of one camera last. Lives on the capture thread.
#[derive(Debug, Default)]
pub struct CameraInfo {
    identity: Option<String>,
    /// `None`: nobody has asked for them yet.
    controls: Option<Vec<Control>>,
    formats: Option<Vec<CameraFormat>>,
}

impl CameraInfo {
    /// The camera of this identity was opened: what was seen of another one says nothing of it.
    pub fn record_open(&mut self, identity: Option<String>) {
        if identity != self.identity {
            *self = CameraInfo { identity, ..CameraInfo::default() };
        }
    }

    /// Its controls are so now, as far as that is known.
    pub fn update_controls(&mut self, controls: Option<&[Control]>) {
        if let Some(controls) = controls {
            self.controls = Some(controls.to_vec());
        }
    }

    /// Looks at a closed camera whose controls nobody has asked for yet. What cannot be seen is not known.
    pub fn probe_once(&mut self, opener: &mut dyn Opener) {
        if self.controls.is_some() {
            return;
        }
        if let Ok(controls) = opener.controls() {
            self.record_open(opener.identity());
            self.controls = Some(controls);
        }
    }

    /// Remembers what an open camera has said of its controls, and passes it on.
    pub fn record_controls(
        &mut self,
        said: Result<CameraControls, ControlsError>,
    ) -> Result<CameraControls, ControlsError> {
        if let Ok(CameraControls { identity, controls, .. }) = &said {
            self.identity.clone_from(identity);
            self.controls = Some(controls.clone());
        }
        said
    }
}

/// A closed camera as it may be looked at: what its opener sees is remembered, and while it is paused only that is
/// told. It opens nothing.
pub struct ClosedCamera<'a> {
    pub known: &'a mut CameraInfo,
    pub opener: &'a mut dyn Opener,
    pub is_paused: bool,
}

impl ClosedCamera<'_> {
    /// Whether what is `wanted` is of another camera than the one that is there, which is `open` or closed. Of none
    /// that is there only opening it can tell what is the matter.
    pub fn is_other_camera(&mut self, open: Option<&dyn Source>, wanted: &WantedControls) -> bool {
        match open {
            Some(source) => source.identity() != wanted.identity,
            None => self.identity().is_some_and(|there| wanted.identity.as_ref() != Some(&there)),
        }
    }
}

impl Opener for ClosedCamera<'_> {
    fn describe(&self) -> String {
        self.opener.describe()
    }

    fn open(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        Err(paused_fault())
    }

    fn identity(&mut self) -> Option<String> {
        if !self.is_paused {
            self.known.identity = self.opener.identity();
        }
        self.known.identity.clone()
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        if !self.is_paused {
            self.known.controls = Some(self.opener.controls()?);
        }
        self.known.controls.clone().ok_or_else(paused_fault)
    }

    fn formats(&mut self) -> Result<Vec<CameraFormat>, SourceError> {
        if !self.is_paused {
            self.known.formats = Some(self.opener.formats()?);
        }
        self.known.formats.clone().ok_or_else(paused_fault)
    }
}

/// What was asked for is not known, and cannot be seen now.
fn paused_fault() -> SourceError {
    SourceError::new(SourceErrorKind::Failed, "the camera is paused, and nothing looks at it")
        .hint("resume it on the live page, or by POST /api/v1/resume")
}
