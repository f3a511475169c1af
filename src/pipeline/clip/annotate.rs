//! Draws the overlay into the frames of a clip, like the annotated stream: boxes, trails, lines and counts.

use std::collections::BTreeMap;

use super::{CountedFrame, to_frame};
use crate::pipeline::counting::draw::{DrawnLine, Trails, draw};
use crate::pipeline::counting::{Overlay, ShownTrack};
use tallycam_camera::encode::Encoder;
use tallycam_camera::media::canvas::{Canvas, Ink};
use tallycam_camera::media::{Picture, SmallImage};
use tallycam_vision::{CountingLine, Direction, Labels, LineId};

/// Draws counted frames in order.
pub struct ClipAnnotator {
    labels: Labels,
    lines: Vec<(LineId, DrawnLine)>,
    image: SmallImage,
    canvas: Canvas,
    trails: Trails,
    encoder: Encoder,
}

impl ClipAnnotator {
    /// An annotator for these lines and class names; JPEGs have `quality` 1–100.
    ///
    /// # Errors
    /// libjpeg-turbo could not be set up.
    pub fn new(lines: &[CountingLine], labels: Labels, quality: u8) -> std::io::Result<ClipAnnotator> {
        let drawn = |line: &CountingLine| {
            let ends = [line.start(), line.b()].map(|end| [f64::from(end.x), f64::from(end.y)]);
            let (names, counts) = (line.direction_names.clone(), [0, 0]);
            (line.id, DrawnLine { name: line.name.clone(), a: ends[0], b: ends[1], names, counts })
        };
        Ok(ClipAnnotator {
            labels,
            lines: lines.iter().map(drawn).collect(),
            image: SmallImage::empty(),
            canvas: Canvas::new(2, 2, Ink::srgb(0)),
            trails: Trails::default(),
            encoder: Encoder::new(quality).map_err(std::io::Error::other)?,
        })
    }

    /// The frame with its overlay.
    ///
    /// # Errors
    /// libjpeg-turbo failed.
    pub fn draw(&mut self, counted: &CountedFrame<'_>) -> std::io::Result<Picture> {
        let frame = counted.frame;
        for found in counted.crossings {
            let line = self.lines.iter_mut().find(|(id, _)| *id == found.crossing.line);
            if let Some((_, line)) = line {
                line.counts[usize::from(found.crossing.direction == Direction::Out)] += 1;
            }
        }
        let frame = to_frame(frame);
        // The frame itself, because it must be at least as large as it is.
        self.image.reduce(&frame, (frame.width, frame.height)).map_err(std::io::Error::other)?;
        self.canvas.load(&self.image);
        let overlay = self.to_overlay(counted);
        self.trails.update(&overlay);
        let lines: Vec<DrawnLine> = self.lines.iter().map(|(_, line)| line.clone()).collect();
        draw(&mut self.canvas, &overlay, 0.0, &self.trails, &lines, &[]);
        let drawn = self.canvas.frame(frame.stamp, frame.sequence);
        self.encoder.encode(&drawn).map_err(std::io::Error::other)
    }

    fn to_overlay(&self, counted: &CountedFrame<'_>) -> Overlay {
        let frame = to_frame(counted.frame);
        let mut names: BTreeMap<u16, std::sync::Arc<str>> = BTreeMap::new();
        let tracks = counted.overlay.tracks.iter().map(|track| {
            let name = self.labels.name(track.class).unwrap_or("unknown");
            let b = track.bounds;
            ShownTrack {
                id: track.id.0,
                class: names.entry(track.class.0).or_insert_with(|| name.into()).clone(),
                score: track.score,
                bounds: [b.left, b.top, b.right, b.bottom],
                velocity: [track.velocity.x, track.velocity.y],
                in_sight: track.in_sight,
            }
        });
        let (stamp, sequence, size) = (frame.stamp, frame.sequence, (frame.width, frame.height));
        Overlay { stamp, sequence, size, tracks: tracks.collect(), zones: Vec::new(), searched: [0.0; 4] }
    }
}
