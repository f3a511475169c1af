//! `tallycam light`: shows and changes the light through the running service.

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::common::failure::FAILED;
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};

const LIGHT: &str = "/api/v1/light";

/// Show the light, switch it on or off, set its brightness and colour.
///
/// Needs the running service. Settings survive a restart.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LightArgs {
    #[command(subcommand)]
    what: Option<LightCommandArgs>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum LightCommandArgs {
    Show(LightShowArgs),
    On(LightOnArgs),
    Off(LightOffArgs),
    Set(LightSetArgs),
}

/// Show the light (default command)
#[derive(Debug, Args)]
struct LightShowArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Switch it on, in its last colour
#[derive(Debug, Args)]
struct LightOnArgs {
    #[command(flatten)]
    plain: LightShowArgs,
}

/// Switch it off
#[derive(Debug, Args)]
struct LightOffArgs {
    #[command(flatten)]
    plain: LightShowArgs,
}

/// Set colour and brightness; does not switch it on
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
struct LightSetArgs {
    #[command(flatten)]
    plain: LightShowArgs,
    /// Brightness, 0 to 255
    #[arg(long, value_name = "0-255", group = "change")]
    brightness: Option<u8>,
    /// Red, green and blue as RRGGBB
    #[arg(long, value_name = "RRGGBB", group = "change", conflicts_with = "preset")]
    color: Option<String>,
    /// A colour by its name; `tallycam light show` lists them
    #[arg(long, value_name = "NAME", group = "change")]
    preset: Option<String>,
}

impl LightArgs {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let (plain, options) = match &self.what {
            None => return print_light(given, self.json),
            Some(LightCommandArgs::Show(plain)) => {
                return print_light(given, plain.json);
            }
            Some(LightCommandArgs::On(on)) => (&on.plain, single_entry("on", true)),
            Some(LightCommandArgs::Off(off)) => (&off.plain, single_entry("on", false)),
            Some(LightCommandArgs::Set(set)) => (&set.plain, set.to_request()),
        };
        let sent = Value::Object(options);
        let what = "the light was not changed";
        let light: Value = daemon(given)?.json("PATCH", LIGHT, RequestBody::Json(&sent), what)?;
        if plain.json {
            print_json(&light)?;
        } else {
            print_stdout(&describe_light(&light))?;
        }
        // The service stores the settings for later, but the light does not work now.
        let is_in_trouble = light.get("reason").is_some_and(|reason| !reason.is_null());
        if is_in_trouble { Err(Failure::AlreadyReported(FAILED)) } else { Ok(()) }
    }
}

impl LightSetArgs {
    fn to_request(&self) -> Map<String, Value> {
        let values = [
            ("brightness", self.brightness.map(Value::from)),
            ("color", self.color.as_deref().map(Value::from)),
            ("preset", self.preset.as_deref().map(Value::from)),
        ];
        values.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

fn single_entry(key: &str, value: bool) -> Map<String, Value> {
    [(key.to_owned(), Value::from(value))].into_iter().collect()
}

fn daemon(given: &ConfigArgs) -> Result<Daemon, Failure> {
    Daemon::require(&given.load()?.config, "switching and showing the light")
}

fn print_light(given: &ConfigArgs, json: bool) -> Result<(), Failure> {
    let light: Value = daemon(given)?.json("GET", LIGHT, RequestBody::Nothing, "the light cannot be read")?;
    if json {
        print_json(&light)
    } else {
        print_stdout(&format!("{}{}", describe_light(&light), describe_presets(&light)))
    }
}

/// The light as lines for people.
fn describe_light(light: &Value) -> String {
    let text = |key: &str| light.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| light.get(key).and_then(Value::as_u64).unwrap_or_default();
    if text("kind") == "none" {
        return String::from(
            "there is no light: `kind` under [lights] in the configuration sets the light type\n",
        );
    }
    let state = match (text("shows"), light.get("on").and_then(Value::as_bool)) {
        ("auto", _) => "on by itself",
        ("shot", _) => "full, for a snapshot",
        (_, Some(true)) => "on",
        _ => "off",
    };
    let mut words = format!("{state}, brightness {}", number("brightness"));
    if text("kind") != "gpio" {
        words.push_str(&format!(", color {}, {} pixels", text("color"), number("pixels")));
    }
    words.push_str(&format!(" ({})\n", text("kind")));
    // A lamp has no pixels, but ranges of an earlier strip may still be stored.
    let ranges = light.get("ranges").and_then(Value::as_array).filter(|_| text("kind") != "gpio");
    for range in ranges.into_iter().flatten() {
        let pixel = |key: &str| range.get(key).and_then(Value::as_u64).unwrap_or_default();
        let color = range.get("color").and_then(Value::as_str).unwrap_or_default();
        words.push_str(&format!("pixels {} to {}: {color}\n", pixel("from"), pixel("to")));
    }
    for (key, before) in [("reason", "fault"), ("hint", "hint"), ("unsaved", "note")] {
        if !text(key).is_empty() {
            words.push_str(&format!("{before}: {}\n", text(key)));
        }
    }
    words
}

/// The named colours, if the light has colours.
fn describe_presets(light: &Value) -> String {
    if matches!(light.get("kind").and_then(Value::as_str), Some("none" | "gpio")) {
        return String::new();
    }
    let presets = light.get("presets").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> = presets.filter_map(|preset| preset.get("name")?.as_str()).collect();
    format!("presets: {}\n", names.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_for_people() {
        let strip = json!({
            "kind": "sim", "on": true, "shows": "on", "brightness": 128, "color": "FF0000", "pixels": 16,
            "ranges": [{"from": 0, "to": 3, "color": "00FF00"}], "reason": null, "hint": null,
            "presets": [{"name": "white", "color": "FFFFFF"}, {"name": "red", "color": "FF0000"}],
        });
        assert_eq!(
            describe_light(&strip),
            "on, brightness 128, color FF0000, 16 pixels (sim)\npixels 0 to 3: 00FF00\n"
        );
        assert_eq!(describe_presets(&strip), "presets: white, red\n");
        let lamp = json!({
            "kind": "gpio", "on": false, "shows": "off", "brightness": 255, "color": "FFFFFF", "pixels": 1,
            "ranges": [{"from": 0, "to": 0, "color": "00FF00"}], "reason": "GPIO 17 may not be used.", "hint": "Ask.",
        });
        assert_eq!(describe_presets(&lamp), "");
        assert_eq!(
            describe_light(&lamp),
            "off, brightness 255 (gpio)\nfault: GPIO 17 may not be used.\nhint: Ask.\n"
        );
        let dusk = json!({"kind": "gpio", "on": false, "shows": "auto", "brightness": 9});
        assert_eq!(describe_light(&dusk), "on by itself, brightness 9 (gpio)\n");
        assert!(describe_light(&json!({"kind": "none"})).starts_with("there is no light"));
    }
}
