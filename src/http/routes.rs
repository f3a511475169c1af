//! The one table of routes: method, address, handler, and what the API's document says of it.

use hyper::Method;

use super::route::{Answered, Changes, Content, Doc, Route, Tag, Wanted};
use super::{counts, crossings, events, legacy, lines, model, page, pictures, recount, tallies, v1, zones};

macro_rules! route {
    ($method:ident $path:literal $handler:path, $tag:ident, $summary:literal, [$($query:expr),* $(,)?], [$($answer:expr),+ $(,)?]) => {
        route!($method $path $handler, $tag, $summary, [$($query),*], Wanted::Nothing, [$($answer),+])
    };
    ($method:ident $path:literal $handler:path, $tag:ident, $summary:literal, [$($query:expr),* $(,)?], $body:expr, [$($answer:expr),+ $(,)?]) => {
        route!(Changes::AsUsual, $method $path $handler, $tag, $summary, [$($query),*], $body, [$($answer),+])
    };
    // An old address that changes something though it is asked for with GET.
    ($changes:expr, GET $path:literal $handler:path, $tag:ident, $summary:literal, [$($query:expr),* $(,)?], [$($answer:expr),+ $(,)?]) => {
        route!($changes, GET $path $handler, $tag, $summary, [$($query),*], Wanted::Nothing, [$($answer),+])
    };
    ($changes:expr, $method:ident $path:literal $handler:path, $tag:ident, $summary:literal, [$($query:expr),*], $body:expr, [$($answer:expr),+]) => {
        Route {
            method: Method::$method,
            path: $path,
            changes: $changes,
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

type Key = (&'static str, &'static str);
type Answer = (u16, &'static str, Content);

const FPS: Key = ("fps", "At most so many pictures a second, 0.01 and up; anything else is ignored.");
const STREAM: Answer = (200, "Pictures, until the viewer leaves.", Content::Multipart);
const FULL: Answer =
    (503, "All places for viewers are taken; Retry-After says when to try again.", Content::Text);
const JPEG: Answer = (200, "The newest picture; X-Timestamp is when it was taken.", Content::Jpeg);
const CARD: Answer = (503, "There is no live picture: a card that says why.", Content::Jpeg);
const STATE: Answer = (200, "How things are.", Content::Json("State"));
const FOREIGN: Answer = (403, "A browser sent this for another site.", Content::Text);
const API_FOREIGN: Answer = (403, "A browser sent this for another site.", Content::Problem);

const WITHHELD: Answer =
    (403, "This camera counts only (`counts_only`): it shows no pictures.", Content::Text);
const API_WITHHELD: Answer =
    (403, "This camera counts only (`counts_only`): it shows no pictures.", Content::Problem);
const ANNOTATED: Key = ("annotated", "`1`: with what is counted drawn over the picture.");
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
const SCENE: Key = ("scene", "`camera`, `files` or `sim`; the one that is shown if not given.");
const FROM: Key = ("from", "From then on: RFC 3339, a date, `today`, `yesterday`, `-24h`, `-7d`.");
const TO: Key = ("to", "Before then; likewise.");
const OF_LINE: Key = ("line", "Numbers or names of lines, with commas; all if not given.");
const OF_CLASS: Key = ("class", "Names of classes, with commas; all if not given.");
const FORMAT: Key = ("format", "`json`, or `csv` for a table (RFC 4180).");
const MODEL: Answer = (200, "The models.", Content::Json("Model"));
const NO_PAGE: Answer = (503, "Nothing is counted here, or the ledger cannot be read.", Content::Text);
const SEE_PAGE: Answer = (303, "Done: back to the page.", Content::Nothing);
const WRONG_FORM: Answer = (400, "The form says nothing that is understood.", Content::Text);
const GONE: Answer = (404, "The page again: there is none of this number or name.", Content::Html);
const REFUSED: Answer = (422, "The page again, with what is wrong.", Content::Html);

/// Every route there is. Embedded files, which pages refer to, are found by [`ui::asset`].
pub static ROUTES: &[Route] = &[
    route!(GET "/" legacy::root, Pages, "The live page.",
        [("action", "`stream` or `snapshot`, as mjpg-streamer has them."), FPS],
        [(200, "The page; or pictures, with `action`.", Content::Html), WITHHELD]),
    route!(GET "/stream" pictures::stream, Pictures, "The live picture, for an img tag.", [FPS, ANNOTATED], [STREAM, FULL, WITHHELD]),
    route!(GET "/stream.mjpg" pictures::stream, Pictures, "The same.", [FPS, ANNOTATED], [STREAM, FULL, WITHHELD]),
    route!(GET "/live" pictures::stream, Pictures, "The same.", [FPS, ANNOTATED], [STREAM, FULL, WITHHELD]),
    route!(GET "/video_feed" pictures::video_feed, Pictures, "The same; annotated while counting is on.", [FPS], [STREAM, FULL, WITHHELD]),
    route!(GET "/snapshot.jpg" pictures::snapshot, Pictures, "The newest picture.", [], [JPEG, CARD, WITHHELD]),
    route!(GET "/snapshot" legacy::snapshot, Pictures, "The newest picture.",
        [("filename", "Asks to save the picture under this name, which this version cannot do yet.")],
        [JPEG, CARD, WITHHELD, (500, "`Error with snapshot`: it was not saved.", Content::Text)]),
    route!(GET "/health" legacy::health, Legacy, "Whether the camera delivers, and what crosses is recorded.", [],
        [(200, "`True`", Content::Text), (503, "`False`: too many failed reads in a row, or the ledger takes no crossings.", Content::Text)]),
    route!(GET "/state" v1::state, Api, "How things are.", [], [STATE]),
    route!(GET "/metrics" v1::figures, Api, "Figures for Prometheus.", [],
        [(200, "Text format 0.0.4.", Content::Metrics)]),
    route!(GET "/api/v1/state" v1::state, Api, "How things are.", [], [STATE]),
    route!(GET "/api/v1/snapshot" pictures::api_snapshot, Api, "The newest picture.", [],
        [JPEG, API_WITHHELD, (503, "There is no live picture.", Content::Problem)]),
    route!(POST "/api/v1/pause" v1::pause, Api, "Lets the camera go until it is resumed.", [], [STATE, API_FOREIGN]),
    route!(POST "/api/v1/resume" v1::resume, Api, "Ends a pause: the camera opens on demand.", [], [STATE, API_FOREIGN]),
    route!(GET "/api/v1/still.jpg" pictures::still, Api, "A picture to draw lines on; also where only counts are wanted.", [],
        [JPEG, (503, "There is no live picture, or nothing is counted here.", Content::Problem)]),
    route!(GET "/api/v1/lines" lines::list, Api, "The counting lines of a scene, those of the operator's file first.",
        [("deleted", "`1`: deleted ones, too."), SCENE],
        [(200, "The lines.", Content::Json("Lines")), WRONG_QUERY, NO_COUNTING]),
    route!(POST "/api/v1/lines" lines::add, Api, "Draws a line in the scene that is shown.", [], Wanted::Json("LineDraft"),
        [NEW_LINE, API_FOREIGN, CONFLICT, WRONG_DRAFT, NO_COUNTING]),
    route!(GET "/api/v1/lines/{id}" lines::get, Api, "One line, also a deleted one.", [], [LINE, UNKNOWN, NO_COUNTING]),
    route!(PUT "/api/v1/lines/{id}" lines::replace, Api, "Draws it anew; what it counted stays. If-Match is heeded.", [],
        Wanted::Json("LineDraft"), [LINE, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(PATCH "/api/v1/lines/{id}" lines::change, Api, "Changes what is said. If-Match is heeded.", [],
        Wanted::Json("LinePatch"), [LINE, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(DELETE "/api/v1/lines/{id}" lines::delete, Api, "Deletes it; what it counted stays. If-Match is heeded.", [],
        [DELETED, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, NO_COUNTING]),
    route!(GET "/api/v1/zones" zones::list, Api, "The zones of a scene, and how many are in each now.", [SCENE],
        [(200, "The zones.", Content::Json("Zones")), WRONG_QUERY, NO_COUNTING]),
    route!(POST "/api/v1/zones" zones::add, Api, "Draws a zone in the scene that is shown.", [], Wanted::Json("ZoneDraft"),
        [NEW_ZONE, API_FOREIGN, CONFLICT, WRONG_DRAFT, NO_COUNTING]),
    route!(GET "/api/v1/zones/{id}" zones::get, Api, "One zone.", [], [ZONE, UNKNOWN, NO_COUNTING]),
    route!(PUT "/api/v1/zones/{id}" zones::replace, Api, "Draws it anew. If-Match is heeded.", [], Wanted::Json("ZoneDraft"),
        [ZONE, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(PATCH "/api/v1/zones/{id}" zones::change, Api, "Changes what is said. If-Match is heeded.", [],
        Wanted::Json("ZonePatch"), [ZONE, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(DELETE "/api/v1/zones/{id}" zones::delete, Api, "Deletes it. If-Match is heeded.", [],
        [DELETED, API_FOREIGN, UNKNOWN, CONFLICT, CHANGED, NO_COUNTING]),
    route!(GET "/api/v1/counts" counts::counts, Api, "How many crossed, bucket by bucket; `null` where nothing was counted.",
        [FROM, TO, ("bucket", "`hour`, `day`, `week`, `month` or `total`."),
            ("by", "What counts are told apart by: any of `line`, `class`, `direction`, with commas; all if not given."),
            OF_LINE, OF_CLASS, SCENE, FORMAT],
        [(200, "The buckets.", Content::JsonOrCsv("CountsReport")), WRONG_QUERY, NO_COUNTING]),
    route!(POST "/api/v1/counts/reset" tallies::reset, Api, "Sets today's sums of a line, or of all, to zero from now on. Nothing is deleted.", [],
        Wanted::JsonOrNothing("ResetDraft"),
        [(201, "The reset.", Content::Json("Reset")), API_FOREIGN, UNKNOWN, WRONG_DRAFT, NO_COUNTING]),
    route!(POST "/api/v1/counts/recount" recount::recount, Api,
        "Puts what counting a recording again has found in the place of what was counted then, which is kept beside. `tallycam counts recount` sends it.", [],
        Wanted::LongJson("RecountDraft"),
        [(200, "The ledger says the same already.", Content::Json("Recount")), (201, "What was changed.", Content::Json("Recount")),
            API_FOREIGN, UNKNOWN, CHANGED, WRONG_DRAFT, NO_COUNTING]),
    route!(GET "/api/v1/crossings" crossings::list, Api, "Every crossing on record.",
        [FROM, TO, OF_LINE, OF_CLASS, ("direction", "`in` or `out`."), SCENE, ("order", "`newest` first, or `oldest`."),
            ("limit", "At most so many, 1 to 5000; 100 if not given, of a table all."),
            ("cursor", "`next` of the page before."), FORMAT],
        [(200, "A page of crossings, or all of them as a table.", Content::JsonOrCsv("Crossings")), WRONG_QUERY, NO_COUNTING]),
    route!(GET "/api/v1/crossings/{id}/thumbnail.jpg" crossings::thumbnail, Api, "Who crossed, where such pictures are kept.", [],
        [(200, "A small picture.", Content::Jpeg), API_WITHHELD, (404, "There is none.", Content::Problem), NO_COUNTING]),
    route!(GET "/api/v1/tracks" tallies::tracks, Api, "What is followed in the picture now.", [],
        [(200, "The tracks that live.", Content::Json("Tracks")), NO_COUNTING]),
    route!(GET "/api/v1/tallies" tallies::tallies, Api, "Today's sums, line by line.", [],
        [(200, "The sums.", Content::Json("Tallies")), NO_COUNTING]),
    route!(GET "/api/v1/events" events::events, Api,
        "What happens, as server-sent events. A crossing's id resumes after it: by the header Last-Event-ID, or by the query.",
        [("types", "Any of `crossing`, `tally`, `overlay`, `lines`, `state`, with commas; all if not given."),
            ("last_event_id", "Crossings after this id, for those who cannot set a header.")],
        [(200, "Events, until the client leaves.", Content::Events), WRONG_QUERY,
            (503, "Nothing is counted here, or all places are taken.", Content::Problem)]),
    route!(GET "/api/v1/model" model::model, Api, "Which model looks at the pictures, and which others there are.", [], [MODEL, NO_COUNTING]),
    route!(PUT "/api/v1/model" model::put, Api, "Uses a model from now on; `null`: the configured one. Answered when it is in use.", [],
        Wanted::Json("ModelChoice"),
        [MODEL, API_FOREIGN, (409, "The operator's file says which.", Content::Problem), WRONG_DRAFT, NO_COUNTING]),
    route!(POST "/api/v1/model/fetch" model::fetch, Api, "Fetches a model of the catalogue. Answered when it is here.", [],
        Wanted::Json("ModelName"),
        [MODEL, API_FOREIGN, (404, "The catalogue has none of this name.", Content::Problem), WRONG_DRAFT,
            (502, "What came is not what should have come.", Content::Problem),
            (503, "There is no way to where it lies, or no models here.", Content::Problem)]),
    route!(GET "/lines" page::lines, Pages, "The line editor.", [("line", "The number of the line to edit, or `new`.")],
        [(200, "The page.", Content::Html), NO_PAGE]),
    route!(POST "/lines" page::post_line, Pages, "Draws, changes or deletes a line, from the page's form.", [], Wanted::Form,
        [SEE_PAGE, FOREIGN, GONE, (409, "The page again: the operator's file sets it, or another has this name.", Content::Html),
            (412, "The page again: somebody else has changed it meanwhile.", Content::Html), REFUSED, NO_PAGE]),
    route!(GET "/counts" page::counts, Pages, "Charts and figures.",
        [("range", "`today`, `yesterday`, `7d`, `30d`, `month` or `own`."), ("from", "A date, for `range=own`."),
            ("to", "A date, for `range=own`."), ("line", "The number of a line."), ("class", "The name of a class."),
            ("heat", "`in`, `out` or `both`.")],
        [(200, "The page.", Content::Html), NO_PAGE]),
    route!(POST "/counts" page::post_counts, Pages, "Sets today's sums to zero, from the page's form.",
        [("do", "`reset`.")], Wanted::Form,
        [SEE_PAGE, FOREIGN, WRONG_FORM, GONE, REFUSED, NO_PAGE]),
    route!(GET "/models" page::models, Pages, "The models.", [], [(200, "The page.", Content::Html), NO_PAGE]),
    route!(POST "/models" page::post_models, Pages, "Uses or fetches a model, from the page's form.",
        [("do", "`use` or `fetch`.")], Wanted::Form,
        [SEE_PAGE, FOREIGN, WRONG_FORM, GONE, (409, "The page again: the operator's file says which.", Content::Html), REFUSED,
            (502, "The page again: what came is not what should have come.", Content::Html), NO_PAGE]),
    route!(GET "/api/v1/openapi.json" v1::document, Api, "This document.", [],
        [(200, "OpenAPI 3.1.", Content::AnyJson)]),
    route!(POST "/pause" legacy::pause, Pages, "Pause, from a form.", [], Wanted::Form,
        [(303, "Back to the page.", Content::Nothing), FOREIGN]),
    route!(POST "/resume" legacy::resume, Pages, "Resume, from a form.", [], Wanted::Form,
        [(303, "Back to the page.", Content::Nothing), FOREIGN]),
    route!(POST "/start_stream" legacy::start_stream, Legacy, "Opens the camera and holds it open.", [],
        [(200, "`started`, `already_running` or `error`.", Content::Json("StreamStatus")), FOREIGN]),
    route!(POST "/stop_stream" legacy::stop_stream, Legacy, "Lets the camera go, whoever needs it.", [],
        [(200, "`stopped`: the camera is released.", Content::Json("StreamStatus")), FOREIGN]),
    route!(POST "/shutdown" legacy::shutdown, Legacy, "As `/stop_stream`.", [],
        [(200, "`Capture released`", Content::Text), FOREIGN]),
    route!(GET "/get_counts" legacy::get_counts, Legacy, "How many went in and out.", [],
        [(200, "The counts.", Content::Json("Counts"))]),
    route!(GET "/robots.txt" page::robots, Pages, "Search engines are to stay away.", [],
        [(200, "Nothing is allowed.", Content::Text)]),
    route!(GET "/favicon.ico" page::favicon, Pages, "The icon.", [],
        [(200, "The icon.", Content::Svg), (304, "It is the same.", Content::Nothing)]),
];
