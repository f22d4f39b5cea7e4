//! The operator's other commands: destinations, production, test, explain, and
//! what the terminal is told. The real program, against the stand-in's account.

use std::process::Command;

use cognito_sender::local::{FUNCTION, Fault, Options, StandIn};
use serde_json::{Value, json};

use crate::support::{Function, event, fresh, run};

const COMMANDS: [&str; 13] = [
    "attach",
    "completions",
    "destinations",
    "detach",
    "doctor",
    "explain",
    "invoke",
    "local",
    "man",
    "messages",
    "production",
    "seal",
    "test",
];

fn sandboxed() -> StandIn {
    let options = Options {
        sms_sandbox: true,
        email_sandbox: true,
        ..Options::default()
    };
    StandIn::start(options).unwrap()
}

fn production() -> StandIn {
    StandIn::start(Options::default()).unwrap()
}

/// With the function, confirmed by nobody.
fn of(aws: &StandIn, arguments: &[&str]) -> (i32, String) {
    let ran = run(aws, &[arguments, &["--function", FUNCTION]].concat());
    (ran.code, ran.out + &ran.err)
}

/// Text without its line breaks.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_number_is_added_verified_and_listed() {
    let aws = sandboxed();
    let number = "+12065550123";
    let (code, said) = of(&aws, &["destinations", "add", number]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("destinations verify +12065550123"), "{said}");
    let (code, said) = of(&aws, &["destinations", "list"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("pending   +12065550123"), "{said}");

    let (code, said) = of(&aws, &["destinations", "verify", number, "00000"]);
    assert_eq!(code, 1, "{said}");
    let texted = aws.outbox().pop().unwrap().sms().unwrap().text.clone();
    let password: String = texted.chars().filter(char::is_ascii_digit).collect();
    let (code, said) = of(&aws, &["destinations", "verify", number, &password]);
    assert_eq!(code, 0, "{said}");
    let (_, said) = of(&aws, &["destinations", "list"]);
    assert!(said.contains("verified  +12065550123"), "{said}");

    let (code, said) = of(&aws, &["destinations", "remove", number]);
    assert_eq!(code, 2, "not confirmed: {said}");
    let (_, said) = of(&aws, &["destinations", "list"]);
    assert!(said.contains(number), "{said}");
}

/// Ten numbers, five passwords for each in a day, a day before one goes.
#[test]
fn what_the_sandbox_does_not_allow_is_told() {
    let aws = sandboxed();
    let number = "+12065550123";
    for _ in 0..5 {
        let (code, said) = of(&aws, &["destinations", "add", number]);
        assert_eq!(code, 0, "{said}");
    }
    let (code, said) = of(&aws, &["destinations", "add", number]);
    assert_eq!(code, 1, "{said}");
    assert!(
        flat(&said).contains("five one-time passwords in 24 hours"),
        "{said}"
    );
    assert_eq!(aws.outbox().len(), 5);

    // Not yet tried, it may go; tried, it stays for a day.
    let (code, said) = of(&aws, &["destinations", "remove", number, "--yes"]);
    assert_eq!(code, 0, "{said}");
    of(&aws, &["destinations", "add", number]);
    of(&aws, &["destinations", "verify", number, "00000"]);
    let (code, said) = of(&aws, &["destinations", "remove", number, "--yes"]);
    assert_eq!(code, 1, "{said}");
    assert!(flat(&said).contains("for 24 hours after"), "{said}");

    for other in 0..9 {
        aws.verify_number(&format!("+1206555014{other}"));
    }
    let (code, said) = of(&aws, &["destinations", "list"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("10 of 10 numbers"), "{said}");
    let (code, said) = of(&aws, &["destinations", "add", "+12065550199"]);
    assert_eq!(code, 1, "{said}");
    assert!(flat(&said).contains("AWS allows no more"), "{said}");
}

#[test]
fn an_address_is_added_and_removed() {
    let aws = sandboxed();
    let address = "friend@example.org";
    let (code, said) = of(&aws, &["destinations", "add", address]);
    assert_eq!(code, 0, "{said}");
    let (_, said) = of(&aws, &["destinations", "list"]);
    assert!(said.contains(address), "{said}");
    let (code, said) = of(&aws, &["destinations", "remove", address, "--yes"]);
    assert_eq!(code, 0, "{said}");
    let (_, said) = of(&aws, &["destinations", "list"]);
    assert!(!said.contains(address), "{said}");
}

#[test]
fn in_production_nothing_is_to_be_verified() {
    let aws = production();
    for arguments in [
        &["destinations", "list"][..],
        &["destinations", "add", "+12065550123"],
        &["destinations", "add", "friend@example.org"],
    ] {
        let (code, said) = of(&aws, arguments);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("in production"), "{said}");
    }
    assert!(aws.outbox().is_empty());
}

#[test]
fn refusals_of_the_sandbox_name_the_action() {
    for (operation, action, arguments) in [
        (
            "CreateSMSSandboxPhoneNumber",
            "sns:CreateSMSSandboxPhoneNumber",
            &["destinations", "add", "+12065550123"][..],
        ),
        (
            "CreateEmailIdentity",
            "ses:CreateEmailIdentity",
            &["destinations", "add", "friend@example.org"],
        ),
        (
            "ListSMSSandboxPhoneNumbers",
            "sns:ListSMSSandboxPhoneNumbers",
            &["destinations", "list"],
        ),
    ] {
        let aws = sandboxed();
        aws.add_fault(operation, Fault::Denied, None);
        let (code, said) = of(&aws, arguments);
        assert_ne!(code, 0, "{said}");
        assert!(said.contains(action), "{operation}: {said}");
    }
}

#[test]
fn production_access_is_asked_for_once_it_was_shown() {
    let aws = sandboxed();
    let (code, said) = of(&aws, &["production", "--website", "https://example.com"]);
    assert_eq!(code, 0, "{said}");
    // A support case to paste, with a text of the function's own.
    assert!(said.contains("https://example.com"), "{said}");
    assert!(said.to_lowercase().contains("transactional"), "{said}");
    assert!(said.contains("is your code"), "{said}");

    let request = [
        "production",
        "--email",
        "--website",
        "https://example.com",
        "--use-case",
        "Codes to sign in",
    ];
    let (code, said) = of(&aws, &request);
    assert_eq!(code, 2, "not confirmed: {said}");
    assert_eq!(aws.calls("PutAccountDetails").count, 0);
    let (code, said) = of(&aws, &[&request[..], &["--yes"]].concat());
    assert_eq!(code, 0, "{said}");
    assert_eq!(aws.calls("PutAccountDetails").count, 1);
    let conflict = Fault::Error {
        status: 409,
        code: "ConflictException".to_owned(),
        message: "under review".to_owned(),
    };
    aws.add_fault("PutAccountDetails", conflict, None);
    let (code, said) = of(&aws, &[&request[..], &["--yes"]].concat());
    assert_eq!(code, 1, "{said}");
    assert!(flat(&said).contains("review"), "{said}");
}

#[test]
fn a_test_message_says_that_it_is_one() {
    let aws = production();
    for to in ["+12065550100", "user@example.net"] {
        let (code, said) = of(&aws, &["test", "--to", to]);
        assert_eq!(code, 2, "not confirmed: {said}");
        assert!(aws.outbox().is_empty());
        let (code, said) = of(&aws, &["test", "--to", to, "--yes"]);
        assert_eq!(code, 0, "{said}");
        let sent = aws.outbox().pop().unwrap();
        assert_eq!(sent.to, to);
        let text = match (sent.sms(), sent.email()) {
            (Some(sms), _) => sms.text.clone(),
            (_, Some(email)) => email.text.clone().unwrap(),
            (None, None) => panic!("{sent:?}"),
        };
        assert!(text.starts_with("Test message of Acme"), "{text}");
        assert!(!text.chars().any(|c| c.is_ascii_digit()), "{text}");
        aws.clear_outbox();
    }
    let aws = sandboxed();
    for to in ["+12065550100", "user@example.net"] {
        let (code, said) = of(&aws, &["test", "--to", to, "--yes"]);
        assert_eq!(code, 3, "{said}");
        assert!(aws.outbox().is_empty());
        assert!(said.contains("sandbox"), "{said}");
    }
    let aws = production();
    aws.add_fault("Publish", Fault::Denied, None);
    let (code, said) = of(&aws, &["test", "--to", "+12065550100", "--yes"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("sns:Publish"), "{said}");
}

/// The function's own log lines of the event's deliveries, in the account's log.
async fn told(function: Function, event: &Value, deliveries: usize) -> (StandIn, String) {
    for _ in 0..deliveries {
        function.deliver(event).await;
    }
    let (aws, log) = function.end();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let mut at = u64::try_from(now.as_millis()).unwrap() - 600_000;
    let mut id = String::new();
    for line in log.lines().filter(|line| line.contains("\"_aws\"")) {
        let line: Value = serde_json::from_str(line).unwrap();
        if id.is_empty() {
            id = line["requestId"].as_str().unwrap().to_owned();
        }
        // Lambda keeps the id when it tries again.
        let line = crate::support::with(json!({ "line": line }), "/line/requestId", id.as_str());
        aws.add_log_line("/aws/lambda/cognito-sender", at, &line["line"].to_string());
        at += 60_000;
    }
    (aws, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_explained_from_the_functions_own_lines() {
    let sms = fresh(&event("CustomSMSSender_SignUp")).await;
    // Sent, and handed over again.
    let function = Function::start(Options::default(), &[]);
    let (aws, id) = told(function, &sms, 2).await;
    let (code, said) = of(&aws, &["explain", &id]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&id) && said.contains("delivery 2"), "{said}");
    assert!(said.contains("+1206•••0100"), "{said}");
    assert!(!said.contains("+12065550100"), "{said}");
    assert!(
        said.lines()
            .all(|line| line.chars().count() <= 80 || line.starts_with("  "))
    );
    // The same by the message's id.
    let line = aws
        .outbox()
        .into_iter()
        .find_map(|sent| sent.sms().cloned());
    let message = line.unwrap().message_id.unwrap();
    let (code, by_message) = of(&aws, &["explain", &message]);
    assert_eq!(code, 0, "{by_message}");
    assert!(by_message.contains(&id), "{by_message}");
    let (code, json) = of(&aws, &["explain", &id, "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["verdict"]), (0, &json!("sent")));
    assert_eq!(json["deliveries"].as_array().unwrap().len(), 2);

    // Failed for want of a permission.
    let denied = fresh(&event("CustomSMSSender_SignUp")).await;
    let function = Function::start(Options::default(), &[]);
    function.aws.add_fault("Publish", Fault::Denied, None);
    let (aws, id) = told(function, &denied, 1).await;
    let (code, said) = of(&aws, &["explain", &id]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("SmsDenied"), "{said}");

    // Withheld.
    let options = Options {
        sms_sandbox: true,
        ..Options::default()
    };
    let withheld = fresh(&event("CustomSMSSender_SignUp")).await;
    let (aws, id) = told(Function::start(options, &[]), &withheld, 1).await;
    let (_, said) = of(&aws, &["explain", &id]);
    assert!(flat(&said).contains("in the sandbox"), "{said}");

    // Nothing found, and nothing to be seen.
    let (code, said) = of(&aws, &["explain", "00000000-0000-0000-0000-000000000000"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("/aws/lambda/cognito-sender"), "{said}");
    aws.add_fault("FilterLogEvents", Fault::Denied, None);
    let (code, said) = of(&aws, &["explain", &id]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("logs:FilterLogEvents"), "{said}");
}

#[test]
fn the_terminal_is_told_of_every_command() {
    let aws = production();
    let help = run(&aws, &["--help"]);
    let page = run(&aws, &["man"]);
    let completions = run(&aws, &["completions", "bash"]);
    assert_eq!((help.code, page.code, completions.code), (0, 0, 0));
    for command in COMMANDS {
        for told in [&help.out, &page.out, &completions.out] {
            assert!(told.contains(command), "{command}");
        }
        let help = run(&aws, &[command, "--help"]);
        assert_eq!(help.code, 0, "{command}");
        for line in help.out.lines() {
            // A command to copy is not broken.
            let command = line.starts_with("  cognito-sender ") || line.contains("aws ");
            assert!(command || line.chars().count() <= 80, "{line}");
        }
        let wrong = run(&aws, &[command, "--no-such-flag"]);
        assert_eq!(wrong.code, 2, "{command}");
    }
}

/// An SSO profile is read as the AWS CLI reads it; it wants a login first.
#[test]
fn who_has_no_credentials_is_told_where_to_get_them() {
    let configuration = std::env::temp_dir().join(format!("aws-{}", std::process::id()));
    let profile = "[profile team]\nsso_session = corp\nsso_account_id = 123456789012\n\
                   sso_role_name = Admin\nregion = us-east-1\n[sso-session corp]\n\
                   sso_region = us-east-1\nsso_start_url = https://example.com/start\n";
    std::fs::write(&configuration, profile).unwrap();
    let doctor = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_cognito-sender"))
            .args(["doctor", "--function", FUNCTION])
            .args(arguments)
            .env_clear()
            .env("HOME", "/nowhere")
            .env("AWS_CONFIG_FILE", &configuration)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = doctor(&["--profile", "team"]);
    assert!(said.contains("aws sso login --profile team"), "{said}");
    let said = doctor(&["--profile", "nobody"]);
    assert!(said.contains("profile nobody"), "{said}");
    let said = doctor(&["--region", "us-east-1"]);
    assert!(said.contains("aws configure"), "{said}");
    std::fs::remove_file(&configuration).unwrap();
}
