//! The function itself: whether it starts, and has the time that it needs.

use aws_config::SdkConfig;
use aws_sdk_lambda::types::{FunctionConfiguration, LastUpdateStatus, Runtime, State};
use cognito_sender::config::{Config, InvalidConfig};

use super::finding::{Check, Finding};

/// What fails within the invocation is tried again for 25 seconds; this leaves
/// time to tell what became of it. The template's.
const TIMEOUT_SECONDS: i32 = 30;

/// Whether the function can read its settings: a finding for each wrong one.
pub(crate) fn settings(config: &Result<Config, InvalidConfig>) -> Vec<Finding> {
    let problems = match config {
        Ok(_) => return vec![Finding::ok(Check::Settings, "all variables can be read")],
        Err(InvalidConfig(problems)) => problems,
    };
    let finding = |problem: &cognito_sender::config::Problem| {
        let what = format!("{} {}", problem.variable, problem.what);
        let why = "the function does not start, so no code is sent; nor could its pools, key, \
                   role and channels be looked at";
        Finding::failure(Check::Settings, what, why).advice(format!(
            "set it by the stack's parameter, to such as {}; `aws lambda \
             update-function-configuration --environment` drops every variable that it leaves out",
            problem.example
        ))
    };
    problems.iter().map(finding).collect()
}

/// What Lambda says of it.
pub(crate) async fn look(sdk: &SdkConfig, function: &FunctionConfiguration) -> Vec<Finding> {
    vec![
        code(function),
        state(function),
        runtime(sdk, function),
        timeout(sdk, function),
        concurrency(sdk, function).await,
    ]
}

/// Which program it is.
fn code(function: &FunctionConfiguration) -> Finding {
    // To the minute: 2026-11-01T12:00.
    let since = function.last_modified().unwrap_or_default();
    let since: String = since.chars().take(16).collect();
    let what = format!(
        "version {}, SHA-256 {}, as it is since {}",
        function.version().unwrap_or("unknown"),
        function.code_sha256().unwrap_or("unknown"),
        since.replace('T', " "),
    );
    Finding::ok(Check::Code, what)
}

fn state(function: &FunctionConfiguration) -> Finding {
    let last_update = function.last_update_status();
    if last_update == Some(&LastUpdateStatus::Failed) {
        let reason = function.last_update_status_reason().unwrap_or_default();
        let what = format!("the last update failed: {reason}");
        let why = "what runs is the code and the settings from before it";
        return Finding::failure(Check::State, what, why)
            .advice("mend what it names, and deploy again");
    }
    match function.state() {
        // An idle one wakes when it is invoked.
        None | Some(State::Active | State::Inactive) => {
            Finding::ok(Check::State, "active, last update successful")
        }
        Some(state) => {
            let reason = function.state_reason().unwrap_or_default();
            let what = format!("its state is {}. {reason}", state.as_str());
            let why = "Lambda invokes active functions only";
            Finding::failure(Check::State, what, why).advice("mend what it names, and deploy again")
        }
    }
}

fn runtime(sdk: &SdkConfig, function: &FunctionConfiguration) -> Finding {
    let Some(runtime) = function.runtime() else {
        return Finding::ok(Check::Runtime, "a container image");
    };
    let memory = function.memory_size().unwrap_or_default();
    let processor = function
        .architectures()
        .first()
        .map_or("", |own| own.as_str());
    match runtime {
        Runtime::Providedal2023 => {
            let what = format!("{}, {processor}, {memory} MB", runtime.as_str());
            Finding::ok(Check::Runtime, what)
        }
        other => Finding::warning(
            Check::Runtime,
            format!("its runtime is {}", other.as_str()),
            "the program is built for provided.al2023; others lack its libraries, or end",
        )
        .command(configure(sdk, function, "--runtime provided.al2023")),
    }
}

fn timeout(sdk: &SdkConfig, function: &FunctionConfiguration) -> Finding {
    // Lambda's own default.
    let seconds = function.timeout().unwrap_or(3);
    if seconds >= TIMEOUT_SECONDS {
        return Finding::ok(Check::Timeout, format!("{seconds} seconds for an event"));
    }
    Finding::warning(
        Check::Timeout,
        format!("it has {seconds} seconds for an event"),
        "throttled and failed calls are tried again for up to 25 seconds; cut short, the code \
         waits for Lambda's next try a minute later, when a sign-in code is half dead",
    )
    .command(configure(
        sdk,
        function,
        &format!("--timeout {TIMEOUT_SECONDS}"),
    ))
}

async fn concurrency(sdk: &SdkConfig, function: &FunctionConfiguration) -> Finding {
    let lambda = aws_sdk_lambda::Client::new(sdk);
    let name = function.function_name().unwrap_or_default();
    let asking = lambda.get_function_concurrency().function_name(name);
    match asking.send().await {
        Err(error) => Finding::untold(Check::Concurrency, "lambda:GetFunctionConcurrency", &error),
        Ok(answer) => match answer.reserved_concurrent_executions() {
            None => Finding::ok(Check::Concurrency, "no limit of its own"),
            Some(0) => Finding::failure(
                Check::Concurrency,
                "its reserved concurrency is 0",
                "the function is switched off: no event is handed to it",
            )
            .command(format!(
                "aws lambda delete-function-concurrency --region {} --function-name {name}",
                region(sdk)
            )),
            Some(most) => Finding::ok(Check::Concurrency, format!("at most {most} events at once")),
        },
    }
}

/// Changes this one setting, and leaves the others.
fn configure(sdk: &SdkConfig, function: &FunctionConfiguration, setting: &str) -> String {
    let name = function.function_name().unwrap_or_default();
    let region = region(sdk);
    format!(
        "aws lambda update-function-configuration --region {region} --function-name {name} {setting}"
    )
}

fn region(sdk: &SdkConfig) -> &str {
    sdk.region().map_or("", AsRef::as_ref)
}
