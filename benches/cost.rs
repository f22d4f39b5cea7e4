//! What the function costs beside a bare `lambda_runtime` hello, in one run:
//! `cargo bench`.
//!
//! Both are release programs behind the same Runtime API and the same AWS
//! stand-in on loopback, started in turn, so that what disturbs the machine
//! disturbs both. Medians, with the quartiles; milliseconds unless said.
//!
//! * init: spawn to the first request for an event;
//! * cold: spawn to the first answer, the event handed over when asked for;
//! * warm: from an event to its answer, after the first;
//! * memory: the most that was resident (`VmHWM`), at the end.
//!
//! And what the words of one message cost, in microseconds, in this process:
//! the first in a language, whose texts are then read, and any later one.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on says so by panicking"
)]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cognito_sender::catalogue::BUILT_IN;
use cognito_sender::code::seal;
use cognito_sender::config::TextsConfig;
use cognito_sender::event::UserPoolId;
use cognito_sender::local::{Answer, KEY_ARN, Options, StandIn};
use cognito_sender::message::Texts;
use cognito_sender::{Clients, Config, Request, Secret};
use serde_json::Value;

/// Starts of each program.
const STARTS: usize = 40;
/// Warm events a start.
const EVENTS: usize = 25;

struct Program {
    name: &'static str,
    path: PathBuf,
    init: Vec<f64>,
    cold: Vec<f64>,
    warm: Vec<f64>,
    memory: Vec<f64>,
}

impl Program {
    fn new(name: &'static str, path: impl Into<PathBuf>) -> Self {
        Self {
            name,
            path: path.into(),
            init: Vec::new(),
            cold: Vec::new(),
            warm: Vec::new(),
            memory: Vec::new(),
        }
    }

    /// One start, from spawn to the last warm event.
    async fn run(&mut self, events: &[Value]) {
        let aws = StandIn::start(Options::default()).unwrap();
        let asked = aws.asked();
        let begin = Instant::now();
        let mut process = start(&self.path, &aws);
        asked.await;
        self.init.push(milliseconds(begin.elapsed()));
        let (first, warm) = events.split_first().unwrap();
        answered(&aws, first).await;
        self.cold.push(milliseconds(begin.elapsed()));
        for event in warm {
            let begin = Instant::now();
            answered(&aws, event).await;
            self.warm.push(milliseconds(begin.elapsed()));
        }
        self.memory.push(peak_megabytes(process.id()));
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

/// Events with a code each, as Cognito sends them: the function sends none
/// twice.
async fn events() -> Vec<Value> {
    let event = std::fs::read_to_string("events/CustomSMSSender_SignUp.json").unwrap();
    let event: Value = serde_json::from_str(&event).unwrap();
    let pool = UserPoolId::parse(event["userPoolId"].as_str().unwrap()).unwrap();
    let aws = StandIn::start(Options::default()).unwrap();
    let endpoint = aws.endpoint();
    let config = Config::read(|name| {
        let value = match name {
            "AWS_ENDPOINT_URL" => endpoint.as_str(),
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "local",
            "KMS_KEY_ARN" => KEY_ARN,
            _ => return None,
        };
        Some(value.to_owned())
    })
    .unwrap();
    let kms = Clients::new(&config).await.kms;
    let mut events = Vec::new();
    for n in 0..=EVENTS {
        let code = Secret::from(format!("{n:06}"));
        let sealed = seal(kms.clone(), &config.kms_key, &pool, &code)
            .await
            .unwrap();
        let mut event = event.clone();
        event["request"]["code"] = sealed.into();
        events.push(event);
    }
    events
}

fn start(program: &Path, aws: &StandIn) -> Child {
    Command::new(program)
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", aws.runtime_api())
        .env("AWS_LAMBDA_FUNCTION_NAME", "cost")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_ENDPOINT_URL", aws.endpoint())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("KMS_KEY_ARN", KEY_ARN)
        .env("EMAIL_FROM", "Acme <no-reply@example.com>")
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

async fn answered(aws: &StandIn, event: &Value) {
    let answer = aws.invoke(event.clone()).await.unwrap();
    assert!(matches!(answer, Answer::Response(_)), "{answer:?}");
}

fn peak_megabytes(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<f64>().unwrap() / 1000.0
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Lower quartile, median, upper quartile.
fn quartiles(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4])
}

/// Builds the hello with the profile of this program's own build.
fn hello(bootstrap: &Path) -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--example", "hello"])
        .status()
        .unwrap();
    assert!(built.success());
    bootstrap.parent().unwrap().join("examples/hello")
}

/// Microseconds for the first message in a language, and for a later one.
fn rendering(name: &str, render: impl Fn(&str)) {
    let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
    let mut first = Vec::new();
    let mut later = Vec::new();
    for locale in BUILT_IN {
        let begin = Instant::now();
        render(locale);
        first.push(microseconds(begin.elapsed()));
        for _ in 0..50 {
            let begin = Instant::now();
            render(locale);
            later.push(microseconds(begin.elapsed()));
        }
    }
    let ([_, first, _], [_, later, _]) = (quartiles(&first), quartiles(&later));
    println!("one {name}: first in a language {first:.0} us, later {later:.0} us");
}

fn messages() {
    let texts = || {
        Texts::new(&TextsConfig {
            app: Some("Acme".to_owned()),
            domain: None,
            last_line: None,
            locale: "en".to_owned(),
            folder: None,
            mfa_minutes: 3,
            password_days: 7,
        })
    };
    let request = |name: &str, locale: &str| {
        let event = std::fs::read_to_string(format!("events/{name}.json")).unwrap();
        let mut event: Value = serde_json::from_str(&event).unwrap();
        event["request"]["userAttributes"]["locale"] = locale.into();
        Request::parse(&event).unwrap()
    };
    let requests = |name: &str| -> Vec<Request> {
        BUILT_IN
            .iter()
            .map(|locale| request(name, locale))
            .collect()
    };
    let code = Secret::from("123456");
    let at = |locale: &str| BUILT_IN.iter().position(|known| *known == locale).unwrap();
    let (sms, email, own) = (
        requests("CustomSMSSender_SignUp"),
        requests("CustomEmailSender_SignUp"),
        texts(),
    );
    rendering("SMS", |locale| {
        black_box(own.sms(&sms[at(locale)], &code, None));
    });
    rendering("mail", |locale| {
        black_box(own.email(&email[at(locale)], &code));
    });
}

#[tokio::main]
async fn main() {
    messages();
    let bootstrap = Path::new(env!("CARGO_BIN_EXE_bootstrap"));
    let events = events().await;
    let mut programs = [
        Program::new("bare hello", hello(bootstrap)),
        Program::new("cognito-sender", bootstrap),
    ];
    for _ in 0..STARTS {
        for program in &mut programs {
            program.run(&events).await;
        }
    }
    println!("| program | init ms | cold ms | warm ms | memory MB | binary MB |");
    println!("|---|---|---|---|---|---|");
    let mut medians = Vec::new();
    for program in &programs {
        let binary = std::fs::metadata(&program.path).unwrap().len();
        #[expect(clippy::cast_precision_loss, reason = "megabytes to a tenth")]
        let binary = binary as f64 / 1e6;
        let columns = [&program.init, &program.cold, &program.warm, &program.memory];
        let told: Vec<[f64; 3]> = columns.iter().map(|values| quartiles(values)).collect();
        let cells: Vec<String> = told
            .iter()
            .map(|[low, median, high]| format!("{median:.2} ({low:.2}-{high:.2})"))
            .collect();
        println!("| {} | {} | {binary:.1} |", program.name, cells.join(" | "));
        medians.push(
            told.iter()
                .map(|[_, median, _]| *median)
                .chain([binary])
                .collect::<Vec<_>>(),
        );
    }
    let ratios: Vec<String> = medians[1]
        .iter()
        .zip(&medians[0])
        .map(|(ours, hello)| format!("{:.1}", ours / hello))
        .collect();
    println!("| ratio | {} |", ratios.join(" | "));
}
