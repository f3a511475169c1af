//! `tallycam mqtt`: the camera at the MQTT broker.

use clap::Subcommand;

use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::{ConfigArgs, Failure, print_stdout};

/// The camera at the MQTT broker
#[derive(Debug, Subcommand)]
pub enum BrokerCommand {
    /// Remove the camera from Home Assistant and from the broker.
    ///
    /// Use it before the camera is taken down or gets another broker. The service stops MQTT then, until it restarts or
    /// [mqtt] changes.
    Forget,
}

impl BrokerCommand {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        match self {
            BrokerCommand::Forget => {
                let daemon = Daemon::require_own(&given.load()?.config, "this")?;
                let answer = daemon.request("POST", "/api/v1/mqtt/forget", RequestBody::Nothing)?;
                answer.expect_success("the broker keeps the camera")?;
                print_stdout("the broker has forgotten this camera\n")
            }
        }
    }
}
