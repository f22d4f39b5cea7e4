//! `template.yaml` says what the code does: the same variables, the same
//! actions.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use cognito_sender::Config;
use cognito_sender::local::{Identity, Options};

use crate::support::{Local, event, to};

/// Read by the SDK's way or by Lambda, not by the template's reader.
const NOT_OURS: &str = "AWS_";

/// Each operation that this function calls, and what it needs on the role.
const ACTIONS: [(&str, &[&str]); 13] = [
    ("Decrypt", &["kms:Decrypt"]),
    ("Publish", &["sns:Publish", "sms-voice:SendTextMessage"]),
    (
        "GetSMSSandboxAccountStatus",
        &[
            "sns:GetSMSSandboxAccountStatus",
            "sms-voice:DescribeAccountAttributes",
        ],
    ),
    (
        "ListSMSSandboxPhoneNumbers",
        &[
            "sns:ListSMSSandboxPhoneNumbers",
            "sms-voice:DescribeVerifiedDestinationNumbers",
        ],
    ),
    (
        "ListOriginationNumbers",
        &[
            "sns:ListOriginationNumbers",
            "sms-voice:DescribePhoneNumbers",
        ],
    ),
    (
        "CheckIfPhoneNumberIsOptedOut",
        &[
            "sns:CheckIfPhoneNumberIsOptedOut",
            "sms-voice:DescribeOptedOutNumbers",
        ],
    ),
    ("SendEmail", &["ses:SendEmail"]),
    (
        "GetSuppressedDestination",
        &["ses:GetSuppressedDestination"],
    ),
    ("GetConfigurationSet", &["ses:GetConfigurationSet"]),
    ("UpdateItem", &["dynamodb:UpdateItem"]),
    ("GetAccount", &["ses:GetAccount"]),
    ("GetEmailIdentity", &["ses:GetEmailIdentity"]),
    ("AdminGetUser", &["cognito-idp:AdminGetUser"]),
];

fn template() -> String {
    std::fs::read_to_string("template.yaml").unwrap()
}

/// The lines below `heading`, as far as they are indented deeper.
fn section<'a>(template: &'a str, heading: &str) -> Vec<&'a str> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = template.lines().skip_while(|line| line.trim() != heading);
    let head = lines.next().unwrap_or_else(|| panic!("no {heading}"));
    lines
        .take_while(|line| line.trim().is_empty() || depth(line) > depth(head))
        .filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
        .collect()
}

#[test]
fn the_variables_of_the_template_are_those_that_are_read() {
    let asked = RefCell::new(BTreeSet::new());
    let _ = Config::read(|name| {
        asked.borrow_mut().insert(name.to_owned());
        None
    });
    let read: BTreeSet<String> = asked
        .into_inner()
        .into_iter()
        .filter(|name| !name.starts_with(NOT_OURS))
        .collect();
    let template = template();
    let set: BTreeSet<String> = section(&template, "Variables:")
        .into_iter()
        .filter_map(|line| line.trim().split_once(':'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(read, set);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_actions_of_the_template_are_those_that_are_called() {
    let options = Options {
        sms_sandbox: true,
        email_sandbox: true,
        verified_numbers: vec!["+12065550100".to_owned()],
        identities: vec![Identity::verified("example.com")],
        users: [(
            event("CustomEmailSender_AccountTakeOverNotification")["userName"]
                .as_str()
                .unwrap()
                .to_owned(),
            BTreeMap::from([("email".to_owned(), "user@example.com".to_owned())]),
        )]
        .into(),
        ..Options::default()
    };
    let own = [
        ("LEDGER_TABLE", "ledger"),
        ("EMAIL_CONFIGURATION_SET", "codes"),
    ];
    let local = Local::new(options, &own).await;
    local.sent(&event("CustomSMSSender_SignUp")).await;
    local
        .sent(&to(event("CustomEmailSender_SignUp"), "user@example.com"))
        .await;
    local
        .sent(&event("CustomEmailSender_AccountTakeOverNotification"))
        .await;

    // Why an address is suppressed is asked when one is.
    local.aws.set_suppressed("b@example.com", true);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let suppressed = to(event("CustomEmailSender_SignUp"), "b@example.com");
    local.outcome(&suppressed).await;

    let called: BTreeSet<String> = local.aws.operations().into_iter().collect();
    let (operations, actions): (BTreeSet<String>, Vec<&[&str]>) = ACTIONS
        .iter()
        .map(|(operation, actions)| ((*operation).to_owned(), *actions))
        .unzip();
    assert_eq!(called, operations);

    let template = template();
    let allowed: BTreeSet<&str> = section(&template, "Policy:")
        .into_iter()
        .flat_map(|line| line.split([' ', '[', ']', ',']))
        .filter(|word| {
            let service = word.split_once(':').map(|(service, _)| service);
            let name = word.split_once(':').map_or("", |(_, name)| name);
            matches!(
                service,
                Some("kms" | "sns" | "ses" | "sms-voice" | "cognito-idp" | "dynamodb")
            ) && name.starts_with(|c: char| c.is_ascii_uppercase())
                && !name.contains(':')
                && *word != "kms:EncryptionContext"
                && *word != "ses:FromAddress"
                && *word != "ses:FromAddress:"
        })
        .collect();
    let needed: BTreeSet<&str> = actions.into_iter().flatten().copied().collect();
    assert_eq!(allowed, needed);
    assert!(template.contains("kms:EncryptionContext:userpool-id"));
}
