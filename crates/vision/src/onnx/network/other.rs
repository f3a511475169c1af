//! Recognizes other formats that people take for ONNX files, by how the files begin.

const FROM_PYTORCH: &str =
    "export it where it was made: `yolo export model=FILE.pt format=onnx`, or torch.onnx.export";
const ITS_ONNX: &str = "take the .onnx it was made of";
const AGAIN: &str = "fetch it again, from the address of the file itself";

/// Offset of a mark, the mark, the format, and a hint.
const MARKS: [(usize, &[u8], &str, &str); 21] = [
    (
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS to a file",
        "fetch the file itself: `git lfs pull`, or its download link",
    ),
    (
        4,
        b"TFL3",
        "a TensorFlow Lite file",
        "take the model's ONNX export, or convert it with `python -m tf2onnx.convert --tflite FILE`",
    ),
    (0, b"\x80\x02", "a PyTorch file (pickle)", FROM_PYTORCH),
    (0, b"\x80\x03", "a PyTorch file (pickle)", FROM_PYTORCH),
    (0, b"\x80\x04", "a PyTorch file (pickle)", FROM_PYTORCH),
    (0, b"\x89HDF", "a Keras file (HDF5)", "convert it with `python -m tf2onnx.convert`"),
    (4, b"ORTM", "a model in onnxruntime's own format (.ort)", ITS_ONNX),
    (4, b"ftrt", "a TensorRT engine, which runs on the GPU it was made for only", ITS_ONNX),
    (0, b"ftrt", "a TensorRT engine, which runs on the GPU it was made for only", ITS_ONNX),
    (0, b"\x01HEF", HAILO, ITS_ONNX),
    (0, b"9464", IMX500, ITS_ONNX),
    (0, b"7767517", "an ncnn file", "take the model's ONNX export"),
    (0, b"[net]", "a Darknet file", "take the model's ONNX export"),
    (0, b"<?xml", "an XML file (OpenVINO's?)", "take the model's ONNX export"),
    (0, b"RKNN", "an RKNN file", ITS_ONNX),
    (0, b"GGUF", "a GGUF file", "take a detector's ONNX export"),
    (0, b"\x1f\x8b", "a compressed file (gzip)", "unpack it first"),
    (0, b"7z\xbc\xaf", "an archive (7z)", "unpack it first"),
    (0, b"\xff\xd8\xff", "a picture (JPEG)", "name the model; a picture to try it on goes after --picture"),
    (0, b"\x89PNG", "a picture (PNG)", "name the model"),
    (0, b"%PDF", "a PDF", AGAIN),
];

const HAILO: &str = "a Hailo file (.hef), which runs on that accelerator only";
const IMX500: &str = "a package for Sony's IMX500 (.rpk), which runs in that camera only";
const CAFFE: &str = "a Caffe file (.caffemodel)";
const DARKNET: &str = "a Darknet file (.weights)";

/// The formats that an extension of a file stands for.
const ENDINGS: [(&str, &str); 4] =
    [("hef", HAILO), ("rpk", IMX500), ("caffemodel", CAFFE), ("weights", DARKNET)];

/// The format that the extension `ending` of a file stands for, if it is another one, and a hint.
pub(crate) fn format_by_ending(ending: &str) -> Option<(&'static str, &'static str)> {
    let found = ENDINGS.iter().find(|(own, _)| ending.eq_ignore_ascii_case(own));
    found.map(|(_, what)| (*what, ITS_ONNX))
}

/// True for the weights of Darknet: version 0.1 or 0.2 and its revision, as three numbers.
fn is_darknet(beginning: &[u8]) -> bool {
    let version = beginning.get(..12).unwrap_or_default();
    matches!(version, [0, 0, 0, 0, 1 | 2, 0, 0, 0, 0..10, 0, 0, 0])
}

/// True for a network of Caffe: its name, then its layers, in a protocol buffer.
fn is_caffe(beginning: &[u8]) -> bool {
    let [0x0a, length @ 1..128, rest @ ..] = beginning else { return false };
    let Some((name, rest)) = rest.split_at_checked(usize::from(*length)) else { return false };
    name.iter().all(|byte| (b' '..0x7f).contains(byte))
        && (rest.starts_with(b"\xa2\x06") || rest.starts_with(b"\x12") || rest.starts_with(b"\x1a"))
}

/// Bytes that are searched.
const BEGINNING: usize = 4096;

/// The format of the file in `bytes` and a hint, if it is one of another kind.
pub(crate) fn detect_other_format(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let beginning = &bytes[..bytes.len().min(BEGINNING)];
    let has = |mark: &[u8]| beginning.windows(mark.len()).any(|window| window == mark);
    if beginning.starts_with(b"PK\x03\x04") {
        let is_pytorch =
            [&b"data.pkl"[..], b"/byteorder", b"/version", b"/constants.pkl"].iter().any(|name| has(name));
        let is_package = [&b".rpk"[..], b"network_info.txt"].iter().any(|name| has(name));
        return Some(match (is_pytorch, is_package) {
            (true, _) => ("a PyTorch file (zip)", FROM_PYTORCH),
            (_, true) => (IMX500, ITS_ONNX),
            _ => ("a zip archive", "unpack it first"),
        });
    }
    if is_darknet(beginning) {
        return Some((DARKNET, ITS_ONNX));
    }
    if is_caffe(beginning) {
        return Some((CAFFE, ITS_ONNX));
    }
    // A header's length in eight bytes, then JSON.
    if beginning.get(8..10).is_some_and(|begin| begin == b"{\"") && beginning[4..8] == [0; 4] {
        return Some(("a safetensors file: weights without a network", FROM_PYTORCH));
    }
    let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning).trim_ascii_start();
    let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    if [&b"<!doctype"[..], b"<html", b"<head", b"<!--"].iter().any(|word| begins(word)) {
        return Some(("a web page (HTML): what was fetched is the page about the file", AGAIN));
    }
    if (begins(b"<?xml") || begins(b"<Error")) && has(b"<Error>") && has(b"<Code>") {
        let what = "the error of a storage server (S3): there is no such file, or its address has expired";
        return Some((what, AGAIN));
    }
    if begins(b"{\"") {
        return Some(("a text (JSON), perhaps an answer that says why there is no file", AGAIN));
    }
    let mark =
        MARKS.iter().find(|(at, mark, ..)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(mark)));
    mark.map(|(_, _, what, instead)| (*what, *instead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_named() {
        let is = |bytes: &[u8]| detect_other_format(bytes).map_or("", |(what, _)| what);
        assert_eq!(is(b""), "");
        assert_eq!(is(b"PK\x03\x04....yolo11n/data.pkl"), "a PyTorch file (zip)");
        assert_eq!(is(b"PK\x03\x04....readme.txt"), "a zip archive");
        assert!(is(b"\n <!DOCTYPE html><html>").starts_with("a web page"));
        assert_eq!(is(b"\x1c\0\0\0TFL3"), "a TensorFlow Lite file");
        assert!(is(b"version https://git-lfs.github.com/spec/v1\n").starts_with("a pointer"));
        assert_eq!(is(b"\x08\x08\x12\x07pytorch"), "");
        assert_eq!(is(b"\x01HEF\0\0\0\x02"), HAILO);
        assert_eq!(is(b"PK\x03\x04....network_info.txt"), IMX500);
        assert_eq!(is(b"\0\0\0\0\x02\0\0\0\x05\0\0\0\0\xd4"), DARKNET);
        assert_eq!(is(b"\x0a\x09MobileNet\xa2\x06\x80\x01"), CAFFE);
        assert!(is(b"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>").contains("S3"));
        assert_eq!(format_by_ending("HEF").unwrap().0, HAILO);
        assert_eq!(format_by_ending("onnx"), None);
    }
}
