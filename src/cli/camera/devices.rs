//! `tallycam devices`.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::{Failure, print_json, print_stdout};
use tallycam_camera::media::number_json;
use tallycam_camera::media::{Control, ControlKind};
use tallycam_camera::source::libcamera::{self, Listed};
use tallycam_camera::source::v4l2::{self, CameraFormat, Mode, VideoNode, is_usable, no_usable_camera};

/// List cameras: names, formats, sizes, frame rates, controls.
///
/// A camera that is streaming is not disturbed.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl DevicesArgs {
    /// Lists the cameras.
    pub fn run(&self) -> Result<(), Failure> {
        let nodes = v4l2::list();
        let others = libcamera_cameras();
        if self.json {
            let items = nodes.iter().map(as_json).chain(others.iter().map(camera_to_json));
            print_json(&json!({"items": items.collect::<Vec<_>>()}))?;
        } else {
            print_stdout(&as_text(&nodes, &others))?;
        }
        let is_any = nodes.iter().any(is_usable) || !others.is_empty();
        if is_any { Ok(()) } else { Err(Failure::Device(no_usable_camera(&nodes))) }
    }
}

/// The cameras of libcamera. A camera that V4L2 lists too appears twice, under both names.
fn libcamera_cameras() -> Vec<Listed> {
    libcamera::survey_libcamera(&libcamera::folder()).used.map(|found| found.cameras).unwrap_or_default()
}

/// The cameras as text, without the device names that contain serial numbers.
pub fn report() -> String {
    let text = as_text(&v4l2::list(), &libcamera_cameras());
    text.lines().filter(|line| !line.starts_with("  device ")).map(|line| format!("{line}\n")).collect()
}

fn as_text(nodes: &[VideoNode], others: &[Listed]) -> String {
    let mut out = String::new();
    let (shown, rest): (Vec<&VideoNode>, Vec<&VideoNode>) = nodes.iter().partition(|node| is_usable(node));
    for (n, node) in shown.iter().enumerate() {
        if n > 0 {
            out.push('\n');
        }
        describe(&mut out, node);
    }
    for camera in others {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&format!("{}  {}\n  kind      libcamera\n", camera.id, camera.model));
        write_formats_and_controls(&mut out, &camera.formats, &camera.controls);
    }
    if !out.is_empty() && !rest.is_empty() {
        out.push('\n');
    }
    for node in rest {
        let why = match &node.facts {
            Ok(facts) => {
                format!("{}: {}", facts.card, facts.unusable.as_deref().unwrap_or("of no use as a camera"))
            }
            Err(trouble) => trouble.line(),
        };
        out.push_str(&format!("{}  {why}\n", node.path.display()));
    }
    out
}

fn describe(out: &mut String, node: &VideoNode) {
    let Ok(facts) = &node.facts else { return };
    out.push_str(&format!("{}  {}\n", node.path.display(), facts.card));
    if let Some(by_id) = &node.by_id {
        out.push_str(&format!("  device    {}\n", by_id.display()));
    }
    out.push_str(&format!("  driver    {} at {}\n", facts.driver, facts.bus));
    write_formats_and_controls(out, &facts.formats, &facts.controls);
}

fn write_formats_and_controls(out: &mut String, formats: &[CameraFormat], controls: &[Control]) {
    let mut label = "formats";
    for format in formats {
        let fourcc = format.fourcc.to_string();
        out.push_str(&format!("  {label:<9} {fourcc:<5} {}\n", format.description));
        label = "";
        for Mode { width, height, fps } in &format.modes {
            let size = format!("{width}×{height}");
            out.push_str(format!("{:18}{size:<11} {}", "", rates(fps)).trim_end());
            out.push('\n');
        }
        if let Some((across, down)) = format.steps {
            out.push_str(&format!("{:18}and every size between, in steps of {across}×{down}\n", ""));
        }
    }
    let widest = controls.iter().map(|control| control.name.len()).max().unwrap_or(0);
    let mut label = "controls";
    for control in controls {
        out.push_str(&format!("  {label:<9} {:<widest$}  {}\n", control.name, control_line(control)));
        label = "";
    }
}

/// As in "30, 15, 7.5 fps"; empty when no rate is known.
fn rates(fps: &[f64]) -> String {
    let words: Vec<String> = fps
        .iter()
        .map(|fps| format!("{fps:.2}").trim_end_matches('0').trim_end_matches('.').to_owned())
        .collect();
    if words.is_empty() { String::new() } else { format!("{} fps", words.join(", ")) }
}

/// As in "128, from 0 to 255, default 128".
fn control_line(control: &Control) -> String {
    let Control { value, default, .. } = control;
    let mut line = match &control.kind {
        ControlKind::Number { .. } => {
            format!("{value}{}, from {}, default {default}", control.spaced_unit(), control.range())
        }
        ControlKind::Boolean => format!("{}, default {}", *value != 0.0, *default != 0.0),
        ControlKind::Menu(choices) => {
            let choices: Vec<String> =
                choices.iter().map(|(number, word)| format!("{number} {word}")).collect();
            format!("{value}, of {}; default {default}", choices.join(", "))
        }
        ControlKind::Button => String::from("a button"),
    };
    if control.read_only {
        line.push_str(" (cannot be set)");
    } else if control.inactive {
        line.push_str(" (no effect now: an automatic mode controls it)");
    }
    line
}

fn as_json(node: &VideoNode) -> Value {
    let mut item = json!({
        "path": node.path.display().to_string(),
        "by_id": node.by_id.as_ref().map(|path| path.display().to_string()),
        "usable": is_usable(node),
    });
    match &node.facts {
        Ok(facts) => {
            item["name"] = json!(facts.card);
            item["driver"] = json!(facts.driver);
            item["bus"] = json!(facts.bus);
            item["reason"] = json!(facts.unusable);
            item["formats"] = facts.formats.iter().map(format_json).collect();
            item["controls"] = facts.controls.iter().map(control_json).collect();
        }
        Err(trouble) => {
            item["reason"] = json!(trouble.line());
            item["fault"] = json!(trouble.kind.as_str());
        }
    }
    item
}

fn camera_to_json(camera: &Listed) -> Value {
    json!({
        "id": camera.id,
        "name": camera.model,
        "driver": "libcamera",
        "usable": true,
        "formats": camera.formats.iter().map(format_json).collect::<Vec<_>>(),
        "controls": camera.controls.iter().map(control_json).collect::<Vec<_>>(),
    })
}

fn format_json(format: &CameraFormat) -> Value {
    let size = |mode: &Mode| json!({"width": mode.width, "height": mode.height, "fps": mode.fps});
    json!({
        "format": format.fourcc.to_string(),
        "description": format.description,
        "sizes": format.modes.iter().map(size).collect::<Vec<_>>(),
        "steps": format.steps.map(|(across, down)| json!({"width": across, "height": down})),
    })
}

fn control_json(control: &Control) -> Value {
    let mut item = json!({
        "name": control.name,
        "title": control.title,
        "unit": control.unit,
        "value": number_json(control.value),
        "default": number_json(control.default),
        "read_only": control.read_only,
        "inactive": control.inactive,
    });
    match &control.kind {
        kind @ ControlKind::Number { min, max, step } => {
            item["kind"] = json!(if kind.is_integer() { "integer" } else { "decimal" });
            item["min"] = number_json(*min);
            item["max"] = number_json(*max);
            item["step"] = number_json(*step);
        }
        ControlKind::Boolean => item["kind"] = json!("boolean"),
        ControlKind::Menu(choices) => {
            let choice = |(value, name): &(i64, String)| json!({"value": value, "name": name});
            item["kind"] = json!("menu");
            item["choices"] = choices.iter().map(choice).collect();
        }
        ControlKind::Button => item["kind"] = json!("button"),
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallycam_camera::media::Fourcc;
    use tallycam_camera::media::{SourceError, SourceErrorKind};
    use tallycam_camera::source::v4l2::NodeInfo;
    use tallycam_camera::source::v4l2::usable_nodes;

    fn control(name: &str, kind: ControlKind) -> Control {
        Control {
            id: 1,
            name: name.to_owned(),
            title: name.to_uppercase(),
            kind,
            unit: String::new(),
            default: 1.0,
            value: 3.0,
            read_only: false,
            inactive: false,
        }
    }

    fn mode(width: u32, height: u32, fps: &[f64]) -> Mode {
        Mode { width, height, fps: fps.to_vec() }
    }

    fn webcam() -> VideoNode {
        let menu = ControlKind::Menu(vec![(1, "Manual".into()), (3, "Aperture Priority".into())]);
        VideoNode {
            path: "/dev/video0".into(),
            by_id: Some("/dev/v4l/by-id/usb-Webcam-video-index0".into()),
            facts: Ok(NodeInfo {
                card: "Webcam".into(),
                driver: "uvcvideo".into(),
                bus: "usb-1.2".into(),
                unusable: None,
                formats: vec![
                    CameraFormat {
                        fourcc: Fourcc::MJPG,
                        description: "Motion-JPEG".into(),
                        modes: vec![mode(1920, 1080, &[30.0, 7.5]), mode(640, 480, &[])],
                        steps: None,
                    },
                    CameraFormat {
                        fourcc: Fourcc::YUYV,
                        description: "YUYV 4:2:2".into(),
                        modes: vec![mode(16, 16, &[29.97]), mode(640, 480, &[29.97])],
                        steps: Some((8, 2)),
                    },
                ],
                controls: vec![
                    control("gain", ControlKind::integer(0, 9, 1)),
                    Control { inactive: true, ..control("auto_exposure", menu) },
                    control("mirror", ControlKind::Boolean),
                ],
            }),
        }
    }

    fn codec() -> VideoNode {
        VideoNode {
            path: "/dev/video10".into(),
            by_id: None,
            facts: Ok(NodeInfo {
                card: "bcm2835-codec".into(),
                driver: "bcm2835".into(),
                bus: "platform".into(),
                unusable: Some("converts pictures, takes none".into()),
                formats: Vec::new(),
                controls: Vec::new(),
            }),
        }
    }

    #[test]
    fn a_camera_is_listed_in_full_and_another_node_in_one_line() {
        let want = "\
/dev/video0  Webcam
  device    /dev/v4l/by-id/usb-Webcam-video-index0
  driver    uvcvideo at usb-1.2
  formats   MJPG  Motion-JPEG
                  1920×1080   30, 7.5 fps
                  640×480
            YUYV  YUYV 4:2:2
                  16×16       29.97 fps
                  640×480     29.97 fps
                  and every size between, in steps of 8×2
  controls  gain           3, from 0 to 9, default 1
            auto_exposure  3, of 1 Manual, 3 Aperture Priority; default 1 (no effect now: an automatic mode controls it)
            mirror         true, default true

/dev/video10  bcm2835-codec: converts pictures, takes none
";
        assert_eq!(as_text(&[codec(), webcam()], &[]), want);
    }

    #[test]
    fn json_says_the_same() {
        let item = as_json(&webcam());
        assert_eq!(
            item["formats"][0]["sizes"][0],
            json!({"width": 1920, "height": 1080, "fps": [30.0, 7.5]})
        );
        assert_eq!(item["controls"][1]["choices"][1]["name"], "Aperture Priority");
        assert_eq!((&item["usable"], &as_json(&codec())["usable"]), (&json!(true), &json!(false)));
    }

    #[test]
    fn the_absence_of_a_camera_is_explained() {
        let denied = SourceError::new(SourceErrorKind::Denied, "/dev/video0 may not be opened");
        let closed = VideoNode { path: "/dev/video0".into(), by_id: None, facts: Err(denied.clone()) };
        assert_eq!(no_usable_camera(&[codec(), closed]), denied);
        assert!(no_usable_camera(&[codec()]).line().contains("rpicam-hello"));
        assert!(no_usable_camera(&[]).line().contains("plug one in"));
        assert_eq!(usable_nodes(&[codec(), webcam()]).count(), 1);
    }
}
