//! `tallycam completions`.

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum as _};
use clap_complete::Shell;

use crate::cli::{Failure, write_stdout};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

/// Print completions for a shell.
///
/// The package brings those of bash, zsh and fish along. Elsewhere write them where the shell looks for them, for
/// example ~/.local/share/bash-completion/completions/tallycam.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = PossibleValuesParser::new(SHELLS))]
    shell: String,
}

impl CompletionsArgs {
    /// Prints the completions.
    pub fn run(&self) -> Result<(), Failure> {
        let shell = Shell::from_str(&self.shell, false).map_err(Failure::usage)?;
        let mut out = Vec::new();
        clap_complete::generate(shell, &mut crate::cli::command(), "tallycam", &mut out);
        write_stdout(&out)
    }
}
