//! Every key of the configuration: a row each.

use std::time::Duration;

use super::super::kind::ValueKind;
use super::super::origin::{self, host};
use super::words::{
    ANGLES, CLAIM_WORDS, CLAIMS, DETECTOR_WORDS, DETECTORS, KIND_WORDS, KINDS, LENS_WORDS, LENSES,
    LEVEL_WORDS, LEVELS, LIGHT_WORDS, LIGHTS, LOCAL_WORDS, LOCALS, OLD_STATUS_WORDS, ORDER_WORDS, ORDERS,
    REGION_WORDS, REGIONS, SCALE_WORDS, SCALES, VIEW_WORDS, VIEWS,
};
use super::{Key, SHORTEST_POWER_KEY};

const fn from_seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The shortest age of `[retention]` and the smallest size there and of a recording: nothing would delete everything.
const LEAST_AGE: Duration = from_seconds(60);
const LEAST_SIZE: u64 = 1_000_000;

/// Every key, in the order of the shipped file.
pub const KEYS: &[Key] = &[
    Key {
        section: "",
        name: "name",
        kind: ValueKind::Label(|c, text| c.name = text),
        default: r#""camera""#,
        aliases: &["title", "camera_name"],
        about: "The camera's name, on the pages and in exports. Give each camera its own.",
    },
    Key {
        section: "source",
        name: "kind",
        kind: ValueKind::Choice(&KIND_WORDS, |c, at| c.source.kind = KINDS[at].1),
        default: r#""auto""#,
        aliases: &["type", "backend"],
        about: "Where frames come from.\n\
                \x20 \"auto\"       the first camera that works\n\
                \x20 \"v4l2\"       a USB camera or another video device (see device)\n\
                \x20 \"libcamera\"  a Pi's ribbon-cable camera (see device); needs the package tallycam-libcamera\n\
                \x20 \"url\"        a network camera (see url)\n\
                \x20 \"exec\"       a program that writes MJPEG to standard output (see command)\n\
                \x20 \"files\"      images or a clip (see path)\n\
                \x20 \"sim\"        a simulation with people and vehicles",
    },
    Key {
        section: "source",
        name: "device",
        kind: ValueKind::Device(|c, device| c.source.device = device),
        default: r#""""#,
        aliases: &["camera", "video", "dev", "input"],
        about: "For \"v4l2\": a path (\"/dev/video0\"), a number, or a stable name from /dev/v4l/by-id. For \
                \"libcamera\": its model (\"imx708\") or libcamera's name. Empty: the first camera.",
    },
    Key {
        section: "source",
        name: "url",
        kind: ValueKind::Url(|c, url| c.source.url = url),
        default: r#""""#,
        aliases: &["uri", "address"],
        about: "For \"url\": the MJPEG stream or still image of the network camera. rtsp:// needs ffmpeg.",
    },
    Key {
        section: "source",
        name: "username",
        kind: ValueKind::Text(|c, text| c.source.username = text),
        default: r#""""#,
        aliases: &["user", "login"],
        about: "For \"url\": the user name, if the camera asks for one.",
    },
    Key {
        section: "source",
        name: "password",
        kind: ValueKind::Secret(0, |c, text| c.source.password = text),
        default: r#""""#,
        aliases: &["pass", "passwd"],
        about: "For \"url\": the password. It is never shown or logged. Make this file readable by tallycam \
                only, or use the environment.",
    },
    Key {
        section: "source",
        name: "command",
        kind: ValueKind::Command(|c, command| c.source.command = command),
        default: "[]",
        aliases: &["exec", "cmd", "program"],
        about: "For \"exec\": the program and its arguments. No shell: no pipes, variables or wildcards. \
                Examples:\n\
                \x20 command = \"rpicam-vid -t 0 -n --codec mjpeg -o -\"\n\
                \x20 command = [\"ffmpeg\", \"-i\", \"rtsp://10.0.0.7/main\", \"-f\", \"mjpeg\", \"-\"]",
    },
    Key {
        section: "source",
        name: "path",
        kind: ValueKind::Path(|c, path| c.source.path = path),
        default: r#""""#,
        aliases: &["file", "folder", "directory", "dir"],
        about: "For \"files\": a folder of JPEGs, a text file that lists them, an MJPEG file, or an AVI with MJPEG.",
    },
    Key {
        section: "source",
        name: "loop",
        kind: ValueKind::Boolean(|c, yes| c.source.looped = yes),
        default: "true",
        aliases: &["looped", "repeat"],
        about: "For \"files\": start again at the end.",
    },
    Key {
        section: "source",
        name: "speed",
        kind: ValueKind::Choice(&["real", "full"], |c, at| c.source.real_time = at == 0),
        default: r#""real""#,
        aliases: &["pace", "realtime", "real_time"],
        about: "For \"files\" and \"sim\": \"real\" for the recorded speed, \"full\" for as fast as possible.",
    },
    Key {
        section: "source",
        name: "seed",
        kind: ValueKind::Integer(0, i64::MAX, |c, n| c.source.seed = n.unsigned_abs()),
        default: "1",
        aliases: &[],
        about: "For \"sim\": the same number draws the same scene.",
    },
    Key {
        section: "source",
        name: "width",
        kind: ValueKind::AutoInteger(16, 8192, |c, n| c.source.width = n.and_then(|n| n.try_into().ok())),
        default: r#""auto""#,
        aliases: &["resolution", "size"],
        about: "Width in pixels. The camera's nearest size is used, and the page says so.",
    },
    Key {
        section: "source",
        name: "height",
        kind: ValueKind::AutoInteger(16, 8192, |c, n| c.source.height = n.and_then(|n| n.try_into().ok())),
        default: r#""auto""#,
        aliases: &[],
        about: "Height in pixels.",
    },
    Key {
        section: "source",
        name: "fps",
        kind: ValueKind::NumberOr("auto", 0.01, 240.0, |c, n| c.source.fps = n),
        default: r#""auto""#,
        aliases: &["framerate", "frame_rate", "desired_fps", "rate"],
        about: "Capture frame rate (fps), fractions allowed. Lower costs less: 15 looks fluid.",
    },
    Key {
        section: "source",
        name: "format",
        kind: ValueKind::Format(|c, format| c.source.format = format),
        default: r#""auto""#,
        aliases: &["pixel_format", "pixelformat", "fourcc", "encoding"],
        about: "Pixel format. \"auto\" prefers MJPG, which reaches viewers unchanged at almost no cost.",
    },
    Key {
        section: "source",
        name: "silent_after",
        kind: ValueKind::Time(Duration::from_millis(500), from_seconds(60), |c, time| {
            c.source.silent_after = time
        }),
        default: r#""3s""#,
        aliases: &["timeout", "device_timeout"],
        about: "Camera timeout: without a frame for this time, the camera counts as silent and is reopened. \
                Raise it for cameras slower than one frame in three seconds. The first frame of a network \
                camera or program may take 15 s, or this time if it is longer.",
    },
    Key {
        section: "source",
        name: "failed_reads",
        kind: ValueKind::Integer(1, 1000, |c, n| c.source.failed_reads = n.try_into().unwrap_or(u32::MAX)),
        default: "3",
        aliases: &["max_failures", "device_error_delay"],
        about: "Unhealthy after this many failed reads in a row: /health answers False until the next good frame.",
    },
    Key {
        section: "stream",
        name: "quality",
        kind: ValueKind::Integer(1, 100, |c, n| c.stream.quality = n.try_into().unwrap_or(100)),
        default: "80",
        aliases: &["jpeg_quality"],
        about: "JPEG quality of frames that tallycam encodes. A camera's own JPEGs are not changed. 60 halves \
                the traffic of 80.",
    },
    Key {
        section: "stream",
        name: "fps",
        kind: ValueKind::NumberOr("auto", 0.01, 240.0, |c, n| c.stream.fps = n),
        default: r#""auto""#,
        aliases: &["max_fps"],
        about: "Maximum frame rate (fps) for all viewers. One viewer can ask for less with /stream?fps=5.",
    },
    Key {
        section: "stream",
        name: "idle_stop",
        kind: ValueKind::TimeOrNever(Duration::ZERO, |c, time| c.stream.idle_stop = time),
        default: r#""30s""#,
        aliases: &["idle", "idle_timeout", "slowdown"],
        about: "Idle timeout: the camera closes this long after the last viewer. Home Assistant fetches an \
                image every 10 s; a shorter timeout reopens the camera each time. \"never\" keeps it open.",
    },
    Key {
        section: "stream",
        name: "max_viewers",
        kind: ValueKind::Integer(1, 10_000, |c, n| c.stream.max_viewers = n.try_into().unwrap_or(usize::MAX)),
        default: "200",
        aliases: &["viewers", "max_clients", "max_streams"],
        about: "Maximum number of streams. Further clients get 503.",
    },
    Key {
        section: "stream",
        name: "stall",
        kind: ValueKind::Time(from_seconds(1), from_seconds(300), |c, time| c.stream.stall = time),
        default: r#""5s""#,
        aliases: &["stall_timeout"],
        about: "Disconnect viewers that receive nothing for this time. Slow viewers only skip frames.",
    },
    Key {
        section: "detect",
        name: "backend",
        kind: ValueKind::Choice(&DETECTOR_WORDS, |c, at| c.detect.backend = DETECTORS[at].1),
        default: r#""auto""#,
        aliases: &["detector", "kind", "engine"],
        about: "The detector.\n\
                \x20 \"auto\"    a model if there is one; motion if not, and for the simulation\n\
                \x20 \"onnx\"    a model that tells people, cars and more apart (see model)\n\
                \x20 \"motion\"  everything that moves, at a fraction of the cost; needs a fixed camera\n\
                \x20 \"replay\"  recorded detections (see replay)\n\
                \x20 \"none\"    no counting",
    },
    Key {
        section: "detect",
        name: "model",
        kind: ValueKind::Text(|c, model| c.detect.model = model),
        default: r#""""#,
        aliases: &["onnx", "weights", "network"],
        about: "A name from `tallycam model list`, or the path of an ONNX file. Empty: the one chosen on the \
                page, else the built-in model.",
    },
    Key {
        section: "detect",
        name: "size",
        kind: ValueKind::AutoPixels(64, 2048, |c, size| c.detect.size = size),
        default: r#""auto""#,
        aliases: &["input_size", "resolution", "imgsz"],
        about: "Input size of models that accept any. More pixels find smaller objects and cost in \
                proportion. \"far\" is \"512x384\": with the built-in model, a few more small people at twice the \
                cost. \"auto\" follows the model's description.",
    },
    Key {
        section: "detect",
        name: "region",
        kind: ValueKind::Choice(&REGION_WORDS, |c, at| c.detect.at_lines = REGIONS[at].1),
        default: r#""auto""#,
        aliases: &["window", "crop"],
        about: "The part of the frame that a model gets.\n\
                \x20 \"line\"     around lines and zones: objects are larger there, and small ones are found.\n\
                \x20            One detection in 20 uses the whole frame\n\
                \x20 \"picture\"  the whole frame\n\
                \x20 \"auto\"     what suits the model: for the built-in one, what each line counts",
    },
    Key {
        section: "detect",
        name: "threads",
        kind: ValueKind::Integer(1, 16, |c, n| c.detect.threads = n.try_into().unwrap_or(1)),
        default: "1",
        aliases: &["cores", "workers"],
        about: "CPU cores for one detection.",
    },
    Key {
        section: "detect",
        name: "fps",
        kind: ValueKind::NumberOr("auto", 0.1, 60.0, |c, n| c.detect.fps = n),
        default: r#""auto""#,
        aliases: &["rate", "looks"],
        about: "Maximum detection rate (fps). \"auto\" is 5 with a model and 15 with motion. Below 5, fast \
                walkers and vehicles may be missed.",
    },
    Key {
        section: "detect",
        name: "classes",
        kind: ValueKind::Words(|c, words| c.detect.classes = words),
        default: "[]",
        aliases: &["labels", "class", "objects"],
        about: "Classes to detect, by the model's names. Empty: those of the model's description. A line may \
                count fewer.",
    },
    Key {
        section: "detect",
        name: "score",
        kind: ValueKind::NumberOr("auto", 0.01, 1.0, |c, n| c.detect.score = n),
        default: r#""auto""#,
        aliases: &["threshold", "confidence", "conf"],
        about: "Confidence threshold for new objects. \"auto\" suits the model.",
    },
    Key {
        section: "detect",
        name: "least_height",
        kind: ValueKind::NumberOr("auto", 0.01, 1.0, |c, n| c.detect.least_height = n),
        default: r#""auto""#,
        aliases: &["min_height"],
        about: "Minimum height of an object, as a fraction of the frame's. \"auto\": none.",
    },
    Key {
        section: "detect",
        name: "most_height",
        kind: ValueKind::NumberOr("auto", 0.01, 1.0, |c, n| c.detect.most_height = n),
        default: r#""auto""#,
        aliases: &["max_height"],
        about: "Maximum height of an object, as a fraction of the frame's. \"auto\": none.",
    },
    Key {
        section: "detect",
        name: "replay",
        kind: ValueKind::Path(|c, path| c.detect.replay = path),
        default: r#""""#,
        aliases: &["detections"],
        about: "For \"replay\": a CSV file with the columns frame, class, score, x1, y1, x2, y2, in pixels; \
                the first frame is 1.",
    },
    Key {
        section: "detect",
        name: "thumbnails",
        kind: ValueKind::Boolean(|c, yes| c.detect.thumbnails = yes),
        default: "false",
        aliases: &["crops"],
        about: "Store a thumbnail of each crossing, for the last 10 000.",
    },
    Key {
        section: "counts",
        name: "time_zone",
        kind: ValueKind::Zone(|c, zone| c.counts.time_zone = zone),
        default: r#""auto""#,
        aliases: &["timezone", "tz", "zone"],
        about: "Time zone of hours and days. \"auto\" is the system's. After a change all counts are summed again.",
    },
    Key {
        section: "counts",
        name: "day_starts",
        kind: ValueKind::Integer(0, 23, |c, n| c.counts.day_starts = n.try_into().unwrap_or(0)),
        default: "0",
        aliases: &["day_start", "reset_hour"],
        about: "Hour at which a day begins: 4 for a bar that closes at three.",
    },
    Key {
        section: "store",
        name: "directory",
        kind: ValueKind::Path(|c, path| c.store.directory = path),
        default: r#""""#,
        aliases: &["path", "folder", "database", "data"],
        about: "Directory of counts.db and media.db. Empty: the state directory of the service \
                (/var/lib/tallycam, or /var/lib/tallycam-NAME for tallycam@NAME); ./data if not started by \
                systemd and not configured in /etc/tallycam.",
    },
    Key {
        section: "snapshot",
        name: "warm_up",
        kind: ValueKind::Integer(0, 300, |c, n| c.snapshot.warm_up = n.try_into().unwrap_or(0)),
        default: "3",
        aliases: &["warmup", "skip_frames", "discard"],
        about: "Frames to skip after the camera opens, while exposure settles.",
    },
    Key {
        section: "record",
        name: "fps",
        kind: ValueKind::NumberOr("auto", 0.01, 240.0, |c, n| c.record.fps = n),
        default: r#""auto""#,
        aliases: &["record_fps"],
        about: "Maximum recording frame rate (fps). \"auto\" records every frame.",
    },
    Key {
        section: "record",
        name: "max_duration",
        kind: ValueKind::TimeOrNever(Duration::ZERO, |c, time| c.record.max_duration = time),
        default: r#""1h""#,
        aliases: &["duration", "max_movie_time"],
        about: "Max. length of a recording.",
    },
    Key {
        section: "record",
        name: "max_size",
        kind: ValueKind::SizeOrUnlimited(LEAST_SIZE, |c, bytes| c.record.max_size = bytes),
        default: r#""unlimited""#,
        aliases: &["max_bytes"],
        about: "Max. size of a recording.",
    },
    Key {
        section: "record",
        name: "pre_roll",
        kind: ValueKind::Time(from_seconds(0), from_seconds(60), |c, time| c.record.pre_roll = time),
        default: r#""0s""#,
        aliases: &["pre_capture", "preroll", "pre_record"],
        about: "Pre-roll: this much from before the start, up to 16 MB. It stays in memory and keeps the camera open.",
    },
    Key {
        section: "record",
        name: "on_crossing",
        kind: ValueKind::Words(|c, words| c.record.on_crossing = words),
        default: "[]",
        aliases: &["on_event", "on_line"],
        about: "Record when one of these lines is crossed; \"*\" for every line. Empty: never.",
    },
    Key {
        section: "record",
        name: "after_crossing",
        kind: ValueKind::Time(from_seconds(1), from_seconds(600), |c, time| c.record.after_crossing = time),
        default: r#""10s""#,
        aliases: &["post_roll", "post_capture", "event_gap"],
        about: "Stop such a recording this long after the last crossing.",
    },
    Key {
        section: "retention",
        name: "snapshots_age",
        kind: ValueKind::TimeOrNever(LEAST_AGE, |c, time| c.retention.snapshots_age = time),
        default: r#""never""#,
        aliases: &["snapshots_days"],
        about: "Delete snapshots after this time, for example \"90d\".",
    },
    Key {
        section: "retention",
        name: "snapshots_size",
        kind: ValueKind::SizeOrUnlimited(LEAST_SIZE, |c, bytes| c.retention.snapshots_size = bytes),
        default: r#""unlimited""#,
        aliases: &["snapshots_bytes"],
        about: "Maximum size of all snapshots.",
    },
    Key {
        section: "retention",
        name: "recordings_age",
        kind: ValueKind::TimeOrNever(LEAST_AGE, |c, time| c.retention.recordings_age = time),
        default: r#""never""#,
        aliases: &["recordings_days", "max_age", "days"],
        about: "Delete recordings after this time, for example \"30d\".",
    },
    Key {
        section: "retention",
        name: "recordings_size",
        kind: ValueKind::SizeOrUnlimited(LEAST_SIZE, |c, bytes| c.retention.recordings_size = bytes),
        default: r#""unlimited""#,
        aliases: &["recordings_bytes", "max_total_size"],
        about: "Maximum size of all recordings.",
    },
    Key {
        section: "retention",
        name: "min_free",
        kind: ValueKind::Size(|c, bytes| c.retention.min_free = bytes),
        default: r#""500MB""#,
        aliases: &["free_space", "reserve"],
        about: "Keep this much of the disk free. \"0B\" fills the disk.",
    },
    Key {
        section: "picture",
        name: "gray",
        kind: ValueKind::Boolean(|c, yes| c.picture.gray = yes),
        default: "false",
        aliases: &["grayscale", "grey", "greyscale", "monochrome"],
        about: "Grayscale.",
    },
    Key {
        section: "picture",
        name: "scale",
        kind: ValueKind::Choice(&SCALE_WORDS, |c, at| c.picture.eighths = SCALES[at].1),
        default: r#""1""#,
        aliases: &["half_size", "resolution"],
        about: "Size for viewers: \"1\", \"1/2\", \"1/4\" or \"1/8\" of the camera's width and height.",
    },
    Key {
        section: "picture",
        name: "rotate",
        kind: ValueKind::OneOf(&ANGLES, |c, at| c.picture.rotate = ANGLES[at] as u16),
        default: "0",
        aliases: &["rotation", "orientation"],
        about: "Rotate clockwise by 0, 90, 180 or 270 degrees.",
    },
    Key {
        section: "picture",
        name: "mirror",
        kind: ValueKind::Boolean(|c, yes| c.picture.mirror = yes),
        default: "false",
        aliases: &["hflip", "flip_horizontal"],
        about: "Swap left and right, after rotation.",
    },
    Key {
        section: "picture",
        name: "flip",
        kind: ValueKind::Boolean(|c, yes| c.picture.flip = yes),
        default: "false",
        aliases: &["vflip", "flip_vertical"],
        about: "Swap top and bottom, after rotation.",
    },
    Key {
        section: "picture",
        name: "crop",
        kind: ValueKind::Crop(|c, crop| c.picture.crop = crop),
        default: r#""none""#,
        aliases: &["roi", "region", "region_of_interest", "zoom"],
        about: "Crop, after rotation.",
    },
    Key {
        section: "picture",
        name: "text",
        kind: ValueKind::Line(200, |c, text| c.picture.text = text),
        default: r#""""#,
        aliases: &["overlay", "caption"],
        about: "Text in the picture.",
    },
    Key {
        section: "picture",
        name: "timestamp",
        kind: ValueKind::Boolean(|c, yes| c.picture.timestamp = yes),
        default: "false",
        aliases: &["time_stamp", "clock", "date"],
        about: "Date and time in the picture.",
    },
    Key {
        section: "lens",
        name: "kind",
        kind: ValueKind::Choice(&LENS_WORDS, |c, at| c.lens.kind = LENSES[at].1),
        default: r#""auto""#,
        aliases: &["backend", "type"],
        about: "Focus control: \"auto\" by what the camera offers, \"v4l2\", \"sim\" for a simulated lens, \
                \"none\" for manual focus.",
    },
    Key {
        section: "lights",
        name: "kind",
        kind: ValueKind::Choice(&LIGHT_WORDS, |c, at| c.lights.kind = LIGHTS[at].1),
        default: r#""none""#,
        aliases: &["backend", "type", "lighttype"],
        about: "Light type.\n\
                \x20 \"none\"  no light\n\
                \x20 \"spi\"   NeoPixels at the SPI bus (GPIO 10): every Pi, without root\n\
                \x20 \"pwm\"   NeoPixels at a PWM or PCM pin (GPIO 18): needs root, not on a Pi 5\n\
                \x20 \"gpio\"  a lamp switched by a pin\n\
                \x20 \"sim\"   a simulated strip on the page",
    },
    Key {
        section: "lights",
        name: "pixels",
        kind: ValueKind::Integer(1, 1000, |c, n| c.lights.pixels = n.try_into().unwrap_or(1)),
        default: "16",
        aliases: &["count", "leds", "numlights", "num_leds", "length"],
        about: "Number of pixels on the strip.",
    },
    Key {
        section: "lights",
        name: "order",
        kind: ValueKind::Choice(&ORDER_WORDS, |c, at| c.lights.order = ORDERS[at].1),
        default: r#""GRB""#,
        aliases: &["color_order", "strip_type"],
        about: "Order of colours: \"GRB\" (WS2812), \"RGB\", \"BGR\"; with white \"GRBW\" (SK6812), \"RGBW\", \
                \"BGRW\".",
    },
    Key {
        section: "lights",
        name: "device",
        kind: ValueKind::Path(|c, path| c.lights.device = path),
        default: r#""/dev/spidev0.0""#,
        aliases: &["spi", "spidev"],
        about: "For \"spi\": the device of the bus.",
    },
    Key {
        section: "lights",
        name: "pin",
        kind: ValueKind::AutoInteger(0, 53, |c, n| c.lights.pin = n.and_then(|n| n.try_into().ok())),
        default: r#""auto""#,
        aliases: &["gpio", "gpio_pin"],
        about: "For \"pwm\" and \"gpio\": the GPIO number. \"auto\" is 18 for \"pwm\", 17 for \"gpio\".",
    },
    Key {
        section: "lights",
        name: "chip",
        kind: ValueKind::Path(|c, path| c.lights.chip = path),
        default: r#""""#,
        aliases: &["gpiochip"],
        about: "For \"gpio\" on other machines than a Pi: the character device, such as /dev/gpiochip0.",
    },
    Key {
        section: "lights",
        name: "active_low",
        kind: ValueKind::Boolean(|c, yes| c.lights.active_low = yes),
        default: "false",
        aliases: &["inverted", "invert"],
        about: "For \"gpio\": on while the pin is low.",
    },
    Key {
        section: "lights",
        name: "limit",
        kind: ValueKind::Integer(1, 255, |c, n| c.lights.limit = n.try_into().unwrap_or(255)),
        default: "255",
        aliases: &["brightness_limit", "max_brightness"],
        about: "Brightness limit, for your power supply.",
    },
    Key {
        section: "lights",
        name: "gamma",
        kind: ValueKind::Number(0.2, 5.0, |c, gamma| c.lights.gamma = gamma),
        default: "1",
        aliases: &["gamma_correction"],
        about: "Gamma correction: 1 is linear, 2.2 looks even to the eye.",
    },
    Key {
        section: "lights",
        name: "on",
        kind: ValueKind::Boolean(|c, yes| c.lights.on = yes),
        default: "false",
        aliases: &["light", "state"],
        about: "Whether the light is on.",
    },
    Key {
        section: "lights",
        name: "brightness",
        kind: ValueKind::Integer(0, 255, |c, n| c.lights.brightness = n.try_into().unwrap_or(255)),
        default: "255",
        aliases: &["level"],
        about: "Brightness.",
    },
    Key {
        section: "lights",
        name: "color",
        kind: ValueKind::Color(|c, color| c.lights.color = color),
        default: r#""FFFFFF""#,
        aliases: &["colour", "rgb"],
        about: "Colour.",
    },
    Key {
        section: "lights",
        name: "ranges",
        kind: ValueKind::Ranges(|c, ranges| c.lights.ranges = ranges),
        default: "[]",
        aliases: &["segments", "pixel_colors"],
        about: "Pixels with their own colour, while the light is on. The first pixel is 0.",
    },
    Key {
        section: "lights",
        name: "status",
        kind: ValueKind::Boolean(|c, yes| c.lights.status = yes),
        default: "false",
        aliases: &["status_light", "indicator"],
        about: "Use the first pixel as status LED: red camera lost, blue recording, amber disk full.",
    },
    Key {
        section: "lights",
        name: "shot",
        kind: ValueKind::Boolean(|c, yes| c.lights.shot = yes),
        default: "false",
        aliases: &["flash", "light_for_the_shot"],
        about: "Full light for snapshots, then as before.",
    },
    Key {
        section: "lights",
        name: "settle",
        kind: ValueKind::Time(Duration::ZERO, from_seconds(10), |c, time| c.lights.settle = time),
        default: r#""300ms""#,
        aliases: &["settle_time", "shot_settle"],
        about: "Time for the exposure to settle in that light.",
    },
    Key {
        section: "lights",
        name: "auto_below",
        kind: ValueKind::NumberOr("off", 1.0, 254.0, |c, below| c.lights.auto_below = below),
        default: r#""off""#,
        aliases: &["auto", "auto_light"],
        about: "Automatic light when the picture without it is darker than this, of 255.",
    },
    Key {
        section: "lights",
        name: "old_status",
        kind: ValueKind::Choice(&OLD_STATUS_WORDS, |c, at| c.lights.old_status_as_program = at == 1),
        default: r#""documented""#,
        aliases: &[],
        about: "Meaning of /light?status=false, for programs of the earlier Flask program: \"documented\" \
                switches on, as its documentation said; \"program\" switches off, as it did.",
    },
    Key {
        section: "privacy",
        name: "counts_only",
        kind: ValueKind::Boolean(|c, yes| c.privacy.counts_only = yes),
        default: "false",
        aliases: &["no_images", "private"],
        about: "Privacy mode: counts only. Stream, snapshots and recordings answer 403. Only the line editor \
                gets an image, every ten seconds at most, for users who may edit lines.",
    },
    Key {
        section: "http",
        name: "listen",
        kind: ValueKind::Listen(|c, listens| c.http.listen = listens),
        default: r#"["0.0.0.0:8080"]"#,
        aliases: &["port", "host", "bind", "addresses"],
        about: "Addresses. 0.0.0.0 is every IPv4 address, [::] every IPv6 address, 127.0.0.1 this machine \
                only, unix:/PATH a socket for a reverse proxy. https:// before an address serves HTTPS. \
                Sockets from systemd replace this list.",
    },
    Key {
        section: "http",
        name: "certificate",
        kind: ValueKind::Path(|c, path| c.http.certificate = path),
        default: r#""""#,
        aliases: &["cert", "ssl_cert", "tls_cert", "certificate_file", "fullchain"],
        about: "For https://: the certificate with its chain, PEM. A renewed file is read by itself. Empty: \
                self-signed, which browsers warn of.",
    },
    Key {
        section: "http",
        name: "key",
        kind: ValueKind::Path(|c, path| c.http.key = path),
        default: r#""""#,
        aliases: &["ssl_key", "tls_key", "private_key", "key_file", "privkey"],
        about: "The certificate's private key, PEM, readable by tallycam's user.",
    },
    Key {
        section: "http",
        name: "redirect",
        kind: ValueKind::Boolean(|c, yes| c.http.redirect = yes),
        default: "true",
        aliases: &["force_https", "https_redirect", "https_only"],
        about: "Redirect plain HTTP from other machines to HTTPS, if there is an https:// address. Set false \
                for programs without HTTPS.",
    },
    Key {
        section: "http",
        name: "max_connections",
        kind: ValueKind::Integer(1, 20_000, |c, n| {
            c.http.max_connections = n.try_into().unwrap_or(usize::MAX)
        }),
        default: "512",
        aliases: &["connections"],
        about: "Maximum number of connections, streams included. Further clients get 503.",
    },
    Key {
        section: "http",
        name: "max_head",
        kind: ValueKind::Integer(8192, 65_536, |c, n| c.http.max_head = n.try_into().unwrap_or(8192)),
        default: "8192",
        aliases: &["max_header", "max_headers", "max_header_size"],
        about: "Maximum size of a request head in bytes. Raise it only if a proxy adds long headers (status 431).",
    },
    Key {
        section: "http",
        name: "head_timeout",
        kind: ValueKind::Time(from_seconds(1), from_seconds(300), |c, time| c.http.head_timeout = time),
        default: r#""10s""#,
        aliases: &["header_timeout", "request_timeout"],
        about: "Time limit for receiving a request.",
    },
    Key {
        section: "http",
        name: "keep_alive",
        kind: ValueKind::Time(from_seconds(1), from_seconds(3600), |c, time| c.http.keep_alive = time),
        default: r#""1m""#,
        aliases: &["keepalive", "idle_timeout"],
        about: "Idle timeout of connections. It does not apply to streams.",
    },
    Key {
        section: "http",
        name: "allow_origins",
        kind: ValueKind::Each(
            |c, origins| c.http.allow_origins = origins,
            origin::parse,
            "origins such as [\"https://panel.example\"]",
        ),
        default: "[]",
        aliases: &["cors", "cors_origins", "allowed_origins", "origins", "allow_origin"],
        about: "Origins whose scripts may read pictures, state and counts (CORS), but change nothing. An img \
                tag needs no entry.",
    },
    Key {
        section: "http",
        name: "names",
        kind: ValueKind::Each(|c, names| c.http.names = names, host, "names such as [\"cam.example.org\"]"),
        default: "[]",
        aliases: &["name", "hosts", "hostnames", "host_names", "server_name", "allowed_hosts"],
        about: "Additional host names of this camera, for example of a reverse proxy. Addresses, names \
                without dots, its own name, and .local, .lan, .internal and .home.arpa always work. Other \
                names get 421, against DNS rebinding.",
    },
    Key {
        section: "access",
        name: "view",
        kind: ValueKind::Choice(&VIEW_WORDS, |c, at| c.access.is_view_open = VIEWS[at].1),
        default: r#""open""#,
        aliases: &["watch", "look", "viewing"],
        about: "Who may see the live picture and the counts, once there is a password.\n\
                \x20 \"open\"      everyone on this network\n\
                \x20 \"password\"  signed-in users, tokens and signed links\n\
                Recordings, log and settings always need a password. With claim = \"network\" the default is \
                \"password\".",
    },
    Key {
        section: "access",
        name: "claim",
        kind: ValueKind::Choice(&CLAIM_WORDS, |c, at| c.access.is_claimed_by_network = CLAIMS[at].1),
        default: r#""here""#,
        aliases: &["first_password", "setup"],
        about: "Who chooses the first password. Read at the start.\n\
                \x20 \"here\"     the service makes one and writes it to the journal and the console\n\
                \x20 \"network\"  the first browser on the local network; until then every other request is refused.\n\
                \x20            The card image uses this",
    },
    Key {
        section: "access",
        name: "session",
        kind: ValueKind::Time(from_seconds(3600), from_seconds(1000 * 86_400), |c, time| {
            c.access.session = time
        }),
        default: r#""30d""#,
        aliases: &["session_length", "sign_in", "expiry"],
        about: "How long a sign-in lasts.",
    },
    Key {
        section: "access",
        name: "local",
        kind: ValueKind::Choice(&LOCAL_WORDS, |c, at| c.access.is_local_open = LOCALS[at].1),
        default: r#""password""#,
        aliases: &["localhost", "loopback"],
        about: "Whether browsers and programs on this machine need the password.\n\
                \x20 \"password\"  they do, except over a Unix socket and for the command line as root or the service\n\
                \x20 \"open\"      they do not. Only if nothing here forwards connections: no reverse proxy, ssh -R or\n\
                \x20             container",
    },
    Key {
        section: "power",
        name: "key",
        kind: ValueKind::Secret(SHORTEST_POWER_KEY, |c, text| c.power.key = text),
        default: r#""""#,
        aliases: &["userkey", "user_key", "password"],
        about: "Key for /shutdown?key= and /reboot?key=, for programs of the earlier Flask program. It is \
                never shown or logged. Without it these addresses are off.",
    },
    Key {
        section: "update",
        name: "key",
        kind: ValueKind::Line(100, |c, text| c.update.key = text),
        default: r#""""#,
        aliases: &["public_key", "minisign"],
        about: "Public key (minisign) of updates: the second line of the .pub file. Without it the page accepts none.",
    },
    Key {
        section: "log",
        name: "level",
        kind: ValueKind::Choice(&LEVEL_WORDS, |c, at| c.log.level = LEVELS[at]),
        default: r#""info""#,
        aliases: &["verbosity", "loglevel", "log_level"],
        about: "Least important level: \"error\", \"warn\", \"info\", \"debug\" or \"trace\".",
    },
];
