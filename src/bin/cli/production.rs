//! `cognito-sender production`: out of the sandbox, channel by channel.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aws_sdk_sesv2::error::ProvideErrorMetadata as _;
use aws_sdk_sesv2::operation::get_account::GetAccountOutput;
use aws_sdk_sesv2::operation::get_email_identity::{GetEmailIdentityError, GetEmailIdentityOutput};
use aws_sdk_sesv2::operation::put_account_details::PutAccountDetailsError;
use aws_sdk_sesv2::types::{ContactLanguage, DkimStatus, MailType, ReviewStatus};
use aws_sdk_sns::types::{NumberCapability, RouteType};
use clap::Args;
use cognito_sender::Secret;
use cognito_sender::config::{Config, EmailConfig, Origination, OriginationIdentity};
use cognito_sender::destination::EmailAddress;
use cognito_sender::event::{Channel, Occasion};
use cognito_sender::message::Texts;

use crate::Failure;
use crate::ask::confirmed;
use crate::aws::refusal;
use crate::channels::Channels;
use crate::deployment::Which;
use crate::messages::samples::{Sample, User};
use crate::page::labelled;

/// Leave the sandbox: what AWS asks for, what is missing, and the requests
///
/// Looks at both channels. For e-mail, --email sends AWS the request, after it
/// was shown to you. For SMS there is no such operation: what to paste into a
/// support case is printed, with one of the function's own texts.
#[derive(Args)]
#[command(after_long_help = "Examples:

  cognito-sender production --stack cognito-sender
  cognito-sender production --stack cognito-sender --website https://example.com
  cognito-sender production --stack cognito-sender --email \\
    --website https://example.com --use-case 'Codes to sign in, to our own users'")]
pub(crate) struct Production {
    /// Ask AWS for SES's production access.
    #[arg(long, requires_all = ["website", "use_case"])]
    email: bool,
    /// Your site, where people sign up.
    #[arg(long, value_name = "URL", value_parser = url)]
    website: Option<String>,
    /// What you send, to whom, and why they want it.
    #[arg(long, value_name = "TEXT")]
    use_case: Option<String>,
    /// Whom else AWS writes about this. May be repeated, four times at most.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    contact: Vec<EmailAddress>,
    /// The language in which AWS answers.
    #[arg(long, default_value = "EN", value_parser = ["EN", "JA"])]
    language: String,
    /// What SMS may cost a month, in USD, for the support case.
    #[arg(long, value_name = "USD")]
    spend: Option<u32>,
    /// The function's own texts, if MESSAGES_DIR is set.
    #[arg(long, value_name = "DIR")]
    messages: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    which: Which,
}

/// What AWS takes for a contact (SES API reference, "PutAccountDetails").
const MOST_CONTACTS: usize = 4;

fn url(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or(text.strip_prefix("http://"));
    match rest {
        Some(rest) if rest.contains('.') && text.len() <= 1000 => Ok(text.to_owned()),
        _ => Err("not a URL such as https://example.com".to_owned()),
    }
}

fn address(text: &str) -> Result<EmailAddress, String> {
    EmailAddress::parse(text).map_err(|error| error.to_string())
}

/// One thing that AWS looks at.
enum Point {
    /// As it must be.
    Fine(String),
    /// To be done, and how.
    Missing(String),
    /// Could not be looked at.
    Unknown(String),
}

impl Point {
    fn say(&self) {
        let (label, text) = match self {
            Self::Fine(text) => ("  ok", text),
            Self::Missing(text) => ("  missing", text),
            Self::Unknown(text) => ("  unknown", text),
        };
        say!("{}", labelled(label, 11, text));
    }

    fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

impl Production {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        if self.contact.len() > MOST_CONTACTS {
            return Err(format!("AWS takes {MOST_CONTACTS} --contact at most").into());
        }
        let channels = Channels::find(&self.which).await?;
        if self.email {
            return self.submit(&channels).await;
        }
        let (sms, email) = tokio::join!(self.sms(&channels), self.look_at_email(&channels));
        say!("SMS in {}\n", channels.sms_region);
        sms.points.iter().for_each(Point::say);
        if let Some(case) = &sms.case {
            say!("\n{case}");
        }
        say!("\nE-mail in {}\n", channels.email_region);
        email.iter().for_each(Point::say);
        let blind = sms.points.iter().chain(&email).any(Point::is_unknown);
        Ok(if blind {
            ExitCode::from(2)
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// What there is to say of SMS.
struct SmsReport {
    points: Vec<Point>,
    /// The support case, while it is needed.
    case: Option<String>,
}

impl Production {
    async fn sms(&self, channels: &Channels) -> SmsReport {
        let mut points = Vec::new();
        let status = channels.sns.get_sms_sandbox_account_status().send().await;
        let sandboxed = match &status {
            Ok(status) => status.is_in_sandbox(),
            // What is not known may be needed.
            Err(_) => true,
        };
        points.push(match &status {
            Ok(_) if sandboxed => Point::Missing(
                "production: only verified numbers are reached. AWS Support moves the account, by \
                 the case below."
                    .to_owned(),
            ),
            Ok(_) => Point::Fine("in production: every number can be reached".to_owned()),
            Err(error) => Point::Unknown(format!(
                "the sandbox (sns:GetSMSSandboxAccountStatus): {}",
                refusal(error)
            )),
        });
        let (origination, countries) = origination(channels).await;
        points.push(origination);
        points.push(spend_limit(channels).await);
        if sandboxed {
            points.push(given("--website URL", self.website.as_deref(), "your site"));
            points.push(match &self.use_case {
                Some(_) => Point::Fine("a use case".to_owned()),
                None => Point::Fine("a use case: the one below, or --use-case TEXT".to_owned()),
            });
        }
        SmsReport {
            case: sandboxed.then(|| self.support_case(channels, &countries)),
            points,
        }
    }

    /// SNS guide, "Moving out of the SMS sandbox".
    fn support_case(&self, channels: &Channels, countries: &[String]) -> String {
        let config = channels.config.as_ref();
        let app = config.and_then(|config| config.texts.app.clone());
        let spend = self.spend.map(|spend| format!("{spend} USD a month"));
        let website = self.website.clone();
        let use_case = self.use_case.clone().unwrap_or_else(|| {
            let app = app.as_deref().unwrap_or("Our app");
            format!(
                "{app} sends one-time codes to its own users, through an Amazon Cognito user pool: \
                 to confirm a sign-up or a phone number, to sign in, and to reset a password. Each \
                 message answers something that its user just did. No marketing, no bought lists."
            )
        });
        let rows = [
            ("Service", "SNS Text Messaging".to_owned()),
            (
                "Website or app",
                website.unwrap_or("[--website URL]".to_owned()),
            ),
            (
                "Type of messages",
                "Transactional (one-time passwords)".to_owned(),
            ),
            ("Region", channels.sms_region.clone()),
            (
                "Countries",
                match countries {
                    [] => "[the countries that your users are in]".to_owned(),
                    countries => countries.join(", "),
                },
            ),
            (
                "Opt-in",
                "Users type their own number into our sign-up or profile form and ask for a code. \
                 Nobody else is texted; whoever answers STOP gets nothing more."
                    .to_owned(),
            ),
            ("Message template", self.sample(config)),
            ("Resource type", "General Limits".to_owned()),
            ("Quota", "Exit SMS Sandbox".to_owned()),
            (
                "New quota value",
                spend.unwrap_or("[--spend USD], a month".to_owned()),
            ),
            ("Case description", use_case),
        ];
        let rows = rows.map(|(name, value)| labelled(&format!("  {name}"), 20, &value));
        format!(
            "The case, to paste (Service quota increase):\n\
             https://support.console.aws.amazon.com/support/home#/case/create?issueType=service-limit-increase\n\n{}",
            rows.join("\n")
        )
    }

    /// One of the function's own texts.
    fn sample(&self, config: Option<&Config>) -> String {
        let Some(config) = config else {
            return "[one of your texts: --function NAME puts it here]".to_owned();
        };
        let mut texts = config.texts.clone();
        let own = self
            .messages
            .as_ref()
            .map(|folder| folder.display().to_string());
        // A deployed function's folder is not here.
        let here = texts
            .folder
            .take()
            .filter(|folder| Path::new(folder).is_dir());
        texts.folder = own.or(here);
        let sample = Sample {
            occasion: Occasion::SignUp,
            action: None,
        };
        let request = sample.request(Channel::Sms, None, &texts.locale, User::Plain);
        let text = request.map(|request| {
            let (message, _) = Texts::new(&texts).sms(&request, &Secret::from("123456"), None);
            message.text.expose().to_owned()
        });
        let text = text.unwrap_or_default();
        match (&config.texts.folder, &texts.folder) {
            (Some(_), None) => format!("{text} [built in; --messages DIR for your own]"),
            _ => text,
        }
    }

    async fn look_at_email(&self, channels: &Channels) -> Vec<Point> {
        let mut points = Vec::new();
        let account = channels.ses.get_account().send().await;
        let production = match &account {
            Ok(account) => {
                points.push(standing(account, &self.which.flags()));
                points.extend(sending(account));
                account.production_access_enabled()
            }
            Err(error) => {
                points.push(Point::Unknown(format!(
                    "the sandbox (ses:GetAccount): {}",
                    refusal(error)
                )));
                false
            }
        };
        match channels.config.as_ref().map(|config| config.email.as_ref()) {
            Some(Some(email)) => points.extend(identity(channels, email).await),
            Some(None) => points.push(Point::Missing(
                "EMAIL_FROM: it is empty, so the function sends no mail".to_owned(),
            )),
            None => points.push(Point::Missing(
                "a function to look at EMAIL_FROM of: --function NAME or --stack NAME".to_owned(),
            )),
        }
        let details = account.as_ref().ok().and_then(GetAccountOutput::details);
        if !production {
            let known = details.and_then(|details| details.website_url());
            points.push(given(
                "--website URL",
                self.website.as_deref().or(known),
                "your site",
            ));
            let known = details.and_then(|details| details.use_case_description());
            let what = "what you send, to whom, and why";
            points.push(given(
                "--use-case TEXT",
                self.use_case.as_deref().or(known),
                what,
            ));
        }
        points
    }

    /// Asks AWS for production access.
    async fn submit(&self, channels: &Channels) -> Result<ExitCode, Failure> {
        let region = &channels.email_region;
        let account = channels.ses.get_account().send().await;
        let account = account.map_err(|error| {
            let told = refusal(&error);
            format!("SES in {region} cannot be looked at (ses:GetAccount): {told}")
        })?;
        if account.production_access_enabled() {
            say!("SES in {region} is in production: there is nothing to ask for.");
            return Ok(ExitCode::SUCCESS);
        }
        let website = self.website.as_deref().unwrap_or_default();
        let use_case = self.use_case.as_deref().unwrap_or_default();
        let contacts: Vec<String> = self
            .contact
            .iter()
            .map(|contact| contact.expose().to_owned())
            .collect();
        say!("To AWS, for SES in {region}:\n");
        let rows = [
            ("  Mail type", "transactional"),
            ("  Website", website),
            ("  Use case", use_case),
            ("  Language", &self.language),
            ("  Also to", &contacts.join(", ")),
        ];
        for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
            say!("{}", labelled(name, 13, value));
        }
        say!("");
        if !confirmed("Ask AWS for production access?", self.yes)? {
            return Ok(ExitCode::from(2));
        }
        let put = channels.ses.put_account_details();
        let put = put
            .mail_type(MailType::Transactional)
            .website_url(website)
            .use_case_description(use_case)
            .contact_language(ContactLanguage::from(self.language.as_str()))
            .set_additional_contact_email_addresses((!contacts.is_empty()).then_some(contacts))
            .production_access_enabled(true);
        match put.send().await {
            Ok(_) => {
                let flags = self.which.flags();
                say!("Asked. AWS answers within a day or so, by mail to the account's owner, and");
                say!("may ask back. How it stands:\n\n  cognito-sender production{flags}");
                Ok(ExitCode::SUCCESS)
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutAccountDetailsError::is_conflict_exception) =>
            {
                // Asked anew: the review may have been opened meanwhile.
                let account = channels.ses.get_account().send().await.ok();
                let review = account.as_ref().and_then(review).unwrap_or_default();
                Err(format!(
                    "AWS has a request under review{review}, and takes no other meanwhile. Answer \
                     in its support case: https://console.aws.amazon.com/support/home"
                )
                .into())
            }
            Err(error) => Err(format!(
                "not asked (ses:PutAccountDetails): {}{}",
                refusal(&error),
                match error.code() {
                    Some("TooManyRequestsException") => ". Wait a minute, then do the same again",
                    _ => "",
                }
            )
            .into()),
        }
    }
}

fn given(flag: &str, value: Option<&str>, what: &str) -> Point {
    match value.filter(|value| !value.is_empty()) {
        Some(value) => Point::Fine(format!("{what}: {value}")),
        None => Point::Missing(format!("{what}: {flag}")),
    }
}

/// From where the function may send, and to which countries.
async fn origination(channels: &Channels) -> (Point, Vec<String>) {
    let explicit = channels
        .config
        .as_ref()
        .map(|config| &config.sms.origination);
    if let Some(Origination::Explicit {
        countries,
        elsewhere,
    }) = explicit
    {
        let name = |identity: &OriginationIdentity| match identity {
            OriginationIdentity::Number(name) | OriginationIdentity::SenderId(name) => name.clone(),
        };
        let mut ways: Vec<String> = countries
            .iter()
            .map(|(country, identity)| format!("{} ({country})", name(identity)))
            .collect();
        ways.extend(
            elsewhere
                .iter()
                .map(|identity| format!("{} (elsewhere)", name(identity))),
        );
        let countries = countries.iter().map(|(country, _)| country.to_string());
        return (
            Point::Fine(format!(
                "origination, by SMS_ORIGINATION: {}",
                ways.join(", ")
            )),
            countries.collect(),
        );
    }
    let mut pages = channels
        .sns
        .list_origination_numbers()
        .into_paginator()
        .items()
        .send();
    let (mut ways, mut countries) = (Vec::new(), Vec::new());
    while let Some(number) = pages.next().await {
        let number = match number {
            Ok(number) => number,
            Err(error) => {
                let told = refusal(&error);
                let unknown = format!("the account's numbers (sns:ListOriginationNumbers): {told}");
                return (Point::Unknown(unknown), Vec::new());
            }
        };
        let usable = number.status() == Some("ACTIVE")
            && number.route_type() == Some(&RouteType::Transactional)
            && number
                .number_capabilities()
                .contains(&NumberCapability::Sms);
        let (country, name) = (number.iso2_country_code(), number.phone_number());
        if let (true, Some(country), Some(name)) = (usable, country, name) {
            ways.push(format!("{name} ({country})"));
            if !countries.iter().any(|known| known == country) {
                countries.push(country.to_owned());
            }
        }
    }
    let region = &channels.sms_region;
    let point = match ways.is_empty() {
        false => Point::Fine(format!("origination numbers: {}", ways.join(", "))),
        true => Point::Missing(format!(
            "an origination number: the account has none in {region}, and carriers in the US take \
             nothing without. Request one in AWS End User Messaging SMS; where sender IDs are \
             taken, SMS_ORIGINATION names one (GB=ACME)."
        )),
    };
    (point, countries)
}

async fn spend_limit(channels: &Channels) -> Point {
    const LIMIT: &str = "MonthlySpendLimit";
    let asking = channels.sns.get_sms_attributes().attributes(LIMIT);
    match asking.send().await {
        Ok(answer) => {
            let limit = answer.attributes().and_then(|known| known.get(LIMIT));
            // Every account starts with it (SNS guide, "Requesting increases").
            let limit = limit.map_or("1", String::as_str);
            match limit.parse::<f64>() {
                Ok(limit) if limit <= 1.0 => Point::Missing(format!(
                    "a spend limit: {limit:.2} USD a month is the least, and past it SNS sends \
                     nothing, without an error. Ask for more in the same case."
                )),
                _ => Point::Fine(format!("spend limit: {limit} USD a month")),
            }
        }
        Err(error) => Point::Unknown(format!(
            "the spend limit (sns:GetSMSAttributes): {}",
            refusal(&error)
        )),
    }
}

/// SES's sandbox, and what AWS says of a request to leave it.
fn standing(account: &GetAccountOutput, flags: &str) -> Point {
    if account.production_access_enabled() {
        return Point::Fine("in production: every address can be reached".to_owned());
    }
    let review = review(account).unwrap_or_default();
    let status = account
        .details()
        .and_then(|details| details.review_details());
    Point::Missing(match status.and_then(|review| review.status()) {
        Some(ReviewStatus::Pending) => format!(
            "production: asked for, under review{review}. AWS may have asked back in the support \
             case."
        ),
        Some(ReviewStatus::Denied) => format!(
            "production: AWS said no{review}. Its support case says why; answer there, or ask anew \
             with --email."
        ),
        Some(ReviewStatus::Failed) => {
            format!("production: the request failed on its way{review}. Ask anew with --email.")
        }
        _ => format!(
            "production: only verified addresses are reached. Ask: cognito-sender production \
             --email --website URL --use-case TEXT{flags}"
        ),
    })
}

/// ` (PENDING, case 1234)`
fn review(account: &GetAccountOutput) -> Option<String> {
    let review = account.details()?.review_details()?;
    let status = review.status()?.as_str();
    let case = review.case_id().map(|case| format!(", case {case}"));
    Some(format!(" ({status}{})", case.unwrap_or_default()))
}

/// What keeps SES from sending.
fn sending(account: &GetAccountOutput) -> Option<Point> {
    let enforcement = account.enforcement_status().unwrap_or("HEALTHY");
    (!account.sending_enabled() || enforcement == "SHUTDOWN").then(|| {
        Point::Missing(format!(
            "sending: AWS has paused it (enforcement: {enforcement}). See the account's reputation \
             in the SES console."
        ))
    })
}

/// Whether EMAIL_FROM may be sent from, and whether its mail is signed.
async fn identity(channels: &Channels, email: &EmailConfig) -> Vec<Point> {
    if let Some(arn) = &email.identity_arn {
        return vec![Point::Fine(format!("identity: {arn}, of another account"))];
    }
    let (address, domain) = (email.from.address.expose(), email.from.address.domain());
    let mut found = None;
    for name in [address, domain] {
        let asking = channels.ses.get_email_identity().email_identity(name);
        match asking.send().await {
            Ok(identity) => {
                let verified = identity.verified_for_sending_status();
                found = Some((name, identity));
                if verified {
                    break;
                }
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetEmailIdentityError::is_not_found_exception) => {}
            Err(error) => {
                let told = refusal(&error);
                let unknown = format!("the identity {name} (ses:GetEmailIdentity): {told}");
                return vec![Point::Unknown(unknown)];
            }
        }
    }
    let region = &channels.email_region;
    let Some((name, identity)) = found else {
        return vec![Point::Missing(format!(
            "an identity: neither {address} nor {domain} is in SES. Best the domain: aws sesv2 \
             create-email-identity --region {region} --email-identity {domain}"
        ))];
    };
    vec![
        match identity.verified_for_sending_status() {
            true => Point::Fine(format!("identity: {name} is verified")),
            false => Point::Missing(format!(
                "a verified identity: {name} is not yet. Its DNS records or the link in its mail \
                 do that."
            )),
        },
        dkim(domain, region, &identity),
    ]
}

fn dkim(domain: &str, region: &str, identity: &GetEmailIdentityOutput) -> Point {
    let dkim = identity.dkim_attributes();
    let signed = dkim
        .is_some_and(|dkim| dkim.signing_enabled() && dkim.status() == Some(&DkimStatus::Success));
    match signed {
        true => Point::Fine(format!("DKIM: mail of {domain} is signed")),
        false => Point::Missing(format!(
            "DKIM: mail is not signed for {domain}, so that it looks like spam. Three CNAME records \
             do that: aws sesv2 get-email-identity --region {region} --email-identity {domain}"
        )),
    }
}
