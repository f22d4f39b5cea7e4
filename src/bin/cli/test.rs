//! `cognito-sender test`: one real message, marked as a test.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use cognito_sender::config::{Config, OriginationIdentity};
use cognito_sender::destination::{EmailAddress, PhoneNumber};
use cognito_sender::email::Email;
use cognito_sender::event::{Channel, Occasion};
use cognito_sender::message::{EmailMessage, SmsMessage};
use cognito_sender::report::Doubt;
use cognito_sender::sms::Sms;
use cognito_sender::{Clients, Deadline, Error, Outcome, Reason, Secret};

use crate::Failure;
use crate::ask::confirmed;
use crate::aws::refusal;
use crate::channels::function_clients;
use crate::deployment::Which;
use crate::destinations::{Destination, destination};
use crate::page::{WIDTH, wrapped};
use crate::way;

/// A person waits at the terminal.
const PATIENCE: Duration = Duration::from_secs(10);

/// Send one real message, marked as a test, the way that codes go
///
/// With the function's settings, through its own sandbox check, routing, opt-out
/// and suppression lists, and SNS or SES; but with your credentials, so that it
/// tells nothing of the function's role (`doctor` does). It holds no code. It
/// costs what any message costs, and is asked for first.
#[derive(Args)]
#[command(after_long_help = "Examples:

  cognito-sender test --to +12065550100 --stack cognito-sender
  cognito-sender test --to friend@example.org --function my-sender --yes

Exit codes: 0 sent, 1 an error, 2 not confirmed, 3 withheld.")]
pub(crate) struct Test {
    /// +12065550100, or friend@example.org.
    #[arg(long, value_name = "DESTINATION", value_parser = destination)]
    to: Destination,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    which: Which,
}

impl Test {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let found = self.which.find().await?;
        let config = found.config()?;
        let clients = function_clients(&found.sdk, config);
        match &self.to {
            Destination::Number(to) => self.sms(config, &clients, to).await,
            Destination::Address(to) => self.email(config, &clients, to).await,
        }
    }

    async fn sms(
        &self,
        config: &Config,
        clients: &Clients,
        to: &PhoneNumber,
    ) -> Result<ExitCode, Failure> {
        let region = &config.sms.region;
        let text = text(config);
        let way = way::of_sms(config, clients, to).await;
        let origination = match way.end {
            Ok(origination) => origination,
            Err(reason) => return Ok(self.withheld(reason, Channel::Sms, region)),
        };
        let from = match &origination {
            Some(OriginationIdentity::Number(name) | OriginationIdentity::SenderId(name)) => name,
            None => "a sender of SNS's choice",
        };
        let mut doubts = Vec::new();
        for doubt in way.doubts {
            doubts.push(sms_doubt(doubt, clients).await);
        }
        if to.country().is_some_and(|country| country.as_str() == "IN") {
            let india = "whether carriers in India take it: this text is of no registered template";
            doubts.push(india.to_owned());
        }
        let country = to.country().map(|country| format!(" ({country})"));
        let country = country.unwrap_or_default();
        let by = format!("by SNS in {region}, from {from}");
        show(&format!("{}{country}", to.expose()), &by, &text, &doubts);
        if !confirmed("Send it? It costs what an SMS there costs.", self.yes)? {
            return Ok(ExitCode::from(2));
        }
        let sms = Sms::new(&clients.sns, config.sms.clone());
        let message = SmsMessage {
            text: Secret::from(text),
            locale: "en".to_owned(),
        };
        let began = Instant::now();
        let deadline = Deadline::after(PATIENCE);
        let (result, tries) = sms.send(to, origination.as_ref(), &message, deadline).await;
        self.told(result, Channel::Sms, region, (began, tries))
    }

    async fn email(
        &self,
        config: &Config,
        clients: &Clients,
        to: &EmailAddress,
    ) -> Result<ExitCode, Failure> {
        let Some(own) = &config.email else {
            return Ok(self.withheld(Reason::ChannelOff, Channel::Email, &config.region));
        };
        let region = &own.region;
        let text = text(config);
        let way = way::of_email(config, own, clients, to).await;
        if let Err(reason) = way.end {
            return Ok(self.withheld(reason, Channel::Email, region));
        }
        let from = own.from.address.expose();
        let mut doubts = Vec::new();
        for doubt in way.doubts {
            doubts.push(email_doubt(doubt, clients, to).await);
        }
        let by = format!("by SES in {region}, from {from}");
        show(to.expose(), &by, &text, &doubts);
        if !confirmed("Send it?", self.yes)? {
            return Ok(ExitCode::from(2));
        }
        let email = Email::new(&clients.ses, own.clone());
        let message = EmailMessage {
            subject: subject(config),
            html: Secret::from(html(&text)),
            text: Secret::from(text),
            locale: "en".to_owned(),
        };
        let began = Instant::now();
        let deadline = Deadline::after(PATIENCE);
        let (result, tries) = email.send(to, Occasion::Other, &message, deadline).await;
        self.told(result, Channel::Email, region, (began, tries))
    }

    fn withheld(&self, reason: Reason, channel: Channel, region: &str) -> ExitCode {
        say!("withheld: {}. Nothing was sent.\n", reason.name());
        say!("{}", wrapped(&reason.advice(channel, region), WIDTH));
        if let (Reason::UnverifiedDestination, flags) = (reason, self.which.flags()) {
            let to = match &self.to {
                Destination::Number(number) => number.expose(),
                Destination::Address(address) => address.expose(),
            };
            say!("\nOr from here:\n\n  cognito-sender destinations add {to}{flags}");
            say!("  cognito-sender production{flags}");
        }
        ExitCode::from(3)
    }

    /// What SNS or SES answered.
    fn told(
        &self,
        result: Result<Outcome, Error>,
        channel: Channel,
        region: &str,
        (began, tries): (Instant, u32),
    ) -> Result<ExitCode, Failure> {
        let message_id = match result {
            Ok(Outcome::Sent { message_id }) => message_id,
            Ok(Outcome::Withheld(reason)) => return Ok(self.withheld(reason, channel, region)),
            // Nothing here remembers what was sent.
            Ok(Outcome::Duplicate) => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(format!("{}: {error}", error.name()).into()),
        };
        let service = match channel {
            Channel::Sms => "SNS",
            Channel::Email => "SES",
        };
        let (took, flags) = (began.elapsed().as_millis(), self.which.flags());
        let tries = if tries > 1 {
            format!(", {tries} tries")
        } else {
            String::new()
        };
        say!("sent: {service} took it as {message_id} ({took} ms{tries})\n");
        match channel {
            Channel::Sms => {
                say!("If it is not there within two minutes, what the carrier said:\n");
                say!("  cognito-sender explain {message_id}{flags}");
            }
            Channel::Email => {
                say!("If it is not there within two minutes, look into the spam folder; then at");
                say!("the identity (DKIM, MAIL FROM) and the configuration set:\n");
                say!("  cognito-sender doctor{flags}");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(to: &str, by: &str, text: &str, doubts: &[String]) {
    say!("A test message to {to},\n{by}, with your credentials:\n\n    {text}\n");
    for doubt in doubts {
        say!("{}\n", wrapped(&format!("unknown: {doubt}"), WIDTH));
    }
}

/// What SNS did not tell, why, and what follows.
async fn sms_doubt(doubt: Doubt, clients: &Clients) -> String {
    let sns = &clients.sns;
    if doubt == Doubt::OriginationUnknown {
        let asked = sns.list_origination_numbers().send().await;
        let told = asked.err().map_or_else(slow, |error| refusal(&error));
        return format!(
            "which numbers the account has (sns:ListOriginationNumbers): {told}. SNS chooses the \
             sender"
        );
    }
    let (action, told) = match sns.get_sms_sandbox_account_status().send().await {
        Err(error) => ("GetSMSSandboxAccountStatus", refusal(&error)),
        Ok(_) => {
            let list = sns.list_sms_sandbox_phone_numbers().send().await;
            let told = list.err().map_or_else(slow, |error| refusal(&error));
            ("ListSMSSandboxPhoneNumbers", told)
        }
    };
    format!(
        "whether the SMS sandbox lets it through (sns:{action}): {told}. If it does not, SNS takes \
         the message and delivers nothing"
    )
}

/// What SES did not tell, why, and what follows.
async fn email_doubt(_: Doubt, clients: &Clients, to: &EmailAddress) -> String {
    let (action, told) = match clients.ses.get_account().send().await {
        Err(error) => ("GetAccount", refusal(&error)),
        Ok(_) => {
            let asking = clients.ses.get_email_identity();
            let asked = asking.email_identity(to.domain()).send().await;
            let told = asked.err().map_or_else(slow, |error| refusal(&error));
            ("GetEmailIdentity", told)
        }
    };
    format!(
        "whether the SES sandbox lets it through (ses:{action}): {told}. If not, SES refuses it"
    )
}

fn slow() -> String {
    "it was slow".to_owned()
}

/// What nobody can take for a code.
fn text(config: &Config) -> String {
    let of = config.texts.app.as_ref().map(|app| format!(" of {app}"));
    let of = of.unwrap_or_default();
    format!("Test message{of}: cognito-sender works. Nothing to do.")
}

fn subject(config: &Config) -> String {
    let of = config.texts.app.as_ref().map(|app| format!(" of {app}"));
    format!("Test message{}", of.unwrap_or_default())
}

fn html(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!("<!doctype html><html lang=\"en\"><body><p>{text}</p></body></html>")
}
