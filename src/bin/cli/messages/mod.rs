//! `cognito-sender messages`: the texts, checked, shown and brought over.

mod check;
mod import;
mod preview;
pub(crate) mod samples;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::Failure;

/// Check the texts, look at them, or bring over those of a user pool
#[derive(Args)]
pub(crate) struct Messages {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Check),
    Preview(preview::Preview),
    Import(import::Import),
}

impl Messages {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Check(check) => Ok(check.run()),
            Command::Preview(preview) => preview.run(),
            Command::Import(import) => Box::pin(import.run()).await,
        }
    }
}
