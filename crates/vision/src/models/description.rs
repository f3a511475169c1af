//! Reads and writes the description of a model, `NAME.toml`.

use std::fmt::Write as _;

use toml::de::{DeTable, DeValue};

use crate::RegionMode;
use crate::onnx::TensorLayout;
use crate::onnx::card::{
    Activation, BackgroundColumn, BoxUnit, Card, Colours, Corners, CountingCard, DecodedCard,
    DistributionCard, EndToEndCard, Family, InputCard, InputPlacement, ResizeMode, RowsCard, SsdCard,
};
use tallycam_base::Fault;
use tallycam_base::json::quoted;

type Read<T> = Result<T, Fault>;

const LAYOUTS: [(&str, TensorLayout); 2] = [("nchw", TensorLayout::Nchw), ("nhwc", TensorLayout::Nhwc)];
const COLOURS: [(&str, Colours); 2] = [("rgb", Colours::Rgb), ("bgr", Colours::Bgr)];
const PLACES: [(&str, InputPlacement); 2] =
    [("top-left", InputPlacement::TopLeft), ("centre", InputPlacement::Centre)];
const ACTIVATIONS: [(&str, Activation); 3] =
    [("none", Activation::None), ("sigmoid", Activation::Sigmoid), ("softmax", Activation::Softmax)];
const CORNERS: [(&str, Corners); 3] =
    [("xyxy", Corners::Xyxy), ("yxyx", Corners::Yxyx), ("cxcywh", Corners::Cxcywh)];
const UNITS: [(&str, BoxUnit); 2] = [("pixels", BoxUnit::Pixels), ("fractions", BoxUnit::Fractions)];

/// A table of the file. Messages name its keys with `path` as prefix.
struct DescriptionTable<'t> {
    path: &'static str,
    table: Option<&'t DeTable<'t>>,
}

impl<'t> DescriptionTable<'t> {
    fn qualified_name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn invalid_value(&self, key: &str, wanted: impl Into<String>) -> Fault {
        Fault::wrong(format!("{} must be {}", self.qualified_name(key), wanted.into()))
    }

    fn missing(&self, key: &str) -> Fault {
        Fault::wrong(format!("{} is missing", self.qualified_name(key)))
    }

    fn get(&self, key: &str) -> Option<&'t DeValue<'t>> {
        self.table?.get(key).map(|value| value.get_ref())
    }

    fn reject_unknown_keys(&self, keys: &[&str]) -> Read<()> {
        let names = self.table.into_iter().flat_map(|table| table.keys()).map(|key| key.get_ref().as_ref());
        names.into_iter().find(|name| !keys.contains(name)).map_or(Ok(()), |name| {
            Err(Fault::wrong(format!("there is no key {}", self.qualified_name(name))))
        })
    }

    fn section(&self, key: &'static str) -> Read<DescriptionTable<'t>> {
        let table = match self.get(key) {
            None => None,
            Some(value) => Some(value.as_table().ok_or_else(|| self.invalid_value(key, "a table"))?),
        };
        Ok(DescriptionTable { path: key, table })
    }

    fn read_text(&self, key: &str) -> Read<Option<&'t str>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.invalid_value(key, "text in quotes"))
    }

    fn read_word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Read<Option<T>> {
        let Some(text) = self.read_text(key)? else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let all: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.invalid_value(key, all.join(" or "))
        })
    }

    fn number(&self, key: &str) -> Read<Option<f32>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        number(value).map(Some).ok_or_else(|| self.invalid_value(key, "a number"))
    }

    fn read_integer(&self, key: &str, most: u32) -> Read<Option<u32>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let found = parse_integer(value).filter(|&n| n <= most);
        found.map(Some).ok_or_else(|| self.invalid_value(key, format!("a whole number up to {most}")))
    }

    fn read_bool(&self, key: &str) -> Read<Option<bool>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.invalid_value(key, "true or false"))
    }

    fn list<T>(
        &self,
        key: &str,
        wanted: &str,
        one: impl Fn(&'t DeValue<'t>) -> Option<T>,
    ) -> Read<Option<Vec<T>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let items = value.as_array().and_then(|items| items.iter().map(|item| one(item.get_ref())).collect());
        items.map(Some).ok_or_else(|| self.invalid_value(key, wanted))
    }

    fn read_three(&self, key: &str) -> Read<Option<[f32; 3]>> {
        let wanted = "three numbers, in the order of colours";
        let Some(list) = self.list(key, wanted, number)? else { return Ok(None) };
        list.try_into().map(Some).map_err(|_| self.invalid_value(key, wanted))
    }

    fn read_strides(&self) -> Read<Option<Vec<u32>>> {
        self.list("strides", "a list of whole numbers", parse_integer)
    }
}

fn number(value: &DeValue<'_>) -> Option<f32> {
    match value {
        DeValue::Integer(integer) => integer.as_str().parse().ok(),
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    }
}

fn parse_integer(value: &DeValue<'_>) -> Option<u32> {
    value.as_integer().and_then(|integer| u32::from_str_radix(integer.as_str(), integer.radix()).ok())
}

fn parse_text(value: &DeValue<'_>) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn parse_words(value: &DeValue<'_>) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| parse_text(item.get_ref())).collect()
}

/// Width and height of a description that says nothing else.
pub(super) fn read_size(text: &str) -> Option<(u32, u32)> {
    let parsed = DeTable::parse(text).ok()?;
    let top = DescriptionTable { path: "", table: Some(parsed.get_ref()) };
    let inner = top.section("input").ok()?;
    let place = if inner.table.is_some() { &inner } else { &top };
    top.reject_unknown_keys(&["input", "width", "height"]).ok()?;
    place.reject_unknown_keys(&["width", "height"]).ok()?;
    let side = |key| place.read_integer(key, 4096).ok()?.filter(|side| *side > 0);
    Some((side("width")?, side("height")?))
}

/// Parses the description `text`.
///
/// # Errors
/// The first mistake.
pub(super) fn read(text: &str) -> Result<Card, Fault> {
    let parsed = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count());
        Fault::wrong(format!("this is no TOML: {} in line {}", error.message(), line + 1))
    })?;
    let top = DescriptionTable { path: "", table: Some(parsed.get_ref()) };
    top.reject_unknown_keys(&[
        "about", "licence", "origin", "sha256", "guessed", "family", "labels", "groups", "input", "heads",
        "counting",
    ])?;
    let sha256 = top.read_text("sha256")?.map(str::to_ascii_lowercase);
    if sha256.as_ref().is_some_and(|sum| sum.len() != 64 || !sum.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(top.invalid_value("sha256", "64 hexadecimal digits"));
    }
    let labels = top.list("labels", "a list of texts", parse_text)?.ok_or_else(|| top.missing("labels"))?;
    if labels.is_empty() {
        return Err(top.invalid_value("labels", "a list of one label at least"));
    }
    let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let card = Card {
        about: owned(top.read_text("about")?),
        licence: owned(top.read_text("licence")?),
        origin: owned(top.read_text("origin")?),
        sha256,
        guessed: top.list("guessed", "a list of sentences", parse_text)?.unwrap_or_default(),
        input: input(&top.section("input")?)?,
        family: parse_family(
            top.read_text("family")?.ok_or_else(|| top.missing("family"))?,
            &top.section("heads")?,
        )?,
        labels,
        groups: top.list("groups", "a list of lists of labels", parse_words)?.unwrap_or_default(),
        counting: counting(&top.section("counting")?)?,
    };
    card.check()?;
    Ok(card)
}

fn input(section: &DescriptionTable<'_>) -> Read<InputCard> {
    section.reject_unknown_keys(&[
        "width",
        "height",
        "layout",
        "colours",
        "mean",
        "deviation",
        "resize",
        "place",
        "pad",
    ])?;
    let size = match (section.read_integer("width", 4096)?, section.read_integer("height", 4096)?) {
        (None, None) => None,
        (Some(width), Some(height)) if width > 0 && height > 0 => Some((width, height)),
        (None, Some(_)) => return Err(section.missing("width")),
        (Some(_), None) => return Err(section.missing("height")),
        _ => return Err(section.invalid_value("width", "above 0, and height too")),
    };
    let is_letterbox =
        section.read_word("resize", &[("stretch", false), ("letterbox", true)])?.unwrap_or(false);
    let place = section.read_word("place", &PLACES)?.unwrap_or(InputPlacement::Centre);
    let pad = section.read_integer("pad", 255)?.unwrap_or(114) as u8;
    Ok(InputCard {
        size,
        layout: section.read_word("layout", &LAYOUTS)?,
        colours: section.read_word("colours", &COLOURS)?.ok_or_else(|| section.missing("colours"))?,
        mean: section.read_three("mean")?.unwrap_or([0.0; 3]),
        deviation: section.read_three("deviation")?.unwrap_or([1.0; 3]),
        resize: if is_letterbox { ResizeMode::Letterbox { place, pad } } else { ResizeMode::Stretch },
    })
}

fn parse_family(word: &str, heads: &DescriptionTable<'_>) -> Read<Family> {
    let activation = || heads.read_word("activation", &ACTIVATIONS);
    let background = || heads.read_bool("background").map(Option::unwrap_or_default);
    let strides = || heads.read_strides().map(|strides| strides.unwrap_or_else(|| vec![8, 16, 32]));
    let corners = || heads.read_word("corners", &CORNERS)?.ok_or_else(|| heads.missing("corners"));
    let unit = || heads.read_word("unit", &UNITS)?.ok_or_else(|| heads.missing("unit"));
    Ok(match word {
        "ssd" => {
            heads.reject_unknown_keys(&[
                "anchors",
                "strides",
                "scales",
                "y_first",
                "activation",
                "background",
            ])?;
            let wanted = "a list for each level of lists of width and height";
            let pair = |value: &DeValue<'_>| -> Option<[f32; 2]> {
                let items: Option<Vec<f32>> = value.as_array()?.iter().map(|v| number(v.get_ref())).collect();
                items?.try_into().ok()
            };
            let level = |value: &DeValue<'_>| -> Option<Vec<[f32; 2]>> {
                value.as_array()?.iter().map(|value| pair(value.get_ref())).collect()
            };
            let anchors = heads.list("anchors", wanted, level)?.ok_or_else(|| heads.missing("anchors"))?;
            let scales = heads.list("scales", "two numbers", number)?.unwrap_or_else(|| vec![10.0, 5.0]);
            Family::Ssd(SsdCard {
                anchors,
                strides: heads.read_strides()?.unwrap_or_default(),
                scales: scales.try_into().map_err(|_| heads.invalid_value("scales", "two numbers"))?,
                y_first: heads.read_bool("y_first")?.unwrap_or_default(),
                activation: activation()?.unwrap_or(Activation::Sigmoid),
                background: background()?,
            })
        }
        "decoded" => {
            heads.reject_unknown_keys(&["corners", "unit", "activation", "background", "boxes"])?;
            let background = match heads.get("background").map(|value| (value.as_bool(), value.as_str())) {
                None => BackgroundColumn::None,
                Some((Some(first), _)) => first.into(),
                Some((_, Some("first"))) => BackgroundColumn::First,
                Some((_, Some("last"))) => BackgroundColumn::Last,
                Some(_) => {
                    return Err(heads.invalid_value("background", "true, false, \"first\" or \"last\""));
                }
            };
            Family::Decoded(DecodedCard {
                corners: corners()?,
                unit: unit()?,
                activation: activation()?.unwrap_or(Activation::None),
                background,
                boxes: heads.read_integer("boxes", 1)?.unwrap_or_default() as usize,
            })
        }
        "yolox" => {
            heads.reject_unknown_keys(&["strides"])?;
            Family::Yolox { strides: strides()? }
        }
        "yolov5" => Family::Yolov5(rows(heads)?),
        "yolov8" => Family::Yolov8(rows(heads)?),
        "end-to-end" => {
            heads.reject_unknown_keys(&["corners", "unit", "first_class", "box", "score", "class"])?;
            let first_class = heads.read_integer("first_class", 1000)?.unwrap_or_default() as u16;
            let place = |key, usual| heads.read_integer(key, 1000).map(|at| at.unwrap_or(usual) as usize);
            let places = [place("box", 0)?, place("score", 4)?, place("class", 5)?];
            Family::EndToEnd(EndToEndCard { corners: corners()?, unit: unit()?, first_class, places })
        }
        "nanodet" => {
            heads.reject_unknown_keys(&["strides", "point", "activation"])?;
            Family::Distribution(DistributionCard {
                strides: strides()?,
                point: heads.number("point")?.unwrap_or(0.5),
                activation: activation()?.unwrap_or(Activation::None),
            })
        }
        other => {
            let families = Family::WORDS.join(", ");
            return Err(Fault::wrong(format!("there is no family {other:?}; there are {families}")));
        }
    })
}

fn rows(heads: &DescriptionTable<'_>) -> Read<RowsCard> {
    heads.reject_unknown_keys(&["corners", "unit", "activation", "extra"])?;
    let usual = RowsCard::default();
    Ok(RowsCard {
        corners: heads.read_word("corners", &CORNERS)?.unwrap_or(usual.corners),
        unit: heads.read_word("unit", &UNITS)?.unwrap_or(usual.unit),
        activation: heads.read_word("activation", &ACTIVATIONS[..2])?.unwrap_or(usual.activation),
        extra: heads.read_integer("extra", 10_000)?.unwrap_or_default() as usize,
    })
}

fn counting(section: &DescriptionTable<'_>) -> Read<CountingCard> {
    section.reject_unknown_keys(&["sure_score", "least_score", "most_iou", "most_area", "region"])?;
    Ok(CountingCard {
        sure_score: section.number("sure_score")?,
        least_score: section.number("least_score")?,
        most_iou: section.number("most_iou")?,
        most_area: section.number("most_area")?,
        region: section.read_word("region", &RegionMode::WORDS)?,
    })
}

/// Formats `card` as the text of a description.
pub(super) fn write(card: &Card) -> String {
    let mut out =
        String::from("# What NAME.onnx is: how a picture is fed to it, and what its numbers mean.\n");
    for (key, text) in [("about", &card.about), ("licence", &card.licence), ("origin", &card.origin)] {
        if !text.is_empty() {
            line(&mut out, key, &quoted(text));
        }
    }
    if let Some(sum) = &card.sha256 {
        line(&mut out, "sha256", &quoted(sum));
    }
    if !card.guessed.is_empty() {
        line(&mut out, "guessed", &list(&card.guessed, |note| quoted(note)));
    }
    line(&mut out, "family", &quoted(card.family.as_str()));
    line(&mut out, "labels", &list(&card.labels, |label| quoted(label)));
    if !card.groups.is_empty() {
        line(&mut out, "groups", &list(&card.groups, |group| list(group, |label| quoted(label))));
    }
    out.push_str("\n[input]\n");
    let input = &card.input;
    if let Some((width, height)) = input.size {
        line(&mut out, "width", &width);
        line(&mut out, "height", &height);
    }
    if let Some(layout) = input.layout {
        line(&mut out, "layout", &word_for(&LAYOUTS, layout));
    }
    line(&mut out, "colours", &word_for(&COLOURS, input.colours));
    line(&mut out, "mean", &list(&input.mean, f32::to_string));
    line(&mut out, "deviation", &list(&input.deviation, f32::to_string));
    match input.resize {
        ResizeMode::Stretch => line(&mut out, "resize", &quoted("stretch")),
        ResizeMode::Letterbox { place, pad } => {
            line(&mut out, "resize", &quoted("letterbox"));
            line(&mut out, "place", &word_for(&PLACES, place));
            line(&mut out, "pad", &pad);
        }
    }
    write_heads(&mut out, &card.family);
    let CountingCard { sure_score, least_score, most_iou, most_area, region } = card.counting;
    let counting = [
        ("sure_score", sure_score),
        ("least_score", least_score),
        ("most_iou", most_iou),
        ("most_area", most_area),
    ];
    if region.is_some() || counting.iter().any(|(_, value)| value.is_some()) {
        out.push_str("\n[counting]\n");
        for (key, value) in counting {
            if let Some(value) = value {
                line(&mut out, key, &value);
            }
        }
        if let Some((word, _)) = RegionMode::WORDS.iter().find(|(_, mode)| Some(*mode) == region) {
            line(&mut out, "region", &quoted(word));
        }
    }
    out
}

fn write_heads(out: &mut String, family: &Family) {
    let strides = |strides: &[u32]| list(strides, u32::to_string);
    if !matches!(family, Family::Yolov5(card) | Family::Yolov8(card) if *card == RowsCard::default()) {
        out.push_str("\n[heads]\n");
    }
    match family {
        Family::Ssd(card) => {
            let level = |level: &Vec<[f32; 2]>| list(level, |anchor| list(anchor, f32::to_string));
            line(out, "anchors", &list(&card.anchors, level));
            line(out, "strides", &strides(&card.strides));
            line(out, "scales", &list(&card.scales, f32::to_string));
            line(out, "y_first", &card.y_first);
            line(out, "activation", &word_for(&ACTIVATIONS, card.activation));
            line(out, "background", &card.background);
        }
        Family::Decoded(card) => {
            line(out, "corners", &word_for(&CORNERS, card.corners));
            line(out, "unit", &word_for(&UNITS, card.unit));
            line(out, "activation", &word_for(&ACTIVATIONS, card.activation));
            match card.background {
                BackgroundColumn::Last => line(out, "background", &quoted("last")),
                other => line(out, "background", &(other == BackgroundColumn::First)),
            }
            if card.boxes != 0 {
                line(out, "boxes", &card.boxes);
            }
        }
        Family::Yolox { strides: own } => line(out, "strides", &strides(own)),
        Family::Yolov5(card) | Family::Yolov8(card) if *card == RowsCard::default() => {}
        Family::Yolov5(card) | Family::Yolov8(card) => {
            line(out, "corners", &word_for(&CORNERS, card.corners));
            line(out, "unit", &word_for(&UNITS, card.unit));
            line(out, "activation", &word_for(&ACTIVATIONS, card.activation));
            line(out, "extra", &card.extra);
        }
        Family::EndToEnd(card) => {
            line(out, "corners", &word_for(&CORNERS, card.corners));
            line(out, "unit", &word_for(&UNITS, card.unit));
            line(out, "first_class", &card.first_class);
            for (key, place, usual) in
                [("box", card.places[0], 0), ("score", card.places[1], 4), ("class", card.places[2], 5)]
            {
                if place != usual {
                    line(out, key, &place);
                }
            }
        }
        Family::Distribution(card) => {
            line(out, "strides", &strides(&card.strides));
            line(out, "point", &card.point);
            line(out, "activation", &word_for(&ACTIVATIONS, card.activation));
        }
    }
}

fn line(out: &mut String, key: &str, value: &dyn std::fmt::Display) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "{key} = {value}");
}

fn word_for<T: PartialEq>(words: &[(&str, T)], value: T) -> String {
    words.iter().find(|(_, own)| *own == value).map_or_else(String::new, |(word, _)| quoted(word))
}

fn list<T>(items: &[T], one: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = items.iter().map(one).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "family = \"yolov8\"\nlabels = [\"person\"]\n[input]\ncolours = \"rgb\"\n";

    #[test]
    fn a_minimal_description_is_read() {
        let card = read(LEAST).unwrap();
        assert_eq!(card.family, Family::Yolov8(RowsCard::default()));
        assert_eq!((card.input.size, card.input.resize), (None, ResizeMode::Stretch));
    }

    #[test]
    fn a_written_description_is_read_back() {
        let families = [
            Family::Ssd(SsdCard {
                anchors: vec![vec![[30.0, 30.5], [1.25, 2.0]], vec![[9.0, 9.0]]],
                strides: vec![16, 32],
                scales: [10.0, 5.0],
                y_first: true,
                activation: Activation::Softmax,
                background: true,
            }),
            Family::Decoded(DecodedCard {
                corners: Corners::Yxyx,
                unit: BoxUnit::Fractions,
                activation: Activation::Sigmoid,
                background: BackgroundColumn::None,
                boxes: 0,
            }),
            Family::Decoded(DecodedCard {
                corners: Corners::Cxcywh,
                unit: BoxUnit::Fractions,
                activation: Activation::Softmax,
                background: BackgroundColumn::Last,
                boxes: 1,
            }),
            Family::Yolox { strides: vec![8, 16] },
            Family::Yolov5(RowsCard::default()),
            Family::Yolov8(RowsCard { unit: BoxUnit::Fractions, extra: 51, ..RowsCard::default() }),
            Family::EndToEnd(EndToEndCard {
                corners: Corners::Cxcywh,
                unit: BoxUnit::Pixels,
                first_class: 1,
                places: [1, 6, 5],
            }),
            Family::Distribution(DistributionCard {
                strides: vec![8],
                point: 0.0,
                activation: Activation::None,
            }),
        ];
        let resizes = [ResizeMode::Stretch, ResizeMode::Letterbox { place: InputPlacement::TopLeft, pad: 7 }];
        for (at, family) in families.into_iter().enumerate() {
            let card = Card {
                about: String::from("a \"model\"\nof two lines \\"),
                licence: String::from("MIT"),
                origin: String::new(),
                sha256: Some("0f".repeat(32)),
                guessed: vec![String::from("the names of its 2 classes are guessed")],
                input: InputCard {
                    size: Some((300, 200)),
                    layout: Some(TensorLayout::Nhwc),
                    colours: Colours::Bgr,
                    mean: [103.53, 116.28, 123.675],
                    deviation: [1.0, 58.395, 255.0],
                    resize: resizes[at % 2],
                },
                family,
                labels: vec![String::from("person"), String::from("van")],
                groups: vec![vec![String::from("person"), String::from("van")]],
                counting: CountingCard {
                    most_area: Some(0.25),
                    least_score: Some(0.1),
                    region: Some(RegionMode::Line),
                    ..CountingCard::default()
                },
            };
            let text = write(&card);
            assert_eq!(read(&text), Ok(card), "{text}");
        }
    }

    #[test]
    fn a_description_may_give_the_size_alone() {
        assert_eq!(read_size("[input]\nwidth = 128\nheight = 96\n"), Some((128, 96)));
        assert_eq!(read_size("width = 128\nheight = 96\n"), Some((128, 96)));
        for other in [LEAST, "[input]\nwidth = 128\n", "width = 0\nheight = 96\n", "[input]\n", "labels ="] {
            assert_eq!(read_size(other), None, "{other}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, says) in [
            ("family = ", "this is no TOML: string values must be quoted, expected literal string in line 1"),
            ("labels = [\"x\"]\n[input]\ncolours = \"rgb\"", "family is missing"),
            (
                &LEAST.replace("yolov8", "yolov99"),
                "there is no family \"yolov99\"; there are ssd, decoded, yolox, yolov5, yolov8, end-to-end, nanodet",
            ),
            (&LEAST.replace("[\"person\"]", "[]"), "labels must be a list of one label at least"),
            (&LEAST.replace("[\"person\"]", "\"person\""), "labels must be a list of texts"),
            (&LEAST.replace("rgb", "cmyk"), "input.colours must be \"rgb\" or \"bgr\""),
            (&format!("{LEAST}width = 300"), "input.height is missing"),
            (&format!("{LEAST}width = 300\nheight = 9000"), "input.height must be a whole number up to 4096"),
            (&format!("{LEAST}mean = [1, 2]"), "input.mean must be three numbers, in the order of colours"),
            (&format!("{LEAST}deviation = [1, 0, 1]"), "input.deviation in the description cannot be 0"),
            (&format!("{LEAST}size = 3"), "there is no key input.size"),
            (&format!("{LEAST}[heads]\nanchors = []"), "there is no key heads.anchors"),
            (
                &format!("{LEAST}[counting]\nsure_score = 2"),
                "counting.sure_score in the description cannot be 2",
            ),
            (&format!("sha256 = \"abc\"\n{LEAST}"), "sha256 must be 64 hexadecimal digits"),
            (&LEAST.replace("yolov8", "ssd"), "heads.anchors is missing"),
            (&LEAST.replace("yolov8", "end-to-end"), "heads.corners is missing"),
        ] {
            let error = read(text).unwrap_err().to_string();
            if says.starts_with("this is no TOML") {
                assert!(error.starts_with("this is no TOML") && error.ends_with("in line 1"), "{error}");
            } else {
                assert_eq!(error, says);
            }
        }
    }
}
