//! `cognito-sender local`: the stand-in, kept up.

use std::process::ExitCode;

use clap::Args;

use crate::Failure;
use crate::setting::{Account, local_environment};

/// Keep an AWS of your own on loopback, with an outbox to look at
#[derive(Args)]
pub(crate) struct Local {
    /// The port on 127.0.0.1.
    #[arg(long, default_value_t = 4599)]
    port: u16,
    #[command(flatten)]
    account: Account,
}

impl Local {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let stand_in = self.account.start(self.port)?;
        let endpoint = stand_in.endpoint();
        say!("Outbox: {endpoint}/   (JSON: {endpoint}/outbox.json)\n");
        say!("For a function process, copy these lines into its shell:\n");
        for (variable, value) in local_environment(&stand_in) {
            say!("export {variable}='{value}'");
        }
        say!("\nWithout cargo-lambda, let it poll this address for events as well:\n");
        say!("export AWS_LAMBDA_RUNTIME_API={}", stand_in.runtime_api());
        say!("export AWS_LAMBDA_FUNCTION_NAME=cognito-sender AWS_LAMBDA_FUNCTION_VERSION=1");
        say!("export AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256");
        say!("cargo run --bin bootstrap\n");
        say!("and hand it one:\n");
        say!(
            "curl -d @events/CustomSMSSender_SignUp.json \\\n  \
             {endpoint}/2015-03-31/functions/cognito-sender/invocations\n"
        );
        say!("Ctrl-C ends it.");
        tokio::signal::ctrl_c().await?;
        Ok(ExitCode::SUCCESS)
    }
}
