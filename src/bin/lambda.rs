//! The function: all that this crate knows of Lambda.

#![recursion_limit = "256"] // the SDK's futures nest deeply

use std::future::poll_fn;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::process::ExitCode;
use std::str::FromStr as _;
use std::sync::Arc;
use std::task::Poll;

use cognito_sender::config::{Config, InvalidConfig, environment};
use cognito_sender::event::Channel;
use cognito_sender::{Clients, Deadline, Error, Outcome, Report, Sender};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// On the multi-thread runtime, or `aws-esdk` would make a thread, a runtime
/// and a connection to KMS for every code (see `cognito_sender::code`).
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> ExitCode {
    log_to_stdout();
    let config = match Config::read(environment) {
        Ok(config) => config,
        Err(invalid) => {
            report_failed_init(&invalid).await;
            return ExitCode::FAILURE;
        }
    };
    let clients = Clients::new(&config).await;
    let sender = Arc::new(Sender::new(config, clients).await);
    if !is_on_demand() {
        sender.start_probes(&[Channel::Sms, Channel::Email]);
    }
    let handler = service_fn(move |event| answer(Arc::clone(&sender), event));
    // One event at a time, unless AWS_LAMBDA_MAX_CONCURRENCY says more (Lambda
    // Managed Instances).
    match lambda_runtime::run_concurrent(handler).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the Lambda Runtime API failed");
            ExitCode::FAILURE
        }
    }
}

/// Whether Lambda starts this, as a rule, for an event that it has, not ahead of
/// any as with provisioned concurrency ("Defined runtime environment variables").
/// That event asks the account what its own channel needs, beside the opening of
/// its code, and is answered as soon as with all asked before (docs/cost.md). The
/// other channel's questions would use up the account's rate: SES answers one of
/// them a second, SNS lists numbers once a second.
fn is_on_demand() -> bool {
    environment("AWS_LAMBDA_INITIALIZATION_TYPE").as_deref() == Some("on-demand")
}

async fn answer(sender: Arc<Sender>, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    let context = &event.context;
    let mut report = Report::new(&context.env_config.function_name, &context.request_id);
    let deadline = Deadline::of_invocation(context.deadline);
    let result = caught(sender.handle(&event.payload, deadline, &mut report)).await;
    print(&report.line(&result));
    match (result, report.channel()) {
        (Ok(outcome), Some(channel)) => Ok(outcome.to_json(channel)),
        (Ok(_), None) => Ok(Value::Null),
        (Err(error), _) => Err(diagnostic(&error)),
    }
}

/// A panic's own text may quote what the code held, so Lambda must not see it;
/// the hook of [`log_to_stdout`] logs where it was.
async fn caught(handling: impl Future<Output = Result<Outcome, Error>>) -> Result<Outcome, Error> {
    let mut handling = pin!(handling);
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(context)))
            .unwrap_or(Poll::Ready(Err(Error::Internal)))
    })
    .await
}

/// Lambda shows `errorType` and `errorMessage`; the names are stable.
fn diagnostic(error: &Error) -> Diagnostic {
    Diagnostic {
        error_type: error.name().to_owned(),
        error_message: error.to_string(),
    }
}

/// JSON lines at `AWS_LAMBDA_LOG_LEVEL`. That level is ours alone: below WARN,
/// `lambda_runtime` would print whole events.
fn log_to_stdout() {
    let level = match environment("AWS_LAMBDA_LOG_LEVEL").as_deref() {
        Some("FATAL") => Level::ERROR,
        Some(level) => Level::from_str(level).unwrap_or(Level::INFO),
        None => Level::INFO,
    };
    let filter = Targets::new()
        .with_target("cognito_sender", level)
        .with_target("bootstrap", level)
        // It repeats every error that an event ends in, without its request.
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF)
        .with_default(level.min(Level::WARN));
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().json().flatten_event(true))
        .with(filter)
        .init();
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panicked");
    }));
}

fn print(line: &str) {
    // If stdout is gone there is nobody left to tell.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Tells Lambda, which shows it to whoever deploys, and the log.
async fn report_failed_init(invalid: &InvalidConfig) {
    tracing::error!(errorType = "InvalidConfiguration", "{invalid}");
    if environment("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    let request = lambda_runtime_api_client::build_request()
        .method("POST")
        .uri("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", "InvalidConfiguration")
        .body(lambda_runtime_api_client::body::Body::from(
            json!({"errorType": "InvalidConfiguration", "errorMessage": invalid.to_string()})
                .to_string(),
        ));
    if let Ok(request) = request {
        let client = lambda_runtime_api_client::PooledClient::builder().build();
        let _ = client.call(request).await;
    }
}
