//! Rates each reading of a network's outputs on the test picture.

use super::error::{DESCRIBE, NO_BOXES, NO_SCORES};
use super::readings::Interpretation;
use super::{TrialOutput, run_inference};
use crate::geometry::Bounds;
use crate::models::trial_run::THINGS;
use crate::onnx::families::{decoder, format_shapes};
use crate::onnx::{InputShape, Network, Output, OutputShape};
use tallycam_base::Fault;
use tallycam_camera::media::SmallImage;

/// The rating of a reading.
#[derive(Debug, Clone, Copy)]
struct Weight {
    /// Mean share of its boxes inside the picture, 0–1; `None` without a score above 0.
    inside: Option<f32>,
    are_scores: bool,
    /// Sum of the scores of the boxes on objects of the picture.
    hits: f32,
}

/// Chooses a valid reading. Among those that find the objects of the test picture, it is the first whose hits come
/// close to the best.
pub(super) fn choose<'r>(
    network: &mut Network,
    looks: &mut Vec<TrialOutput>,
    readings: &'r [Interpretation],
    picture: &SmallImage,
    known: Option<usize>,
    all: &[OutputShape],
) -> Result<Option<&'r Interpretation>, Fault> {
    let mut weighed = Vec::new();
    for reading in readings {
        let at = match looks.iter().position(|look| look.fed == reading.fed) {
            Some(at) => at,
            None => {
                looks.push(run_inference(network, &reading.fed, picture)?);
                looks.len() - 1
            }
        };
        weighed.push((reading, score_reading(reading, &looks[at], network.input(), known, all)));
    }
    let holds = |weight: &Weight| weight.are_scores && weight.inside.is_some_and(|inside| inside >= 0.5);
    let mut good: Vec<_> = weighed.iter().filter(|(_, weight)| holds(weight)).collect();
    if good.is_empty() {
        let said = weighed.iter().find(|(_, weight)| weight.inside.is_some());
        return match said {
            Some((_, weight)) => {
                let what = if weight.are_scores { NO_BOXES } else { NO_SCORES };
                let outputs = format_shapes(all);
                let what =
                    format!("on the test picture {what}: the outputs {outputs} are none of a known family");
                Err(Fault::wrong(what).hint(DESCRIBE))
            }
            // No reading gives a score, so the values cannot decide.
            None => Ok(readings.first()),
        };
    }
    let most = |of: fn(&Weight) -> f32, good: &[&(&Interpretation, Weight)]| {
        good.iter().map(|(_, weight)| of(weight)).fold(0.0, f32::max)
    };
    let hits = most(|weight| weight.hits, &good);
    if hits >= 0.4 {
        good.retain(|(_, weight)| weight.hits >= 0.8 * hits);
    }
    let inside = most(|weight| weight.inside.unwrap_or(0.0), &good);
    good.retain(|(_, weight)| weight.inside.unwrap_or(0.0) >= inside - 0.1);
    Ok(good.first().map(|(reading, _)| *reading))
}

/// Maximum number of rated boxes.
const MOST_WEIGHED: usize = 64;
/// Rated boxes have at least this share of the highest score.
const SURE_SHARE: f32 = 0.3;

fn score_reading(
    reading: &Interpretation,
    look: &TrialOutput,
    input: &InputShape,
    known: Option<usize>,
    all: &[OutputShape],
) -> Weight {
    let none = Weight { inside: None, are_scores: true, hits: 0.0 };
    let count = reading.classes.or(known).unwrap_or(usize::from(u16::MAX));
    let Ok(decoder) = decoder(&reading.family, input, all, count) else { return none };
    let outputs: Vec<Output<'_>> = look
        .outputs
        .iter()
        .map(|held| Output { name: &held.shape.name, shape: &held.shape.shape, values: &held.values })
        .collect();
    let mut found: Vec<(f32, [f32; 4])> = Vec::new();
    let sort = |found: &mut Vec<(f32, [f32; 4])>| {
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.truncate(MOST_WEIGHED);
    };
    decoder.decode(&outputs, f32::MIN_POSITIVE, &mut |_, score, bounds| {
        found.push((score, bounds));
        if found.len() == 64 * MOST_WEIGHED {
            sort(&mut found);
        }
    });
    sort(&mut found);
    let Some(&(surest, _)) = found.first() else { return none };
    found.retain(|(score, _)| *score >= SURE_SHARE * surest);
    let (width, height) = (input.width as f32, input.height as f32);
    let insides = found.iter().map(|(_, bounds)| share_inside(*bounds, width, height)).sum::<f32>();
    let hits = THINGS.iter().map(|thing| {
        let thing = Bounds::new(thing[0], thing[1], thing[2], thing[3]);
        let at = found.iter().filter(|(_, bounds)| look.fit.to_picture_bounds(*bounds).iou(&thing) >= 0.5);
        at.map(|(score, _)| score.min(1.0)).fold(0.0, f32::max)
    });
    Weight { inside: Some(insides / found.len() as f32), are_scores: surest <= 1.001, hits: hits.sum() }
}

/// The share of a box (left, top, right, bottom in pixels) inside a picture, 0–1. Boxes without area are 0.
fn share_inside([left, top, right, bottom]: [f32; 4], width: f32, height: f32) -> f32 {
    let is_box = right - left >= (width / 250.0).max(2.0) && bottom - top >= (height / 250.0).max(2.0);
    if !is_box || ![left, top, right, bottom].iter().all(|side| side.is_finite()) {
        return 0.0;
    }
    let part = |from: f32, to: f32, most: f32| (to.min(most) - from.max(0.0)).max(0.0) / (to - from);
    part(left, right, width) * part(top, bottom, height)
}
