//! What the page of settings calls each key, in groups: label, what it does in few words, unit, and whether it is in sight
//! or advanced. A key that is not here stands at the end of the page under its own name, so that none is forgotten.

/// One group of settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// Its name in addresses and forms.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What is to be known of all of it; may be empty. HTML.
    pub about: &'static str,
    /// The settings in sight.
    pub rows: &'static [Row],
    /// Those that are folded away under "Advanced".
    pub advanced: &'static [Row],
}

impl Group {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &'static Row> {
        self.rows.iter().chain(self.advanced)
    }
}

/// One setting: key, label, what it does (may be empty), unit (may be empty).
pub(super) type Row = (&'static str, &'static str, &'static str, &'static str);

/// The group whose rows are the camera's own controls.
pub(super) const CONTROLS: &str = "controls";

/// What else people call a setting; empty for most.
pub(super) fn synonyms(path: &str) -> &'static str {
    SYNONYMS.iter().find(|(own, _)| *own == path).map_or("", |(_, words)| words)
}

const SYNONYMS: &[(&str, &str)] = &[
    ("name", "camera name title hostname"),
    (MODE, "size width height format pixels"),
    ("source.width", "resolution size"),
    ("source.height", "resolution size"),
    ("source.fps", "fps frames per second"),
    ("counts.time_zone", "timezone clock utc"),
    ("counts.day_starts", "midnight opening hours"),
    ("detect.backend", "ai detection motion"),
    ("picture.rotate", "turn upside down"),
    ("picture.flip", "upside down"),
    ("retention.min_free", "disk space storage"),
];

/// What is looked for in the settings and is on another page: what people call it, and where it is, as HTML.
pub(super) const ELSEWHERE: &[(&str, &str)] = &[
    (
        "password passwords sign-in login user users account token tokens viewers",
        "Passwords, users and tokens: <a href=\"access\">Access</a>",
    ),
    (
        "wifi wi-fi wlan wireless network ip address hotspot",
        "Wi-Fi and network are set in the machine's operating system, or on the card. Addresses: <a href=\"diagnosis\">Diagnosis</a>",
    ),
    ("backup restore factory reset", "Backup, restore and factory reset: <a href=\"backup\">Backup</a>"),
    ("copy import database", "Copies and import of recordings and counts: <a href=\"database\">Database</a>"),
    ("model models download", "Models for detection: <a href=\"models\">Models</a>"),
    ("line lines zone zones", "Lines and zones: <a href=\"lines\">Lines &amp; zones</a>"),
    ("update version upgrade", "Version and updates: <a href=\"update\">Update</a>"),
    ("log journal error", "What the program has said: <a href=\"log\">Log</a>"),
];

/// The row that chooses format, width and height in one.
pub(super) const MODE: &str = "mode";

/// Every group, in order. At most 25 rows are in sight, whatever the hardware: `tests/browser/settings.rs` counts them.
pub(super) const GROUPS: &[Group] = &[
    Group {
        id: "camera",
        title: "Camera",
        about: "Choose a camera: <a href=\"cameras\">Cameras</a>",
        rows: &[
            ("name", "Name", "On every page and in exports", ""),
            ("source.kind", "Source", "", ""),
            ("source.url", "URL", "MJPEG stream, still image or RTSP of the camera", ""),
            ("source.username", "User name", "If the network camera asks for one", ""),
            ("source.password", "Password", "Never shown", ""),
            ("source.path", "File or folder", "On the camera's machine", ""),
            (MODE, "Resolution", "If the camera refuses it, the last one that worked comes back", ""),
        ],
        advanced: &[
            (
                "source.device",
                "Device",
                "A path, a number, or a name from /dev/v4l/by-id; empty for the first",
                "",
            ),
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
            ("lens.kind", "Focus control", "Focus is set beside the picture, on the page Live", ""),
        ],
    },
    Group {
        id: "picture",
        title: "Picture",
        about: "For every viewer. Lines are drawn on the rotated and cropped picture; counting uses it in colour \
                and at full size.",
        rows: &[
            ("stream.quality", "JPEG quality", "For cameras that send no JPEG", "of 100"),
            ("picture.rotate", "Rotation", "Clockwise", "degrees"),
            ("picture.mirror", "Mirror", "Swap left and right", ""),
            ("picture.timestamp", "Date and time overlay", "", ""),
        ],
        advanced: &[
            ("picture.flip", "Flip", "Swap top and bottom", ""),
            ("picture.gray", "Grayscale", "", ""),
            ("picture.scale", "Size", "", ""),
            ("picture.crop", "Crop", "Left, top, width, height, each 0 to 1", ""),
            ("picture.text", "Text overlay", "", ""),
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
        id: CONTROLS,
        title: "Camera controls",
        about: "What the camera offers. Set at once, saved for this camera, and set again after every open.",
        rows: &[],
        advanced: &[],
    },
    Group {
        id: "counting",
        title: "Counting",
        about: "Lines are drawn on the page <a href=\"lines\">Lines</a>, models downloaded on the page <a href=\"models\">Models</a>.",
        rows: &[
            ("detect.backend", "Detector", "", ""),
            ("detect.model", "Model", "Empty: the one chosen on the page Models", ""),
            ("detect.classes", "Classes", "What is detected. None: what the model is made for", ""),
            ("counts.time_zone", "Time zone", "For days and hours in Counts", ""),
            ("counts.day_starts", "Day begins at", "4 for a bar that closes at three", "o'clock"),
        ],
        advanced: &[
            ("detect.size", "Input size", "More pixels find smaller objects and take longer", "pixels"),
            ("detect.region", "Detection area", "Around lines, smaller objects are found", ""),
            ("detect.threads", "CPU cores", "For one detection", "cores"),
            ("detect.fps", "Detection rate", "Higher is more accurate and uses more CPU", "fps"),
            ("detect.score", "Confidence threshold", "Lower finds more, with more false detections", ""),
            ("detect.least_height", "Minimum height", "Fraction of the frame's height", ""),
            ("detect.most_height", "Maximum height", "Fraction of the frame's height", ""),
            ("detect.thumbnails", "Store thumbnails of crossings", "", ""),
        ],
    },
    Group {
        id: "keeping",
        title: "Recording",
        about: "",
        rows: &[
            ("record.max_duration", "Max. length", "Of a recording", ""),
            ("record.on_crossing", "Record when a line is crossed", "Which lines", ""),
        ],
        advanced: &[
            ("record.max_size", "Max. size", "Of a recording", ""),
            ("record.fps", "Recording frame rate", "", "fps"),
            ("record.pre_roll", "Pre-roll", "Keeps the camera on", ""),
            ("record.after_crossing", "Stop after the last crossing", "", ""),
            ("snapshot.warm_up", "Frames to skip before a snapshot", "While exposure settles", "frames"),
        ],
    },
    Group {
        id: RETENTION,
        title: "Retention",
        about: "Oldest first; protected items stay. What would be deleted is shown before it is.",
        rows: &[
            ("retention.snapshots_age", "Delete snapshots after", "Empty: never", ""),
            ("retention.recordings_age", "Delete recordings after", "Empty: never", ""),
            ("retention.snapshots_size", "Maximum size of snapshots", "All together. Empty: unlimited", ""),
            ("retention.recordings_size", "Maximum size of recordings", "All together. Empty: unlimited", ""),
            ("retention.min_free", "Keep free on the disk", "0 fills the disk", ""),
        ],
        advanced: &[],
    },
    Group {
        id: "lights",
        title: "Light",
        about: "Switched on the page <a href=\"lights\">Light</a> and beside the picture.",
        rows: &[
            ("lights.kind", "Light type", "None: nothing is connected", ""),
            ("lights.pixels", "Number of pixels", "", "pixels"),
            ("lights.shot", "Full light for snapshots", "Then as before", ""),
        ],
        advanced: &[
            ("lights.limit", "Brightness limit", "For your power supply", "of 255"),
            ("lights.order", "Order of colours", "GRB for WS2812, GRBW for SK6812", ""),
            ("lights.device", "SPI device", "", ""),
            ("lights.pin", "GPIO pin", "", ""),
            ("lights.chip", "GPIO chip", "On other machines than a Pi, such as /dev/gpiochip0", ""),
            ("lights.active_low", "On while the pin is low", "", ""),
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
        rows: &[("privacy.counts_only", "Privacy mode", "Counts only: no image is served or stored", "")],
        advanced: &[
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

/// The group that says when media are deleted.
pub(super) const RETENTION: &str = "retention";

/// Keys that are no matter of this page: what runs on the machine and where things lie are the operator's, and the light
/// is switched elsewhere.
pub(super) const LEFT_OUT: &[&str] = &[
    "source.command",
    "detect.replay",
    "access.local",
    "access.claim",
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

/// Which kinds of source, or of light, a key of its group is for; all if not here.
pub(super) const ONLY_FOR: &[(&str, &str)] = &[
    ("source.device", "v4l2 libcamera"),
    ("source.url", "url"),
    ("source.username", "url"),
    ("source.password", "url"),
    ("source.path", "files"),
    ("source.loop", "files"),
    ("source.speed", "files sim"),
    ("source.seed", "sim"),
    ("lights.pixels", "spi pwm sim"),
    ("lights.limit", "spi pwm sim"),
    ("lights.order", "spi pwm sim"),
    ("lights.gamma", "spi pwm sim"),
    ("lights.ranges", "spi pwm sim"),
    ("lights.status", "spi pwm sim"),
    ("lights.device", "spi"),
    ("lights.pin", "pwm gpio"),
    ("lights.chip", "gpio"),
    ("lights.active_low", "gpio"),
    ("lights.shot", "spi pwm gpio sim"),
    ("lights.settle", "spi pwm gpio sim"),
    ("lights.auto_below", "spi pwm gpio sim"),
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
    ("detect.region", "line", "Around lines and zones"),
    ("detect.region", "picture", "The whole picture"),
    ("detect.classes", "", "What the model is made for"),
    ("record.on_crossing", "", "Never"),
    ("record.on_crossing", "*", "Every line"),
    ("", "", "None"),
    ("", "auto", "Automatic"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_key_and_no_group_is_there_twice() {
        let mut seen = BTreeSet::new();
        for (path, ..) in GROUPS.iter().flat_map(Group::all) {
            assert!(seen.insert(*path), "{path}");
            assert!(!LEFT_OUT.contains(path), "{path}");
        }
        assert_eq!(GROUPS.iter().map(|group| group.id).collect::<BTreeSet<_>>().len(), GROUPS.len());
        for (path, _) in ONLY_FOR {
            assert!(seen.contains(path), "{path}");
        }
    }
}
