//! The program: arguments in, exit code out. The library does everything else.

use std::process::ExitCode;

fn main() -> ExitCode {
    tallycam::cli::main(std::env::args_os())
}
