//! The picture that viewers get while there is none: words on a card, as a JPEG.

/// What a card says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardText {
    /// A few words, large: "Camera in use".
    pub headline: String,
    /// What is so and why.
    pub body: String,
    /// The one thing to do, if there is one.
    pub hint: Option<String>,
}
pub fn draw(_t: &CardText, w: u32, h: u32) -> super::canvas::Canvas {
    super::canvas::Canvas::new(w & !1, h & !1)
}
