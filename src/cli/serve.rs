//! `tallycam serve`.

use clap::{Args, ValueEnum};

use super::{Failure, Given, wiring};

/// Serve the camera's pictures until stopped.
///
/// The camera is opened when the first viewer comes, or when there is a line to count on, and closed
/// again some time after nobody needs it any more. SIGHUP reads the configuration anew; SIGTERM and
/// Ctrl-C end everything cleanly.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    given: Given,
    /// What to show when no camera is found: `sim` is the simulated scene, marked as such on the
    /// page (never used by the installed service)
    #[arg(long, value_name = "SCENE")]
    fallback: Option<Fallback>,
}

/// What `--fallback` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fallback {
    /// The simulated scene.
    Sim,
}

impl Serve {
    /// Serves until stopped.
    pub fn run(&self, given: &Given) -> Result<(), Failure> {
        let given = given.and(&self.given);
        let operator = given.read();
        wiring::serve(operator, move || given.read(), self.fallback == Some(Fallback::Sim))
    }
}
