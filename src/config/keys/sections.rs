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
        about: "Which camera is shown, and what is asked of it. `tallycam devices` lists the cameras of this \
                machine with their formats, sizes and speeds.",
    },
    Section {
        name: CONTROLS,
        about: "Settings of the camera itself, by the names that `tallycam devices` lists. They are set \
                each time the camera is opened, automatic modes first. Numbers; true and false \
                for switches; the choice's number for menus. A control that is not named here stays as it is. \
                For example:\n\
                \x20 brightness = 128\n\
                \x20 auto_exposure = 1\n\
                \x20 white_balance_automatic = false",
    },
    Section {
        name: BY_CAMERA,
        about: "The same for certain cameras, each by the identity that `tallycam controls` names. The page keeps \
                what is set there so, in a file of its own. What stands in [source.controls] goes before it. \
                For example:\n\
                \x20 [controls.\"usb-046d_HD_Pro_Webcam_C920\"]\n\
                \x20 focus_absolute = 30",
    },
    Section { name: "stream", about: "The pictures that viewers get." },
    Section {
        name: "picture",
        about: "What is done to the picture before anybody sees it. Turning, mirroring and cropping come first, and \
                lines are drawn on what they leave; counting sees it in colour and at full size.",
    },
    Section {
        name: "lens",
        about: "The lens, where it can be focused. Its position is one of the camera's own controls, and is kept \
                with them.",
    },
    Section {
        name: "lights",
        about: "A strip of NeoPixels or a lamp beside the camera. `tallycam check` says what it needs.",
    },
    Section {
        name: "detect",
        about: "How tallycam sees what it counts. It counts from boot, watched or not, as soon as there is a \
                line: drawn on the page, or at the end of this file.",
    },
    Section { name: "counts", about: "How counts are summed up to hours and days." },
    Section { name: "store", about: "Where things are kept." },
    Section { name: "snapshot", about: "Single pictures that are taken." },
    Section { name: "record", about: "Recordings: pictures with their times." },
    Section {
        name: "retention",
        about: "What is kept how long. The oldest go first; what is marked as kept on the page stays.",
    },
    Section { name: "privacy", about: "What is not to be seen." },
    Section {
        name: "http",
        about: "The web server. Nobody needs a password to look: give tallycam addresses that only your own \
                network reaches.",
    },
    Section {
        name: "access",
        about: "Who may change something. From other machines that takes a password, which is no key of this \
                file: a service makes one at its first start and writes it to the journal, and `tallycam \
                password` sets another one or takes it away. The command line as root needs none.",
    },
    Section { name: "power", about: "Switching this machine off and on again." },
    Section {
        name: "update",
        about: "Other versions of tallycam on a card (`tallycam update`, page Update).",
    },
    Section { name: "log", about: "What is written to the journal, or to the terminal when run by hand." },
];
