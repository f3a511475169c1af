//! What a diagnosis found, as plain data that pages show, filled by whoever serves them.

/// One thing that was looked at. The worst stand first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FindingFacts {
    /// What was looked at, in a few words that stay the same: "camera", "clock", "disk".
    pub name: String,
    /// One word: `bad` (something does not work), `warning` (it will not for long, or not well), `good`, or `none` (not
    /// there, or nothing to say).
    pub state: String,
    /// What was found, in a sentence. May be of several lines.
    pub said: String,
    /// What can be done about it; empty where nothing need be.
    pub hint: String,
}
