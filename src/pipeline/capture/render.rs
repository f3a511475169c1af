//! Turns a frame into the shown picture and the original. Without changes they are the same picture; otherwise each
//! is made only while somebody wants it.

use std::sync::Arc;

use tokio::sync::watch;

use super::Capture;
use crate::pipeline::capture_state::Shots;
use tallycam_base::{Fault, FaultKind};
use tallycam_camera::encode::{TransformError, Transformer};
use tallycam_camera::media::{Frame, Picture, View};

/// Renders frames in the current view. The transformer exists only while the view changes the frame.
#[derive(Debug)]
pub struct Renderer {
    views: watch::Receiver<Arc<View>>,
    view: Arc<View>,
    is_plain: bool,
    transformer: Option<Transformer>,
}

impl Renderer {
    /// A renderer that follows `views`.
    pub fn new(mut views: watch::Receiver<Arc<View>>) -> Renderer {
        let view = Arc::clone(&views.borrow_and_update());
        Renderer { is_plain: view.is_identity(), view, views, transformer: None }
    }

    /// Adopts a new view if there is one.
    fn refresh(&mut self) {
        // The sender lives as long as the pipeline.
        if self.views.has_changed().unwrap_or(false) {
            self.view = Arc::clone(&self.views.borrow_and_update());
            self.is_plain = self.view.is_identity();
            if self.is_plain {
                // Dropped because its buffers are as large as frames.
                self.transformer = None;
            }
        }
    }

    /// The view adopted last.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    fn transformer(&mut self) -> Result<(&mut Transformer, &View), Fault> {
        let transformer = match self.transformer.take() {
            Some(transformer) => transformer,
            None => Transformer::new()?,
        };
        Ok((self.transformer.insert(transformer), &self.view))
    }
}

impl Capture<'_> {
    /// Makes the wanted pictures of `frame`. `quality` applies to those that are encoded.
    pub(super) fn encode_shots(&mut self, frame: &Frame<'_>, quality: u8) -> Result<Shots, Fault> {
        self.showing.refresh();
        if self.showing.is_plain {
            let picture = self.encoder.encode(frame)?;
            return Ok(Shots { shown: Some(picture.clone()), original: Some(picture) });
        }
        let shared = Arc::clone(&self.shared);
        if frame.fourcc.is_jpeg() {
            let original = self.encoder.encode(frame)?;
            if !shared.hub.has_subscribers() {
                return Ok(Shots { shown: None, original: Some(original) });
            }
            return match self.change_picture(&original, quality) {
                Ok(shown) => Ok(Shots { shown: Some(shown), original: Some(original) }),
                Err(error) => {
                    // Subscribers of originals get this one in spite of the error.
                    shared.originals.publish(original);
                    Err(error)
                }
            };
        }
        let wants_original = shared.originals.has_subscribers();
        // Without subscribers, the next one finds the shown picture.
        let wants_shown = !wants_original || shared.hub.has_subscribers();
        let mut shots = Shots::default();
        if wants_shown {
            let (transformer, view) = self.showing.transformer()?;
            shots.shown = Some(transformer.render_frame(frame, view, quality)?);
            shared.lock_figures().changed += 1;
        }
        if wants_original {
            shots.original = Some(self.encoder.encode(frame)?);
        }
        Ok(shots)
    }

    /// Renders the newest original for subscribers that have no picture, because the next frame of a slow camera may
    /// be seconds away. This happens for new subscribers and after a change of the view.
    pub(super) fn publish_to_newcomers(&mut self, quality: u8) {
        self.showing.refresh();
        let shared = Arc::clone(&self.shared);
        if !shared.hub.has_subscribers() || shared.hub.newest().is_some() {
            return;
        }
        let Some(original) = shared.originals.newest().filter(|picture| !picture.is_card) else { return };
        let changed =
            if self.showing.is_plain { Ok(original) } else { self.change_picture(&original, quality) };
        match changed {
            // If the view has changed again meanwhile, the next frame shows it.
            Ok(shown) => shared.republish(shown, self.showing.view()),
            Err(error) => log::debug!("a picture could not be changed: {error}"),
        }
    }

    fn change_picture(&mut self, original: &Picture, quality: u8) -> Result<Picture, Fault> {
        let (transformer, view) = self.showing.transformer()?;
        let failed = |error: TransformError| {
            let what = format!("the camera's picture cannot be shown as it is wanted: {error}");
            Fault::new(FaultKind::Foreign, what)
        };
        let shown = transformer.render(original, view, quality).map_err(failed)?;
        self.shared.lock_figures().changed += 1;
        Ok(shown)
    }
}
