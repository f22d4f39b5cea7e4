//! Programs behind a Runtime API and an AWS stand-in, both on loopback, and what
//! the kernel counted of them.

pub(crate) mod tls;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cognito_sender::code::seal;
use cognito_sender::config::environment;
use cognito_sender::event::UserPoolId;
use cognito_sender::local::{Answer, KEY_ARN, Options, StandIn};
use cognito_sender::{Clients, Config, Secret};
use serde_json::Value;

/// The pool of `events/`.
pub(crate) const POOL: &str = "us-east-1_AbCdEfGhI";

/// Settings of the function that reach the stand-in.
pub(crate) fn config(aws: &StandIn) -> Config {
    let endpoint = aws.endpoint();
    Config::read(|name| {
        let value = match name {
            "AWS_ENDPOINT_URL" => endpoint.as_str(),
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "local",
            "KMS_KEY_ARN" => KEY_ARN,
            _ => return None,
        };
        Some(value.to_owned())
    })
    .unwrap()
}

/// So many sign-ups with a code each, as Cognito sends them: the function sends
/// none twice.
pub(crate) async fn events(count: usize) -> Vec<Value> {
    let event = std::fs::read_to_string("events/CustomSMSSender_SignUp.json").unwrap();
    let event: Value = serde_json::from_str(&event).unwrap();
    let pool = UserPoolId::parse(POOL).unwrap();
    let aws = StandIn::start(Options::default()).unwrap();
    let config = config(&aws);
    let kms = Clients::new(&config).await.kms;
    let mut events = Vec::new();
    for n in 0..count {
        let code = Secret::from(format!("{n:06}"));
        let sealed = seal(kms.clone(), &config.kms_key, &pool, &code);
        let mut event = event.clone();
        event["request"]["code"] = sealed.await.unwrap().into();
        events.push(event);
    }
    events
}

/// One start of a program, which ends with this value.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// `wrapped` is what runs it: nothing, `valgrind` with its arguments, ...
    pub(crate) fn start(
        wrapped: &[String],
        program: &[String],
        aws: &StandIn,
        endpoint: &str,
        more: &[(&str, &str)],
    ) -> Self {
        let mut command = command(wrapped, program, aws, endpoint, more);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

/// What starts a program, in the environment of a function.
pub(crate) fn command(
    wrapped: &[String],
    program: &[String],
    aws: &StandIn,
    endpoint: &str,
    more: &[(&str, &str)],
) -> Command {
    let line: Vec<&String> = wrapped.iter().chain(program).collect();
    let mut command = Command::new(line[0]);
    command
        .args(&line[1..])
        .env_clear()
        .env("PATH", environment("PATH").unwrap_or_default())
        .env("AWS_LAMBDA_RUNTIME_API", aws.runtime_api())
        .env("AWS_LAMBDA_FUNCTION_NAME", "cost")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", "us-east-1")
        // The name that Python knows.
        .env("AWS_DEFAULT_REGION", "us-east-1")
        // The SDK for Node warns of its own future.
        .env("NODE_NO_WARNINGS", "1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("KMS_KEY_ARN", KEY_ARN)
        .env("EMAIL_FROM", "Acme <no-reply@example.com>")
        .envs(more.iter().copied());
    command
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Hands the event over and sees that it was answered.
pub(crate) async fn answered(aws: &StandIn, event: &Value) {
    let answer = aws.invoke(event.clone()).await.unwrap();
    assert!(matches!(answer, Answer::Response(_)), "{answer:?}");
}

/// Builds programs as they are shipped: release, without the command line.
#[expect(
    clippy::disallowed_methods,
    reason = "what cargo sets is no configuration"
)]
pub(crate) fn built(arguments: &[&str]) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells this program it must not tell the build, or build scripts that look at it
    // (ring's) run anew, and all that depends on them.
    let own = std::env::vars_os().map(|(name, _)| name);
    for name in own.filter(|name| name.to_string_lossy().starts_with("CARGO_")) {
        if name != "CARGO_TARGET_DIR" && name != "CARGO_HOME" {
            cargo.env_remove(name);
        }
    }
    let status = cargo
        .args(["build", "--release", "--locked", "--no-default-features"])
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success());
    // A bench runs from `deps`, in the folder of its profile.
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().nth(3).unwrap();
    target.join("release")
}

pub(crate) fn size(file: &Path) -> u64 {
    std::fs::metadata(file).unwrap().len()
}

/// A folder that goes when it is no longer needed.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("cognito-sender-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
