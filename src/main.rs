//! The program: arguments in, exit code out. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tallycam::cli::main(std::env::args_os())
}
