//! `doctor`: every finding can be made to appear, and whole reports stand in
//! `tests/data`. The real program, against the stand-in's account.

use std::collections::BTreeSet;

use cognito_sender::local::{FUNCTION, Fault, Options, OriginationNumber, StandIn};
use serde_json::{Value, json};

use crate::support::{Ran, run};

const POOL: &str = "us-east-1_AbCdEfGhI";

/// An account in which nothing is left to wish for but what is a team's choice.
fn healthy() -> StandIn {
    let aws = StandIn::start(Options::default()).unwrap();
    let role = "arn:aws:iam::123456789012:role/sns-delivery-log";
    aws.set_sms_attribute("DeliveryStatusIAMRole", role);
    aws.set_sms_attribute("MonthlySpendLimit", "100");
    aws
}

fn doctor(aws: &StandIn, more: &[&str]) -> Ran {
    let common = ["doctor", "--function", FUNCTION];
    run(aws, &[&common[..], more].concat())
}

/// The findings of one check.
fn findings(aws: &StandIn, more: &[&str], check: &str) -> Vec<Value> {
    let ran = doctor(aws, &[&["--json"][..], more].concat());
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
    let all = report["findings"].as_array().unwrap().iter();
    all.filter(|found| found["check"] == check)
        .cloned()
        .collect()
}

/// What a variable of the function is set to.
fn variable(aws: &StandIn, name: &str, value: impl Into<Value>) {
    let variables = json!({ name: value.into() });
    let environment = json!({ "Configuration": { "Environment": { "Variables": variables } } });
    aws.change_answer("GetFunction", environment);
}

fn function(aws: &StandIn, patch: Value) {
    aws.change_answer("GetFunction", json!({ "Configuration": patch }));
}

fn pool(aws: &StandIn, patch: Value) {
    aws.change_answer("DescribeUserPool", json!({ "UserPool": patch }));
}

fn key(aws: &StandIn, patch: Value) {
    aws.change_answer("DescribeKey", json!({ "KeyMetadata": patch }));
}

fn refused(aws: &StandIn, operation: &str, code: &str, status: u16) {
    let fault = Fault::Error {
        status,
        code: code.to_owned(),
        message: "no such thing".to_owned(),
    };
    aws.add_fault(operation, fault, None);
}

/// A line of the function's log of a minute ago.
fn logged(aws: &StandIn, line: &str) {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let minute_ago = u64::try_from(now.as_millis()).unwrap() - 60_000;
    aws.add_log_line(&format!("/aws/lambda/{FUNCTION}"), minute_ago, line);
}

type Break = fn(&StandIn);

/// Each check, how it is broken, and what is then found.
const BREAKS: &[(&str, &str, Break)] = &[
    ("settings", "failure", |aws| {
        variable(aws, "KMS_KEY_ARN", "alias/codes")
    }),
    ("state", "failure", |aws| {
        function(aws, json!({ "LastUpdateStatus": "Failed" }))
    }),
    ("runtime", "warning", |aws| {
        function(aws, json!({ "Runtime": "provided.al2" }))
    }),
    ("timeout", "warning", |aws| {
        function(aws, json!({ "Timeout": 3 }))
    }),
    ("concurrency", "failure", |aws| {
        aws.change_answer(
            "GetFunctionConcurrency",
            json!({ "ReservedConcurrentExecutions": 0 }),
        );
    }),
    ("pool", "failure", |aws| {
        refused(aws, "DescribeUserPool", "ResourceNotFoundException", 400)
    }),
    ("pool-served", "failure", |aws| {
        variable(aws, "USER_POOL_IDS", "us-east-1_JkLmNoPqR")
    }),
    ("pool-sms-sender", "failure", |aws| {
        let other = "arn:aws:lambda:us-east-1:123456789012:function:other";
        pool(
            aws,
            json!({ "LambdaConfig": { "CustomSMSSender": { "LambdaArn": other } } }),
        );
    }),
    ("pool-email-sender", "note", |aws| {
        pool(
            aws,
            json!({ "LambdaConfig": { "CustomEmailSender": null } }),
        );
    }),
    ("pool-sender-version", "failure", |aws| {
        pool(
            aws,
            json!({ "LambdaConfig": { "CustomSMSSender": { "LambdaVersion": "V2_0" } } }),
        );
    }),
    ("pool-key", "failure", |aws| {
        let alias = "arn:aws:kms:us-east-1:123456789012:alias/codes";
        pool(aws, json!({ "LambdaConfig": { "KMSKeyID": alias } }));
    }),
    ("pool-sms-role", "warning", |aws| {
        pool(aws, json!({ "SmsConfiguration": null }))
    }),
    ("pool-permission", "failure", |aws| {
        aws.set_function_policy(Vec::new())
    }),
    ("pool-verification", "note", |aws| {
        pool(aws, json!({ "AutoVerifiedAttributes": null }))
    }),
    ("pool-password-days", "warning", |aws| {
        let policy = json!({ "PasswordPolicy": { "TemporaryPasswordValidityDays": 3 } });
        pool(aws, json!({ "Policies": policy }));
    }),
    ("key-state", "failure", |aws| {
        key(
            aws,
            json!({ "Enabled": false, "KeyState": "PendingDeletion" }),
        );
    }),
    ("key-kind", "failure", |aws| {
        key(aws, json!({ "KeySpec": "RSA_2048" }))
    }),
    ("key-grant", "warning", |aws| {
        aws.change_answer("ListGrants", json!({ "Grants": [] }))
    }),
    ("role", "failure", |aws| {
        refused(aws, "SimulatePrincipalPolicy", "NoSuchEntity", 404)
    }),
    ("role-decrypt", "failure", |aws| {
        aws.deny_role("kms:Decrypt")
    }),
    ("role-sms", "failure", |aws| aws.deny_role("sns:Publish")),
    ("role-sms-state", "warning", |aws| {
        aws.deny_role("sns:ListOriginationNumbers")
    }),
    ("role-email", "failure", |aws| {
        aws.deny_role("ses:SendEmail")
    }),
    ("role-email-state", "warning", |aws| {
        aws.deny_role("ses:GetAccount")
    }),
    ("role-ledger", "warning", |aws| {
        aws.deny_role("dynamodb:UpdateItem")
    }),
    ("role-lookup", "note", |aws| {
        aws.deny_role("cognito-idp:AdminGetUser")
    }),
    ("role-log", "warning", |aws| {
        aws.deny_role("logs:PutLogEvents")
    }),
    ("sms-sandbox", "warning", |aws| aws.set_sms_sandbox(true)),
    ("sms-spend", "warning", |aws| {
        aws.change_answer(
            "GetMetricStatistics",
            json!({ "Datapoints": [{ "Maximum": 95.5 }] }),
        );
    }),
    ("sms-delivery-log", "warning", |aws| {
        aws.set_sms_attribute("DeliveryStatusIAMRole", "")
    }),
    ("sms-numbers", "unknown", |aws| {
        aws.add_fault("ListOriginationNumbers", Fault::Denied, None);
    }),
    ("sms-number", "warning", |aws| {
        let pending = OriginationNumber {
            status: "PENDING".to_owned(),
            ..OriginationNumber::us("+18005550199")
        };
        aws.set_origination_numbers(vec![OriginationNumber::us("+18005550100"), pending]);
    }),
    ("sms-throughput", "unknown", |aws| {
        aws.add_fault("DescribePhoneNumbers", Fault::Denied, None);
    }),
    ("sms-route", "failure", |aws| {
        variable(aws, "SMS_ORIGINATION", "GB=+447700900000")
    }),
    ("sms-united-states", "warning", |aws| {
        aws.set_origination_numbers(Vec::new())
    }),
    ("sms-india", "note", |_| ()),
    ("sms-opted-out", "note", |aws| {
        aws.set_opted_out("+12065550177", true)
    }),
    ("email-channel", "note", |aws| {
        variable(aws, "EMAIL_FROM", "")
    }),
    ("email-sandbox", "warning", |aws| {
        aws.set_email_sandbox(true)
    }),
    ("email-sending", "failure", |aws| {
        aws.change_answer("GetAccount", json!({ "SendingEnabled": false }));
    }),
    ("email-quota", "warning", |aws| {
        let quota =
            json!({ "SendQuota": { "Max24HourSend": 50000.0, "SentLast24Hours": 49000.0 } });
        aws.change_answer("GetAccount", quota);
    }),
    ("email-suppression", "note", |aws| {
        aws.set_suppressed_reasons(&[])
    }),
    ("email-identity", "failure", |aws| {
        aws.remove_identity("example.com")
    }),
    ("email-dkim", "warning", |aws| {
        let dkim = json!({ "DkimAttributes": { "SigningEnabled": false, "Status": "FAILED" } });
        aws.change_answer("GetEmailIdentity", dkim);
    }),
    ("email-mail-from", "note", |_| ()),
    ("email-dmarc", "note", |_| ()),
    ("email-configuration-set", "failure", |aws| {
        variable(aws, "EMAIL_CONFIGURATION_SET", "gone");
        aws.remove_configuration_set("gone");
    }),
    ("retries", "warning", |aws| {
        aws.change_answer(
            "GetFunctionEventInvokeConfig",
            json!({ "MaximumRetryAttempts": 0 }),
        );
    }),
    ("failure-destination", "warning", |aws| {
        aws.change_answer(
            "GetFunctionEventInvokeConfig",
            json!({ "DestinationConfig": null }),
        );
    }),
    ("failure-queue", "warning", |aws| {
        let waiting = json!({ "Attributes": { "ApproximateNumberOfMessages": "2" } });
        aws.change_answer("GetQueueAttributes", waiting);
    }),
    ("alarms", "warning", |aws| {
        let alarm = json!({ "AlarmName": "cognito-sender-Slow-1", "StateValue": "ALARM" });
        aws.change_answer("DescribeAlarms", json!({ "MetricAlarms": [alarm] }));
    }),
    ("errors", "warning", |aws| {
        logged(
            aws,
            r#"{"outcome":"error","errorType":"KmsDenied","curedBy":"operator","_aws":{}}"#,
        );
    }),
    ("texts", "warning", |aws| {
        variable(aws, "MESSAGES_DIR", "/opt/messages");
        logged(aws, r#"{"outcome":"sent","TextBroken":1,"_aws":{}}"#);
    }),
    ("ledger", "warning", |aws| {
        variable(aws, "LEDGER_TABLE", "gone")
    }),
];

/// The program waits most of the time: SNS answers some questions once a second.
fn side_by_side<T: Sync>(cases: &[T], case: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for cases in cases.chunks(cases.len().div_ceil(8)) {
            scope.spawn(|| cases.iter().for_each(&case));
        }
    });
}

#[test]
fn every_finding_can_be_made_to_appear() {
    side_by_side(BREAKS, |(check, standing, break_it)| {
        let aws = healthy();
        break_it(&aws);
        let found = findings(&aws, &["--user-pool", POOL], check);
        let bad = found.iter().find(|found| found["standing"] != "ok");
        let bad = bad.unwrap_or_else(|| panic!("{check}: {found:?}"));
        assert_eq!(bad["standing"], *standing, "{bad}");
        // What is so, why it matters, and what to do.
        assert!(bad["what"].as_str().is_some_and(|what| !what.is_empty()));
        assert!(
            bad["why"].as_str().is_some_and(|why| !why.is_empty()),
            "{bad}"
        );
        assert!(bad["mend"].is_object(), "{bad}");
    });
}

#[test]
fn no_check_is_left_out() {
    let source = std::fs::read_to_string("src/bin/cli/doctor/finding.rs").unwrap();
    let (_, checks) = source.split_once("checks! {").unwrap();
    let (checks, _) = checks.split_once("\n}\n").unwrap();
    let known: BTreeSet<&str> = checks.split('"').skip(1).step_by(2).collect();
    let mut broken: BTreeSet<&str> = BREAKS.iter().map(|(check, ..)| *check).collect();
    // Which program it is, is never wrong; the other two have their own tests.
    broken.extend(["code", "pools", "key-region"]);
    assert_eq!(known, broken);
}

#[test]
fn a_pool_must_be_named_and_be_where_the_key_is() {
    let aws = healthy();
    let found = findings(&aws, &[], "pools");
    assert_eq!(found[0]["standing"], "unknown");
    assert!(
        found[0]["mend"]["advice"]
            .as_str()
            .unwrap()
            .contains("--user-pool")
    );
    let found = findings(&aws, &["--user-pool", "eu-west-1_AbCdEfGhI"], "key-region");
    assert_eq!(found[0]["standing"], "failure", "{found:?}");
}

#[test]
fn who_may_not_look_is_told_the_action() {
    let refused = [
        ("DescribeUserPool", "cognito-idp:DescribeUserPool"),
        ("GetPolicy", "lambda:GetPolicy"),
        ("DescribeKey", "kms:DescribeKey"),
        ("ListGrants", "kms:ListGrants"),
        ("SimulatePrincipalPolicy", "iam:SimulatePrincipalPolicy"),
        (
            "GetSMSSandboxAccountStatus",
            "sns:GetSMSSandboxAccountStatus",
        ),
        ("GetSMSAttributes", "sns:GetSMSAttributes"),
        ("GetMetricStatistics", "cloudwatch:GetMetricStatistics"),
        ("GetAccount", "ses:GetAccount"),
        ("GetEmailIdentity", "ses:GetEmailIdentity"),
        (
            "GetFunctionEventInvokeConfig",
            "lambda:GetFunctionEventInvokeConfig",
        ),
        ("GetQueueAttributes", "sqs:GetQueueAttributes"),
        ("DescribeAlarms", "cloudwatch:DescribeAlarms"),
        ("FilterLogEvents", "logs:FilterLogEvents"),
        ("DescribeTable", "dynamodb:DescribeTable"),
    ];
    side_by_side(&refused, |(operation, action)| {
        let aws = healthy();
        aws.add_fault(operation, Fault::Denied, None);
        let ran = doctor(&aws, &["--user-pool", POOL]);
        assert_eq!(ran.code, 0, "{operation}: {}{}", ran.out, ran.err);
        let told: String = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(action), "{operation}: {}", ran.out);
    });
}

#[test]
fn the_exit_code_tells_a_failure_from_blindness() {
    let aws = healthy();
    assert_eq!(doctor(&aws, &["--user-pool", POOL]).code, 0);
    aws.deny_role("kms:Decrypt");
    assert_eq!(doctor(&aws, &["--user-pool", POOL]).code, 1);
    aws.add_fault("GetFunction", Fault::Denied, None);
    let ran = doctor(&aws, &["--user-pool", POOL]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("lambda:GetFunction"), "{}", ran.err);
    assert!(ran.out.is_empty());
}

/// What would become of a message: the exit code, and what is said.
#[test]
fn a_destination_is_walked_as_the_function_would() {
    let aws = healthy();
    aws.set_opted_out("+12065550177", true);
    aws.set_suppressed("bounced@example.net", true);
    for (to, code, said) in [
        ("+12065550100", 0, "It would be sent"),
        ("+12065550177", 3, "STOP"),
        ("user@example.net", 0, "It would be sent"),
        ("bounced@example.net", 3, "suppressed"),
        ("nobody", 2, ""),
    ] {
        let ran = doctor(&aws, &["--to", to]);
        let told = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(said), "{to}: {}{}", ran.out, ran.err);
        if code != 2 {
            assert_eq!(ran.code, code, "{to}: {}", ran.out);
            assert!(!ran.out.contains(to), "masked: {}", ran.out);
        } else {
            assert_ne!(ran.code, 0, "{}", ran.out);
        }
    }
    aws.set_sms_sandbox(true);
    aws.set_email_sandbox(true);
    for (to, command) in [
        ("+12065550100", "create-sms-sandbox-phone-number"),
        ("user@example.net", "create-email-identity"),
    ] {
        let ran = doctor(&aws, &["--to", to]);
        assert_eq!(ran.code, 3, "{}", ran.out);
        assert!(ran.out.contains(command), "{}", ran.out);
    }
    let aws = healthy();
    aws.set_origination_numbers(Vec::new());
    let ran = doctor(&aws, &["--to", "+12065550100"]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    assert!(aws.outbox().is_empty(), "nothing was sent");
}

/// The report to the letter; UPDATE_SNAPSHOTS=1 writes it anew.
fn stands(name: &str, report: &str) {
    let path = format!("tests/data/doctor-{name}.txt");
    for line in report.lines() {
        let long = line.chars().count() > 80;
        assert!(
            !long || line.contains("$ ") || line.contains("--"),
            "{line}"
        );
    }
    if cognito_sender::config::environment("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, report).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(report, expected, "{path}");
}

#[test]
fn whole_reports_are_as_they_stand() {
    let aws = healthy();
    stands("healthy", &doctor(&aws, &["--user-pool", POOL]).out);

    let aws = healthy();
    aws.set_sms_sandbox(true);
    aws.set_email_sandbox(true);
    aws.verify_number("+12065550100");
    let report = doctor(&aws, &["--user-pool", POOL]).out;
    assert!(!report.contains("+12065550100"), "masked: {report}");
    stands("sandboxed", &report);

    let aws = healthy();
    for (_, standing, break_it) in BREAKS {
        // The settings must stay readable, and the calls be answered.
        if *standing == "failure" || *standing == "warning" {
            break_it(&aws);
        }
    }
    aws.change_answer("GetFunction", json!({}));
    aws.clear_faults();
    stands("broken", &doctor(&aws, &["--user-pool", POOL]).out);
}
