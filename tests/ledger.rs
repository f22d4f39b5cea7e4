//! One message per code.

use std::time::Duration;

use cognito_sender::local::{Fault, Options};
use cognito_sender::{Clients, Deadline, Outcome, Reason, Report, Sender};
use serde_json::{Value, json};

use crate::support::{FUNCTION, Function, Local, event, fresh, with};

const TABLE: &[(&str, &str)] = &[("LEDGER_TABLE", "ledger")];

async fn deliver(
    sender: &Sender,
    event: &Value,
) -> (Result<Outcome, cognito_sender::Error>, Value) {
    let mut report = Report::new(FUNCTION, "1");
    let deadline = Deadline::after(Duration::from_secs(4));
    let result = Box::pin(sender.handle(event, deadline, &mut report)).await;
    let line = serde_json::from_str(&report.line(&result)).unwrap();
    (result, line)
}

/// Another execution environment of the same function.
async fn another(local: &Local) -> Sender {
    let config = local.config.clone();
    Sender::new(config.clone(), Clients::new(&config).await).await
}

fn sends(local: &Local) -> usize {
    local.aws.calls("Publish").count + local.aws.calls("SendEmail").count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_delivery_is_a_duplicate_and_a_resend_is_not() {
    for own in [&[][..], TABLE] {
        let local = Local::new(Options::default(), own).await;
        for name in [
            "CustomSMSSender_SignUp",
            "CustomEmailSender_SignUp",
            "CustomEmailSender_Authentication",
        ] {
            let before = sends(&local);
            let first = fresh(&event(name)).await;
            assert!(matches!(local.outcome(&first).await, Outcome::Sent { .. }));
            assert_eq!(local.outcome(&first).await, Outcome::Duplicate);
            // Lambda's request ids and the rest of the event may differ.
            let retried = with(first.clone(), "/callerContext/awsSdkVersion", "other");
            assert_eq!(local.outcome(&retried).await, Outcome::Duplicate);
            assert_eq!(sends(&local) - before, 1);
            let resend = fresh(&event(name)).await;
            assert!(matches!(local.outcome(&resend).await, Outcome::Sent { .. }));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_tells_other_environments() {
    let local = Local::new(Options::default(), TABLE).await;
    let first = fresh(&event("CustomSMSSender_SignUp")).await;
    let Outcome::Sent { message_id } = local.outcome(&first).await else {
        panic!("not sent")
    };
    let other = another(&local).await;
    assert_eq!(deliver(&other, &first).await.0.unwrap(), Outcome::Duplicate);
    assert_eq!(sends(&local), 1);

    let rows = local.aws.ledger();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(row["messageId"], json!(message_id));
    assert!(row["expires"].as_u64().unwrap() > 1_700_000_000);
    assert!(row["sentAt"].as_u64().unwrap() >= row["firstSeen"].as_u64().unwrap());
    // Nothing of the code, of its ciphertext or of whom it was for.
    let text = row.to_string();
    let code = first["request"]["code"].as_str().unwrap();
    for secret in ["123456", "2065550100", &code[..24], "us-east-1_"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(row["code"].as_str().unwrap().len(), 43);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_deliveries_at_once_one_sends() {
    for own in [&[][..], TABLE] {
        let local = Local::new(Options::default(), own).await;
        let other = another(&local).await;
        let senders = if own.is_empty() {
            [&local.sender, &local.sender]
        } else {
            [&local.sender, &other]
        };
        let first = fresh(&event("CustomSMSSender_SignUp")).await;
        local
            .aws
            .add_fault("Publish", Fault::Slow { millis: 300 }, None);
        let deliveries = (0..8).map(|n| deliver(senders[n % 2], &first));
        let ends = futures_util::future::join_all(deliveries).await;
        let sent = ends
            .iter()
            .filter(|(end, _)| matches!(end, Ok(Outcome::Sent { .. })));
        assert_eq!(sent.count(), 1);
        let duplicate = ends
            .iter()
            .filter(|(end, _)| matches!(end, Ok(Outcome::Duplicate)));
        assert_eq!(duplicate.count(), 7, "{ends:?}");
        assert_eq!(sends(&local), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delivery_gives_its_claim_back() {
    let local = Local::new(Options::default(), TABLE).await;
    let first = fresh(&event("CustomSMSSender_SignUp")).await;
    local.aws.add_fault("Publish", Fault::Denied, 1);
    assert_eq!(local.error(&first).await.name(), "SmsDenied");
    let other = another(&local).await;
    let begin = std::time::Instant::now();
    assert!(matches!(
        deliver(&other, &first).await.0,
        Ok(Outcome::Sent { .. })
    ));
    assert!(begin.elapsed() < Duration::from_secs(1));
    // And so does a message that was withheld: what was missing may be mended.
    local.aws.set_sms_sandbox(true);
    let third = another(&local).await;
    let second = fresh(&event("CustomSMSSender_SignUp")).await;
    let withheld = deliver(&third, &second).await.0.unwrap();
    assert_eq!(withheld, Outcome::Withheld(Reason::UnverifiedDestination));
    local.aws.set_sms_sandbox(false);
    let fourth = another(&local).await;
    assert!(matches!(
        deliver(&fourth, &second).await.0,
        Ok(Outcome::Sent { .. })
    ));
}

#[tokio::test]
async fn a_claim_whose_holder_died_is_taken_over() {
    let options = || Options {
        invoke_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    let function = Function::start(options(), TABLE);
    let first = fresh(&event("CustomSMSSender_SignUp")).await;
    function.aws.add_fault("Publish", Fault::Hang, 1);
    let dying = function.aws.invoke(first.clone());
    // It dies with the claim in its hands.
    let _ = tokio::time::timeout(Duration::from_millis(600), dying).await;
    assert!(function.aws.ledger()[0].get("claimedBy").is_some());
    let function = function.restart(TABLE).await;
    // The lease: what was left of the invocation, and two seconds.
    tokio::time::sleep(Duration::from_millis(3600)).await;
    assert_eq!(function.response(&first).await["outcome"], "sent");
    assert_eq!(
        function
            .aws
            .outbox()
            .iter()
            .filter(|one| one.sms().is_some())
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_delivery_that_does_not_end_is_an_error_and_lambda_comes_again() {
    let local = Local::new(Options::default(), TABLE).await;
    let first = fresh(&event("CustomSMSSender_SignUp")).await;
    local
        .aws
        .add_fault("Publish", Fault::Slow { millis: 3500 }, 1);
    let other = another(&local).await;
    let (slow, waiting) = tokio::join!(deliver(&local.sender, &first), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        deliver(&other, &first).await
    });
    assert!(matches!(slow.0, Ok(Outcome::Sent { .. })));
    assert_eq!(waiting.0.unwrap_err().name(), "DeliveryUnderWay");
    assert_eq!(deliver(&other, &first).await.0.unwrap(), Outcome::Duplicate);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_down_stops_no_message_and_is_counted() {
    let cases = [
        Some(Fault::Throttle),
        Some(Fault::Denied),
        Some(Fault::ServerError { status: 500 }),
        Some(Fault::Hang),
        Some(Fault::Cut),
        Some(Fault::Garbage),
        None,
    ];
    for fault in cases {
        let local = Local::new(Options::default(), TABLE).await;
        match fault.clone() {
            Some(fault) => local.aws.add_fault("UpdateItem", fault, None),
            None => local.aws.remove_ledger_table(),
        }
        let begin = std::time::Instant::now();
        let first = fresh(&event("CustomSMSSender_SignUp")).await;
        let (end, line) = local.handle(&first).await;
        assert!(
            matches!(end, Ok(Outcome::Sent { .. })),
            "{fault:?}: {end:?}"
        );
        assert_eq!(line["LedgerUnavailable"], 1, "{line}");
        assert!(begin.elapsed() < Duration::from_secs(6), "{fault:?}");
        // This environment remembers by itself.
        assert_eq!(local.outcome(&first).await, Outcome::Duplicate);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_dead_is_not_sent() {
    let local = Local::new(Options::default(), TABLE).await;
    for (name, expired) in [
        ("CustomSMSSender_Authentication", true),
        ("CustomSMSSender_SignUp", false),
    ] {
        let event = fresh(&event(name)).await;
        local.aws.add_fault("Publish", Fault::Denied, 1);
        assert_eq!(local.error(&event).await.name(), "SmsDenied");
        // Four minutes later, in another environment.
        local.aws.shift_ledger("firstSeen", -240_000);
        let other = another(&local).await;
        let (end, _) = deliver(&other, &event).await;
        if expired {
            assert_eq!(end.unwrap(), Outcome::Withheld(Reason::Expired));
        } else {
            assert!(matches!(end, Ok(Outcome::Sent { .. })));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_comes_once_too() {
    let name = "CustomEmailSender_AccountTakeOverNotification";
    let notice = with(event(name), "/request/userAttributes/EVENT_ID", "one");
    let user = notice["userName"].as_str().unwrap().to_owned();
    let attributes = [("email".to_owned(), "user@example.com".to_owned())];
    let options = Options {
        users: [(user, attributes.into())].into(),
        ..Options::default()
    };
    let local = Local::new(options, TABLE).await;
    assert!(matches!(local.outcome(&notice).await, Outcome::Sent { .. }));
    assert_eq!(local.outcome(&notice).await, Outcome::Duplicate);
    let another = with(notice, "/request/userAttributes/EVENT_ID", "another");
    assert!(matches!(
        local.outcome(&another).await,
        Outcome::Sent { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_on_a_list_gets_nothing_and_it_is_told() {
    let options = Options {
        opted_out: vec!["+12065550100".to_owned()],
        suppressed: vec!["user@example.com".to_owned()],
        ..Options::default()
    };
    let local = Local::new(options, &[]).await;
    let sms = event("CustomSMSSender_SignUp");
    let mail = with(
        event("CustomEmailSender_SignUp"),
        "/request/userAttributes/email",
        "user@example.com",
    );
    let opted_out = Outcome::Withheld(Reason::OptedOut);
    assert_eq!(local.outcome(&sms).await, opted_out);
    assert_eq!(local.outcome(&sms).await, opted_out);
    assert_eq!(local.aws.calls("CheckIfPhoneNumberIsOptedOut").count, 1);
    let suppressed = Outcome::Withheld(Reason::Suppressed);
    assert_eq!(local.outcome(&mail).await, suppressed);
    assert_eq!(sends(&local), 0);
    // An entry of before suppressing was turned off.
    let another = another(&local).await;
    local.aws.set_suppressed_reasons(&[]);
    let (end, _) = deliver(&another, &fresh(&mail).await).await;
    assert!(matches!(end, Ok(Outcome::Sent { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_does_not_answer_stops_no_message() {
    for (name, operation) in [
        ("CustomSMSSender_SignUp", "CheckIfPhoneNumberIsOptedOut"),
        ("CustomEmailSender_SignUp", "GetSuppressedDestination"),
    ] {
        for fault in [Fault::Throttle, Fault::Denied, Fault::Hang, Fault::Garbage] {
            let local = Local::new(Options::default(), &[]).await;
            local.aws.add_fault(operation, fault, None);
            for _ in 0..3 {
                local.sent(&event(name)).await;
            }
            // Asked once, and then left alone.
            assert_eq!(local.aws.calls(operation).count, 1);
        }
    }
}
