//! The command line: all that this crate knows of a terminal.

#![recursion_limit = "256"] // the SDK's futures nest deeply
#![expect(clippy::print_stderr, reason = "a terminal is what it is for")]

/// Prints a line. A reader that has gone (`| head`) is no error.
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($line)*);
    }};
}

mod ask;
mod attach;
mod aws;
mod channels;
mod deployment;
mod destinations;
mod doctor;
mod explain;
mod invoke;
mod local;
mod manual;
mod messages;
mod page;
mod production;
mod seal;
mod setting;
mod test;
mod way;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a command can fail with: shown to a person, and nothing more.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Delivers Amazon Cognito's codes by SNS and SES; tries it out here first.
///
/// What stands first works on this machine alone; the operator's commands look
/// at a deployed function, or change what stands around it, with your AWS
/// credentials.
///
/// Exit codes: 0 sent or done, 1 an error or a finding, 2 wrong usage, nothing
/// to be seen, or not confirmed, 3 withheld.
#[derive(Parser)]
#[command(name = "cognito-sender", version, max_term_width = 80)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Attach(attach::Attach),
    Detach(attach::Detach),
    Doctor(doctor::Doctor),
    Invoke(invoke::Invoke),
    Local(local::Local),
    Messages(messages::Messages),
    Seal(seal::Seal),
    Explain(explain::Explain),
    Test(test::Test),
    Destinations(destinations::Destinations),
    Production(production::Production),
    Completions(manual::Completions),
    Man(manual::Manual),
}

/// `aws-esdk` wants the multi-thread runtime (see `cognito_sender::code`).
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Attach(attach) => Box::pin(attach.run()).await,
        Command::Detach(detach) => Box::pin(detach.run()).await,
        Command::Doctor(doctor) => Box::pin(doctor.run()).await,
        Command::Invoke(invoke) => Box::pin(invoke.run()).await,
        Command::Local(local) => local.run().await,
        Command::Messages(messages) => messages.run().await,
        Command::Seal(seal) => Box::pin(seal.run()).await,
        Command::Explain(explain) => Box::pin(explain.run()).await,
        Command::Test(test) => Box::pin(test.run()).await,
        Command::Destinations(destinations) => Box::pin(destinations.run()).await,
        Command::Production(production) => Box::pin(production.run()).await,
        Command::Completions(completions) => Ok(completions.run()),
        Command::Man(manual) => manual.run(),
    };
    result.unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }
}
