//! Every event that Cognito sends, and odd ones.

use std::collections::{BTreeMap, BTreeSet};

use cognito_sender::local::{Fault, Options};
use cognito_sender::{Error, Outcome, Reason};
use serde_json::{Value, json};

use crate::support::{Local, event, with};

const OCCASIONS: [&str; 7] = [
    "SignUp",
    "ResendCode",
    "ForgotPassword",
    "UpdateUserAttribute",
    "VerifyUserAttribute",
    "AdminCreateUser",
    "Authentication",
];

/// Lets Cognito know an address of the notice's user.
fn give_address(local: &Local, notice: &Value) {
    let address = BTreeMap::from([("email".to_owned(), "user@example.com".to_owned())]);
    let user = notice["userName"].as_str().unwrap();
    local.aws.set_user(user, address);
}

/// The password in the AdminCreateUser events, as a person must type it.
const PASSWORD: &str = "Tr&9<kQ\"x7'b>z";

#[tokio::test(flavor = "multi_thread")]
async fn every_trigger_source_has_an_event_and_its_code_arrives() {
    let local = Local::new(Options::default(), &[]).await;
    for occasion in OCCASIONS {
        let secret = if occasion == "AdminCreateUser" {
            PASSWORD
        } else {
            "123456"
        };
        let sms = local
            .sent_sms(&event(&format!("CustomSMSSender_{occasion}")))
            .await;
        assert!(sms.text.contains(secret), "{occasion}: {}", sms.text);
        assert_eq!(sms.length.segments, 1, "{occasion}");
        let record = local
            .sent(&event(&format!("CustomEmailSender_{occasion}")))
            .await;
        let mail = record.email().unwrap();
        assert!(mail.text.as_ref().unwrap().contains(secret), "{occasion}");
        assert!(!mail.subject.contains(secret), "{occasion}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_events_end_as_their_names_say() {
    let ends = [
        (
            "CustomEmailSender_AccountTakeOverNotification.nulls",
            "no_destination",
        ),
        (
            "CustomEmailSender_SignUp.invalid-destination",
            "invalid_destination",
        ),
        ("CustomSMSSender_SignUp.empty-destination", "no_destination"),
        (
            "CustomSMSSender_SignUp.invalid-destination",
            "invalid_destination",
        ),
        ("CustomSMSSender_SignUp.no-code", "DecryptFailed"),
        ("CustomSMSSender_SignUp.no-destination", "no_destination"),
    ];
    let local = Local::new(Options::default(), &[]).await;
    let mut odd = 0;
    for file in std::fs::read_dir("events").unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".json").unwrap();
        if !name.contains('.') {
            continue;
        }
        odd += 1;
        let expected = ends.iter().find(|(known, _)| *known == name);
        let end = match local.handle(&event(name)).await.0 {
            Ok(Outcome::Withheld(reason)) => reason.name(),
            Ok(outcome) => outcome.name(),
            Err(error) => error.name(),
        };
        assert_eq!(end, expected.map_or("sent", |(_, end)| end), "{name}");
    }
    assert!(odd > ends.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_occasion_delivers_its_code_and_without_one_nothing() {
    let local = Local::new(Options::default(), &[]).await;
    let unknown = event("CustomSMSSender_SomethingNew.unknown");
    assert!(local.sent_sms(&unknown).await.text.contains("123456"));
    let empty = with(unknown, "/request/code", Value::Null);
    assert_eq!(
        local.outcome(&empty).await,
        Outcome::Withheld(Reason::NoCode)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trigger_source_decides_and_not_the_type() {
    let local = Local::new(Options::default(), &[]).await;
    let event = event("CustomSMSSender_SignUp.email-type");
    assert_eq!(event["request"]["type"], "customEmailSenderRequestV1");
    assert_eq!(local.sent_sms(&event).await.text.lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_touches_a_temporary_password() {
    let local = Local::new(Options::default(), &[]).await;
    let sms = local
        .sent_sms(&event("CustomSMSSender_AdminCreateUser"))
        .await;
    assert_eq!(sms.text.lines().last(), Some(PASSWORD));

    let record = local
        .sent(&event("CustomEmailSender_AdminCreateUser"))
        .await;
    let mail = record.email().unwrap();
    let lines: Vec<&str> = mail.text.as_ref().unwrap().lines().collect();
    assert!(lines.contains(&PASSWORD), "{lines:?}");
    let html = mail.html.as_ref().unwrap();
    assert!(
        html.contains(">Tr&amp;9&lt;kQ&quot;x7&#x27;b&gt;z</p>"),
        "{html}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_named_by_what_they_know() {
    let local = Local::new(Options::default(), &[]).await;
    let invitation = event("CustomEmailSender_AdminCreateUser");
    let named = with(invitation.clone(), "/userName", "jdoe");
    let odd = with(invitation.clone(), "/userName", "www.acme/alice\u{202e}\n");
    let unnamed = with(
        invitation,
        "/userName",
        "7d8ca528-4931-4254-9273-ea5ee853f271",
    );
    for (event, name) in [
        (named, "jdoe"),
        (odd, "www.acme/alice"),
        (unnamed, "user@example.com"),
    ] {
        let record = local.sent(&event).await;
        let text = record.email().unwrap().text.clone().unwrap();
        assert!(text.contains(&format!("User name: {name}\n")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_notice_goes_to_the_address_that_cognito_tells() {
    let local = Local::new(Options::default(), &[]).await;
    let notice = event("CustomEmailSender_AccountTakeOverNotification");
    let link = notice["request"]["userAttributes"]["ONE_CLICK_LINK_INVALID"].clone();
    give_address(&local, &notice);

    let mut subjects = BTreeSet::new();
    for action in ["BLOCK", "MFA_REQUIRED", "NO_ACTION"] {
        let action = json!(action);
        let pointer = "/request/userAttributes/ACCOUNT_TAKE_OVER_ACTION";
        let record = local.sent(&with(notice.clone(), pointer, action)).await;
        assert_eq!(record.to, "user@example.com");
        let mail = record.email().unwrap();
        assert!(mail.text.as_ref().unwrap().contains(link.as_str().unwrap()));
        assert_eq!(
            mail.html
                .as_ref()
                .unwrap()
                .matches("href=\"https:&#x2f;&#x2f;")
                .count(),
            2
        );
        subjects.insert(mail.subject.clone());
    }
    assert_eq!(subjects.len(), 3);
    assert_eq!(local.aws.calls("Decrypt").count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_notice_without_an_address_is_withheld() {
    let local = Local::new(Options::default(), &[]).await;
    let notice = event("CustomEmailSender_AccountTakeOverNotification");
    let no_destination = Outcome::Withheld(Reason::NoDestination);
    assert_eq!(local.outcome(&notice).await, no_destination);

    local.aws.add_fault("AdminGetUser", Fault::Denied, 1);
    assert_eq!(local.outcome(&notice).await, no_destination);

    local.aws.add_fault("AdminGetUser", Fault::Throttle, None);
    assert_eq!(local.error(&notice).await.name(), "UserLookupThrottled");
    assert_eq!(local.aws.outbox().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_called_the_device_is_no_link() {
    let local = Local::new(Options::default(), &[]).await;
    let notice = event("CustomEmailSender_AccountTakeOverNotification");
    give_address(&local, &notice);
    let device = "Call +18885550199 or see secure-login.evil.com<script>, evil\u{3002}com";
    let hostile = with(notice, "/request/userAttributes/DEVICE_NAME", device);
    let record = local.sent(&hostile).await;
    let text = record.email().unwrap().text.clone().unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("Device"))
        .unwrap();
    assert_eq!(
        line,
        "Device: Call or see secure-login. evil. com<script>, evil\u{3002} com"
    );
    assert!(
        !record
            .email()
            .unwrap()
            .html
            .as_ref()
            .unwrap()
            .contains("<script")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_a_notice_that_are_not_cognitos_are_left_out() {
    let local = Local::new(Options::default(), &[]).await;
    let notice = event("CustomEmailSender_AccountTakeOverNotification");
    give_address(&local, &notice);
    for link in [
        "javascript:alert(1)",
        "https://a/\"onclick=x",
        "http://plain.example/",
        "",
    ] {
        let pointer = "/request/userAttributes/ONE_CLICK_LINK_VALID";
        let record = local.sent(&with(notice.clone(), pointer, link)).await;
        let html = record.email().unwrap().html.clone().unwrap();
        assert_eq!(html.matches("<a ").count(), 1, "{link}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_user_typed_is_in_no_message() {
    let local = Local::new(Options::default(), &[]).await;
    let sms = local
        .sent_sms(&event("CustomSMSSender_SignUp.hostile"))
        .await;
    let usual = local.sent_sms(&event("CustomSMSSender_SignUp")).await;
    assert_eq!(sms.text, usual.text);
    let hostile = local.sent(&event("CustomEmailSender_SignUp.hostile")).await;
    let usual = local.sent(&event("CustomEmailSender_SignUp")).await;
    let (hostile, usual) = (hostile.email().unwrap(), usual.email().unwrap());
    assert_eq!(hostile.recipients, ["user@example.com"]);
    assert_eq!(
        (
            &hostile.subject,
            &hostile.text,
            &hostile.html,
            &hostile.headers
        ),
        (&usual.subject, &usual.text, &usual.html, &usual.headers)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_custom_sender_event_is_an_error() {
    let local = Local::new(Options::default(), &[]).await;
    let sign_up = event("CustomSMSSender_SignUp");
    let events = [
        json!("text"),
        json!(null),
        json!([]),
        json!({}),
        with(sign_up.clone(), "/triggerSource", "PreSignUp_SignUp"),
        with(sign_up.clone(), "/triggerSource", "CustomSMSSender"),
        with(sign_up.clone(), "/userPoolId", Value::Null),
        with(sign_up, "/userPoolId", "no pool\n"),
    ];
    for event in events {
        let error = local.error(&event).await;
        assert!(matches!(error, Error::InvalidEvent(_)), "{event}: {error}");
    }
    assert_eq!(local.aws.outbox().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_nothing_but_what_is_needed_is_enough() {
    let local = Local::new(Options::default(), &[]).await;
    let full = event("CustomSMSSender_SignUp");
    let bare = json!({
        "triggerSource": "CustomSMSSender_SignUp",
        "userPoolId": full["userPoolId"],
        "request": {
            "code": full["request"]["code"],
            "userAttributes": {"phone_number": "+12065550100"},
        },
    });
    local.sent_sms(&bare).await;
}
