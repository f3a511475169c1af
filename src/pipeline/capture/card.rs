//! Still cards: what a state says, as a picture.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{ClockTime, Stop, Worker};
use crate::encode::{Encoder, NoRoom};
use crate::media::source_error::SEE_DIAGNOSIS;
use crate::media::still_card::{self, CardText};
use crate::media::{Picture, SourceError};
use crate::pipeline::CameraState;
use crate::pipeline::capture_state::CaptureState;

/// The size of cards before the first picture, in pixels.
pub const CARD_SIZE: (u32, u32) = (1280, 720);
/// The size of cards in lists, in pixels, and their quality.
const SMALL_CARD: (u32, u32) = (640, 360);
const CARD_QUALITY: u8 = 80;
/// Viewers who wait for a camera to wake get a card that says so after this time, counted from the start of its
/// opening. Not at once: most cameras are faster, and a program that takes the first picture wants a real one.
pub const WAKING_CARD: Duration = Duration::from_millis(700);
/// Cards are at most so wide and high, in pixels: what a picture claims to have is no reason to
/// draw as many.
const LARGEST_CARD: u32 = 1920;

/// The card that tells of `state`, in a picture of `size` pixels, or of its shape where that is
/// too large.
pub fn draw_card(encoder: &mut Encoder, state: &CameraState, size: (u32, u32)) -> Option<Picture> {
    let (width, height) = card_size(size);
    let canvas = still_card::draw(&card_text(state), width, height);
    encoder
        .encode_card(&canvas.frame(ClockTime::now(), 0))
        .inspect_err(|error| log::error!("no still card: {error}"))
        .ok()
}

/// The same of a camera of which nothing else is known.
pub fn card_of(trouble: SourceError) -> Option<Picture> {
    draw_card(&mut Encoder::new(CARD_QUALITY).ok()?, &CameraState::Trouble(trouble), SMALL_CARD)
}

/// The card for who wants a picture of `size` pixels in a form for which there is no memory.
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

/// Shows the card of a waking camera where an opening takes longer than [`WAKING_CARD`]: the capture thread is in that
/// opening meanwhile. Dropping it ends and joins its thread, so nothing else is published beside the capture thread.
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
    // No more than LARGEST_CARD: it fits.
    let fit = |side: u32| (u64::from(side) * u64::from(LARGEST_CARD) / longest).max(1) as u32;
    (fit(width), fit(height))
}

/// The card's words for `state`, for any viewer.
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
    use crate::media::SourceErrorKind;

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
    fn what_is_too_large_is_reported_on_a_card() {
        let none = NoRoom { needed: 403_000_000, most: 96_000_000 };
        let card = out_of_memory_card(&none, (8192, 8192), 80).unwrap();
        assert!(card.is_card && card.width == 1920);
    }

    #[test]
    fn a_card_is_as_large_as_the_picture_within_bounds() {
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
