//! Models in real files.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, Socket, Type};

use super::*;
use crate::onnx::OnnxDetector;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join("models")
}

/// The built-in model of earlier versions, an SSD with raw heads.
fn former() -> PathBuf {
    shipped().join("catalogue/ssdlite_mobilenet_v2.onnx")
}

/// The shipped models, with an empty folder for added ones.
fn models() -> (tempfile::TempDir, Models) {
    let folder = tempfile::tempdir().unwrap();
    let models = Models::with_places(vec![shipped()], folder.path().join("models"));
    (folder, models)
}

fn is_empty(models: &Models) -> bool {
    fs::read_dir(models.own_directory()).map_or(true, |mut entries| entries.next().is_none())
}

#[test]
fn the_shipped_model_is_found_and_matches_its_description() {
    let (_folder, models) = models();
    let all = models.list();
    let [model] = &all[..] else { panic!("{all:?}") };
    assert_eq!((model.name.as_str(), &model.problem), (BUILT_IN, &None));
    let (card, bytes) = models.load(BUILT_IN).unwrap();
    assert_eq!(bytes.len() as u64, model.bytes);
    assert_eq!(card.labels[0], "person");
    assert_eq!(card.licence, "Apache-2.0");
}

#[test]
fn the_shipped_model_takes_larger_pictures() {
    let (_folder, models) = models();
    let (card, bytes) = models.load(BUILT_IN).unwrap();
    for size in [(512, 384), (320, 256)] {
        let detector = OnnxDetector::new("wide", &bytes, &card, Some(size), 1).unwrap();
        assert_eq!((detector.input().width, detector.input().height), size);
    }
}

#[test]
fn a_broken_model_says_why() {
    let (_folder, models) = models();
    fs::create_dir_all(models.own_directory()).unwrap();
    let write = |name: &str, text: &str| fs::write(models.own_directory().join(name), text).unwrap();
    let described = "family = \"yolov8\"\nlabels = [\"x\"]\n[input]\ncolours = \"rgb\"\n";
    write("a.toml", described);
    write("b.onnx", "x");
    write("c.onnx", "x");
    write("c.toml", "family = \"yolo\"\nlabels = [\"x\"]\n[input]\ncolours = \"rgb\"\n");
    write("d.onnx", "other");
    write("d.toml", &format!("sha256 = \"{}\"\n{described}", "0".repeat(64)));
    write(".e.onnx.77.part", "half");
    let all = models.list();
    let problem =
        |name: &str| all.iter().find(|m| m.name == name).unwrap().problem.clone().unwrap_or_default();
    assert_eq!(all.len(), 5, "{all:?}");
    assert!(problem("a").contains("a.onnx cannot be read: No such file"), "{}", problem("a"));
    assert!(problem("b").ends_with("b.onnx has no description beside it"));
    assert!(problem("c").contains("there is no family \"yolo\""));
    assert_eq!(problem("d"), "");
    assert!(models.load("d").unwrap_err().to_string().contains("is damaged or another file"));
    let unknown = models.load("z").unwrap_err();
    assert_eq!(unknown.hint.unwrap(), "there are: a, b, c, d, yolox_nano_320");
    assert!(models.load("../a").unwrap_err().to_string().contains("is no name for a model"));
}

#[test]
fn a_file_without_a_network_is_not_added() {
    let (folder, models) = models();
    let file = folder.path().join("photo.onnx");
    fs::write(&file, [0xFF, 0xD8, 0xFF, 0xE0, 0, 16, 74, 70]).unwrap();
    let error = models.add(&file, &Addition::default()).unwrap_err();
    assert!(error.to_string().contains("no ONNX file"), "{error}");
    fs::write(&file, b"").unwrap();
    assert!(models.add(&file, &Addition::default()).is_err());
    assert!(is_empty(&models), "something was left behind");
}

#[test]
fn a_huge_file_is_not_read() {
    let (folder, models) = models();
    let path = folder.path().join("huge.onnx");
    fs::File::create(&path).unwrap().set_len(MOST_BYTES + 1).unwrap();
    let error = models.add(&path, &Addition::default()).unwrap_err();
    assert!(error.to_string().contains("is too large for a model"), "{error}");
    let error = models.add(Path::new("/dev/zero"), &Addition::default()).unwrap_err();
    assert_eq!(error.to_string(), "/dev/zero cannot be read: it is a device, not a file");
}

#[test]
fn too_large_tensors_are_refused_with_the_hint_of_a_smaller_size() {
    let error = try_model_file(&former(), Some((2048, 2048)), 1).unwrap_err();
    assert!(error.to_string().contains("is too large: "), "{error}");
    assert_eq!(error.hint.unwrap(), "take a smaller model, or a smaller `detect.size`");
}

#[test]
fn raw_heads_without_their_anchors_cannot_be_guessed() {
    let (folder, models) = models();
    let path = folder.path().join("mine.onnx");
    // Altered, because the catalogue's own file is recognized by its sum.
    let mut bytes = fs::read(former()).unwrap();
    bytes.extend([0x72, 0]);
    fs::write(&path, &bytes).unwrap();
    let error = models.add(&path, &Addition::default()).unwrap_err();
    assert!(error.to_string().starts_with("no known family of models has the outputs"), "{error}");
    assert!(error.hint.unwrap().contains(".toml"));
    // With its description beside it, it can be tried and added.
    let description = fs::read_to_string(former().with_extension("toml")).unwrap();
    let known = sha256(&fs::read(former()).unwrap());
    fs::write(path.with_extension("toml"), description.replace(&known, &sha256(&bytes))).unwrap();
    let (card, proof) = models.check_file(&path, &Addition::default()).unwrap();
    assert_eq!((card.family.as_str(), proof.input), ("ssd", (300, 300)));
    let added = models.add(&path, &Addition::default()).unwrap();
    assert_eq!((&added.card, &models.load("mine").unwrap().0), (&card, &card));
}

/// A model for other pictures than ours: what it calls a cat is elsewhere on the test picture.
#[test]
fn a_model_that_does_not_fit_the_test_picture_is_doubted_if_its_user_knows_better() {
    let (folder, models) = models();
    let path = folder.path().join("thermal.onnx");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join("tests/models");
    fs::copy(tests.join("seven_classes.onnx"), &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let names = ["dog", "cow", "horse", "sheep", "bird", "person", "cat"].map(String::from).to_vec();
    let labelled = Addition { labels: Some(names), ..Addition::default() };
    let card = describe(&bytes, &labelled, None).unwrap();
    // Nobody vouches for it: it is refused, and the hint names the ways out.
    let refused = trial_run::prove_new_model("thermal", &bytes, (&card, false), None, None).unwrap_err();
    assert!(refused.to_string().starts_with("it sees neither the person nor the cat"), "{refused}");
    assert!(refused.hint.is_some_and(|hint| hint.contains("--picture") && hint.contains(".toml")));
    let doubt =
        |proof: &Proof| proof.doubt.as_ref().is_some_and(|doubt| doubt.contains("neither the person"));
    // It sees a cat on a picture of the user's.
    let own = folder.path().join("own.jpg");
    fs::write(&own, include_bytes!("test_picture.jpg")).unwrap();
    let tried = trial_run::prove_new_model("thermal", &bytes, (&card, false), None, Some(&own)).unwrap();
    assert!(doubt(&tried) && tried.picture.ends_with("own.jpg"), "{tried:?}");
    // Its description lies beside it.
    fs::write(path.with_extension("toml"), description::write(&card)).unwrap();
    assert!(doubt(&models.check_file(&path, &Addition::default()).unwrap().1));
    assert!(doubt(&models.add(&path, &Addition::default()).unwrap().proof));
    // It is installed.
    assert!(doubt(&models.check("thermal", &Addition::default()).unwrap().1));
}

#[test]
fn a_tuned_description_beside_the_file_is_added_with_it() {
    let (folder, models) = models();
    let path = folder.path().join("tuned.onnx");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join("tests/models/one_person.onnx"), &path)
        .unwrap();
    let bytes = fs::read(&path).unwrap();
    let mut card = describe(&bytes, &Addition::default(), None).unwrap();
    card.counting.sure_score = Some(0.8);
    card.sha256 = None;
    fs::write(path.with_extension("toml"), description::write(&card)).unwrap();
    let added = models.add(&path, &Addition::default()).unwrap();
    assert_eq!((added.card.counting.sure_score, added.proof.sure_score), (Some(0.8), 0.8));
    assert_eq!(added.card.sha256, Some(sha256(&bytes)), "the file's sum is noted");
    assert_eq!(models.load("tuned").unwrap().0, added.card);
    // Also for a file whose extension is in capitals.
    fs::copy(&path, folder.path().join("LOUD.ONNX")).unwrap();
    fs::copy(path.with_extension("toml"), folder.path().join("LOUD.toml")).unwrap();
    let loud = models.add(&folder.path().join("LOUD.ONNX"), &Addition::default()).unwrap();
    assert_eq!(loud.card.counting.sure_score, Some(0.8));
    // Given labels replace only the description's labels.
    let mut labels = card.labels.clone();
    labels[0] = String::from("visitor");
    let addition = Addition { labels: Some(labels.clone()), replace: true, ..Addition::default() };
    let added = models.add(&path, &addition).unwrap();
    assert_eq!((added.card.counting.sure_score, &added.card.labels), (Some(0.8), &labels));
    // Mistakes in it are reported, and nothing is changed.
    card.sha256 = Some("0".repeat(64));
    fs::write(path.with_extension("toml"), description::write(&card)).unwrap();
    assert!(models.add(&path, &addition).unwrap_err().to_string().contains("is damaged or another file"));
    fs::write(path.with_extension("toml"), "family = \"yolo\"\n").unwrap();
    let error = models.add(&path, &addition).unwrap_err();
    assert!(error.to_string().contains("tuned.toml: "), "{error}");
    assert_eq!(models.load("tuned").unwrap().0, added.card);
}

#[test]
fn a_mistyped_name_is_answered_with_those_of_the_catalogue() {
    let (_folder, models) = models();
    let error = models.add(Path::new("yolox-nana"), &Addition::default()).unwrap_err();
    assert_eq!(error.to_string(), "yolox-nana is no file here, and no model of the catalogue");
    assert!(error.kind == FaultKind::File && error.hint.unwrap().contains("yolox-nano"));
}

#[test]
fn names_that_are_taken_are_reported() {
    let (_folder, models) = models();
    let path = shipped().join("yolox_nano_320.onnx");
    let error = models.add(&path, &Addition { replace: true, ..Addition::default() }).unwrap_err();
    assert!(error.to_string().ends_with("is there already"), "{error}");
    let hint = error.hint.unwrap();
    assert!(hint.contains("--name") && !hint.contains("--force"));
}

/// Answers one request with `head` and `body`. Returns the address.
fn serve(head: &'static str, body: Vec<u8>) -> &'static str {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = connection.read(&mut request);
        let _ = connection.write_all(head.as_bytes());
        let _ = connection.write_all(&body);
    });
    Box::leak(format!("http://{address}/model.onnx").into_boxed_str())
}

fn entry(url: &'static str, bytes: u64) -> CatalogueEntry {
    CatalogueEntry { name: "fetched", url, bytes, ..CATALOGUE[0] }
}

#[test]
fn a_download_must_be_the_expected_file() {
    let (_folder, models) = models();
    let ok = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n";
    let says = |head, body: &[u8], bytes| {
        let error =
            models.fetch_entry(&entry(serve(head, body.to_vec()), bytes), &Addition::default()).unwrap_err();
        assert!(error.hint.as_ref().unwrap().contains("tallycam model add FILE"), "{error}");
        assert!(is_empty(&models), "something was left behind");
        error.to_string()
    };
    assert!(says(ok, b"something else", 14).contains("is another file than it should be"));
    assert!(says(ok, b"more than there should be", 4).contains("longer than 4 bytes"));
    assert!(says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"", 4).contains("404"));
    let broken = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    assert!(says(broken, b"half", 100).contains("cannot be fetched"));
}

#[test]
fn a_download_is_added_like_a_file() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n";
    let onnx = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join("tests/models/one_person.onnx");
    let (bytes, sum) = (fs::read(&onnx).unwrap(), sha256(&fs::read(&onnx).unwrap()));
    // From the catalogue, with the catalogue's description.
    let (_folder, models) = self::models();
    let card = describe(&bytes, &Addition::default(), None).unwrap();
    let entry = CatalogueEntry {
        sha256: sum.clone().leak(),
        bytes: bytes.len() as u64,
        description: description::write(&card).leak(),
        ..entry(serve(ok, bytes.clone()), 0)
    };
    let added = models.fetch_entry(&entry, &Addition::default()).unwrap();
    assert_eq!((added.name.as_str(), fs::read(&added.path).unwrap() == bytes), (entry.name, true));
    // A known model is refused before any download, except under another name.
    let other = CatalogueEntry { name: "other", url: "http://127.0.0.1:1/m.onnx", ..entry };
    let here = models.fetch_entry(&other, &Addition::default()).unwrap_err();
    assert_eq!(here.to_string(), "other of the catalogue is here already: it is called fetched");
    let asked = models.fetch_entry(&other, &addition_called("another")).unwrap_err();
    assert_eq!(asked.kind, FaultKind::Unreachable, "{asked}");
    assert_eq!(models.load(entry.name).unwrap().0, added.card);
    // From an address, with a guessed description.
    let (_folder, models) = self::models();
    let address = || format!("{}?raw=true", serve(ok, bytes.clone()));
    let other = "0".repeat(64);
    let refused = models.fetch_from(&address(), Some(&other), &Addition::default()).unwrap_err();
    assert!(refused.to_string().contains(&format!("(SHA-256 {sum})")), "{refused}");
    assert!(is_empty(&models));
    let added = models.fetch_from(&address(), Some(&sum.to_uppercase()), &Addition::default()).unwrap();
    assert_eq!(added.proof.seen.len(), 1, "it sees the person");
    assert_eq!(models.list().len(), 2, "it, and the shipped one");
    // A taken name is refused before any download.
    let taken =
        models.fetch_from("http://127.0.0.1:1/m.onnx", None, &addition_called(&added.name)).unwrap_err();
    assert_eq!(taken.kind, FaultKind::Taken, "{taken}");
    let nameless = models.fetch_from("http://127.0.0.1:1/", None, &Addition::default()).unwrap_err();
    assert!(nameless.to_string().contains("is no name for a model"), "{nameless}");
}

fn addition_called(name: &str) -> Addition {
    Addition { name: Some(name.to_owned()), ..Addition::default() }
}

#[test]
fn without_internet_it_says_what_to_do() {
    let (_folder, models) = models();
    // We hold the port, and nobody listens there.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    let url = Box::leak(format!("http://127.0.0.1:{port}/yolox_nano.onnx").into_boxed_str());
    let error = models.fetch_entry(&entry(url, 9), &Addition::default()).unwrap_err();
    let hint = error.hint.as_ref().unwrap();
    assert_eq!(error.kind, FaultKind::Unreachable);
    assert!(hint.starts_with("on a computer with internet download http://127.0.0.1"), "{hint}");
    assert!(!error.to_string().contains("camera"), "{error}");
}

#[test]
fn the_built_in_model_is_known_and_no_other_file_is() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join("models/yolox_nano_320.onnx");
    assert!(is_already_proved(&shipped));
    assert!(
        !is_already_proved(&shipped.with_extension("toml")) && !is_already_proved(Path::new("not there"))
    );
    let folder = tempfile::tempdir().unwrap();
    let (copy, description) = (folder.path().join("a.onnx"), folder.path().join("a.toml"));
    fs::copy(&shipped, &copy).unwrap();
    let card = fs::read_to_string(shipped.with_extension("toml")).unwrap();
    fs::write(&description, &card).unwrap();
    assert!(is_already_proved(&copy));
    let larger = card.replace("width = 320", "width = 4000");
    assert_ne!(larger, card);
    fs::write(&description, larger).unwrap();
    assert!(!is_already_proved(&copy), "nobody has tried it for such pictures");
    fs::write(&description, &card).unwrap();
    let mut bytes = fs::read(&shipped).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&copy, &bytes).unwrap();
    assert!(!is_already_proved(&copy));
}
