//! `tallycam serve`.

use clap::{Args, ValueEnum};

use crate::cli::common::session;
use crate::cli::{ConfigArgs, Failure};

/// Run the service: stream, count and record until stopped.
///
/// The camera opens for the first viewer or for a line, and closes after the idle timeout. SIGHUP reloads the
/// configuration; SIGTERM and Ctrl-C stop cleanly.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Source when no camera is found: `sim` is a simulation, marked on the page (never used by the installed service)
    #[arg(long, value_name = "SCENE")]
    fallback: Option<Fallback>,
    /// Numbers of a check and of its recording: print advice, and do not serve
    #[arg(long, hide = true, num_args = 2)]
    pub(in crate::cli) advise: Vec<u64>,
}

/// Values of `--fallback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fallback {
    /// The simulation.
    Sim,
}

impl ServeArgs {
    /// Serves until stopped.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let given = given.clone();
        session::serve(given.read(), move || given.read(), self.fallback == Some(Fallback::Sim))
    }
}
