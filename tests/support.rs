//! The function, as a process and in this one, against a stand-in.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use cognito_sender::code::{Opener, SealedCode, Secret, seal};
use cognito_sender::config::KmsKeyArn;
use cognito_sender::event::UserPoolId;
use cognito_sender::local::{Answer, KEY_ARN, Options, Record, Sms, StandIn};
use cognito_sender::{Clients, Config, Deadline, Error, Outcome, Report, Sender};
use serde_json::{Value, json};

/// The function's name in its log lines, as Lambda would give it.
pub(crate) const FUNCTION: &str = "cognito-sender";

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
    // On a current-thread runtime the Encryption SDK calls KMS from a thread of
    // its own, which must not be given a connection that this one drives.
    let kms = endpoint.replace("127.0.0.1", "localhost");
    let given = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ENDPOINT_URL_KMS", kms.as_str()),
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

pub(crate) fn config(aws: &StandIn, own: &[(&str, &str)]) -> Config {
    let variables = variables(aws, own);
    let lookup = |name: &str| {
        let found = variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    Config::read(lookup).unwrap()
}

/// How long a test's event is worked on, where a fault does not pass.
const PATIENCE: Duration = Duration::from_secs(6);

/// A file's event as Cognito would send it once more: with another ciphertext.
/// What a test sealed itself stays as it is, and so is a redelivery.
pub(crate) async fn fresh(event: &Value) -> Value {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static FILES: OnceLock<HashSet<String>> = OnceLock::new();
    static KMS: OnceLock<StandIn> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        let files = std::fs::read_dir("events").unwrap();
        let events = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        let events = events.map(|text| serde_json::from_str::<Value>(&text).unwrap());
        let codes = events.map(|event| event["request"]["code"].as_str().map(str::to_owned));
        codes.flatten().collect()
    });
    const EVENT_ID: &str = "/request/userAttributes/EVENT_ID";
    if event.pointer(EVENT_ID) == Some(&json!("b2c3d4e5-6789-01ab-cdef-example22222")) {
        let another = format!("event-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        return with(event.clone(), EVENT_ID, another);
    }
    let code = event.pointer("/request/code").and_then(Value::as_str);
    let pool = event["userPoolId"].as_str().and_then(UserPoolId::parse);
    let (Some(code), Some(pool)) = (code.filter(|code| files.contains(*code)), pool) else {
        return event.clone();
    };
    let aws = KMS.get_or_init(|| StandIn::start(Options::default()).unwrap());
    let config = config(aws, &[]);
    let kms = Clients::new(&config).await.kms;
    let opener = Opener::new(kms.clone(), &config.kms_key).await;
    match opener.open(&SealedCode::new(code), &pool).await {
        Ok(code) => {
            let sealed = seal(kms, &config.kms_key, &pool, &code).await.unwrap();
            with(event.clone(), "/request/code", sealed)
        }
        Err(_) => event.clone(),
    }
}

/// The pipeline in this process.
pub(crate) struct Local {
    pub(crate) aws: StandIn,
    pub(crate) sender: Sender,
    pub(crate) config: Config,
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
        let event = fresh(event).await;
        let mut report = Report::new(FUNCTION, "request-1");
        let deadline = Deadline::after(PATIENCE);
        let result = Box::pin(self.sender.handle(&event, deadline, &mut report)).await;
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

/// The real `bootstrap`. It ends when dropped.
pub(crate) struct Process {
    child: Child,
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

impl Process {
    /// Takes events from the stand-in's Lambda.
    pub(crate) fn start(aws: &StandIn, own: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
            .env_clear()
            .envs(variables(aws, own))
            .env("AWS_LAMBDA_RUNTIME_API", aws.runtime_api())
            .env("AWS_LAMBDA_FUNCTION_NAME", FUNCTION)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = vec![
            gather(child.stdout.take().unwrap()),
            gather(child.stderr.take().unwrap()),
        ];
        Self { child, log }
    }

    /// How much memory it has resident, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.unwrap().trim().trim_end_matches(" kB");
        resident.parse().unwrap()
    }

    /// Ends it; everything that it has printed.
    pub(crate) fn stop(mut self) -> String {
        self.kill();
        let log = std::mem::take(&mut self.log).into_iter();
        log.map(|log| log.join().unwrap()).collect()
    }

    fn kill(&mut self) {
        // Already gone after `stop`, or when its init failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The real `bootstrap`, behind the stand-in's Lambda.
pub(crate) struct Function {
    pub(crate) aws: StandIn,
    process: Process,
}

impl Function {
    pub(crate) fn start(options: Options, own: &[(&str, &str)]) -> Self {
        let aws = StandIn::start(options).unwrap();
        let process = Process::start(&aws, own);
        Self { aws, process }
    }

    /// Another process, which remembers nothing, against the same AWS.
    pub(crate) async fn restart(self, own: &[(&str, &str)]) -> Self {
        let Self { aws, mut process } = self;
        process.kill();
        let process = Process::start(&aws, own);
        // The one before asked for an event too, and must not be given it.
        aws.asked().await;
        Self { aws, process }
    }

    /// The event as it is: a redelivery, if it came before.
    pub(crate) async fn deliver(&self, event: &Value) -> Answer {
        self.aws.invoke(event.clone()).await.unwrap()
    }

    pub(crate) async fn answer(&self, event: &Value) -> Answer {
        self.aws.invoke(fresh(event).await).await.unwrap()
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
    pub(crate) fn stop(self) -> String {
        self.process.stop()
    }

    /// As `stop`; the AWS stays.
    pub(crate) fn end(self) -> (StandIn, String) {
        (self.aws, self.process.stop())
    }
}

/// The answer to a message that was withheld.
pub(crate) fn withheld(channel: &str, reason: &str) -> Value {
    json!({"outcome": "withheld", "channel": channel, "reason": reason})
}

/// What the command line printed, and its exit code.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The real `cognito-sender` against the stand-in, without a terminal.
pub(crate) fn run(aws: &StandIn, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_cognito-sender"))
        .args(arguments)
        .env_clear()
        .env("AWS_ENDPOINT_URL", aws.endpoint())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
