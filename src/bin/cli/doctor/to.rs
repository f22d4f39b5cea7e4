//! `doctor --to`: what would become of one message, as the function decides it.

use std::process::ExitCode;

use cognito_sender::config::OriginationIdentity;
use cognito_sender::destination::{EmailAddress, PhoneNumber};
use cognito_sender::event::Channel;
use cognito_sender::report::Doubt;
use cognito_sender::routing::Route;
use cognito_sender::sandbox::Verdict;
use cognito_sender::{Clients, Config, Outcome, Reason};
use serde_json::{Value, json};

use crate::Failure;
use crate::channels::function_clients;
use crate::deployment::Deployment;
use crate::page::wrapped;
use crate::way;

/// As `invoke` ends.
const WITHHELD: u8 = 3;

/// What was learned on the way, and its end.
struct Walk {
    channel: Channel,
    region: String,
    /// Masked.
    to: String,
    /// What was seen, in the order in which the function looks.
    steps: Vec<String>,
    /// Why it would be withheld.
    end: Result<(), Reason>,
    doubts: Vec<Doubt>,
}

/// Prints the way of a message to `destination`.
///
/// # Errors
/// Settings with which the function does not start.
pub(crate) async fn tell(
    deployment: Deployment,
    destination: &str,
    json: bool,
) -> Result<ExitCode, Failure> {
    let config = deployment.config?;
    let clients = function_clients(&deployment.sdk, &config);
    let walk = if destination.contains('@') {
        by_email(&config, &clients, destination).await
    } else {
        by_sms(&config, &clients, destination).await
    };
    if json {
        say!("{}", serde_json::to_string_pretty(&walk.json())?);
    } else {
        say!("{}", walk.text());
    }
    Ok(match walk.end {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(WITHHELD),
    })
}

async fn by_sms(config: &Config, clients: &Clients, destination: &str) -> Walk {
    let mut walk = Walk::new(Channel::Sms, &config.sms.region);
    let Ok(to) = PhoneNumber::parse(destination) else {
        walk.steps
            .push("it is no phone number in E.164 form".to_owned());
        walk.end = Err(Reason::InvalidDestination);
        return walk;
    };
    walk.to = to.to_string();
    let country = to.country();
    walk.steps.push(match country {
        Some(country) => format!("the number is one of {country}"),
        None => "the number is one of no country".to_owned(),
    });
    let way = way::of_sms(config, clients, &to).await;
    walk.sandbox(config, way.verdict);
    walk.steps.push(match &way.route {
        Route::From(OriginationIdentity::Number(number)) => format!("it would come from {number}"),
        Route::From(OriginationIdentity::SenderId(id)) => {
            format!("it would come from the sender ID {id}")
        }
        Route::ChosenBySns => "there is no sender of its own for it: SNS chooses one".to_owned(),
        Route::Unknown => "SNS did not tell the account's numbers, and chooses one".to_owned(),
        Route::Unreachable => {
            "there is no registered number of the country to send from".to_owned()
        }
    });
    walk.steps.push(
        match way.opted_out {
            Some(true) => "its owner answered STOP",
            Some(false) => "its owner has not answered STOP",
            None => "SNS did not tell whether its owner answered STOP; the function sends then",
        }
        .to_owned(),
    );
    walk.end = way.end.map(drop);
    walk.doubts = way.doubts;
    walk
}

async fn by_email(config: &Config, clients: &Clients, destination: &str) -> Walk {
    let email = config.email.as_ref();
    let mut walk = Walk::new(
        Channel::Email,
        email.map_or(&config.region, |email| &email.region),
    );
    let Some(email) = email else {
        walk.steps.push("EMAIL_FROM is empty".to_owned());
        walk.end = Err(Reason::ChannelOff);
        return walk;
    };
    let Ok(to) = EmailAddress::parse(destination) else {
        walk.steps
            .push("it is no address that SES takes".to_owned());
        walk.end = Err(Reason::InvalidDestination);
        return walk;
    };
    walk.to = to.to_string();
    let from = email.from.address.expose();
    walk.steps.push(format!("it would come from {from}"));
    let way = way::of_email(config, email, clients, &to).await;
    walk.sandbox(config, way.verdict);
    walk.steps.push(
        match way.suppressed {
            Some(true) => "it is on SES's suppression list",
            Some(false) => "it is not on SES's suppression list",
            None => "SES did not tell whether it is suppressed; the function sends then",
        }
        .to_owned(),
    );
    walk.end = way.end;
    walk.doubts = way.doubts;
    walk
}

impl Walk {
    fn new(channel: Channel, region: &str) -> Self {
        Self {
            channel,
            region: region.to_owned(),
            to: "this destination".to_owned(),
            steps: Vec::new(),
            end: Ok(()),
            doubts: Vec::new(),
        }
    }

    fn sandbox(&mut self, config: &Config, verdict: Verdict) {
        self.steps.push(
            match verdict {
                _ if !config.sandbox_check => "SANDBOX_CHECK is off: the sandbox is not asked",
                Verdict::Deliverable => "the account may reach it",
                Verdict::Unverified => "the account is in the sandbox, and it is not verified",
                Verdict::Unknown => {
                    "AWS did not tell whether the account is in the sandbox; the function sends \
                     then, and counts SandboxUnknown"
                }
            }
            .to_owned(),
        );
    }

    fn text(&self) -> String {
        let (name, region) = (self.channel.name(), &self.region);
        let by = if name == "sms" { "SMS" } else { "e-mail" };
        let mut text = format!("To {}, by {by} from {region}\n\n", self.to);
        for step in &self.steps {
            let lines = wrapped(step, 76).replace('\n', "\n    ");
            text += &format!("  - {lines}\n");
        }
        text += "\n";
        match self.end {
            Ok(()) => {
                text += "It would be sent.\n\n";
                text += &wrapped(
                    "Nothing was sent. AWS was asked with your credentials: what the function's \
                     role may, and whether it can open codes, `doctor` without --to tells.",
                    80,
                );
            }
            Err(reason) => {
                text += &format!("It would be withheld: {}.\n\n", reason.name());
                text += &wrapped(&reason.advice(self.channel, region), 80);
            }
        }
        text
    }

    fn json(&self) -> Value {
        let outcome = match self.end {
            Ok(()) => json!("sent"),
            Err(reason) => json!(Outcome::Withheld(reason).name()),
        };
        let reason = self.end.err();
        let doubts: Vec<&str> = self.doubts.iter().map(|doubt| doubt.name()).collect();
        json!({
            "to": self.to, "channel": self.channel.name(), "region": self.region,
            "steps": self.steps, "outcome": outcome, "reason": reason.map(Reason::name),
            "advice": reason.map(|reason| reason.advice(self.channel, &self.region)),
            "doubts": doubts,
        })
    }
}
