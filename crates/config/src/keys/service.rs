//! The keys of counting, storage and service.

use std::path::PathBuf;
use std::time::Duration;

use super::super::kind::{
    Addresses, AnyText, At, AutoPixels, Boolean, Choice, EachText, FilePath, Integer, LongTime, MaskAreas,
    Number, Or, SecretText, Size, TextLike, TextLine, Time, Url, Words, ZoneName,
};
use super::super::mqtt;
use super::super::origin::{self, host};
use super::super::{DetectorKind, Listen};
use super::row::PagePlace::{Advanced, Elsewhere, Shown};
use super::row::{Key, Section, seconds, section};
use super::words::{CLAIMS, DETECTORS, LEVELS, LOCALS, MQTT_HISTORIES, MQTT_PICTURES, REGIONS, VIEWS};

/// Minimum age and size in `[retention]`, and minimum size of a recording. Zero would delete everything.
const LEAST_AGE: Duration = seconds(60);
const LEAST_SIZE: u64 = 1_000_000;

/// Minimum characters of the key that switches the machine off; a shorter one can be guessed.
const SHORTEST_POWER_KEY: usize = 16;

section! {
    /// `[detect]`: the detection for counting.
    detect: DetectConfig = "\
        Detection and counting. Counting runs from boot as soon as there is a line, on the page or below." {
        backend: DetectorKind = r#""auto""#, Choice(&DETECTORS), {
            page: Shown("counting"), label: "Detector", synonyms: "ai detection motion",
            aliases: &["detector", "kind", "engine"],
            words: &[
                ("onnx", "A model"),
                ("motion", "Motion"),
                ("replay", "Recorded detections"),
                ("none", "None: no counting"),
            ],
            about: "The detector.\n\
                   \x20 \"auto\"    a model if there is one; motion if not, and for the simulation\n\
                   \x20 \"onnx\"    a model that tells people, cars and more apart (see model)\n\
                   \x20 \"motion\"  everything that moves, at a fraction of the cost; needs a fixed camera\n\
                   \x20 \"replay\"  recorded detections (see replay)\n\
                   \x20 \"none\"    no counting",
        }
        model: Option<String> = r#""""#, AnyText, {
            page: Shown("counting"), label: "Model", hint: "Empty: the one chosen on the page Models",
            aliases: &["onnx", "weights", "network"],
            about: "A name from `tallycam model list`, or the path of an ONNX file. Empty: the one chosen on the \
                   page, else the built-in model.",
        }
        size: Option<(u32, u32)> = r#""auto""#, AutoPixels(64, 2048), {
            page: Advanced("counting"), label: "Input size",
            hint: "More pixels find smaller objects and take longer", unit: "pixels",
            aliases: &["input_size", "resolution", "imgsz"],
            about: "Input size of models that accept any. More pixels find smaller objects and cost in \
                   proportion. \"far\" is \"512x384\": with the built-in model, a few more small people at twice the \
                   cost. \"auto\" follows the model's description.",
        }
        at_lines as "region": Option<bool> = r#""auto""#, Choice(&REGIONS), {
            page: Advanced("counting"), label: "Detection area",
            hint: "Around lines, smaller objects are found", aliases: &["window", "crop"],
            words: &[("line", "Around lines and zones"), ("picture", "The whole picture")],
            about: "The part of the frame that a model gets.\n\
                   \x20 \"line\"     around lines and zones: objects are larger there, and small ones are found.\n\
                   \x20            One detection in 20 uses the whole frame\n\
                   \x20 \"picture\"  the whole frame\n\
                   \x20 \"auto\"     what suits the model: for the built-in one, what each line counts",
        }
        threads: usize = "1", Integer(1, 16), {
            page: Advanced("counting"), label: "CPU cores", hint: "For one detection", unit: "cores",
            aliases: &["cores", "workers"],
            about: "CPU cores for one detection.",
        }
        fps: Option<f64> = r#""auto""#, Or("auto", Number(0.1, 60.0)), {
            page: Advanced("counting"), label: "Detection rate",
            hint: "Higher is more accurate and uses more CPU", unit: "fps", aliases: &["rate", "looks"],
            about: "Maximum detection rate (fps). \"auto\" is 5 with a model and 15 with motion. Below 5, fast \
                   walkers and vehicles may be missed.",
        }
        classes: Vec<String> = "[]", Words, {
            page: Shown("counting"), label: "Classes",
            hint: "What is detected",
            aliases: &["labels", "class", "objects"],
            words: &[("", "Model's default")],
            about: "Classes to detect, by the model's names. Empty: those of the model's description. A line may \
                   count fewer.",
        }
        score: Option<f64> = r#""auto""#, Or("auto", Number(0.01, 1.0)), {
            page: Advanced("counting"), label: "Confidence threshold",
            hint: "Lower finds more, with more false detections",
            aliases: &["threshold", "confidence", "conf"],
            about: "Confidence threshold for new objects. \"auto\" suits the model.",
        }
        least_height: Option<f64> = r#""auto""#, Or("auto", Number(0.01, 1.0)), {
            page: Advanced("counting"), label: "Minimum height", hint: "Fraction of the frame's height",
            aliases: &["min_height"],
            about: "Minimum height of an object, as a fraction of the frame's. \"auto\": none.",
        }
        most_height: Option<f64> = r#""auto""#, Or("auto", Number(0.01, 1.0)), {
            page: Advanced("counting"), label: "Maximum height", hint: "Fraction of the frame's height",
            aliases: &["max_height"],
            about: "Maximum height of an object, as a fraction of the frame's. \"auto\": none.",
        }
        replay: Option<PathBuf> = r#""""#, FilePath, {
            page: Elsewhere, label: "Detections",
            operator_only: Some("it is a file of this machine"), aliases: &["detections"],
            about: "For \"replay\": a CSV file with the columns frame, class, score, x1, y1, x2, y2, in pixels; \
                   the first frame is 1.",
        }
        thumbnails: bool = "true", Boolean, {
            page: Advanced("counting"), label: "Store thumbnails of crossings", aliases: &["crops"],
            about: "Store a thumbnail of each crossing, for the last 10 000; none with [privacy] counts_only.",
        }
        movement_map: bool = "false", Boolean, {
            page: Advanced("counting"), label: "Movement map",
            about: "Store for each hour how many objects moved through each part of the frame; shown in Counts.",
        }
    }
}

section! {
    /// `[counts]`: the sums of counts.
    counts: CountsConfig = "How counts are summed." {
        time_zone: Option<String> = r#""auto""#, ZoneName, {
            page: Shown("counting"), label: "Time zone", hint: "For days and hours in Counts",
            synonyms: "timezone clock utc", aliases: &["timezone", "tz", "zone"],
            about: "Time zone of hours and days. \"auto\" is the system's. After a change all counts are \
                   summed again.",
        }
        day_starts: u8 = "0", Integer(0, 23), {
            page: Shown("counting"), label: "Day begins at", hint: "4 for a bar that closes at three",
            unit: "o'clock", synonyms: "midnight opening hours", aliases: &["day_start", "reset_hour"],
            about: "Hour at which a day begins: 4 for a bar that closes at three.",
        }
    }
}

section! {
    /// `[store]`: the storage.
    store: StoreConfig = "Storage." {
        directory: Option<PathBuf> = r#""""#, FilePath, {
            page: Elsewhere, label: "Storage folder", at_start: true,
            operator_only: Some("what is set here is kept in that directory"),
            aliases: &["path", "folder", "database", "data"],
            about: "Directory of counts.db and media.db. Empty: the state directory of the service \
                   (/var/lib/tallycam, or /var/lib/tallycam-NAME for tallycam@NAME); ./data if not started by \
                   systemd and not configured in /etc/tallycam.",
        }
    }
    and {
        /// State directory of the service that runs with this file in `/etc/tallycam`. Not a key: it follows from the
        /// file's path, so that a command started by hand finds the service's data.
        unit: Option<PathBuf>
    }
}

section! {
    /// `[snapshot]`: how snapshots are taken.
    snapshot: SnapshotConfig = "Snapshots." {
        warm_up: u32 = "3", Integer(0, 300), {
            page: Advanced("keeping"), label: "Frames to skip before a snapshot",
            hint: "While exposure settles", unit: "frames", aliases: &["warmup", "skip_frames", "discard"],
            about: "Frames to skip after the camera opens, while exposure settles.",
        }
    }
}

section! {
    /// `[record]`: how recordings are made.
    record: RecordConfig = "Recordings." {
        fps: Option<f64> = r#""auto""#, Or("auto", Number(0.01, 240.0)), {
            page: Advanced("keeping"), label: "Recording frame rate", unit: "fps", aliases: &["record_fps"],
            about: "Maximum recording frame rate (fps). \"auto\" records every frame.",
        }
        max_duration: Option<Duration> = r#""1h""#, Or("never", LongTime(Duration::ZERO)), {
            page: Shown("keeping"), label: "Max. length", hint: "Of a recording",
            aliases: &["duration", "max_movie_time"],
            about: "Max. length of a recording.",
        }
        max_size: Option<u64> = r#""unlimited""#, Or("unlimited", Size(LEAST_SIZE)), {
            page: Advanced("keeping"), label: "Max. size", hint: "Of a recording", aliases: &["max_bytes"],
            about: "Max. size of a recording.",
        }
        pre_roll: Duration = r#""0s""#, Time(seconds(0), seconds(60)), {
            page: Advanced("keeping"), label: "Pre-roll", hint: "Keeps the camera on",
            aliases: &["pre_capture", "preroll", "pre_record"],
            about: "Pre-roll: this much from before the start, up to 16 MB. It stays in memory and keeps \
                   the camera open.",
        }
        on_crossing: Vec<String> = "[]", Words, {
            page: Shown("keeping"), label: "Record when a line is crossed", hint: "Which lines",
            aliases: &["on_event", "on_line"],
            words: &[("", "Never"), ("*", "Every line")],
            about: "Record when one of these lines is crossed; \"*\" for every line. Empty: never.",
        }
        after_crossing: Duration = r#""10s""#, Time(seconds(1), seconds(600)), {
            page: Advanced("keeping"), label: "Stop after the last crossing",
            aliases: &["post_roll", "post_capture", "event_gap"],
            about: "Stop such a recording this long after the last crossing.",
        }
    }
}

section! {
    /// `[retention]`: when media are deleted.
    retention: RetentionConfig = "\
        When snapshots and recordings are deleted, oldest first. Protected items stay." {
        snapshots_age: Option<Duration> = r#""never""#, Or("never", LongTime(LEAST_AGE)), {
            page: Shown("retention"), label: "Delete snapshots after", hint: "Empty: never",
            aliases: &["snapshots_days"],
            about: "Delete snapshots after this time, for example \"90d\".",
        }
        snapshots_size: Option<u64> = r#""unlimited""#, Or("unlimited", Size(LEAST_SIZE)), {
            page: Shown("retention"), label: "Maximum size of snapshots",
            hint: "All together. Empty: unlimited", aliases: &["snapshots_bytes"],
            about: "Maximum size of all snapshots.",
        }
        recordings_age: Option<Duration> = r#""never""#, Or("never", LongTime(LEAST_AGE)), {
            page: Shown("retention"), label: "Delete recordings after", hint: "Empty: never",
            aliases: &["recordings_days", "max_age", "days"],
            about: "Delete recordings after this time, for example \"30d\".",
        }
        recordings_size: Option<u64> = r#""unlimited""#, Or("unlimited", Size(LEAST_SIZE)), {
            page: Shown("retention"), label: "Maximum size of recordings",
            hint: "All together. Empty: unlimited", aliases: &["recordings_bytes", "max_total_size"],
            about: "Maximum size of all recordings.",
        }
        min_free: u64 = r#""500MB""#, Size(0), {
            page: Shown("retention"), label: "Keep free on the disk", hint: "0: no reserve",
            synonyms: "disk space storage", aliases: &["free_space", "reserve"],
            about: "Keep this much of the disk free. \"0B\" fills the disk.",
        }
    }
}

section! {
    /// `[privacy]`.
    privacy: PrivacyConfig = "Privacy." {
        counts_only: bool = "false", Boolean, {
            page: Shown("access"), label: "Privacy mode", hint: "Counts only: no image is served or stored",
            aliases: &["no_images", "private"],
            about: "Privacy mode: counts only. Stream, snapshots and recordings answer 403. Only the line editor \
                   gets an image, every ten seconds at most, for users who may edit lines.",
        }
        mask: Vec<Vec<[f64; 2]>> = "[]", MaskAreas, {
            page: Elsewhere, label: "Privacy mask", aliases: &["masks", "privacy_mask", "blackout"],
            synonyms: "black neighbour",
            about: "Privacy mask: areas that are blackened in every frame before anything is made of it (stream, \
                   snapshots, recordings, counting). Each is a list of 3 to 32 corners [x, y] in fractions of the \
                   camera's own picture, before rotation and crop; the page Lines draws them. Images that \
                   are stored already stay as they are. Example:\n\
                   \x20 mask = [[[0.0, 0.0], [0.3, 0.0], [0.3, 0.4]]]",
        }
    }
}

section! {
    /// `[http]`.
    http: HttpConfig = "\
        The web server. Viewing needs no password by default: use addresses that only your network reaches." {
        listen: Vec<Listen> = r#"["0.0.0.0:8080"]"#, Addresses, {
            page: Elsewhere, label: "Addresses", at_start: true, aliases: &["port", "host", "bind", "addresses"],
            about: "Addresses. 0.0.0.0 is every IPv4 address, [::] every IPv6 address, 127.0.0.1 this machine \
                   only, unix:/PATH a socket for a reverse proxy. https:// before an address serves HTTPS. \
                   Sockets from systemd replace this list.",
        }
        certificate: Option<PathBuf> = r#""""#, FilePath, {
            page: Elsewhere, label: "Certificate", operator_only: Some("it is a file of this machine"),
            aliases: &["cert", "ssl_cert", "tls_cert", "certificate_file", "fullchain"],
            about: "For https://: the certificate with its chain, PEM. A renewed file is read by itself. Empty: \
                   self-signed, which browsers warn of.",
        }
        key: Option<PathBuf> = r#""""#, FilePath, {
            page: Elsewhere, label: "Private key", operator_only: Some("it is a file of this machine"),
            aliases: &["ssl_key", "tls_key", "private_key", "key_file", "privkey"],
            about: "The certificate's private key, PEM, readable by tallycam's user.",
        }
        redirect: bool = "true", Boolean, {
            page: Advanced("access"), label: "Redirect HTTP to HTTPS", hint: "If there is an HTTPS address",
            aliases: &["force_https", "https_redirect", "https_only"],
            about: "Redirect plain HTTP from other machines to HTTPS, if there is an https:// address. Set false \
                   for programs without HTTPS.",
        }
        hsts: Option<Duration> = r#""never""#, Or("never", LongTime(Duration::ZERO)), {
            page: Advanced("access"), label: "Only HTTPS from then on (HSTS)",
            hint: "Needs a certificate that browsers trust",
            aliases: &["strict_transport_security", "hsts_max_age"],
            about: "How long browsers that came by HTTPS shall refuse plain HTTP (HSTS). Only with a certificate \
                   that they trust: it cannot be taken back before.",
        }
        max_connections: usize = "512", Integer(1, 20_000), {
            page: Advanced("access"), label: "Maximum connections", unit: "connections",
            aliases: &["connections"],
            about: "Maximum number of connections, streams included. Further clients get 503.",
        }
        max_head: usize = "8192", Integer(8192, 65_536), {
            page: Advanced("access"), label: "Maximum request head", unit: "bytes",
            aliases: &["max_header", "max_headers", "max_header_size"],
            about: "Maximum size of a request head in bytes. Raise it only if a proxy adds long headers \
                   (status 431).",
        }
        head_timeout: Duration = r#""10s""#, Time(seconds(1), seconds(300)), {
            page: Advanced("access"), label: "Request timeout",
            aliases: &["header_timeout", "request_timeout"],
            about: "Time limit for receiving a request.",
        }
        keep_alive: Duration = r#""1m""#, Time(seconds(1), seconds(3600)), {
            page: Advanced("access"), label: "Idle connection timeout",
            aliases: &["keepalive", "idle_timeout"],
            about: "Idle timeout of connections. It does not apply to streams.",
        }
        allow_origins: Vec<String> = "[]", EachText(origin::parse, "origins such as [\"https://panel.example\"]"), {
            page: Advanced("access"), label: "Allowed origins (CORS)",
            hint: "Sites whose scripts may read, separated by commas",
            aliases: &["cors", "cors_origins", "allowed_origins", "origins", "allow_origin"],
            about: "Origins whose scripts may read pictures, state and counts (CORS), but change nothing. An img \
                   tag needs no entry.",
        }
        allow_frames: Vec<String> = "[]", EachText(origin::parse, "origins such as [\"http://panel.lan:8123\"]"), {
            page: Advanced("access"), label: "Allowed frames",
            hint: "Sites that may show these pages in a frame, separated by commas",
            synonyms: "iframe dashboard embed",
            aliases: &["frames", "frame_ancestors", "x_frame_options", "iframe", "allow_iframe"],
            about: "Origins, such as a dashboard, whose pages may show these pages in a frame. Empty: none. A frame \
                   on another site is not signed in.",
        }
        names: Vec<String> = "[]", EachText(host, "names such as [\"cam.example.org\"]"), {
            page: Advanced("access"), label: "Host names",
            hint: "Additional names of this camera, separated by commas",
            aliases: &["name", "hosts", "hostnames", "host_names", "server_name", "allowed_hosts"],
            about: "Additional host names of this camera, for example of a reverse proxy. Addresses \
                   and the machine's own name, alone or with .local, .lan, .internal or .home.arpa, always work. \
                   Other names get 421, against DNS rebinding.",
        }
        neighbours: Vec<String> = "[]", EachText(origin::parse, "addresses such as [\"http://door.local\"]"), {
            page: Elsewhere, label: "Other cameras",
            operator_only: Some("this machine sends requests to these addresses"),
            aliases: &["neighbors", "cameras", "others", "peers", "all"],
            about: "Other tallycams, at most 32, for the page /all. Those that announce themselves on this network \
                   by mDNS need no entry.",
        }
    }
}

section! {
    /// `[access]`: rights to see and change.
    access: AccessConfig = "\
        Who may change something. From other machines this needs a password. A service makes one at its \
        first start and writes it to the journal; `tallycam password` changes it." {
        is_view_open as "view": bool = r#""open""#, Choice(&VIEWS), {
            page: Elsewhere, label: "Who can watch", aliases: &["watch", "look", "viewing"],
            about: "Who may see the live picture and the counts, once there is a password.\n\
                   \x20 \"open\"      everyone on this network\n\
                   \x20 \"password\"  signed-in users, tokens and signed links\n\
                   Recordings, log and settings always need a password. With claim = \"network\" the default is \
                   \"password\".",
        }
        is_claimed_by_network as "claim": bool = r#""here""#, Choice(&CLAIMS), {
            page: Elsewhere, label: "First password", at_start: true,
            operator_only: Some("it says who chooses the first password, also after a factory reset"),
            aliases: &["first_password", "setup"],
            about: "Who chooses the first password. Read at the start.\n\
                   \x20 \"here\"     the service makes one and writes it to the journal and the console\n\
                   \x20 \"network\"  the first browser on the local network; until then every other request \
                   is refused.\n\
                   \x20            The card image uses this",
        }
        session: Duration = r#""30d""#, Time(seconds(3600), seconds(1000 * 86_400)), {
            page: Advanced("access"), label: "Stay signed in for",
            aliases: &["session_length", "sign_in", "expiry"],
            about: "How long a sign-in lasts.",
        }
        is_local_open as "local": bool = r#""password""#, Choice(&LOCALS), {
            page: Elsewhere, label: "This machine",
            operator_only: Some("it lets whoever connects on this machine in without the password"),
            aliases: &["localhost", "loopback"],
            about: "Whether browsers and programs on this machine need the password.\n\
                   \x20 \"password\"  they do, except over a Unix socket and for the command line as root \
                   or the service\n\
                   \x20 \"open\"      they do not. Only if nothing here forwards connections: no reverse \
                   proxy, ssh -R or\n\
                   \x20             container",
        }
    }
}

section! {
    /// `[power]`: switching the machine off.
    power: PowerConfig = "Switching the machine off." {
        key: Option<String> = r#""""#, SecretText(SHORTEST_POWER_KEY), {
            page: Elsewhere, label: "Key to switch off", operator_only: Some("who knows it switches this machine off"),
            aliases: &["userkey", "user_key", "password"],
            about: "Key for /shutdown?key= and /reboot?key=, for programs of the earlier Flask program. It is \
                   never shown or logged. Without it these addresses are off.",
        }
    }
}

section! {
    /// `[update]`: updates of the program.
    update: UpdateConfig = "Updates of tallycam on a card (`tallycam update`, page Update)." {
        key: Option<String> = r#""""#, TextLine(100), {
            page: Elsewhere, label: "Key of updates",
            operator_only: Some("programs that are signed with it run on this machine"),
            aliases: &["public_key", "minisign"],
            about: "Public key (minisign) of updates: the second line of the .pub file. Without it the page \
                   accepts none.",
        }
    }
}

section! {
    /// `[messages]`: what all notifications share.
    messages: MessagesConfig = "What all notifications share. Their rules are below: [[notify]]." {
        page: Option<String> = r#""""#, Url, {
            page: Elsewhere, label: "Address of the pages", aliases: &["link", "base_url", "public_url"],
            about: "Address of tallycam's page for the links in messages, such as \"https://cam.example.org\". Empty: \
                   the machine's name with .local.",
        }
        hosts: Vec<String> = "[]", EachText(host, "names such as [\"nodered.lan\", \"192.168.1.5\"]"), {
            page: Elsewhere, label: "Allowed hosts",
            operator_only: Some("it opens machines of this network to users of the page"),
            aliases: &["private_hosts", "allow_private"],
            about: "Hosts of this network that rules of the page may send to. Public hosts need no entry. Rules in \
                   this file may send anywhere.",
        }
    }
}

section! {
    /// `[mqtt]`: the broker that gets counts and state.
    mqtt: MqttConfig = "MQTT: crossings and state to a broker, for Home Assistant and databases. Off without url." {
        url: Option<String> = r#""""#, TextLike(mqtt::url, "a URL such as \"mqtt://broker.lan\""), {
            page: Advanced("mqtt"), label: "Broker", hint: "mqtt://HOST, or mqtts://HOST with TLS. Empty: no MQTT",
            synonyms: "home assistant mosquitto", aliases: &["broker", "host", "server"],
            about: "The broker: mqtt://HOST:1883, or mqtts://HOST:8883 with TLS. Empty: off. On the page only a public \
                   host, or one of messages.hosts.",
        }
        username: Option<String> = r#""""#, TextLine(200), {
            page: Advanced("mqtt"), label: "User", aliases: &["user", "login"],
            about: "User at the broker.",
        }
        password: Option<String> = r#""""#, SecretText(0), {
            page: Advanced("mqtt"), label: "Password", aliases: &["pass", "secret"],
            about: "Its password. It is never shown, and sent only to the host and by the scheme that it was entered \
                   for.",
        }
        ca: Option<PathBuf> = r#""""#, FilePath, {
            page: Elsewhere, label: "Authority", operator_only: Some("it is a file of this machine"),
            aliases: &["cafile", "ca_file"],
            about: "Certificates (PEM) of a private authority for mqtts. Empty: the system's.",
        }
        id: Option<String> = r#""""#, TextLike(mqtt::id, "1 to 32 of the characters a-z, 0-9, _ and -"), {
            page: Advanced("mqtt"), label: "Id", hint: "The camera's name in topics, for good",
            aliases: &["client_id", "clientid", "client"],
            about: "Names the camera in topics, and is the id of the client. Empty: \"cam-\" and 8 digits, made once.",
        }
        prefix: Option<String> = r#""tallycam""#, TextLike(mqtt::prefix, "letters, digits and single /"), {
            page: Advanced("mqtt"), label: "First level of topics", aliases: &["topic", "base", "root"],
            about: "Begin of all topics: PREFIX/ID/crossing.",
        }
        discovery: Option<String> = r#""homeassistant""#, TextLike(mqtt::prefix, "letters, digits and single /"), {
            page: Advanced("mqtt"), label: "Home Assistant", hint: "Its discovery prefix. Empty: not announced",
            aliases: &["homeassistant", "hass", "discovery_prefix"],
            about: "Home Assistant's discovery prefix. Empty: the device is not announced, and removed if it was.",
        }
        has_control as "control": bool = "false", Boolean, {
            page: Advanced("mqtt"), label: "Take commands",
            hint: "Everybody who may write to the broker may switch light, recording and camera",
            aliases: &["commands", "allow_control"],
            about: "true: whoever may write to the broker may switch light, recording and camera, and take snapshots.",
        }
        sends_snapshots as "picture": bool = r#""off""#, Choice(&MQTT_PICTURES), {
            page: Advanced("mqtt"), label: "Pictures", words: &[("off", "None"), ("snapshot", "Each snapshot")],
            aliases: &["image", "pictures", "camera"],
            about: "Pictures for the broker.\n\
                   \x20 \"off\"       none\n\
                   \x20 \"snapshot\"  each saved snapshot of up to 1 MiB, at most one in 10 s; none in privacy mode",
        }
        is_history_sent as "history": bool = r#""new""#, Choice(&MQTT_HISTORIES), {
            page: Advanced("mqtt"), label: "First connection sends",
            words: &[("new", "New crossings"), ("all", "All stored crossings")],
            aliases: &["backlog", "backfill"],
            about: "What the first connection to a broker sends.\n\
                   \x20 \"new\"  crossings from then on\n\
                   \x20 \"all\"  all stored ones, too, at most 50 a second",
        }
    }
}

section! {
    /// `[log]`.
    log: LogConfig = "The journal, or the terminal when started by hand." {
        level: log::LevelFilter = r#""info""#, Choice(&LEVELS), {
            page: Advanced("access"), label: "Log level", aliases: &["verbosity", "loglevel", "log_level"],
            about: "Least important level: \"error\", \"warn\", \"info\", \"debug\" or \"trace\".",
        }
    }
}
