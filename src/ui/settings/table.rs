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
            ("name", "Name", "On every page and in exports", ""),
            ("source.kind", "Source", "", ""),
            (
                "source.device",
                "Device",
                "A path, a number, or a name from /dev/v4l/by-id; empty for the first",
                "",
            ),
            ("source.url", "URL", "MJPEG stream or still image of the camera", ""),
            ("source.username", "User name", "If the network camera asks for one", ""),
            ("source.password", "Password", "Never shown", ""),
            ("source.path", "File or folder", "On the camera's machine", ""),
            ("source.loop", "Loop", "", ""),
            ("source.speed", "Speed", "", ""),
            ("source.seed", "Scene number", "The same number draws the same scene", ""),
            ("source.width", "Width", "The camera's nearest size is used", "pixels"),
            ("source.height", "Height", "", "pixels"),
            ("source.format", "Pixel format", "Automatic prefers MJPG, which reaches viewers unchanged", ""),
            ("source.fps", "Capture frame rate", "Lower costs less", "fps"),
            (
                "source.silent_after",
                "Camera timeout",
                "Without a frame for this time the camera is reopened",
                "",
            ),
            (
                "source.failed_reads",
                "Unhealthy after",
                "Failed reads in a row, until /health answers False",
                "reads",
            ),
        ],
    },
    Group {
        id: "stream",
        title: "Stream",
        about: "",
        rows: &[
            ("stream.quality", "JPEG quality", "For cameras that send no JPEG", "of 100"),
            ("stream.fps", "Stream frame rate", "Maximum for every viewer", "fps"),
            (
                "stream.idle_stop",
                "Turn camera off when idle for",
                "Without viewer, recording or counting",
                "",
            ),
            ("stream.max_viewers", "Maximum viewers", "", "viewers"),
            ("stream.stall", "Disconnect stalled viewers after", "", ""),
        ],
    },
    Group {
        id: "picture",
        title: "Picture",
        about: "For every viewer. Lines are drawn on the rotated and cropped picture; counting uses it in colour \
                and at full size.",
        rows: &[
            ("picture.gray", "Grayscale", "", ""),
            ("picture.scale", "Size", "", ""),
            ("picture.rotate", "Rotation", "Clockwise", "degrees"),
            ("picture.mirror", "Mirror", "Swap left and right", ""),
            ("picture.flip", "Flip", "Swap top and bottom", ""),
            ("picture.crop", "Crop", "Left, top, width, height, each 0 to 1", ""),
            ("picture.text", "Text overlay", "", ""),
            ("picture.timestamp", "Date and time overlay", "", ""),
        ],
    },
    Group {
        id: CONTROLS,
        title: "Camera controls",
        about: "What the camera offers. Set at once, saved for this camera, and set again after every open.",
        rows: &[],
    },
    Group {
        id: "lens",
        title: "Lens",
        about: "Focus is set beside the picture, on the page <a href=\"./#lens\">Live</a>.",
        rows: &[("lens.kind", "Focus control", "", "")],
    },
    Group {
        id: "counting",
        title: "Counting",
        about: "Lines are drawn on the page <a href=\"lines\">Lines</a>, models downloaded on the page <a href=\"models\">Models</a>.",
        rows: &[
            ("detect.backend", "Detector", "", ""),
            ("detect.model", "Model", "A name from the page Models; empty for the one chosen there", ""),
            ("detect.size", "Input size", "More pixels find smaller objects and take longer", "pixels"),
            ("detect.threads", "CPU cores", "For one detection", "cores"),
            ("detect.fps", "Detection rate", "Higher is more accurate and uses more CPU", "fps"),
            (
                "detect.classes",
                "Classes",
                "Separated by commas; empty for those of the model's description",
                "",
            ),
            ("detect.score", "Confidence threshold", "Lower finds more, with more false detections", ""),
            ("detect.least_height", "Minimum height", "Fraction of the frame's height", ""),
            ("detect.most_height", "Maximum height", "Fraction of the frame's height", ""),
            ("detect.thumbnails", "Store thumbnails of crossings", "", ""),
            ("counts.time_zone", "Time zone", "For days and hours in Counts", ""),
            ("counts.day_starts", "Day begins at", "4 for a bar that closes at three", "o'clock"),
        ],
    },
    Group {
        id: "keeping",
        title: "Recording",
        about: "",
        rows: &[
            ("record.fps", "Recording frame rate", "", "fps"),
            ("record.max_duration", "Max. length", "", ""),
            ("record.max_size", "Max. size", "", ""),
            ("record.pre_roll", "Pre-roll", "Keeps the camera on", ""),
            (
                "record.on_crossing",
                "Record when a line is crossed",
                "Names of lines, separated by commas; * for all",
                "",
            ),
            ("record.after_crossing", "Stop after the last crossing", "", ""),
            ("snapshot.warm_up", "Frames to skip before a snapshot", "While exposure settles", "frames"),
        ],
    },
    Group {
        id: "retention",
        title: "Retention",
        about: "Oldest first; protected items stay. A preview is on the page <a href=\"database#rules\">Database</a>.",
        rows: &[
            ("retention.snapshots_age", "Delete snapshots after", "", ""),
            ("retention.snapshots_size", "Maximum size of snapshots", "", ""),
            ("retention.recordings_age", "Delete recordings after", "", ""),
            ("retention.recordings_size", "Maximum size of recordings", "", ""),
            ("retention.min_free", "Keep free on the disk", "", ""),
        ],
    },
    Group {
        id: "lights",
        title: "Light",
        about: "Switched on the page <a href=\"lights\">Light</a> and beside the picture.",
        rows: &[
            ("lights.kind", "Light type", "", ""),
            ("lights.pixels", "Number of pixels", "", "pixels"),
            ("lights.order", "Order of colours", "GRB for WS2812, GRBW for SK6812", ""),
            ("lights.device", "SPI device", "", ""),
            ("lights.pin", "GPIO pin", "", ""),
            ("lights.chip", "GPIO chip", "On other machines than a Pi, such as /dev/gpiochip0", ""),
            ("lights.active_low", "On while the pin is low", "", ""),
            ("lights.limit", "Brightness limit", "For your power supply", "of 255"),
            ("lights.gamma", "Gamma", "2.2 looks even to the eye", ""),
            (
                "lights.ranges",
                "Pixels with their own colour",
                "Such as 0-3 FF0000, 7 0000FF; the first pixel is 0",
                "",
            ),
            (
                "lights.status",
                "Use first pixel as status LED",
                "Red: camera lost; blue: recording; amber: disk full",
                "",
            ),
            ("lights.shot", "Full light for snapshots", "Then as before", ""),
            ("lights.settle", "Exposure settles for", "Before such a snapshot", ""),
            ("lights.auto_below", "Automatic light below", "Brightness of the picture without it", "of 255"),
            (
                "lights.old_status",
                "/light?status=false means",
                "For programs of the earlier Flask program",
                "",
            ),
        ],
    },
    Group {
        id: "access",
        title: "Access",
        about: "Who may watch, passwords, users, tokens and links: <a href=\"access\">Access</a>.",
        rows: &[
            ("privacy.counts_only", "Privacy mode", "Counts only: no image is served or stored", ""),
            ("access.session", "Stay signed in for", "", ""),
            ("http.max_connections", "Maximum connections", "", "connections"),
            ("http.max_head", "Maximum request head", "", "bytes"),
            ("http.head_timeout", "Request timeout", "", ""),
            ("http.keep_alive", "Idle connection timeout", "", ""),
            ("http.redirect", "Redirect HTTP to HTTPS", "If there is an HTTPS address", ""),
            (
                "http.allow_origins",
                "Allowed origins (CORS)",
                "Sites whose scripts may read, separated by commas",
                "",
            ),
            ("http.names", "Host names", "Additional names of this camera, separated by commas", ""),
            ("log.level", "Log level", "", ""),
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
    ("source.kind", "sim", "Simulation"),
    ("source.speed", "real", "Recorded speed"),
    ("source.speed", "full", "As fast as possible"),
    ("picture.scale", "1", "Full"),
    ("picture.scale", "1/2", "Half"),
    ("picture.scale", "1/4", "A quarter"),
    ("picture.scale", "1/8", "An eighth"),
    ("lens.kind", "v4l2", "The camera's controls"),
    ("lens.kind", "sim", "Simulated"),
    ("lens.kind", "none", "Manual"),
    ("lights.kind", "none", "None"),
    ("lights.kind", "spi", "NeoPixels, SPI (GPIO 10)"),
    ("lights.kind", "pwm", "NeoPixels, PWM (GPIO 18)"),
    ("lights.kind", "gpio", "A lamp at a pin"),
    ("lights.kind", "sim", "A simulated strip"),
    ("lights.old_status", "documented", "Light on, as documented"),
    ("lights.old_status", "program", "Light off, as the earlier program did"),
    ("detect.backend", "onnx", "A model"),
    ("detect.backend", "motion", "Motion"),
    ("detect.backend", "replay", "Recorded detections"),
    ("detect.backend", "none", "None: no counting"),
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
