//! Every error that the SDK models of the operations that the function calls
//! has a verdict.

use std::path::{Path, PathBuf};
use std::process::Command;

use cognito_sender::error::FaultKind;
use serde_json::Value;

const CALLED: [(&str, &[&str]); 5] = [
    ("aws-sdk-kms", &["decrypt", "generate_data_key"]),
    (
        "aws-sdk-sns",
        &[
            "publish",
            "get_sms_sandbox_account_status",
            "list_sms_sandbox_phone_numbers",
            "list_origination_numbers",
            "check_if_phone_number_is_opted_out",
        ],
    ),
    (
        "aws-sdk-sesv2",
        &[
            "send_email",
            "get_account",
            "get_email_identity",
            "get_suppressed_destination",
            "get_configuration_set",
        ],
    ),
    ("aws-sdk-cognitoidentityprovider", &["admin_get_user"]),
    ("aws-sdk-dynamodb", &["update_item"]),
];

/// Where the sources of the SDK crates lie that this build uses.
fn sources() -> impl Fn(&str) -> PathBuf {
    let arguments = ["metadata", "--offline", "--locked", "--format-version", "1"];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    move |name| {
        let packages = metadata["packages"].as_array().unwrap();
        let package = packages.iter().find(|package| package["name"] == name);
        let manifest = package.unwrap()["manifest_path"].as_str().unwrap();
        Path::new(manifest).parent().unwrap().join("src")
    }
}

/// The error codes that an operation's answer is read for: the arms
/// `"Code" => crate::operation::…Error`, or, where the crate reads by schema,
/// the variants of the operation's error, which are named by their codes.
fn modelled(source: &Path, operation: &str) -> Vec<String> {
    let reader = source.join(format!("protocol_serde/shape_{operation}.rs"));
    let codes: Vec<String> = match std::fs::read_to_string(reader) {
        Ok(reader) => reader
            .lines()
            .filter(|line| line.contains("=> crate::operation::"))
            .filter_map(|line| Some(line.split('"').nth(1)?.to_owned()))
            .collect(),
        Err(_) => std::fs::read_to_string(source.join(format!("operation/{operation}.rs")))
            .unwrap()
            .lines()
            .filter_map(|line| line.trim().strip_suffix("),"))
            .filter_map(|line| line.split_once("(crate::types::error::"))
            .map(|(variant, _)| variant.to_owned())
            .filter(|variant| variant.chars().all(char::is_alphanumeric))
            .collect(),
    };
    assert!(codes.len() >= 2, "{operation}: {codes:?}");
    codes
}

#[test]
fn every_modelled_error_has_a_verdict() {
    let source_of = sources();
    let mut missing = Vec::new();
    for (name, operations) in CALLED {
        let source = source_of(name);
        for operation in operations {
            let codes = modelled(&source, operation);
            missing.extend(
                codes
                    .into_iter()
                    .filter(|code| FaultKind::verdict(code).is_none()),
            );
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn a_code_may_come_with_its_namespace_or_a_url() {
    use FaultKind::{Denied, Throttled};
    for (code, kind) in [
        (
            "com.amazonaws.dynamodb.v20120810#ThrottlingException",
            Throttled,
        ),
        ("AccessDeniedException:http://internal.amazon.com/", Denied),
    ] {
        assert_eq!(FaultKind::verdict(code), Some(kind));
    }
    assert_eq!(FaultKind::verdict("NeverHeardOf"), None);
}
