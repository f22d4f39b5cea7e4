//! `cognito-sender doctor`: why did the code not arrive?

mod email;
mod finding;
mod function;
mod key;
mod operation;
mod pace;
mod permission;
mod pool;
mod report;
mod role;
mod sms;
mod to;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::{Region, SdkConfig};
use aws_sdk_lambda::types::FunctionConfiguration;
use clap::Args;
use cognito_sender::Config;
use cognito_sender::config::environment;
use cognito_sender::event::UserPoolId;

use crate::Failure;
use crate::deployment::{Deployment, Which};
use finding::{Finding, Standing};
use report::Report;

/// Nothing could be looked at.
const BLIND: u8 = 2;

/// Look at a deployed function, and tell why codes do not arrive
///
/// Looks at the function, its user pools, key, role, the account's SMS and
/// e-mail, and what went wrong lately, with your credentials; changes nothing.
/// Each finding says what is so, why it matters, and the command that mends it.
///
/// Without --function and --stack, the settings are those of your environment
/// (KMS_KEY_ARN and so on), and the function itself is not looked at.
///
/// Exit codes: 0 no failure, 1 a failure, 2 nothing could be looked at; with
/// --to 0 it would be sent, 3 it would be withheld.
#[derive(Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    which: Which,
    /// A user pool to look at; may be repeated. Default: the function's
    /// USER_POOL_IDS.
    #[arg(long, value_name = "ID", value_parser = pool_id)]
    user_pool: Vec<UserPoolId>,
    /// Tell what would become of a message to this number or address, as the
    /// function decides it. Nothing is sent.
    #[arg(long, value_name = "DESTINATION", conflicts_with = "user_pool")]
    to: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn pool_id(text: &str) -> Result<UserPoolId, &'static str> {
    UserPoolId::parse(text).ok_or("not a user pool's id, such as us-east-1_AbCdEfGhI")
}

/// What is looked at, where the function's settings can be read.
struct Subject {
    sdk: SdkConfig,
    config: Config,
    /// `None`: the settings of the present environment.
    function: Option<FunctionConfiguration>,
    pools: Vec<UserPoolId>,
    /// By which the next command finds the same function.
    flags: String,
}

impl Subject {
    /// The caller's credentials, in another Region.
    fn in_region(&self, region: &str) -> SdkConfig {
        let region = Region::new(region.to_owned());
        self.sdk.to_builder().region(region).build()
    }

    /// The account of the function; else that of the key.
    fn account(&self) -> &str {
        let function = self.function.as_ref();
        let arn = function.and_then(|function| function.function_arn());
        arn.unwrap_or(self.config.kms_key.as_str())
            .split(':')
            .nth(4)
            .unwrap_or_default()
    }

    /// `aws`, `aws-cn`, ...
    fn partition(&self) -> &str {
        let key = self.config.kms_key.as_str();
        key.split(':').nth(1).unwrap_or("aws")
    }
}

impl Doctor {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        match Box::pin(self.look()).await {
            Ok(code) => Ok(code),
            Err(failure) => {
                eprintln!("error: {failure}");
                Ok(ExitCode::from(BLIND))
            }
        }
    }

    /// # Errors
    /// Nothing could be looked at.
    async fn look(self) -> Result<ExitCode, Failure> {
        let deployment = self.which.find().await?;
        if let Some(to) = &self.to {
            return to::tell(deployment, to, self.json).await;
        }
        let report = examine(deployment, self.user_pool, self.which.flags()).await;
        if self.json {
            say!("{}", serde_json::to_string_pretty(&report.json())?);
        } else {
            say!("{}", report.text(colour()).trim_end());
        }
        Ok(if report.saw_nothing() {
            ExitCode::from(BLIND)
        } else if report.count(Standing::Failure) > 0 {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// Only for a person's eyes (no-color.org).
fn colour() -> bool {
    let refused = environment("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !refused
}

/// All checks, services side by side, each service one call after the other.
async fn examine(deployment: Deployment, named: Vec<UserPoolId>, flags: String) -> Report {
    let Deployment {
        sdk,
        function,
        stack,
        config,
    } = deployment;
    let region = sdk.region().map(ToString::to_string).unwrap_or_default();
    let name = function
        .as_ref()
        .and_then(|function| function.function_name());
    let subject = match name {
        Some(name) => format!("Function {name} in {region}"),
        None => format!("The settings of this environment, in {region}"),
    };
    let progress = Progress::new();
    let mut findings = function::settings(&config);
    let surroundings = async {
        match &function {
            Some(function) => {
                let (mut own, operation) = tokio::join!(
                    progress.of(Box::pin(function::look(&sdk, function))),
                    progress.of(Box::pin(operation::look(
                        &sdk,
                        function,
                        stack.as_deref(),
                        config.as_ref().ok(),
                    )))
                );
                own.extend(operation);
                own
            }
            None => Vec::new(),
        }
    };
    let settings = config.as_ref().ok().map(|config| Subject {
        sdk: sdk.clone(),
        pools: if named.is_empty() {
            config.user_pools.clone()
        } else {
            named
        },
        config: config.clone(),
        function: function.clone(),
        flags,
    });
    let inside = async {
        let Some(subject) = &settings else {
            return Vec::new();
        };
        let (pool, key, role, sms, email) = tokio::join!(
            progress.of(Box::pin(pool::look(subject))),
            progress.of(Box::pin(key::look(subject))),
            progress.of(Box::pin(role::look(subject))),
            progress.of(Box::pin(sms::look(subject))),
            progress.of(Box::pin(email::look(subject)))
        );
        [pool, key, role, sms, email].concat()
    };
    let (surroundings, inside) = tokio::join!(surroundings, inside);
    progress.end();
    findings.extend(surroundings);
    findings.extend(inside);
    findings.sort_by_key(|found| found.check.area());
    Report { subject, findings }
}

/// One line for who waits at a terminal.
struct Progress {
    shown: bool,
    done: AtomicUsize,
}

impl Progress {
    fn new() -> Self {
        let progress = Self {
            shown: std::io::stderr().is_terminal(),
            done: AtomicUsize::new(0),
        };
        progress.show("looking ...");
        progress
    }

    /// Counts a part when it is done.
    async fn of(&self, part: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
        let findings = part.await;
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.show(&format!("looking ... {done} of 7 parts seen"));
        findings
    }

    /// Nothing stays of it.
    fn end(&self) {
        self.show("");
    }

    fn show(&self, line: &str) {
        if self.shown {
            // Back to the line's begin, and what stands there goes.
            let _ = write!(std::io::stderr(), "\r\u{1b}[K{line}");
            let _ = std::io::stderr().flush();
        }
    }
}
