//! The environment: what is right, what is wrong, and how that is told.

use cognito_sender::Config;
use cognito_sender::config::{InvalidConfig, Origination, OriginationIdentity};
use cognito_sender::local::{KEY_ARN, Options};

use crate::support::{Function, event};

fn read(variables: &[(&str, &str)]) -> Result<Config, InvalidConfig> {
    let needed = [("AWS_REGION", "us-east-1"), ("KMS_KEY_ARN", KEY_ARN)];
    Config::read(|name| {
        let mut all = variables.iter().chain(&needed);
        let found = all.find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn two_variables_are_enough() {
    let config = read(&[]).unwrap();
    assert!(config.email.is_none());
    assert!(config.user_pools.is_empty());
    assert!(config.sandbox_check);
    assert_eq!(config.sms.region, "us-east-1");
    assert_eq!(config.sms.origination, Origination::Discovered);
    assert_eq!(config.texts.locale, "en");
}

#[test]
fn empty_is_unset() {
    let config = read(&[
        ("USER_POOL_IDS", ""),
        ("SMS_ORIGINATION", " "),
        ("SMS_REGION", ""),
        ("EMAIL_FROM", ""),
        ("SANDBOX_CHECK", ""),
    ])
    .unwrap();
    assert!(config.email.is_none());
    assert_eq!(config.sms.region, "us-east-1");
}

#[test]
fn every_problem_is_reported_at_once_by_variable_with_an_example() {
    let wrong = [
        (
            "KMS_KEY_ARN",
            "arn:aws:kms:us-east-1:123456789012:alias/codes",
        ),
        ("USER_POOL_IDS", "us-east-1_Ok,not a pool"),
        (
            "SMS_ORIGINATION",
            "US=ACME,GB=AC,XX=+18005550100,*=A1B,*=A2B",
        ),
        ("SMS_REGION", "Virginia"),
        ("SMS_MAX_PRICE", "cheap"),
        ("SMS_IN_ENTITY_ID", "1101456324678987654"),
        ("EMAIL_FROM", "Acme no-reply@example.com"),
        ("EMAIL_IDENTITY_ARN", "our identity"),
        ("EMAIL_REPLY_TO", "nobody"),
        ("EMAIL_CONFIGURATION_SET", "my set"),
        ("EMAIL_REGION", "Frankfurt"),
        ("APP_NAME", "A name that is longer than forty characters"),
        ("APP_DOMAIN", "https://app.example.com/"),
        ("DEFAULT_LOCALE", "English (US)"),
        ("SANDBOX_CHECK", "maybe"),
        ("AWS_ENDPOINT_URL_SNS", "localhost:4566"),
        ("AWS_CA_BUNDLE", "/nonexistent.pem"),
    ];
    let invalid = read(&wrong).unwrap_err();
    let told = invalid.to_string();
    for (variable, value) in wrong {
        let variable = if variable == "SMS_IN_ENTITY_ID" {
            "SMS_IN_TEMPLATE_ID"
        } else {
            assert!(!told.contains(value), "{variable}'s value is repeated");
            variable
        };
        let problem = invalid
            .0
            .iter()
            .find(|problem| problem.variable == variable);
        let problem = problem.unwrap_or_else(|| panic!("{variable} is not told"));
        assert!(!problem.example.is_empty());
    }
    let origination: Vec<&str> = invalid
        .0
        .iter()
        .filter(|problem| problem.variable == "SMS_ORIGINATION")
        .map(|problem| problem.what.as_str())
        .collect();
    assert_eq!(origination.len(), 4, "{origination:?}");
    assert!(origination[0].contains("entry 1: US takes no sender IDs"));
}

#[test]
fn every_example_is_a_right_value() {
    // Whatever is reported, with its own example instead, is no problem.
    let wrong: Vec<(&str, &str)> = [
        "AWS_REGION",
        "KMS_KEY_ARN",
        "USER_POOL_IDS",
        "SMS_ORIGINATION",
        "SMS_REGION",
        "SMS_MAX_PRICE",
        "SMS_IN_ENTITY_ID",
        "SMS_IN_TEMPLATE_ID",
        "EMAIL_FROM",
        "EMAIL_IDENTITY_ARN",
        "EMAIL_REPLY_TO",
        "EMAIL_CONFIGURATION_SET",
        "EMAIL_REGION",
        "APP_NAME",
        "APP_DOMAIN",
        "DEFAULT_LOCALE",
        "SANDBOX_CHECK",
        "AWS_ENDPOINT_URL",
    ]
    .map(|variable| (variable, "?\u{7}?????????????????????????????????????????"))
    .into();
    let invalid = read(&wrong).unwrap_err();
    let mended: Vec<(&str, &str)> = invalid
        .0
        .iter()
        .map(|problem| (problem.variable, problem.example))
        .collect();
    assert_eq!(mended.len(), wrong.len(), "{invalid}");
    read(&mended).unwrap();
}

#[test]
fn a_missing_key_says_where_to_find_it() {
    let told = Config::read(|name| (name == "AWS_REGION").then(|| "us-east-1".to_owned()))
        .unwrap_err()
        .to_string();
    assert!(told.starts_with("KMS_KEY_ARN is missing"), "{told}");
    assert!(told.contains("LambdaConfig"), "{told}");
}

#[test]
fn an_alias_is_told_to_be_one() {
    let invalid = read(&[("KMS_KEY_ARN", "alias/codes")]).unwrap_err();
    assert!(invalid.to_string().contains("is an alias"), "{invalid}");
}

#[test]
fn origination_is_read_by_country() {
    let config = read(&[(
        "SMS_ORIGINATION",
        "US=+18005550100, GB=ACME ,IN=12345,*=+447700900000",
    )]);
    let Origination::Explicit {
        countries,
        elsewhere,
    } = config.unwrap().sms.origination
    else {
        panic!("explicit");
    };
    let number = |number: &str| OriginationIdentity::Number(number.to_owned());
    assert_eq!(elsewhere, Some(number("+447700900000")));
    let told: Vec<(&str, OriginationIdentity)> = countries
        .iter()
        .map(|(country, identity)| (country.as_str(), identity.clone()))
        .collect();
    assert_eq!(
        told,
        [
            ("US", number("+18005550100")),
            ("GB", OriginationIdentity::SenderId("ACME".to_owned())),
            ("IN", number("12345")),
        ]
    );
}

#[test]
fn a_sender_has_a_name_or_none() {
    let from = |value: &str| {
        let email = read(&[("EMAIL_FROM", value)]).ok()?.email?;
        Some((email.from.name, email.from.address.expose().to_owned()))
    };
    let address = "no-reply@example.com".to_owned();
    let named = |name: &str| Some((Some(name.to_owned()), address.clone()));
    assert_eq!(from("no-reply@example.com"), Some((None, address.clone())));
    assert_eq!(from("Acme <no-reply@example.com>"), named("Acme"));
    assert_eq!(
        from("\"Acme, Inc.\" <no-reply@example.com>"),
        named("Acme, Inc.")
    );
    assert_eq!(from("Café <no-reply@example.com>"), named("Café"));
    assert_eq!(from("A\r\nBcc: x <no-reply@example.com>"), None);
    assert_eq!(from("a\"b <no-reply@example.com>"), None);
}

#[test]
fn a_services_own_endpoint_goes_before_the_common_one() {
    let config = read(&[
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:2"),
    ])
    .unwrap();
    assert_eq!(config.endpoints.sns.as_deref(), Some("http://127.0.0.1:2"));
    assert_eq!(config.endpoints.kms.as_deref(), Some("http://127.0.0.1:1"));
}

#[tokio::test]
async fn a_wrong_configuration_fails_the_init_and_says_all() {
    let wrong = [("KMS_KEY_ARN", "alias/codes"), ("SMS_MAX_PRICE", "cheap")];
    let function = Function::start(Options::default(), &wrong);
    let (name, message) = function.error(&event("CustomSMSSender_SignUp")).await;
    assert_eq!(name, "InvalidConfiguration");
    assert!(message.contains("KMS_KEY_ARN is an alias"), "{message}");
    assert!(
        message.contains("SMS_MAX_PRICE is not a price"),
        "{message}"
    );
    let log = function.stop();
    assert!(
        log.contains("InvalidConfiguration") && log.contains("SMS_MAX_PRICE"),
        "{log}"
    );
}
