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

mod aws;
mod deployment;
mod invoke;
mod local;
mod messages;
mod seal;
mod setting;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a command can fail with: shown to a person, and nothing more.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Delivers Amazon Cognito's codes by SNS and SES; tries it out here first.
///
/// Exit codes: 0 sent or done, 1 an error, 2 wrong usage, 3 withheld.
#[derive(Parser)]
#[command(name = "cognito-sender", version, max_term_width = 80)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Invoke(invoke::Invoke),
    Local(local::Local),
    Messages(messages::Messages),
    Seal(seal::Seal),
}

/// `aws-esdk` wants the multi-thread runtime (see `cognito_sender::code`).
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Invoke(invoke) => Box::pin(invoke.run()).await,
        Command::Local(local) => local.run().await,
        Command::Messages(messages) => messages.run().await,
        Command::Seal(seal) => Box::pin(seal.run()).await,
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
