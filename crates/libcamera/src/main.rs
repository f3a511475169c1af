//! The helper that reads a camera through libcamera for tallycam. The library of the same name defines the protocol.

mod buffers;
mod cameras;
mod controls;
mod names;
mod pace;
mod serve;
mod session;

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use libcamera::camera_manager::CameraManager;
use rustix::net::SocketType;
use rustix::process::{Signal, set_parent_process_death_signal};
use tallycam_libcamera::{Channel, Hello, VERSION};

const USAGE: &str = "usage: tallycam-libcamera [--probe | --list | --version]

Reads a camera through libcamera for tallycam, which starts it with a socket as its standard input.

  --probe     print the versions of the protocol, the helper and libcamera, as JSON
  --list      print the cameras that libcamera knows, as JSON
  --version   print the version of the helper";

/// Exit status of sysexits.h for a wrong command line.
const EX_USAGE: u8 = 64;

fn main() -> ExitCode {
    // SAFETY: this is the only thread: libcamera starts its own with the manager.
    unsafe { quiet_log() };
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => return serve(),
        ["--probe"] => print(&hello()),
        ["--list"] => list(),
        ["--version"] => line(env!("CARGO_PKG_VERSION")),
        ["--help" | "-h"] => line(USAGE),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(EX_USAGE);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tallycam-libcamera: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes libcamera log only errors, without colours, unless the environment says otherwise.
///
/// # Safety
/// There must be no other thread.
unsafe fn quiet_log() {
    for (name, value) in [("LIBCAMERA_LOG_LEVELS", "*:ERROR"), ("LIBCAMERA_LOG_NO_COLOR", "1")] {
        if std::env::var_os(name).is_none() {
            // SAFETY: the caller's promise.
            unsafe { std::env::set_var(name, value) };
        }
    }
}

fn hello() -> Hello {
    // "v0.7.1"; some builds append the distribution's version.
    let libcamera = libcamera::version::runtime_version().trim_start_matches('v').to_owned();
    Hello { protocol: VERSION, helper: env!("CARGO_PKG_VERSION").to_owned(), libcamera }
}

fn list() -> std::io::Result<()> {
    let manager = CameraManager::new()?;
    print(&cameras::describe_all(&manager))
}

fn print(message: &impl serde::Serialize) -> std::io::Result<()> {
    line(&serde_json::to_string(message)?)
}

/// Like `println!`, but a closed pipe is an error instead of a panic.
fn line(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{text}")
}

fn serve() -> ExitCode {
    let stdin = std::io::stdin();
    let is_socket = matches!(rustix::net::sockopt::socket_type(&stdin), Ok(SocketType::SEQPACKET));
    let socket = match stdin.as_fd().try_clone_to_owned() {
        Ok(socket) if is_socket => socket,
        _ => {
            eprintln!("tallycam-libcamera: standard input is not tallycam's socket; see --help");
            return ExitCode::from(EX_USAGE);
        }
    };
    // A helper that hangs inside libcamera must not outlive tallycam; one that works ends with the socket.
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        eprintln!("tallycam-libcamera: it will not end with its parent: {error}");
    }
    match serve::serve(Channel::new(socket), hello()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tallycam-libcamera: {error}");
            ExitCode::FAILURE
        }
    }
}
