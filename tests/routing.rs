//! From where an SMS comes.

use cognito_sender::local::{Fault, Options, OriginationNumber};
use cognito_sender::{Outcome, Reason};

use crate::support::{Local, event, to};

const US: &str = "+12065550100";
const GB: &str = "+447700900123";
const CANADA: &str = "+16135550123";
const GUAM: &str = "+16715550123";
const INDIA: &str = "+919876543210";
const NO_NUMBER: Outcome = Outcome::Withheld(Reason::NoOriginationNumber);

fn account(numbers: Vec<OriginationNumber>) -> Options {
    Options {
        origination_numbers: numbers,
        ..Options::default()
    }
}

/// A US and a British number.
fn two_numbers() -> Options {
    account(vec![
        OriginationNumber::us("+18005550100"),
        OriginationNumber::active("+447700900000", "GB"),
    ])
}

impl Local {
    /// The number or sender ID that a message to `destination` comes from;
    /// `None`: SNS's choice.
    async fn origin(&self, destination: &str) -> Option<String> {
        let sms = self
            .sent_sms(&to(event("CustomSMSSender_SignUp"), destination))
            .await;
        assert_eq!(sms.attributes["AWS.SNS.SMS.SMSType"], "Transactional");
        assert!(sms.origination_number.is_none() || sms.sender_id.is_none());
        sms.origination_number.or(sms.sender_id)
    }

    async fn end(&self, destination: &str) -> Outcome {
        self.outcome(&to(event("CustomSMSSender_SignUp"), destination))
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_country_has_its_own() {
    let origination = "US=+18005550100,GB=ACME,*=+447700900000";
    let local = Local::new(two_numbers(), &[("SMS_ORIGINATION", origination)]).await;
    assert_eq!(local.origin(US).await.as_deref(), Some("+18005550100"));
    assert_eq!(local.origin(GB).await.as_deref(), Some("ACME"));
    assert_eq!(local.origin(GUAM).await.as_deref(), Some("+447700900000"));
    assert_eq!(local.aws.calls("ListOriginationNumbers").count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_value_is_for_everywhere() {
    let local = Local::new(Options::default(), &[("SMS_ORIGINATION", "+18005550100")]).await;
    for destination in [US, CANADA, GB] {
        assert_eq!(
            local.origin(destination).await.as_deref(),
            Some("+18005550100")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_id_goes_where_sender_ids_go() {
    let local = Local::new(Options::default(), &[("SMS_ORIGINATION", "ACME")]).await;
    assert_eq!(local.origin(GB).await.as_deref(), Some("ACME"));
    assert_eq!(local.origin(CANADA).await, None);
    assert_eq!(local.origin("+8613912345678").await, None);
    assert_eq!(local.end(US).await, NO_NUMBER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_elsewhere_does_not_reach_the_us() {
    let local = Local::new(two_numbers(), &[("SMS_ORIGINATION", "*=+447700900000")]).await;
    assert_eq!(local.end(US).await, NO_NUMBER);
    assert_eq!(local.origin(GUAM).await.as_deref(), Some("+447700900000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canadian_number_is_not_one_of_the_us() {
    let local = Local::new(Options::default(), &[("SMS_ORIGINATION", "+16135550123")]).await;
    assert_eq!(local.end(US).await, NO_NUMBER);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_means_the_accounts_own_numbers() {
    let number = OriginationNumber::active;
    let numbers = vec![
        number("+18005550100", "US"),
        number("+447700900000", "GB"),
        number("+447700900001", "GB"),
    ];
    let local = Local::new(account(numbers), &[]).await;
    assert_eq!(local.origin(US).await.as_deref(), Some("+18005550100"));
    assert_eq!(local.origin(GB).await.as_deref(), Some("+447700900000"));
    // Under American rules, though not the US.
    assert_eq!(local.origin(GUAM).await.as_deref(), Some("+18005550100"));
    // Neither the US nor Great Britain: SNS chooses.
    assert_eq!(local.origin(CANADA).await, None);
    assert_eq!(local.origin(INDIA).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_territory_without_an_american_number_is_left_to_sns() {
    let numbers = vec![OriginationNumber::active("+447700900000", "GB")];
    let local = Local::new(account(numbers), &[]).await;
    assert_eq!(local.origin(GUAM).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_code_goes_before_long_numbers() {
    let number = OriginationNumber::active;
    let numbers = vec![number("+18005550100", "US"), number("12345", "US")];
    let local = Local::new(account(numbers), &[]).await;
    assert_eq!(local.origin(US).await.as_deref(), Some("12345"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_cannot_send_is_passed_over() {
    let usable = OriginationNumber::us("+18005550100");
    let unusable = [
        OriginationNumber {
            status: "PENDING".to_owned(),
            ..usable.clone()
        },
        OriginationNumber {
            route_type: "Promotional".to_owned(),
            ..usable.clone()
        },
        OriginationNumber {
            capabilities: vec!["VOICE".to_owned()],
            ..usable.clone()
        },
        OriginationNumber {
            country: "GB".to_owned(),
            ..usable.clone()
        },
    ];
    for number in unusable {
        let told = format!("{number:?}");
        let local = Local::new(account(vec![number]), &[]).await;
        assert_eq!(local.end(US).await, NO_NUMBER, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_of_numbers_are_read() {
    let mut numbers: Vec<OriginationNumber> = (0..70)
        .map(|n| OriginationNumber::active(&format!("+4477009{n:05}"), "GB"))
        .collect();
    numbers.push(OriginationNumber::us("+18005550100"));
    let local = Local::new(account(numbers), &[]).await;
    assert_eq!(local.origin(US).await.as_deref(), Some("+18005550100"));
    assert_eq!(local.aws.calls("ListOriginationNumbers").count, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_registered_number_the_us_is_out_of_reach_and_told_so() {
    let local = Local::new(account(Vec::new()), &[]).await;
    let (result, line) = local.handle(&event("CustomSMSSender_SignUp")).await;
    assert_eq!(result.unwrap(), NO_NUMBER);
    assert!(
        line["advice"].as_str().unwrap().contains("toll-free"),
        "{line}"
    );
    assert_eq!(local.aws.calls("Publish").count, 0);
    // Elsewhere SNS has numbers of its own.
    assert_eq!(local.origin(GB).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_cannot_be_read_withhold_nothing_and_are_counted() {
    for fault in [Fault::Denied, Fault::Throttle] {
        let local = Local::new(Options::default(), &[]).await;
        local.aws.add_fault("ListOriginationNumbers", fault, None);
        let (result, line) = local.handle(&event("CustomSMSSender_SignUp")).await;
        assert!(matches!(result, Ok(Outcome::Sent { .. })));
        assert_eq!(line["OriginationUnknown"], 1, "{line}");
        assert!(local.aws.outbox()[0].sms().unwrap().chosen_by_sns);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn india_gets_its_registration_and_nobody_else() {
    let registration = [
        ("SMS_IN_ENTITY_ID", "1101456324678987654"),
        ("SMS_IN_TEMPLATE_ID", "1107164578923456789"),
    ];
    let local = Local::new(Options::default(), &registration).await;
    let india = local
        .sent_sms(&to(event("CustomSMSSender_SignUp"), INDIA))
        .await;
    assert_eq!(
        india.attributes["AWS.MM.SMS.EntityId"],
        "1101456324678987654"
    );
    assert_eq!(
        india.attributes["AWS.MM.SMS.TemplateId"],
        "1107164578923456789"
    );
    let us = local
        .sent_sms(&to(event("CustomSMSSender_SignUp"), US))
        .await;
    assert!(
        us.attributes.keys().all(|name| !name.contains("Id")),
        "{us:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_limit_is_passed_on() {
    let local = Local::new(Options::default(), &[("SMS_MAX_PRICE", "0.50")]).await;
    let sms = local.sent_sms(&event("CustomSMSSender_SignUp")).await;
    assert_eq!(sms.attributes["AWS.SNS.SMS.MaxPrice"], "0.50");
}

#[tokio::test(flavor = "multi_thread")]
async fn sms_leave_from_their_own_region() {
    let local = Local::new(Options::default(), &[("SMS_REGION", "eu-west-1")]).await;
    assert_eq!(
        local.sent(&event("CustomSMSSender_SignUp")).await.region,
        "eu-west-1"
    );
}
