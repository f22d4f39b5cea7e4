//! What holds for every input.

use cognito_sender::Config;
use cognito_sender::Request;
use cognito_sender::config::{KmsKeyArn, Origination, OriginationIdentity};
use cognito_sender::destination::{EmailAddress, PhoneNumber};
use cognito_sender::event::UserPoolId;
use proptest::prelude::*;
use serde_json::{Value, json};

use cognito_sender::local::KEY_ARN;

/// Any JSON, three levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z_]{1,12}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// An event whose members are anything.
fn any_event() -> impl Strategy<Value = Value> {
    let source = prop_oneof![
        "Custom(SMS|Sms|Email)Sender_[A-Za-z]{0,12}".prop_map(Value::from),
        Just(json!("CustomEmailSender_AccountTakeOverNotification")),
        any_json(),
    ];
    let pool = prop_oneof![Just(json!("us-east-1_AbCdEfGhI")), any_json()];
    (source, pool, any_json(), any_json(), any_json(), any_json()).prop_map(
        |(source, pool, name, caller, attributes, code)| {
            json!({
                "triggerSource": source, "userPoolId": pool, "userName": name,
                "callerContext": caller,
                "request": {"userAttributes": attributes, "code": code, "clientMetadata": name},
            })
        },
    )
}

proptest! {
    #[test]
    fn any_json_is_a_request_or_an_error(event in any_json()) {
        let _ = Request::parse(&event);
    }

    #[test]
    fn any_members_make_a_request_or_an_error(event in any_event()) {
        if let Err(error) = Request::parse(&event) {
            prop_assert_eq!(error.name(), "InvalidEvent");
        }
    }

    #[test]
    fn a_phone_number_is_e_164_and_prints_with_three_digits_hidden(text in "\\+?[0-9]{0,17}") {
        let digits = text.strip_prefix('+').unwrap_or("");
        let valid = (7..=15).contains(&digits.len()) && !digits.starts_with('0');
        let number = PhoneNumber::parse(&text);
        prop_assert_eq!(number.is_ok(), valid);
        if let Ok(number) = number {
            prop_assert_eq!(number.expose(), &text);
            let shown = number.to_string().chars().filter(char::is_ascii_digit).count();
            prop_assert!(shown + 3 <= digits.len(), "{}", number);
            prop_assert_eq!(format!("{number:?}"), number.to_string());
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_refused(text in ".{0,400}") {
        if let Ok(number) = PhoneNumber::parse(&text) {
            prop_assert!(number.expose().is_ascii());
        }
        if let Ok(address) = EmailAddress::parse(&text) {
            let forbidden = |c: char| c.is_control() || c.is_whitespace() || ",;<>\"()[]\\".contains(c);
            prop_assert!(!address.expose().contains(forbidden));
            prop_assert!(address.expose().is_ascii());
        }
        let _ = (KmsKeyArn::parse(&text), UserPoolId::parse(&text), OriginationIdentity::parse(&text));
    }

    #[test]
    fn an_address_prints_without_its_name(
        local in "[a-zA-Z0-9._+-]{2,30}",
        domain in "[a-z0-9]{1,10}(\\.[a-z]{2,6}){1,3}",
    ) {
        let text = format!("{local}@{domain}");
        if let Ok(address) = EmailAddress::parse(&text) {
            prop_assert_eq!(address.domain(), &domain);
            prop_assert!(!address.to_string().contains(&local));
            prop_assert!(address.to_string().ends_with(&domain));
        }
    }

    #[test]
    fn any_environment_is_a_configuration_or_tells_its_problems(
        values in prop::collection::vec(prop_oneof![".{0,60}", "[A-Za-z0-9@.<>=+*, -]{0,40}"], 16),
    ) {
        let names = [
            "USER_POOL_IDS", "SMS_ORIGINATION", "SMS_REGION", "SMS_MAX_PRICE", "SMS_IN_ENTITY_ID",
            "SMS_IN_TEMPLATE_ID", "EMAIL_FROM", "EMAIL_IDENTITY_ARN", "EMAIL_REPLY_TO",
            "EMAIL_CONFIGURATION_SET", "EMAIL_REGION", "APP_NAME", "APP_DOMAIN", "DEFAULT_LOCALE",
            "SANDBOX_CHECK", "AWS_ENDPOINT_URL",
        ];
        let read = |only: Option<&str>| Config::read(|name| match name {
            "AWS_REGION" => Some("us-east-1".to_owned()),
            "KMS_KEY_ARN" => Some(KEY_ARN.to_owned()),
            _ if only.is_some_and(|only| only != name) => None,
            _ => names.iter().position(|known| *known == name).map(|at| values[at].clone()),
        });
        // A variable is right or wrong by itself, whatever the others are
        // (but India's two, which belong together).
        let Err(all) = read(None) else { return Ok(()) };
        for problem in &all.0 {
            if !problem.variable.starts_with("SMS_IN") {
                let alone = read(Some(problem.variable)).unwrap_err();
                prop_assert!(alone.0.contains(problem), "{problem:?}");
            }
        }
    }

    #[test]
    fn an_origination_that_is_taken_suits_its_country(
        country in "US|CA|CN|GB|IN|\\*",
        identity in "\\+1[2-9][0-9]{9}|\\+447700900[0-9]{3}|[0-9]{5}|[A-Z][A-Z0-9-]{2,12}",
    ) {
        let read = Config::read(|name| match name {
            "AWS_REGION" => Some("us-east-1".to_owned()),
            "KMS_KEY_ARN" => Some(KEY_ARN.to_owned()),
            "SMS_ORIGINATION" => Some(format!("{country}={identity}")),
            _ => None,
        });
        let is_sender_id = identity.starts_with(|c: char| c.is_ascii_alphabetic());
        match read.map(|config| config.sms.origination) {
            Ok(Origination::Explicit { countries, elsewhere }) => {
                prop_assert_eq!(countries.len() + usize::from(elsewhere.is_some()), 1);
                prop_assert!(!is_sender_id || identity.len() <= 11);
                prop_assert!(!is_sender_id || !["US", "CA", "CN"].contains(&country.as_str()));
                prop_assert!(country != "US" || !identity.starts_with("+44"));
            }
            Ok(Origination::Discovered) => prop_assert!(false, "{} is lost", identity),
            Err(invalid) => prop_assert_eq!(invalid.0[0].variable, "SMS_ORIGINATION"),
        }
    }
}
