//! The sandbox: who may be reached, at what cost in calls, and what happens
//! when the account does not tell.

use std::time::Duration;

use cognito_sender::event::Channel;
use cognito_sender::local::{Fault, Identity, Options};
use cognito_sender::{Outcome, Reason};
use futures_util::future::join_all;

use crate::support::{Function, Local, event, to, with, withheld};

const UNVERIFIED: Outcome = Outcome::Withheld(Reason::UnverifiedDestination);

fn sandboxed() -> Options {
    Options {
        sms_sandbox: true,
        email_sandbox: true,
        verified_numbers: vec!["+12065550111".to_owned()],
        pending_numbers: vec!["+12065550122".to_owned()],
        identities: vec![
            Identity::verified("no-reply@example.com"),
            Identity::verified("friend@example.org"),
            Identity::pending("stranger@example.org"),
            Identity::verified("example.net"),
        ],
        ..Options::default()
    }
}

#[tokio::test]
async fn an_unverified_destination_is_refused_and_the_log_says_how_to_mend_it() {
    let function = Function::start(sandboxed(), &[("SMS_REGION", "eu-central-1")]);
    let sms = function.response(&event("CustomSMSSender_SignUp")).await;
    assert_eq!(sms, withheld("sms", "unverified_destination"));
    let mail = function.response(&event("CustomEmailSender_SignUp")).await;
    assert_eq!(mail, withheld("email", "unverified_destination"));
    assert_eq!(function.aws.calls("Publish").count, 0);
    assert_eq!(function.aws.calls("SendEmail").count, 0);

    let log = function.stop();
    for words in [
        "+1206•••0100",
        "aws sns create-sms-sandbox-phone-number --region eu-central-1",
        "aws sns verify-sms-sandbox-phone-number --region eu-central-1",
        "u•••@example.com",
        "aws sesv2 create-email-identity --region us-east-1",
        "aws sesv2 put-account-details --region us-east-1",
    ] {
        assert!(log.contains(words), "{words} is not in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verified_numbers_are_reached_and_pending_ones_not() {
    let local = Local::new(sandboxed(), &[]).await;
    let sign_up = event("CustomSMSSender_SignUp");
    local.sent(&to(sign_up.clone(), "+12065550111")).await;
    assert_eq!(
        local.outcome(&to(sign_up, "+12065550122")).await,
        UNVERIFIED
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_of_verified_numbers_are_read() {
    let verified_numbers: Vec<String> = (0..250).map(|n| format!("+1206555{n:04}")).collect();
    let options = Options {
        verified_numbers: verified_numbers.clone(),
        ..sandboxed()
    };
    let local = Local::new(options, &[]).await;
    for number in [&verified_numbers[0], &verified_numbers[249]] {
        local
            .sent(&to(event("CustomSMSSender_SignUp"), number))
            .await;
    }
    assert_eq!(local.aws.calls("ListSMSSandboxPhoneNumbers").count, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_reached_by_itself_its_domain_or_a_parent() {
    let local = Local::new(sandboxed(), &[]).await;
    let sign_up = event("CustomEmailSender_SignUp");
    for address in [
        "friend@example.org",
        "anyone@example.net",
        "anyone@mail.eu.example.net",
        "success@simulator.amazonses.com",
        "bounce+label@simulator.amazonses.com",
    ] {
        local.sent(&to(sign_up.clone(), address)).await;
    }
    for address in [
        "stranger@example.org",
        "friend@sub.example.org",
        "anyone@notexample.net",
        "success@simulator.amazonses.com.example.org",
    ] {
        let outcome = local.outcome(&to(sign_up.clone(), address)).await;
        assert_eq!(outcome, UNVERIFIED, "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_production_no_message_costs_a_call() {
    let local = Local::new(Options::default(), &[]).await;
    let (sms, mail) = (
        event("CustomSMSSender_SignUp"),
        event("CustomEmailSender_SignUp"),
    );
    for _ in 0..5 {
        local.sent(&sms).await;
        local.sent(&mail).await;
    }
    let calls = |operation| local.aws.calls(operation).count;
    assert_eq!(calls("GetSMSSandboxAccountStatus"), 1);
    assert_eq!(calls("ListOriginationNumbers"), 1);
    assert_eq!(calls("GetAccount"), 1);
    assert_eq!(calls("ListSMSSandboxPhoneNumbers"), 0);
    assert_eq!(calls("GetEmailIdentity"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_ask_once() {
    let local = Local::new(sandboxed(), &[]).await;
    local.aws.add_fault(
        "GetSMSSandboxAccountStatus",
        Fault::Slow { millis: 200 },
        None,
    );
    let event = to(event("CustomSMSSender_SignUp"), "+12065550111");
    local.sender.start_probes(&[Channel::Sms, Channel::Email]);
    let ends = join_all((0..8).map(|_| local.outcome(&event))).await;
    assert!(ends.iter().all(|end| matches!(end, Outcome::Sent { .. })));
    for operation in [
        "GetSMSSandboxAccountStatus",
        "ListSMSSandboxPhoneNumbers",
        "ListOriginationNumbers",
    ] {
        assert_eq!(local.aws.calls(operation).count, 1, "{operation}");
    }
}

#[tokio::test]
async fn probes_begin_before_the_first_event() {
    let ahead = [("AWS_LAMBDA_INITIALIZATION_TYPE", "provisioned-concurrency")];
    let function = Function::start(sandboxed(), &ahead);
    let asked = |operation: &'static str| {
        let aws = &function.aws;
        async move {
            while aws.calls(operation).count == 0 {
                tokio::task::yield_now().await;
            }
        }
    };
    let all = join_all([
        asked("ListSMSSandboxPhoneNumbers"),
        asked("ListOriginationNumbers"),
        asked("GetAccount"),
    ]);
    let begun = tokio::time::timeout(Duration::from_secs(20), all).await;
    assert!(begun.is_ok(), "no probe without an event");
}

#[tokio::test]
async fn a_start_on_demand_asks_what_its_event_needs() {
    const SMS: [&str; 2] = ["ListSMSSandboxPhoneNumbers", "ListOriginationNumbers"];
    const EMAIL: [&str; 1] = ["GetAccount"];
    for (sent, asked, not_asked) in [
        (
            to(event("CustomSMSSender_SignUp"), "+12065550111"),
            &SMS[..],
            &EMAIL[..],
        ),
        (
            to(event("CustomEmailSender_SignUp"), "friend@example.org"),
            &EMAIL,
            &SMS,
        ),
    ] {
        let on_demand = [("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")];
        let function = Function::start(sandboxed(), &on_demand);
        assert_eq!(function.response(&sent).await["outcome"], "sent");
        for operation in asked {
            assert_eq!(function.aws.calls(operation).count, 1, "{operation}");
        }
        for operation in not_asked {
            assert_eq!(function.aws.calls(operation).count, 0, "{operation}");
        }
    }
}

#[tokio::test]
async fn a_number_verified_meanwhile_is_noticed_within_a_minute() {
    let local = Local::new(sandboxed(), &[]).await;
    let event = event("CustomSMSSender_SignUp");
    assert_eq!(local.outcome(&event).await, UNVERIFIED);
    local.aws.verify_number("+12065550100");
    assert_eq!(local.outcome(&event).await, UNVERIFIED);
    forward(Duration::from_secs(61)).await;
    local.sent(&event).await;
}

#[tokio::test]
async fn production_access_is_noticed_within_a_minute_and_then_kept() {
    let local = Local::new(sandboxed(), &[]).await;
    let event = event("CustomEmailSender_SignUp");
    assert_eq!(local.outcome(&event).await, UNVERIFIED);
    local.aws.set_email_sandbox(false);
    forward(Duration::from_secs(61)).await;
    local.sent(&event).await;
    forward(Duration::from_secs(1800)).await;
    local.sent(&event).await;
    assert_eq!(local.aws.calls("GetAccount").count, 2);
}

/// Lets time pass for this runtime's clock.
async fn forward(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_account_does_not_tell_stops_no_mail_and_is_counted() {
    for fault in [
        Fault::Denied,
        Fault::Throttle,
        Fault::ServerError { status: 500 },
        Fault::Garbage,
    ] {
        let local = Local::new(Options::default(), &[]).await;
        local
            .aws
            .add_fault("GetSMSSandboxAccountStatus", fault.clone(), None);
        local.aws.add_fault("GetAccount", fault, None);
        for name in ["CustomSMSSender_SignUp", "CustomEmailSender_SignUp"] {
            let (result, line) = local.handle(&event(name)).await;
            assert!(matches!(result, Ok(Outcome::Sent { .. })), "{name}");
            assert_eq!(line["SandboxUnknown"], 1, "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_never_answers_holds_up_few_messages_and_briefly() {
    let local = Local::new(Options::default(), &[]).await;
    for operation in ["GetSMSSandboxAccountStatus", "ListOriginationNumbers"] {
        local.aws.add_fault(operation, Fault::Hang, None);
    }
    local.sender.start_probes(&[Channel::Sms, Channel::Email]);
    let begin = std::time::Instant::now();
    local.sent(&event("CustomSMSSender_SignUp")).await;
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    // Now it is known to be unknown, and costs nothing for a while.
    let begin = std::time::Instant::now();
    local.sent(&event("CustomSMSSender_SignUp")).await;
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_question_is_asked_again_at_once() {
    let local = Local::new(sandboxed(), &[]).await;
    let operations = [
        "GetSMSSandboxAccountStatus",
        "ListSMSSandboxPhoneNumbers",
        "ListOriginationNumbers",
    ];
    for operation in operations {
        local.aws.add_fault(operation, Fault::Throttle, 1);
    }
    assert_eq!(
        local.outcome(&event("CustomSMSSender_SignUp")).await,
        UNVERIFIED
    );
    for operation in operations {
        assert_eq!(local.aws.calls(operation).count, 2, "{operation}");
    }
}

#[tokio::test]
async fn what_was_known_holds_while_the_account_is_throttled() {
    let local = Local::new(sandboxed(), &[]).await;
    let event = event("CustomSMSSender_SignUp");
    assert_eq!(local.outcome(&event).await, UNVERIFIED);
    local
        .aws
        .add_fault("GetSMSSandboxAccountStatus", Fault::Throttle, None);
    for _ in 0..3 {
        forward(Duration::from_secs(62)).await;
        assert_eq!(local.outcome(&event).await, UNVERIFIED);
    }
    // Not for ever: what is that old is unknown.
    forward(Duration::from_secs(1200)).await;
    assert!(matches!(local.outcome(&event).await, Outcome::Sent { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_of_a_hundred_labels_costs_few_calls() {
    let local = Local::new(sandboxed(), &[]).await;
    let address = format!("A+b@{}com", "a.".repeat(100));
    let event = to(event("CustomEmailSender_SignUp"), &address);
    assert_eq!(local.outcome(&event).await, UNVERIFIED);
    assert!(local.aws.calls("GetEmailIdentity").count <= 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_ses_does_not_tell_is_asked_once_for_a_while() {
    let local = Local::new(sandboxed(), &[]).await;
    local.aws.add_fault("GetEmailIdentity", Fault::Denied, None);
    let event = event("CustomEmailSender_SignUp");
    for _ in 0..3 {
        // Unknown here; SES itself then refuses.
        let (result, line) = local.handle(&event).await;
        assert_eq!(result.unwrap(), UNVERIFIED);
        assert_eq!(line["SandboxUnknown"], 1);
    }
    assert_eq!(local.aws.calls("GetEmailIdentity").count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_who_mails_themselves_is_told_of_the_senders_identity() {
    let local = Local::new(sandboxed(), &[("SANDBOX_CHECK", "off")]).await;
    local.aws.remove_identity("no-reply@example.com");
    let event = event("CustomEmailSender_SignUp");
    for address in ["no-reply@example.com", "reply@example.com"] {
        let error = local.error(&to(event.clone(), address)).await;
        assert_eq!(error.name(), "EmailRejected", "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_read_is_unknown_too() {
    let local = Local::new(sandboxed(), &[]).await;
    local
        .aws
        .add_fault("ListSMSSandboxPhoneNumbers", Fault::Denied, None);
    let (result, line) = local.handle(&event("CustomSMSSender_SignUp")).await;
    assert!(matches!(result, Ok(Outcome::Sent { .. })));
    assert_eq!(line["SandboxUnknown"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ses_itself_refuses_has_the_same_reason() {
    let off = [("SANDBOX_CHECK", "off")];
    let local = Local::new(sandboxed(), &off).await;
    let sign_up = event("CustomEmailSender_SignUp");
    assert_eq!(local.outcome(&sign_up).await, UNVERIFIED);
    assert_eq!(local.aws.calls("SendEmail").count, 1);
    assert_eq!(local.aws.calls("GetAccount").count, 0);

    // The sender's identity is the operator's to mend, not the recipient's.
    local.aws.remove_identity("no-reply@example.com");
    let friend = to(sign_up, "friend@example.org");
    assert_eq!(local.error(&friend).await.name(), "EmailRejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_it_asks_nothing() {
    let local = Local::new(sandboxed(), &[("SANDBOX_CHECK", "off")]).await;
    local.sender.start_probes(&[Channel::Sms, Channel::Email]);
    local.sent(&event("CustomSMSSender_SignUp")).await;
    assert_eq!(local.aws.calls("GetSMSSandboxAccountStatus").count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn capitals_and_labels_are_left_to_ses() {
    let local = Local::new(sandboxed(), &[("SANDBOX_CHECK", "enforce")]).await;
    let event = with(
        event("CustomEmailSender_SignUp"),
        "/request/userAttributes/email",
        "Friend+label@example.org",
    );
    // Verified is friend@example.org. How SES takes this one is undocumented,
    // so it is asked, and what it says is told.
    local.outcome(&event).await;
    assert_eq!(local.aws.calls("SendEmail").count, 1);
}
