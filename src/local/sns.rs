//! SNS: `Publish` to phones, the SMS sandbox, origination numbers, opt-outs and SMS attributes.
//!
//! Source: the SNS API reference and model; what `Publish` drops in silence is public practice.

use std::collections::BTreeMap;

use crate::sms_length::SmsLength;

use super::outbox::{Content, Fate, Sms};
use super::state::{Account, Shared};
use super::wire::{Call, Output, Refusal, escape, request_id};

const SENDER_ID: &str = "AWS.SNS.SMS.SenderID";
const SMS_TYPE: &str = "AWS.SNS.SMS.SMSType";
const MAX_PRICE: &str = "AWS.SNS.SMS.MaxPrice";
const ORIGINATION_NUMBER: &str = "AWS.MM.SMS.OriginationNumber";
const ENTITY_ID: &str = "AWS.MM.SMS.EntityId";
const TEMPLATE_ID: &str = "AWS.MM.SMS.TemplateId";

/// What `SetSMSAttributes` takes.
const SMS_ATTRIBUTES: [&str; 6] = [
    "MonthlySpendLimit",
    "DeliveryStatusIAMRole",
    "DeliveryStatusSuccessSamplingRate",
    "DefaultSenderID",
    "DefaultSMSType",
    "UsageReportS3Bucket",
];

/// Of the SMS sandbox ("Adding and verifying phone numbers in the SMS sandbox").
const MOST_NUMBERS: usize = 10;
/// That a number is texted in 24 hours.
const MOST_PASSWORDS: usize = 5;

pub(super) fn handle(shared: &Shared, call: &Call) -> Result<Output, Refusal> {
    match call.operation.as_str() {
        "Publish" => publish(shared, call),
        "GetSMSSandboxAccountStatus" => Ok(format!(
            "<IsInSandbox>{}</IsInSandbox>",
            shared.account().sms_sandbox
        )),
        "ListSMSSandboxPhoneNumbers" => list_sandbox_numbers(&shared.account(), call),
        "CreateSMSSandboxPhoneNumber" => create_sandbox_number(shared, call),
        "VerifySMSSandboxPhoneNumber" => verify_sandbox_number(&mut shared.account(), call),
        "DeleteSMSSandboxPhoneNumber" => delete_sandbox_number(&mut shared.account(), call),
        "ListOriginationNumbers" => list_origination_numbers(&shared.account(), call),
        "CheckIfPhoneNumberIsOptedOut" => {
            let number = phone_number(call, "phoneNumber")?;
            Ok(format!(
                "<isOptedOut>{}</isOptedOut>",
                shared.account().opted_out.contains(number)
            ))
        }
        "ListPhoneNumbersOptedOut" => {
            let numbers: Vec<_> = shared
                .account()
                .opted_out
                .iter()
                .map(|number| element("member", number))
                .collect();
            page(
                &numbers,
                call.str("nextToken"),
                100,
                "phoneNumbers",
                "nextToken",
            )
        }
        "OptInPhoneNumber" => {
            let number = phone_number(call, "phoneNumber")?;
            shared.account().opted_out.remove(number);
            Ok(String::new())
        }
        "GetSMSAttributes" => Ok(get_attributes(&shared.account(), call)),
        "SetSMSAttributes" => set_attributes(&mut shared.account(), call),
        other => Err(Refusal::new(
            "InvalidAction",
            format!("The action {other} is not valid for this endpoint."),
        )),
    }
    .map(Output::Xml)
}

fn publish(shared: &Shared, call: &Call) -> Result<String, Refusal> {
    if call.str("TopicArn").or(call.str("TargetArn")).is_some() {
        return Err(Refusal::new("NotFound", "Topic does not exist").status(404));
    }
    let number = call.str("PhoneNumber").ok_or_else(|| {
        Refusal::new(
            "InvalidParameter",
            "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter",
        )
    })?;
    let text = call.str("Message").unwrap_or_default();
    let (attributes, types) = message_attributes(call);
    let mut sms = Sms {
        message_id: None,
        text: text.to_owned(),
        origination_number: None,
        sender_id: None,
        chosen_by_sns: false,
        length: SmsLength::of(text),
        fate: Fate::Delivered,
        attributes,
    };
    let accepted = accept(&shared.account(), number, &types, &mut sms);
    if let Err(refusal) = &accepted {
        sms.fate = Fate::Refused(format!(
            "{}: {}",
            refusal.code,
            refusal.message.as_deref().unwrap_or_default()
        ));
    } else {
        sms.message_id = Some(request_id());
    }
    let answer = format!(
        "<MessageId>{}</MessageId>",
        sms.message_id.as_deref().unwrap_or_default()
    );
    shared
        .outbox
        .record(&call.region, number, Content::Sms(sms));
    accepted.map(|()| answer)
}

/// Names to values, and names to data types.
fn message_attributes(call: &Call) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let (mut values, mut types) = (BTreeMap::new(), BTreeMap::new());
    for index in 1.. {
        let member = |name: &str| {
            call.str(&format!("MessageAttributes.entry.{index}.{name}"))
                .unwrap_or_default()
                .to_owned()
        };
        let name = member("Name");
        if name.is_empty() {
            break;
        }
        types.insert(name.clone(), member("Value.DataType"));
        values.insert(name, member("Value.StringValue"));
    }
    (values, types)
}

/// Refuses what SNS refuses, and settles the sender and the fate of the rest.
fn accept(
    account: &Account,
    number: &str,
    types: &BTreeMap<String, String>,
    sms: &mut Sms,
) -> Result<(), Refusal> {
    let invalid = |reason: String| {
        Err(Refusal::new(
            "InvalidParameter",
            format!("Invalid parameter: {reason}"),
        ))
    };
    if !is_e164(number) {
        return invalid(format!(
            "PhoneNumber Reason: {number} is not valid to publish to"
        ));
    }
    if sms.text.is_empty() {
        return invalid("Empty message".to_owned());
    }
    if sms.text.chars().count() > 1600 {
        return invalid("Message Reason: the text is longer than 1600 characters".to_owned());
    }
    for (name, value) in &sms.attributes {
        let right = match name.as_str() {
            SENDER_ID => is_sender_id(value),
            SMS_TYPE => matches!(value.as_str(), "Transactional" | "Promotional"),
            MAX_PRICE => value.parse::<f64>().is_ok_and(|price| price > 0.0),
            ORIGINATION_NUMBER => is_origination_number(value),
            ENTITY_ID | TEMPLATE_ID => (1..=50).contains(&value.len()),
            other if other.starts_with("AWS.") => {
                return invalid(format!(
                    "MessageAttributes Reason: {name} is not a known attribute"
                ));
            }
            _ => true,
        };
        let data_type = types.get(name).map(String::as_str).unwrap_or_default();
        if !right || !(data_type == "String" || (data_type == "Number" && name == MAX_PRICE)) {
            return invalid(format!(
                "{name} Reason: the value '{value}' of type '{data_type}' is not valid"
            ));
        }
    }
    settle_sender(account, number, sms)?;
    sms.fate = if account.sms_sandbox
        && !account
            .sandbox_numbers
            .get(number)
            .is_some_and(|known| known.verified)
    {
        Fate::Dropped("sandbox".to_owned())
    } else if account.opted_out.contains(number) {
        Fate::Dropped("opted_out".to_owned())
    } else if is_us(number) && sms.origination_number.is_none() {
        Fate::Dropped("no_origination_number".to_owned())
    } else {
        Fate::Delivered
    };
    Ok(())
}

/// Of a named origination number that is not the account's, SNS's answer is not documented: here it is refused.
fn settle_sender(account: &Account, number: &str, sms: &mut Sms) -> Result<(), Refusal> {
    let active = |own: &&super::OriginationNumber| {
        own.status == "ACTIVE" && own.capabilities.iter().any(|can| can == "SMS")
    };
    let sender_id = sms.attributes.get(SENDER_ID).cloned();
    match (sms.attributes.get(ORIGINATION_NUMBER).cloned(), sender_id) {
        (Some(_), Some(_)) => Err(Refusal::new(
            "InvalidParameter",
            "Invalid parameter: MessageAttributes Reason: an origination number and a sender ID cannot be used together",
        )),
        (Some(named), None) => {
            if account
                .origination_numbers
                .iter()
                .filter(active)
                .any(|own| own.number == named)
            {
                sms.origination_number = Some(named);
                Ok(())
            } else {
                Err(Refusal::new(
                    "InvalidParameter",
                    format!(
                        "Invalid parameter: {ORIGINATION_NUMBER} Reason: {named} is not an active number of this account"
                    ),
                ))
            }
        }
        // Carriers of the United States know no sender IDs: SNS falls back to a number of the account.
        (None, Some(named)) if !is_us(number) => {
            sms.sender_id = Some(named);
            Ok(())
        }
        (None, _) => {
            sms.chosen_by_sns = true;
            if is_us(number) {
                let own = account
                    .origination_numbers
                    .iter()
                    .filter(active)
                    .find(|own| own.country == "US");
                sms.origination_number = own.map(|own| own.number.clone());
            } else {
                sms.sender_id = account.sms_attributes.get("DefaultSenderID").cloned();
            }
            Ok(())
        }
    }
}

fn list_sandbox_numbers(account: &Account, call: &Call) -> Result<String, Refusal> {
    let size = page_size(call, 100)?;
    let numbers: Vec<_> = account
        .sandbox_numbers
        .iter()
        .map(|(number, known)| {
            let status = if known.verified {
                "Verified"
            } else {
                "Pending"
            };
            format!(
                "<member><PhoneNumber>{}</PhoneNumber><Status>{status}</Status></member>",
                escape(number)
            )
        })
        .collect();
    page(
        &numbers,
        call.str("NextToken"),
        size,
        "PhoneNumbers",
        "NextToken",
    )
}

fn create_sandbox_number(shared: &Shared, call: &Call) -> Result<String, Refusal> {
    let number = phone_number(call, "PhoneNumber")?;
    let password = format!("{:06}", fastrand::u32(..1_000_000));
    {
        let mut account = shared.account();
        if account.opted_out.contains(number) {
            return Err(Refusal::new(
                "OptedOut",
                "The phone number has opted out of receiving SMS messages.",
            ));
        }
        match account.sandbox_numbers.get(number) {
            Some(known) if known.verified => {
                return Err(Refusal::new(
                    "UserError",
                    "The phone number is already verified.",
                ));
            }
            None if account.sandbox_numbers.len() >= MOST_NUMBERS => {
                return Err(Refusal::new(
                    "UserError",
                    "You can have at most 10 destination phone numbers in the SMS sandbox.",
                ));
            }
            _ => {}
        }
        let known = account.sandbox_numbers.entry(number.to_owned());
        let known = known.or_default();
        if known.passwords >= MOST_PASSWORDS {
            return Err(Refusal::new("Throttled", "Rate exceeded"));
        }
        known.passwords += 1;
        known.password = Some(password.clone());
    }
    let text = format!("Your AWS SMS sandbox verification code is {password}");
    let sms = Sms {
        message_id: Some(request_id()),
        origination_number: None,
        sender_id: Some("AWS".to_owned()),
        chosen_by_sns: true,
        attributes: BTreeMap::new(),
        length: SmsLength::of(&text),
        fate: Fate::Delivered,
        text,
    };
    shared
        .outbox
        .record(&call.region, number, Content::Sms(sms));
    Ok(String::new())
}

fn verify_sandbox_number(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let number = phone_number(call, "PhoneNumber")?;
    let known = account.sandbox_numbers.get_mut(number).ok_or_else(absent)?;
    known.tried = true;
    if known.password.is_none() || known.password.as_deref() != call.str("OneTimePassword") {
        return Err(Refusal::new(
            "VerificationException",
            "The one-time password is not valid.",
        ));
    }
    known.verified = true;
    known.password = None;
    Ok(String::new())
}

fn delete_sandbox_number(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let number = phone_number(call, "PhoneNumber")?;
    let known = account.sandbox_numbers.get(number).ok_or_else(absent)?;
    if known.tried {
        return Err(Refusal::new(
            "UserError",
            "You can delete a phone number 24 hours after its last verification attempt.",
        ));
    }
    account.sandbox_numbers.remove(number);
    Ok(String::new())
}

fn list_origination_numbers(account: &Account, call: &Call) -> Result<String, Refusal> {
    let size = page_size(call, 30)?;
    let numbers: Vec<_> = account
        .origination_numbers
        .iter()
        .map(|own| {
            let capabilities: String = own
                .capabilities
                .iter()
                .map(|can| element("member", can))
                .collect();
            [
                "<member>",
                &element("CreatedAt", "2026-01-01T00:00:00Z"),
                &element("PhoneNumber", &own.number),
                &element("Status", &own.status),
                &element("Iso2CountryCode", &own.country),
                &element("RouteType", &own.route_type),
                "<NumberCapabilities>",
                &capabilities,
                "</NumberCapabilities></member>",
            ]
            .concat()
        })
        .collect();
    page(
        &numbers,
        call.str("NextToken"),
        size,
        "PhoneNumbers",
        "NextToken",
    )
}

fn get_attributes(account: &Account, call: &Call) -> String {
    let wanted = call.list("attributes");
    let entries: String = account
        .sms_attributes
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.contains(name))
        .flat_map(|(name, value)| {
            [
                "<entry>".to_owned(),
                element("key", name),
                element("value", value),
                "</entry>".to_owned(),
            ]
        })
        .collect();
    format!("<attributes>{entries}</attributes>")
}

fn set_attributes(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    for index in 1.. {
        let member = |name: &str| call.str(&format!("attributes.entry.{index}.{name}"));
        let Some(name) = member("key") else { break };
        if !SMS_ATTRIBUTES.contains(&name) {
            return Err(Refusal::new(
                "InvalidParameter",
                format!("Invalid parameter: attributes Reason: unknown attribute {name}"),
            ));
        }
        account.sms_attributes.insert(
            name.to_owned(),
            member("value").unwrap_or_default().to_owned(),
        );
    }
    Ok(String::new())
}

fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

/// One page of `members`; the token is the place of the next page's first member.
fn page(
    members: &[String],
    token: Option<&str>,
    size: usize,
    list: &str,
    next: &str,
) -> Result<String, Refusal> {
    let start = token
        .map_or(Some(0), |token| {
            token.parse().ok().filter(|start| *start < members.len())
        })
        .ok_or_else(|| Refusal::new("InvalidParameter", format!("Invalid parameter: {next}")))?;
    let (members, rest) = members.split_at(members.len().min(start + size));
    let shown: String = members.iter().skip(start).map(String::as_str).collect();
    let token = if rest.is_empty() {
        String::new()
    } else {
        format!("<{next}>{}</{next}>", members.len())
    };
    Ok(format!("<{list}>{shown}</{list}>{token}"))
}

fn page_size(call: &Call, most: usize) -> Result<usize, Refusal> {
    call.str("MaxResults")
        .map_or(Some(most), |size| {
            size.parse().ok().filter(|size| (1..=most).contains(size))
        })
        .ok_or_else(|| {
            Refusal::new(
                "InvalidParameter",
                format!("Invalid parameter: MaxResults Reason: must be 1 to {most}"),
            )
        })
}

fn phone_number<'a>(call: &'a Call, name: &str) -> Result<&'a str, Refusal> {
    call.str(name)
        .filter(|number| is_e164(number))
        .ok_or_else(|| {
            Refusal::new(
                "InvalidParameter",
                "Invalid parameter: PhoneNumber Reason: input incorrectly formatted",
            )
        })
}

fn absent() -> Refusal {
    Refusal::new(
        "ResourceNotFound",
        "The phone number is not in the SMS sandbox.",
    )
    .status(404)
}

fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Five to fourteen digits with an optional plus, as the API reference says; long enough for every E.164 number here.
fn is_origination_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

fn is_sender_id(text: &str) -> bool {
    (3..=11).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && text.bytes().any(|b| b.is_ascii_alphabetic())
}

/// Area codes under +1 that are not the United States': Canada's, the Caribbean's and the territories'.
const NOT_US: &str = "204 226 236 249 250 257 263 289 306 343 354 365 367 368 382 387 403 416 418 428 431 437 438 450 460 468 474 506 514 519 548 \
    579 581 584 587 604 613 639 647 672 683 705 709 742 753 778 780 782 807 819 825 867 873 879 902 905 942 \
    242 246 264 268 284 340 345 441 473 649 658 664 670 671 684 721 758 767 784 787 809 829 849 868 869 876 939";

fn is_us(number: &str) -> bool {
    number
        .strip_prefix("+1")
        .and_then(|rest| rest.get(..3))
        .is_some_and(|area| !NOT_US.contains(area))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_ids_are_3_to_11_letters_digits_and_hyphens_with_a_letter() {
        for good in ["ACME", "A-1", "Acme-Bank01"] {
            assert!(is_sender_id(good), "{good}");
        }
        for bad in ["AB", "123456", "Acme Bank", "Acme-Bank012", "Ä-Bank"] {
            assert!(!is_sender_id(bad), "{bad}");
        }
    }

    #[test]
    fn canada_and_guam_are_not_the_united_states() {
        assert!(is_us("+12065550100") && is_us("+18005550100"));
        assert!(!is_us("+14165550100") && !is_us("+16715550100") && !is_us("+442079460000"));
    }

    #[test]
    fn pages_end_and_refuse_foreign_tokens() {
        let members: Vec<_> = (0..5).map(|n| n.to_string()).collect();
        let page = |token| page(&members, token, 2, "L", "T").ok();
        assert_eq!(page(None).as_deref(), Some("<L>01</L><T>2</T>"));
        assert_eq!(page(Some("4")).as_deref(), Some("<L>4</L>"));
        assert_eq!(page(Some("5")), None);
        assert_eq!(page(Some("x")), None);
    }
}
