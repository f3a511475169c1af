//! Known facts of the camera. A paused camera is described from these alone, because a pause promises that nothing
//! accesses it. If its controls are unknown, they are read once as the pause begins.

use crate::pipeline::commands::{CameraControls, ControlsError, WantedControls};
use tallycam_base::Stop;
use tallycam_camera::media::{CameraFormat, Control, SourceError, SourceErrorKind};
use tallycam_camera::source::{Opener, Source};

/// The last known facts of one camera. Lives on the capture thread.
#[derive(Debug, Default)]
pub struct CameraInfo {
    identity: Option<String>,
    /// `None` until somebody asks for them.
    controls: Option<Vec<Control>>,
    formats: Option<Vec<CameraFormat>>,
}

impl CameraInfo {
    /// Records that the camera `identity` was opened. Facts of another camera are forgotten.
    pub fn record_open(&mut self, identity: Option<String>) {
        if identity != self.identity {
            *self = CameraInfo { identity, ..CameraInfo::default() };
        }
    }

    /// Records the current controls, if they are known.
    pub fn update_controls(&mut self, controls: Option<&[Control]>) {
        if let Some(controls) = controls {
            self.controls = Some(controls.to_vec());
        }
    }

    /// Reads the controls of a closed camera if they are unknown. An error leaves them unknown.
    pub fn probe_once(&mut self, opener: &mut dyn Opener) {
        if self.controls.is_some() {
            return;
        }
        if let Ok(controls) = opener.controls() {
            self.record_open(opener.identity());
            self.controls = Some(controls);
        }
    }

    /// Records the controls of an open camera and passes the result on.
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

/// A closed camera as its readers see it. Answers of its opener are recorded; during a pause only recorded facts are
/// returned. It opens nothing.
pub struct ClosedCamera<'a> {
    pub known: &'a mut CameraInfo,
    pub opener: &'a mut dyn Opener,
    pub is_paused: bool,
}

impl ClosedCamera<'_> {
    /// True if `wanted` belongs to another camera than the present one, whether `open` or closed. False if none is
    /// present: the open then reports the fault.
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

/// The answer for an unknown fact during a pause.
fn paused_fault() -> SourceError {
    SourceError::new(SourceErrorKind::Failed, "the camera is paused, and nothing looks at it")
        .hint("resume it on the live page. `POST /api/v1/resume` does so, too")
}
