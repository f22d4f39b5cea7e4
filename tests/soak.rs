//! A soak: two processes, several events at once in each, every kind of code,
//! redeliveries and faults; at the end each message is counted against what
//! the log says was written down, and memory against what it was early on.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cognito_sender::code::seal;
use cognito_sender::config::KmsKeyArn;
use cognito_sender::event::UserPoolId;
use cognito_sender::local::{Answer, Fault, KEY_ARN, Options, StandIn};
use cognito_sender::{Clients, Secret};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{Process, config, event, to, with};

const OWN: &[(&str, &str)] = &[
    ("LEDGER_TABLE", "ledger"),
    ("AWS_LAMBDA_MAX_CONCURRENCY", "8"),
];

/// How many people wait for codes at once.
const PEOPLE: usize = 24;

/// As Lambda would, and an operator who puts a failed event in again.
const MOST_TRIES: u32 = 10;

const EVENTS: [&str; 10] = [
    "CustomSMSSender_SignUp",
    "CustomSMSSender_Authentication",
    "CustomSMSSender_ForgotPassword",
    "CustomSMSSender_ResendCode",
    "CustomSMSSender_VerifyUserAttribute",
    "CustomEmailSender_SignUp",
    "CustomEmailSender_Authentication",
    "CustomEmailSender_ForgotPassword",
    "CustomEmailSender_ResendCode",
    "CustomEmailSender_AdminCreateUser",
];

/// Where numbers are: in the United States, Britain, Germany and Japan.
const PREFIXES: [&str; 4] = ["+1206", "+4477", "+4917", "+8190"];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_soak_no_code_is_lost_and_none_sent_twice() {
    soak(400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "ten minutes or so: cargo test --release -- --ignored --nocapture hundred_thousand"]
async fn of_a_hundred_thousand_events_no_code_is_lost_and_none_sent_twice() {
    soak(100_000).await;
}

/// What the workers share.
struct Soak {
    aws: StandIn,
    kms: aws_sdk_kms::Client,
    size: usize,
    deliveries: AtomicUsize,
    codes: AtomicUsize,
    /// Events that come once more, later.
    later: Mutex<VecDeque<Value>>,
}

/// What the stand-in saw of one recipient, who gets one code; in its order.
enum Seen {
    /// A message went out.
    Message,
    /// A delivery ended.
    Ended { request_id: String },
}

/// What a log line says.
struct Line {
    outcome: String,
    doubted: bool,
    /// How often it was handed to SNS or SES, at most.
    sends: u64,
}

async fn soak(size: usize) {
    let aws = StandIn::start(Options::default()).unwrap();
    let kms = Clients::new(&config(&aws, &[])).await.kms;
    let processes = [Process::start(&aws, OWN), Process::start(&aws, OWN)];
    let soak = Arc::new(Soak {
        aws,
        kms,
        size,
        deliveries: AtomicUsize::new(0),
        codes: AtomicUsize::new(0),
        later: Mutex::default(),
    });
    let over = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn(watch(Arc::clone(&soak), Arc::clone(&over)));
    let begin = Instant::now();
    let people: Vec<_> = (0..PEOPLE)
        .map(|_| tokio::spawn(ask(Arc::clone(&soak))))
        .collect();

    // Early: a tenth of the way.
    while soak.deliveries.load(Ordering::Relaxed) < size / 10 {
        sleep(Duration::from_millis(20)).await;
    }
    let early: Vec<u64> = processes.iter().map(Process::memory).collect();
    for one in people {
        one.await.unwrap();
    }
    let took = begin.elapsed().as_secs_f64();
    let late: Vec<u64> = processes.iter().map(Process::memory).collect();
    over.store(true, Ordering::Relaxed);
    let seen = watching.await.unwrap();
    let log: String = processes.into_iter().map(Process::stop).collect();
    let figures = judge(&seen, &lines(&log));

    let deliveries = soak.deliveries.load(Ordering::Relaxed);
    let codes = soak.codes.load(Ordering::Relaxed);
    assert_eq!(seen.len(), codes);
    tell(&format!(
        "{deliveries} deliveries of {codes} codes in {took:.0} s, {:.0} a second; {figures:?}; \
         KiB resident after a tenth {early:?}, at the end {late:?}",
        deliveries as f64 / took
    ));
    // Enough of everything, or it proves nothing.
    for kind in ["sent", "duplicate", "withheld", "error"] {
        assert!(figures[kind] > 0, "{figures:?}");
    }
    for (early, late) in early.iter().zip(&late) {
        assert!(
            late - early.min(late) < early / 4,
            "{early} KiB, then {late}"
        );
    }
}

#[expect(
    clippy::print_stderr,
    reason = "whoever runs the long one wants its figures"
)]
fn tell(figures: &str) {
    eprintln!("{figures}");
}

/// One person after the other asks for a code, until there were enough events.
async fn ask(soak: Arc<Soak>) {
    while soak.deliveries.load(Ordering::Relaxed) < soak.size {
        let again = {
            let mut later = soak.later.lock().unwrap();
            if later.len() > PEOPLE {
                later.pop_front()
            } else {
                None
            }
        };
        if let Some(event) = again {
            soak.deliver(&event).await;
            continue;
        }
        let event = soak.code().await;
        match fastrand::u32(0..10) {
            0 => {
                tokio::join!(soak.deliver(&event), soak.deliver(&event));
            }
            1 => {
                soak.deliver(&event).await;
                soak.deliver(&event).await;
            }
            2 => {
                soak.deliver(&event).await;
                soak.later.lock().unwrap().push_back(event);
            }
            _ => soak.deliver(&event).await,
        }
    }
}

impl Soak {
    /// A fresh code, for somebody who gets no other.
    async fn code(&self) -> Value {
        let number = self.codes.fetch_add(1, Ordering::Relaxed);
        let name = EVENTS[number % EVENTS.len()];
        let prefix = PREFIXES[number % PREFIXES.len()];
        let recipient = match (name.contains("Email"), number % 50) {
            // What cannot be delivered, and is withheld.
            (_, 0) => format!("0{number:08}"),
            (true, _) => format!("user-{number}@example.com"),
            (false, _) => format!("{prefix}{number:08}"),
        };
        let event = if name.contains("Email") {
            with(event(name), "/request/userAttributes/email", recipient)
        } else {
            to(event(name), &recipient)
        };
        let pool = UserPoolId::parse(event["userPoolId"].as_str().unwrap()).unwrap();
        let key = KmsKeyArn::parse(KEY_ARN).unwrap();
        let code = Secret::from(format!("{:06}", fastrand::u32(..1_000_000)));
        let sealed = seal(self.kms.clone(), &key, &pool, &code).await;
        with(event, "/request/code", sealed.unwrap())
    }

    /// Hands an event over until it does not fail.
    async fn deliver(&self, event: &Value) {
        for _ in 0..MOST_TRIES {
            let count = self.deliveries.fetch_add(1, Ordering::Relaxed);
            if count.is_multiple_of(10) {
                let operations = ["Decrypt", "Publish", "SendEmail", "UpdateItem"];
                let (which, operation) = (count / 10 % 8, operations[count / 80 % 4]);
                let times = fastrand::u32(1..=3);
                self.aws.add_fault(operation, fault(which), times);
            }
            // The table is gone for a while, and a service hangs.
            match count % 2000 {
                100 => {
                    let down = Fault::ServerError { status: 500 };
                    self.aws.add_fault("UpdateItem", down, 60);
                }
                150 => self.aws.add_fault("Publish", Fault::Hang, 1),
                200 => self.aws.add_fault("SendEmail", Fault::Hang, 1),
                _ => (),
            }
            match self.aws.invoke(event.clone()).await.unwrap() {
                Answer::Response(_) => return,
                Answer::Error { .. } => sleep(Duration::from_millis(50)).await,
                failed @ Answer::InitError { .. } => panic!("{failed:?}"),
            }
        }
        panic!("{MOST_TRIES} tries failed");
    }
}

fn fault(which: usize) -> Fault {
    match which {
        0 => Fault::Throttle,
        1 => Fault::Denied,
        2 => Fault::ServerError { status: 500 },
        3 => Fault::ServerError { status: 503 },
        4 => Fault::Slow { millis: 300 },
        5 => Fault::Cut,
        6 => Fault::AcceptedThenCut,
        _ => Fault::Garbage,
    }
}

/// Reads the outbox, which keeps the newest thousand records, as it fills.
async fn watch(soak: Arc<Soak>, over: Arc<AtomicBool>) -> HashMap<String, Vec<Seen>> {
    let mut seen: HashMap<String, Vec<Seen>> = HashMap::new();
    let mut newest = 0;
    loop {
        let last = over.load(Ordering::Relaxed);
        for record in soak.aws.outbox() {
            if record.id <= newest {
                continue;
            }
            assert_eq!(record.id, newest + 1, "the outbox was read too late");
            newest = record.id;
            let message_id = match (record.sms(), record.email()) {
                (Some(sms), _) => sms.message_id.as_ref(),
                (_, Some(email)) => email.message_id.as_ref(),
                (None, None) => None,
            };
            let what = match record.outcome() {
                Some(ended) => Seen::Ended {
                    request_id: ended.request_id.clone().unwrap(),
                },
                None if message_id.is_some() => Seen::Message,
                None => continue,
            };
            seen.entry(record.to).or_default().push(what);
        }
        if last {
            return seen;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// The log's lines of events, by request id.
fn lines(log: &str) -> HashMap<String, Line> {
    let events = log.lines().filter(|line| line.contains("\"_aws\""));
    events
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            let sending = line["sendMs"].is_number();
            let said = Line {
                outcome: text("outcome"),
                doubted: line["LedgerUnavailable"] == json!(1),
                sends: line["sendTries"].as_u64().unwrap_or(u64::from(sending)),
            };
            (text("requestId"), said)
        })
        .collect()
}

/// Counts each code's messages. What it was all in all, by name.
fn judge(
    seen: &HashMap<String, Vec<Seen>>,
    lines: &HashMap<String, Line>,
) -> BTreeMap<&'static str, usize> {
    let mut figures = BTreeMap::new();
    let mut count = |name| *figures.entry(name).or_default() += 1;
    for (recipient, seen) in seen {
        let told: Vec<&Line> = seen
            .iter()
            .filter_map(|what| match what {
                Seen::Message => None,
                Seen::Ended { request_id } => Some(&lines[request_id]),
            })
            .collect();
        for line in &told {
            count(match line.outcome.as_str() {
                "sent" => "sent",
                "duplicate" => "duplicate",
                "withheld" => "withheld",
                _ => "error",
            });
        }
        let messages = seen.iter().filter(|what| matches!(what, Seen::Message));
        let messages = messages.count();
        if recipient.starts_with('0') {
            assert_eq!(messages, 0, "{recipient}");
            assert!(told.iter().all(|line| line.outcome == "withheld"));
            continue;
        }
        assert!(messages > 0, "{recipient} got nothing");
        // Every message is one that a delivery knows of.
        let sends: u64 = told.iter().map(|line| line.sends).sum();
        assert!(messages as u64 <= sends, "{recipient}: {messages}, {sends}");
        let doubted = told.iter().any(|line| line.doubted);
        if !doubted {
            // Nothing went out after "sent" was written down.
            let written = seen.iter().position(|what| {
                matches!(what, Seen::Ended { request_id } if lines[request_id].outcome == "sent")
            });
            let after = &seen[written.unwrap()..];
            let late = after.iter().any(|what| matches!(what, Seen::Message));
            assert!(!late, "{recipient} got another");
            let unsure = told
                .iter()
                .any(|line| line.outcome == "error" || line.sends > 1);
            assert!(messages == 1 || unsure, "{recipient} got {messages}");
        }
        match (messages, doubted) {
            (1, _) => count("once"),
            (_, false) => count("again, after a lost answer"),
            (_, true) => count("again, without the ledger"),
        }
    }
    figures
}
