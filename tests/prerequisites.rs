//! `deploy/prerequisites.sh` on machines that lack some tools. Its PATH holds only the few tools of every Debian
//! system, and stand-ins for the machine's own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tallycam_base::testing::write_executable;
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prerequisites.sh");

/// Commands of Debian's essential packages.
const ESSENTIAL: [&str; 9] = ["sh", "env", "sed", "grep", "sort", "head", "dirname", "tr", "cat"];

/// A machine with a PATH and an apt of its own.
struct Machine {
    folder: TempDir,
}

struct Outcome {
    code: Option<i32>,
    said: String,
    /// The calls of apt-get, one per line.
    apt: String,
}

impl Machine {
    /// A Debian 13 x86_64 system, seen by an ordinary user without sudo. Its apt offers `rust` as rustc-web; an empty
    /// version means that there are no package lists yet.
    fn new(rust: &str) -> Machine {
        let machine = Machine { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir(machine.bin()).expect("a folder");
        for tool in ESSENTIAL {
            let path = which(tool);
            symlink(path, machine.bin().join(tool)).expect("a link");
        }
        machine
            .with("id", "echo 1000")
            .with("uname", "echo x86_64")
            // Fails for every package except those that were "installed".
            .with(
                "dpkg-query",
                "for last; do :; done; grep -qx \"$last\" \"$MACHINE/installed\" && echo installed",
            )
            .with("apt-cache", &format!("[ -z '{rust}' ] || printf 'rustc-web:\\n  Candidate: {rust}\\n'"))
            .with(
                "apt-get",
                &format!(
                    "echo \"$@\" >> \"$MACHINE/apt\"
                     case \"$*\" in *' install '*)
                         for word; do echo \"$word\" >> \"$MACHINE/installed\"; done ;;
                     esac
                     case \"$*\" in *indextargets*) [ -z '{rust}' ] || echo a-list ;; esac
                     case \"$*\" in *install*rustc-web*)
                         printf '#!/bin/sh\\necho rustc 1.96.0\\n' > \"$MACHINE/bin/rustc\"
                         cat \"$MACHINE/bin/rustc\" > \"$MACHINE/bin/cargo\"
                         \"$MACHINE/executable\" \"$MACHINE/bin/rustc\" \"$MACHINE/bin/cargo\" ;;
                     esac"
                ),
            )
            .with_installed(&[])
    }

    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    fn with(self, name: &str, script: &str) -> Machine {
        let path = self.bin().join(name);
        write_executable(&path, &format!("#!/bin/sh\n{script}\n"));
        // The real chmod, which is not on the PATH, makes the files that apt-get installs executable.
        let chmod = self.folder.path().join("executable");
        write_executable(&chmod, &format!("#!/bin/sh\nexec {} +x \"$@\"\n", which("chmod").display()));
        self
    }

    fn with_installed(self, packages: &[&str]) -> Machine {
        let list: String = packages.iter().map(|package| format!("{package}\n")).collect();
        fs::write(self.folder.path().join("installed"), list).expect("a list");
        self
    }

    fn with_rust(self, version: &str) -> Machine {
        self.with("rustc", &format!("echo rustc {version}")).with("cargo", "exit 0")
    }

    /// With everything that a build needs, except Rust.
    fn with_packages(self) -> Machine {
        self.with_installed(&["gcc", "libc6-dev", "cmake", "make", "ca-certificates", "nasm"])
    }

    fn root(self) -> Machine {
        self.with("id", "echo 0")
    }

    fn prerequisites(&self, purpose: &str, ci: bool) -> Outcome {
        let mut command = Command::new(SCRIPT);
        command.arg(purpose).env_clear().env("PATH", self.bin()).env("MACHINE", self.folder.path());
        if ci {
            command.env("CI", "true");
        }
        let output = command.stdin(std::process::Stdio::null()).output().expect("the script runs");
        Outcome {
            code: output.status.code(),
            said: String::from_utf8(output.stderr).expect("UTF-8"),
            apt: fs::read_to_string(self.folder.path().join("apt")).unwrap_or_default(),
        }
    }
}

impl Outcome {
    /// The line for the user to type, which is the last.
    fn line_to_type(&self) -> &str {
        assert_eq!(self.code, Some(1), "{}", self.said);
        let mut last_two = self.said.lines().rev();
        let line = last_two.next().expect("a line");
        assert!(last_two.next().expect("two lines").contains("Type this, then try again:"), "{}", self.said);
        line.strip_prefix("    ").expect("indented")
    }

    fn installed(&self) -> &str {
        let call = self.apt.lines().find(|call| call.contains(" install ")).expect("an installation");
        call.split_once("--no-install-recommends ").expect("no recommended packages").1
    }
}

fn which(tool: &str) -> PathBuf {
    ["/usr/bin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(tool))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("this machine has no {tool}"))
}

#[test]
fn nothing_is_done_if_nothing_is_missing() {
    let outcome =
        Machine::new("1.96.0").with_packages().with_rust("1.91.0").root().prerequisites("run", false);
    assert_eq!((outcome.code, outcome.said.as_str(), outcome.apt.as_str()), (Some(0), "", ""));
}

#[test]
fn root_gets_everything_installed_at_once() {
    let outcome = Machine::new("1.96.0").root().prerequisites("run", false);
    assert_eq!(outcome.code, Some(0), "{}", outcome.said);
    assert_eq!(outcome.installed(), "gcc libc6-dev cmake make ca-certificates nasm rustc-web cargo-web");
    // One line says what is going on.
    assert_eq!(outcome.said.lines().count(), 1, "{}", outcome.said);
}

/// A `qemu-utils` from Debian's backports is removed when `qemu-system-x86` comes from Debian itself.
#[test]
fn packages_removed_by_an_installation_are_installed_again_if_nobody_must_be_asked() {
    let apt = "echo \"$@\" >> \"$MACHINE/apt\"
        case \"$*\" in
            *--no-remove*qemu-system-x86*) echo 'E: Packages need to be removed but remove is disabled.' >&2; exit 100 ;;
            *qemu-system-x86*) printf 'qemu-system-x86\\n' > \"$MACHINE/installed\" ;;
            *' install '*) for word; do echo \"$word\" >> \"$MACHINE/installed\"; done ;;
        esac";
    let rest = [
        "gcc",
        "libc6-dev",
        "cmake",
        "make",
        "ca-certificates",
        "nasm",
        "mmdebstrap",
        "e2fsprogs",
        "xz-utils",
    ];
    let machine = || {
        let packages: Vec<&str> = rest.into_iter().chain(["python3", "qemu-utils"]).collect();
        Machine::new("1.96.0").with("apt-get", apt).with_rust("1.96.0").root().with_installed(&packages)
    };
    let outcome = machine().prerequisites("e2e", true);
    assert_eq!(outcome.code, Some(0), "{}", outcome.said);
    let calls: Vec<&str> = outcome.apt.lines().filter(|call| call.contains(" install ")).collect();
    assert_eq!(calls.len(), 2, "{}", outcome.apt);
    assert!(calls[0].ends_with("--no-install-recommends qemu-system-x86"), "{}", calls[0]);
    assert!(calls[1].contains(" qemu-utils"), "{}", calls[1]);
    let outcome = machine().prerequisites("e2e", false);
    assert!(outcome.said.contains("remove is disabled"), "{}", outcome.said);
    assert_eq!(outcome.line_to_type(), "apt update && apt install --no-install-recommends qemu-system-x86");
}

#[test]
fn with_sudo_everything_is_installed_at_once() {
    let sudo = "[ \"$1\" = -n ] && shift; exec \"$@\"";
    let machine = Machine::new("1.96.0").with("true", "exit 0").with("sudo", sudo);
    let outcome = machine.prerequisites("run", false);
    assert_eq!(outcome.code, Some(0), "{}", outcome.said);
    assert!(outcome.installed().ends_with("rustc-web cargo-web"));
}

#[test]
fn without_rights_the_user_gets_one_line_to_type() {
    let packages = "apt install --no-install-recommends gcc libc6-dev cmake make ca-certificates nasm rustc-web cargo-web";
    let without_sudo = Machine::new("1.96.0").prerequisites("run", false);
    assert_eq!(without_sudo.line_to_type(), format!("su - -c 'apt update && {packages}'"));
    // sudo wants a password, and nobody can type it.
    let with_sudo = Machine::new("1.96.0").with("sudo", "exit 1").prerequisites("run", false);
    assert_eq!(with_sudo.line_to_type(), format!("sudo apt update && sudo {packages}"));
    assert!(!with_sudo.apt.contains(" install "), "{}", with_sudo.apt);
}

#[test]
fn an_old_rust_is_named_with_the_line_that_replaces_it_and_left_alone() {
    let old = || Machine::new("1.96.0").with_packages().with_rust("1.63.0").root();
    let outcome = old().prerequisites("run", false);
    assert!(outcome.said.contains("this is Rust 1.63.0"), "{}", outcome.said);
    let line = "apt update && apt install --no-install-recommends rustc-web cargo-web";
    assert_eq!(outcome.line_to_type(), line);
    assert_eq!(outcome.apt, "");
    // Nobody could type the line in an automatic build.
    assert_eq!(old().prerequisites("run", true).installed(), "rustc-web cargo-web");
    // It is named, too, when other things are missing.
    let outcome = old().with_installed(&[]).with("id", "echo 1000").prerequisites("run", false);
    assert!(outcome.said.contains("this is Rust 1.63.0"), "{}", outcome.said);
    assert!(outcome.line_to_type().contains(" nasm rustc-web cargo-web"), "{}", outcome.said);
}

#[test]
fn rustup_is_suggested_if_debian_has_no_suitable_rust() {
    let outcome = Machine::new("1.85.0").with_packages().prerequisites("run", false);
    assert!(outcome.said.contains("there is none"), "{}", outcome.said);
    assert!(outcome.line_to_type().contains("https://sh.rustup.rs"), "{}", outcome.said);
    let rustup = Machine::new("1.96.0").with_packages().with_rust("1.70.0").with("rustup", "exit 0");
    assert_eq!(
        rustup.root().prerequisites("run", true).line_to_type(),
        "rustup update stable && rustup default stable"
    );
}

#[test]
fn the_output_of_a_failing_apt_is_shown() {
    let apt = "echo \"$@\" >> \"$MACHINE/apt\"; case \"$*\" in *' install '*) echo 'E: no such thing' >&2; exit 100 ;; esac";
    let outcome = Machine::new("1.96.0").with("apt-get", apt).root().prerequisites("run", false);
    assert!(outcome.said.contains("E: no such thing"), "{}", outcome.said);
    assert!(outcome.line_to_type().starts_with("apt update && apt install "), "{}", outcome.said);
}

#[test]
fn systems_without_dpkg_are_asked_for_commands_only() {
    let machine = Machine::new("")
        .with("cc", "")
        .with("cmake", "")
        .with("make", "")
        .with("nasm", "")
        .with_rust("1.91.1");
    fs::remove_file(machine.bin().join("dpkg-query")).expect("it was there");
    fs::remove_file(machine.bin().join("apt-get")).expect("it was there");
    let outcome = machine.prerequisites("run", false);
    assert_eq!((outcome.code, outcome.said.as_str()), (Some(0), ""));
    fs::remove_file(machine.bin().join("cmake")).expect("it was there");
    let outcome = machine.prerequisites("run", false);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.said.contains("what Debian calls: cmake"), "{}", outcome.said);
}

#[test]
fn a_cross_build_brings_its_own_rust() {
    let outcome = Machine::new("1.96.0").prerequisites("cross", false);
    assert_eq!(outcome.code, Some(1), "{}", outcome.said);
    assert!(outcome.said.contains("mmdebstrap") && !outcome.said.contains("rustc"), "{}", outcome.said);
}

#[test]
fn an_unknown_purpose_is_wrong_usage() {
    let outcome = Machine::new("1.96.0").prerequisites("walk", false);
    assert_eq!(outcome.code, Some(64), "{}", outcome.said);
}

/// No test machine has `cross`, so only its files can be checked here.
#[test]
fn cross_builds_in_a_debian_12_with_the_needed_packages() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let cross = read("Cross.toml");
    let pre_build = cross.split_once("\npre-build = [").unwrap().1;
    for package in ["cmake", "git", "libclang-dev"] {
        assert!(pre_build.contains(package), "{package} is not in {pre_build}");
    }
    let file = cross.split_once("\nfile = \"").unwrap().1.split('"').next().unwrap();
    let image = read(file);
    // Linked against the C library of the oldest system that the program must start on.
    assert!(image.lines().any(|line| line.starts_with("FROM debian:bookworm")), "{image}");
    for word in [
        "gcc-aarch64-linux-gnu",
        "libc6-dev-arm64-cross",
        "AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc",
    ] {
        assert!(image.contains(word), "{word} is not in {image}");
    }
}
