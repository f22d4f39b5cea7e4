//! `cognito-sender invoke`: one event through the real pipeline.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cognito_sender::local::{Content, Email, Fate, Record, Sms, StandIn};
use cognito_sender::{Clients, Config, Deadline, Outcome, Report, Secret, Sender};
use serde_json::{Value, json};

use cognito_sender::config::environment;

use crate::Failure;
use crate::page::{WIDTH, wrapped};
use crate::seal::put_code;
use crate::setting::{Account, EventFile, local_config};

/// A person waits at the terminal.
const PATIENCE: Duration = Duration::from_secs(10);

/// Send one event's message, and show it as a person would see it
///
/// Against the stand-in, which is started for it, unless --live. The function's
/// own variables (SMS_ORIGINATION, EMAIL_FROM, APP_NAME, ...) are read from the
/// environment.
#[derive(Args)]
pub(crate) struct Invoke {
    #[command(flatten)]
    event: EventFile,
    /// Seal this code into the event first, instead of the one it carries.
    #[arg(long)]
    code: Option<String>,
    /// The user's locale.
    #[arg(long)]
    locale: Option<String>,
    /// The user's phone number or e-mail address.
    #[arg(long, value_name = "DESTINATION")]
    to: Option<String>,
    /// Print the answer, the log line and the outbox as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: Account,
    /// Use AWS, with your credentials: this sends a real message.
    #[arg(long, conflicts_with_all = ["sandbox", "verified", "no_numbers"])]
    live: bool,
}

impl Invoke {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let mut event = self.event.read()?;
        self.put_attributes(&mut event)?;
        let stand_in = match self.live {
            true => None,
            false => Some(self.account.start(0)?),
        };
        let config = match &stand_in {
            Some(stand_in) => local_config(stand_in)?,
            None => Config::read(environment)?,
        };
        if let Some(code) = &self.code {
            put_code(&config, &mut event, &Secret::from(code.as_str())).await?;
        }

        let clients = Clients::new(&config).await;
        let sender = Sender::new(config, clients).await;
        let mut report = Report::new("cognito-sender", "local");
        let deadline = Deadline::after(PATIENCE);
        let result = sender.handle(&event, deadline, &mut report).await;
        let line = report.line(&result);
        let answer = match (&result, report.channel()) {
            (Ok(outcome), Some(channel)) => outcome.to_json(channel),
            (Ok(_), None) => Value::Null,
            (Err(error), _) => {
                json!({"errorType": error.name(), "errorMessage": error.to_string()})
            }
        };
        let outbox = stand_in.as_ref().map_or_else(Vec::new, StandIn::outbox);
        if self.json {
            let log: Value = serde_json::from_str(&line)?;
            let all = json!({"answer": answer, "outbox": outbox, "log": log});
            say!("{}", serde_json::to_string_pretty(&all)?);
        } else {
            for record in &outbox {
                show(record);
            }
            if let (Ok(Outcome::Withheld(reason)), Some(channel)) = (&result, report.channel()) {
                let advice = reason.advice(channel, sender.region(channel));
                say!("{}\n", wrapped(&advice, WIDTH));
            }
            match &result {
                Ok(_) => say!("{answer}"),
                Err(error) => eprintln!("error: {}: {error}", error.name()),
            }
        }
        Ok(match result {
            Ok(Outcome::Sent { .. } | Outcome::Duplicate) => ExitCode::SUCCESS,
            Ok(Outcome::Withheld(_)) => ExitCode::from(3),
            Err(_) => ExitCode::FAILURE,
        })
    }

    /// Puts `--locale` and `--to` where Cognito puts them.
    ///
    /// # Errors
    /// `--to` of the other channel, which would be ignored.
    fn put_attributes(&self, event: &mut Value) -> Result<(), Failure> {
        let by_email = event["triggerSource"]
            .as_str()
            .is_some_and(|source| source.starts_with("CustomEmailSender"));
        let attributes = event.pointer_mut("/request/userAttributes");
        let Some(attributes) = attributes.and_then(Value::as_object_mut) else {
            return Ok(());
        };
        if let Some(locale) = &self.locale {
            attributes.insert("locale".to_owned(), json!(locale));
        }
        if let Some(to) = &self.to {
            if to.contains('@') != by_email {
                return Err(format!("--to {to} does not fit the event's channel").into());
            }
            let name = if by_email { "email" } else { "phone_number" };
            attributes.insert(name.to_owned(), json!(to));
        }
        Ok(())
    }
}

/// Only ever the stand-in's records: a message of a local try is no secret.
fn show(record: &Record) {
    let to = &record.to;
    match &record.content {
        Content::Sms(sms) => show_sms(sms, to, &record.region),
        Content::Email(email) => show_email(email, to, &record.region),
        Content::Outcome(_) => (),
    }
}

fn show_sms(sms: &Sms, to: &str, region: &str) {
    let from = sms
        .origination_number
        .as_deref()
        .or(sms.sender_id.as_deref())
        .unwrap_or("a number of SNS's choice");
    let length = &sms.length;
    let plural = if length.segments == 1 { "" } else { "s" };
    say!("SMS from {from} to {to} ({region})");
    say!(
        "{}, {} units, {} segment{plural}{}\n",
        length.encoding,
        length.units,
        length.segments,
        fate(&sms.fate)
    );
    say!("{}\n", indented(&sms.text));
}

fn show_email(email: &Email, to: &str, region: &str) {
    say!(
        "E-mail from {} to {to} ({region}){}",
        email.from,
        fate(&email.fate)
    );
    say!("Subject: {}", email.subject);
    for (name, value) in &email.headers {
        say!("{name}: {value}");
    }
    say!(
        "\n{}\n",
        indented(email.text.as_deref().unwrap_or_default())
    );
    let html = email.html.as_deref().map_or(0, str::len);
    say!("(and {html} bytes of HTML; `cognito-sender local` shows it)\n");
}

fn fate(fate: &Fate) -> String {
    match fate {
        Fate::Delivered => String::new(),
        Fate::Dropped(why) => format!(", accepted and dropped: {why}"),
        Fate::Refused(why) => format!(", refused: {why}"),
    }
}

fn indented(text: &str) -> String {
    let lines = text.trim_end().lines().map(|line| format!("    {line}"));
    lines.collect::<Vec<_>>().join("\n")
}
