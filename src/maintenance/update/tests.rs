//! Updates in a folder of their own with a fake service: good, never ready, refused, and with the power cut between
//! any two changes to the disk.

#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blake2::{Blake2b512, Digest as _};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::*;

const POWER: &str = "the power is gone";

/// Uses the machine's dpkg. The service is the program that `current` points to, if it is good.
struct Fake<'a> {
    program: &'a Path,
    /// Versions that never become ready.
    broken: &'static [&'static str],
    /// Changes until the power is cut.
    left: Cell<Option<u32>>,
    running: RefCell<Option<String>>,
    restarts: Cell<u32>,
    seconds: Cell<u32>,
}

impl<'a> Fake<'a> {
    fn new(program: &'a Path) -> Fake<'a> {
        let fake = Fake {
            program,
            broken: &[],
            left: Cell::new(None),
            running: RefCell::default(),
            restarts: Cell::new(0),
            seconds: Cell::new(0),
        };
        fake.boot();
        fake
    }

    /// Starts the program that `current` points to, if it is whole, as a boot does.
    fn boot(&self) {
        let link = self.program.join("current");
        let is_there = fs::symlink_metadata(&link).is_ok();
        let version = match (is_there, said(&program_in(&link))) {
            (false, _) => Some(String::from(super::super::VERSION)),
            (true, Ok(version)) => Some(version),
            (true, Err(why)) => panic!("the program in force is not whole: {why}"),
        };
        *self.running.borrow_mut() = version.filter(|version| !self.broken.contains(&version.as_str()));
    }
}

fn said(program: &Path) -> Result<String, String> {
    let output =
        tallycam_base::child::command(program).arg("--version").output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.strip_prefix("tallycam ").map(str::to_owned).ok_or(text)
}

impl Machine for Fake<'_> {
    fn control(&self, deb: &Path) -> Result<PackageControl, String> {
        Debian::new(|| None).control(deb)
    }
    fn architecture(&self) -> Result<String, String> {
        Ok(String::from("arm64"))
    }
    fn is_newer(&self, version: &str, than: &str) -> Result<bool, String> {
        Debian::new(|| None).is_newer(version, than)
    }
    fn image_version(&self) -> String {
        String::from("0.1.0-1")
    }
    fn unpack(&self, deb: &Path, to: &Path) -> Result<(), String> {
        Debian::new(|| None).unpack(deb, to)
    }
    fn version_of(&self, program: &Path) -> Result<String, String> {
        Debian::new(|| None).version_of(program)
    }
    fn restart(&self) -> Result<(), String> {
        self.restarts.set(self.restarts.get() + 1);
        self.boot();
        Ok(())
    }
    fn running_version(&self) -> Option<String> {
        self.running.borrow().clone()
    }
    fn monotonic_seconds(&self) -> u64 {
        u64::from(self.seconds.get())
    }
    fn sleep_second(&self) {
        self.seconds.set(self.seconds.get() + 1);
    }
    fn power_cut_point(&self) -> Result<(), Fault> {
        match self.left.get() {
            None => Ok(()),
            Some(0) => Err(Fault::wrong(POWER)),
            Some(left) => {
                self.left.set(Some(left - 1));
                Ok(())
            }
        }
    }
}

/// A folder with `program/`, packages, and a key that signs them.
struct Bench {
    folder: tempfile::TempDir,
    pair: Ed25519KeyPair,
}

const KEY_ID: [u8; 8] = *b"tallykey";

impl Bench {
    fn new() -> Bench {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let bench = Bench {
            folder: tempfile::tempdir().unwrap(),
            pair: Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap(),
        };
        fs::create_dir(bench.program()).unwrap();
        bench
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    /// The key in the form of `[update] key`.
    fn key(&self) -> String {
        STANDARD.encode([&b"Ed"[..], &KEY_ID, self.pair.public_key().as_ref()].concat())
    }

    /// A package whose program reports the version `says`.
    fn package(&self, package: &str, version: &str, architecture: &str, says: &str) -> PathBuf {
        let root = self.folder.path().join("root");
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("DEBIAN")).unwrap();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        fs::create_dir_all(root.join("usr/lib/tallycam")).unwrap();
        let control = format!(
            "Package: {package}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: a \
             <a@localhost>\nDescription: a\n"
        );
        fs::write(root.join("DEBIAN/control"), control).unwrap();
        let program = root.join("usr/bin/tallycam");
        fs::write(&program, format!("#!/bin/sh\necho 'tallycam {says}'\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let deb = self.folder.path().join(format!("{package}_{version}_{architecture}.deb"));
        let words = ["--root-owner-group", "-Zgzip", "--build"].map(Path::new);
        let made =
            tallycam_base::child::command("dpkg-deb").args(words).args([&root, &deb]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.sign(&deb, true);
        deb
    }

    fn good(&self, version: &str) -> PathBuf {
        self.package("tallycam", version, "arm64", version.split('-').next().unwrap())
    }

    fn sign(&self, file: &Path, prehashed: bool) {
        let bytes = fs::read(file).unwrap();
        let (kind, signed) = match prehashed {
            true => (b"ED", Blake2b512::digest(&bytes).to_vec()),
            false => (b"Ed", bytes),
        };
        let signature = self.pair.sign(&signed);
        let comment = "timestamp:0";
        let global = self.pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        let line = STANDARD.encode([&kind[..], &KEY_ID, signature.as_ref()].concat());
        let global = STANDARD.encode(global);
        let text = format!("untrusted comment: a\n{line}\ntrusted comment: {comment}\n{global}\n");
        fs::write(signature_of(file), text).unwrap();
    }

    fn install(&self, fake: &Fake<'_>, deb: &Path) -> Result<String, Fault> {
        self.install_with(fake, deb, |request| request)
    }

    fn install_with(
        &self,
        fake: &Fake<'_>,
        deb: &Path,
        with: impl FnOnce(UpdateRequest<'_>) -> UpdateRequest<'_>,
    ) -> Result<String, Fault> {
        let (signature, key) = (signature_of(deb), self.key());
        let request =
            UpdateRequest { deb, signature: &signature, key: Some(&key), unsigned: false, older: false };
        install(fake, &self.program(), with(request))
    }

    fn folders(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.program())
            .unwrap()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().unwrap().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The same holds for a package that apt installs.
#[test]
fn only_a_signed_copy_is_taken() {
    let bench = Bench::new();
    let (deb, key, incoming) = (bench.good("0.2.0-1"), bench.key(), bench.folder.path().join("incoming"));
    let signature = signature_of(&deb);
    let take = |key: Option<&str>, unsigned| {
        let older = false;
        take_verified(&UpdateRequest { deb: &deb, signature: &signature, key, unsigned, older }, &incoming)
    };
    let taken = take(Some(&key), false).unwrap();
    assert!(taken.starts_with(&incoming) && fs::read(&taken).unwrap() == fs::read(&deb).unwrap());
    assert!(take(Some(&Bench::new().key()), false).is_err(), "another key");
    fs::write(&signature, "no signature").unwrap();
    assert!(take(Some(&key), false).unwrap_err().to_string().contains("no signature of minisign"));
    fs::remove_file(&signature).unwrap();
    assert!(take(Some(&key), false).unwrap_err().to_string().contains("it is not signed"));
    assert!(take(None, true).is_ok());
}

fn signature_of(deb: &Path) -> PathBuf {
    PathBuf::from(format!("{}.minisig", deb.display()))
}

#[test]
fn a_good_version_is_in_force_and_the_one_before_is_kept() {
    let bench = Bench::new();
    let program = bench.program();
    let fake = Fake::new(&program);
    let same = bench.install(&fake, &bench.good("0.1.0-1")).unwrap_err().to_string();
    assert!(same.contains("is not newer than 0.1.0-1"), "the image's own: {same}");
    assert_eq!(bench.install(&fake, &bench.good("0.2.0-1")).unwrap(), "0.2.0");
    assert_eq!(
        (fake.running_version().as_deref(), current_folder(&program).as_deref()),
        (Some("0.2.0"), Some("0.2.0-1"))
    );
    assert_eq!(bench.install(&fake, &bench.good("0.3.0-1")).unwrap(), "0.3.0");
    assert_eq!(bench.folders(), ["0.2.0-1", "0.3.0-1"]);
    assert_eq!(bench.install(&fake, &bench.good("0.4.0-1")).unwrap(), "0.4.0");
    assert_eq!(bench.folders(), ["0.3.0-1", "0.4.0-1"], "older ones go");
    assert_eq!(fake.restarts.get(), 3);
    let status = UpdateStatus::read(&program).unwrap();
    assert_eq!((status.phase, status.version.as_str()), (UpdatePhase::Done, "0.4.0"));
    let mode = fs::metadata(program.join(STATUS)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "the daemon reads it");
    // An older version, if requested; then the same version again.
    let older = bench.good("0.1.0-1");
    assert!(bench.install(&fake, &older).unwrap_err().to_string().contains("is not newer than 0.4.0-1"));
    assert_eq!(
        bench.install_with(&fake, &older, |request| UpdateRequest { older: true, ..request }).unwrap(),
        "0.1.0"
    );
    assert_eq!(
        bench.install_with(&fake, &older, |request| UpdateRequest { older: true, ..request }).unwrap(),
        "0.1.0"
    );
    assert_eq!(current_folder(&program).as_deref(), Some("0.1.0-1.again"));
    // Without a signature only if root allows it.
    let unsigned = bench.good("0.5.0-1");
    fs::remove_file(signature_of(&unsigned)).unwrap();
    assert!(bench.install(&fake, &unsigned).unwrap_err().to_string().contains("not signed"));
    assert_eq!(
        bench.install_with(&fake, &unsigned, |request| UpdateRequest { unsigned: true, ..request }).unwrap(),
        "0.5.0"
    );
}

#[test]
fn a_version_that_never_becomes_ready_is_taken_back() {
    let bench = Bench::new();
    let program = bench.program();
    let fake = Fake { broken: &["0.3.0"], ..Fake::new(&program) };
    // Starting from the image's program, and from an installed one.
    let broken = bench.good("0.3.0-1");
    for (before, version) in [(None, super::super::VERSION), (Some("0.2.0-1"), "0.2.0")] {
        if let Some(before) = before {
            bench.install(&fake, &bench.good(before)).unwrap();
        }
        fake.seconds.set(0);
        let fault = bench.install(&fake, &broken).unwrap_err().to_string();
        assert!(
            fault.contains("version 0.3.0 was not ready within 45 s") && fault.contains("in force again"),
            "{fault}"
        );
        assert_eq!(fake.seconds.get(), 45);
        assert_eq!(fake.running_version().as_deref(), Some(version));
        assert_eq!(current_folder(&program).as_deref(), before);
        assert_eq!(bench.folders(), before.into_iter().collect::<Vec<_>>());
        assert_eq!(UpdateStatus::read(&program).unwrap().phase, UpdatePhase::Failed);
        assert!(!program.join("trial").exists());
    }
}

#[test]
fn a_bad_package_is_refused_in_words_and_changes_nothing() {
    let bench = Bench::new();
    let program = bench.program();
    let fake = Fake::new(&program);
    bench.install(&fake, &bench.good("0.2.0-1")).unwrap();
    let other = Bench::new();
    let whole = bench.good("0.3.0-1");
    let bytes = fs::read(&whole).unwrap();
    let case = |name: &str, bytes: &[u8], signed: bool| {
        let file = bench.folder.path().join(format!("{name}.deb"));
        fs::write(&file, bytes).unwrap();
        fs::copy(signature_of(&whole), signature_of(&file)).unwrap();
        if signed {
            bench.sign(&file, true);
        }
        file
    };
    let legacy = case("legacy", &bytes, true);
    bench.sign(&legacy, false);
    let no_signature = case("no-signature", &bytes, true);
    fs::write(signature_of(&no_signature), "none").unwrap();
    let others = other.good("0.3.0-1");
    let link = bench.folder.path().join("link.deb");
    std::os::unix::fs::symlink(&whole, &link).unwrap();
    for (file, words) in [
        (
            case(
                "damaged",
                &[&bytes[..bytes.len() / 2], b"x", &bytes[bytes.len() / 2 + 1..]].concat(),
                false,
            ),
            "signature is wrong",
        ),
        (case("cut-off", &bytes[..bytes.len() - 9], false), "signature is wrong"),
        (case("cut-off-and-signed", &bytes[..bytes.len() - 99], true), "could not be unpacked"),
        (case("no-package", b"text", true), "not a complete package"),
        (legacy, "without -l"),
        (no_signature, "no signature of minisign"),
        (others, "signature is wrong"),
        (
            bench.package("tallycam", "0.3.0-2", "amd64", "0.3.0"),
            "it is for amd64, and this machine is arm64",
        ),
        (bench.package("vim", "9.0", "arm64", "9.0"), "the package vim"),
        (bench.package("tallycam", "0.3.0-3", "arm64", "0.9.9"), "says that it is \"0.9.9\""),
        (bench.package("tallycam", "1:0.3.0", "arm64", "0.3.0"), "is no version"),
        (bench.good("0.1.9-1"), "is not newer"),
        (bench.good("0.2.0-1"), "is not newer"),
        (link, "link.deb"),
        (bench.folder.path().join("none.deb"), "none.deb"),
    ] {
        let fault = bench.install(&fake, &file).unwrap_err().to_string();
        assert!(fault.contains(words), "{}: {fault}", file.display());
        assert_eq!(current_folder(&program).as_deref(), Some("0.2.0-1"));
        assert_eq!(
            (bench.folders(), fake.restarts.get()),
            (vec![String::from("0.2.0-1")], 1),
            "{}",
            file.display()
        );
        assert_eq!(UpdateStatus::read(&program).unwrap().words, fault);
    }
    for (key, words) in
        [(None, "names no key"), (Some(""), "names no key"), (Some("abc"), "no public key of minisign")]
    {
        let fault = bench
            .install_with(&fake, &whole, |request| UpdateRequest { key, ..request })
            .unwrap_err()
            .to_string();
        assert!(fault.contains(words), "{fault}");
    }
    let mut id = STANDARD.decode(bench.key()).unwrap();
    id[5] ^= 1;
    let key = STANDARD.encode(id);
    let fault = verify(&whole, &signature_of(&whole), Some(&key)).unwrap_err();
    assert_eq!(fault.to_string(), "it is signed with another key");
}

#[test]
fn a_power_cut_leaves_the_old_program_or_the_new_one() {
    for (broken, end) in [(&[][..], "0.3.0-1"), (&["0.3.0"][..], "0.2.0-1")] {
        let mut interrupted = 0;
        for steps in 0.. {
            let bench = Bench::new();
            let program = bench.program();
            bench.install(&Fake::new(&program), &bench.good("0.2.0-1")).unwrap();
            let deb = bench.good("0.3.0-1");
            let fake = Fake { broken, ..Fake::new(&program) };
            fake.left.set(Some(steps));
            let is_cut = bench.install(&fake, &deb).is_err_and(|fault| fault.to_string() == POWER);
            // The next boot: the program in force is whole, and the interrupted update is completed.
            fake.left.set(None);
            fake.boot();
            let at_boot = current_folder(&program).unwrap();
            assert!(["0.2.0-1", "0.3.0-1"].contains(&at_boot.as_str()), "{at_boot}");
            let _ = finish_interrupted(&fake, &program);
            let settled = current_folder(&program).unwrap();
            assert!(
                settled == "0.2.0-1" || (settled == end && at_boot == end),
                "cut after {steps}: {settled}"
            );
            assert!(!program.join("trial").exists(), "cut after {steps}");
            assert_eq!(fake.running_version().as_deref(), settled.strip_suffix("-1"), "cut after {steps}");
            // Once more, to the end.
            let again = bench.install(&fake, &deb);
            assert_eq!(current_folder(&program).as_deref(), Some(end), "cut after {steps}: {again:?}");
            if !is_cut {
                break;
            }
            interrupted += 1;
        }
        assert!(interrupted > 6, "{interrupted}");
    }
}

#[test]
fn a_package_from_the_page_is_taken_once_and_through_no_link() {
    let state = tempfile::tempdir().unwrap();
    assert_eq!(take_once(state.path()).unwrap(), None);
    let pending = Pending::create(state.path()).unwrap();
    fs::write(&pending.deb, "a").unwrap();
    assert!(!is_pending(state.path()));
    assert_eq!(take_once(state.path()).unwrap(), None, "not before it is offered");
    publish(state.path()).unwrap();
    assert!(is_pending(state.path()));
    assert_eq!(take_once(state.path()).unwrap(), Some(pending));
    assert_eq!(take_once(state.path()).unwrap(), None);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("pending"), "somebody's").unwrap();
    fs::remove_dir_all(state.path().join("update")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), state.path().join("update")).unwrap();
    assert!(take_once(state.path()).is_err());
    assert!(elsewhere.path().join("pending").exists());
}
