//! Still cards: the state of the camera, drawn as a picture.

use std::sync::Arc;
use std::time::Duration;

use crate::pipeline::CameraState;
use crate::pipeline::capture_state::CaptureState;
use tallycam_base::{ClockTime, Stop, Worker};
use tallycam_camera::encode::{Encoder, NoRoom};
use tallycam_camera::media::SEE_DIAGNOSIS;
use tallycam_camera::media::still_card::{self, CardText};
use tallycam_camera::media::{Picture, SourceError};

/// Size of cards before the first picture, in pixels.
pub const CARD_SIZE: (u32, u32) = (1280, 720);
/// Size of cards in lists, in pixels.
const SMALL_CARD: (u32, u32) = (640, 360);
const CARD_QUALITY: u8 = 80;
/// Time from the start of opening until waiting viewers get a card. Most cameras are faster, and a program that takes
/// the first picture wants a real one.
pub const WAKING_CARD: Duration = Duration::from_millis(700);
/// Maximum width and height of a card, in pixels. A camera may claim any size, and drawing must stay cheap.
const LARGEST_CARD: u32 = 1920;

/// The card for `state`, `size` pixels large, or reduced to the maximum in the same shape.
pub fn draw_card(encoder: &mut Encoder, state: &CameraState, size: (u32, u32)) -> Option<Picture> {
    let (width, height) = card_size(size);
    let canvas = still_card::draw(&card_text(state), width, height);
    encoder
        .encode_card(&canvas.frame(ClockTime::now(), 0))
        .inspect_err(|error| log::error!("no still card: {error}"))
        .ok()
}

/// A small card for a camera in trouble about which nothing else is known.
pub fn card_of(trouble: SourceError) -> Option<Picture> {
    draw_card(&mut Encoder::new(CARD_QUALITY).ok()?, &CameraState::Trouble(trouble), SMALL_CARD)
}

/// The card for a viewer whose view of a frame of `size` pixels needs too much memory.
pub fn out_of_memory_card(none: &NoRoom, size: (u32, u32), quality: u8) -> Option<Picture> {
    let text = CardText {
        headline: String::from("Too large for this"),
        body: format!("A picture of {} × {} cannot be shown so: {none}.", size.0, size.1),
        hint: Some(String::from("Let the camera send smaller pictures, or look at it as it comes.")),
    };
    let (width, height) = card_size(size);
    let mut encoder = Encoder::new(quality).ok()?;
    encoder.encode_card(&still_card::draw(&text, width, height).frame(ClockTime::now(), 0)).ok()
}

/// Publishes the card of a starting camera if its opening takes longer than [`WAKING_CARD`] and blocks the capture
/// thread. Dropping it ends and joins its thread, so that only the capture thread publishes afterwards.
pub struct WakingCard {
    is_opened: Stop,
    _thread: Option<Worker>,
}

impl WakingCard {
    pub fn start(shared: &Arc<CaptureState>) -> WakingCard {
        let is_opened = Stop::new();
        let thread = Worker::spawn("waking", {
            let (shared, is_opened) = (Arc::clone(shared), is_opened.clone());
            move |_| {
                if !is_opened.sleep(WAKING_CARD) && shared.hub.newest().is_none() {
                    show_waking_card(&shared);
                }
            }
        });
        let thread = thread.inspect_err(|error| log::warn!("no thread for the still card: {error}")).ok();
        WakingCard { is_opened, _thread: thread }
    }
}

impl Drop for WakingCard {
    fn drop(&mut self) {
        self.is_opened.set();
    }
}

fn show_waking_card(shared: &CaptureState) {
    let (size, quality) = (shared.lock_figures().size.unwrap_or(CARD_SIZE), shared.settings().quality);
    match Encoder::new(quality) {
        Ok(mut encoder) => {
            if let Some(card) = draw_card(&mut encoder, &CameraState::Waking, size) {
                shared.publish_card(card);
            }
        }
        Err(error) => log::error!("no still card: {error}"),
    }
}

fn card_size((width, height): (u32, u32)) -> (u32, u32) {
    let longest = u64::from(width.max(height).max(LARGEST_CARD));
    // The result is at most LARGEST_CARD, so it fits.
    let fit = |side: u32| (u64::from(side) * u64::from(LARGEST_CARD) / longest).max(1) as u32;
    (fit(width), fit(height))
}

/// The card's text for `state`, free of private details.
fn card_text(state: &CameraState) -> CardText {
    let (body, hint) = match state.public_reason() {
        Some(told) => (told.to_owned(), Some(SEE_DIAGNOSIS.to_owned())),
        None => (state.reason(), state.hint()),
    };
    CardText { headline: state.headline().to_owned(), body, hint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallycam_camera::media::SourceErrorKind;

    #[test]
    fn a_card_names_no_address_path_or_program() {
        for kind in SourceErrorKind::ALL {
            let trouble =
                SourceError::new(kind, "rtsp://SECRET/live").because("SECRET").hint("`ping SECRET` tells");
            let text = card_text(&CameraState::Trouble(trouble));
            assert!(!format!("{text:?}").contains("SECRET"), "{text:?}");
            assert!(text.body.ends_with('.') && text.headline == kind.headline());
        }
    }

    #[test]
    fn a_view_that_is_too_large_is_reported_on_a_card() {
        let none = NoRoom { needed: 403_000_000, most: 96_000_000 };
        let card = out_of_memory_card(&none, (8192, 8192), 80).unwrap();
        assert!(card.is_card && card.width == 1920);
    }

    #[test]
    fn a_card_has_the_size_of_the_picture_within_bounds() {
        for (picture, card) in [
            ((640, 480), (640, 480)),
            ((1920, 1080), (1920, 1080)),
            ((3840, 2160), (1920, 1080)),
            ((10_000, 10_000), (1920, 1920)),
            ((1, 65_535), (1, 1920)),
        ] {
            assert_eq!(card_size(picture), card);
        }
        let mut encoder = Encoder::new(80).unwrap();
        let drawn =
            draw_card(&mut encoder, &CameraState::Paused, (10_000, 2)).map(|card| (card.width, card.height));
        assert_eq!(drawn, Some((1920, 2)), "cards have even sides");
    }
}
