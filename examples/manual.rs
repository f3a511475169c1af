//! Writes a package's files for the command line, generated from the command line itself: manual pages into
//! `FOLDER/man`, completions for bash, zsh and fish into `FOLDER/completions`.
//!
//! ```sh
//! cargo run --example manual -- FOLDER
//! ```

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap_complete::Shell;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: manual FOLDER")?;
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    for made in [&man, &completions] {
        fs::create_dir_all(made)?;
    }
    clap_mangen::generate_to(tallycam::cli::command(), &man)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut tallycam::cli::command(), "tallycam", &completions)?;
    }
    Ok(())
}
