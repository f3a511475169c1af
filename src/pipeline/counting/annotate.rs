//! The thread `annotate`: draws boxes and lines into the pictures, once for all viewers, and only while somebody
//! watches.
//!
//! It subscribes to the hub like every viewer, takes the newest picture after finishing the previous one, and
//! publishes to its own hub. Still cards pass through unchanged.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::draw::{self, DrawnLine, DrawnZone, Trails};
use super::inference::PictureReader;
use super::shared::{DetectorRequests, DetectorState};
use crate::pipeline::capture::out_of_memory_card;
use tallycam_base::{Heartbeat, IDLE, block_on};
use tallycam_camera::encode::Encoder;
use tallycam_camera::media::canvas::{Canvas, Ink};
use tallycam_camera::media::{Geometry, Picture, Subscriber};

/// JPEG quality of the card for a picture that is too large.
const CARD_QUALITY: u8 = 80;

/// State of the thread.
pub struct Annotator<'a> {
    shared: Arc<DetectorState>,
    reading: PictureReader,
    encoder: Encoder,
    beat: &'a Heartbeat,
    requests: watch::Receiver<DetectorRequests>,
    pictures: Option<Subscriber>,
    canvas: Canvas,
    trails: Trails,
    failed: u64,
}

enum AnnotateEvent {
    Picture(Picture),
    Changed,
    Stopped,
}

impl<'a> Annotator<'a> {
    pub fn new(
        shared: Arc<DetectorState>,
        reading: PictureReader,
        encoder: Encoder,
        beat: &'a Heartbeat,
    ) -> Annotator<'a> {
        Annotator {
            reading,
            encoder,
            beat,
            requests: shared.requests.subscribe(),
            pictures: None,
            canvas: Canvas::new(2, 2, Ink::srgb(0)),
            trails: Trails::default(),
            failed: 0,
            shared,
        }
    }

    /// Runs until counting stops.
    pub fn run(mut self, runtime: &Runtime) {
        loop {
            if self.requests.borrow_and_update().annotating == 0 {
                // The next viewer waits for a new picture, and the memory of large ones is freed.
                if self.pictures.take().is_some() {
                    self.shared.annotated.clear();
                    self.canvas = Canvas::new(2, 2, Ink::srgb(0));
                    self.reading.release();
                    self.trails = Trails::default();
                }
            } else if self.pictures.is_none() {
                self.pictures = Some(self.shared.pipeline.hub().subscribe());
            }
            // Beat on both sides, so that neither the work nor the sleep counts for the other.
            self.beat.beat();
            let event = block_on(runtime, self.wait());
            self.beat.beat();
            match event {
                AnnotateEvent::Picture(picture) if picture.is_card => self.shared.annotated.publish(picture),
                AnnotateEvent::Picture(picture) => self.annotate(&picture),
                AnnotateEvent::Changed => {}
                AnnotateEvent::Stopped => break,
            }
        }
    }

    async fn wait(&mut self) -> AnnotateEvent {
        tokio::select! {
            biased;
            () = self.shared.stop.stopped() => AnnotateEvent::Stopped,
            Ok(()) = self.requests.changed() => AnnotateEvent::Changed,
            picture = next_picture(&mut self.pictures) => match picture {
                Some(picture) => AnnotateEvent::Picture(picture),
                None => {
                    // The pipeline ends: there will be no more pictures.
                    self.shared.annotated.close();
                    self.shared.stop.stopped().await;
                    AnnotateEvent::Stopped
                }
            },
            () = tokio::time::sleep(IDLE) => AnnotateEvent::Changed,
        }
    }

    fn annotate(&mut self, picture: &Picture) {
        let image =
            match self.reading.read(picture, None, &Geometry::default(), (picture.width, picture.height)) {
                Ok(image) => image,
                Err(error) => {
                    if let Some(none) = error.out_of_memory()
                        && self.shared.annotated.newest().is_none_or(|newest| !newest.is_card)
                        && let Some(card) =
                            out_of_memory_card(none, (picture.width, picture.height), CARD_QUALITY)
                    {
                        self.shared.annotated.publish(card);
                    }
                    return self.report(&error);
                }
            };
        self.canvas.load(image);
        let overlay = Arc::clone(&self.shared.overlay.borrow());
        self.trails.update(&overlay);
        let ahead = picture.stamp.since(&overlay.stamp).as_secs_f32();
        let (lines, zones) = self.drawn_shapes();
        // The quality may have changed since the last picture.
        if let Err(error) = self.encoder.set_quality(self.shared.pipeline.quality()) {
            return self.report(&error);
        }
        draw::draw(&mut self.canvas, &overlay, ahead, &self.trails, &lines, &zones);
        match self.encoder.encode(&self.canvas.frame(picture.stamp, picture.sequence)) {
            Ok(annotated) => self.shared.annotated.publish(annotated),
            Err(error) => self.report(&error),
        }
    }

    /// The first, then ever rarer: errors must not fill the log.
    fn report(&mut self, error: &dyn std::error::Error) {
        self.failed += 1;
        if self.failed.is_power_of_two() {
            log::warn!("a frame could not be annotated: {error}, {} so far", self.failed);
        }
    }

    fn drawn_shapes(&self) -> (Vec<DrawnLine>, Vec<DrawnZone>) {
        let (scene, with_middle) = {
            let figures = self.shared.lock_figures();
            (figures.status.scene, figures.with_middle)
        };
        let tallies = Arc::clone(&self.shared.subscribe_tallies().borrow());
        let counts: HashMap<u64, [u64; 2]> =
            tallies.lines.iter().map(|row| (row.line_id, [row.count_in, row.count_out])).collect();
        let rows = Arc::clone(&self.shared.lines().borrow());
        let mut lines: Vec<DrawnLine> = rows
            .iter()
            .filter(|row| row.is_in_scene(scene))
            .map(|row| DrawnLine {
                name: row.draft.name.clone(),
                a: row.draft.a,
                b: row.draft.b,
                names: [row.draft.in_name.clone(), row.draft.out_name.clone()],
                counts: counts.get(&row.id).copied().unwrap_or_default(),
            })
            .collect();
        if with_middle {
            let (count_in, count_out) = *self.shared.lock_since_start();
            lines.push(DrawnLine {
                name: String::from("middle"),
                a: [0.5, 1.0],
                b: [0.5, 0.0],
                names: [String::from("in"), String::from("out")],
                counts: [count_in, count_out],
            });
        }
        let rows = Arc::clone(&self.shared.zones().borrow());
        let zones = rows
            .iter()
            .filter(|row| row.is_in_scene(scene) && !row.draft.exclude)
            .map(|row| DrawnZone {
                id: row.id,
                name: row.draft.name.clone(),
                points: row.draft.points.clone(),
            })
            .collect();
        (lines, zones)
    }
}

impl Drop for Annotator<'_> {
    fn drop(&mut self) {
        // Also after a panic: no viewer must wait for pictures that will not come.
        self.shared.annotated.close();
    }
}

/// The next picture; pending while nobody wants one.
async fn next_picture(pictures: &mut Option<Subscriber>) -> Option<Picture> {
    match pictures {
        Some(pictures) => pictures.next().await,
        None => std::future::pending().await,
    }
}
