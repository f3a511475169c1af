//! The sections of the configuration, with what each is about.

use super::{BY_CAMERA, CONTROLS};

/// One section.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its name, as between the brackets.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
}

/// Every section, in the order of the shipped file.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "source",
        about: "The camera. `tallycam devices` lists cameras with formats, sizes and frame rates.",
    },
    Section {
        name: CONTROLS,
        about: "Camera controls, by the names that `tallycam devices` lists: numbers, true or false, the \
                number of a menu entry. They are set after each open, automatic modes first. Example:\n\
                \x20 brightness = 128\n\
                \x20 auto_exposure = 1\n\
                \x20 white_balance_automatic = false",
    },
    Section {
        name: BY_CAMERA,
        about: "The same for one camera, by the identity that `tallycam controls` shows. [source.controls] \
                has precedence. Example:\n\
                \x20 [controls.\"usb-046d_HD_Pro_Webcam_C920\"]\n\
                \x20 focus_absolute = 30",
    },
    Section { name: "stream", about: "What viewers get." },
    Section {
        name: "picture",
        about: "Changes to the picture for everyone. Lines are drawn on the rotated and cropped picture: those \
                of the page move along, those of this file do not. Counting uses it in colour and at full size.",
    },
    Section { name: "lens", about: "Focus. The position is a camera control and is saved with those." },
    Section { name: "lights", about: "A NeoPixel strip or a lamp. `tallycam check` says what it needs." },
    Section {
        name: "detect",
        about: "Detection and counting. Counting runs from boot as soon as there is a line, on the page or \
                below.",
    },
    Section { name: "counts", about: "How counts are summed." },
    Section { name: "store", about: "Storage." },
    Section { name: "snapshot", about: "Snapshots." },
    Section { name: "record", about: "Recordings." },
    Section {
        name: "retention",
        about: "When snapshots and recordings are deleted, oldest first. Protected items stay.",
    },
    Section { name: "privacy", about: "Privacy." },
    Section {
        name: "http",
        about: "The web server. Viewing needs no password by default: use addresses that only your network \
                reaches.",
    },
    Section {
        name: "access",
        about: "Who may change something. From other machines this needs a password. A service makes one at \
                its first start and writes it to the journal; `tallycam password` changes it.",
    },
    Section { name: "power", about: "Switching the machine off." },
    Section { name: "update", about: "Updates of tallycam on a card (`tallycam update`, page Update)." },
    Section { name: "log", about: "The journal, or the terminal when started by hand." },
];
