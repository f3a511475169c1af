//! From a frame to what is shown and what the camera gave: one picture while the view is plain, else each of the two
//! made only while somebody wants it.

use std::sync::Arc;

use tokio::sync::watch;

use super::Capture;
use crate::encode::{EncodeError, Transformer};
use crate::media::{Frame, Picture, View};
use crate::pipeline::capture_state::Shots;

/// How pictures are shown now. There is a transformer from the first view on that is not plain.
#[derive(Debug)]
pub struct Renderer {
    views: watch::Receiver<Arc<View>>,
    view: Arc<View>,
    is_plain: bool,
    transformer: Option<Transformer>,
}

impl Renderer {
    /// As `views` says at each moment.
    pub fn new(mut views: watch::Receiver<Arc<View>>) -> Renderer {
        let view = Arc::clone(&views.borrow_and_update());
        Renderer { is_plain: view.is_identity(), view, views, transformer: None }
    }

    /// Heeds that another view may have been set.
    fn refresh(&mut self) {
        // Its sender lives as long as the pipeline.
        if self.views.has_changed().unwrap_or(false) {
            self.view = Arc::clone(&self.views.borrow_and_update());
            self.is_plain = self.view.is_identity();
            if self.is_plain {
                // Its buffers are as large as pictures.
                self.transformer = None;
            }
        }
    }

    /// The view that was heeded last.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    fn transformer(&mut self) -> Result<(&mut Transformer, &View), EncodeError> {
        let transformer = match self.transformer.take() {
            Some(transformer) => transformer,
            None => Transformer::new()?,
        };
        Ok((self.transformer.insert(transformer), &self.view))
    }
}

impl Capture<'_> {
    /// Makes of `frame` what is wanted of it; `quality` is for what has to be encoded.
    pub(super) fn encode_shots(&mut self, frame: &Frame<'_>, quality: u8) -> Result<Shots, EncodeError> {
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
                    // Subscribers of the originals get them all the same.
                    shared.originals.publish(original);
                    Err(error)
                }
            };
        }
        let wants_original = shared.originals.has_subscribers();
        // Where nobody wants either, who comes next finds what is shown.
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

    /// Who has come since the last frame, and finds nothing, gets the newest as it is shown: a slow camera's next one
    /// may be seconds away. So does everyone when it is shown otherwise from now on.
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
            // Where yet another view was set meanwhile it is made once more before the next frame.
            Ok(shown) => shared.republish(shown, self.showing.view()),
            Err(error) => log::debug!("a picture could not be changed: {error}"),
        }
    }

    fn change_picture(&mut self, original: &Picture, quality: u8) -> Result<Picture, EncodeError> {
        let (transformer, view) = self.showing.transformer()?;
        let shown = transformer.render(original, view, quality)?;
        self.shared.lock_figures().changed += 1;
        Ok(shown)
    }
}
