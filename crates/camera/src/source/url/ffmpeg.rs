//! The command line and the script with which `ffmpeg` reads a stream: RTSP and the like.
//!
//! The camera's clock is not used: it may jump, stand still, or run at another rate than the stream claims. Each frame
//! is passed on when it arrives, once.

use std::time::Duration;

use super::address::{Login, split_authority};
use crate::source::exec::ExecOpener;
use crate::source::{FormatRequest, LateStart};
use tallycam_base::redact::{redact_path, secrets_in_path};
use tallycam_base::unicode::percent_encoded;

/// Schemes for `ffmpeg`.
pub(super) const SCHEMES: [&str; 10] =
    ["rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "udp", "tcp", "mmsh", "mmst"];
/// Protocols that `ffmpeg` may use, including the pipe with the address.
const PROTOCOLS: &str = "pipe,tcp,udp,rtp,srtp,tls,crypto,http,https,httpproxy,rtmp,rtmpe,rtmps,rtmpt,rtmpte,rtmpts,\
                         ffrtmpcrypt,ffrtmphttp,srt,mmsh,mmst";
/// How long `ffmpeg` analyses an RTSP stream, in microseconds. Its description lists all streams, so little is needed.
const ANALYSES_US: &str = "1000000";
/// The clock of this machine as time stamps, and at most `{fps}` frames a second by it. A step of that clock drops no
/// frame and repeats none.
const LIMIT: &str = "setpts=RTCTIME/(TB*1000000),select='if(gte(t,ld(0)-0.25/{fps})+lt(t,ld(0)-2/{fps}),\
                     st(0,if(between(ld(0)+1/{fps}-t,0,2/{fps}),ld(0)+1/{fps},t+1/{fps})),0)'";
/// Time stamps that always rise, because the encoder refuses others.
const RISING: &str = "setpts=N/TB";
/// A stream without a picture for this long has a fault. It stays open, because the next key frame may be near.
const FIRST_WITHIN: Duration = Duration::from_secs(20);
/// Limit of that wait.
const LATE_WITHIN: Duration = Duration::from_secs(90);

/// `ffmpeg` that converts the stream at `scheme://rest` to MJPEG. It reads the address from standard input, as a
/// script of its concat demuxer: every user of this machine can read command lines, and so a password there.
pub(super) fn opener(scheme: &str, rest: &str, login: Option<Login>, wanted: FormatRequest) -> ExecOpener {
    let (_, host, path) = split_authority(rest);
    let described = format!("{scheme}://{host}{}", redact_path(path));
    let (script, mut secrets) = script(scheme, rest, login);
    secrets.extend(secrets_in_path(path));
    let late = LateStart {
        within: LATE_WITHIN,
        hint: "a picture can be shown from a key frame on: set a shorter key-frame interval (also I-frame interval or \
               GOP) in the camera, two seconds at most",
    };
    ExecOpener::new(command(scheme, &wanted), wanted)
        .described(described, secrets)
        .with_stdin(script)
        .first_within(FIRST_WITHIN, Some(late))
}

/// The script for `ffmpeg` with the address, and the secrets in it.
fn script(scheme: &str, rest: &str, login: Option<Login>) -> (String, Vec<String>) {
    let (user, host, path) = split_authority(rest);
    let (url, secrets) = match (login, user) {
        (Some(login), _) => {
            let (user, password) = (percent_encoded(&login.user), percent_encoded(&login.password));
            let both = format!("{user}:{password}");
            (format!("{scheme}://{both}@{host}{path}"), vec![login.password, password, both, login.user])
        }
        (None, Some(user)) => {
            let typed = user.split_once(':').map(|(_, password)| password.to_owned());
            let url = format!("{scheme}://{user}@{host}{path}");
            let login = Login::parse(user);
            (url, vec![login.password, typed.unwrap_or_default(), user.to_owned(), login.user])
        }
        (None, None) => (format!("{scheme}://{host}{path}"), Vec::new()),
    };
    // A line break would end the directive; a quote must stand outside of quotes.
    let url: String = url.chars().map(|letter| if letter.is_control() { '_' } else { letter }).collect();
    let mut script = format!("ffconcat version 1.0\nfile '{}'\n", url.replace('\'', r"'\''"));
    if is_rtsp(scheme) {
        // Over UDP lost packets show as torn frames, but some cameras support nothing else.
        script.push_str("option rtsp_flags prefer_tcp\n");
        script.push_str(&format!("option analyzeduration {ANALYSES_US}\noption fpsprobesize 0\n"));
    }
    (script, secrets)
}

fn is_rtsp(scheme: &str) -> bool {
    scheme.starts_with("rtsp")
}

fn command(scheme: &str, wanted: &FormatRequest) -> Vec<String> {
    let mut command = vec!["ffmpeg", "-nostdin", "-loglevel", "error"];
    if is_rtsp(scheme) {
        command.extend(["-analyzeduration", ANALYSES_US, "-fpsprobesize", "0"]);
    }
    command.extend(["-f", "concat", "-safe", "0", "-protocol_whitelist", PROTOCOLS, "-i", "pipe:0", "-an"]);
    let mut filters = Vec::new();
    if wanted.fps.is_some() {
        filters.push(LIMIT);
    }
    filters.push(RISING);
    // -2: proportional to the other side, rounded to an even number.
    match (wanted.width, wanted.height) {
        (Some(_), Some(_)) => filters.push("scale={width}:{height}"),
        (Some(_), None) => filters.push("scale={width}:-2"),
        (None, Some(_)) => filters.push("scale=-2:{height}"),
        (None, None) => {}
    }
    let filters = filters.join(",");
    command.extend([
        "-vf",
        &filters,
        "-fps_mode",
        "passthrough",
        "-c:v",
        "mjpeg",
        "-q:v",
        "4",
        "-f",
        "mjpeg",
        "-",
    ]);
    command.into_iter().map(String::from).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_command_takes_frames_as_they_come() {
        let wanted = FormatRequest { width: Some(640), fps: Some(5.0), ..FormatRequest::ANYTHING };
        let line = command("rtsp", &wanted).join(" ");
        for part in [
            "-analyzeduration 1000000 -fpsprobesize 0 -f concat -safe 0",
            "-i pipe:0 -an",
            "RTCTIME",
            "setpts=N/TB,scale={width}:-2 -fps_mode passthrough",
            "-f mjpeg -",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        // Other streams name their parts as they come.
        let line = command("udp", &FormatRequest::ANYTHING).join(" ");
        assert!(
            !line.contains("analyzeduration") && line.contains("-an -vf setpts=N/TB -fps_mode"),
            "{line}"
        );
    }

    #[test]
    fn the_script_has_the_address() {
        let login = Some(Login { user: "me".into(), password: "a:b@c".into() });
        let (text, secrets) = script("rtsp", "old:word@cam/live", login);
        assert_eq!(
            text,
            "ffconcat version 1.0\nfile 'rtsp://me:a%3Ab%40c@cam/live'\noption rtsp_flags prefer_tcp\n\
             option analyzeduration 1000000\noption fpsprobesize 0\n"
        );
        assert_eq!(secrets, ["a:b@c", "a%3Ab%40c", "me:a%3Ab%40c", "me"]);
        let secrets = script("rtsp", "old:w%3Ard@cam/live", None).1;
        assert_eq!(secrets, ["w:rd", "w%3Ard", "old:w%3Ard", "old"]);
        let (text, _) = script("tcp", "cam/it's\nfile /etc/passwd", None);
        assert_eq!(text, "ffconcat version 1.0\nfile 'tcp://cam/it'\\''s_file /etc/passwd'\n");
    }
}
