//! Every operation × every fault × how long it lasts × redelivery to another
//! environment, through the real process: messages are counted per code. Never
//! none where a retry could save it, never two where one was written down.

use std::sync::Mutex;
use std::time::Duration;

use cognito_sender::local::{Answer, Fault, Options};
use serde_json::Value;

use crate::support::{Function, event, fresh};

const TABLE: &[(&str, &str)] = &[("LEDGER_TABLE", "ledger")];

/// How often the fault strikes; `None`: until it is mended.
const LASTING: [Option<u32>; 3] = [Some(1), Some(2), None];

fn faults() -> Vec<Fault> {
    vec![
        Fault::Throttle,
        Fault::Denied,
        Fault::ServerError { status: 500 },
        Fault::ServerError { status: 503 },
        Fault::Slow { millis: 200 },
        Fault::Hang,
        Fault::Cut,
        Fault::AcceptedThenCut,
        Fault::Garbage,
    ]
}

fn passes(fault: &Fault) -> bool {
    !matches!(fault, Fault::Denied | Fault::Error { .. })
}

fn messages(function: &Function) -> usize {
    let outbox = function.aws.outbox();
    let sent = outbox.iter().filter(|record| record.outcome().is_none());
    sent.count()
}

fn outcome(answer: &Answer) -> &str {
    match answer {
        Answer::Response(value) => value["outcome"].as_str().unwrap(),
        Answer::Error { error_type, .. } | Answer::InitError { error_type, .. } => error_type,
    }
}

/// What the function calls, and an event on which it does.
const CALLS: [(&str, &str); 10] = [
    ("Decrypt", "CustomSMSSender_SignUp"),
    ("Publish", "CustomSMSSender_SignUp"),
    ("SendEmail", "CustomEmailSender_SignUp"),
    ("UpdateItem", "CustomSMSSender_SignUp"),
    ("UpdateItem", "CustomEmailSender_SignUp"),
    ("GetSMSSandboxAccountStatus", "CustomSMSSender_SignUp"),
    ("ListOriginationNumbers", "CustomSMSSender_SignUp"),
    ("CheckIfPhoneNumberIsOptedOut", "CustomSMSSender_SignUp"),
    ("GetAccount", "CustomEmailSender_SignUp"),
    ("GetSuppressedDestination", "CustomEmailSender_SignUp"),
];

#[test]
fn no_code_is_lost_and_none_is_sent_after_it_was_written_down() {
    let mut cases = Vec::new();
    for (operation, name) in CALLS {
        for fault in faults() {
            for lasting in LASTING {
                cases.push((operation, name, fault.clone(), lasting));
            }
        }
    }
    assert_eq!(cases.len(), 270);
    let cases = Mutex::new(cases);
    let next = || cases.lock().unwrap().pop();
    std::thread::scope(|scope| {
        // Most of them wait: for time-outs, leases and pauses.
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some((operation, name, fault, lasting)) = next() {
                    let runtime = tokio::runtime::Builder::new_current_thread();
                    let runtime = { runtime }.enable_all().build().unwrap();
                    runtime.block_on(suffer(operation, name, fault, lasting));
                }
            });
        }
    });
}

async fn suffer(operation: &str, name: &str, fault: Fault, lasting: Option<u32>) {
    let sends = matches!(operation, "Publish" | "SendEmail");
    let needed = sends || operation == "Decrypt";
    // One silence costs a send 7 s, and KMS 2.5 s.
    let patient = needed && matches!(fault, Fault::Hang) && lasting == Some(1);
    let options = Options {
        invoke_timeout: Duration::from_secs(if patient { 14 } else { 6 }),
        ..Options::default()
    };
    let function = Function::start(options, TABLE);
    let told = format!("{name}: {operation} {fault:?} {lasting:?}");
    let event: Value = fresh(&event(name)).await;
    function.aws.add_fault(operation, fault.clone(), lasting);
    let first = function.deliver(&event).await;
    function.aws.clear_faults();

    let once_more = passes(&fault) && lasting.is_some() && !matches!(fault, Fault::Hang);
    if !needed || patient || once_more || matches!(fault, Fault::Slow { .. }) {
        assert_eq!(outcome(&first), "sent", "{told}: {first:?}");
    }
    let rows = function.aws.ledger();
    let recorded = rows.iter().any(|row| row.get("sentAt").is_some());
    let so_far = messages(&function);

    // Lambda comes again, whatever the answer was, and to another environment.
    let function = function.restart(TABLE).await;
    let mut again = function.deliver(&event).await;
    if outcome(&again) == "DeliveryUnderWay" {
        tokio::time::sleep(Duration::from_secs(8)).await;
        again = function.deliver(&event).await;
    }
    let all = messages(&function);
    assert!(all >= 1, "{told}: lost; {first:?}, then {again:?}");
    if recorded {
        assert_eq!(all, so_far, "{told}: sent again; {again:?}");
        assert_eq!(outcome(&again), "duplicate", "{told}");
    }
    // Taken, and nobody was told; or nowhere to write it down.
    let lost_answer = sends && matches!(fault, Fault::AcceptedThenCut);
    let no_table = operation == "UpdateItem" && (lasting.is_none() || !passes(&fault));
    if !lost_answer && !no_table {
        assert_eq!(all, 1, "{told}: {first:?}, then {again:?}");
    }
}
