//! The account's SMS: sandbox, spending, numbers, routes.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::types::{StandardUnit, Statistic};
use aws_sdk_pinpointsmsvoicev2::types::{NumberType, PhoneNumberInformation, SpendLimitName};
use aws_sdk_sns::types::{
    NumberCapability, RouteType, SmsSandboxPhoneNumberVerificationStatus as Verification,
};
use cognito_sender::config::{Origination, OriginationIdentity};
use cognito_sender::country::Country;
use cognito_sender::destination::PhoneNumber;
use cognito_sender::error::FaultKind;

use super::Subject;
use super::finding::{Check, Finding, Standing};
use super::pace::Pace;
use crate::aws::refusal;

/// From this share of the month's limit on.
const NEARLY: f64 = 0.8;
/// Numbers that answered STOP are counted so far.
const MOST_PAGES: usize = 5;

pub(crate) async fn look(subject: &Subject) -> Vec<Finding> {
    let sdk = subject.in_region(&subject.config.sms.region);
    let account = Account {
        subject,
        region: &subject.config.sms.region,
        sns: aws_sdk_sns::Client::new(&sdk),
        voice: aws_sdk_pinpointsmsvoicev2::Client::new(&sdk),
        cloudwatch: aws_sdk_cloudwatch::Client::new(&sdk),
    };
    let mut findings = Vec::new();
    // Where the Region sends no SMS, nothing else is worth a question.
    let Some(sandbox) = account.sandbox(&mut findings).await else {
        return findings;
    };
    account.attributes(&mut findings).await;
    account.numbers(&mut findings).await;
    if let Some(finding) = account.opted_out().await {
        findings.push(finding);
    }
    findings.insert(0, sandbox);
    findings
}

/// A number that the account may send from, as SNS lists it.
struct Number {
    number: String,
    country: Option<Country>,
    /// What keeps it from carrying codes.
    unfit: Vec<String>,
}

struct Account<'a> {
    subject: &'a Subject,
    region: &'a str,
    sns: aws_sdk_sns::Client,
    voice: aws_sdk_pinpointsmsvoicev2::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
}

impl Account<'_> {
    /// Sandbox or production. `None`: the Region sends no SMS.
    async fn sandbox(&self, findings: &mut Vec<Finding>) -> Option<Finding> {
        const ASKED: &str =
            "sns:GetSMSSandboxAccountStatus and sms-voice:DescribeAccountAttributes";
        let check = Check::SmsSandbox;
        let status = match self.sns.get_sms_sandbox_account_status().send().await {
            Ok(status) => status,
            Err(error) => {
                let code = error
                    .as_service_error()
                    .and_then(|error| error.meta().code());
                let verdict = code.and_then(FaultKind::verdict);
                let no_such = verdict == Some(FaultKind::Rejected)
                    || matches!(code, Some("OptInRequired"))
                    || error.as_service_error().is_none();
                if !no_such {
                    return Some(Finding::untold(check, ASKED, &error));
                }
                let what = format!("{} sends no SMS: {}", self.region, refusal(&error));
                let why = "every SMS ends in an error";
                findings.push(Finding::failure(check, what, why).advice(
                    "deploy the stack with SmsRegion, one of those that the SNS guide lists under \
                     \"Supported Regions and countries\", such as us-east-1",
                ));
                return None;
            }
        };
        let checked = self.subject.config.sandbox_check;
        if !status.is_in_sandbox() {
            let what = format!("production, in {}", self.region);
            return Some(Finding::ok(check, what));
        }
        let verified = match self.verified().await {
            Ok(verified) => verified,
            Err(finding) => return Some(*finding),
        };
        let count = verified.len();
        let list = match count {
            0 => "no number is verified".to_owned(),
            1 => format!("one number is verified: {}", verified.join("")),
            _ => format!("{count} numbers are verified: {}", verified.join(", ")),
        };
        let what = format!("SMS in {} are in the sandbox; {list}", self.region);
        let why = "others get nothing: the function withholds their messages \
                   (unverified_destination)";
        let (standing, why) = if checked {
            (Standing::Warning, why)
        } else {
            let why = "SANDBOX_CHECK is off: SNS takes messages to others, answers an id, and \
                       delivers nothing";
            (Standing::Failure, why)
        };
        Some(
            Finding::bad(check, standing, what, why)
                .command(format!(
                    "aws sns create-sms-sandbox-phone-number --region {} --phone-number <number>",
                    self.region
                ))
                .command(format!(
                    "aws sns verify-sms-sandbox-phone-number --region {} --phone-number <number> \
                     --one-time-password <code>",
                    self.region
                ))
                .command(format!("cognito-sender production{}", self.subject.flags)),
        )
    }

    /// The verified numbers, masked.
    async fn verified(&self) -> Result<Vec<String>, Box<Finding>> {
        let mut pace = Pace::new();
        let mut verified = Vec::new();
        let mut next = None;
        loop {
            pace.turn().await;
            let list = self.sns.list_sms_sandbox_phone_numbers().max_results(100);
            let page = list.set_next_token(next).send().await.map_err(|error| {
                let asked =
                    "sns:ListSMSSandboxPhoneNumbers and sms-voice:DescribeVerifiedDestinationNumbers";
                Box::new(Finding::untold(Check::SmsSandbox, asked, &error))
            })?;
            for number in page.phone_numbers {
                let number = number
                    .phone_number
                    .filter(|_| number.status == Some(Verification::Verified))
                    .and_then(|number| PhoneNumber::parse(&number).ok());
                verified.extend(number.map(|number| number.to_string()));
            }
            next = page.next_token;
            if next.is_none() {
                return Ok(verified);
            }
        }
    }

    /// Spending and delivery logs.
    async fn attributes(&self, findings: &mut Vec<Finding>) {
        let attributes = match self.sns.get_sms_attributes().send().await {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(error) => {
                let action = "sns:GetSMSAttributes";
                findings.push(Finding::untold(Check::SmsDeliveryLog, action, &error));
                HashMap::new()
            }
        };
        findings.push(self.spend(&attributes).await);
        if findings
            .iter()
            .any(|found| found.check == Check::SmsDeliveryLog)
        {
            return;
        }
        let role = attributes.get("DeliveryStatusIAMRole");
        findings.push(match role.filter(|role| !role.is_empty()) {
            Some(_) => {
                let rate = attributes.get("DeliveryStatusSuccessSamplingRate");
                let what = match rate.map(String::as_str) {
                    None | Some("0") => "SNS logs deliveries that failed".to_owned(),
                    Some(rate) => {
                        format!("SNS logs deliveries that failed, and {rate} % of the others")
                    }
                };
                Finding::ok(Check::SmsDeliveryLog, what)
            }
            None => Finding::warning(
                Check::SmsDeliveryLog,
                "SNS logs no deliveries",
                "`sent` says that SNS took a message; what the carrier did with it, only this log \
                 knows",
            )
            .command(format!(
                "aws sns set-sms-attributes --region {} --attributes \
                 'DeliveryStatusIAMRole=<role that sns.amazonaws.com may assume to write \
                 logs>,DeliveryStatusSuccessSamplingRate=100'",
                self.region
            )),
        });
    }

    async fn spend(&self, attributes: &HashMap<String, String>) -> Finding {
        let check = Check::SmsSpend;
        let own = attributes.get("MonthlySpendLimit");
        let own = own.and_then(|limit| limit.parse::<f64>().ok());
        let limit = match own {
            Some(limit) => limit,
            None => match self.account_limit().await {
                Ok(Some(limit)) => limit,
                Ok(None) => 1.0,
                Err(finding) => return *finding,
            },
        };
        let spent = match self.spent().await {
            Ok(spent) => spent,
            Err(finding) => return *finding,
        };
        let what = format!("{spent:.2} of {limit:.2} USD spent this month");
        let raise = format!(
            "aws sns set-sms-attributes --region {} --attributes MonthlySpendLimit=<USD>",
            self.region
        );
        let case = "past the account's own limit a support case raises it: AWS Support Center, \
                    Service Quotas, SMS";
        if spent >= limit {
            let why = format!("SNS drops further messages without an error; {case}");
            Finding::failure(check, what, why).command(raise)
        } else if spent >= limit * NEARLY {
            let why = format!("at the limit SNS drops messages without an error; {case}");
            Finding::warning(check, what, why).command(raise)
        } else {
            Finding::ok(check, what)
        }
    }

    /// The account's limit for SMS, USD a month.
    async fn account_limit(&self) -> Result<Option<f64>, Box<Finding>> {
        let action = "sms-voice:DescribeSpendLimits";
        let answer = self.voice.describe_spend_limits().send().await;
        let answer =
            answer.map_err(|error| Box::new(Finding::untold(Check::SmsSpend, action, &error)))?;
        let limits = answer.spend_limits().iter();
        let mut texts =
            limits.filter(|limit| *limit.name() == SpendLimitName::TextMessageMonthlySpendLimit);
        #[expect(clippy::cast_precision_loss, reason = "a few thousand dollars")]
        Ok(texts.next().map(|limit| limit.enforced_limit() as f64))
    }

    /// What SNS says that this month's SMS cost, USD.
    async fn spent(&self) -> Result<f64, Box<Finding>> {
        // It is told anew with each message; on the month's first it begins at nothing.
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let now = SystemTime::now();
        let asking = self
            .cloudwatch
            .get_metric_statistics()
            .namespace("AWS/SNS")
            .metric_name("SMSMonthToDateSpentUSD")
            .start_time((now - DAY).into())
            .end_time(now.into())
            .period(24 * 3600)
            .unit(StandardUnit::None)
            .statistics(Statistic::Maximum);
        let answer = asking.send().await.map_err(|error| {
            let action = "cloudwatch:GetMetricStatistics";
            Box::new(Finding::untold(Check::SmsSpend, action, &error))
        })?;
        let points = answer.datapoints().iter();
        let spent = points
            .filter_map(|point| point.maximum())
            .fold(0.0, f64::max);
        Ok(spent)
    }

    /// Every origination number, and what is sent from which.
    async fn numbers(&self, findings: &mut Vec<Finding>) {
        let kinds = match self.kinds().await {
            Ok(kinds) => kinds,
            Err(finding) => {
                findings.push(*finding);
                HashMap::new()
            }
        };
        let numbers = match self.list().await {
            Ok(numbers) => numbers,
            Err(finding) => {
                findings.push(*finding);
                return;
            }
        };
        if numbers.is_empty() {
            let what = format!("the account has no origination number in {}", self.region);
            findings.push(Finding::ok(Check::SmsNumbers, what));
        } else {
            let what = format!(
                "{} in {}",
                plural(numbers.len(), "origination number"),
                self.region
            );
            findings.push(Finding::ok(Check::SmsNumbers, what));
        }
        for number in &numbers {
            findings.push(number_finding(
                number,
                kinds.get(&number.number),
                self.region,
            ));
        }
        self.routes(&numbers, findings);
    }

    async fn kinds(&self) -> Result<HashMap<String, PhoneNumberInformation>, Box<Finding>> {
        let asking = self.voice.describe_phone_numbers();
        let mut pages = asking.into_paginator().items().send();
        let mut kinds = HashMap::new();
        while let Some(number) = pages.next().await {
            let number = number.map_err(|error| {
                let action = "sms-voice:DescribePhoneNumbers";
                Box::new(Finding::untold(Check::SmsThroughput, action, &error))
            })?;
            kinds.insert(number.phone_number.clone(), number);
        }
        Ok(kinds)
    }

    async fn list(&self) -> Result<Vec<Number>, Box<Finding>> {
        let mut pace = Pace::new();
        let mut numbers = Vec::new();
        let mut next = None;
        loop {
            pace.turn().await;
            let list = self.sns.list_origination_numbers().max_results(30);
            let page = list.set_next_token(next).send().await.map_err(|error| {
                let asked = "sns:ListOriginationNumbers and sms-voice:DescribePhoneNumbers";
                Box::new(Finding::untold(Check::SmsNumbers, asked, &error))
            })?;
            for number in page.phone_numbers.unwrap_or_default() {
                let mut unfit = Vec::new();
                let status = number.status().unwrap_or("unknown");
                if status != "ACTIVE" {
                    unfit.push(format!("its status is {status}"));
                }
                if number.route_type() != Some(&RouteType::Transactional) {
                    let route = number
                        .route_type()
                        .map_or("unknown", |route| route.as_str());
                    unfit.push(format!("its route is {route}"));
                }
                if !number
                    .number_capabilities()
                    .contains(&NumberCapability::Sms)
                {
                    unfit.push("it carries no SMS".to_owned());
                }
                let country = number
                    .iso2_country_code()
                    .and_then(|code| code.parse().ok());
                numbers.push(Number {
                    number: number.phone_number.unwrap_or_default(),
                    country,
                    unfit,
                });
            }
            next = page.next_token;
            if next.is_none() {
                return Ok(numbers);
            }
        }
    }

    /// Whether what `SMS_ORIGINATION` says can be, and what the US and India
    /// want.
    fn routes(&self, numbers: &[Number], findings: &mut Vec<Finding>) {
        let fit: Vec<&Number> = numbers.iter().filter(|own| own.unfit.is_empty()).collect();
        let country = |code: &str| code.parse::<Country>().ok();
        let (us, india) = (country("US"), country("IN"));
        let mut to_us = fit.iter().any(|own| own.country == us);
        let mut india_is_named = false;
        match &self.subject.config.sms.origination {
            Origination::Discovered => {
                let mut countries: Vec<&str> = fit
                    .iter()
                    .filter_map(|own| own.country.as_ref())
                    .map(Country::as_str)
                    .collect();
                countries.sort_unstable();
                countries.dedup();
                let what = if countries.is_empty() {
                    "SMS_ORIGINATION is empty: SNS chooses the sender".to_owned()
                } else {
                    format!(
                        "SMS_ORIGINATION is empty: own numbers to {}; elsewhere SNS chooses",
                        countries.join(", ")
                    )
                };
                findings.push(Finding::ok(Check::SmsRoute, what));
            }
            Origination::Explicit {
                countries,
                elsewhere,
            } => {
                to_us = false;
                for (country, identity) in countries {
                    to_us |= Some(*country) == us;
                    india_is_named |= Some(*country) == india;
                    let to = country.to_string();
                    findings.push(self.route(&to, identity, numbers));
                }
                if let Some(identity) = elsewhere {
                    to_us |= us.is_some_and(|us| identity.is_taken_by(us));
                    findings.push(self.route("other countries", identity, numbers));
                }
            }
        }
        findings.push(if to_us {
            Finding::ok(
                Check::SmsUnitedStates,
                "a registered number for the United States",
            )
        } else {
            let what = "no registered number for the United States";
            let why = "US carriers drop what does not come from one, so the function withholds \
                       SMS to US numbers (no_origination_number)";
            Finding::warning(Check::SmsUnitedStates, what, why).command(format!(
                "aws pinpoint-sms-voice-v2 request-phone-number --region {} --iso-country-code US \
                 --message-type TRANSACTIONAL --number-capabilities SMS --number-type TOLL_FREE",
                self.region
            ))
        });
        findings.push(if self.subject.config.sms.india.is_some() {
            Finding::ok(Check::SmsIndia, "India: DLT entity and template are set")
        } else {
            let (standing, what) = if india_is_named {
                (
                    Standing::Failure,
                    "SMS_ORIGINATION names India, and no DLT template is set",
                )
            } else {
                (Standing::Note, "no DLT template for India is set")
            };
            let why = "carriers in India drop messages that match no registered template";
            Finding::bad(Check::SmsIndia, standing, what, why).advice(
                "register with DLT if you have users there, and deploy the stack with \
                 SmsInEntityId and SmsInTemplateId",
            )
        });
    }

    fn route(&self, to: &str, identity: &OriginationIdentity, numbers: &[Number]) -> Finding {
        let check = Check::SmsRoute;
        let number = match identity {
            OriginationIdentity::SenderId(id) => {
                let what = format!("to {to}: from the sender ID {id}");
                return Finding::ok(check, what);
            }
            OriginationIdentity::Number(number) => number,
        };
        let list = format!("aws sns list-origination-numbers --region {}", self.region);
        match numbers.iter().find(|own| own.number == *number) {
            None => {
                let what = format!(
                    "to {to}: from {number}, which is no number of this account in {}",
                    self.region
                );
                let why = "SNS refuses what names a number that is not the account's (SmsRejected)";
                Finding::failure(check, what, why).command(list)
            }
            Some(own) if !own.unfit.is_empty() => {
                let what = format!("to {to}: from {number}, but {}", own.unfit.join(", and "));
                let why = "codes sent from it do not arrive";
                Finding::failure(check, what, why).command(list)
            }
            Some(_) => Finding::ok(check, format!("to {to}: from {number}")),
        }
    }

    async fn opted_out(&self) -> Option<Finding> {
        let mut pace = Pace::new();
        let (mut count, mut next) = (0, None);
        for _ in 0..MOST_PAGES {
            pace.turn().await;
            let list = self.sns.list_phone_numbers_opted_out();
            let page = match list.set_next_token(next).send().await {
                Ok(page) => page,
                Err(error) => {
                    let action = "sns:ListPhoneNumbersOptedOut";
                    return Some(Finding::untold(Check::SmsOptedOut, action, &error));
                }
            };
            count += page.phone_numbers().len();
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        if count == 0 {
            return Some(Finding::ok(Check::SmsOptedOut, "nobody answered STOP"));
        }
        let least = if next.is_some() { "at least " } else { "" };
        let what = format!("{least}{} answered STOP", plural(count, "number"));
        let why = "they get nothing (opted_out) until they answer START";
        Some(
            Finding::note(Check::SmsOptedOut, what, why).command(format!(
                "aws sns opt-in-phone-number --region {} --phone-number <number, once in 30 days>",
                self.region
            )),
        )
    }
}

fn number_finding(own: &Number, about: Option<&PhoneNumberInformation>, region: &str) -> Finding {
    let country = own
        .country
        .map_or_else(|| "no country".to_owned(), |country| country.to_string());
    let what = match about {
        None => format!("{} ({country})", own.number),
        Some(about) => format!(
            "{} ({country}): {}",
            own.number,
            kind_and_rate(about, own.country)
        ),
    };
    if own.unfit.is_empty() {
        return Finding::ok(Check::SmsNumber, format!("{what}, active, transactional"));
    }
    let what = format!("{what}; {}", own.unfit.join(", and "));
    let why = "the function does not choose it, and codes from it would not arrive";
    Finding::warning(Check::SmsNumber, what, why).command(format!(
        "aws pinpoint-sms-voice-v2 describe-phone-numbers --region {region}"
    ))
}

/// `toll-free, about 3 parts/s`. The rate is the number's own where End User
/// Messaging tells it; else what its guide says of the kind ("Message Parts per
/// Second (MPS) limits").
fn kind_and_rate(about: &PhoneNumberInformation, country: Option<Country>) -> String {
    let north_america = country.is_some_and(|country| matches!(country.as_str(), "US" | "CA"));
    let (kind, documented) = match about.number_type() {
        NumberType::TollFree => ("toll-free", Some("3")),
        NumberType::TenDlc => ("10DLC", Some("1, more by its campaign")),
        NumberType::ShortCode => ("short code", north_america.then_some("100")),
        NumberType::LongCode => ("long code", Some(if north_america { "1" } else { "10" })),
        NumberType::Simulator => ("simulator, which reaches no phone", Some("1")),
        other => (other.as_str(), None),
    };
    let own = about
        .messaging_limits()
        .and_then(|limits| limits.rate_limits());
    match (own.and_then(|rates| rates.get("SMS")), documented) {
        (Some(rate), _) => format!("{kind}, {rate} a second"),
        (None, Some(rate)) => format!("{kind}, about {rate} parts/s"),
        (None, None) => format!("{kind}, its rate is the country's"),
    }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 {
        format!("one {what}")
    } else {
        format!("{count} {what}s")
    }
}
