//! The function, as a process and in this one, against a stand-in.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use cognito_sender::code::{Secret, seal};
use cognito_sender::config::KmsKeyArn;
use cognito_sender::event::UserPoolId;
use cognito_sender::local::{Answer, KEY_ARN, Options, Record, Sms, StandIn};
use cognito_sender::{Clients, Config, Error, Outcome, Report, Sender};
use serde_json::{Value, json};

/// A file of events/, by its name without `.json`.
pub(crate) fn event(name: &str) -> Value {
    let path = Path::new("events").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// An event with another value in one place, as `/request/userAttributes/email`.
pub(crate) fn with(mut event: Value, pointer: &str, value: impl Into<Value>) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[name] = value.into();
    event
}

/// An event whose user has this number or address.
pub(crate) fn to(event: Value, destination: &str) -> Value {
    let attribute = if destination.contains('@') {
        "email"
    } else {
        "phone_number"
    };
    let pointer = format!("/request/userAttributes/{attribute}");
    with(event, &pointer, destination)
}

fn variables(aws: &StandIn, own: &[(&str, &str)]) -> Vec<(String, String)> {
    let endpoint = aws.endpoint();
    let given = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("KMS_KEY_ARN", KEY_ARN),
        ("EMAIL_FROM", "Acme <no-reply@example.com>"),
        ("APP_NAME", "Acme"),
    ];
    let kept = given
        .iter()
        .filter(|(name, _)| own.iter().all(|(other, _)| other != name));
    kept.chain(own)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn config(aws: &StandIn, own: &[(&str, &str)]) -> Config {
    let variables = variables(aws, own);
    let lookup = |name: &str| {
        let found = variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    Config::read(lookup).unwrap()
}

/// The pipeline in this process.
pub(crate) struct Local {
    pub(crate) aws: StandIn,
    pub(crate) sender: Sender,
    config: Config,
}

impl Local {
    pub(crate) async fn new(options: Options, own: &[(&str, &str)]) -> Self {
        let aws = StandIn::start(options).unwrap();
        let config = config(&aws, own);
        let sender = Sender::new(config.clone(), Clients::new(&config).await).await;
        Self {
            aws,
            sender,
            config,
        }
    }

    /// The event's end, and its log line.
    pub(crate) async fn handle(&self, event: &Value) -> (Result<Outcome, Error>, Value) {
        let mut report = Report::new("request-1");
        let result = Box::pin(self.sender.handle(event, &mut report)).await;
        let line = report.line(&result);
        assert!(!line.contains('\n'));
        (result, serde_json::from_str(&line).unwrap())
    }

    pub(crate) async fn outcome(&self, event: &Value) -> Outcome {
        self.handle(event).await.0.unwrap()
    }

    pub(crate) async fn error(&self, event: &Value) -> Error {
        self.handle(event).await.0.unwrap_err()
    }

    /// What the event sent: the newest of the outbox.
    pub(crate) async fn sent(&self, event: &Value) -> Record {
        let outcome = self.outcome(event).await;
        assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
        self.aws.outbox().pop().unwrap()
    }

    /// What the event sent, by SMS.
    pub(crate) async fn sent_sms(&self, event: &Value) -> Sms {
        self.sent(event).await.sms().unwrap().clone()
    }

    /// The event with a code sealed into it.
    pub(crate) async fn sealed(&self, event: Value, code: &str) -> Value {
        self.sealed_under(KEY_ARN, event, code).await
    }

    /// The event with a code sealed into it under another key.
    pub(crate) async fn sealed_under(&self, key: &str, event: Value, code: &str) -> Value {
        let kms = Clients::new(&self.config).await.kms;
        let pool = UserPoolId::parse(event["userPoolId"].as_str().unwrap()).unwrap();
        let key = KmsKeyArn::parse(key).unwrap();
        let sealed = seal(kms, &key, &pool, &Secret::from(code)).await.unwrap();
        with(event, "/request/code", sealed)
    }
}

/// The real `bootstrap`, behind the stand-in's Lambda.
pub(crate) struct Function {
    pub(crate) aws: StandIn,
    process: Child,
    /// What it prints, on standard output and on standard error.
    log: Vec<JoinHandle<String>>,
}

/// Gathers what a process prints, until it ends.
fn gather(output: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        lines.fold(String::new(), |log, line| log + &line + "\n")
    })
}

impl Function {
    pub(crate) fn start(options: Options, own: &[(&str, &str)]) -> Self {
        let aws = StandIn::start(options).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
            .env_clear()
            .envs(variables(&aws, own))
            .env("AWS_LAMBDA_RUNTIME_API", aws.runtime_api())
            .env("AWS_LAMBDA_FUNCTION_NAME", "cognito-sender")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = vec![
            gather(process.stdout.take().unwrap()),
            gather(process.stderr.take().unwrap()),
        ];
        Self { aws, process, log }
    }

    pub(crate) async fn answer(&self, event: &Value) -> Answer {
        self.aws.invoke(event.clone()).await.unwrap()
    }

    /// The answer, of an event that does not end in an error.
    pub(crate) async fn response(&self, event: &Value) -> Value {
        match self.answer(event).await {
            Answer::Response(value) => value,
            other => panic!("{other:?}"),
        }
    }

    /// The `errorType` and `errorMessage`, of an event that ends in an error.
    pub(crate) async fn error(&self, event: &Value) -> (String, String) {
        match self.answer(event).await {
            Answer::Error {
                error_type,
                message,
            }
            | Answer::InitError {
                error_type,
                message,
            } => (error_type, message),
            Answer::Response(value) => panic!("{value}"),
        }
    }

    /// Ends the process; everything that it has printed.
    pub(crate) fn stop(mut self) -> String {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let log = std::mem::take(&mut self.log).into_iter();
        log.map(|log| log.join().unwrap()).collect()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // Already gone after `stop`, or when its init failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The answer to a message that was withheld.
pub(crate) fn withheld(channel: &str, reason: &str) -> Value {
    json!({"outcome": "withheld", "channel": channel, "reason": reason})
}
