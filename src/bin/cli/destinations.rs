//! `cognito-sender destinations`: whom a sandboxed account can reach.

use std::process::ExitCode;

use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::create_email_identity::CreateEmailIdentityError;
use aws_sdk_sesv2::operation::delete_email_identity::DeleteEmailIdentityError;
use aws_sdk_sesv2::types::{IdentityType, VerificationStatus};
use aws_sdk_sns::types::SmsSandboxPhoneNumberVerificationStatus as NumberStatus;
use clap::{Args, Subcommand};
use cognito_sender::destination::{EmailAddress, PhoneNumber};

use crate::Failure;
use crate::ask::confirmed;
use crate::aws::refusal;
use crate::channels::Channels;
use crate::deployment::Which;

/// The most numbers that the SMS sandbox verifies (SNS guide, "Using the Amazon
/// SNS SMS sandbox").
const MOST_NUMBERS: usize = 10;

/// Whom a sandboxed account can reach: list, add, verify, remove
///
/// In the sandbox AWS delivers to verified numbers and addresses only: SMS to
/// ten numbers at most, mail to verified addresses and whatever is of a verified
/// domain. A number is verified by a one-time password, of which five a day are
/// sent; an address by a link. Each Region is a sandbox of its own: the
/// function's Regions are looked at, or --region.
#[derive(Args)]
#[command(after_long_help = "Examples:

  cognito-sender destinations list --stack cognito-sender
  cognito-sender destinations add +12065550100 --region us-east-1
  cognito-sender destinations verify +12065550100 123456 --region us-east-1
  cognito-sender destinations add friend@example.org --stack cognito-sender")]
pub(crate) struct Destinations {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(List),
    Add(Add),
    Verify(Verify),
    Remove(Remove),
}

/// List what is verified, and what waits for it
#[derive(Args)]
#[command(after_long_help = "Example:

  cognito-sender destinations list --stack cognito-sender")]
struct List {
    #[command(flatten)]
    which: Which,
}

/// Add a number, which is texted a one-time password, or an address, which is
/// mailed a link
///
/// For what waits already: a number is texted another password.
#[derive(Args)]
#[command(after_long_help = "Examples:

  cognito-sender destinations add +12065550100 --region us-east-1
  cognito-sender destinations add friend@example.org --region us-east-1")]
struct Add {
    /// +12065550100, or friend@example.org.
    #[arg(value_parser = destination)]
    destination: Destination,
    #[command(flatten)]
    which: Which,
}

/// Verify a number by the one-time password that it was texted
#[derive(Args)]
#[command(after_long_help = "Example:

  cognito-sender destinations verify +12065550100 123456 --region us-east-1")]
struct Verify {
    /// The number.
    #[arg(value_parser = number)]
    number: PhoneNumber,
    /// What it was texted: five to eight digits.
    #[arg(value_parser = password)]
    password: String,
    #[command(flatten)]
    which: Which,
}

/// Remove a number or an address
///
/// AWS keeps a number for 24 hours after it was verified, or last tried to be.
/// An address is removed from SES altogether: nothing can be sent from it
/// either.
#[derive(Args)]
#[command(after_long_help = "Example:

  cognito-sender destinations remove +12065550100 --region us-east-1")]
struct Remove {
    /// +12065550100, or friend@example.org.
    #[arg(value_parser = destination)]
    destination: Destination,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    which: Which,
}

/// Where a message can go.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    Number(PhoneNumber),
    Address(EmailAddress),
}

/// Reads a destination of the command line.
pub(crate) fn destination(text: &str) -> Result<Destination, String> {
    let number = PhoneNumber::parse(text).map(Destination::Number);
    number
        .or_else(|_| EmailAddress::parse(text).map(Destination::Address))
        .map_err(|_| "neither a number such as +12065550100 nor an e-mail address".to_owned())
}

fn number(text: &str) -> Result<PhoneNumber, String> {
    PhoneNumber::parse(text).map_err(|error| error.to_string())
}

fn password(text: &str) -> Result<String, String> {
    let digits = (5..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    match digits {
        true => Ok(text.to_owned()),
        // What was typed is not repeated: it may be another secret.
        false => Err("a one-time password has five to eight digits".to_owned()),
    }
}

impl Destinations {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::List(list) => list.run().await,
            Command::Add(add) => add.run().await,
            Command::Verify(verify) => verify.run().await,
            Command::Remove(remove) => remove.run().await,
        }
    }
}

/// What SNS says of the account's destinations.
enum Numbers {
    Production,
    Sandboxed(Vec<(String, bool)>),
}

impl List {
    async fn run(self) -> Result<ExitCode, Failure> {
        let channels = Channels::find(&self.which).await?;
        let flags = self.which.flags();
        let (numbers, identities) = tokio::join!(numbers(&channels), identities(&channels));
        let blind = numbers.is_err() || identities.is_err();
        let region = &channels.sms_region;
        match numbers {
            Ok(Numbers::Production) => say!(
                "SMS in {region}: in production. Every number can be reached; nothing is needed."
            ),
            Ok(Numbers::Sandboxed(numbers)) => list_numbers(region, &numbers, &flags),
            Err(failure) => eprintln!("error: {failure}"),
        }
        say!("");
        let region = &channels.email_region;
        match identities {
            Ok(None) => say!(
                "E-mail in {region}: in production. Every address can be reached; nothing is \
                 needed."
            ),
            Ok(Some(identities)) => list_identities(region, &identities, &flags),
            Err(failure) => eprintln!("error: {failure}"),
        }
        Ok(match blind {
            true => ExitCode::from(2),
            false => ExitCode::SUCCESS,
        })
    }
}

fn list_numbers(region: &str, numbers: &[(String, bool)], flags: &str) {
    let count = numbers.len();
    say!("SMS in {region}: in the sandbox, {count} of {MOST_NUMBERS} numbers");
    for (number, verified) in numbers {
        say!(
            "  {:10}{number}",
            if *verified { "verified" } else { "pending" }
        );
    }
    let pending = numbers.iter().find(|(_, verified)| !verified);
    if let Some((number, _)) = pending {
        say!("\nWhat is pending was texted a one-time password:\n");
        say!("  cognito-sender destinations verify {number} PASSWORD{flags}");
    }
    if count == 0 {
        say!("\nNo number can be reached. Add one:\n");
        say!("  cognito-sender destinations add +12065550100{flags}");
    }
    if count >= MOST_NUMBERS {
        say!("\nAWS allows no more: remove one before you add another, or leave the sandbox:\n");
        say!("  cognito-sender production{flags}");
    }
}

fn list_identities(region: &str, identities: &[Identity], flags: &str) {
    say!("E-mail in {region}: in the sandbox");
    for identity in identities {
        let all = if identity.is_domain {
            "  (every address of it)"
        } else {
            ""
        };
        say!("  {:10}{}{all}", identity.status, identity.name);
    }
    let waiting = |identity: &&Identity| !identity.is_domain && identity.status == "pending";
    if identities.iter().any(|identity| waiting(&identity)) {
        say!("\nWhat is pending was mailed a link, which its owner must open within 24 hours.");
    }
    if identities
        .iter()
        .all(|identity| identity.status != "verified")
    {
        say!("\nNo address can be reached. Add one:\n");
        say!("  cognito-sender destinations add friend@example.org{flags}");
    }
}

/// The SMS sandbox's numbers, and whether each is verified.
async fn numbers(channels: &Channels) -> Result<Numbers, Failure> {
    let region = &channels.sms_region;
    let status = channels.sns.get_sms_sandbox_account_status().send().await;
    let status = status.map_err(|error| {
        let told = refusal(&error);
        format!(
            "whether SMS in {region} is in the sandbox cannot be read \
             (sns:GetSMSSandboxAccountStatus): {told}"
        )
    })?;
    if !status.is_in_sandbox() {
        return Ok(Numbers::Production);
    }
    let mut numbers = Vec::new();
    let pages = channels.sns.list_sms_sandbox_phone_numbers();
    let mut listed = pages.into_paginator().items().send();
    while let Some(number) = listed.next().await {
        let number = number.map_err(|error| {
            let told = refusal(&error);
            format!(
                "the sandbox's numbers in {region} cannot be listed \
                 (sns:ListSMSSandboxPhoneNumbers): {told}"
            )
        })?;
        let verified = number.status == Some(NumberStatus::Verified);
        numbers.extend(number.phone_number.map(|number| (number, verified)));
    }
    Ok(Numbers::Sandboxed(numbers))
}

/// What SES may send to, and from.
struct Identity {
    name: String,
    is_domain: bool,
    status: &'static str,
}

/// All identities; `None` in production.
async fn identities(channels: &Channels) -> Result<Option<Vec<Identity>>, Failure> {
    if email_production(channels).await? {
        return Ok(None);
    }
    let mut identities = Vec::new();
    let mut next = None;
    loop {
        let page = channels.ses.list_email_identities().page_size(1000);
        let page = page.set_next_token(next).send().await.map_err(|error| {
            let told = refusal(&error);
            let region = &channels.email_region;
            format!(
                "SES's identities in {region} cannot be listed (ses:ListEmailIdentities): {told}"
            )
        })?;
        let listed = page.email_identities.unwrap_or_default().into_iter();
        identities.extend(listed.filter_map(|identity| {
            Some(Identity {
                is_domain: identity.identity_type != Some(IdentityType::EmailAddress),
                status: status(identity.verification_status.as_ref()),
                name: identity.identity_name?,
            })
        }));
        next = page.next_token;
        if next.is_none() {
            return Ok(Some(identities));
        }
    }
}

fn status(status: Option<&VerificationStatus>) -> &'static str {
    match status {
        Some(VerificationStatus::Success) => "verified",
        Some(VerificationStatus::Failed) => "failed",
        Some(VerificationStatus::TemporaryFailure) => "stalled",
        _ => "pending",
    }
}

async fn email_production(channels: &Channels) -> Result<bool, Failure> {
    let account = channels.ses.get_account().send().await.map_err(|error| {
        let told = refusal(&error);
        let region = &channels.email_region;
        format!("whether SES in {region} is in the sandbox cannot be read (ses:GetAccount): {told}")
    })?;
    Ok(account.production_access_enabled())
}

impl Add {
    async fn run(self) -> Result<ExitCode, Failure> {
        let channels = Channels::find(&self.which).await?;
        let flags = self.which.flags();
        match &self.destination {
            Destination::Number(number) => add_number(&channels, number.expose(), &flags).await,
            Destination::Address(address) => add_address(&channels, address.expose(), &flags).await,
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn add_number(channels: &Channels, number: &str, flags: &str) -> Result<(), Failure> {
    let region = &channels.sms_region;
    let Numbers::Sandboxed(numbers) = numbers(channels).await? else {
        say!(
            "SMS in {region} is in production: every number can be reached, so nothing is needed."
        );
        return Ok(());
    };
    match numbers.iter().find(|(known, _)| known == number) {
        Some((_, true)) => {
            say!("{number} is verified already: nothing is needed.");
            return Ok(());
        }
        None if numbers.len() >= MOST_NUMBERS => {
            return Err(format!(
                "the sandbox has its {MOST_NUMBERS} numbers, and AWS allows no more. Remove one \
                 (cognito-sender destinations list{flags} shows them), or leave the sandbox \
                 (cognito-sender production{flags})"
            )
            .into());
        }
        _ => (),
    }
    let add = channels.sns.create_sms_sandbox_phone_number();
    add.phone_number(number).send().await.map_err(|error| {
        refused(
            &error,
            "CreateSMSSandboxPhoneNumber",
            number,
            (region, flags),
        )
    })?;
    say!("AWS has texted a one-time password to {number} (at most five in 24 hours). Then:\n");
    say!("  cognito-sender destinations verify {number} PASSWORD{flags}");
    Ok(())
}

async fn add_address(channels: &Channels, address: &str, flags: &str) -> Result<(), Failure> {
    let region = &channels.email_region;
    if email_production(channels).await? {
        say!(
            "E-mail in {region} is in production: every address can be reached, so nothing is needed."
        );
        return Ok(());
    }
    let add = channels.ses.create_email_identity().email_identity(address);
    match add.send().await {
        Ok(_) => {
            say!("SES has mailed a link to {address}, which its owner must open within 24 hours.");
            say!("What came of it:\n\n  cognito-sender destinations list{flags}");
            Ok(())
        }
        Err(error)
            if error
                .as_service_error()
                .is_some_and(CreateEmailIdentityError::is_already_exists_exception) =>
        {
            there_already(channels, address, flags).await
        }
        Err(error) => Err(match error.code() {
            Some("LimitExceededException") => format!(
                "SES takes no more identities in {region}: a Region has 10,000 at most. Remove \
                 some first"
            ),
            _ => format!(
                "{address} cannot be added (ses:CreateEmailIdentity): {}",
                refusal(&error)
            ),
        }
        .into()),
    }
}

/// An address that SES knows: is it verified?
async fn there_already(channels: &Channels, address: &str, flags: &str) -> Result<(), Failure> {
    let asking = channels.ses.get_email_identity().email_identity(address);
    let known = asking.send().await.map_err(|error| {
        let told = refusal(&error);
        format!("{address} is in SES, but cannot be read (ses:GetEmailIdentity): {told}")
    })?;
    if known.verified_for_sending_status() {
        say!("{address} is verified already: nothing is needed.");
        return Ok(());
    }
    let status = status(known.verification_status());
    Err(format!(
        "{address} is there already, {status}: its owner has 24 hours to open the link in AWS's \
         mail. For another mail, remove it (cognito-sender destinations remove {address}{flags}), \
         and add it again"
    )
    .into())
}

impl Verify {
    async fn run(self) -> Result<ExitCode, Failure> {
        let channels = Channels::find(&self.which).await?;
        let (number, region) = (self.number.expose(), &channels.sms_region);
        let verify = channels.sns.verify_sms_sandbox_phone_number();
        let verify = verify.phone_number(number).one_time_password(self.password);
        let flags = self.which.flags();
        verify.send().await.map_err(|error| {
            refused(
                &error,
                "VerifySMSSandboxPhoneNumber",
                number,
                (region, &flags),
            )
        })?;
        say!("{number} is verified: SMS from {region} reach it within a minute. Try it:\n");
        say!("  cognito-sender test --to {number}{flags}");
        Ok(ExitCode::SUCCESS)
    }
}

impl Remove {
    async fn run(self) -> Result<ExitCode, Failure> {
        let channels = Channels::find(&self.which).await?;
        let flags = self.which.flags();
        match &self.destination {
            Destination::Number(number) => {
                let (number, region) = (number.expose(), &channels.sms_region);
                let question = format!("Remove {number} from the SMS sandbox in {region}?");
                if !confirmed(&question, self.yes)? {
                    return Ok(ExitCode::from(2));
                }
                let remove = channels.sns.delete_sms_sandbox_phone_number();
                let removed = remove.phone_number(number).send().await;
                removed.map_err(|error| {
                    refused(
                        &error,
                        "DeleteSMSSandboxPhoneNumber",
                        number,
                        (region, &flags),
                    )
                })?;
                say!("{number} is removed.");
            }
            Destination::Address(address) => {
                if !self.remove_address(&channels, address.expose()).await? {
                    return Ok(ExitCode::from(2));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Whether it was removed.
    async fn remove_address(&self, channels: &Channels, address: &str) -> Result<bool, Failure> {
        let region = &channels.email_region;
        let email = channels
            .config
            .as_ref()
            .and_then(|config| config.email.as_ref());
        if email.is_some_and(|email| email.from.address.expose().eq_ignore_ascii_case(address)) {
            return Err(format!(
                "{address} is EMAIL_FROM: without its identity the function could send no mail"
            )
            .into());
        }
        let question = format!(
            "Remove {address} from SES in {region}? Nothing can be sent from it either, then."
        );
        if !confirmed(&question, self.yes)? {
            return Ok(false);
        }
        let remove = channels.ses.delete_email_identity().email_identity(address);
        match remove.send().await {
            Ok(_) => {
                say!("{address} is removed.");
                Ok(true)
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DeleteEmailIdentityError::is_not_found_exception) =>
            {
                Err(format!("{address} is not in SES in {region}").into())
            }
            Err(error) => {
                let told = refusal(&error);
                Err(format!("{address} cannot be removed (ses:DeleteEmailIdentity): {told}").into())
            }
        }
    }
}

/// What SNS's sandbox operations mean by their errors (SNS API reference).
fn refused<E, R>(
    error: &SdkError<E, R>,
    action: &str,
    number: &str,
    (region, flags): (&str, &str),
) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let said = error.message().unwrap_or_default();
    match (error.code().unwrap_or_default(), action) {
        ("OptedOut" | "OptedOutException", _) => format!(
            "{number} answered STOP, so AWS texts it nothing. Its owner answers START; once in 30 \
             days you can: aws sns opt-in-phone-number --region {region} --phone-number {number}"
        ),
        ("Throttled" | "ThrottledException" | "Throttling", "CreateSMSSandboxPhoneNumber") => {
            format!(
                "AWS texts no more now: a number gets five one-time passwords in 24 hours at most. \
                 Wait, then: cognito-sender destinations add {number}{flags}"
            )
        }
        ("Throttled" | "ThrottledException" | "Throttling", _) => {
            "AWS is asked too often. Wait a minute, then do the same again".to_owned()
        }
        ("VerificationException", _) => format!(
            "that is not the one-time password that {number} was texted last, or it has run out. \
             For another: cognito-sender destinations add {number}{flags}"
        ),
        ("ResourceNotFound" | "ResourceNotFoundException", _) => format!(
            "{number} is not in the sandbox's list. Add it: cognito-sender destinations add \
             {number}{flags}"
        ),
        ("UserError" | "UserErrorException", "DeleteSMSSandboxPhoneNumber") => format!(
            "AWS keeps {number} for 24 hours after it was verified, or last tried to be: do the \
             same again then. AWS says: {said}"
        ),
        ("UserError" | "UserErrorException", _) => format!(
            "AWS does not take {number}: {said}. See cognito-sender destinations list{flags}"
        ),
        _ => format!("not done (sns:{action}): {}", refusal(error)),
    }
}
