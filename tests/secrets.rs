//! No secret and no full destination in anything that is printed, at the most
//! talkative level, on any path.

use std::collections::BTreeMap;
use std::time::Duration;

use cognito_sender::local::{Fault, KEY_ARN, Options};
use cognito_sender::{Clients, Request, Secret};
use serde_json::Value;

use crate::support::{Function, Local, event, with};

/// Not 123456, which is in the ARNs of the account 123456789012.
const CODE: &str = "846207";

const NAMES: [&str; 6] = [
    "CustomSMSSender_SignUp",
    "CustomSMSSender_AdminCreateUser",
    "CustomSMSSender_SignUp.hostile",
    "CustomEmailSender_Authentication",
    "CustomEmailSender_SignUp.hostile",
    "CustomEmailSender_AccountTakeOverNotification",
];

/// What must not be printed of an event, besides its code.
fn secrets_of(event: &Value) -> Vec<String> {
    let attributes = &event["request"]["userAttributes"];
    let mut secrets: Vec<String> = [
        "phone_number",
        "email",
        "name",
        "FEEDBACK_TOKEN",
        "IP_ADDRESS",
        "ONE_CLICK_LINK_VALID",
        "ONE_CLICK_LINK_INVALID",
    ]
    .iter()
    .filter_map(|name| attributes[*name].as_str())
    .filter(|value| !value.is_empty())
    .map(str::to_owned)
    .collect();
    secrets.extend(event["userName"].as_str().map(str::to_owned));
    let request = &event["request"];
    let code = request["code"].as_str().unwrap_or_default();
    secrets.extend(code.get(..60).map(str::to_owned));
    let metadata = request["clientMetadata"].as_object().into_iter().flatten();
    let typed = metadata.filter_map(|(_, value)| value.as_str());
    secrets.extend(typed.filter(|value| value.len() > 6).map(str::to_owned));
    secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_printed_holds_a_secret_or_a_full_destination() {
    let sealer = Local::new(Options::default(), &[]).await;
    let mut events = Vec::new();
    for name in NAMES {
        let event = event(name);
        events.push(if event["request"]["code"].is_null() {
            event
        } else {
            sealer.sealed(event, CODE).await
        });
    }
    let damaged = with(events[0].clone(), "/request/code", format!("AYAD{CODE}"));
    let pool = with(events[0].clone(), "/userPoolId", "us-east-1_Another");
    events.extend([damaged, pool]);

    let leaky = Fault::Error {
        status: 400,
        code: "InvalidParameter".to_owned(),
        message: format!("{CODE} to +12065550100 user@example.com"),
    };
    let conditions: [(&str, Option<Fault>); 8] = [
        ("Publish", None),
        ("Publish", Some(leaky.clone())),
        ("SendEmail", Some(leaky)),
        ("Decrypt", Some(Fault::Denied)),
        ("Decrypt", Some(Fault::Garbage)),
        ("Publish", Some(Fault::Garbage)),
        ("SendEmail", Some(Fault::ServerError { status: 500 })),
        ("AdminGetUser", Some(Fault::Cut)),
    ];
    let mut printed = String::new();
    let mut answered = 0;
    let mut withheld = 0;
    let conditions = conditions.into_iter().flat_map(|condition| {
        let both = [false, true].into_iter();
        both.map(move |sandboxed| (sandboxed, condition.clone()))
    });
    for (sandboxed, (operation, fault)) in conditions {
        let options = Options {
            sms_sandbox: sandboxed,
            email_sandbox: sandboxed,
            invoke_timeout: Duration::from_millis(1500),
            ..Options::default()
        };
        let talkative = [("AWS_LAMBDA_LOG_LEVEL", "TRACE"), ("RUST_LOG", "trace")];
        let ledger = [("LEDGER_TABLE", "ledger")];
        // A process each: one that had sent the codes would know them again.
        let function = Function::start(options, &[&talkative[..], &ledger].concat());
        function.aws.remove_identity("example.com");
        function.aws.verify_identity("no-reply@example.com");
        for event in &events {
            let address = BTreeMap::from([("email".to_owned(), "user@example.com".to_owned())]);
            function
                .aws
                .set_user(event["userName"].as_str().unwrap(), address);
        }
        if let Some(fault) = fault {
            function.aws.add_fault(operation, fault, None);
        }
        for event in &events {
            let answer = format!("{:?}", function.answer(event).await);
            withheld += usize::from(answer.contains("unverified_destination"));
            printed += &answer;
            answered += 1;
        }
        printed += &format!("{:?}", function.aws.ledger());
        printed += &function.stop();
    }
    assert!(withheld > 20, "{withheld}");
    assert!(printed.lines().count() >= answered);

    let secrets: Vec<String> = events.iter().flat_map(secrets_of).collect();
    assert!(secrets.len() > 40, "{}", secrets.len());
    let secrets = secrets.iter().map(String::as_str);
    for secret in secrets.chain([CODE, "2065550100", "user@"]) {
        let place = printed
            .find(secret)
            .map(|at| &printed[at.saturating_sub(200)..at]);
        assert_eq!(place, None, "{secret} is printed");
    }
}

#[test]
fn a_secret_prints_as_stars() {
    assert_eq!(format!("{:?}", Secret::from(CODE)), "***");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_the_pipeline_print_without_secrets() {
    let local = Local::new(Options::default(), &[]).await;
    for name in ["CustomSMSSender_SignUp", "CustomEmailSender_SignUp"] {
        let event = local.sealed(event(name), CODE).await;
        let (result, line) = local.handle(&event).await;
        let request = Request::parse(&event).unwrap();
        let printed = format!("{result:?} {line} {:?}", request.attributes);
        for secret in [CODE, "2065550100", "user@"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_print() {
    let config = cognito_sender::Config::read(|name| {
        Some(match name {
            "AWS_REGION" => "us-east-1".to_owned(),
            "KMS_KEY_ARN" => KEY_ARN.to_owned(),
            "AWS_ACCESS_KEY_ID" => "AKIDEXAMPLE".to_owned(),
            "AWS_SECRET_ACCESS_KEY" => "wJalrXUtnFEMI".to_owned(),
            "AWS_SESSION_TOKEN" => "FwoGZXIvYXdzE".to_owned(),
            _ => return None,
        })
    })
    .unwrap();
    let clients = Clients::new(&config).await;
    let printed = format!("{config:?} {clients:?}");
    for secret in ["wJalrXUtnFEMI", "FwoGZXIvYXdzE"] {
        assert!(!printed.contains(secret));
    }
}
