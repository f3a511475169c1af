//! The one table of routes: method, address, handler, and the route's text in the OpenAPI document.

use hyper::Method;

use crate::http::api::camera::{controls, found, lens, light, live, mask, picture, state};
use crate::http::api::counting::{
    checks, counts, crossings, events, lines, model, movement, recount, shapes, tallies, zones,
};
use crate::http::api::machine::{
    activity, backup, clock, diagnosis, logs, mqtt, neighbours, notifications, password, people, power,
    settings, update,
};
use crate::http::api::media::{
    download, items, recordings, replay, snapshots, storage, thumbnail, uploads, video, zip,
};
use crate::http::pages::{machine, sign_in};
use crate::http::request::keys::{AMOUNT, FLAG, ID, MayBe, QueryKey, SECONDS, SPAN, TEXT, key, needed};
use crate::http::request::right::Right;
use crate::http::site::handler::{Answered, Changes, Content, Doc, Route, Tag, Wanted};
use crate::http::{legacy, openapi, pages};
use tallycam_store::{LineRow, ZoneRow};

macro_rules! route {
    (
        $right:ident $method:ident $path:literal $handler:path $(=> $did:literal)?,
        $tag:ident, $summary:literal, [$($query:expr),* $(,)?], [$($answer:expr),+ $(,)?]
    ) => {
        route!(
            $right $method $path $handler $(=> $did)?,
            $tag, $summary, [$($query),*], Wanted::Nothing, [$($answer),+]
        )
    };
    (
        $right:ident $method:ident $path:literal $handler:path $(=> $did:literal)?,
        $tag:ident, $summary:literal, [$($query:expr),* $(,)?], $body:expr, [$($answer:expr),+ $(,)?]
    ) => {
        route!(
            Changes::AsUsual, $right $method $path $handler $(=> $did)?,
            $tag, $summary, [$($query),*], $body, [$($answer),+]
        )
    };
    // An old address that changes something by GET.
    (
        $changes:expr, $right:ident GET $path:literal $handler:path $(=> $did:literal)?,
        $tag:ident, $summary:literal, [$($query:expr),* $(,)?], [$($answer:expr),+ $(,)?]
    ) => {
        route!(
            $changes, $right GET $path $handler $(=> $did)?,
            $tag, $summary, [$($query),*], Wanted::Nothing, [$($answer),+]
        )
    };
    (
        $changes:expr, $right:ident $method:ident $path:literal $handler:path $(=> $did:literal)?,
        $tag:ident, $summary:literal, [$($query:expr),*], $body:expr, [$($answer:expr),+]
    ) => {
        Route {
            method: Method::$method,
            path: $path,
            changes: $changes,
            right: Right::$right,
            did: concat!($($did)?),
            doc: Doc {
                tag: Tag::$tag,
                summary: $summary,
                query: &[$($query),*],
                body: $body,
                answers: &[$($answer),+],
            },
            handler: |request| Box::pin(async { $handler(request).await.answered() }),
        }
    };
}

type Answer = (u16, &'static str, Content);

const FPS: QueryKey =
    key("fps", MayBe::Number(0.01, 1000.0), "Maximum frame rate, 0.01 and up; other values are ignored.");
const STREAM: Answer = (200, "Frames, until the viewer leaves.", Content::Multipart);
const FULL: Answer = (
    503,
    "All places for viewers are taken, or eight other views are in use; Retry-After says when to try again.",
    Content::Text,
);
const JPEG: Answer = (200, "The newest frame; X-Timestamp is its time.", Content::Jpeg);
const CARD: Answer = (503, "No live picture: a card that says why.", Content::Jpeg);
const STATE: Answer = (200, "The status.", Content::Json("State"));
const FOREIGN: Answer = (403, "A browser sent this on behalf of another site.", Content::Text);
const NOTHING_TAKEN: Answer = (400, "The body has keys, but this route accepts none.", Content::Problem);
const API_FOREIGN: Answer = (403, "A browser sent this on behalf of another site.", Content::Problem);

const WITHHELD: Answer = (403, "Privacy mode (`counts_only`): no images.", Content::Text);
const API_WITHHELD: Answer = (403, "Privacy mode (`counts_only`): no images.", Content::Problem);
const ANNOTATED: QueryKey = key("annotated", FLAG, "`1`: with boxes and lines drawn in.");
const NO_COUNTING: Answer =
    (503, "Nothing is counted here, or the database cannot be read or written.", Content::Problem);
const WRONG_QUERY: Answer =
    (400, "Invalid value in the query: which, and what is expected.", Content::Problem);
const UNKNOWN: Answer = (404, "There is no such number.", Content::Problem);
const CHANGED: Answer = (412, "Not the version that If-Match names.", Content::Problem);
const CONFLICT: Answer = (409, "Pinned by the operator's file, or the name is taken.", Content::Problem);
const WRONG_DRAFT: Answer = (422, "Understood, but invalid: what is wrong.", Content::Problem);
const DELETED: Answer = (204, "Deleted.", Content::Nothing);
const LINE: Answer = (200, "The line; ETag is its version.", Content::Json("Line"));
const NEW_LINE: Answer = (201, "The line; Location is where it is.", Content::Json("Line"));
const ZONE: Answer = (200, "The zone; ETag is its version.", Content::Json("Zone"));
const NEW_ZONE: Answer = (201, "The zone; Location is where it is.", Content::Json("Zone"));
const SCENE: QueryKey = key(
    "scene",
    MayBe::Words(&["camera", "files", "sim"]),
    "`camera`, `files` or `sim`; default: the current one.",
);
const FROM: QueryKey =
    key("from", MayBe::Moment, "Start: RFC 3339, a date, `today`, `yesterday`, `-24h`, `-7d`.");
const FROM_BUCKET: QueryKey = key(
    "from",
    MayBe::Moment,
    "Start: RFC 3339, a date, `today`, `yesterday`, `-24h`, `-7d`; extended to the whole bucket, for a \
     total to the whole hour. The `start` of each bucket shows it.",
);
const BUCKET: QueryKey = key(
    "bucket",
    MayBe::Words(&["5min", "15min", "30min", "hour", "day", "week", "month", "total"]),
    "`5min`, `15min`, `30min`, `hour`, `day`, `week`, `month` or `total`.",
);
const TO_BUCKET: QueryKey = key("to", MayBe::Moment, "End, in the same forms; extended to the whole bucket.");
const OPEN: QueryKey = key("open", MayBe::Whole(0, 23), "Only from this hour of the clock on the wall.");
const CLOSE: QueryKey =
    key("close", MayBe::Whole(1, 24), "Only up to this hour; one earlier than `open` is after midnight.");
const TO: QueryKey = key("to", MayBe::Moment, "End, in the same forms.");
const OF_LINE: QueryKey = key(
    "line",
    MayBe::Texts,
    "Numbers or names of lines, separated by commas; default: all. A number of one line that is the name \
     of another is refused.",
);
const OF_CLASS: QueryKey = key(
    "class",
    MayBe::Texts,
    "Names of classes, separated by commas (a name with a comma is recognised if such a class exists); default: all.",
);
const FORMAT: QueryKey =
    key("format", MayBe::Words(&["json", "csv"]), "`json`, or `csv` for a table (RFC 4180).");
const BOM: QueryKey = key("bom", FLAG, "`0`: a table without the byte order mark that Excel needs.");
const SHEET: QueryKey = key(
    "sheet",
    FLAG,
    "`1`: a table for a spreadsheet: local time first, and semicolons if the browser's language has decimal commas.",
);
const MODEL: Answer = (200, "The models.", Content::Json("Model"));
const NO_PAGE: Answer = (503, "Nothing is counted here, or the database cannot be read.", Content::Text);

const PICTURE: QueryKey = key(
    "picture",
    MayBe::Words(&["shown", "original", "largest"]),
    "`shown`, as viewers see it; `original`, the camera's own; `largest`, at the camera's largest size.",
);
const WIDTH: QueryKey = key("w", MayBe::Whole(16, 8192), "Maximum width in pixels, 16 to 8192.");
const ROTATE: QueryKey =
    key("rotate", MayBe::Words(&["0", "90", "180", "270"]), "Rotate clockwise by 0, 90, 180 or 270 degrees.");
const SCALE: QueryKey =
    key("scale", MayBe::Words(&["1", "1/2", "1/4", "1/8"]), "`1/2`, `1/4` or `1/8` of its width and height.");
const MIRROR: QueryKey = key("mirror", FLAG, "`1`: swap left and right.");
const FLIP: QueryKey = key("flip", FLAG, "`1`: swap top and bottom.");
const CROP: QueryKey = key(
    "crop",
    MayBe::Like("^[0-9.]+(,[0-9.]+){3}$"),
    "`left,top,width,height`: crop of the rotated picture, as fractions.",
);
const WORDS: QueryKey = key("text", MayBe::Text(200), "Text in the picture, at most 200 characters.");
const TIMESTAMP: QueryKey = key("timestamp", FLAG, "`1`: date and time in the picture.");
const DATED: QueryKey = key(
    "date",
    MayBe::Day,
    "`2026-11-20`, optionally with `T14:53` or `T14:53:07`, and with `Z` or an offset.",
);
const TAKEN: QueryKey = key(
    "taken",
    MayBe::Moment,
    "Time, RFC 3339, if the date does not contain it; default: as the date or the file says.",
);
const MODIFIED: QueryKey = key(
    "modified",
    MayBe::Moment,
    "Modification time of the file, RFC 3339; used if there is no other time. Such a time is not sure.",
);
const STATUS: QueryKey =
    key("status", TEXT, "`false` switches it on, `true` off; anything else changes nothing.");
const NOT_SET: Answer = (409, "Pinned by the operator's file.", Content::Text);
const UNCHANGED: Answer = (422, "The picture cannot be changed this way.", Content::Problem);
const OLD_UNCHANGED: Answer = (422, "The picture cannot be changed this way.", Content::Text);
const GRAY: QueryKey = key("gray", FLAG, "`1`: grayscale.");
const KEEP_WITHHELD: Answer = (
    403,
    "A browser sent this on behalf of another site; or privacy mode: no images are stored.",
    Content::Problem,
);
const OLD_KEEP_WITHHELD: Answer = (
    403,
    "A browser sent this on behalf of another site; or privacy mode: no images are stored.",
    Content::Text,
);
const NO_PASSWORDS: Answer = (503, "This server needs no password.", Content::Problem);
const TOO_MANY: Answer =
    (409, "Too many requests at once, or another program has the file.", Content::Problem);
const WRONG_PERSON: Answer = (
    422,
    "Invalid name, role, scope, address or password; or there is no admin's password yet.",
    Content::Problem,
);
const NO_STORE: Answer =
    (503, "Nothing is stored here, or media.db cannot be read or written.", Content::Problem);
const NO_NOTIFICATIONS: Answer =
    (503, "There are none here, or the other side cannot be reached.", Content::Problem);
const NO_ROOM: Answer = (507, "The disk is full.", Content::Problem);
const ITEM: Answer = (200, "The item; ETag is its version.", Content::Json("MediaItem"));
const NEW_ITEM: Answer = (201, "The item; Location is where it is.", Content::Json("MediaItem"));
const WRONG_BODY: Answer =
    (400, "The body is not an object with known keys, or a value has the wrong type.", Content::Problem);
const OPEN_ITEM: Answer = (409, "One of them is being recorded.", Content::Problem);
const OLD_DONE: Answer = (200, "`200`", Content::Text);
const OLD_UNKNOWN: Answer = (404, "`Unable to find NAME`", Content::Text);
const OLD_NO_STORE: Answer =
    (503, "Nothing is stored here, or media.db cannot be read or written.", Content::Text);
const BROKE_OFF: Answer = (400, "The body was cut off.", Content::Problem);
const NO_BACKUP: Answer = (503, "Nothing is stored here.", Content::Problem);
const FILE_NAME: QueryKey = key("filename", TEXT, "The item's name.");

const SETTINGS: Answer = (200, "All settings; ETag is their version.", Content::Json("Settings"));
const MASK: Answer = (200, "The area; ETag is the version of the settings.", Content::Json("MaskArea"));
const NO_LIGHT: Answer = (
    403,
    "A browser sent this on behalf of another site; or there is no light, or none with colours.",
    Content::Problem,
);
const PINNED: Answer = (409, "Pinned by the operator's file.", Content::Problem);
const NO_SETTINGS: Answer =
    (503, "Settings cannot be changed here, or too many changes are waiting.", Content::Problem);
const OLD_PINNED: Answer = (409, "Pinned by the operator's file.", Content::Text);
const OLD_WRONG: Answer = (400, "What is wrong with the value.", Content::Text);

const CONFIRM: QueryKey =
    key("confirm", FLAG, "`1`: delete what is kept no longer; without it nothing is changed then.");
const DOWNLOAD: QueryKey = key("download", FLAG, "`1`: download, not show.");
/// A stored item as it is sent.
const FILE: Content =
    Content::OneOf(&["image/jpeg", "video/quicktime", "video/x-msvideo", "video/x-motion-jpeg"]);
const VIDEO: Content = Content::OneOf(&["video/mp4"]);
/// The file of an item, or its video.
const FILE_OR_VIDEO: Content =
    Content::OneOf(&["image/jpeg", "video/mp4", "video/quicktime", "video/x-msvideo", "video/x-motion-jpeg"]);
const PART_OF_FILE: Answer = (206, "The requested part.", FILE);
const NO_ENCODER: Answer = (501, "There is no ffmpeg here that makes H.264.", Content::Problem);
const NO_PART: Answer = (416, "There is no such part.", Content::Problem);
const WRONG_IDS: Answer = (400, "No items are named, or something is not a number.", Content::Problem);
const MANY_IDS: Answer = (422, "Too many at once.", Content::Problem);

const NO_PASSWORD: Answer = (503, "This server needs no password.", Content::Problem);
const NOT_HERE: Answer = (
    403,
    "Only on the camera's own machine; or a browser sent this on behalf of another site.",
    Content::Problem,
);
const POWER_KEY: QueryKey =
    key("key", TEXT, "`key` under [power] of the configuration; without it no key is valid.");
const INVALID_KEY: Answer = (401, "`Invalid key`", Content::Text);
const TOO_MANY_KEYS: Answer =
    (429, "`Invalid key`: too many attempts; Retry-After says when to try again.", Content::Text);
const LENS: Answer = (200, "The lens; ETag is the version of the settings.", Content::Json("Lens"));
const NO_LENS: Answer = (403, "No focus control, or not this one: why.", Content::Problem);
const OLD_NO_AUTOFOCUS: Answer = (403, "`Autofocus not supported`", Content::Text);
const OLD_NO_FOCUS: Answer = (403, "`Changing focus not supported`", Content::Text);
const OLD_NO_CAMERA: Answer = (503, "The camera cannot be reached now: why.", Content::Text);
const CONTROLS: Answer = (
    200,
    "The camera's controls, and those that differ from the request; ETag is the version of the settings.",
    Content::Json("Controls"),
);
const NO_CAMERA: Answer = (503, "The camera cannot be reached now: why.", Content::Problem);
const WRONG_CONTROL: Answer = (
    422,
    "A control that the camera does not have, or an invalid value: which, its range, and the value given.",
    Content::Problem,
);
const NOT_KEPT: Answer = (507, "It could not be written, and is not in force.", Content::Problem);

const DONE: QueryKey = key("done", TEXT, "What was just done.");

/// Bytes of a body with 10 000 IDs of twenty digits.
const IDS: usize = 256 << 10;

/// Bytes of a body with 5000 taps and pauses.
const CHECK: usize = 1 << 20;

/// Bytes of a body with 20 000 crossings.
const RECOUNT: usize = 6 << 20;

/// All routes. [`ui::asset`](crate::ui::asset) finds the embedded files that pages refer to.
pub static ROUTES: &[Route] = &[
    route!(Look GET "/" pages::counting::live, Pages, "The live page.",
        [key("action", TEXT, "`stream` or `snapshot`, as mjpg-streamer has them."),
        key("stored", ID, "What was just stored, to be named at its button."), FPS, GRAY, SCALE, ROTATE,
        MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [(200, "The page; or frames, with `action`.", Content::Html),
        JPEG, STREAM, CARD, FULL, OLD_UNCHANGED, WITHHELD]),
    route!(Stream GET "/stream" live::stream, Pictures, "The live picture, for an img tag.", [FPS,
        ANNOTATED, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [STREAM, FULL, WITHHELD]),
    route!(Stream GET "/stream.mjpg" live::stream, Pictures, "The same.", [FPS, ANNOTATED, GRAY, SCALE,
        ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [STREAM, FULL, WITHHELD]),
    route!(Stream GET "/live" live::stream, Pictures, "The same.", [FPS, ANNOTATED, GRAY, SCALE, ROTATE,
        MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [STREAM, FULL, WITHHELD]),
    route!(Stream GET "/video_feed" live::video_feed, Pictures, "The same; annotated while counting is on.",
        [FPS, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [STREAM, FULL, WITHHELD]),
    route!(Snapshot GET "/snapshot.jpg" live::snapshot, Pictures, "The newest frame.", [PICTURE, WIDTH,
        GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [JPEG, CARD, OLD_UNCHANGED, WITHHELD]),
    route!(Changes::WithKey("filename"), Snapshot GET "/snapshot" legacy::snapshot => "took a snapshot",
        Pictures, "The newest frame; or stores it, with `filename`. Invalid values change nothing.",
        [key("filename", TEXT, "Store the frame under this name, with `.jpg` appended, and answer `200`."),
        key("date", TEXT, "Its date."), PICTURE, WIDTH, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS,
        TIMESTAMP], [JPEG, (200, "`200`: stored.", Content::Text), CARD, OLD_UNCHANGED, OLD_KEEP_WITHHELD,
        (400, "`Error with snapshot`: the name or the date is invalid.", Content::Text),
        (500, "`Error with snapshot`: it was not stored.", Content::Text)]),
    route!(Look GET "/api/v1/picture" picture::get, Api,
        "Changes to the picture for everyone. ETag is the settings' version.", [],
        [(200, "The changes.", Content::Json("Picture"))]),
    route!(Operator PATCH "/api/v1/picture" picture::change => "changed the picture", Api,
        "Changes the given keys, from the next frame on; `null` unsets one. Supports If-Match.", [],
        Wanted::Json("PicturePatch"), [(200, "The changes in force.", Content::Json("Picture")), WRONG_BODY,
        API_FOREIGN, CONFLICT, CHANGED, WRONG_DRAFT, NO_SETTINGS, NO_ROOM]),
    route!(Operator GET "/api/v1/masks" mask::list, Api,
        "The areas of the privacy mask, in fractions of the camera's own picture. ETag is the settings' version.",
        [], [(200, "The areas.", Content::Json("MaskAreas")), NO_SETTINGS]),
    route!(Admin POST "/api/v1/masks" mask::add => "added to the privacy mask", Api,
        "Blackens one more area of every frame from now on. Supports If-Match.", [], Wanted::Json("MaskDraft"),
        [(201, "The area; Location names it.", Content::Json("MaskArea")), API_FOREIGN, CONFLICT, CHANGED,
        WRONG_DRAFT, NO_SETTINGS, NO_ROOM]),
    route!(Admin PUT "/api/v1/masks/{id}" mask::replace => "changed the privacy mask", Api,
        "Draws it again. Supports If-Match.", [], Wanted::Json("MaskDraft"), [MASK, API_FOREIGN, UNKNOWN,
        CONFLICT, CHANGED, WRONG_DRAFT, NO_SETTINGS, NO_ROOM]),
    route!(Admin DELETE "/api/v1/masks/{id}" mask::delete => "removed from the privacy mask", Api,
        "Shows it again, from the next frame on; later areas have the number before. Supports If-Match.", [],
        [DELETED, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, NO_SETTINGS, NO_ROOM]),
    route!(Changes::Always, Operator GET "/grayscale" legacy::grayscale => "changed the picture", Legacy,
        "Switches grayscale on or off.", [STATUS], [OLD_DONE, FOREIGN, NOT_SET]),
    route!(Changes::Always, Operator GET "/resolution" legacy::resolution => "changed the picture", Legacy,
        "Half of the width and height, or full size.", [STATUS], [OLD_DONE, FOREIGN, NOT_SET]),
    route!(Anyone GET "/health" legacy::health, Legacy,
        "Whether the camera delivers frames and crossings are stored.", [], [(200, "`True`", Content::Text),
        (503, "`False`: too many failed reads in a row, or counts.db accepts no crossings.",
        Content::Text)]),
    route!(Metrics GET "/state" state::state, Api, "The status.", [], [STATE]),
    route!(Metrics GET "/metrics" state::figures, Api, "Metrics for Prometheus.", [],
        [(200, "Text format 0.0.4.", Content::Metrics)]),
    route!(Metrics GET "/api/v1/state" state::state, Api, "The status.", [], [STATE]),
    route!(Snapshot GET "/api/v1/snapshot" live::api_snapshot, Api, "The newest frame.", [PICTURE, WIDTH,
        GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [JPEG, WRONG_QUERY, API_WITHHELD,
        UNCHANGED, (503, "No live picture.", Content::Problem)]),
    route!(Snapshot GET "/api/v1/snapshot.jpg" live::api_snapshot, Api, "The same.", [PICTURE, WIDTH, GRAY,
        SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [JPEG, WRONG_QUERY, API_WITHHELD, UNCHANGED,
        (503, "No live picture.", Content::Problem)]),
    route!(Operator GET "/api/v1/cameras/still.jpg" found::still, Api, "What a camera of this machine sees \
            that is not in use: it is opened for one picture, one camera at a time. The picture is the \
            same for ten seconds.",
        [key("camera", TEXT, "`v4l2` or `libcamera`, a space, and the device.")],
        [(200, "The picture; X-Timestamp is its time.", Content::Jpeg), API_WITHHELD,
        (404, "No such camera is found.", Content::Problem),
        (409, "Paused, or other cameras are being looked at.", Content::Problem),
        (503, "No picture: a card that says why.", Content::Jpeg)]),
    route!(Look GET "/api/v1/controls" controls::list, Api,
        "The camera's own controls, with ranges and values.", [], [CONTROLS, NO_CAMERA]),
    route!(Operator PATCH "/api/v1/controls" controls::change => "changed the camera's controls", Api,
        "Sets controls, all or none, automatic modes first. They apply at once and are saved for this \
            camera. `null` is the default; `true` presses a button.", [], Wanted::Json("ControlsPatch"),
        [CONTROLS, WRONG_CONTROL, PINNED, CHANGED, NO_CAMERA, NOT_KEPT]),
    route!(Operator POST "/api/v1/controls/reset" controls::reset => "reset the camera's controls", Api,
        "Sets every control to the camera's default and forgets saved values.", [], [CONTROLS,
        NOTHING_TAKEN, API_FOREIGN, CHANGED, NO_CAMERA, NOT_KEPT]),
    route!(Look GET "/api/v1/formats" controls::formats, Api,
        "The formats, sizes and frame rates of the camera.", [],
        [(200, "Each size of each format.", Content::Json("Formats")), NO_CAMERA]),
    route!(Operator POST "/api/v1/snapshots" snapshots::add => "took a snapshot", Api, "Takes and stores a \
            snapshot. A name that is taken gets a number. Each key is in the body or in the query, not in \
            both.", [key("name", MayBe::Text(200), "Its name; default: date and time."), DATED,
        key("note", MayBe::Text(2000), "A note."), PICTURE, WIDTH, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP,
        WORDS, TIMESTAMP], Wanted::JsonOrNothing("SnapshotDraft"), [NEW_ITEM, KEEP_WITHHELD, WRONG_DRAFT,
        NO_STORE, NO_ROOM]),
    route!(Operator POST "/api/v1/recordings" recordings::begin => "started recording", Api,
        "Starts a recording. Answers when the first frame is on its way.", [],
        Wanted::JsonOrNothing("RecordingDraft"), [NEW_ITEM, KEEP_WITHHELD,
        (409, "There is one already.", Content::Problem), WRONG_DRAFT, NO_STORE, NO_ROOM]),
    route!(Look GET "/api/v1/recording" recordings::status, Api, "The status of recording.", [],
        [(200, "The recording in progress, if there is one.", Content::Json("RecordingStatus")),
        API_WITHHELD, NO_STORE]),
    route!(Operator POST "/api/v1/recording/stop" recordings::stop => "ended the recording", Api,
        "Stops the recording. Answers when all of it is on the disk.", [], [ITEM,
        (204, "There was no recording, or it had no frame.", Content::Nothing), KEEP_WITHHELD, NO_STORE,
        NO_ROOM]),
    route!(Viewer GET "/api/v1/media" items::list, Api, "Snapshots and recordings, newest first.",
        [key("kind", MayBe::Words(&["snapshot", "recording"]), "`snapshot` or `recording`."),
        key("q", TEXT, "Only items whose name, note, date or camera contains this."), FROM, TO,
        key("kept", FLAG, "`1`: protected items; `0`: the others."),
        key("limit", MayBe::Whole(1, 1000), "Maximum number, 1 to 1000; default 100."),
        key("cursor", TEXT, "`next` of the previous page.")],
        [(200, "A page of items.", Content::Json("MediaItems")), WRONG_QUERY, API_WITHHELD, NO_STORE]),
    route!(Operator POST "/api/v1/media" uploads::add => "added a file", Api, "Adds a file: a JPEG, an \
            MJPEG file, an AVI, MP4 or MOV with MJPEG video. It is streamed, and may have any length. A \
            form may have several.", [key("name", MayBe::Text(200),
        "The item's name; one that is taken gets a number. Default: date and time."), DATED, TAKEN,
        MODIFIED, key("note", MayBe::Text(2000), "A note."),
        key("fps", MayBe::Number(0.01, 1000.0), "Frame rate of a clip; default: its own, else 30.")],
        Wanted::File,
        [(201, "The item; for several files of a form a list of items.", Content::Json("MediaItem")), (207,
        "The items of the accepted files of a form, and the errors of the others.",
        Content::Json("MediaTaken")), WRONG_QUERY, KEEP_WITHHELD,
        (408, "No data for too long.", Content::Problem),
        (413, "A frame of more than 32 MB.", Content::Problem),
        (415, "Another kind of file.", Content::Problem), WRONG_DRAFT, NO_STORE, NO_ROOM]),
    route!(Operator PUT "/api/v1/media" uploads::add => "added a file", Api,
        "The same, for programs that upload like `curl -T`.", [key("name", MayBe::Text(200), "As above."),
        key("date", MayBe::Day, "As above."), TAKEN, MODIFIED, key("note", MayBe::Text(2000), "As above."),
        key("fps", MayBe::Number(0.01, 1000.0), "As above.")], Wanted::File,
        [(201, "The item.", Content::Json("MediaItem")), WRONG_QUERY, KEEP_WITHHELD,
        (408, "No data for too long.", Content::Problem),
        (413, "A frame of more than 32 MB.", Content::Problem),
        (415, "Another kind of file.", Content::Problem), WRONG_DRAFT, NO_STORE, NO_ROOM]),
    route!(Viewer GET "/api/v1/media/{id}" items::get, Api, "One item.", [], [ITEM, API_WITHHELD, UNKNOWN,
        NO_STORE]),
    route!(Operator PATCH "/api/v1/media/{id}" items::change => "changed item", Api,
        "Changes the given keys. Supports If-Match.", [], Wanted::Json("MediaPatch"), [ITEM, WRONG_BODY,
        KEEP_WITHHELD, UNKNOWN, (409, "The name is taken.", Content::Problem), CHANGED, WRONG_DRAFT,
        NO_STORE, NO_ROOM]),
    route!(Operator DELETE "/api/v1/media/{id}" items::delete => "removed item", Api,
        "Deletes it. Supports If-Match.", [], [DELETED, KEEP_WITHHELD, UNKNOWN, OPEN_ITEM, CHANGED,
        NO_STORE, NO_ROOM]),
    route!(Operator POST "/api/v1/media/delete" items::delete_many => "removed items", Api,
        "Deletes items, all or none.", [], Wanted::LongJson("MediaIds", IDS), [DELETED, WRONG_BODY,
        KEEP_WITHHELD, UNKNOWN, OPEN_ITEM, NO_STORE, NO_ROOM]),
    route!(Operator POST "/api/v1/media/keep" items::keep_many => "changed which items are kept", Api,
        "Protects items from retention, or unprotects them.", [], Wanted::LongJson("MediaKeep", IDS),
        [(204, "Done.", Content::Nothing), WRONG_BODY, KEEP_WITHHELD, UNKNOWN, NO_STORE, NO_ROOM]),
    route!(Viewer GET "/api/v1/media/{id}/content" download::content, Api, "A snapshot's JPEG, or a \
            recording as a film, made while it is sent. Supports ranges (Range, If-Range).", [key("as",
        MayBe::Words(&["mov", "mp4", "avi", "mjpeg", "jpg"]),
        "`mov`, `avi` or `mjpeg` for a recording, all Motion JPEG; default `mov`, which `mp4` means, too. `jpg` for \
            a snapshot."), DOWNLOAD],
        [(200, "The file.", FILE), PART_OF_FILE, (304, "Not changed.", Content::Nothing), WRONG_QUERY,
        API_WITHHELD, UNKNOWN, NO_PART, (422, "Too long for this format.", Content::Problem), NO_STORE]),
    route!(Viewer GET "/api/v1/media/{id}/video" video::video, Api, "A recording, or a part of it, as \
            H.264 in MP4, which browsers and phones play; made by ffmpeg while it is sent, one at a time. \
            Finished, it is kept for ten minutes and supports ranges; a request for a range waits for that. \
            A time-lapse has 25 frames per second.", [key("from", SECONDS, "Start, in seconds."),
        key("to", SECONDS, "End, in seconds."), DOWNLOAD],
        [(200, "The video; its length if it is finished.", VIDEO), (206, "The requested part.", VIDEO),
        (304, "Not changed.", Content::Nothing), WRONG_QUERY, API_WITHHELD,
        (404, "There is no such number, or no frame.", Content::Problem), NO_PART,
        (422, "A snapshot, or too long.", Content::Problem), (500, "ffmpeg failed: why.", Content::Problem),
        NO_ENCODER, (503, "Another video is being made: Retry-After says when to try again; or nothing is stored here.",
        Content::Problem)]),
    route!(Viewer GET "/api/v1/video" video::status, Api,
        "The video that is being made, and whether any can be.", [],
        [(200, "Its progress.", Content::Json("VideoStatus")), API_WITHHELD, NO_STORE]),
    route!(Viewer GET "/api/v1/media/{id}/thumbnail.jpg" thumbnail::thumbnail, Api,
        "Its first frame, at most 320 pixels wide.", [], [(200, "A thumbnail.", Content::Jpeg),
        (304, "Not changed.", Content::Nothing), API_WITHHELD, UNKNOWN, UNCHANGED, NO_STORE]),
    route!(Viewer GET "/api/v1/media/{id}/frame.jpg" thumbnail::frame, Api,
        "One frame of it. X-Timestamp is its time, X-Frame its number, X-Time its second.",
        [key("t", SECONDS, "The frame shown at this second; default: the first one."),
        key("n", MayBe::Whole(0, u64::MAX), "The frame with this number, from 0."),
        key("w", MayBe::Whole(16, 8192), "Maximum width in pixels, 16 to 8192."), key("rotate",
        MayBe::Words(&["0", "90", "180", "270"]), "Rotate clockwise by `90`, `180` or `270` degrees."),
        GRAY, SCALE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP, DOWNLOAD], [(200, "The frame.", Content::Jpeg),
        WRONG_QUERY, API_WITHHELD, (404, "There is no such item or frame.", Content::Problem), UNCHANGED,
        NO_STORE]),
    route!(Viewer GET "/api/v1/media/{id}/frames" replay::frames, Api, "A recording at its own pace, for \
            an img tag. Slow clients skip frames; gaps are shortened to two seconds.",
        [key("from", SECONDS, "Start, in seconds."), key("to", SECONDS, "End, in seconds."),
        key("fps", MayBe::Number(0.01, 1000.0), "Maximum frame rate, 0.01 to 1000."),
        key("speed", MayBe::Number(0.05, 100.0), "Speed factor, 0.05 to 100."),
        key("loop", FLAG, "`1`: loop.")],
        [(200, "Frames; X-Timestamp, X-Time and X-Frame in each part.", Content::Multipart), WRONG_QUERY,
        API_WITHHELD, UNKNOWN, NO_STORE]),
    route!(Viewer GET "/api/v1/media/{id}/index" replay::index, Api,
        "The time of each frame of a recording: `[second, number, bytes]`.",
        [key("from", SECONDS, "Start, in seconds."), key("to", SECONDS, "End, in seconds."),
        key("limit", MayBe::Whole(1, 10000), "Maximum number, 1 to 10000."),
        key("cursor", MayBe::Whole(0, u64::MAX), "`next` of the previous page.")],
        [(200, "A page of the index, and all gaps.", Content::Json("MediaIndex")), WRONG_QUERY,
        API_WITHHELD, UNKNOWN, NO_STORE]),
    route!(Viewer GET "/api/v1/media/zip" zip::archive, Api,
        "Items as one archive, made while it is sent: snapshots as JPEG, recordings as videos (H.264 in MP4), \
            without ffmpeg as AVI.", [needed("ids",
        MayBe::Like("^[1-9][0-9]{0,9}(,[1-9][0-9]{0,9})*$"), "Numbers of items, separated by commas."),
        key("as", MayBe::Words(&["mp4", "avi"]), "`avi`: recordings as they are, Motion JPEG.")],
        [(200, "The archive.", Content::OneOf(&["application/zip"])), WRONG_IDS, API_WITHHELD, UNKNOWN,
        MANY_IDS, NO_ENCODER, NO_STORE]),
    route!(Viewer POST "/api/v1/media/zip" zip::archive, Api, "The same, for many items.", [],
        Wanted::LongJson("ArchiveIds", IDS), [(200, "The archive.", Content::OneOf(&["application/zip"])),
        WRONG_IDS, KEEP_WITHHELD, UNKNOWN, NO_ENCODER, NO_STORE]),
    route!(Viewer GET "/api/v1/media/storage" storage::storage, Api, "Disk space, and its use.", [],
        [(200, "The space.", Content::Json("Storage")), API_WITHHELD, NO_STORE]),
    route!(Viewer GET "/api/v1/media/retention" storage::retention, Api,
        "Retention rules, and what they would delete now. Rules in the query are tried.",
        [key("snapshots_age", SPAN, "Seconds, `30d`, or `never`."),
        key("snapshots_size", AMOUNT, "Bytes, `2GB`, or `unlimited`."),
        key("recordings_age", SPAN, "Likewise."), key("recordings_size", AMOUNT, "Likewise."),
        key("min_free", AMOUNT, "Bytes, or `2GB`.")],
        [(200, "Rules and plan; nothing is deleted.", Content::Json("Retention")), WRONG_QUERY,
        API_WITHHELD, NO_STORE]),
    route!(Admin PUT "/api/v1/media/retention" storage::set_retention => "changed retention", Api,
        "Sets rules, also for later starts. Missing keys stay; `null` means no limit.", [CONFIRM],
        Wanted::Json("RetentionRules"), [(200, "Rules and plan.", Content::Json("Retention")), WRONG_BODY,
        KEEP_WITHHELD, (409,
        "Pinned by the operator's file, or it would delete media: nothing has changed.", Content::Problem),
        NO_STORE]),
    route!(Admin POST "/api/v1/media/new" storage::start_new => "set the store of pictures aside", Api,
        "Starts a new, empty database. The former file is renamed and kept.", [],
        [(201, "The renamed file.", Content::Json("AsideFile")), KEEP_WITHHELD, NO_STORE, NO_ROOM]),
    route!(Admin POST "/api/v1/media/aside/delete" storage::delete_aside => "removed a store that was set aside",
        Api, "Deletes an old database for good.", [], Wanted::Json("AsideName"), [DELETED, WRONG_BODY,
        KEEP_WITHHELD, (404, "There is no such name.", Content::Problem), NO_STORE]),
    route!(Admin POST "/api/v1/media/check" storage::check => "checked the store of pictures", Api,
        "Checks the database; with `repair` repairs it. May take minutes.", [],
        Wanted::JsonOrNothing("CheckWish"), [(200, "The findings.", Content::Json("CheckReport")),
        WRONG_BODY, KEEP_WITHHELD, NO_STORE]),
    route!(Admin POST "/api/v1/media/vacuum" storage::vacuum => "gave unused room back", Api,
        "Compacts the database; with `wipe` overwrites deleted data with zeros first. May take minutes.",
        [], Wanted::JsonOrNothing("VacuumWish"), [(200, "The freed space.", Content::Json("VacuumReport")),
        WRONG_BODY, KEEP_WITHHELD, NO_STORE, NO_ROOM]),
    route!(Admin GET "/api/v1/media/backup" storage::backup, Api,
        "A copy of the whole database, made while recording continues.", [],
        [(200, "An SQLite file.", Content::Database), API_WITHHELD, NO_STORE]),
    route!(Operator PUT "/api/v1/media/{name}" uploads::add_named => "added a file", Api,
        "Adds a file under this name: `curl -T FILE` appends it to an address that ends with a slash.",
        [key("name", MayBe::Text(200), "Another name."), DATED, TAKEN,
        key("note", MayBe::Text(2000), "A note."),
        key("fps", MayBe::Number(0.01, 1000.0), "Frame rate of a clip.")], Wanted::File,
        [(201, "The item.", Content::Json("MediaItem")), WRONG_QUERY, KEEP_WITHHELD,
        (405, "The name is a number, and items are not replaced.", Content::Problem),
        (408, "No data for too long.", Content::Problem),
        (413, "A frame of more than 32 MB.", Content::Problem),
        (415, "Another kind of file.", Content::Problem), WRONG_DRAFT, NO_STORE, NO_ROOM]),
    route!(Look GET "/api/v1/light" light::get, Api,
        "The light: its settings, the colours of its pixels, and why it does not work, if so.", [],
        [(200, "The light; ETag is the settings' version.", Content::Json("Light"))]),
    route!(Operator PATCH "/api/v1/light" light::patch => "changed the light", Api,
        "Changes the given keys, at once and permanently; answers when they are stored. Supports If-Match.",
        [], Wanted::Json("LightPatch"), [(200, "The light.", Content::Json("Light")), WRONG_BODY, NO_LIGHT,
        PINNED, CHANGED, NO_SETTINGS, NO_ROOM]),
    route!(Operator POST "/api/v1/pause" state::pause => "paused the camera", Api,
        "Closes the camera until it is resumed.", [], [STATE, API_FOREIGN]),
    route!(Operator POST "/api/v1/resume" state::resume => "resumed the camera", Api,
        "Ends a pause: the camera opens on demand.", [], [STATE, API_FOREIGN]),
    route!(Changes::ShownSeldom, Snapshot GET "/api/v1/still.jpg" live::still, Api, "An image to draw \
            lines on. In privacy mode only for users who may change something, and the same for ten \
            seconds.", [], [JPEG, (401,
        "Privacy mode: this needs the camera's password, or the password was wrong.", Content::Problem),
        API_FOREIGN, (503, "No live picture, or nothing is counted here.", Content::Problem)]),
    route!(Counts GET "/api/v1/lines" lines::list, Api,
        "The counting lines of a source class, those of the operator's file first.",
        [key("deleted", MayBe::Words(&["1", "0"]), "`1`: with deleted ones."), SCENE],
        [(200, "The lines.", Content::Json("Lines")), WRONG_QUERY, NO_COUNTING]),
    route!(Operator POST "/api/v1/lines" shapes::add::<LineRow> => "added line", Api,
        "Draws a line in the current source class.", [], Wanted::Json("LineDraft"), [NEW_LINE, API_FOREIGN,
        CONFLICT, WRONG_DRAFT, NO_COUNTING]),
    route!(Counts GET "/api/v1/lines/{id}" lines::get, Api, "One line, also a deleted one.", [], [LINE,
        UNKNOWN, NO_COUNTING]),
    route!(Operator PUT "/api/v1/lines/{id}" shapes::replace::<LineRow> => "changed line", Api,
        "Draws it again; its counts stay. Supports If-Match.", [], Wanted::Json("LineDraft"), [LINE,
        API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(Operator PATCH "/api/v1/lines/{id}" shapes::change::<LineRow> => "changed line", Api,
        "Changes the given keys. Supports If-Match.", [], Wanted::Json("LinePatch"), [LINE, API_FOREIGN,
        UNKNOWN, CONFLICT, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(Operator DELETE "/api/v1/lines/{id}" shapes::delete::<LineRow> => "removed line", Api,
        "Deletes it; its counts stay. Supports If-Match.", [], [DELETED, API_FOREIGN, UNKNOWN, CONFLICT,
        CHANGED, NO_COUNTING]),
    route!(Counts GET "/api/v1/zones" zones::list, Api, "The zones of a source class, and their occupancy.",
        [SCENE], [(200, "The zones.", Content::Json("Zones")), WRONG_QUERY, NO_COUNTING]),
    route!(Operator POST "/api/v1/zones" shapes::add::<ZoneRow> => "added zone", Api,
        "Draws a zone in the current source class.", [], Wanted::Json("ZoneDraft"), [NEW_ZONE, API_FOREIGN,
        CONFLICT, WRONG_DRAFT, NO_COUNTING]),
    route!(Counts GET "/api/v1/zones/occupancy" movement::occupancy, Api, "How many were in each zone that \
            counts, by bucket: the mean over the time it was looked at, and the peak. `null`: it was not.",
        [FROM_BUCKET, TO_BUCKET, BUCKET, OPEN, CLOSE, SCENE, FORMAT, BOM, SHEET],
        [(200, "The zones.", Content::JsonOrCsv("Occupancy")), WRONG_QUERY, NO_COUNTING]),
    route!(Counts GET "/api/v1/zones/stays" movement::stays, Api, "How long objects stayed in each zone that \
            counts, by the bucket in which they came: median, 90 %, and a histogram of whole stays. A count is \
            `null` if the zone was not watched. An object that is lost and found again has one stay. A stay is \
            stored up to 30 s after its end, for 400 days.",
        [FROM_BUCKET, TO_BUCKET, BUCKET, OPEN, CLOSE, SCENE, FORMAT, BOM, SHEET],
        [(200, "The zones.", Content::JsonOrCsv("Stays")), WRONG_QUERY, NO_COUNTING]),
    route!(Counts GET "/api/v1/zones/{id}" zones::get, Api, "One zone.", [], [ZONE, UNKNOWN, NO_COUNTING]),
    route!(Operator PUT "/api/v1/zones/{id}" shapes::replace::<ZoneRow> => "changed zone", Api,
        "Draws it again. Supports If-Match.", [], Wanted::Json("ZoneDraft"), [ZONE, API_FOREIGN, UNKNOWN,
        CONFLICT, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(Operator PATCH "/api/v1/zones/{id}" shapes::change::<ZoneRow> => "changed zone", Api,
        "Changes the given keys. Supports If-Match.", [], Wanted::Json("ZonePatch"), [ZONE, API_FOREIGN,
        UNKNOWN, CONFLICT, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(Operator DELETE "/api/v1/zones/{id}" shapes::delete::<ZoneRow> => "removed zone", Api,
        "Deletes it. Supports If-Match.", [], [DELETED, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED,
        NO_COUNTING]),
    route!(Operator POST "/api/v1/zones/{id}/ground" movement::set_ground => "set the size of a zone", Api,
        "Sets the size of a zone whose four corners are a rectangle on the ground. Crossings there, and up to the same \
            length beyond it, get speeds.", [], Wanted::Json("GroundDraft"), [(204, "It is set.", Content::Nothing),
        API_FOREIGN, WRONG_DRAFT, UNKNOWN, NO_COUNTING]),
    route!(Operator DELETE "/api/v1/zones/{id}/ground" movement::forget_ground => "forgot the size of a zone", Api,
        "Forgets the size of a zone on the ground.", [], [DELETED, API_FOREIGN, UNKNOWN, NO_COUNTING]),
    route!(Counts GET "/api/v1/counts" counts::counts, Api, "Crossings by bucket, in whole hours from that \
            of `from` to that of `to`. A count is `null` if nothing was counted, or if none of the named \
            lines existed and nothing was recounted. `gaps` apply to all lines, `line_gaps` to one line; \
            they may overlap, and are clipped to `from` and `to`. Without named lines, a line without \
            `line_gaps` neither existed nor was recounted in between.", [FROM_BUCKET, TO_BUCKET, BUCKET,
        OPEN, CLOSE, key("by", MayBe::Several(&["line", "class", "direction"]),
        "Grouping: any of `line`, `class`, `direction`, separated by commas; default: all."), OF_LINE,
        OF_CLASS, SCENE, FORMAT, BOM, SHEET], [(200, "The buckets.", Content::JsonOrCsv("CountsReport")), WRONG_QUERY,
        NO_COUNTING]),
    route!(Counts GET "/api/v1/flows" movement::flows, Api, "How many objects went from which entry to which exit, \
            by the bucket of the exit. Both crossings are of one track; excluded ones are left out.", [FROM_BUCKET,
        TO_BUCKET, BUCKET, OPEN, CLOSE, key("entry", MayBe::Texts, "Numbers or names of the lines that are entries, \
            separated by commas; default: all."), key("exit", MayBe::Texts, "Those of the lines that are exits. An \
            entry has one exit at most; other lines between the two do not matter."), SCENE, FORMAT, BOM, SHEET],
        [(200, "The flows.", Content::JsonOrCsv("Flows")), WRONG_QUERY, NO_COUNTING]),
    route!(Counts GET "/api/v1/movement" movement::movement, Api, "Where objects moved, on a grid of 64 × 36 cells \
            over the picture, from the hours that began in this time. Hours in which the picture was turned or \
            cropped otherwise than now are left out. Needs `detect.movement_map`.",
        [FROM, TO, SCENE, FORMAT, BOM, SHEET],
        [(200, "The map.", Content::JsonOrCsv("Movement")), WRONG_QUERY, NO_COUNTING]),
    route!(Counts GET "/api/v1/speeds" movement::speeds, Api, "How fast objects went between two lines, or \
            over the ground near a zone of known size: mean, V85, and a histogram. CSV has every speed. Crossings \
            from before a line was moved have none between two lines. No evidence for fines.",
        [FROM_BUCKET, TO_BUCKET, BUCKET, OPEN, CLOSE, SCENE, FORMAT, BOM, SHEET],
        [(200, "The lines with speeds.", Content::JsonOrCsv("Speeds")), WRONG_QUERY, NO_COUNTING]),
    route!(Operator POST "/api/v1/speeds" movement::set_distance => "set the distance of a line", Api,
        "Sets the distance of a line to another one; its crossings get speeds.", [],
        Wanted::Json("DistanceDraft"), [(200, "The distance.", Content::Json("LineDistance")), API_FOREIGN,
        WRONG_DRAFT, NO_COUNTING]),
    route!(Operator DELETE "/api/v1/speeds/{id}" movement::forget_distance => "forgot the distance of a line", Api,
        "Forgets the distance of the line `id`.", [], [DELETED, API_FOREIGN, UNKNOWN, NO_COUNTING]),
    route!(Operator POST "/api/v1/counts/reset" tallies::reset => "set today's counts to zero", Api,
        "Resets today's counters of a line, or of all, to zero. Nothing is deleted.", [],
        Wanted::JsonOrNothing("ResetDraft"), [(201, "The reset.", Content::Json("Reset")), API_FOREIGN,
        UNKNOWN, WRONG_DRAFT, NO_COUNTING]),
    route!(Operator DELETE "/api/v1/counts/reset/{id}" tallies::undo_reset =>
        "took back that today's counts were set to zero",
        Api, "Takes a reset back: the counters are as if it had not been.", [],
        [(204, "It is taken back.", Content::Nothing), API_FOREIGN, UNKNOWN, NO_COUNTING]),
    route!(Operator POST "/api/v1/counts/recount" recount::recount => "counted a recording again", Api,
        "Replaces the counts of a recording by those of a recount; the former ones are kept outside the \
            sums. `tallycam counts recount` sends it.", [], Wanted::LongJson("RecountDraft", RECOUNT),
        [(200, "The database has the same already.", Content::Json("Recount")),
        (201, "The changes.", Content::Json("Recount")), API_FOREIGN, UNKNOWN, CHANGED, WRONG_DRAFT,
        NO_COUNTING]),
    route!(Counts GET "/api/v1/crossings" crossings::list, Api, "All stored crossings.", [FROM, TO, OF_LINE,
        OF_CLASS, key("direction", MayBe::Words(&["in", "out"]), "`in` or `out`."),
        key("scene", MayBe::Words(&["camera", "files", "sim", "all"]),
        "`camera`, `files`, `sim` or `all`; default: the current one."),
        key("order", MayBe::Words(&["newest", "oldest"]), "`newest` first, or `oldest`."),
        key("limit", MayBe::Whole(1, 5000), "Maximum number, 1 to 5000; default 100, for a table all."),
        key("cursor", ID, "`next` of the previous page."),
        key("since", MayBe::Whole(0, u64::MAX), "Only what was stored, corrected or taken back after this \
            `seq`, in that order; 0: all. What is marked comes again."),
        key("left", FLAG, "`1`: with `since`, also the number of changes after the page."),
        FORMAT, BOM, SHEET], [(200, "A page of crossings, or all of them as a table.", Content::JsonOrCsv("Crossings")),
        WRONG_QUERY, NO_COUNTING]),
    route!(Operator PATCH "/api/v1/crossings/{id}" crossings::mark => "marked a crossing", Api,
        "Marks a crossing as wrong, or as right again. It stays stored; the sums leave it out if it is \
            `excluded`. It gets a new `seq`.", [], Wanted::Json("CrossingPatch"),
        [(200, "The crossing.", Content::Json("Crossing")), API_FOREIGN, UNKNOWN, WRONG_DRAFT, NO_COUNTING]),
    route!(Viewer GET "/api/v1/crossings/{id}/thumbnail.jpg" crossings::thumbnail, Api,
        "The thumbnail of a crossing, if thumbnails are stored.", [], [(200, "A thumbnail.", Content::Jpeg),
        API_WITHHELD, (404, "There is none.", Content::Problem), NO_COUNTING]),
    route!(Viewer GET "/api/v1/crossings/{id}/video" video::of_crossing, Api,
        "A video from 5 s before a crossing to 5 s after it, if a recording shows it.", [],
        [(303, "Location is the video.", Content::Nothing), API_WITHHELD,
        (404, "There is no such number, or no recording shows it.", Content::Problem), NO_STORE]),
    route!(Counts GET "/api/v1/checks" checks::list, Api, "Checks of lines by people, newest first, without \
            their single crossings.", [key("line", ID, "The number of a line; default: all."),
        key("limit", MayBe::Whole(1, 1000), "Maximum number, 1 to 1000; default 100, for a table all."),
        key("cursor", ID, "`next` of the previous page."), FORMAT, BOM],
        [(200, "A page of checks, or all of them as a table.", Content::JsonOrCsv("Checks")), WRONG_QUERY,
        NO_COUNTING]),
    route!(Operator POST "/api/v1/checks" checks::add => "checked line", Api, "Matches what somebody tapped \
            with what was counted, and stores the result. Answers when the check is over.", [],
        Wanted::LongJson("CheckDraft", CHECK), [(201, "The check; Location is where it is.",
        Content::Json("Check")), API_FOREIGN, UNKNOWN, WRONG_DRAFT, NO_COUNTING]),
    route!(Counts GET "/api/v1/checks/{id}" checks::get, Api, "One check, with its crossings.", [],
        [(200, "The check.", Content::Json("Check")), UNKNOWN, NO_COUNTING]),
    route!(Operator POST "/api/v1/checks/{id}/advice" checks::advise => "tried changes for", Api, "Counts \
            the recording of a check with single settings changed, which takes minutes; one at a time, \
            else 503. `trial` and `advice` of the check tell the result; nothing else changes.", [],
        [(202, "The check.", Content::Json("Check")), API_FOREIGN, UNKNOWN,
        (422, "No ended recording shows that time, the line or the picture was changed since, or the check is \
            longer than an hour.", Content::Problem),
        (503, "Another check is tried, nothing is counted here, or the database cannot be read.", Content::Problem)]),
    route!(Operator DELETE "/api/v1/checks/{id}" checks::delete => "removed check", Api, "Deletes a check.",
        [], [DELETED, API_FOREIGN, UNKNOWN, NO_COUNTING]),
    route!(Counts GET "/api/v1/tracks" tallies::tracks, Api, "The objects that are tracked now.", [],
        [(200, "The tracks.", Content::Json("Tracks")), NO_COUNTING]),
    route!(Counts GET "/api/v1/tallies" tallies::tallies, Api, "Today's sums by line.", [],
        [(200, "The sums.", Content::Json("Tallies")), NO_COUNTING]),
    route!(Counts GET "/api/v1/events" events::events, Api, "Server-sent events. To resume after a \
            crossing, send its id in the header Last-Event-ID or in the query.", [key("types",
        MayBe::Several(&["crossing", "tally", "overlay", "lines", "state", "media", "recording"]),
        "Any of `crossing`, `tally`, `overlay`, `lines`, `state`, `media`, `recording`, separated by \
            commas; default: all."), key("last_event_id", MayBe::Whole(0, u64::MAX),
        "Crossings after this id, for clients that cannot set a header.")],
        [(200, "Events, until the client leaves.", Content::Events), WRONG_QUERY, API_WITHHELD,
        (503, "None of the requested events exist here, or all places are taken.", Content::Problem)]),
    route!(Look GET "/api/v1/model" model::model, Api, "The model in use, and all others.", [], [MODEL,
        NO_COUNTING]),
    route!(Admin PUT "/api/v1/model" model::put => "changed the model", Api,
        "Selects a model; `null`: the configured one. Answers when it is in use.", [],
        Wanted::Json("ModelChoice"), [MODEL, API_FOREIGN,
        (409, "Pinned by the operator's file.", Content::Problem), WRONG_DRAFT, NO_COUNTING]),
    route!(Admin POST "/api/v1/model/fetch" model::fetch => "fetched a model", Api,
        "Downloads a model of the catalogue. Answers when it is installed.", [], Wanted::Json("ModelName"),
        [MODEL, API_FOREIGN, (404, "The catalogue has no such name.", Content::Problem),
        (409, "It is installed already, or another model has its name.", Content::Problem), WRONG_DRAFT,
        (502, "The downloaded file is not the expected one.", Content::Problem),
        (503, "The server is not reachable, or there are no models here.", Content::Problem)]),
    route!(Operator GET "/api/v1/settings" settings::list, Api, "Every setting, its origin and its range.",
        [], [SETTINGS, NO_SETTINGS]),
    route!(Admin PATCH "/api/v1/settings" settings::change => "changed settings", Api, "Changes settings \
            at run time, all or none; `null` unsets one. Answers when they are in force and on the disk. \
            Supports If-Match.", [CONFIRM], Wanted::Json("SettingsPatch"), [SETTINGS, API_FOREIGN, (409,
        "Pinned by the operator, it does not work, or it would delete media: nothing has changed.",
        Content::Problem), CHANGED, WRONG_DRAFT, NO_SETTINGS,
        (507, "It could not be stored: nothing has changed.", Content::Problem)]),
    route!(Admin GET "/api/v1/settings.toml" settings::export, Api,
        "The settings made here, as a configuration file; stars in place of passwords.", [],
        [(200, "The file.", Content::Toml), NO_SETTINGS]),
    route!(Admin PUT "/api/v1/settings.toml" settings::import => "imported settings", Api,
        "Replaces all settings made here. Stars in place of a password keep it. Supports If-Match.",
        [CONFIRM], Wanted::Toml, [SETTINGS, API_FOREIGN,
        (409, "It does not work, or would delete media: nothing has changed.", Content::Problem), CHANGED,
        WRONG_DRAFT, NO_SETTINGS, (507, "It could not be stored: nothing has changed.", Content::Problem)]),
    route!(Look GET "/lines" pages::counting::lines, Pages, "The editor of lines and zones.",
        [key("line", TEXT, "The number of the line to edit, or `new`."),
        key("zone", TEXT, "The number of the zone to edit, or `new`."),
        key("mask", TEXT, "The number of the area of the privacy mask to edit, or `new`.")],
        [(200, "The page.", Content::Html), NO_PAGE]),
    route!(Look GET "/zones" pages::counting::zones, Pages, "To `/lines`.", [],
        [(303, "To the page.", Content::Nothing)]),
    route!(Look GET "/counts" pages::counting::counts, Pages, "Charts and figures.",
        [key("range", TEXT, "`today`, `yesterday`, `7d`, `30d`, `month`, `year` or `own`."),
        key("from", MayBe::Moment, "A date, for `range=own`."),
        key("to", MayBe::Moment, "A date, for `range=own`."), key("line", TEXT, "The number of a line."),
        key("class", TEXT, "The name of a class."), key("heat", TEXT, "`in`, `out` or `both`."),
        key("entry", MayBe::Texts, "Numbers of the lines that are entries of flows."),
        key("exit", MayBe::Texts, "Numbers of the lines that are exits."),
        key("open", TEXT, "The hour, 0 to 23, from which on hours are shown."), key("close", TEXT,
        "The hour, 1 to 24, before which they are; an earlier one than `open` is after midnight."),
        key("with", TEXT, "What it is compared with: `week` (the same weekdays), `before`, `4w`, `year`, \
            or the first day of another time.")], [(200, "The page.", Content::Html), NO_PAGE]),
    route!(Look GET "/crossings" pages::counting::crossings, Pages, "Crossings one by one, newest first, of \
            today or of the time asked for.",
        [key("day", TEXT, "A date; default: today."), key("line", TEXT, "The number of a line."),
        key("class", TEXT, "The name of a class."), FROM, TO, key("cursor", ID, "Of the link to earlier ones."),
        key("at", ID, "The number of the crossing shown beside the table.")], [(200, "The page.", Content::Html),
        (400, "A line or a time that is none.", Content::Text), (404, "There is no such line.", Content::Text),
        NO_PAGE]),
    route!(Look GET "/checks" pages::counting::checks, Pages, "Checks of lines, and the start of one; or one \
            check, whose print is its certificate.", [key("id", ID, "The number of a check."),
        key("line", TEXT, "The number of the line to check.")], [(200, "The page.", Content::Html),
        (400, "Not the number of a check.", Content::Text),
        (404, "There is no such check.", Content::Text), NO_PAGE]),
    route!(Operator GET "/check" pages::counting::check, Pages, "The page on which a line is checked: it shows \
            no counts.", [key("line", ID, "The number of the line."),
        key("minutes", MayBe::Whole(1, 30), "How long; default: 15."),
        key("item", TEXT, "The number of the recording to watch; default: live."),
        key("t", SECONDS, "Where it starts, in seconds.")], [(200, "The page.", Content::Html),
        (400, "A number that is none.", Content::Text),
        (404, "There is no such line or recording.", Content::Text), NO_PAGE]),
    route!(Look GET "/models" pages::counting::models, Pages, "The models.", [],
        [(200, "The page.", Content::Html), NO_PAGE]),
    route!(Anyone GET "/sign-in" sign_in::show, Pages, "The page to sign in and out.",
        [key("next", TEXT, "The page to open afterwards."), key("needed", TEXT, "The role that it needs."),
        DONE], [(200, "The page.", Content::Html),
        (303, "There is no password yet: redirect to the choice of the first one.", Content::Nothing)]),
    route!(Anyone POST "/sign-in" sign_in::sign_in, Pages,
        "Signs in, from the page's form: `password` and `next`. With `current`, `password` and `again` it changes \
            your password first.", [], Wanted::Form,
        [(200, "Signed in, with a cookie: the page with the form that was sent without being signed \
            in.", Content::Html),
        (303, "Signed in, with a cookie: redirect to `next`.", Content::Nothing),
        (403, "The page again: `current` is wrong; or a browser sent this on behalf of another site.", Content::Html),
        (409, "The page again: who may watch is pinned by the operator's file.", Content::Html),
        (422, "The page again: the password is wrong.", Content::Html), (429,
        "The page again: too many wrong passwords; Retry-After says when to try again.", Content::Html),
        (503, "The page again: too many passwords are being checked.", Content::Html),
        (507, "The page again: it could not be written.", Content::Html)]),
    route!(Anyone GET "/claim" sign_in::show_claim, Pages,
        "The page to choose the first password, with `[access] claim = \"network\"`.", [],
        [(200, "The page.", Content::Html),
        (303, "There is a password: redirect to the sign-in page.", Content::Nothing)]),
    route!(Anyone POST "/claim" sign_in::post_claim => "chose the first password", Pages, "Sets the first \
            password, from the page's form: `password`, `again` and `view`. Only from the camera's own \
            network.", [], Wanted::Form, [(303, "Set, with a cookie: redirect to the live page. If there \
            is a password: redirect to the sign-in page.", Content::Nothing), FOREIGN,
        (403, "The page again: not from the camera's own network.", Content::Html),
        (409, "The page again: somebody else was first.", Content::Html),
        (422, "The page again: invalid password.", Content::Html),
        (507, "The page again: it could not be written.", Content::Html)]),
    route!(Anyone POST "/sign-out" sign_in::sign_out, Pages, "Signs out, from a form.", [], Wanted::Form,
        [(303, "Signed out: redirect to the sign-in page.", Content::Nothing), FOREIGN]),
    route!(Admin GET "/access" sign_in::show_access, Pages,
        "Access: viewing, passwords, users, tokens, links.", [DONE], [(200, "The page.", Content::Html),
        (503, "This program stores no password.", Content::Text)]),
    route!(Anyone GET "/api/v1/password" password::password, Api,
        "Whether there is a password, and the number of sessions.", [],
        [(200, "The status.", Content::Json("Password")), NO_PASSWORD]),
    route!(Admin PUT "/api/v1/password" password::set_password => "changed the password", Api,
        "Sets the password and ends all sessions. From other machines `current` must be the current one.",
        [], Wanted::Json("PasswordDraft"), [(200, "The status.", Content::Json("Password")), NOT_HERE,
        TOO_MANY, (422, "Too short or too long.", Content::Problem), NO_PASSWORD, NO_ROOM]),
    route!(Admin POST "/api/v1/password/random" password::random => "changed the password", Api,
        "Generates a password and ends all sessions. Only on the camera's own machine.", [],
        [(201, "The password, shown only once.", Content::Json("MadePassword")), NOT_HERE, TOO_MANY,
        NO_PASSWORD, NO_ROOM]),
    route!(Admin DELETE "/api/v1/password" password::remove => "removed the password", Api, "Removes the \
            password: then anybody who reaches the camera can change it. Only on the camera's own machine.",
        [], [(200, "The status.", Content::Json("Password")), NOT_HERE, TOO_MANY, NO_PASSWORD, NO_ROOM]),
    route!(Anyone GET "/api/v1/me" people::me, Api,
        "The client, as far as it has identified itself, and its rights.", [],
        [(200, "Name, role, and whether viewing is open.", Content::Json("Me"))]),
    route!(Admin GET "/api/v1/users" people::users, Api, "All users with a password, the admin first.", [],
        [(200, "Names and roles.", Content::Json("Users")), NO_PASSWORDS]),
    route!(Admin PUT "/api/v1/users/{name}" people::put_user => "changed user", Api, "Adds a user, or \
            changes the role or the password of one, whose sessions end. From other machines the admin's \
            password and your own need `current`, as PUT /api/v1/password does.", [],
        Wanted::Json("UserDraft"), [(200, "Everybody.", Content::Json("Users")),
        (412, "`If-None-Match: *` was sent, and the user exists.", Content::Problem), API_FOREIGN, TOO_MANY,
        WRONG_PERSON, NO_PASSWORDS, NO_ROOM]),
    route!(Admin DELETE "/api/v1/users/{name}" people::delete_user => "removed user", Api,
        "Removes a user and ends the user's sessions.", [], [DELETED, API_FOREIGN, UNKNOWN, TOO_MANY,
        WRONG_PERSON, NO_PASSWORDS, NO_ROOM]),
    route!(Admin GET "/api/v1/tokens" people::tokens, Api, "The tokens, without their secrets.", [],
        [(200, "Names, scopes, end, and last use to the hour.", Content::Json("Tokens")), NO_PASSWORDS]),
    route!(Admin POST "/api/v1/tokens" people::add_token => "created token", Api,
        "Creates a token. It is shown only once.", [], Wanted::Json("TokenDraft"),
        [(201, "The token.", Content::Json("MadeToken")), API_FOREIGN, TOO_MANY, WRONG_PERSON, NO_PASSWORDS,
        NO_ROOM]),
    route!(Admin DELETE "/api/v1/tokens/{id}" people::revoke_token => "revoked token", Api,
        "Revokes a token.", [], [DELETED, API_FOREIGN, UNKNOWN, TOO_MANY, NO_PASSWORDS, NO_ROOM]),
    route!(Admin GET "/api/v1/sessions" people::sessions, Api,
        "The sessions: user, start, address and browser.", [],
        [(200, "The sessions.", Content::Json("Sessions")), NO_PASSWORDS]),
    route!(Admin DELETE "/api/v1/sessions/{id}" people::end_session => "ended session", Api,
        "Ends a session.", [], [DELETED, API_FOREIGN, UNKNOWN, NO_PASSWORDS]),
    route!(Admin GET "/api/v1/audit" activity::list, Api, "Sign-ins, refusals and changes, newest first. \
            Refusals and sign-ins have one row a minute for each kind, user and address.",
        [key("limit", MayBe::Whole(1, 1000), "Maximum number, 1 to 1000; default 100, for a table all."),
        key("cursor", ID, "`next` of the previous page."), FORMAT, BOM],
        [(200, "A page of the list, or all of it as a table.", Content::JsonOrCsv("Audit")), WRONG_QUERY,
        NO_COUNTING]),
    route!(Operator POST "/api/v1/links" people::add_link => "created a link to", Api, "Signs an address, \
            which then works without a password until it ends or the admin's password changes.", [],
        Wanted::Json("LinkDraft"),
        [(201, "The address, relative to the camera's.", Content::Json("MadeLink")), API_FOREIGN,
        WRONG_PERSON, NO_PASSWORDS]),
    route!(Operator GET "/api/v1/log" logs::log, Api, "The last lines of the log, oldest first.",
        [key("lines", MayBe::Whole(1, 1000), "Maximum number, 1 to 1000; default 200."), key("level",
        MayBe::Words(&["error", "warn", "info", "debug", "trace"]),
        "Lines of this level or above: `error`, `warn`, `info`, `debug` or `trace`.")],
        [(200, "The lines.", Content::Json("Log")), WRONG_QUERY]),
    route!(Admin POST "/api/v1/power" power::power => "switched the machine", Api,
        "Switches the machine off or reboots it, after the recording is on the disk.", [],
        Wanted::Json("PowerWish"), [(202, "In progress.", Content::Json("PowerWish")), WRONG_DRAFT, (403,
        "A browser sent this on behalf of another site; or there is no password, and it does not come from \
            the machine itself.", Content::Problem),
        (500, "The system refused: why, and what to do.", Content::Problem),
        (503, "This program cannot do that.", Content::Problem)]),
    route!(Admin POST "/api/v1/clock" clock::set => "set the clock", Api,
        "Sets the clock of a machine whose network has no time server, and counts it as right.", [],
        Wanted::Json("ClockWish"), [(204, "The clock is set.", Content::Nothing), WRONG_DRAFT, (403,
        "A browser sent this on behalf of another site; or there is no password, and it does not come from \
            the machine itself.", Content::Problem),
        (409, "The network sets the clock.", Content::Problem),
        (500, "The system refused: why, and what to do.", Content::Problem),
        (503, "This program cannot do that.", Content::Problem)]),
    route!(Admin GET "/api/v1/backup" backup::download, Api, "A backup as one tar archive, made while it \
            is sent: settings, lines, zones, counts, added models, users with the hashes of passwords and \
            tokens; with `media` also snapshots and recordings.",
        [key("media", FLAG, "`1`: with snapshots and recordings.")], [(200,
        "The archive. It ends with `SHA256SUMS`; a truncated one has none.",
        Content::OneOf(&["application/x-tar"])), WRONG_QUERY, API_WITHHELD, NO_ROOM, NO_STORE]),
    route!(Admin POST "/api/v1/restore" backup::restore => "restored a backup", Api,
        "Restores a backup. The whole file is checked; then the server restarts with it.", [], Wanted::File,
        [(202, "The backup is valid, and the server restarts.", Content::Json("Restored")), BROKE_OFF,
        API_FOREIGN, (408, "No data for too long.", Content::Problem),
        (409, "Another restore is in progress.", Content::Problem), (422,
        "Not a backup, damaged, truncated, or of a newer version: nothing has changed.", Content::Problem),
        (500, "The disk accepts no writes.", Content::Problem), NO_BACKUP, NO_ROOM]),
    route!(Admin POST "/api/v1/factory-reset" backup::factory_reset => "removed everything", Api,
        "Factory reset: deletes settings, lines, counts, snapshots, recordings and users, and restarts the \
            server.", [], Wanted::Json("ResetWish"), [(202, "The server restarts.", Content::Nothing),
        API_FOREIGN, WRONG_DRAFT, (409, "A restore is in progress.", Content::Problem),
        (500, "The disk accepts no writes.", Content::Problem), NO_BACKUP]),
    route!(Admin GET "/api/v1/update" update::get, Api,
        "The running version, and the result of the last update of a card.", [],
        [(200, "The version.", Content::Json("Update"))]),
    route!(Admin POST "/api/v1/update" update::post => "handed over a package to be installed", Api,
        "Installs a package on a card: the two files of a form, package and minisign signature.", [],
        Wanted::File, [(202, "The signature is valid: installing.", Content::Nothing), BROKE_OFF,
        API_FOREIGN, (408, "No data for too long.", Content::Problem),
        (409, "Another upload is in progress.", Content::Problem),
        (413, "Too long for a package.", Content::Problem),
        (422, "Not signed with the key of [update].", Content::Problem),
        (500, "The disk accepts no writes.", Content::Problem),
        (503, "Not a card, or the configuration has no key.", Content::Problem)]),
    route!(Look GET "/api/v1/lens" lens::get, Api,
        "The lens: its position, and the sharpness of the newest frame.", [], [LENS]),
    route!(Operator PATCH "/api/v1/lens" lens::patch => "moved the lens", Api, "Sets the position or moves \
            it by a step (both switch autofocus off), switches autofocus, or focuses on a spot of the \
            picture as shown (null: on all of it). It is saved. Supports If-Match.", [],
        Wanted::Json("LensPatch"), [LENS, WRONG_BODY, NO_LENS, PINNED, CHANGED, NO_CAMERA]),
    route!(Operator POST "/api/v1/lens/reset" lens::post_reset => "reset the lens", Api,
        "Returns to the camera's default and forgets the saved position. Supports If-Match.", [], [LENS,
        NOTHING_TAKEN, NO_LENS, PINNED, CHANGED, NO_CAMERA]),
    route!(Operator POST "/api/v1/lens/sweep" lens::post_sweep => "began a focus sweep", Api,
        "Finds the sharpest position and stays there. `sweep` of the lens shows the progress.", [],
        [(202, "Started.", Content::Json("Lens")), NOTHING_TAKEN, NO_LENS, (409,
        "A sweep is in progress, the camera is paused, or the operator's file pins the lens.",
        Content::Problem), NO_CAMERA]),
    route!(Operator DELETE "/api/v1/lens/sweep" lens::delete_sweep => "ended the focus sweep", Api,
        "Stops the sweep; the lens is where it was, or where it was sent meanwhile.", [], [LENS]),
    route!(Operator GET "/api/v1/diagnosis" diagnosis::get, Api,
        "All findings, good and bad, and what to do; worst first.", [],
        [(200, "The findings.", Content::Json("Diagnosis"))]),
    route!(Viewer GET "/api/v1/neighbours" neighbours::list, Api, "This tallycam and the others of the network: those \
            that announce themselves, and `neighbours` of the configuration. They are asked without credentials.", [],
        [(200, "State and today's counts of each.", Content::Json("Neighbours"))]),
    route!(Viewer GET "/all" machine::all, Pages, "All tallycams of the network.", [],
        [(200, "The page.", Content::Html)]),
    route!(Operator GET "/api/v1/notifications" notifications::list, Api,
        "How the rules of notifications do, and their last deliveries. The rules are the setting `notify`.", [],
        [(200, "Rules and deliveries.", Content::Json("Notifications")), NO_NOTIFICATIONS]),
    route!(Operator POST "/api/v1/notifications/test" notifications::test => "tested notification", Api,
        "Sends a test by a rule.", [], Wanted::Json("NotifyTest"),
        [(200, "It has arrived: what the other side answered.", Content::Json("NotifyTested")), WRONG_BODY,
        API_FOREIGN, (404, "There is no such rule.", Content::Problem), WRONG_DRAFT,
        (502, "The other side refused it, or answered nothing proper.", Content::Problem), NO_NOTIFICATIONS]),
    route!(Operator POST "/api/v1/mqtt/forget" mqtt::forget => "removed the camera from the MQTT broker", Api,
        "Removes the device from Home Assistant and empties this camera's topics at the broker. MQTT stops \
        then, until restart or a change of its settings.", [],
        [(204, "The broker has acknowledged it.", Content::Nothing), API_FOREIGN, (422, "MQTT is off.",
        Content::Problem), (502, "The broker does not acknowledge it.", Content::Problem), NO_NOTIFICATIONS]),
    route!(Operator GET "/notifications" machine::notifications, Pages, "Notifications: rules, tests, deliveries.",
        [key("done", TEXT, "What was just done.")], [(200, "The page.", Content::Html)]),
    route!(Operator GET "/settings" pages::settings::settings, Pages,
        "Settings that can be changed at run time.", [key("done", TEXT, "What was just done."),
        key("saved", TEXT, "What was just changed."),
        key("q", TEXT, "Only settings with this in their name or key.")],
        [(200, "The page.", Content::Html)]),
    route!(Admin GET "/backup" machine::backup, Pages, "Backup, restore, factory reset.", [],
        [(200, "The page.", Content::Html)]),
    route!(Admin GET "/factory-reset" machine::factory_reset, Pages, "Asks for confirmation of a factory reset.", [],
        [(200, "The page.", Content::Html)]),
    route!(Admin GET "/update" machine::update, Pages,
        "The running version, and the installation of another one.", [],
        [(200, "The page.", Content::Html)]),
    route!(Look GET "/lights" pages::live_controls::lights, Pages, "The light.", [],
        [(200, "The page.", Content::Html)]),
    route!(Admin GET "/welcome" pages::welcome::welcome, Pages, "The first start, step by step.", [],
        [(200, "The page.", Content::Html)]),
    route!(Admin POST "/api/v1/welcome/done" pages::welcome::finish => "set the camera up", Api,
        "Ends the first start: the live page no longer offers it.", [],
        [(204, "It is over.", Content::Nothing), API_FOREIGN, NO_COUNTING]),
    route!(Operator GET "/cameras" pages::cameras::cameras, Pages,
        "The cameras that are found, to choose one.", [], [(200, "The page.", Content::Html)]),
    route!(Operator GET "/diagnosis" pages::live_controls::diagnosis, Pages,
        "The findings of `tallycam check`.", [], [(200, "The page.", Content::Html)]),
    route!(Operator GET "/log" pages::live_controls::show_log, Pages, "The last lines of the log.",
        [key("level", TEXT, "Lines of this level or above: `error`, `warn`, `info`, `debug` or `trace`.")],
        [(200, "The page.", Content::Html)]),
    route!(Admin GET "/activity" machine::activity, Pages, "Sign-ins, refusals and changes.",
        [key("cursor", ID, "The cursor of the next page.")], [(200, "The page.", Content::Html), NO_PAGE]),
    route!(Anyone GET "/api/v1/openapi.json" openapi::get, Api, "This document.", [],
        [(200, "OpenAPI 3.1.", Content::AnyJson), (304, "Not changed.", Content::Nothing)]),
    route!(Operator POST "/start_stream" legacy::start_stream => "resumed the camera", Legacy,
        "Opens the camera and holds it open.", [],
        [(200, "`started`, `already_running` or `error`.", Content::Json("StreamStatus")), FOREIGN]),
    route!(Operator POST "/stop_stream" legacy::stop_stream => "paused the camera", Legacy,
        "Closes the camera for everyone.", [],
        [(200, "`stopped`: the camera is closed.", Content::Json("StreamStatus")), FOREIGN]),
    route!(Operator POST "/shutdown" legacy::shutdown => "paused the camera", Legacy, "As `/stop_stream`.",
        [], [(200, "`Capture released`", Content::Text), FOREIGN]),
    route!(Changes::Always, Key GET "/shutdown" legacy::power_off => "switched off the machine", Legacy,
        "Switches the machine off.", [POWER_KEY], [OLD_DONE, INVALID_KEY, FOREIGN, TOO_MANY_KEYS,
        (500, "`Error with shutdown`", Content::Text)]),
    route!(Changes::Always, Key GET "/reboot" legacy::reboot => "restarted the machine", Legacy,
        "Reboots the machine.", [POWER_KEY], [OLD_DONE, INVALID_KEY, FOREIGN, TOO_MANY_KEYS,
        (500, "`Error with reboot`", Content::Text)]),
    route!(Operator GET "/logs" logs::old, Legacy, "The last lines of the log, oldest first.", [],
        [(200, "Times, levels and messages.", Content::Json("OldLog"))]),
    route!(Anyone GET "/get_controller_data" legacy::get_controller_data, Legacy,
        "There is no such controller.", [], [(403, "`Controller unavailable`", Content::Text)]),
    route!(Counts GET "/get_counts" legacy::get_counts, Legacy, "Counts in and out.", [],
        [(200, "The counts.", Content::Json("Counts"))]),
    route!(Viewer GET "/media" pages::media::media, Pages, "Snapshots and recordings.",
        [key("q", TEXT, "Only items whose name or note contains this."),
        key("kind", TEXT, "`snapshot` or `recording`."), key("kept", TEXT, "`1` or `0`."),
        key("from", TEXT, "A date."), key("to", TEXT, "A date, inclusive."),
        key("cursor", TEXT, "The cursor of the next page.")], [(200, "The page.", Content::Html)]),
    route!(Viewer GET "/player" pages::media::player, Pages, "The player of an item.",
        [key("id", ID, "Its number."), key("t", TEXT, "Start, in seconds."),
        key("speed", TEXT, "0.25, 0.5, 1, 2 or 4.")], [(200, "The page.", Content::Html),
        (303, "Without a number: redirect to the page Media.", Content::Nothing),
        (400, "Invalid value in the query.", Content::Text), WITHHELD,
        (404, "There is no such number.", Content::Text), OLD_NO_STORE]),
    route!(Viewer GET "/database" pages::media::database, Pages, "The database of snapshots and recordings.",
        [key("done", TEXT, "What was just done.")], [(200, "The page.", Content::Html)]),
    route!(Changes::Always, Operator GET "/autofocus" legacy::autofocus => "moved the lens", Legacy,
        "Switches autofocus on or off.", [STATUS], [OLD_DONE, OLD_WRONG, OLD_NO_AUTOFOCUS, OLD_PINNED,
        OLD_NO_CAMERA]),
    route!(Changes::Always, Operator GET "/set_focus" legacy::set_focus => "moved the lens", Legacy,
        "Sets the focus position; switches autofocus off.",
        [needed("value", MayBe::Number(f64::MIN, f64::MAX), "0 (far) to 1 (near).")], [OLD_DONE, OLD_WRONG,
        OLD_NO_FOCUS, OLD_PINNED, OLD_NO_CAMERA]),
    route!(Changes::Always, Operator GET "/step_focus" legacy::step_focus => "moved the lens", Legacy,
        "Moves the focus by 0.05; switches autofocus off.", [needed("direction",
        MayBe::Like("^([+-]|[+-]?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?)$"),
        "`+`, `-`, or a number, of which only the sign counts.")], [OLD_DONE, OLD_WRONG, OLD_NO_FOCUS,
        OLD_PINNED, OLD_NO_CAMERA]),
    route!(Changes::Always,
        Operator GET "/video_capture" legacy::video_capture => "began or ended a recording", Legacy,
        "Starts or stops a recording.",
        [key("status", TEXT, "`false` starts one, `true` stops it; anything else does nothing."),
        key("filename", TEXT, "Its name, with `.avi` appended."), key("date", TEXT, "Its date.")],
        [OLD_DONE, OLD_KEEP_WITHHELD, (400,
        "`Error with recording video`: the name or the date is invalid, or there is one already.",
        Content::Text), (500, "`Error with recording video`: it did not start or end.", Content::Text)]),
    route!(Viewer GET "/get_database" legacy::get_database, Legacy, "All items, by number.", [],
        [(200, "Dates and names.", Content::Json("OldDatabase")), WITHHELD, OLD_NO_STORE]),
    route!(Changes::Always, Operator GET "/database/add" legacy::database_add => "added a file", Legacy,
        "Adds a file of the folder `import` beside the database.",
        [key("filename", TEXT, "The file's name."), key("date", TEXT, "Its date.")], [OLD_DONE,
        OLD_KEEP_WITHHELD, OLD_UNKNOWN, (413, "A frame of more than 32 MB.", Content::Text),
        (415, "Another kind of file.", Content::Text), OLD_NO_STORE]),
    route!(Changes::Always, Operator GET "/database/remove" legacy::database_remove => "removed items",
        Legacy, "Deletes an item.", [FILE_NAME], [OLD_DONE, OLD_KEEP_WITHHELD, OLD_UNKNOWN,
        (409, "It is being recorded.", Content::Text), OLD_NO_STORE]),
    route!(Changes::Always,
        Admin GET "/database/new" legacy::database_new => "set the store of pictures aside", Legacy,
        "Starts a new, empty database.", [], [OLD_DONE, OLD_KEEP_WITHHELD, OLD_NO_STORE]),
    route!(Changes::Always, Operator GET "/light" legacy::light => "changed the light", Legacy,
        "Switches the light on or off.", [key("status", TEXT,
        "`false` switches it on, `true` off; reversed with `old_status = \"program\"` under [lights].")],
        [OLD_DONE, OLD_WRONG, (403, "`Changing light not supported`", Content::Text), OLD_PINNED]),
    route!(Changes::Always, Operator GET "/set_brightness" legacy::set_brightness => "changed the light",
        Legacy, "The brightness of the light.",
        [needed("value", MayBe::Number(f64::MIN, f64::MAX), "0 to 255.")], [OLD_DONE, OLD_WRONG,
        (403, "`Changing brightness not supported`", Content::Text), OLD_PINNED]),
    route!(Changes::Always, Operator GET "/set_color" legacy::set_color => "changed the light", Legacy,
        "The light's colour.", [key("value", TEXT, "Red, green and blue as RRGGBB.")], [OLD_DONE, OLD_WRONG,
        (403, "`Changing color not supported`", Content::Text), OLD_PINNED]),
    route!(Viewer GET "/media/{name}" download::named, Legacy,
        "An item by its exact name. A recording becomes what the ending says (`.avi`, `.mov`, `.mjpeg`), else the \
            MP4 of `/api/v1/media/{id}/video`, also as NAME.mp4 for NAME.avi; without ffmpeg an AVI, under that name.",
        [DOWNLOAD], [(200, "The file.", FILE_OR_VIDEO), (206, "The requested part.", FILE_OR_VIDEO),
        (304, "Not changed.", Content::Nothing), (400, "Invalid value in the query.", Content::Text),
        WITHHELD, (404, "There is no such name.", Content::Text),
        (416, "There is no such part.", Content::Text), (422, "Too long for this format.", Content::Text),
        (500, "ffmpeg failed: why.", Content::Text), (501, "ffmpeg makes no H.264 of this size.", Content::Text),
        (503, "Another video is being made, nothing is stored here, or media.db cannot be read.", Content::Text)]),
    route!(Anyone GET "/robots.txt" pages::assets::robots, Pages, "Search engines should stay away.", [],
        [(200, "Nothing is allowed.", Content::Text)]),
    route!(Anyone GET "/favicon.ico" pages::assets::favicon, Pages, "The icon.", [],
        [(200, "The icon.", Content::Svg), (304, "Not changed.", Content::Nothing)]),
];
