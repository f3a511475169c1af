//! What the page of settings calls each key, in groups: label, what it does in few words, unit. A key that is not here
//! stands at the end of the page under its own name, so that none is forgotten.

/// One group of settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// Its name in addresses and forms.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What is to be known of all of it; may be empty. HTML.
    pub about: &'static str,
    /// Its settings.
    pub rows: &'static [Row],
}

/// One setting: key, label, what it does (may be empty), unit (may be empty).
pub(super) type Row = (&'static str, &'static str, &'static str, &'static str);

/// The group whose rows are the camera's own controls.
pub(super) const CONTROLS: &str = "controls";

/// Every group, in order.
pub(super) const GROUPS: &[Group] = &[
    Group {
        id: "camera",
        title: "Camera",
        about: "",
        rows: &[
            ("name", "Name", "On every page and in every row kept", ""),
            ("source.kind", "Source", "What the picture comes from", ""),
            (
                "source.device",
                "Device",
                "A path, a number, or a name from /dev/v4l/by-id; empty for the first",
                "",
            ),
            ("source.url", "Address", "Of the camera's MJPEG stream or still picture", ""),
            ("source.username", "User", "If the network camera asks for one", ""),
            ("source.password", "Password", "Goes with it, and is never shown", ""),
            ("source.path", "File or folder", "On the camera's machine", ""),
            ("source.loop", "Begin again at the end", "", ""),
            ("source.speed", "Pace", "", ""),
            ("source.seed", "Scene", "The same number draws the same scene", ""),
            ("source.width", "Width", "The nearest the camera has is taken", "pixels"),
            ("source.height", "Height", "", "pixels"),
            (
                "source.format",
                "Format",
                "Automatic takes MJPG where there is it: it goes to viewers untouched",
                "",
            ),
            ("source.fps", "Pictures a second", "Fewer cost less", "a second"),
            (
                "source.silent_after",
                "Silent after",
                "Without a picture for so long the camera is opened anew",
                "",
            ),
            ("source.failed_reads", "Failed reads", "So many in a row, and /health says False", "reads"),
        ],
    },
    Group {
        id: "stream",
        title: "Stream",
        about: "",
        rows: &[
            (
                "stream.quality",
                "JPEG quality",
                "Only of what the camera does not send as JPEG itself",
                "of 100",
            ),
            ("stream.fps", "Pictures a second", "At most, for every viewer", "a second"),
            ("stream.idle_stop", "Let the camera sleep after", "When nobody watches, records or counts", ""),
            ("stream.max_viewers", "Most viewers at once", "", "viewers"),
            ("stream.stall", "Let a viewer go after", "One that takes nothing for so long", ""),
        ],
    },
    Group {
        id: "picture",
        title: "Picture",
        about: "As everybody sees it. Lines are drawn on what turning and cropping leave; counting sees it in colour \
                and at full size.",
        rows: &[
            ("picture.gray", "Grayscale", "", ""),
            ("picture.scale", "Size", "", ""),
            ("picture.rotate", "Turned", "Clockwise", "degrees"),
            ("picture.mirror", "Mirrored", "Left and right swapped", ""),
            ("picture.flip", "Flipped", "Top and bottom swapped", ""),
            ("picture.crop", "Part that is shown", "Left, top, width, height, each 0 to 1", ""),
            ("picture.text", "Text in the picture", "", ""),
            ("picture.timestamp", "Date and time in the picture", "", ""),
        ],
    },
    Group {
        id: CONTROLS,
        title: "Camera controls",
        about: "What the camera itself offers. Set at once, kept for this camera, and set again whenever it is opened.",
        rows: &[],
    },
    Group {
        id: "lens",
        title: "Lens",
        about: "Focus is set beside the picture, on the page <a href=\"./#lens\">Live</a>.",
        rows: &[("lens.kind", "Focused by", "", "")],
    },
    Group {
        id: "counting",
        title: "Counting",
        about: "Lines are drawn on the page <a href=\"lines\">Lines</a>, models are got on the page <a href=\"models\">Models</a>.",
        rows: &[
            ("detect.backend", "Seen by", "", ""),
            ("detect.model", "Model", "A name from the page Models; empty for the one chosen there", ""),
            ("detect.size", "Looks at", "More pixels find smaller things and take longer", "pixels"),
            ("detect.threads", "Processor cores", "For one look", "cores"),
            ("detect.fps", "Looks a second", "More is surer and warmer", "a second"),
            (
                "detect.classes",
                "Looks for",
                "Names of classes, with commas; empty for what the model names",
                "",
            ),
            ("detect.score", "Lowest score", "Lower finds more and errs more", ""),
            ("detect.least_height", "Least height", "Of the picture's: what is lower is not followed", ""),
            ("detect.most_height", "Greatest height", "Of the picture's: what is higher is not followed", ""),
            ("detect.thumbnails", "Keep a small picture of who crosses", "", ""),
            ("counts.time_zone", "Time zone", "Days and hours in Counts follow it", ""),
            ("counts.day_starts", "A day begins at", "4 for a bar whose evening ends at three", "o'clock"),
        ],
    },
    Group {
        id: "keeping",
        title: "Recording",
        about: "",
        rows: &[
            ("record.fps", "Pictures a second", "At most so many are recorded", "a second"),
            ("record.max_duration", "Ends after", "In case nobody ends it", ""),
            ("record.max_size", "Ends at", "", ""),
            ("record.pre_roll", "What was before", "Goes into it; the camera stays awake for it", ""),
            ("record.on_crossing", "Started by crossings of", "Names of lines, with commas; * for all", ""),
            ("record.after_crossing", "Ends after the last crossing", "", ""),
            ("snapshot.warm_up", "Frames before a snapshot", "While the exposure settles", "frames"),
        ],
    },
    Group {
        id: "retention",
        title: "Retention",
        about: "The oldest go first; what is marked as kept stays. What would go now is on the page \
                <a href=\"database#rules\">Database</a>.",
        rows: &[
            ("retention.snapshots_age", "Snapshots go after", "", ""),
            ("retention.snapshots_size", "Snapshots take at most", "", ""),
            ("retention.recordings_age", "Recordings go after", "", ""),
            ("retention.recordings_size", "Recordings take at most", "", ""),
            ("retention.min_free", "Left free on the disk", "", ""),
        ],
    },
    Group {
        id: "lights",
        title: "Light",
        about: "Switched on the page <a href=\"lights\">Light</a> and beside the picture.",
        rows: &[
            ("lights.kind", "What there is", "", ""),
            ("lights.pixels", "Pixels of the strip", "", "pixels"),
            ("lights.order", "Order of colours", "GRB for WS2812, GRBW for SK6812", ""),
            ("lights.device", "SPI device", "", ""),
            ("lights.pin", "Pin", "Its GPIO number", ""),
            ("lights.chip", "GPIO chip", "On a machine that is no Pi: such as /dev/gpiochip0", ""),
            ("lights.active_low", "On while the pin is low", "", ""),
            (
                "lights.limit",
                "Most brightness",
                "What the power supply bears, whatever is asked for",
                "of 255",
            ),
            ("lights.gamma", "Gamma", "2.2 looks even to the eye", ""),
            (
                "lights.ranges",
                "Pixels with a colour of their own",
                "Such as 0-3 FF0000, 7 0000FF; the first pixel is 0",
                "",
            ),
            (
                "lights.status",
                "First pixel tells how things are",
                "Red: camera lost; blue: recording; amber: disk full",
                "",
            ),
            ("lights.shot", "Full light for snapshots", "Then back to what it was", ""),
            ("lights.settle", "The camera adjusts for", "Before such a snapshot", ""),
            ("lights.auto_below", "On by itself below", "Brightness of the picture without it", "of 255"),
            ("lights.old_status", "/light?status=false means", "For programs written for the old one", ""),
        ],
    },
    Group {
        id: "access",
        title: "Access",
        about: "Who may watch, passwords, users, tokens and links: <a href=\"access\">Access</a>.",
        rows: &[
            ("privacy.counts_only", "Figures only", "No picture is kept or shown to anybody", ""),
            ("access.session", "Signed in for", "Then the password is asked for again", ""),
            ("http.max_connections", "Most connections at once", "", "connections"),
            ("http.max_head", "Longest request head", "", "bytes"),
            ("http.head_timeout", "A request arrives within", "", ""),
            ("http.keep_alive", "Idle connections close after", "", ""),
            ("http.redirect", "Plain HTTP leads to HTTPS", "Where an address for HTTPS is set", ""),
            (
                "http.allow_origins",
                "Other sites that may read",
                "Origins of web pages, with commas between them",
                "",
            ),
            ("http.names", "Own names", "Names that this camera is asked by, with commas between them", ""),
            ("log.level", "Log", "The least important messages that are written", ""),
        ],
    },
];

/// Keys that are no matter of this page: what runs on the machine and where things lie are the operator's, and the light
/// is switched elsewhere.
pub(super) const LEFT_OUT: &[&str] = &[
    "source.command",
    "detect.replay",
    "access.local",
    // It has a page of its own.
    "access.view",
    "store.directory",
    "http.listen",
    "http.certificate",
    "http.key",
    "lights.on",
    "lights.brightness",
    "lights.color",
    "power.key",
    "update.key",
];

/// Which kind of source a key of it is for; all if not here.
pub(super) const ONLY_FOR: &[(&str, &str)] = &[
    ("source.device", "v4l2 libcamera"),
    ("source.url", "url"),
    ("source.username", "url"),
    ("source.password", "url"),
    ("source.path", "files"),
    ("source.loop", "files"),
    ("source.speed", "files sim"),
    ("source.seed", "sim"),
];

/// Words for values: of a key, or of any.
pub(super) const WORDS: &[(&str, &str, &str)] = &[
    ("source.kind", "auto", "First camera that works"),
    ("source.kind", "v4l2", "USB or video device"),
    ("source.kind", "libcamera", "Ribbon cable (libcamera)"),
    ("source.kind", "url", "Network camera"),
    ("source.kind", "exec", "A program"),
    ("source.kind", "files", "Files"),
    ("source.kind", "sim", "Simulated scene"),
    ("source.speed", "real", "As it was recorded"),
    ("source.speed", "full", "As fast as it goes"),
    ("picture.scale", "1", "Full"),
    ("picture.scale", "1/2", "Half"),
    ("picture.scale", "1/4", "A quarter"),
    ("picture.scale", "1/8", "An eighth"),
    ("lens.kind", "v4l2", "The camera's controls"),
    ("lens.kind", "sim", "Simulated"),
    ("lens.kind", "none", "By hand"),
    ("lights.kind", "none", "Nothing"),
    ("lights.kind", "spi", "NeoPixels, SPI (GPIO 10)"),
    ("lights.kind", "pwm", "NeoPixels, PWM (GPIO 18)"),
    ("lights.kind", "gpio", "A lamp at a pin"),
    ("lights.kind", "sim", "A simulated strip"),
    ("lights.old_status", "documented", "Light on, as documented"),
    ("lights.old_status", "program", "Light off, as the old program did"),
    ("detect.backend", "onnx", "A model"),
    ("detect.backend", "motion", "Whatever moves"),
    ("detect.backend", "replay", "Recorded detections"),
    ("detect.backend", "none", "Nothing: no counting"),
    ("", "auto", "Automatic"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_key_and_no_group_is_there_twice() {
        let mut seen = BTreeSet::new();
        for (path, ..) in GROUPS.iter().flat_map(|group| group.rows) {
            assert!(seen.insert(*path), "{path}");
            assert!(!LEFT_OUT.contains(path), "{path}");
        }
        assert_eq!(GROUPS.iter().map(|group| group.id).collect::<BTreeSet<_>>().len(), GROUPS.len());
        for (path, _) in ONLY_FOR {
            assert!(seen.contains(path), "{path}");
        }
    }
}
