//! The real process, from Cognito's event to what SNS and SES get.

use std::time::Duration;

use cognito_sender::local::{Answer, Fault, KEY_ARN, KeyState, Options};
use serde_json::{Value, json};

use crate::support::{Function, Local, event, fresh, to, with, withheld};

#[tokio::test]
async fn an_sms_goes_out_from_the_registered_number() {
    let function = Function::start(Options::default(), &[("APP_DOMAIN", "app.example.com")]);
    let answer = function.response(&event("CustomSMSSender_SignUp")).await;

    let records = function.aws.outbox();
    let record = records
        .iter()
        .find(|record| record.sms().is_some())
        .unwrap();
    let sms = record.sms().unwrap();
    assert_eq!(
        answer,
        json!({"outcome": "sent", "channel": "sms", "messageId": sms.message_id})
    );
    assert_eq!(record.to, "+12065550100");
    assert_eq!(record.region, "us-east-1");
    assert_eq!(sms.origination_number.as_deref(), Some("+18005550100"));
    assert_eq!(sms.attributes["AWS.SNS.SMS.SMSType"], "Transactional");
    assert_eq!(
        sms.text,
        "Acme: 123456 is your code to confirm your account. It expires in 24 hours. Do not share it.\n\n\
         @app.example.com #123456"
    );

    let log = function.stop();
    let line: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    for (name, value) in [
        ("level", "INFO"),
        ("outcome", "sent"),
        ("channel", "sms"),
        ("occasion", "SignUp"),
        ("country", "US"),
        ("destination", "+1206•••0100"),
        ("userPoolId", "us-east-1_AbCdEfGhI"),
    ] {
        assert_eq!(line[name], value, "{line}");
    }
    assert_eq!(line["messageId"], answer["messageId"]);
    let metrics = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(metrics["Namespace"], "CognitoSender");
    for metric in metrics["Metrics"].as_array().unwrap() {
        assert!(
            line[metric["Name"].as_str().unwrap()].is_number(),
            "{metric}"
        );
    }
    for dimension in metrics["Dimensions"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|d| d.as_array().unwrap())
    {
        assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
    }
}

#[tokio::test]
async fn a_mail_goes_out_from_the_verified_identity() {
    let identity = "arn:aws:ses:us-east-1:123456789012:identity/example.com";
    let function = Function::start(
        Options::default(),
        &[
            ("EMAIL_FROM", "Café Ünïcode <no-reply@example.com>"),
            ("EMAIL_IDENTITY_ARN", identity),
            ("EMAIL_REPLY_TO", "help@example.com"),
            ("EMAIL_CONFIGURATION_SET", "codes"),
            ("EMAIL_REGION", "eu-west-1"),
        ],
    );
    let answer = function
        .response(&event("CustomEmailSender_ForgotPassword"))
        .await;

    let records = function.aws.outbox();
    let record = records
        .iter()
        .find(|record| record.email().is_some())
        .unwrap();
    let mail = record.email().unwrap();
    assert_eq!(answer["messageId"], json!(mail.message_id));
    assert_eq!(record.region, "eu-west-1");
    assert_eq!(
        mail.from,
        "=?UTF-8?B?Q2Fmw6kgw5xuw69jb2Rl?= <no-reply@example.com>"
    );
    assert_eq!(mail.recipients, ["user@example.com"]);
    assert_eq!(mail.reply_to, ["help@example.com"]);
    assert_eq!(mail.identity_arn.as_deref(), Some(identity));
    assert_eq!(mail.configuration_set.as_deref(), Some("codes"));
    assert_eq!(mail.subject, "Reset your password - Acme");
    assert!(
        mail.headers
            .contains(&("Auto-Submitted".to_owned(), "auto-generated".to_owned()))
    );
    for body in [&mail.text, &mail.html] {
        assert!(body.as_ref().unwrap().contains("123456"));
        assert!(body.as_ref().unwrap().contains("1 hour"));
    }
}

#[tokio::test]
async fn without_a_sender_the_email_channel_is_off() {
    let function = Function::start(Options::default(), &[("EMAIL_FROM", "")]);
    let answer = function.response(&event("CustomEmailSender_SignUp")).await;
    assert_eq!(answer, withheld("email", "channel_off"));
    function.response(&event("CustomSMSSender_SignUp")).await;
    assert_eq!(function.aws.calls("GetAccount").count, 0);
}

#[tokio::test]
async fn one_connection_to_kms_serves_all_codes() {
    let function = Function::start(Options::default(), &[]);
    for _ in 0..5 {
        function.response(&event("CustomSMSSender_SignUp")).await;
    }
    assert_eq!(function.aws.calls("Decrypt").count, 5);
    assert_eq!(function.aws.connections("kms"), 1);
}

#[tokio::test]
async fn bad_input_of_any_kind_is_told_and_the_process_lives() {
    let function = Function::start(
        Options::default(),
        &[("USER_POOL_IDS", "us-east-1_AbCdEfGhI")],
    );
    let sign_up = event("CustomSMSSender_SignUp");
    let code = sign_up["request"]["code"].as_str().unwrap().to_owned();
    let with_code = |code: &str| with(sign_up.clone(), "/request/code", code);
    let cases = [
        (json!("text"), "InvalidEvent"),
        (json!(null), "InvalidEvent"),
        (json!({"triggerSource": "PreSignUp_SignUp"}), "InvalidEvent"),
        (
            with(sign_up.clone(), "/userPoolId", "us-east-1_Another"),
            "UserPoolMismatch",
        ),
        (with_code(""), "DecryptFailed"),
        (with_code("123456"), "DecryptFailed"),
        (with_code("not base64!"), "DecryptFailed"),
        (with_code("AYAD"), "DecryptFailed"),
        (with_code(&code[..400]), "DecryptFailed"),
        (with_code(&"A".repeat(200_000)), "DecryptFailed"),
        (
            with(sign_up.clone(), "/request/code", json!(42)),
            "DecryptFailed",
        ),
        (with(sign_up.clone(), "/request", Value::Null), "withheld"),
        (to(sign_up.clone(), "12065550100"), "withheld"),
    ];
    for (event, expected) in cases {
        let end = match function.answer(&event).await {
            Answer::Response(value) => value["outcome"].as_str().unwrap().to_owned(),
            Answer::Error { error_type, .. } => error_type,
            Answer::InitError { message, .. } => panic!("{message}"),
        };
        assert_eq!(end, expected, "{event:.200}");
    }
    assert_eq!(function.aws.calls("Publish").count, 0);
    // No restart in between: one process, which still works.
    function.response(&sign_up).await;
    assert_eq!(function.aws.calls("Publish").count, 1);
}

#[tokio::test]
async fn what_kms_refuses_is_told_in_words_to_act_on() {
    let function = Function::start(Options::default(), &[]);
    let sign_up = event("CustomSMSSender_SignUp");
    for (state, name, words) in [
        (KeyState::Denied, "KmsDenied", "kms:Decrypt"),
        (KeyState::Disabled, "KmsRejected", "must be enabled"),
    ] {
        function.aws.set_key(KEY_ARN, state);
        let (error, message) = function.error(&sign_up).await;
        assert_eq!(error, name, "{message}");
        assert!(message.contains(words), "{message}");
    }
    function.aws.set_key(KEY_ARN, KeyState::Enabled);
    function.response(&sign_up).await;
}

#[tokio::test]
async fn faults_have_their_names_and_send_nothing() {
    let options = Options {
        invoke_timeout: Duration::from_millis(1500),
        ..Options::default()
    };
    let function = Function::start(options, &[]);
    let sms = event("CustomSMSSender_SignUp");
    let mail = event("CustomEmailSender_SignUp");
    let error = |code: &str| Fault::Error {
        status: 400,
        code: code.to_owned(),
        message: "no".to_owned(),
    };
    let cases = [
        (&sms, "Decrypt", Fault::Throttle, "KmsThrottled"),
        (
            &sms,
            "Decrypt",
            Fault::ServerError { status: 500 },
            "KmsUnavailable",
        ),
        (&sms, "Decrypt", Fault::Cut, "KmsUnavailable"),
        (&sms, "Publish", Fault::Throttle, "SmsThrottled"),
        (&sms, "Publish", Fault::Denied, "SmsDenied"),
        (
            &sms,
            "Publish",
            Fault::ServerError { status: 503 },
            "SmsUnavailable",
        ),
        (&sms, "Publish", error("InvalidParameter"), "SmsRejected"),
        (&mail, "SendEmail", Fault::Throttle, "EmailThrottled"),
        (&mail, "SendEmail", Fault::Denied, "EmailDenied"),
        (&mail, "SendEmail", Fault::Garbage, "EmailUnavailable"),
        (
            &mail,
            "SendEmail",
            error("SendingPausedException"),
            "EmailRejected",
        ),
        (
            &mail,
            "SendEmail",
            error("MailFromDomainNotVerifiedException"),
            "EmailRejected",
        ),
    ];
    for (event, operation, fault, name) in cases {
        let told = format!("{operation} {fault:?}");
        function.aws.add_fault(operation, fault, None);
        let (error, message) = function.error(event).await;
        assert_eq!(error, name, "{told}: {message}");
        assert!(message.ends_with('.'), "{message}");
        function.aws.clear_faults();
    }
    let sent = function.aws.outbox();
    assert!(sent.iter().all(|record| record.outcome().is_some()));
}

#[tokio::test]
async fn a_passing_fault_is_tried_again_at_once() {
    let function = Function::start(Options::default(), &[]);
    for operation in ["Decrypt", "Publish"] {
        for fault in [
            Fault::Throttle,
            Fault::ServerError { status: 500 },
            Fault::Cut,
        ] {
            function.aws.add_fault(operation, fault, 1);
            let answer = function.response(&event("CustomSMSSender_SignUp")).await;
            assert_eq!(answer["outcome"], "sent");
        }
    }
}

#[tokio::test]
async fn a_number_that_sns_refuses_is_withheld() {
    let function = Function::start(Options::default(), &[]);
    for (message, reason) in [
        (
            "Invalid parameter: PhoneNumber Reason: +12065550100 is not valid to publish to",
            "invalid_destination",
        ),
        ("Invalid parameter: phone number is opted out", "opted_out"),
    ] {
        let fault = Fault::Error {
            status: 400,
            code: "InvalidParameter".to_owned(),
            message: message.to_owned(),
        };
        function.aws.add_fault("Publish", fault, 1);
        let answer = function.response(&event("CustomSMSSender_SignUp")).await;
        assert_eq!(answer, withheld("sms", reason));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_events_at_once_hear_each_its_own_answer_of_kms() {
    let local = Local::new(Options::default(), &[]).await;
    let good = event("CustomSMSSender_SignUp");
    let other = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000";
    let foreign = local.sealed_under(other, good.clone(), "111111").await;
    let cut = with(good.clone(), "/request/code", "AYAD");
    local.aws.set_key(KEY_ARN, KeyState::Denied);
    for _ in 0..10 {
        let (denied, wrong_key, damaged) =
            tokio::join!(local.error(&good), local.error(&foreign), local.error(&cut));
        assert_eq!(denied.name(), "KmsDenied");
        assert_eq!(wrong_key.name(), "DecryptFailed");
        assert_eq!(damaged.name(), "DecryptFailed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_may_work_on_several_events_at_once() {
    let several = [
        ("AWS_LAMBDA_MAX_CONCURRENCY", "8"),
        ("LEDGER_TABLE", "ledger"),
    ];
    let function = Function::start(Options::default(), &several);
    let late = Fault::Slow { millis: 200 };
    function.aws.add_fault("Publish", late, None);
    let mut deliveries = Vec::new();
    for _ in 0..12 {
        let event = fresh(&event("CustomSMSSender_SignUp")).await;
        // Each comes twice.
        deliveries.extend([event.clone(), event]);
    }
    let answers = deliveries.iter().map(|event| function.deliver(event));
    let answers = futures_util::future::join_all(answers).await;
    let ended = |outcome: &str| {
        let answers = answers.iter();
        let like = answers.filter(
            |answer| matches!(answer, Answer::Response(value) if value["outcome"] == outcome),
        );
        like.count()
    };
    assert_eq!((ended("sent"), ended("duplicate")), (12, 12), "{answers:?}");
    let calls = function.aws.calls("Publish");
    assert_eq!(calls.count, 12);
    assert!(calls.max_concurrent > 2, "{}", calls.max_concurrent);
    // One question each of the account, however many wait for it.
    assert_eq!(function.aws.calls("GetSMSSandboxAccountStatus").count, 1);
}

#[tokio::test]
async fn a_service_that_never_answers_ends_the_event_in_time() {
    let options = Options {
        invoke_timeout: Duration::from_secs(6),
        ..Options::default()
    };
    let function = Function::start(options, &[]);
    for (operation, name) in [("Decrypt", "KmsUnavailable"), ("Publish", "SmsUnavailable")] {
        function.aws.add_fault(operation, Fault::Hang, None);
        let begin = std::time::Instant::now();
        let (error, _) = function.error(&event("CustomSMSSender_SignUp")).await;
        assert_eq!(error, name);
        assert!(begin.elapsed().as_secs() < 6, "{:?}", begin.elapsed());
        function.aws.clear_faults();
    }
    // A send that was taken but not answered for is not sent again at once.
    assert!(function.aws.calls("Publish").count <= 2);
}
