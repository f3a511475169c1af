//! The one table of routes: method, address, handler, and what the API's document says of it.

use hyper::Method;

use crate::http::api::camera::{controls, lens, light, live, picture, state};
use crate::http::api::counting::{counts, crossings, events, lines, model, recount, tallies, zones};
use crate::http::api::machine::{activity, backup, diagnosis, logs, people, power, settings, update};
use crate::http::api::media::{
    download, items, recordings, replay, snapshots, storage, thumbnail, uploads, zip,
};
use crate::http::auth::sign_in;
use crate::http::request::handler::{Answered, Changes, Content, Doc, Route, Tag, Wanted};
use crate::http::request::keys::{AMOUNT, FLAG, ID, Key, MayBe, SECONDS, SPAN, TEXT, key, needed};
use crate::http::request::right::Right;
use crate::http::{legacy, pages};

macro_rules! route {
    ($right:ident $method:ident $path:literal $handler:path, $tag:ident, $summary:literal, [$($query:expr),* $(,)?], [$($answer:expr),+ $(,)?]) => {
        route!($right $method $path $handler, $tag, $summary, [$($query),*], Wanted::Nothing, [$($answer),+])
    };
    ($right:ident $method:ident $path:literal $handler:path, $tag:ident, $summary:literal, [$($query:expr),* $(,)?], $body:expr, [$($answer:expr),+ $(,)?]) => {
        route!(Changes::AsUsual, $right $method $path $handler, $tag, $summary, [$($query),*], $body, [$($answer),+])
    };
    // An old address that changes something though it is asked for with GET.
    ($changes:expr, $right:ident GET $path:literal $handler:path, $tag:ident, $summary:literal, [$($query:expr),* $(,)?], [$($answer:expr),+ $(,)?]) => {
        route!($changes, $right GET $path $handler, $tag, $summary, [$($query),*], Wanted::Nothing, [$($answer),+])
    };
    ($changes:expr, $right:ident $method:ident $path:literal $handler:path, $tag:ident, $summary:literal, [$($query:expr),*], $body:expr, [$($answer:expr),+]) => {
        Route {
            method: Method::$method,
            path: $path,
            changes: $changes,
            right: Right::$right,
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

const FPS: Key = key(
    "fps",
    MayBe::Number(0.01, 1000.0),
    "At most so many pictures a second, 0.01 and up; anything else is ignored.",
);
const STREAM: Answer = (200, "Pictures, until the viewer leaves.", Content::Multipart);
const FULL: Answer = (
    503,
    "All places for viewers are taken, or eight other views are being watched; Retry-After says when to try again.",
    Content::Text,
);
const JPEG: Answer = (200, "The newest picture; X-Timestamp is when it was taken.", Content::Jpeg);
const CARD: Answer = (503, "There is no live picture: a card that says why.", Content::Jpeg);
const STATE: Answer = (200, "How things are.", Content::Json("State"));
const FOREIGN: Answer = (403, "A browser sent this for another site.", Content::Text);
const NOTHING_TAKEN: Answer = (400, "A body was sent with keys, of which this takes none.", Content::Problem);
const API_FOREIGN: Answer = (403, "A browser sent this for another site.", Content::Problem);

const WITHHELD: Answer =
    (403, "This camera counts only (`counts_only`): it shows no pictures.", Content::Text);
const API_WITHHELD: Answer =
    (403, "This camera counts only (`counts_only`): it shows no pictures.", Content::Problem);
const ANNOTATED: Key = key("annotated", FLAG, "`1`: with what is counted drawn over the picture.");
const NO_COUNTING: Answer =
    (503, "Nothing is counted here, or the ledger cannot be read or written.", Content::Problem);
const WRONG_QUERY: Answer =
    (400, "A value of the query means nothing: which, and what was expected.", Content::Problem);
const UNKNOWN: Answer = (404, "There is none of this number.", Content::Problem);
const CHANGED: Answer = (412, "It is no longer the version that If-Match names.", Content::Problem);
const CONFLICT: Answer =
    (409, "The operator's file sets it, or another one has this name.", Content::Problem);
const WRONG_DRAFT: Answer =
    (422, "It is understood, and cannot be: what is wrong with it.", Content::Problem);
const DELETED: Answer = (204, "It is gone.", Content::Nothing);
const LINE: Answer = (200, "The line; ETag is its version.", Content::Json("Line"));
const NEW_LINE: Answer = (201, "The line; Location is where it is.", Content::Json("Line"));
const ZONE: Answer = (200, "The zone; ETag is its version.", Content::Json("Zone"));
const NEW_ZONE: Answer = (201, "The zone; Location is where it is.", Content::Json("Zone"));
const SCENE: Key = key(
    "scene",
    MayBe::Words(&["camera", "files", "sim"]),
    "`camera`, `files` or `sim`; the one that is shown if not given.",
);
const FROM: Key =
    key("from", MayBe::Moment, "From then on: RFC 3339, a date, `today`, `yesterday`, `-24h`, `-7d`.");
const FROM_BUCKET: Key = key(
    "from",
    MayBe::Moment,
    "From then on: RFC 3339, a date, `today`, `yesterday`, `-24h`, `-7d`; the whole bucket it lies in, of a total the whole \
     hour, as the `start` of each says.",
);
const TO_BUCKET: Key = key("to", MayBe::Moment, "Before then; likewise, with the bucket it lies in.");
const TO: Key = key("to", MayBe::Moment, "Before then; likewise.");
const OF_LINE: Key = key(
    "line",
    MayBe::Texts,
    "Numbers or names of lines, with commas; all if not given. What is the number of one and the name of another is refused.",
);
const OF_CLASS: Key = key(
    "class",
    MayBe::Texts,
    "Names of classes, with commas (one that has a comma in it is meant where there is such a class); all if not given.",
);
const FORMAT: Key = key("format", MayBe::Words(&["json", "csv"]), "`json`, or `csv` for a table (RFC 4180).");
const MODEL: Answer = (200, "The models.", Content::Json("Model"));
const NO_PAGE: Answer = (503, "Nothing is counted here, or the ledger cannot be read.", Content::Text);
const SEE_PAGE: Answer = (303, "Done: back to the page.", Content::Nothing);
const WRONG_FORM: Answer = (400, "The form says nothing that is understood.", Content::Text);
const GONE: Answer = (404, "The page again: there is none of this number or name.", Content::Html);
const REFUSED: Answer = (422, "The page again, with what is wrong.", Content::Html);

const PICTURE: Key = key(
    "picture",
    MayBe::Words(&["shown", "original", "largest"]),
    "`shown`, as viewers see it; `original`, the camera's own; `largest`, of its largest size.",
);
const WIDTH: Key = key("w", MayBe::Whole(16, 8192), "At most so many pixels in a row, 16 to 8192.");
const ROTATE: Key =
    key("rotate", MayBe::Words(&["0", "90", "180", "270"]), "Turned clockwise by 0, 90, 180 or 270 degrees.");
const SCALE: Key =
    key("scale", MayBe::Words(&["1", "1/2", "1/4", "1/8"]), "`1/2`, `1/4` or `1/8` of its width and height.");
const MIRROR: Key = key("mirror", FLAG, "`1`: left and right are swapped.");
const FLIP: Key = key("flip", FLAG, "`1`: top and bottom are swapped.");
const CROP: Key = key(
    "crop",
    MayBe::Like("^[0-9.]+(,[0-9.]+){3}$"),
    "`left,top,width,height`: this part of the turned picture, as fractions.",
);
const WORDS: Key =
    key("text", MayBe::Text(200), "Words that are written into the picture, at most 200 characters.");
const TIMESTAMP: Key = key("timestamp", FLAG, "`1`: date and time are written into the picture.");
const DATED: Key = key(
    "date",
    MayBe::Day,
    "`2026-11-20`, with `T14:53` or `T14:53:07` a time, too, with `Z` or an offset one of another zone.",
);
const TAKEN: Key = key(
    "taken",
    MayBe::Moment,
    "When it was taken, RFC 3339, where the date does not say so; as the date or the file says if not given.",
);
const MODIFIED: Key = key(
    "modified",
    MayBe::Moment,
    "When the file was written, RFC 3339: its time where nothing says another one. Such a time is not sure.",
);
const STATUS: Key = key("status", TEXT, "`false` switches it on, `true` off; anything else changes nothing.");
const NOT_SET: Answer = (409, "The operator's file sets it.", Content::Text);
const UNCHANGED: Answer = (422, "The picture cannot be changed so.", Content::Problem);
const OLD_UNCHANGED: Answer = (422, "The picture cannot be changed so.", Content::Text);
const GRAY: Key = key("gray", FLAG, "`1`: without colour.");
const KEEP_WITHHELD: Answer = (
    403,
    "A browser sent this for another site; or this camera counts only, and keeps no pictures.",
    Content::Problem,
);
const OLD_KEEP_WITHHELD: Answer = (
    403,
    "A browser sent this for another site; or this camera counts only, and keeps no pictures.",
    Content::Text,
);
const NO_PASSWORDS: Answer = (503, "This server asks nobody for a password.", Content::Problem);
const TOO_MANY: Answer = (409, "There are too many, or another program has the file.", Content::Problem);
const WRONG_PERSON: Answer = (
    422,
    "A name, role, scope, address or password means nothing; or there is no admin's password yet.",
    Content::Problem,
);
const NO_STORE: Answer =
    (503, "Nothing is kept here, or the store cannot be read or written.", Content::Problem);
const NO_ROOM: Answer = (507, "There is no room on the disk.", Content::Problem);
const ITEM: Answer = (200, "The item; ETag is its version.", Content::Json("MediaItem"));
const NEW_ITEM: Answer = (201, "The item; Location is where it is.", Content::Json("MediaItem"));
const WRONG_BODY: Answer =
    (400, "The body is no object of keys that are known, or a value is of another kind.", Content::Problem);
const OPEN_ITEM: Answer = (409, "One of them is being recorded.", Content::Problem);
const OLD_DONE: Answer = (200, "`200`", Content::Text);
const OLD_UNKNOWN: Answer = (404, "`Unable to find NAME`", Content::Text);
const OLD_NO_STORE: Answer =
    (503, "Nothing is kept here, or the store cannot be read or written.", Content::Text);
const BROKE_OFF: Answer = (400, "The body broke off.", Content::Problem);
const PAGE_BROKE_OFF: Answer = (400, "The page again: the body broke off.", Content::Html);
const NO_BACKUP: Answer = (503, "Nothing is kept here.", Content::Problem);
const FILE_NAME: Key = key("filename", TEXT, "The item's name.");

const SETTINGS: Answer = (200, "All settings; ETag is their version.", Content::Json("Settings"));
const NO_LIGHT: Answer = (
    403,
    "A browser sent this for another site; or there is no light, or none with colours.",
    Content::Problem,
);
const PINNED: Answer = (409, "The operator's file sets it.", Content::Problem);
const NO_SETTINGS: Answer =
    (503, "Settings cannot be changed here, or too many changes wait for their turn.", Content::Problem);
const OLD_PINNED: Answer = (409, "The operator's file sets it.", Content::Text);
const OLD_WRONG: Answer = (400, "What is wrong with the value.", Content::Text);

const DOWNLOAD: Key = key("download", FLAG, "`1`: to be saved, not shown.");
/// What is kept, as it is sent.
const FILE: Content = Content::OneOf(&["image/jpeg", "video/mp4", "video/x-msvideo", "video/x-motion-jpeg"]);
const PART_OF_FILE: Answer = (206, "The part that was asked for.", FILE);
const NO_PART: Answer = (416, "It has no such part.", Content::Problem);
const WRONG_IDS: Answer = (400, "No items are named, or what is no number.", Content::Problem);
const MANY_IDS: Answer = (422, "So many are not taken at once.", Content::Problem);

const NO_PASSWORD: Answer = (503, "This server asks nobody for a password.", Content::Problem);
const NOT_HERE: Answer = (
    403,
    "It is done on the camera's own machine only, or a browser sent this for another site.",
    Content::Problem,
);
const POWER_KEY: Key =
    key("key", TEXT, "`key` under [power] of the configuration; where there is none no key is right.");
const INVALID_KEY: Answer = (401, "`Invalid key`", Content::Text);
const TOO_MANY_KEYS: Answer =
    (429, "`Invalid key`: too many; Retry-After says when to try again.", Content::Text);
const LENS: Answer = (200, "The lens; ETag is the version of the settings.", Content::Json("Lens"));
const NO_LENS: Answer = (403, "It cannot be focused from here, or not so: why.", Content::Problem);
const OLD_NO_AUTOFOCUS: Answer = (403, "`Autofocus not supported`", Content::Text);
const OLD_NO_FOCUS: Answer = (403, "`Changing focus not supported`", Content::Text);
const OLD_NO_CAMERA: Answer = (503, "The camera cannot be asked now: why.", Content::Text);
const CONTROLS: Answer = (
    200,
    "The camera's controls, and what came out otherwise; ETag is the version of the settings.",
    Content::Json("Controls"),
);
const NO_CAMERA: Answer = (503, "The camera cannot be asked now: why.", Content::Problem);
const WRONG_CONTROL: Answer = (
    422,
    "A control that the camera does not have, or a value that it does not take: which, its range, what was given.",
    Content::Problem,
);
const NOT_KEPT: Answer = (507, "It could not be written, and is not in force.", Content::Problem);

/// Bytes of a body that names 10 000 items, each with twenty digits.
const IDS: usize = 256 << 10;

/// Bytes of a body that tells of 20 000 crossings.
const RECOUNT: usize = 6 << 20;

/// Every route there is. Embedded files, which pages refer to, are found by [`ui::asset`](crate::ui::asset).
pub static ROUTES: &[Route] = &[
    route!(Look GET "/" pages::counting::live, Pages, "The live page.",
        [key("action", TEXT, "`stream` or `snapshot`, as mjpg-streamer has them."), FPS, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP],
        [(200, "The page; or pictures, with `action`.", Content::Html), JPEG, STREAM, CARD, FULL, OLD_UNCHANGED, WITHHELD]),
    route!(Stream GET "/stream" live::stream, Pictures, "The live picture, for an img tag.", [FPS, ANNOTATED, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [STREAM, FULL, WITHHELD]),
    route!(Stream GET "/stream.mjpg" live::stream, Pictures, "The same.", [FPS, ANNOTATED, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [STREAM, FULL, WITHHELD]),
    route!(Stream GET "/live" live::stream, Pictures, "The same.", [FPS, ANNOTATED, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [STREAM, FULL, WITHHELD]),
    route!(Stream GET "/video_feed" live::video_feed, Pictures, "The same; annotated while counting is on.", [FPS, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [STREAM, FULL, WITHHELD]),
    route!(Snapshot GET "/snapshot.jpg" live::snapshot, Pictures, "The newest picture.", [PICTURE, WIDTH, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP], [JPEG, CARD, OLD_UNCHANGED, WITHHELD]),
    route!(Changes::WithKey("filename"), Snapshot GET "/snapshot" legacy::snapshot, Pictures, "The newest picture; or keeps it, with `filename`. A value that means nothing changes nothing.",
        [key("filename", TEXT, "Keeps the picture under this name, with `.jpg` behind it, and answers `200`."), key("date", TEXT, "The date it is to have."),
            PICTURE, WIDTH, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP],
        [JPEG, (200, "`200`: it is kept.", Content::Text), CARD, OLD_UNCHANGED, OLD_KEEP_WITHHELD,
            (400, "`Error with snapshot`: the name or the date is none.", Content::Text),
            (500, "`Error with snapshot`: it was not kept.", Content::Text), (503, "`Error with snapshot`: it may work later.", Content::Text),
            (507, "`Error with snapshot`: there is no room on the disk.", Content::Text)]),
    route!(Look GET "/api/v1/picture" picture::get, Api, "What is done to the picture for everyone. ETag is the settings' version.", [],
        [(200, "What is done.", Content::Json("Picture"))]),
    route!(Operator PATCH "/api/v1/picture" picture::change, Api, "Changes what is said, from the next picture on; `null`: as if never set. If-Match is heeded.", [],
        Wanted::Json("PicturePatch"),
        [(200, "What is done now.", Content::Json("Picture")), WRONG_BODY, API_FOREIGN, CONFLICT, CHANGED, WRONG_DRAFT,
            NO_SETTINGS, NO_ROOM]),
    route!(Changes::Always, Operator GET "/grayscale" legacy::grayscale, Legacy, "Takes the colour away, or gives it back.", [STATUS],
        [OLD_DONE, FOREIGN, NOT_SET]),
    route!(Changes::Always, Operator GET "/resolution" legacy::resolution, Legacy, "Half of the width and height, or all.", [STATUS],
        [OLD_DONE, FOREIGN, NOT_SET]),
    route!(Anyone GET "/health" legacy::health, Legacy, "Whether the camera delivers, and what crosses is recorded.", [],
        [(200, "`True`", Content::Text), (503, "`False`: too many failed reads in a row, or the ledger takes no crossings.", Content::Text)]),
    route!(Metrics GET "/state" state::state, Api, "How things are.", [], [STATE]),
    route!(Metrics GET "/metrics" state::figures, Api, "Figures for Prometheus.", [],
        [(200, "Text format 0.0.4.", Content::Metrics)]),
    route!(Metrics GET "/api/v1/state" state::state, Api, "How things are.", [], [STATE]),
    route!(Snapshot GET "/api/v1/snapshot" live::api_snapshot, Api, "The newest picture.", [PICTURE, WIDTH, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP],
        [JPEG, WRONG_QUERY, API_WITHHELD, UNCHANGED, (503, "There is no live picture.", Content::Problem)]),
    route!(Snapshot GET "/api/v1/snapshot.jpg" live::api_snapshot, Api, "The same.", [PICTURE, WIDTH, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP],
        [JPEG, WRONG_QUERY, API_WITHHELD, UNCHANGED, (503, "There is no live picture.", Content::Problem)]),
    route!(Look GET "/api/v1/controls" controls::list, Api, "The camera's own controls, with their ranges and values.", [],
        [CONTROLS, NO_CAMERA]),
    route!(Operator PATCH "/api/v1/controls" controls::change, Api, "Sets controls, all or none: auto modes first, on the camera at once, and kept for this camera. `null` is the default; `true` presses a button.", [],
        Wanted::Json("ControlsPatch"),
        [CONTROLS, WRONG_CONTROL, PINNED, CHANGED, NO_CAMERA, NOT_KEPT]),
    route!(Operator POST "/api/v1/controls/reset" controls::reset, Api, "Every control as the camera has it by default, and none kept.", [],
        [CONTROLS, NOTHING_TAKEN, API_FOREIGN, CHANGED, NO_CAMERA, NOT_KEPT]),
    route!(Look GET "/api/v1/formats" controls::formats, Api, "The formats, sizes and rates that the camera offers.", [],
        [(200, "Each size of each format.", Content::Json("Formats")), NO_CAMERA]),
    route!(Operator POST "/api/v1/snapshots" snapshots::add, Api,
        "Takes a picture and keeps it. A name that is taken gets a number. Each key is in the body or in the query, not in both.",
        [key("name", MayBe::Text(200), "Its name; made of date and time if not given."), DATED, key("note", MayBe::Text(2000), "A note."),
            PICTURE, WIDTH, GRAY, SCALE, ROTATE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP],
        Wanted::JsonOrNothing("SnapshotDraft"),
        [NEW_ITEM, KEEP_WITHHELD, WRONG_DRAFT, NO_STORE, NO_ROOM]),
    route!(Operator POST "/api/v1/recordings" recordings::begin, Api, "Begins a recording. Answered when its first picture is on its way.", [],
        Wanted::JsonOrNothing("RecordingDraft"),
        [NEW_ITEM, KEEP_WITHHELD, (409, "One is under way.", Content::Problem), WRONG_DRAFT, NO_STORE, NO_ROOM]),
    route!(Look GET "/api/v1/recording" recordings::status, Api, "How recording stands.", [],
        [(200, "The recording under way, if there is one.", Content::Json("RecordingStatus")), API_WITHHELD, NO_STORE]),
    route!(Operator POST "/api/v1/recording/stop" recordings::stop, Api, "Ends the recording. Answered when all of it is on the disk.", [],
        [ITEM, (204, "None was under way, or it had not a single picture.", Content::Nothing), KEEP_WITHHELD, NO_STORE, NO_ROOM]),
    route!(Viewer GET "/api/v1/media" items::list, Api, "Snapshots and recordings, newest first.",
        [key("kind", MayBe::Words(&["snapshot", "recording"]), "`snapshot` or `recording`."), key("q", TEXT, "Only those whose name, note, date or camera contains this."), FROM, TO,
            key("kept", FLAG, "`1`: those that retention leaves alone; `0`: the others."), key("limit", MayBe::Whole(1, 1000), "At most so many, 1 to 1000; 100 if not given."),
            key("cursor", TEXT, "`next` of the page before.")],
        [(200, "A page of items.", Content::Json("MediaItems")), WRONG_QUERY, API_WITHHELD, NO_STORE]),
    route!(Operator POST "/api/v1/media" uploads::add, Api,
        "Takes a file: a JPEG, an MJPEG file, an AVI, MP4 or MOV with MJPEG video. It is streamed, and may be of any length. As a form it may be several.",
        [key("name", MayBe::Text(200), "The item's name; one that is taken gets a number. Made of date and time if not given."),
            DATED, TAKEN, MODIFIED, key("note", MayBe::Text(2000), "A note."),
            key("fps", MayBe::Number(0.01, 1000.0), "Pictures a second of a clip; as it says itself if not given, else 30.")],
        Wanted::File,
        [(201, "The item; of several files in a form a list of items.", Content::Json("MediaItem")),
            (207, "The items of those files of a form that were taken, and what is wrong with the others.", Content::Json("MediaTaken")),
            WRONG_QUERY, KEEP_WITHHELD,
            (408, "Nothing came for too long.", Content::Problem), (413, "A picture of more than 32 MB.", Content::Problem),
            (415, "It is something else.", Content::Problem), WRONG_DRAFT, NO_STORE, NO_ROOM]),
    route!(Operator PUT "/api/v1/media" uploads::add, Api, "The same, for programs that send files so (`curl -T`).",
        [key("name", MayBe::Text(200), "As above."), key("date", MayBe::Day, "As above."), TAKEN, MODIFIED, key("note", MayBe::Text(2000), "As above."), key("fps", MayBe::Number(0.01, 1000.0), "As above.")],
        Wanted::File,
        [(201, "The item.", Content::Json("MediaItem")), WRONG_QUERY, KEEP_WITHHELD,
            (408, "Nothing came for too long.", Content::Problem), (413, "A picture of more than 32 MB.", Content::Problem),
            (415, "It is something else.", Content::Problem), WRONG_DRAFT, NO_STORE, NO_ROOM]),
    route!(Viewer GET "/api/v1/media/{id}" items::get, Api, "One item.", [], [ITEM, API_WITHHELD, UNKNOWN, NO_STORE]),
    route!(Operator PATCH "/api/v1/media/{id}" items::change, Api, "Changes what is said. If-Match is heeded.", [], Wanted::Json("MediaPatch"),
        [ITEM, WRONG_BODY, KEEP_WITHHELD, UNKNOWN, (409, "Another one has this name.", Content::Problem), CHANGED, WRONG_DRAFT, NO_STORE, NO_ROOM]),
    route!(Operator DELETE "/api/v1/media/{id}" items::delete, Api, "Removes it. If-Match is heeded.", [],
        [DELETED, KEEP_WITHHELD, UNKNOWN, OPEN_ITEM, CHANGED, NO_STORE, NO_ROOM]),
    route!(Operator POST "/api/v1/media/delete" items::delete_many, Api, "Removes items, all or none.", [], Wanted::LongJson("MediaIds", IDS),
        [DELETED, WRONG_BODY, KEEP_WITHHELD, UNKNOWN, OPEN_ITEM, NO_STORE, NO_ROOM]),
    route!(Operator POST "/api/v1/media/keep" items::keep_many, Api, "Has retention leave items alone, or no longer.", [], Wanted::LongJson("MediaKeep", IDS),
        [(204, "It is so.", Content::Nothing), WRONG_BODY, KEEP_WITHHELD, UNKNOWN, NO_STORE, NO_ROOM]),
    route!(Viewer GET "/api/v1/media/{id}/content" download::content, Api,
        "A snapshot's JPEG, or a recording as a film, made as it is sent. Any part can be asked for (Range, If-Range).",
        [key("as", MayBe::Words(&["mp4", "avi", "mjpeg", "jpg"]), "`mp4`, `avi` or `mjpeg` for a recording; `mp4` if not given. `jpg` for a snapshot."), DOWNLOAD],
        [(200, "The file.", FILE), PART_OF_FILE, (304, "It is the same.", Content::Nothing), WRONG_QUERY, API_WITHHELD, UNKNOWN,
            NO_PART, (422, "It is too long for this format.", Content::Problem), NO_STORE]),
    route!(Viewer GET "/api/v1/media/{id}/thumbnail.jpg" thumbnail::thumbnail, Api, "Its first picture, 320 pixels wide at most.", [],
        [(200, "A small picture.", Content::Jpeg), (304, "It is the same.", Content::Nothing), API_WITHHELD, UNKNOWN, UNCHANGED, NO_STORE]),
    route!(Viewer GET "/api/v1/media/{id}/frame.jpg" thumbnail::frame, Api,
        "One picture of it. X-Timestamp is when it was taken, X-Frame its number, X-Time its second.",
        [key("t", SECONDS, "The one that is shown at this second; the first one if not given."), key("n", MayBe::Whole(0, u64::MAX), "The one of this number, from 0."),
            key("w", MayBe::Whole(16, 8192), "At most so many pixels a row, 16 to 8192."), key("rotate", MayBe::Words(&["0", "90", "180", "270"]), "Turned clockwise by `90`, `180` or `270` degrees."),
            GRAY, SCALE, MIRROR, FLIP, CROP, WORDS, TIMESTAMP, DOWNLOAD],
        [(200, "The picture.", Content::Jpeg), WRONG_QUERY, API_WITHHELD, (404, "There is no such item, or picture.", Content::Problem),
            UNCHANGED, NO_STORE]),
    route!(Viewer GET "/api/v1/media/{id}/frames" replay::frames, Api, "A recording at its own pace, for an img tag. Slow clients skip; gaps take two seconds at most.",
        [key("from", SECONDS, "From this second on."), key("to", SECONDS, "Up to this second."), key("fps", MayBe::Number(0.01, 1000.0), "At most so many pictures a second, 0.01 to 1000."),
            key("speed", MayBe::Number(0.05, 100.0), "So many times as fast, 0.05 to 100."), key("loop", FLAG, "`1`: again and again.")],
        [(200, "Pictures; X-Timestamp, X-Time and X-Frame in each part.", Content::Multipart), WRONG_QUERY, API_WITHHELD, UNKNOWN, NO_STORE]),
    route!(Viewer GET "/api/v1/media/{id}/index" replay::index, Api, "When each picture of a recording was taken: `[second, number, bytes]`.",
        [key("from", SECONDS, "From this second on."), key("to", SECONDS, "Up to this second."), key("limit", MayBe::Whole(1, 10000), "At most so many, 1 to 10000."),
            key("cursor", MayBe::Whole(0, u64::MAX), "`next` of the page before.")],
        [(200, "A page of the index, and all gaps.", Content::Json("MediaIndex")), WRONG_QUERY, API_WITHHELD, UNKNOWN, NO_STORE]),
    route!(Viewer GET "/api/v1/media/zip" zip::archive, Api, "Items as one archive, made as it is sent: snapshots as JPEG, recordings as MP4.",
        [needed("ids", MayBe::Like("^[1-9][0-9]{0,9}(,[1-9][0-9]{0,9})*$"), "Numbers of items, with commas.")],
        [(200, "The archive.", Content::OneOf(&["application/zip"])), WRONG_IDS, API_WITHHELD, UNKNOWN, MANY_IDS, NO_STORE]),
    route!(Viewer POST "/api/v1/media/zip" zip::archive, Api, "The same, for many.", [], Wanted::LongJson("ArchiveIds", IDS),
        [(200, "The archive.", Content::OneOf(&["application/zip"])), WRONG_IDS, KEEP_WITHHELD, UNKNOWN, NO_STORE]),
    route!(Viewer GET "/api/v1/media/storage" storage::storage, Api, "How much room there is, and what has it.", [],
        [(200, "The room.", Content::Json("Storage")), API_WITHHELD, NO_STORE]),
    route!(Viewer GET "/api/v1/media/retention" storage::retention, Api, "What is kept how long, and what would go now. With rules in the query, what those would do.",
        [key("snapshots_age", SPAN, "Seconds, `30d`, or `never`."), key("snapshots_size", AMOUNT, "Bytes, `2GB`, or `unlimited`."),
            key("recordings_age", SPAN, "Likewise."), key("recordings_size", AMOUNT, "Likewise."), key("min_free", AMOUNT, "Bytes, or `2GB`.")],
        [(200, "Rules and plan; nothing is done.", Content::Json("Retention")), WRONG_QUERY, API_WITHHELD, NO_STORE]),
    route!(Admin PUT "/api/v1/media/retention" storage::set_retention, Api, "Other rules from now on, also after the next start. What is not named stays; `null` is without limit.", [],
        Wanted::Json("RetentionRules"),
        [(200, "Rules and plan.", Content::Json("Retention")), WRONG_BODY, KEEP_WITHHELD,
            (409, "The operator's file sets it.", Content::Problem), NO_STORE]),
    route!(Admin POST "/api/v1/media/new" storage::begin_anew, Api, "Sets the store aside and begins an empty one. Nothing is destroyed.", [],
        [(201, "The file that was set aside.", Content::Json("AsideFile")), KEEP_WITHHELD, NO_STORE, NO_ROOM]),
    route!(Admin POST "/api/v1/media/aside/delete" storage::delete_aside, Api, "Deletes a file that was set aside, for good.", [], Wanted::Json("AsideName"),
        [DELETED, WRONG_BODY, KEEP_WITHHELD, (404, "There is none of this name.", Content::Problem), NO_STORE]),
    route!(Admin POST "/api/v1/media/check" storage::check, Api, "Looks at all that must hold; with `repair` mends what can be. May take minutes.", [],
        Wanted::JsonOrNothing("CheckWish"),
        [(200, "What was found.", Content::Json("CheckReport")), WRONG_BODY, KEEP_WITHHELD, NO_STORE]),
    route!(Admin POST "/api/v1/media/vacuum" storage::vacuum, Api, "Gives unused room back to the file system; with `wipe` what was deleted is overwritten with zeros first. May take minutes.", [],
        Wanted::JsonOrNothing("VacuumWish"),
        [(200, "How much.", Content::Json("VacuumReport")), WRONG_BODY, KEEP_WITHHELD, NO_STORE, NO_ROOM]),
    route!(Admin GET "/api/v1/media/backup" storage::backup, Api, "The whole store as it is now, while it goes on.", [],
        [(200, "A file of SQLite.", Content::Database), API_WITHHELD, NO_STORE]),
    route!(Operator PUT "/api/v1/media/{name}" uploads::add_named, Api, "Takes a file under this name: `curl -T FILE` puts it behind an address that ends with a slash.",
        [key("name", MayBe::Text(200), "Another name."), DATED, TAKEN, key("note", MayBe::Text(2000), "A note."), key("fps", MayBe::Number(0.01, 1000.0), "Pictures a second of a clip.")],
        Wanted::File,
        [(201, "The item.", Content::Json("MediaItem")), WRONG_QUERY, KEEP_WITHHELD,
            (405, "The name is a number, and items are not replaced.", Content::Problem),
            (408, "Nothing came for too long.", Content::Problem), (413, "A picture of more than 32 MB.", Content::Problem),
            (415, "It is something else.", Content::Problem), WRONG_DRAFT, NO_STORE, NO_ROOM]),
    route!(Look GET "/api/v1/light" light::get, Api, "The light: what was set, what its pixels show, and why if it does not work.", [],
        [(200, "The light; ETag is the settings' version.", Content::Json("Light"))]),
    route!(Operator PATCH "/api/v1/light" light::patch, Api,
        "Changes what is said, at once and for good; answered when it is kept. If-Match is heeded.", [], Wanted::Json("LightPatch"),
        [(200, "The light.", Content::Json("Light")), WRONG_BODY, NO_LIGHT, PINNED, CHANGED, NO_SETTINGS, NO_ROOM]),
    route!(Operator POST "/api/v1/pause" state::pause, Api, "Lets the camera go until it is resumed.", [], [STATE, API_FOREIGN]),
    route!(Operator POST "/api/v1/resume" state::resume, Api, "Ends a pause: the camera opens on demand.", [], [STATE, API_FOREIGN]),
    route!(Changes::ShownSeldom, Snapshot GET "/api/v1/still.jpg" live::still, Api,
        "A picture to draw lines on. Where only counts are wanted: for who may change something, and the same for ten seconds.", [],
        [JPEG, (401, "This camera counts only: it needs the camera's password, or that was wrong.", Content::Problem), API_FOREIGN,
            (503, "There is no live picture, or nothing is counted here.", Content::Problem)]),
    route!(Counts GET "/api/v1/lines" lines::list, Api, "The counting lines of a scene, those of the operator's file first.",
        [key("deleted", MayBe::Words(&["1", "0"]), "`1`: deleted ones, too."), SCENE],
        [(200, "The lines.", Content::Json("Lines")), WRONG_QUERY, NO_COUNTING]),
    route!(Operator POST "/api/v1/lines" lines::add, Api, "Draws a line in the scene that is shown.", [], Wanted::Json("LineDraft"),
        [NEW_LINE, API_FOREIGN, CONFLICT, WRONG_DRAFT, NO_COUNTING]),
    route!(Counts GET "/api/v1/lines/{id}" lines::get, Api, "One line, also a deleted one.", [], [LINE, UNKNOWN, NO_COUNTING]),
    route!(Operator PUT "/api/v1/lines/{id}" lines::replace, Api, "Draws it anew; what it counted stays. If-Match is heeded.", [],
        Wanted::Json("LineDraft"), [LINE, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(Operator PATCH "/api/v1/lines/{id}" lines::change, Api, "Changes what is said. If-Match is heeded.", [],
        Wanted::Json("LinePatch"), [LINE, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(Operator DELETE "/api/v1/lines/{id}" lines::delete, Api, "Deletes it; what it counted stays. If-Match is heeded.", [],
        [DELETED, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, NO_COUNTING]),
    route!(Counts GET "/api/v1/zones" zones::list, Api, "The zones of a scene, and how many are in each now.", [SCENE],
        [(200, "The zones.", Content::Json("Zones")), WRONG_QUERY, NO_COUNTING]),
    route!(Operator POST "/api/v1/zones" zones::add, Api, "Draws a zone in the scene that is shown.", [], Wanted::Json("ZoneDraft"),
        [NEW_ZONE, API_FOREIGN, CONFLICT, WRONG_DRAFT, NO_COUNTING]),
    route!(Counts GET "/api/v1/zones/{id}" zones::get, Api, "One zone.", [], [ZONE, UNKNOWN, NO_COUNTING]),
    route!(Operator PUT "/api/v1/zones/{id}" zones::replace, Api, "Draws it anew. If-Match is heeded.", [], Wanted::Json("ZoneDraft"),
        [ZONE, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(Operator PATCH "/api/v1/zones/{id}" zones::change, Api, "Changes what is said. If-Match is heeded.", [],
        Wanted::Json("ZonePatch"), [ZONE, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(Operator DELETE "/api/v1/zones/{id}" zones::delete, Api, "Deletes it. If-Match is heeded.", [],
        [DELETED, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, NO_COUNTING]),
    route!(Counts GET "/api/v1/counts" counts::counts, Api, "How many crossed, bucket by bucket, in whole hours from the one of `from` to the one of `to`; `null` where nothing was counted, and of the lines named while none of them was drawn in that scene, unless counted again. Of a line nothing is known in `gaps`, and in its own of `line_gaps`, which may overlap. These go by the moments of `from` and `to`. Where no line is named, one that has no `line_gaps` was neither drawn nor counted again between them.",
        [FROM_BUCKET, TO_BUCKET, key("bucket", MayBe::Words(&["hour", "day", "week", "month", "total"]), "`hour`, `day`, `week`, `month` or `total`."),
            key("by", MayBe::Several(&["line", "class", "direction"]), "What counts are told apart by: any of `line`, `class`, `direction`, with commas; all if not given."),
            OF_LINE, OF_CLASS, SCENE, FORMAT],
        [(200, "The buckets.", Content::JsonOrCsv("CountsReport")), WRONG_QUERY, NO_COUNTING]),
    route!(Operator POST "/api/v1/counts/reset" tallies::reset, Api, "Sets today's sums of a line, or of all, to zero from now on. Nothing is deleted.", [],
        Wanted::JsonOrNothing("ResetDraft"),
        [(201, "The reset.", Content::Json("Reset")), API_FOREIGN, UNKNOWN, WRONG_DRAFT, NO_COUNTING]),
    route!(Operator POST "/api/v1/counts/recount" recount::recount, Api,
        "Puts what counting a recording again has found in the place of what was counted then, which is kept beside. `tallycam counts recount` sends it.", [],
        Wanted::LongJson("RecountDraft", RECOUNT),
        [(200, "The ledger says the same already.", Content::Json("Recount")), (201, "What was changed.", Content::Json("Recount")),
            API_FOREIGN, UNKNOWN, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(Counts GET "/api/v1/crossings" crossings::list, Api, "Every crossing on record.",
        [FROM, TO, OF_LINE, OF_CLASS, key("direction", MayBe::Words(&["in", "out"]), "`in` or `out`."), SCENE, key("order", MayBe::Words(&["newest", "oldest"]), "`newest` first, or `oldest`."),
            key("limit", MayBe::Whole(1, 5000), "At most so many, 1 to 5000; 100 if not given, of a table all."),
            key("cursor", ID, "`next` of the page before."),
            key("since", MayBe::Whole(0, u64::MAX), "Only what came after the crossing of this id, oldest first; 0: all."), FORMAT],
        [(200, "A page of crossings, or all of them as a table.", Content::JsonOrCsv("Crossings")), WRONG_QUERY, NO_COUNTING]),
    route!(Viewer GET "/api/v1/crossings/{id}/thumbnail.jpg" crossings::thumbnail, Api, "Who crossed, where such pictures are kept.", [],
        [(200, "A small picture.", Content::Jpeg), API_WITHHELD, (404, "There is none.", Content::Problem), NO_COUNTING]),
    route!(Counts GET "/api/v1/tracks" tallies::tracks, Api, "What is followed in the picture now.", [],
        [(200, "The tracks that live.", Content::Json("Tracks")), NO_COUNTING]),
    route!(Counts GET "/api/v1/tallies" tallies::tallies, Api, "Today's sums, line by line.", [],
        [(200, "The sums.", Content::Json("Tallies")), NO_COUNTING]),
    route!(Counts GET "/api/v1/events" events::events, Api,
        "What happens, as server-sent events. A crossing's id resumes after it: by the header Last-Event-ID, or by the query.",
        [key("types", MayBe::Several(&["crossing", "tally", "overlay", "lines", "state", "media", "recording"]), "Any of `crossing`, `tally`, `overlay`, `lines`, `state`, `media`, `recording`, with commas; all if not given."),
            key("last_event_id", MayBe::Whole(0, u64::MAX), "Crossings after this id, for those who cannot set a header.")],
        [(200, "Events of those that there are, until the client leaves.", Content::Events), WRONG_QUERY, API_WITHHELD,
            (503, "Nothing of what is wanted is here, or all places are taken.", Content::Problem)]),
    route!(Look GET "/api/v1/model" model::model, Api, "Which model looks at the pictures, and which others there are.", [], [MODEL, NO_COUNTING]),
    route!(Admin PUT "/api/v1/model" model::put, Api, "Uses a model from now on; `null`: the configured one. Answered when it is in use.", [],
        Wanted::Json("ModelChoice"),
        [MODEL, API_FOREIGN, (409, "The operator's file says which.", Content::Problem), WRONG_DRAFT, NO_COUNTING]),
    route!(Admin POST "/api/v1/model/fetch" model::fetch, Api, "Fetches a model of the catalogue. Answered when it is here.", [],
        Wanted::Json("ModelName"),
        [MODEL, API_FOREIGN, (404, "The catalogue has none of this name.", Content::Problem),
            (409, "It is here already, or another model has its name.", Content::Problem), WRONG_DRAFT,
            (502, "What came is not what should have come.", Content::Problem),
            (503, "There is no way to where it lies, or no models here.", Content::Problem)]),
    route!(Operator GET "/api/v1/settings" settings::list, Api, "Every setting, where its value comes from, and what it may be.", [],
        [SETTINGS, NO_SETTINGS]),
    route!(Admin PATCH "/api/v1/settings" settings::change, Api,
        "Changes settings while everything runs, all of them or none; `null` is as if it had never been set. Answered when they are in force and on the disk. If-Match is heeded.",
        [], Wanted::Json("SettingsPatch"),
        [SETTINGS, API_FOREIGN, (409, "The operator sets it elsewhere, or it does not work: all is as it was.", Content::Problem), CHANGED,
            WRONG_DRAFT, NO_SETTINGS, (507, "It could not be kept: all is as it was.", Content::Problem)]),
    route!(Admin GET "/api/v1/settings.toml" settings::export, Api,
        "What was set here, as a configuration file; stars in the place of passwords.", [],
        [(200, "The file.", Content::Toml), NO_SETTINGS]),
    route!(Admin PUT "/api/v1/settings.toml" settings::import, Api,
        "Takes the place of everything that was set here. Stars in the place of a password leave it as it is. If-Match is heeded.",
        [], Wanted::Toml,
        [SETTINGS, API_FOREIGN, (409, "It does not work: all is as it was.", Content::Problem), CHANGED, WRONG_DRAFT, NO_SETTINGS,
            (507, "It could not be kept: all is as it was.", Content::Problem)]),
    route!(Look GET "/lines" pages::counting::lines, Pages, "The line editor.", [key("line", TEXT, "The number of the line to edit, or `new`.")],
        [(200, "The page.", Content::Html), NO_PAGE]),
    route!(Operator POST "/lines" pages::counting::post_line, Pages, "Draws, changes or deletes a line, from the page's form.", [], Wanted::Form,
        [SEE_PAGE, FOREIGN, GONE, (409, "The page again: the operator's file sets it, or another has this name.", Content::Html),
            (412, "The page again: somebody else has changed it meanwhile.", Content::Html), REFUSED, NO_PAGE]),
    route!(Look GET "/counts" pages::counting::counts, Pages, "Charts and figures.",
        [key("range", TEXT, "`today`, `yesterday`, `7d`, `30d`, `month` or `own`."), key("from", MayBe::Moment, "A date, for `range=own`."),
            key("to", MayBe::Moment, "A date, for `range=own`."), key("line", TEXT, "The number of a line."), key("class", TEXT, "The name of a class."),
            key("heat", TEXT, "`in`, `out` or `both`.")],
        [(200, "The page.", Content::Html), NO_PAGE]),
    route!(Look GET "/crossings" pages::counting::crossings, Pages, "A line's last hour, crossing by crossing, and what may have been missed.",
        [needed("line", TEXT, "The number of a line.")],
        [(200, "The page.", Content::Html), (400, "The line is no number.", Content::Text),
            (404, "There is no such line.", Content::Text), NO_PAGE]),
    route!(Operator POST "/counts" pages::counting::post_counts, Pages, "Sets today's sums to zero, from the page's form.",
        [needed("do", MayBe::Words(&["reset"]), "`reset`.")], Wanted::Form,
        [SEE_PAGE, FOREIGN, WRONG_FORM, GONE, REFUSED, NO_PAGE]),
    route!(Look GET "/models" pages::counting::models, Pages, "The models.", [], [(200, "The page.", Content::Html), NO_PAGE]),
    route!(Admin POST "/models" pages::counting::post_models, Pages, "Uses or fetches a model, from the page's form.",
        [needed("do", MayBe::Words(&["use", "fetch"]), "`use` or `fetch`.")], Wanted::Form,
        [SEE_PAGE, FOREIGN, WRONG_FORM, GONE, (409, "The page again: the operator's file says which, or it is here already.", Content::Html), REFUSED,
            (502, "The page again: what came is not what should have come.", Content::Html), NO_PAGE]),
    route!(Anyone GET "/sign-in" sign_in::show, Pages, "Where one signs in and out.", [key("next", TEXT, "The page to go to afterwards."), key("needed", TEXT, "The role that was missing for it.")],
        [(200, "The page.", Content::Html), (303, "There is no password yet: on to where the first one is chosen.", Content::Nothing)]),
    route!(Anyone POST "/sign-in" sign_in::sign_in, Pages, "Signs in, from the page's form: `password` and `next`.", [], Wanted::Form,
        [(303, "Signed in, with a cookie: on to `next`.", Content::Nothing), FOREIGN,
            (422, "The page again: the password is wrong.", Content::Html),
            (429, "The page again: too many wrong ones; Retry-After says when to try again.", Content::Html),
            (503, "The page again: too many are being looked at.", Content::Html)]),
    route!(Anyone GET "/claim" sign_in::show_claim, Pages, "Where the first password is chosen, with `[access] claim = \"network\"`.", [],
        [(200, "The page.", Content::Html), (303, "There is a password: on to where one signs in.", Content::Nothing)]),
    route!(Anyone POST "/claim" sign_in::post_claim, Pages, "Sets the first password, from the page's form: `password`, `again` and `view`. From the camera's own network only.", [], Wanted::Form,
        [(303, "Set, with a cookie: on to the live page. Where there is a password: on to where one signs in.", Content::Nothing), FOREIGN,
            (403, "The page again: this comes from elsewhere than the camera's own network.", Content::Html),
            (409, "The page again: somebody else was first.", Content::Html),
            (422, "The page again: no fit password.", Content::Html), (507, "The page again: it could not be written.", Content::Html)]),
    route!(Anyone POST "/sign-out" sign_in::sign_out, Pages, "Signs out, from a form.", [], Wanted::Form,
        [(303, "Signed out: back to the page of signing in.", Content::Nothing), FOREIGN]),
    route!(Admin GET "/access" sign_in::show_access, Pages, "Who may watch and who may change what.", [],
        [(200, "The page.", Content::Html), (503, "This program keeps no password.", Content::Text)]),
    route!(Admin POST "/access" sign_in::post_access, Pages, "Sets who may watch (`view`) and the own password (`password`, `again`, `current`), from the page's forms.", [], Wanted::Form,
        [SEE_PAGE, REFUSED, WRONG_FORM,
            (403, "The page again: `current` is another one; or a browser sent this for another site.", Content::Html),
            (409, "The page again: the operator's file sets it.", Content::Html),
            (503, "This program keeps no password, or too many are being checked.", Content::Text)]),
    route!(Viewer POST "/password" sign_in::change_password, Pages, "Sets another password, from the page's form: `current`, `password` and `again`.", [], Wanted::Form,
        [(303, "It is set: back to the page of signing in, signed in anew.", Content::Nothing), REFUSED,
            (403, "The page again: `current` is another one; or a browser sent this for another site.", Content::Html),
            (503, "This program keeps no password, or too many are being checked.", Content::Text)]),
    route!(Anyone GET "/api/v1/password" sign_in::password, Api, "Whether there is a password, and how many are signed in.", [],
        [(200, "How it stands.", Content::Json("Password")), NO_PASSWORD]),
    route!(Admin PUT "/api/v1/password" sign_in::set_password, Api, "Sets the password and ends all sessions. From other machines `current` has to be the one that holds now.", [],
        Wanted::Json("PasswordDraft"),
        [(200, "How it stands.", Content::Json("Password")), NOT_HERE, TOO_MANY, (422, "It is too short, or too long.", Content::Problem), NO_PASSWORD, NO_ROOM]),
    route!(Admin POST "/api/v1/password/random" sign_in::random, Api, "Makes a password and ends all sessions. Only on the camera's own machine.", [],
        [(201, "The password, this once.", Content::Json("MadePassword")), NOT_HERE, TOO_MANY, NO_PASSWORD, NO_ROOM]),
    route!(Admin DELETE "/api/v1/password" sign_in::remove, Api, "Takes the password away: whoever reaches the camera can change it. Only on the camera's own machine.", [],
        [(200, "How it stands.", Content::Json("Password")), NOT_HERE, TOO_MANY, NO_PASSWORD, NO_ROOM]),
    route!(Anyone GET "/api/v1/me" people::me, Api, "Who asks, as far as that was shown, and what they may do.", [],
        [(200, "Name, role, and whether looking is open.", Content::Json("Me"))]),
    route!(Admin GET "/api/v1/users" people::users, Api, "Everybody who has a password, the admin first.", [],
        [(200, "Names and roles.", Content::Json("Users")), NO_PASSWORDS]),
    route!(Admin PUT "/api/v1/users/{name}" people::put_user, Api, "Adds a user, or changes the role or the password of one, whose sessions end. From other machines the admin's password and one's own need `current`, as PUT /api/v1/password does.", [],
        Wanted::Json("UserDraft"), [(200, "Everybody.", Content::Json("Users")), (412, "`If-None-Match: *` was sent, and there is a user of this name.", Content::Problem), API_FOREIGN, TOO_MANY, WRONG_PERSON, NO_PASSWORDS, NO_ROOM]),
    route!(Admin DELETE "/api/v1/users/{name}" people::delete_user, Api, "Removes a user, whose sessions end.", [],
        [DELETED, API_FOREIGN, UNKNOWN, TOO_MANY, WRONG_PERSON, NO_PASSWORDS, NO_ROOM]),
    route!(Admin GET "/api/v1/tokens" people::tokens, Api, "The tokens of programs, without what they are shown as.", [],
        [(200, "Their names, what they open, their end and their last use, to the hour.", Content::Json("Tokens")), NO_PASSWORDS]),
    route!(Admin POST "/api/v1/tokens" people::add_token, Api, "Makes a token. It is shown this once.", [], Wanted::Json("TokenDraft"),
        [(201, "The token.", Content::Json("MadeToken")), API_FOREIGN, TOO_MANY, WRONG_PERSON, NO_PASSWORDS, NO_ROOM]),
    route!(Admin DELETE "/api/v1/tokens/{id}" people::revoke_token, Api, "Revokes a token: it opens nothing from now on.", [],
        [DELETED, API_FOREIGN, UNKNOWN, TOO_MANY, NO_PASSWORDS, NO_ROOM]),
    route!(Admin GET "/api/v1/sessions" people::sessions, Api, "Who is signed in, since when, from where and by which browser.", [],
        [(200, "The sessions.", Content::Json("Sessions")), NO_PASSWORDS]),
    route!(Admin DELETE "/api/v1/sessions/{id}" people::end_session, Api, "Ends a session.", [], [DELETED, API_FOREIGN, UNKNOWN, NO_PASSWORDS]),
    route!(Admin GET "/api/v1/audit" activity::list, Api, "Who signed in, who was refused, and who changed what, newest first. Refusals and sign-ins are one row a minute for each kind, user and address.",
        [key("limit", MayBe::Whole(1, 1000), "At most so many, 1 to 1000; 100 if not given, of a table all."), key("cursor", ID, "`next` of the page before."), FORMAT],
        [(200, "A page of the list, or all of it as a table.", Content::JsonOrCsv("Audit")), WRONG_QUERY, NO_COUNTING]),
    route!(Operator POST "/api/v1/links" people::add_link, Api, "Signs an address, which then needs no password until it ends, or the admin's password is changed.", [],
        Wanted::Json("LinkDraft"), [(201, "The address, relative to the camera's.", Content::Json("MadeLink")), API_FOREIGN, WRONG_PERSON, NO_PASSWORDS]),
    route!(Operator GET "/api/v1/log" logs::log, Api, "The last lines of the log, the oldest first.",
        [key("lines", MayBe::Whole(1, 1000), "At most so many, 1 to 1000; 200 if not given."), key("level", MayBe::Words(&["error", "warn", "info", "debug", "trace"]), "Those at least as urgent: `error`, `warn`, `info`, `debug` or `trace`.")],
        [(200, "The lines.", Content::Json("Log")), WRONG_QUERY]),
    route!(Admin POST "/api/v1/power" power::power, Api, "Switches the machine off, or off and on again, when what is being recorded is on the disk.", [],
        Wanted::Json("PowerWish"),
        [(202, "It is under way.", Content::Json("PowerWish")), WRONG_DRAFT,
            (403, "A browser sent this for another site; or there is no password, and it does not come from the machine itself.", Content::Problem),
            (500, "The system refused: why, and what to do.", Content::Problem), (503, "This program cannot do that.", Content::Problem)]),
    route!(Admin GET "/api/v1/backup" backup::download, Api,
        "A backup as one tar archive, made as it is sent: settings, lines, zones, counts, models that were added, users with the hashes of their passwords and tokens; with `media` snapshots and recordings, too.",
        [key("media", FLAG, "`1`: with snapshots and recordings.")],
        [(200, "The archive. It ends with `SHA256SUMS`; what was cut off has none.", Content::OneOf(&["application/x-tar"])),
            WRONG_QUERY, API_WITHHELD, NO_STORE]),
    route!(Admin POST "/api/v1/restore" backup::restore, Api,
        "Takes a backup. It is checked as a whole; then the server starts again with it in the place of what was there.", [], Wanted::File,
        [(202, "It is whole, and the server starts again.", Content::Json("Restored")), BROKE_OFF, API_FOREIGN,
            (408, "Nothing came for too long.", Content::Problem), (409, "Another restore is under way.", Content::Problem),
            (422, "It is no backup, damaged, cut off, or of a newer version: nothing was changed.", Content::Problem),
            (500, "The disk does not take it.", Content::Problem), NO_BACKUP, NO_ROOM]),
    route!(Admin POST "/api/v1/factory-reset" backup::factory_reset, Api,
        "Removes settings, lines, counts, snapshots, recordings and users; the server starts again as new.", [], Wanted::Json("ResetWish"),
        [(202, "The server starts again as new.", Content::Nothing), API_FOREIGN, WRONG_DRAFT,
            (409, "A restore is under way.", Content::Problem), (500, "The disk does not take it.", Content::Problem), NO_BACKUP]),
    route!(Admin GET "/api/v1/update" update::get, Api, "The version that runs, and what came of the last update of a card.", [],
        [(200, "The version.", Content::Json("Update"))]),
    route!(Admin POST "/api/v1/update" update::post, Api,
        "Takes a package and its signature of minisign, the two files of a form, to be installed on a card.", [], Wanted::File,
        [(202, "Its signature is right: it is being installed.", Content::Nothing), BROKE_OFF, API_FOREIGN,
            (408, "Nothing came for too long.", Content::Problem), (409, "Another one is being taken.", Content::Problem),
            (413, "It is too long for a package.", Content::Problem), (422, "It is not signed with the key of [update].", Content::Problem),
            (500, "The disk does not take it.", Content::Problem),
            (503, "This is no card, or the configuration names no key.", Content::Problem)]),
    route!(Look GET "/api/v1/lens" lens::get, Api, "The lens: where it stands, and how sharp the newest picture is.", [], [LENS]),
    route!(Operator PATCH "/api/v1/lens" lens::patch, Api,
        "Moves the lens to a place or by a step, which switch autofocus off, or switches that, or has it look at a spot of the picture as it is shown (null: at all of it). It is kept. If-Match is heeded.", [],
        Wanted::Json("LensPatch"), [LENS, WRONG_BODY, NO_LENS, PINNED, CHANGED, NO_CAMERA]),
    route!(Operator POST "/api/v1/lens/reset" lens::post_reset, Api, "As the camera has it by itself; nothing is kept. If-Match is heeded.", [],
        [LENS, NOTHING_TAKEN, NO_LENS, PINNED, CHANGED, NO_CAMERA]),
    route!(Operator POST "/api/v1/lens/sweep" lens::post_sweep, Api,
        "Looks for the sharpest place and leaves the lens there. `sweep` of the lens says how far it is.", [],
        [(202, "It has begun.", Content::Json("Lens")), NOTHING_TAKEN, NO_LENS,
            (409, "One is under way, the camera is paused, or the operator's file sets the lens.", Content::Problem), NO_CAMERA]),
    route!(Operator DELETE "/api/v1/lens/sweep" lens::delete_sweep, Api, "Ends the sweep; the lens is where it was, or was sent meanwhile.", [], [LENS]),
    route!(Operator GET "/api/v1/diagnosis" diagnosis::get, Api, "What is well, what is not, and what to do; the worst first.", [],
        [(200, "What was found.", Content::Json("Diagnosis"))]),
    route!(Operator GET "/settings" pages::settings::settings, Pages, "What can be changed while it runs.",
        [key("done", TEXT, "What has just been done.")], [(200, "The page.", Content::Html)]),
    route!(Admin POST "/settings" pages::settings::post_settings, Pages, "Changes settings and controls of the camera, or switches the machine, from the page's forms.",
        [needed("do", MayBe::Words(&["set", "reset", "controls", "control", "default", "import", "power"]), "`set`, `reset`, `controls`, `control`, `default`, `import` or `power`.")], Wanted::Form,
        [(200, "The page: it was done, and the camera has done something else or not all of it.", Content::Html),
            SEE_PAGE, FOREIGN, WRONG_FORM, (409, "The page again: the operator sets it, or it was tried and did not work.", Content::Html),
            (412, "The page again: somebody else has changed it meanwhile.", Content::Html), REFUSED,
            (503, "The page again: the camera or the machine cannot be asked.", Content::Html)]),
    route!(Admin GET "/backup" backup::page, Pages, "Backup, restore, factory reset.", [], [(200, "The page.", Content::Html)]),
    route!(Admin POST "/backup" backup::post_page, Pages, "Restores a backup, from the page's form.", [], Wanted::File,
        [(202, "The page: it is whole, and the server starts again.", Content::Html), PAGE_BROKE_OFF, FOREIGN,
            (408, "The page again: nothing came for too long.", Content::Html), (409, "The page again: another restore is under way.", Content::Html),
            REFUSED, (500, "The page again: the disk does not take it.", Content::Html),
            (503, "The page again: nothing can be restored here.", Content::Html), (507, "The page again: there is no room on the disk.", Content::Html)]),
    route!(Admin GET "/factory-reset" backup::ask, Pages, "Asks once more before everything is removed.", [], [(200, "The page.", Content::Html)]),
    route!(Admin POST "/factory-reset" backup::post_reset, Pages, "Removes everything, from the page's form with the camera's name.", [], Wanted::Form,
        [(202, "The page: the server starts again as new.", Content::Html), FOREIGN, (409, "The page again: a restore is under way.", Content::Html),
            REFUSED, (500, "The page again: the disk does not take it.", Content::Html), (503, "The page again: nothing can be reset here.", Content::Html)]),
    route!(Admin GET "/update" update::page, Pages, "The version that runs, and another one to be installed.", [], [(200, "The page.", Content::Html)]),
    route!(Admin POST "/update" update::post_page, Pages, "Takes a package and its signature, from the page's form.", [], Wanted::File,
        [(202, "The page: it is being installed.", Content::Html), PAGE_BROKE_OFF, FOREIGN,
            (408, "The page again: nothing came for too long.", Content::Html), (409, "The page again: another one is being taken.", Content::Html),
            (413, "The page again: it is too long for a package.", Content::Html), REFUSED, (500, "The page again: the disk does not take it.", Content::Html),
            (503, "The page again: this is no card, or the configuration names no key.", Content::Html)]),
    route!(Operator POST "/picture" pages::live_controls::post_picture, Pages, "Changes how everybody sees the picture, from the live page.", [], Wanted::Form,
        [SEE_PAGE, FOREIGN, WRONG_FORM, (409, "The page again: the operator sets it.", Content::Html),
            (412, "The page again: others have changed settings again and again meanwhile.", Content::Html),
            (503, "The page again: settings cannot be changed here, or too many changes wait for their turn.", Content::Html)]),
    route!(Operator POST "/lens" pages::live_controls::post_lens, Pages, "Moves the lens, from the live page.", [], Wanted::Form,
        [SEE_PAGE, FOREIGN, WRONG_FORM, (403, "The page again: it cannot be focused.", Content::Html),
            (409, "The page again: the operator sets it.", Content::Html), REFUSED]),
    route!(Look GET "/lights" pages::live_controls::lights, Pages, "The light.", [], [(200, "The page.", Content::Html)]),
    route!(Operator POST "/lights" pages::live_controls::post_lights, Pages, "Changes the light, from a form.", [], Wanted::Form,
        [SEE_PAGE, FOREIGN, (403, "The page again: there is no such light.", Content::Html),
            (409, "The page again: the operator sets it.", Content::Html), REFUSED]),
    route!(Operator GET "/diagnosis" pages::live_controls::diagnosis, Pages, "What `tallycam check` finds.", [], [(200, "The page.", Content::Html)]),
    route!(Operator GET "/log" pages::live_controls::show_log, Pages, "The last lines of the log.",
        [key("level", TEXT, "Those at least as urgent: `error`, `warn`, `info`, `debug` or `trace`.")], [(200, "The page.", Content::Html)]),
    route!(Admin GET "/activity" activity::show, Pages, "Who signed in, who was refused, and who changed what.",
        [key("cursor", ID, "Where the page before ended.")], [(200, "The page.", Content::Html), NO_PAGE]),
    route!(Anyone GET "/api/v1/openapi.json" state::document, Api, "This document.", [],
        [(200, "OpenAPI 3.1.", Content::AnyJson)]),
    route!(Operator POST "/pause" legacy::pause, Pages, "Pause, from a form.", [], Wanted::Form,
        [(303, "Back to the page.", Content::Nothing), FOREIGN]),
    route!(Operator POST "/resume" legacy::resume, Pages, "Resume, from a form.", [], Wanted::Form,
        [(303, "Back to the page.", Content::Nothing), FOREIGN]),
    route!(Operator POST "/start_stream" legacy::start_stream, Legacy, "Opens the camera and holds it open.", [],
        [(200, "`started`, `already_running` or `error`.", Content::Json("StreamStatus")), FOREIGN]),
    route!(Operator POST "/stop_stream" legacy::stop_stream, Legacy, "Lets the camera go, whoever needs it.", [],
        [(200, "`stopped`: the camera is released.", Content::Json("StreamStatus")), FOREIGN]),
    route!(Operator POST "/shutdown" legacy::shutdown, Legacy, "As `/stop_stream`.", [],
        [(200, "`Capture released`", Content::Text), FOREIGN]),
    route!(Changes::Always, Key GET "/shutdown" legacy::power_off, Legacy, "Switches the machine off.", [POWER_KEY],
        [OLD_DONE, INVALID_KEY, FOREIGN, TOO_MANY_KEYS, (500, "`Error with shutdown`", Content::Text)]),
    route!(Changes::Always, Key GET "/reboot" legacy::reboot, Legacy, "Switches the machine off and on again.", [POWER_KEY],
        [OLD_DONE, INVALID_KEY, FOREIGN, TOO_MANY_KEYS, (500, "`Error with reboot`", Content::Text)]),
    route!(Operator GET "/logs" logs::old, Legacy, "The last lines of the log, the oldest first.", [],
        [(200, "Times, levels and messages.", Content::Json("OldLog"))]),
    route!(Anyone GET "/get_controller_data" legacy::get_controller_data, Legacy, "There is no such controller.", [],
        [(403, "`Controller unavailable`", Content::Text)]),
    route!(Counts GET "/get_counts" legacy::get_counts, Legacy, "How many went in and out.", [],
        [(200, "The counts.", Content::Json("Counts"))]),
    route!(Viewer GET "/media" pages::media::media, Pages, "Snapshots and recordings.",
        [key("q", TEXT, "Only those whose name or note contains this."), key("kind", TEXT, "`snapshot` or `recording`."), key("kept", TEXT, "`1` or `0`."),
            key("from", TEXT, "A date."), key("to", TEXT, "A date, itself included."), key("cursor", TEXT, "Where the page before ended.")],
        [(200, "The page.", Content::Html)]),
    route!(Operator POST "/media" pages::media::post_media, Pages,
        "Keeps, takes away, deletes or changes items, from the page's forms: `do` and an `id` for each.", [], Wanted::Form,
        [SEE_PAGE, (200, "The page that asks before something is deleted.", Content::Html), FOREIGN, WRONG_FORM, GONE,
            (409, "The page again: another has this name, or it is being recorded.", Content::Html),
            (412, "The page again: somebody else has changed it meanwhile.", Content::Html), REFUSED, OLD_NO_STORE]),
    route!(Viewer GET "/player" pages::media::player, Pages, "One item, played.",
        [key("id", ID, "Its number."), key("t", TEXT, "Where it begins, in seconds."), key("speed", TEXT, "0.25, 0.5, 1, 2 or 4.")],
        [(200, "The page.", Content::Html), (303, "Without a number: to the page of media.", Content::Nothing),
            (400, "A value of the query means nothing.", Content::Text), WITHHELD,
            (404, "There is none of this number.", Content::Text), OLD_NO_STORE]),
    route!(Viewer GET "/database" pages::media::database, Pages, "The file that keeps snapshots and recordings.",
        [key("done", TEXT, "What has just been done.")], [(200, "The page.", Content::Html)]),
    route!(Admin POST "/database" pages::media::post_database, Pages, "Cares for that file, from the page's forms.",
        [needed("do", MayBe::Words(&["check", "vacuum", "new", "retention", "aside"]), "`check`, `vacuum`, `new`, `retention` or `aside`.")], Wanted::Form,
        [(200, "The page, with what came of it.", Content::Html), SEE_PAGE, FOREIGN, WRONG_FORM, GONE, REFUSED, OLD_NO_STORE]),
    route!(Operator POST "/snapshots" pages::media::snapshot, Pages, "Takes a picture and keeps it, from a form.", [], Wanted::Form,
        [SEE_PAGE, FOREIGN, (503, "The page again, with why there is none.", Content::Html)]),
    route!(Operator POST "/recordings" pages::media::record, Pages, "Begins or ends a recording, from a form.", [needed("do", MayBe::Words(&["start", "stop"]), "`start` or `stop`.")], Wanted::Form,
        [SEE_PAGE, FOREIGN, WRONG_FORM, (409, "The page again: one is under way.", Content::Html), (503, "The page again, with why there is none.", Content::Html)]),
    route!(Operator POST "/media/upload" uploads::from_form, Pages, "Takes files, from the page's form.", [], Wanted::File,
        [(303, "Back to the page.", Content::Nothing), WRONG_FORM, OLD_KEEP_WITHHELD,
            (408, "Nothing came for too long.", Content::Text), (413, "A picture of more than 32 MB.", Content::Text), (415, "It is something else.", Content::Text),
            (422, "Not one of them can be kept: why.", Content::Text), OLD_NO_STORE, (507, "There is no room on the disk.", Content::Text)]),
    route!(Changes::Always, Operator GET "/autofocus" legacy::autofocus, Legacy, "Switches autofocus.",
        [STATUS], [OLD_DONE, OLD_WRONG, OLD_NO_AUTOFOCUS, OLD_PINNED, OLD_NO_CAMERA]),
    route!(Changes::Always, Operator GET "/set_focus" legacy::set_focus, Legacy, "Sends the lens to a place; autofocus off.",
        [needed("value", MayBe::Number(f64::MIN, f64::MAX), "0 (far) to 1 (near).")], [OLD_DONE, OLD_WRONG, OLD_NO_FOCUS, OLD_PINNED, OLD_NO_CAMERA]),
    route!(Changes::Always, Operator GET "/step_focus" legacy::step_focus, Legacy, "Moves the lens by 0.05; autofocus off.",
        [needed("direction", MayBe::Like("^([+-]|[+-]?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?)$"), "`+`, `-`, or a number, whose sign is meant.")], [OLD_DONE, OLD_WRONG, OLD_NO_FOCUS, OLD_PINNED, OLD_NO_CAMERA]),
    route!(Changes::Always, Operator GET "/video_capture" legacy::video_capture, Legacy, "Begins or ends a recording.",
        [key("status", TEXT, "`false` begins one, `true` ends it; anything else does nothing."), key("filename", TEXT, "Its name, to which `.avi` is added."), key("date", TEXT, "The date it is to have.")],
        [OLD_DONE, OLD_KEEP_WITHHELD, (400, "`Error with recording video`: the name or the date is none, or one is under way.", Content::Text),
            (500, "`Error with recording video`", Content::Text), (503, "`Error with recording video`: it may work later.", Content::Text),
            (507, "`Error with recording video`: there is no room on the disk.", Content::Text)]),
    route!(Viewer GET "/get_database" legacy::get_database, Legacy, "Every item, by its number.", [],
        [(200, "Dates and names.", Content::Json("OldDatabase")), WITHHELD, OLD_NO_STORE]),
    route!(Changes::Always, Operator GET "/database/add" legacy::database_add, Legacy, "Takes a file of the folder `import` beside the store.",
        [key("filename", TEXT, "The file's name."), key("date", TEXT, "The date it is to have.")],
        [OLD_DONE, OLD_KEEP_WITHHELD, OLD_UNKNOWN, (413, "A picture of more than 32 MB.", Content::Text),
            (415, "It is something else.", Content::Text), OLD_NO_STORE]),
    route!(Changes::Always, Operator GET "/database/remove" legacy::database_remove, Legacy, "Removes an item.", [FILE_NAME],
        [OLD_DONE, OLD_KEEP_WITHHELD, OLD_UNKNOWN, (409, "It is being recorded.", Content::Text), OLD_NO_STORE]),
    route!(Changes::Always, Admin GET "/database/new" legacy::database_new, Legacy, "Sets the store aside and begins an empty one.", [],
        [OLD_DONE, OLD_KEEP_WITHHELD, OLD_NO_STORE]),
    route!(Changes::Always, Operator GET "/light" legacy::light, Legacy, "Switches the light on or off.",
        [key("status", TEXT, "`false` switches it on, `true` off; the other way round with `old_status = \"program\"` under [lights].")],
        [OLD_DONE, OLD_WRONG, (403, "`Changing light not supported`", Content::Text), OLD_PINNED]),
    route!(Changes::Always, Operator GET "/set_brightness" legacy::set_brightness, Legacy, "How bright the light is.",
        [needed("value", MayBe::Number(f64::MIN, f64::MAX), "0 to 255.")],
        [OLD_DONE, OLD_WRONG, (403, "`Changing brightness not supported`", Content::Text), OLD_PINNED]),
    route!(Changes::Always, Operator GET "/set_color" legacy::set_color, Legacy, "The light's colour.",
        [key("value", TEXT, "Red, green and blue as RRGGBB.")],
        [OLD_DONE, OLD_WRONG, (403, "`Changing color not supported`", Content::Text), OLD_PINNED]),
    route!(Viewer GET "/media/{name}" download::named, Legacy,
        "An item by its exact name. A recording is what the ending of its name says (`.avi`, `.mjpeg`), else MP4.", [DOWNLOAD],
        [(200, "The file.", FILE), (206, "The part that was asked for.", FILE), (304, "It is the same.", Content::Nothing),
            (400, "A value of the query means nothing.", Content::Text), WITHHELD,
            (404, "There is none of this name.", Content::Text), (416, "It has no such part.", Content::Text),
            (422, "It is too long for this format.", Content::Text),
            (503, "Nothing is kept here, or the store cannot be read.", Content::Text)]),
    route!(Anyone GET "/robots.txt" pages::assets::robots, Pages, "Search engines are to stay away.", [],
        [(200, "Nothing is allowed.", Content::Text)]),
    route!(Anyone GET "/favicon.ico" pages::assets::favicon, Pages, "The icon.", [],
        [(200, "The icon.", Content::Svg), (304, "It is the same.", Content::Nothing)]),
];
