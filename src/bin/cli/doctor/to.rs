//! `doctor --to`: what would become of one message, as the function decides it.
//!
//! The function's own parts are asked (`sandbox`, `routing`, `suppression`,
//! `decision`), with the credentials of whoever looks instead of its role's.

use std::process::ExitCode;

use aws_config::{Region, SdkConfig};
use cognito_sender::config::OriginationIdentity;
use cognito_sender::destination::{EmailAddress, PhoneNumber};
use cognito_sender::event::Channel;
use cognito_sender::report::Doubt;
use cognito_sender::routing::{Route, Routing};
use cognito_sender::sandbox::{Sandbox, Verdict};
use cognito_sender::suppression::Suppression;
use cognito_sender::{Clients, Config, Outcome, Reason, decision};
use serde_json::{Value, json};

use crate::Failure;
use crate::deployment::Deployment;
use crate::page::wrapped;

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
    let clients = clients(&deployment.sdk, &config);
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

/// The function's clients, with the caller's credentials.
fn clients(sdk: &SdkConfig, config: &Config) -> Clients {
    let at = |region: &str| {
        let region = Region::new(region.to_owned());
        sdk.to_builder().region(region).build()
    };
    let own = at(&config.region);
    let email = config
        .email
        .as_ref()
        .map_or(&config.region, |email| &email.region);
    Clients {
        dynamodb: aws_sdk_dynamodb::Client::new(&own),
        kms: aws_sdk_kms::Client::new(&at(config.kms_key.region())),
        sns: aws_sdk_sns::Client::new(&at(&config.sms.region)),
        ses: aws_sdk_sesv2::Client::new(&at(email)),
        cognito: aws_sdk_cognitoidentityprovider::Client::new(&own),
    }
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
    let sandbox = Sandbox::new(clients);
    let routing = Routing::new(config.sms.origination.clone(), clients);
    let suppression = Suppression::new(clients, None);
    let (verdict, route, opted_out) = tokio::join!(
        may_reach(config, sandbox.sms(&to)),
        routing.to(country),
        suppression.sms(&to)
    );
    walk.sandbox(config, verdict);
    walk.steps.push(match &route {
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
        match opted_out {
            Some(true) => "its owner answered STOP",
            Some(false) => "its owner has not answered STOP",
            None => "SNS did not tell whether its owner answered STOP; the function sends then",
        }
        .to_owned(),
    );
    let end = decision::sms(verdict, route, opted_out, |doubt| walk.doubts.push(doubt));
    walk.end = end.map(|_| ());
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
    let sandbox = Sandbox::new(clients);
    let suppression = Suppression::new(clients, email.configuration_set.as_deref());
    // One after the other: SES answers about once a second.
    let suppressed = suppression.email(&to).await;
    let verdict = may_reach(config, sandbox.email(&to)).await;
    walk.sandbox(config, verdict);
    walk.steps.push(
        match suppressed {
            Some(true) => "it is on SES's suppression list",
            Some(false) => "it is not on SES's suppression list",
            None => "SES did not tell whether it is suppressed; the function sends then",
        }
        .to_owned(),
    );
    walk.end = decision::email(verdict, suppressed, |doubt| walk.doubts.push(doubt));
    walk
}

/// The sandbox's verdict, unless `SANDBOX_CHECK` is off.
async fn may_reach(config: &Config, verdict: impl Future<Output = Verdict>) -> Verdict {
    if config.sandbox_check {
        verdict.await
    } else {
        Verdict::Deliverable
    }
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
