//! The keys of camera, stream, picture, lens and lights.

use std::path::PathBuf;
use std::time::Duration;

use super::super::kind::{
    AnyText, At, Boolean, Choice, Color, FilePath, Format, Integer, LongTime, NameText, Number, OneOf, Or,
    PicturePart, ProgramLine, Ranges, Rules, SecretText, TextLine, Time, Url, VideoDevice,
};
use super::super::{ColorOrder, LensKind, LightKind, PixelRange, SourceKind};
use super::row::PagePlace::{Advanced, Elsewhere, Shown};
use super::row::{Key, Section, seconds, section};
use super::words::{KINDS, LENSES, LIGHTS, OLD_STATUS, ORDERS, SCALES};

/// The keys above all sections.
pub(super) const TOP: &[Key] = &[
    Key {
        name: "name",
        default: NAME,
        kind: &At { kind: NameText, put: |config, name| config.name = name },
        page: Shown("camera"),
        label: "Name",
        hint: "On every page and in exports",
        synonyms: "camera name title hostname",
        aliases: &["title", "camera_name"],
        about: "The camera's name, on the pages and in exports. Give each camera its own.",
        ..Key::PLAIN
    },
    Key {
        name: "notify",
        default: "[]",
        kind: &At { kind: Rules, put: |config, rules| config.notify = rules },
        page: Elsewhere,
        label: "Notifications",
        aliases: &["webhook", "webhooks", "alerts", "notifications"],
        about: "Notifications, see below.",
        ..Key::PLAIN
    },
];

/// The default of `name`.
pub(crate) const NAME: &str = r#""camera""#;

section! {
    /// `[source]`: the camera and its requested format.
    source: SourceConfig = "The camera. `tallycam devices` lists cameras with formats, sizes and frame rates." {
        kind: SourceKind = r#""auto""#, Choice(&KINDS), {
            page: Shown("camera"), label: "Source", aliases: &["type", "backend"],
            words: &[
                ("auto", "First camera that works"),
                ("v4l2", "USB or video device"),
                ("libcamera", "Ribbon cable (libcamera)"),
                ("url", "Network camera"),
                ("exec", "A program"),
                ("files", "Files"),
                ("sim", "Simulation"),
            ],
            about: "Where frames come from.\n\
                   \x20 \"auto\"       the first camera that works\n\
                   \x20 \"v4l2\"       a USB camera or another video device (see device)\n\
                   \x20 \"libcamera\"  a Pi's ribbon-cable camera (see device); needs the package \
                   tallycam-libcamera\n\
                   \x20 \"url\"        a network camera (see url)\n\
                   \x20 \"exec\"       a program that writes MJPEG to standard output (see command)\n\
                   \x20 \"files\"      images or a clip (see path)\n\
                   \x20 \"sim\"        a simulation with people and vehicles",
        }
        device: Option<String> = r#""""#, VideoDevice, {
            page: Advanced("camera"), label: "Device",
            hint: "A path, a number, or a name from /dev/v4l/by-id; empty for the first",
            only_for: &["v4l2", "libcamera"], aliases: &["camera", "video", "dev", "input"],
            about: "For \"v4l2\": a path (\"/dev/video0\"), a number, or a stable name from /dev/v4l/by-id. For \
                   \"libcamera\": its model (\"imx708\") or libcamera's name. Empty: the first camera.",
        }
        url: Option<String> = r#""""#, Url, {
            page: Shown("camera"), label: "URL", hint: "MJPEG stream, still image or RTSP of the camera",
            only_for: &["url"], aliases: &["uri", "address"],
            about: "For \"url\": the MJPEG stream or still image of the network camera. rtsp:// needs ffmpeg.",
        }
        username: Option<String> = r#""""#, AnyText, {
            page: Shown("camera"), label: "User name", hint: "If the network camera asks for one",
            only_for: &["url"], aliases: &["user", "login"],
            about: "For \"url\": the user name, if the camera asks for one.",
        }
        password: Option<String> = r#""""#, SecretText(0), {
            page: Shown("camera"), label: "Password", hint: "Never shown", only_for: &["url"],
            aliases: &["pass", "passwd"],
            about: "For \"url\": the password. It is never shown or logged. Make this file readable by tallycam \
                   only, or use the environment.",
        }
        command: Vec<String> = "[]", ProgramLine, {
            page: Elsewhere, label: "Program", operator_only: Some("it is a program that runs on this machine"),
            aliases: &["exec", "cmd", "program"],
            about: "For \"exec\": the program and its arguments. No shell: no pipes, variables or wildcards. \
                   Examples:\n\
                   \x20 command = \"rpicam-vid -t 0 -n --codec mjpeg -o -\"\n\
                   \x20 command = \"ffmpeg -i rtsp://10.0.0.7/main -an -vf setpts=N/TB -fps_mode passthrough \
                   -f mjpeg -\"",
        }
        path: Option<PathBuf> = r#""""#, FilePath, {
            page: Elsewhere, label: "Files", operator_only: Some("it is a file of this machine"),
            aliases: &["file", "folder", "directory", "dir"],
            about: "For \"files\": a folder of JPEGs, a text file that lists them, an MJPEG file, or an AVI \
                   with MJPEG.",
        }
        looped as "loop": bool = "true", Boolean, {
            page: Advanced("camera"), label: "Loop", only_for: &["files"], aliases: &["looped", "repeat"],
            about: "For \"files\": start again at the end.",
        }
        real_time as "speed": bool = r#""real""#, Choice(&[("real", true), ("full", false)]), {
            page: Advanced("camera"), label: "Speed", only_for: &["files", "sim"],
            aliases: &["pace", "realtime", "real_time"],
            words: &[("real", "Recorded speed"), ("full", "As fast as possible")],
            about: "For \"files\" and \"sim\": \"real\" for the recorded speed, \"full\" for as fast as possible.",
        }
        seed: u64 = "1", Integer(0, i64::MAX), {
            page: Advanced("camera"), label: "Scene number", hint: "The same number draws the same scene",
            only_for: &["sim"],
            about: "For \"sim\": the same number draws the same scene.",
        }
        width: Option<u32> = r#""auto""#, Or("auto", Integer(16, 8192)), {
            page: Advanced("camera"), label: "Width", hint: "The camera's nearest size is used",
            unit: "pixels", synonyms: "resolution size", aliases: &["resolution", "size"],
            about: "Width in pixels. The camera's nearest size is used, and the page says so.",
        }
        height: Option<u32> = r#""auto""#, Or("auto", Integer(16, 8192)), {
            page: Advanced("camera"), label: "Height", unit: "pixels", synonyms: "resolution size",
            about: "Height in pixels.",
        }
        fps: Option<f64> = r#""auto""#, Or("auto", Number(0.01, 240.0)), {
            page: Advanced("camera"), label: "Capture frame rate", hint: "Lower costs less", unit: "fps",
            synonyms: "fps frames per second", aliases: &["framerate", "frame_rate", "desired_fps", "rate"],
            about: "Capture frame rate (fps), fractions allowed. Lower costs less: 15 looks fluid.",
        }
        format: Option<String> = r#""auto""#, Format, {
            page: Advanced("camera"), label: "Pixel format",
            hint: "Automatic prefers MJPG, which reaches viewers unchanged",
            aliases: &["pixel_format", "pixelformat", "fourcc", "encoding"],
            about: "Pixel format. \"auto\" prefers MJPG, which reaches viewers unchanged at almost no cost.",
        }
        silent_after: Duration = r#""3s""#, Time(Duration::from_millis(500), seconds(60)), {
            page: Advanced("camera"), label: "Camera timeout",
            hint: "Without a frame for this time the camera is reopened",
            aliases: &["timeout", "device_timeout"],
            about: "Camera timeout: without a frame for this time, the camera counts as silent and is reopened. \
                   Raise it for cameras slower than one frame in three seconds. The first frame of a network \
                   camera or program may take 15 s (RTSP 20 s), or this time if it is longer.",
        }
        failed_reads: u32 = "3", Integer(1, 1000), {
            page: Advanced("camera"), label: "Unhealthy after",
            hint: "Failed reads in a row, until /health answers False", unit: "reads",
            aliases: &["max_failures", "device_error_delay"],
            about: "Unhealthy after this many failed reads in a row: /health answers False until frames keep \
                   coming. Five seconds of a fault count as one, and so do frames for less time than the \
                   outage before them.",
        }
    }
    and {
        /// `[source.controls]`: camera controls to set after every open, by name; booleans are 0 and 1.
        controls: Vec<(String, f64)>
    }
}

section! {
    /// `[stream]`: the stream for viewers.
    stream: StreamConfig = "What viewers get." {
        quality: u8 = "80", Integer(1, 100), {
            page: Shown("picture"), label: "JPEG quality", hint: "For cameras that send no JPEG",
            unit: "of 100", aliases: &["jpeg_quality"],
            about: "JPEG quality of frames that tallycam encodes. A camera's own JPEGs are not changed. 60 halves \
                   the traffic of 80.",
        }
        fps: Option<f64> = r#""auto""#, Or("auto", Number(0.01, 240.0)), {
            page: Advanced("picture"), label: "Stream frame rate", hint: "Maximum for every viewer",
            unit: "fps", aliases: &["max_fps"],
            about: "Maximum frame rate (fps) for all viewers. One viewer can ask for less with /stream?fps=5.",
        }
        idle_stop: Option<Duration> = r#""30s""#, Or("never", LongTime(Duration::ZERO)), {
            page: Advanced("picture"), label: "Turn camera off when idle for",
            hint: "Without viewer, recording or counting", aliases: &["idle", "idle_timeout", "slowdown"],
            about: "Idle timeout: the camera closes this long after the last viewer. Home Assistant fetches an \
                   image every 10 s; a shorter timeout reopens the camera each time. \"never\" keeps it open.",
        }
        max_viewers: usize = "200", Integer(1, 10_000), {
            page: Advanced("picture"), label: "Maximum viewers", unit: "streams",
            aliases: &["viewers", "max_clients", "max_streams"],
            about: "Maximum number of streams. Further clients get 503.",
        }
        stall: Duration = r#""5s""#, Time(seconds(1), seconds(300)), {
            page: Advanced("picture"), label: "Disconnect stalled viewers after", aliases: &["stall_timeout"],
            about: "Disconnect viewers that receive nothing for this time. Slow viewers only skip frames.",
        }
    }
}

section! {
    /// `[picture]`: changes to the frame for everyone. Their order: rotate, mirror and flip, crop, scale, grayscale,
    /// overlay.
    picture: PictureConfig = "\
        Changes to the picture for everyone. Lines are drawn on the rotated and cropped picture: those of \
        the page move along, those of this file do not. Counting uses it in colour and at full size." {
        gray: bool = "false", Boolean, {
            page: Advanced("picture"), label: "Grayscale",
            aliases: &["grayscale", "grey", "greyscale", "monochrome"],
            about: "Grayscale.",
        }
        eighths as "scale": u8 = r#""1""#, Choice(&SCALES), {
            page: Advanced("picture"), label: "Size", aliases: &["half_size", "resolution"],
            words: &[
                ("1", "Full"),
                ("1/2", "Half"),
                ("1/4", "A quarter"),
                ("1/8", "An eighth"),
            ],
            about: "Size for viewers: \"1\", \"1/2\", \"1/4\" or \"1/8\" of the camera's width and height.",
        }
        rotate: u16 = "0", OneOf(&[0, 90, 180, 270]), {
            page: Shown("picture"), label: "Rotation", hint: "Clockwise", unit: "degrees",
            synonyms: "turn upside down", aliases: &["rotation", "orientation"],
            about: "Rotate clockwise by 0, 90, 180 or 270 degrees.",
        }
        mirror: bool = "false", Boolean, {
            page: Shown("picture"), label: "Mirror", hint: "Swap left and right",
            aliases: &["hflip", "flip_horizontal"],
            about: "Swap left and right, after rotation.",
        }
        flip: bool = "false", Boolean, {
            page: Advanced("picture"), label: "Flip", hint: "Swap top and bottom", synonyms: "upside down",
            aliases: &["vflip", "flip_vertical"],
            about: "Swap top and bottom, after rotation.",
        }
        crop: Option<[f64; 4]> = r#""none""#, Or("none", PicturePart), {
            page: Advanced("picture"), label: "Crop", hint: "Left, top, width, height, each 0 to 1",
            aliases: &["roi", "region", "region_of_interest", "zoom"],
            about: "Crop, after rotation.",
        }
        text: Option<String> = r#""""#, TextLine(200), {
            page: Advanced("picture"), label: "Text overlay", aliases: &["overlay", "caption"],
            about: "Text in the picture.",
        }
        timestamp: bool = "false", Boolean, {
            page: Shown("picture"), label: "Date and time overlay", aliases: &["time_stamp", "clock", "date"],
            about: "Date and time in the picture.",
        }
    }
}

section! {
    /// `[lens]`.
    lens: LensConfig = "Focus. The position is a camera control and is saved with those." {
        kind: LensKind = r#""auto""#, Choice(&LENSES), {
            page: Advanced("camera"), label: "Focus control",
            hint: "Focus is set beside the picture, on the page Live", aliases: &["backend", "type"],
            words: &[
                ("v4l2", "The camera's controls"),
                ("sim", "Simulated"),
                ("none", "Manual"),
            ],
            about: "Focus control: \"auto\" by what the camera offers, \"v4l2\", \"sim\" for a simulated lens, \
                   \"none\" for manual focus.",
        }
    }
}

section! {
    /// `[lights]`.
    lights: LightsConfig = "A NeoPixel strip or a lamp. `tallycam check` says what it needs." {
        kind: LightKind = r#""none""#, Choice(&LIGHTS), {
            page: Shown("lights"), label: "Light type", hint: "None: nothing is connected",
            aliases: &["backend", "type", "lighttype"],
            words: &[
                ("none", "None"),
                ("spi", "NeoPixels, SPI (GPIO 10)"),
                ("pwm", "NeoPixels, PWM (GPIO 18)"),
                ("gpio", "A lamp at a pin"),
                ("sim", "A simulated strip"),
            ],
            about: "Light type.\n\
                   \x20 \"none\"  no light\n\
                   \x20 \"spi\"   NeoPixels at the SPI bus (GPIO 10): every Pi, without root\n\
                   \x20 \"pwm\"   NeoPixels at a PWM or PCM pin (GPIO 18): needs root, not on a Pi 5\n\
                   \x20 \"gpio\"  a lamp switched by a pin\n\
                   \x20 \"sim\"   a simulated strip on the page",
        }
        pixels: u16 = "16", Integer(1, 1000), {
            page: Shown("lights"), label: "Number of pixels", unit: "pixels",
            only_for: &["spi", "pwm", "sim"], aliases: &["count", "leds", "numlights", "num_leds", "length"],
            about: "Number of pixels on the strip.",
        }
        order: ColorOrder = r#""GRB""#, Choice(&ORDERS), {
            page: Advanced("lights"), label: "Order of colours", hint: "GRB for WS2812, GRBW for SK6812",
            only_for: &["spi", "pwm", "sim"], aliases: &["color_order", "strip_type"],
            about: "Order of colours: \"GRB\" (WS2812), \"RGB\", \"BGR\"; with white \"GRBW\" (SK6812), \"RGBW\", \
                   \"BGRW\".",
        }
        device: Option<PathBuf> = r#""/dev/spidev0.0""#, FilePath, {
            page: Advanced("lights"), label: "SPI device", only_for: &["spi"], aliases: &["spi", "spidev"],
            about: "For \"spi\": the device of the bus.",
        }
        pin: Option<u8> = r#""auto""#, Or("auto", Integer(0, 53)), {
            page: Advanced("lights"), label: "GPIO pin", only_for: &["pwm", "gpio"],
            aliases: &["gpio", "gpio_pin"],
            about: "For \"pwm\" and \"gpio\": the GPIO number. \"auto\" is 18 for \"pwm\", 17 for \"gpio\".",
        }
        chip: Option<PathBuf> = r#""""#, FilePath, {
            page: Advanced("lights"), label: "GPIO chip",
            hint: "On other machines than a Pi, such as /dev/gpiochip0", only_for: &["gpio"],
            aliases: &["gpiochip"],
            about: "For \"gpio\" on other machines than a Pi: the character device, such as /dev/gpiochip0.",
        }
        active_low: bool = "false", Boolean, {
            page: Advanced("lights"), label: "On while the pin is low", only_for: &["gpio"],
            aliases: &["inverted", "invert"],
            about: "For \"gpio\": on while the pin is low.",
        }
        limit: u8 = "255", Integer(1, 255), {
            page: Advanced("lights"), label: "Brightness limit", hint: "For your power supply",
            unit: "of 255", only_for: &["spi", "pwm", "sim"],
            aliases: &["brightness_limit", "max_brightness"],
            about: "Brightness limit, for your power supply.",
        }
        gamma: f64 = "1", Number(0.2, 5.0), {
            page: Advanced("lights"), label: "Gamma", hint: "2.2 looks even to the eye",
            only_for: &["spi", "pwm", "sim"], aliases: &["gamma_correction"],
            about: "Gamma correction: 1 is linear, 2.2 looks even to the eye.",
        }
        on: bool = "false", Boolean, {
            page: Elsewhere, label: "Light", aliases: &["light", "state"],
            about: "Whether the light is on.",
        }
        brightness: u8 = "255", Integer(0, 255), {
            page: Elsewhere, label: "Brightness", unit: "of 255", aliases: &["level"],
            about: "Brightness.",
        }
        color: [u8; 3] = r#""FFFFFF""#, Color, {
            page: Elsewhere, label: "Colour", aliases: &["colour", "rgb"],
            about: "Colour.",
        }
        ranges: Vec<PixelRange> = "[]", Ranges, {
            page: Advanced("lights"), label: "Pixels with their own colour",
            hint: "Such as 0-3 FF0000, 7 0000FF; the first pixel is 0", only_for: &["spi", "pwm", "sim"],
            aliases: &["segments", "pixel_colors"],
            about: "Pixels with their own colour, while the light is on. The first pixel is 0.",
        }
        status: bool = "false", Boolean, {
            page: Advanced("lights"), label: "Use first pixel as status LED",
            hint: "Red: camera lost; blue: recording; amber: disk full", only_for: &["spi", "pwm", "sim"],
            aliases: &["status_light", "indicator"],
            about: "Use the first pixel as status LED: red camera lost, blue recording, amber disk full.",
        }
        shot: bool = "false", Boolean, {
            page: Shown("lights"), label: "Full light for snapshots", hint: "Then as before",
            only_for: &["spi", "pwm", "gpio", "sim"], aliases: &["flash", "light_for_the_shot"],
            about: "Full light for snapshots, then as before.",
        }
        settle: Duration = r#""300ms""#, Time(Duration::ZERO, seconds(10)), {
            page: Advanced("lights"), label: "Exposure settles for", hint: "Before such a snapshot",
            only_for: &["spi", "pwm", "gpio", "sim"], aliases: &["settle_time", "shot_settle"],
            about: "Time for the exposure to settle in that light.",
        }
        auto_below: Option<f64> = r#""off""#, Or("off", Number(1.0, 254.0)), {
            page: Advanced("lights"), label: "Automatic light below",
            hint: "Brightness of the picture without it", unit: "of 255",
            only_for: &["spi", "pwm", "gpio", "sim"], aliases: &["auto", "auto_light"],
            about: "Automatic light when the picture without it is darker than this, of 255.",
        }
        old_status_as_program as "old_status": bool = r#""documented""#, Choice(&OLD_STATUS), {
            page: Advanced("lights"), label: "/light?status=false means",
            hint: "For programs of the earlier Flask program",
            words: &[("documented", "Light on, as documented"), ("program", "Light off, as the earlier program did")],
            about: "Meaning of /light?status=false, for programs of the earlier Flask program: \"documented\" \
                   switches on, as its documentation said; \"program\" switches off, as it did.",
        }
    }
}
