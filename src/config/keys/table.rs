//! Every key of the configuration: a row each.

use std::time::Duration;

use super::super::kind::Kind;
use super::super::origin::{self, host};
use super::words::{
    ANGLES, CLAIM_WORDS, CLAIMS, DETECTOR_WORDS, DETECTORS, KIND_WORDS, KINDS, LENS_WORDS, LENSES,
    LEVEL_WORDS, LEVELS, LIGHT_WORDS, LIGHTS, LOCAL_WORDS, LOCALS, OLD_STATUS_WORDS, ORDER_WORDS, ORDERS,
    REGION_WORDS, REGIONS, SCALE_WORDS, SCALES, VIEW_WORDS, VIEWS,
};
use super::{Key, SHORTEST_POWER_KEY};

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Every key, in the order of the shipped file.
pub const KEYS: &[Key] = &[
    Key {
        section: "",
        name: "name",
        kind: Kind::Label(|c, text| c.name = text),
        default: r#""camera""#,
        aliases: &["title", "camera_name"],
        about: "The camera's name: it stands on the page and in every figure that is exported. Give each \
                camera its own when you have more than one.",
    },
    Key {
        section: "source",
        name: "kind",
        kind: Kind::Choice(&KIND_WORDS, |c, at| c.source.kind = KINDS[at].1),
        default: r#""auto""#,
        aliases: &["type", "backend"],
        about: "Where the pictures come from.\n\
                \x20 \"auto\"       the first camera of this machine that works\n\
                \x20 \"v4l2\"       a USB camera or another video device (see device)\n\
                \x20 \"libcamera\"  a camera on a Raspberry Pi's ribbon cable (see device); wants the package\n\
                \x20              tallycam-libcamera\n\
                \x20 \"url\"        a network camera (see url)\n\
                \x20 \"exec\"       a program that writes MJPEG to its standard output (see command)\n\
                \x20 \"files\"      pictures or a clip from a folder or file (see path)\n\
                \x20 \"sim\"        a drawn scene with people and vehicles, for trying things out",
    },
    Key {
        section: "source",
        name: "device",
        kind: Kind::Device(|c, device| c.source.device = device),
        default: r#""""#,
        aliases: &["camera", "video", "dev", "input"],
        about: "For \"v4l2\": which camera. A path (\"/dev/video0\"), a number (0 means /dev/video0), or best \
                a name from /dev/v4l/by-id, which stays the same when cameras are plugged in another order. For \
                \"libcamera\": its model (\"imx708\") or libcamera's name of it. Empty: the first camera.",
    },
    Key {
        section: "source",
        name: "url",
        kind: Kind::Url(|c, url| c.source.url = url),
        default: r#""""#,
        aliases: &["uri", "address"],
        about: "For \"url\": the address of the network camera's MJPEG stream or of its still picture, which \
                is then fetched again and again. An rtsp:// address needs ffmpeg on this machine.",
    },
    Key {
        section: "source",
        name: "username",
        kind: Kind::Text(|c, text| c.source.username = text),
        default: r#""""#,
        aliases: &["user", "login"],
        about: "For \"url\": the user's name the network camera asks for, if it asks.",
    },
    Key {
        section: "source",
        name: "password",
        kind: Kind::Secret(0, |c, text| c.source.password = text),
        default: r#""""#,
        aliases: &["pass", "passwd"],
        about: "For \"url\": the password that goes with username. It is never shown or logged. This file \
                should then be readable by tallycam only; the environment is another place for it.",
    },
    Key {
        section: "source",
        name: "command",
        kind: Kind::Command(|c, command| c.source.command = command),
        default: "[]",
        aliases: &["exec", "cmd", "program"],
        about: "For \"exec\": the program and its arguments, as a list or as one line with quotes where a \
                shell would want them. No shell runs it: there are no pipes, variables or wildcards. \
                For example:\n\
                \x20 command = \"rpicam-vid -t 0 -n --codec mjpeg -o -\"\n\
                \x20 command = [\"ffmpeg\", \"-i\", \"rtsp://10.0.0.7/main\", \"-f\", \"mjpeg\", \"-\"]",
    },
    Key {
        section: "source",
        name: "path",
        kind: Kind::Path(|c, path| c.source.path = path),
        default: r#""""#,
        aliases: &["file", "folder", "directory", "dir"],
        about: "For \"files\": a folder of JPEG pictures, a text file that lists some, an MJPEG file, or an \
                AVI file with MJPEG. A relative path is seen from where tallycam was started.",
    },
    Key {
        section: "source",
        name: "loop",
        kind: Kind::Boolean(|c, yes| c.source.looped = yes),
        default: "true",
        aliases: &["looped", "repeat"],
        about: "For \"files\": whether to begin again at the end.",
    },
    Key {
        section: "source",
        name: "speed",
        kind: Kind::Choice(&["real", "full"], |c, at| c.source.real_time = at == 0),
        default: r#""real""#,
        aliases: &["pace", "realtime", "real_time"],
        about: "For \"files\" and \"sim\": \"real\" keeps the time of the recording; \"full\" goes as fast as \
                this machine can.",
    },
    Key {
        section: "source",
        name: "seed",
        kind: Kind::Integer(0, i64::MAX, |c, n| c.source.seed = n.unsigned_abs()),
        default: "1",
        aliases: &[],
        about: "For \"sim\": the same number draws the same scene.",
    },
    Key {
        section: "source",
        name: "width",
        kind: Kind::AutoInteger(16, 8192, |c, n| c.source.width = n.and_then(|n| n.try_into().ok())),
        default: r#""auto""#,
        aliases: &["resolution", "size"],
        about: "Width of the picture in pixels. A camera that has no such size gives the nearest it has, and \
                the page says so. \"auto\" leaves the choice to the camera.",
    },
    Key {
        section: "source",
        name: "height",
        kind: Kind::AutoInteger(16, 8192, |c, n| c.source.height = n.and_then(|n| n.try_into().ok())),
        default: r#""auto""#,
        aliases: &[],
        about: "Height of the picture in pixels.",
    },
    Key {
        section: "source",
        name: "fps",
        kind: Kind::AutoNumber(0.01, 240.0, |c, n| c.source.fps = n),
        default: r#""auto""#,
        aliases: &["framerate", "frame_rate", "desired_fps", "rate"],
        about: "Pictures a second that are asked of the camera, fractions allowed. Fewer cost less: 15 look \
                fluent, 5 are enough for a shop window.",
    },
    Key {
        section: "source",
        name: "format",
        kind: Kind::Format(|c, format| c.source.format = format),
        default: r#""auto""#,
        aliases: &["pixel_format", "pixelformat", "fourcc", "encoding"],
        about: "Pixel format that is asked of the camera. \"auto\" takes MJPG where the camera has it: its \
                pictures go to the viewers untouched, at next to no cost.",
    },
    Key {
        section: "source",
        name: "silent_after",
        kind: Kind::Time(Duration::from_millis(500), seconds(60), |c, time| c.source.silent_after = time),
        default: r#""3s""#,
        aliases: &["timeout", "device_timeout"],
        about: "A camera that sends nothing for so long counts as silent: viewers see a card that says so, \
                and the camera is opened anew. Raise it for cameras slower than one picture in three seconds. The \
                first picture of a network camera or a program may take 15 s, or this where it is longer.",
    },
    Key {
        section: "source",
        name: "failed_reads",
        kind: Kind::Integer(1, 1000, |c, n| c.source.failed_reads = n.try_into().unwrap_or(u32::MAX)),
        default: "3",
        aliases: &["max_failures", "device_error_delay"],
        about: "So many failed reads in a row (no picture, a broken picture, a camera that does not open) \
                make /health answer False, once the page, too, says that the camera is in trouble. The first good \
                picture makes it True again.",
    },
    Key {
        section: "stream",
        name: "quality",
        kind: Kind::Integer(1, 100, |c, n| c.stream.quality = n.try_into().unwrap_or(100)),
        default: "80",
        aliases: &["jpeg_quality"],
        about: "JPEG quality of pictures that tallycam compresses itself. A camera's own JPEGs (MJPG) are \
                passed on as they are. 80 looks good; 60 halves the traffic.",
    },
    Key {
        section: "stream",
        name: "fps",
        kind: Kind::AutoNumber(0.01, 240.0, |c, n| c.stream.fps = n),
        default: r#""auto""#,
        aliases: &["max_fps"],
        about: "At most so many pictures a second for everyone, whatever the camera gives. A single viewer \
                can ask for fewer with /stream?fps=5.",
    },
    Key {
        section: "stream",
        name: "idle_stop",
        kind: Kind::TimeOrNever(|c, time| c.stream.idle_stop = time),
        default: r#""30s""#,
        aliases: &["idle", "idle_timeout", "slowdown"],
        about: "The camera is closed so long after the last viewer left, and opened again for the next one. \
                Home Assistant asks for a still picture every 10 seconds: keep it longer than that, or the \
                camera opens each time. \"never\" keeps it open once it was opened.",
    },
    Key {
        section: "stream",
        name: "max_viewers",
        kind: Kind::Integer(1, 10_000, |c, n| c.stream.max_viewers = n.try_into().unwrap_or(usize::MAX)),
        default: "200",
        aliases: &["viewers", "max_clients", "max_streams"],
        about: "So many streams at once; who comes later is told to try again.",
    },
    Key {
        section: "stream",
        name: "stall",
        kind: Kind::Time(seconds(1), seconds(300), |c, time| c.stream.stall = time),
        default: r#""5s""#,
        aliases: &["stall_timeout"],
        about: "A viewer that takes nothing for so long is let go. One that is merely slow skips pictures \
                and stays.",
    },
    Key {
        section: "detect",
        name: "backend",
        kind: Kind::Choice(&DETECTOR_WORDS, |c, at| c.detect.backend = DETECTORS[at].1),
        default: r#""auto""#,
        aliases: &["detector", "kind", "engine"],
        about: "What looks at the pictures.\n\
                \x20 \"auto\"    a model where one is found, motion where none is and for the simulated scene\n\
                \x20 \"onnx\"    a model that tells people, cars and more apart (see model)\n\
                \x20 \"motion\"  whatever moves against its background, at a fraction of the cost; the camera\n\
                \x20           must stand still\n\
                \x20 \"replay\"  recorded detections (see replay)\n\
                \x20 \"none\"    nothing is counted",
    },
    Key {
        section: "detect",
        name: "model",
        kind: Kind::Text(|c, model| c.detect.model = model),
        default: r#""""#,
        aliases: &["onnx", "weights", "network"],
        about: "The model: a name that `tallycam model list` lists, or the path of an ONNX file. Empty: the \
                one chosen on the page, else the one that comes with tallycam.",
    },
    Key {
        section: "detect",
        name: "size",
        kind: Kind::AutoPixels(64, 2048, |c, size| c.detect.size = size),
        default: r#""auto""#,
        aliases: &["input_size", "resolution", "imgsz"],
        about: "The size in pixels at which the model looks, for models that take any. More pixels find smaller things \
                and take longer in proportion. \"far\" is \"512x384\": with the model that comes with tallycam it counts \
                people who are small in the picture better, takes twice the time of its \"300x300\", and may count those \
                twice who fill the picture. \"auto\" is what the model's description says.",
    },
    Key {
        section: "detect",
        name: "region",
        kind: Kind::Choice(&REGION_WORDS, |c, at| c.detect.at_lines = REGIONS[at].1),
        default: r#""auto""#,
        aliases: &["window", "crop"],
        about: "The part of the picture that a model looks at.\n\
                \x20 \"line\"     what is around lines and zones: things there are larger, and small ones are found\n\
                \x20 \"picture\"  all of it\n\
                \x20 \"auto\"     what suits the model: \"line\" for the one that comes with tallycam",
    },
    Key {
        section: "detect",
        name: "threads",
        kind: Kind::Integer(1, 16, |c, n| c.detect.threads = n.try_into().unwrap_or(1)),
        default: "1",
        aliases: &["cores", "workers"],
        about: "So many processor cores work on one picture. More are faster and leave less for everything else.",
    },
    Key {
        section: "detect",
        name: "fps",
        kind: Kind::AutoNumber(0.1, 60.0, |c, n| c.detect.fps = n),
        default: r#""auto""#,
        aliases: &["rate", "looks"],
        about: "At most so many looks a second; fewer where the machine is slower. \"auto\" is 10 with a model, 5 with one \
                that looks around lines and takes more than 60 ms a look, and 15 with motion. Below 5, people who walk \
                fast may be missed.",
    },
    Key {
        section: "detect",
        name: "classes",
        kind: Kind::Words(|c, words| c.detect.classes = words),
        default: "[]",
        aliases: &["labels", "class", "objects"],
        about: "What is looked for, by the names of the model's classes. Empty: what the model's description \
                names. A line may count fewer.",
    },
    Key {
        section: "detect",
        name: "score",
        kind: Kind::AutoNumber(0.01, 1.0, |c, n| c.detect.score = n),
        default: r#""auto""#,
        aliases: &["threshold", "confidence", "conf"],
        about: "How sure the model must be before it follows something new. \"auto\" is what suits the model.",
    },
    Key {
        section: "detect",
        name: "least_height",
        kind: Kind::AutoNumber(0.01, 1.0, |c, n| c.detect.least_height = n),
        default: r#""auto""#,
        aliases: &["min_height"],
        about: "What is lower than this share of the picture's height is not followed: 0.1 is a tenth. \"auto\" is \
                any height.",
    },
    Key {
        section: "detect",
        name: "most_height",
        kind: Kind::AutoNumber(0.01, 1.0, |c, n| c.detect.most_height = n),
        default: r#""auto""#,
        aliases: &["max_height"],
        about: "What is higher than this share of the picture's height is not followed. \"auto\" is any height.",
    },
    Key {
        section: "detect",
        name: "replay",
        kind: Kind::Path(|c, path| c.detect.replay = path),
        default: r#""""#,
        aliases: &["detections"],
        about: "For \"replay\": a file of recorded detections, as CSV with the columns frame, class, score, x1, \
                y1, x2, y2 (pixels; the first frame is 1).",
    },
    Key {
        section: "detect",
        name: "thumbnails",
        kind: Kind::Boolean(|c, yes| c.detect.thumbnails = yes),
        default: "false",
        aliases: &["crops"],
        about: "Keep a small picture of whoever crosses a line, to look through later, of the last 10 000 crossings.",
    },
    Key {
        section: "counts",
        name: "time_zone",
        kind: Kind::Zone(|c, zone| c.counts.time_zone = zone),
        default: r#""auto""#,
        aliases: &["timezone", "tz", "zone"],
        about: "The time zone in which hours and days are told. \"auto\" is the system's. What was counted \
                before is summed up anew when it changes.",
    },
    Key {
        section: "counts",
        name: "day_starts",
        kind: Kind::Integer(0, 23, |c, n| c.counts.day_starts = n.try_into().unwrap_or(0)),
        default: "0",
        aliases: &["day_start", "reset_hour"],
        about: "The hour at which a day begins: 4 for a bar whose evening ends at three.",
    },
    Key {
        section: "store",
        name: "directory",
        kind: Kind::Path(|c, path| c.store.directory = path),
        default: r#""""#,
        aliases: &["path", "folder", "database", "data"],
        about: "The directory of counts.db and media.db. Empty: where systemd keeps the state of services \
                (/var/lib/tallycam, of tallycam@NAME /var/lib/tallycam-NAME); ./data where it was not systemd \
                that started it and the configuration is not in /etc/tallycam.",
    },
    Key {
        section: "snapshot",
        name: "warm_up",
        kind: Kind::Integer(0, 300, |c, n| c.snapshot.warm_up = n.try_into().unwrap_or(0)),
        default: "3",
        aliases: &["warmup", "skip_frames", "discard"],
        about: "So many frames after the camera's opening are no snapshot yet: its exposure settles meanwhile.",
    },
    Key {
        section: "record",
        name: "fps",
        kind: Kind::AutoNumber(0.01, 240.0, |c, n| c.record.fps = n),
        default: r#""auto""#,
        aliases: &["record_fps"],
        about: "At most so many pictures a second are recorded. \"auto\" is every one.",
    },
    Key {
        section: "record",
        name: "max_duration",
        kind: Kind::TimeOrNever(|c, time| c.record.max_duration = time),
        default: r#""1h""#,
        aliases: &["duration", "max_movie_time"],
        about: "A recording ends after this time, in case nobody ends it. \"never\": when somebody does.",
    },
    Key {
        section: "record",
        name: "max_size",
        kind: Kind::SizeOrUnlimited(|c, bytes| c.record.max_size = bytes),
        default: r#""unlimited""#,
        aliases: &["max_bytes"],
        about: "A recording ends when it has so many bytes.",
    },
    Key {
        section: "record",
        name: "pre_roll",
        kind: Kind::Time(seconds(0), seconds(60), |c, time| c.record.pre_roll = time),
        default: r#""0s""#,
        aliases: &["pre_capture", "preroll", "pre_record"],
        about: "So much of what was before it goes into a recording, as far as 16 MB go. It is held in memory, and \
                the camera stays awake for it.",
    },
    Key {
        section: "record",
        name: "on_crossing",
        kind: Kind::Words(|c, words| c.record.on_crossing = words),
        default: "[]",
        aliases: &["on_event", "on_line"],
        about: "Names of the lines whose crossings start a recording; \"*\" is every line. Empty: none does.",
    },
    Key {
        section: "record",
        name: "after_crossing",
        kind: Kind::Time(seconds(1), seconds(600), |c, time| c.record.after_crossing = time),
        default: r#""10s""#,
        aliases: &["post_roll", "post_capture", "event_gap"],
        about: "A recording that a crossing has started ends so long after the last crossing.",
    },
    Key {
        section: "retention",
        name: "snapshots_age",
        kind: Kind::TimeOrNever(|c, time| c.retention.snapshots_age = time),
        default: r#""never""#,
        aliases: &["snapshots_days"],
        about: "Snapshots go when they have been here for so long, for example \"90d\". What is marked as kept stays.",
    },
    Key {
        section: "retention",
        name: "snapshots_size",
        kind: Kind::SizeOrUnlimited(|c, bytes| c.retention.snapshots_size = bytes),
        default: r#""unlimited""#,
        aliases: &["snapshots_bytes"],
        about: "Snapshots together are at most so large; the oldest go first.",
    },
    Key {
        section: "retention",
        name: "recordings_age",
        kind: Kind::TimeOrNever(|c, time| c.retention.recordings_age = time),
        default: r#""never""#,
        aliases: &["recordings_days", "max_age", "days"],
        about: "Recordings go when they have been here for so long, for example \"30d\".",
    },
    Key {
        section: "retention",
        name: "recordings_size",
        kind: Kind::SizeOrUnlimited(|c, bytes| c.retention.recordings_size = bytes),
        default: r#""unlimited""#,
        aliases: &["recordings_bytes", "max_total_size"],
        about: "Recordings together are at most so large; the oldest go first.",
    },
    Key {
        section: "retention",
        name: "min_free",
        kind: Kind::Size(|c, bytes| c.retention.min_free = bytes),
        default: r#""500MB""#,
        aliases: &["free_space", "reserve"],
        about: "So much of the disk stays free: before it is used, the oldest recordings and snapshots go. \"0B\": \
                until the disk is full.",
    },
    Key {
        section: "picture",
        name: "gray",
        kind: Kind::Boolean(|c, yes| c.picture.gray = yes),
        default: "false",
        aliases: &["grayscale", "grey", "greyscale", "monochrome"],
        about: "Without colour.",
    },
    Key {
        section: "picture",
        name: "scale",
        kind: Kind::Choice(&SCALE_WORDS, |c, at| c.picture.eighths = SCALES[at].1),
        default: r#""1""#,
        aliases: &["half_size", "resolution"],
        about: "How large viewers see it: \"1\", \"1/2\", \"1/4\" or \"1/8\" of the camera's width and height.",
    },
    Key {
        section: "picture",
        name: "rotate",
        kind: Kind::OneOf(&ANGLES, |c, at| c.picture.rotate = ANGLES[at] as u16),
        default: "0",
        aliases: &["rotation", "orientation"],
        about: "Turned clockwise by so many degrees: 0, 90, 180 or 270.",
    },
    Key {
        section: "picture",
        name: "mirror",
        kind: Kind::Boolean(|c, yes| c.picture.mirror = yes),
        default: "false",
        aliases: &["hflip", "flip_horizontal"],
        about: "Left and right are swapped, after it was turned.",
    },
    Key {
        section: "picture",
        name: "flip",
        kind: Kind::Boolean(|c, yes| c.picture.flip = yes),
        default: "false",
        aliases: &["vflip", "flip_vertical"],
        about: "Top and bottom are swapped, after it was turned.",
    },
    Key {
        section: "picture",
        name: "crop",
        kind: Kind::Crop(|c, crop| c.picture.crop = crop),
        default: r#""none""#,
        aliases: &["roi", "region", "region_of_interest", "zoom"],
        about: "The part that is shown, after turning: [left, top, width, height] as fractions of the picture, such as \
                [0.25, 0.25, 0.5, 0.5]; \"none\" for all of it.",
    },
    Key {
        section: "picture",
        name: "text",
        kind: Kind::Line(200, |c, text| c.picture.text = text),
        default: r#""""#,
        aliases: &["overlay", "caption"],
        about: "Words that are written into the picture, at most 200 characters.",
    },
    Key {
        section: "picture",
        name: "timestamp",
        kind: Kind::Boolean(|c, yes| c.picture.timestamp = yes),
        default: "false",
        aliases: &["time_stamp", "clock", "date"],
        about: "Date and time are written into the picture.",
    },
    Key {
        section: "lens",
        name: "kind",
        kind: Kind::Choice(&LENS_WORDS, |c, at| c.lens.kind = LENSES[at].1),
        default: r#""auto""#,
        aliases: &["backend", "type"],
        about: "How it is focused: \"auto\" as the camera offers it, \"v4l2\", \"sim\" for a simulated \
                one, \"none\" for a lens that is set by hand.",
    },
    Key {
        section: "lights",
        name: "kind",
        kind: Kind::Choice(&LIGHT_WORDS, |c, at| c.lights.kind = LIGHTS[at].1),
        default: r#""none""#,
        aliases: &["backend", "type", "lighttype"],
        about: "What is there: \"none\"; \"spi\", NeoPixels at a pin of an SPI bus (GPIO 10), on every Pi and without \
                root; \"pwm\", NeoPixels at a PWM or PCM pin (GPIO 18), with root and not on a Pi 5; \"gpio\", a lamp \
                that a pin switches; \"sim\", a simulated strip on the page.",
    },
    Key {
        section: "lights",
        name: "pixels",
        kind: Kind::Integer(1, 1000, |c, n| c.lights.pixels = n.try_into().unwrap_or(1)),
        default: "16",
        aliases: &["count", "leds", "numlights", "num_leds", "length"],
        about: "So many pixels the strip has.",
    },
    Key {
        section: "lights",
        name: "order",
        kind: Kind::Choice(&ORDER_WORDS, |c, at| c.lights.order = ORDERS[at].1),
        default: r#""GRB""#,
        aliases: &["color_order", "strip_type"],
        about: "In which order a pixel takes its colours: \"GRB\" (WS2812), \"RGB\", \"BGR\", and with a white one \
                \"GRBW\" (SK6812), \"RGBW\", \"BGRW\".",
    },
    Key {
        section: "lights",
        name: "device",
        kind: Kind::Path(|c, path| c.lights.device = path),
        default: r#""/dev/spidev0.0""#,
        aliases: &["spi", "spidev"],
        about: "For \"spi\": the bus's device.",
    },
    Key {
        section: "lights",
        name: "pin",
        kind: Kind::AutoInteger(0, 53, |c, n| c.lights.pin = n.and_then(|n| n.try_into().ok())),
        default: r#""auto""#,
        aliases: &["gpio", "gpio_pin"],
        about: "For \"pwm\" and \"gpio\": the pin's GPIO number. \"auto\" is 18 for \"pwm\" and 17 for \"gpio\".",
    },
    Key {
        section: "lights",
        name: "chip",
        kind: Kind::Path(|c, path| c.lights.chip = path),
        default: r#""""#,
        aliases: &["gpiochip"],
        about: "For \"gpio\" on a machine that is no Pi: the character device of the pin, such as /dev/gpiochip0.",
    },
    Key {
        section: "lights",
        name: "active_low",
        kind: Kind::Boolean(|c, yes| c.lights.active_low = yes),
        default: "false",
        aliases: &["inverted", "invert"],
        about: "For \"gpio\": the lamp is on while the pin is low.",
    },
    Key {
        section: "lights",
        name: "limit",
        kind: Kind::Integer(1, 255, |c, n| c.lights.limit = n.try_into().unwrap_or(255)),
        default: "255",
        aliases: &["brightness_limit", "max_brightness"],
        about: "No light is brighter than this of 255, whatever is asked for: what the power supply bears.",
    },
    Key {
        section: "lights",
        name: "gamma",
        kind: Kind::Number(0.2, 5.0, |c, gamma| c.lights.gamma = gamma),
        default: "1",
        aliases: &["gamma_correction"],
        about: "Exponent from brightness as asked for to that of a pixel: 1 hands it on as it is, 2.2 looks even to \
                the eye.",
    },
    Key {
        section: "lights",
        name: "on",
        kind: Kind::Boolean(|c, yes| c.lights.on = yes),
        default: "false",
        aliases: &["light", "state"],
        about: "Whether the light is on; as it was left, where the page has switched it.",
    },
    Key {
        section: "lights",
        name: "brightness",
        kind: Kind::Integer(0, 255, |c, n| c.lights.brightness = n.try_into().unwrap_or(255)),
        default: "255",
        aliases: &["level"],
        about: "How bright it is.",
    },
    Key {
        section: "lights",
        name: "color",
        kind: Kind::Color(|c, color| c.lights.color = color),
        default: r#""FFFFFF""#,
        aliases: &["colour", "rgb"],
        about: "Its colour, red, green and blue as RRGGBB.",
    },
    Key {
        section: "lights",
        name: "ranges",
        kind: Kind::Ranges(|c, ranges| c.lights.ranges = ranges),
        default: "[]",
        aliases: &["segments", "pixel_colors"],
        about: "Pixels that shine in a colour of their own while the light is on, the first one being 0: \
                [\"0-3 FF0000\", \"7 0000FF\"].",
    },
    Key {
        section: "lights",
        name: "status",
        kind: Kind::Boolean(|c, yes| c.lights.status = yes),
        default: "false",
        aliases: &["status_light", "indicator"],
        about: "The first pixel tells how things are: red for a camera that is lost, blue while recording, amber for \
                a full disk.",
    },
    Key {
        section: "lights",
        name: "shot",
        kind: Kind::Boolean(|c, yes| c.lights.shot = yes),
        default: "false",
        aliases: &["flash", "light_for_the_shot"],
        about: "Full light for a snapshot, and as before after it.",
    },
    Key {
        section: "lights",
        name: "settle",
        kind: Kind::Time(Duration::ZERO, seconds(10), |c, time| c.lights.settle = time),
        default: r#""300ms""#,
        aliases: &["settle_time", "shot_settle"],
        about: "So long the camera gets to adjust to the light for a snapshot.",
    },
    Key {
        section: "lights",
        name: "auto_below",
        kind: Kind::NumberOrOff(1.0, 254.0, |c, below| c.lights.auto_below = below),
        default: r#""off""#,
        aliases: &["auto", "auto_light"],
        about: "The light goes on by itself where the picture without it is darker than this, of 255; \"off\": never.",
    },
    Key {
        section: "lights",
        name: "old_status",
        kind: Kind::Choice(&OLD_STATUS_WORDS, |c, at| c.lights.old_status_as_program = at == 1),
        default: r#""documented""#,
        aliases: &[],
        about: "What /light?status=false means, for programs written for the Flask one: \"documented\" switches the \
                light on, as its documentation said; \"program\" switches it off, as the program did.",
    },
    Key {
        section: "privacy",
        name: "counts_only",
        kind: Kind::Boolean(|c, yes| c.privacy.counts_only = yes),
        default: "false",
        aliases: &["no_images", "private"],
        about: "No picture is kept or served: stream, snapshot and recording answer 403, and only the line \
                editor of who may change something gets a still picture to draw on, a new one every ten \
                seconds at most. Counting goes on.",
    },
    Key {
        section: "http",
        name: "listen",
        kind: Kind::Listen(|c, listens| c.http.listen = listens),
        default: r#"["0.0.0.0:8080"]"#,
        aliases: &["port", "host", "bind", "addresses"],
        about: "Where to listen, as a list. 0.0.0.0 is every IPv4 address of this machine and [::] every \
                IPv6 address; 127.0.0.1 is this machine only; unix:/PATH is a socket for a web server in \
                front. With https:// before it, HTTPS is spoken at an address. Sockets that systemd hands over \
                replace this list.",
    },
    Key {
        section: "http",
        name: "certificate",
        kind: Kind::Path(|c, path| c.http.certificate = path),
        default: r#""""#,
        aliases: &["cert", "ssl_cert", "tls_cert", "certificate_file", "fullchain"],
        about: "For https:// addresses: the file of the certificate and of those between it and its authority, as \
                PEM. It is read anew when it changes. Empty: tallycam makes one by itself, which browsers warn of.",
    },
    Key {
        section: "http",
        name: "key",
        kind: Kind::Path(|c, path| c.http.key = path),
        default: r#""""#,
        aliases: &["ssl_key", "tls_key", "private_key", "key_file", "privkey"],
        about: "The file of the certificate's private key, as PEM. tallycam's user has to be able to read it.",
    },
    Key {
        section: "http",
        name: "redirect",
        kind: Kind::Boolean(|c, yes| c.http.redirect = yes),
        default: "true",
        aliases: &["force_https", "https_redirect", "https_only"],
        about: "Where there is an https:// address, who asks for something over plain HTTP from another machine is \
                sent there. Turn it off for programs that show the stream and know no HTTPS.",
    },
    Key {
        section: "http",
        name: "max_connections",
        kind: Kind::Integer(1, 20_000, |c, n| c.http.max_connections = n.try_into().unwrap_or(usize::MAX)),
        default: "512",
        aliases: &["connections"],
        about: "So many connections at once, streams included; who comes later is told to try again.",
    },
    Key {
        section: "http",
        name: "max_head",
        kind: Kind::Integer(8192, 65_536, |c, n| c.http.max_head = n.try_into().unwrap_or(8192)),
        default: "8192",
        aliases: &["max_header", "max_headers", "max_header_size"],
        about: "Longest request head in bytes. Raise it only when a web server in front adds very long \
                headers and requests are refused with status 431.",
    },
    Key {
        section: "http",
        name: "head_timeout",
        kind: Kind::Time(seconds(1), seconds(300), |c, time| c.http.head_timeout = time),
        default: r#""10s""#,
        aliases: &["header_timeout", "request_timeout"],
        about: "A request must have arrived in full after this time.",
    },
    Key {
        section: "http",
        name: "keep_alive",
        kind: Kind::Time(seconds(1), seconds(3600), |c, time| c.http.keep_alive = time),
        default: r#""1m""#,
        aliases: &["keepalive", "idle_timeout"],
        about: "A connection on which nothing is asked for so long is closed. Streams are not meant by this.",
    },
    Key {
        section: "http",
        name: "allow_origins",
        kind: Kind::Each(
            |c, origins| c.http.allow_origins = origins,
            origin::parse,
            "origins such as [\"https://panel.example\"]",
        ),
        default: "[]",
        aliases: &["cors", "cors_origins", "allowed_origins", "origins", "allow_origin"],
        about: "Web pages of these origins, such as \"https://panel.example\", may read pictures, state and counts by \
                script (CORS). They can change nothing. An img tag of any page shows the stream without this.",
    },
    Key {
        section: "http",
        name: "names",
        kind: Kind::Each(|c, names| c.http.names = names, host, "names such as [\"cam.example.org\"]"),
        default: "[]",
        aliases: &["name", "hosts", "hostnames", "host_names", "server_name", "allowed_hosts"],
        about: "Names that this camera is asked by, such as \"cam.example.org\" of a reverse proxy. Addresses, names without \
                dots, its own name and those that end with .local, .lan, .internal or .home.arpa count anyway; any other \
                name is refused (421), for a page elsewhere could have its own name lead here and read what is open.",
    },
    Key {
        section: "access",
        name: "view",
        kind: Kind::Choice(&VIEW_WORDS, |c, at| c.access.is_view_open = VIEWS[at].1),
        default: r#""open""#,
        aliases: &["watch", "look", "viewing"],
        about: "Who may look at the live picture and the counts, once there is a password.\n\
                \x20 \"open\"      anyone on this network may watch\n\
                \x20 \"password\"  only who has signed in, or has a token or a signed link\n\
                What is kept, the log and the settings take a password in any case. Where claim is \"network\", the \
                default is \"password\".",
    },
    Key {
        section: "access",
        name: "claim",
        kind: Kind::Choice(&CLAIM_WORDS, |c, at| c.access.is_claimed_by_network = CLAIMS[at].1),
        default: r#""here""#,
        aliases: &["first_password", "setup"],
        about: "Who chooses the first password. Read at the start.\n\
                \x20 \"here\"     a service makes one at its first start, and writes it to the journal and the console\n\
                \x20 \"network\"  the first browser on the local network that opens the page. Until then nothing else\n\
                \x20            is answered. The card image has it so: a Pi in a box has no console",
    },
    Key {
        section: "access",
        name: "session",
        kind: Kind::Time(seconds(3600), seconds(1000 * 86_400), |c, time| c.access.session = time),
        default: r#""30d""#,
        aliases: &["session_length", "sign_in", "expiry"],
        about: "Who signs in on the page stays signed in for so long.",
    },
    Key {
        section: "access",
        name: "local",
        kind: Kind::Choice(&LOCAL_WORDS, |c, at| c.access.is_local_open = LOCALS[at].1),
        default: r#""password""#,
        aliases: &["localhost", "loopback"],
        about: "Whether browsers and programs on this machine need the password, too, once there is one.\n\
                \x20 \"password\"  they do; only a Unix socket (see [http] listen) and the command line as root or\n\
                \x20             as the service's user need none\n\
                \x20 \"open\"      they do not. Only where nothing on this machine passes connections of others on:\n\
                \x20             no web server in front, ssh -R, HAProxy, container with a network of its own",
    },
    Key {
        section: "power",
        name: "key",
        kind: Kind::Secret(SHORTEST_POWER_KEY, |c, text| c.power.key = text),
        default: r#""""#,
        aliases: &["userkey", "user_key", "password"],
        about: "What /shutdown?key= and /reboot?key= have to say, for programs written for the Flask one. It is \
                never shown or logged. Without it they answer to nobody; the page's password does not need it.",
    },
    Key {
        section: "update",
        name: "key",
        kind: Kind::Line(100, |c, text| c.update.key = text),
        default: r#""""#,
        aliases: &["public_key", "minisign"],
        about: "The public key of minisign that updates are signed with: the second line of its .pub file. \
                Without it the page takes no updates.",
    },
    Key {
        section: "log",
        name: "level",
        kind: Kind::Choice(&LEVEL_WORDS, |c, at| c.log.level = LEVELS[at]),
        default: r#""info""#,
        aliases: &["verbosity", "loglevel", "log_level"],
        about: "The least important messages that are written: \"error\", \"warn\", \"info\", \"debug\" or \
                \"trace\".",
    },
];
