//! The two settings that a command runs in: the stand-in on loopback, or AWS.

use std::path::{Path, PathBuf};

use clap::Args;
use cognito_sender::Config;
use cognito_sender::config::{Sender, environment};
use cognito_sender::destination::{EmailAddress, PhoneNumber};
use cognito_sender::local::{Identity, KEY_ARN, Options, StandIn};
use serde_json::Value;

use crate::Failure;

/// What the function is set up with against the stand-in, where the
/// environment does not say otherwise.
const LOCAL_SETTINGS: [(&str, &str); 4] = [
    ("AWS_REGION", "us-east-1"),
    ("KMS_KEY_ARN", KEY_ARN),
    ("EMAIL_FROM", "Acme <no-reply@example.com>"),
    ("APP_NAME", "Acme"),
];

/// The stand-in's account.
#[derive(Args)]
pub(crate) struct Account {
    /// Put both channels of the stand-in's account into the sandbox.
    #[arg(long)]
    sandbox: bool,
    /// A number or address that is verified in the sandbox. May be repeated.
    #[arg(long, value_name = "DESTINATION", requires = "sandbox")]
    verified: Vec<String>,
    /// Take all origination numbers from the stand-in's account.
    #[arg(long)]
    no_numbers: bool,
}

impl Account {
    /// In production, with its numbers.
    pub(crate) fn healthy() -> Self {
        Self {
            sandbox: false,
            verified: Vec::new(),
            no_numbers: false,
        }
    }

    /// A stand-in with this account, on `port` (0: any).
    ///
    /// # Errors
    /// A `--verified` that is no destination, or a port that is taken.
    pub(crate) fn start(&self, port: u16) -> Result<StandIn, Failure> {
        let mut options = Options {
            port,
            sms_sandbox: self.sandbox,
            email_sandbox: self.sandbox,
            ..Options::default()
        };
        if self.no_numbers {
            options.origination_numbers.clear();
        }
        if self.sandbox {
            // Only the sender: otherwise all of example.com would be verified.
            let from = local_setting("EMAIL_FROM").and_then(|from| Sender::parse(&from));
            options.identities = from
                .iter()
                .map(|from| Identity::verified(from.address.expose()))
                .collect();
        }
        for destination in &self.verified {
            if PhoneNumber::parse(destination).is_ok() {
                options.verified_numbers.push(destination.clone());
            } else if EmailAddress::parse(destination).is_ok() {
                options.identities.push(Identity::verified(destination));
            } else {
                return Err(format!(
                    "--verified {destination} is neither a number such as +12065550100 nor an \
                     e-mail address"
                )
                .into());
            }
        }
        StandIn::start(options).map_err(|error| {
            format!("port {port} cannot be had ({error}); try another with --port").into()
        })
    }
}

/// A variable's value against the stand-in.
pub(crate) fn local_setting(variable: &str) -> Option<String> {
    let own = environment(variable).filter(|value| !value.is_empty());
    own.or_else(|| {
        LOCAL_SETTINGS
            .into_iter()
            .find(|(name, _)| *name == variable)
            .map(|(_, value)| value.to_owned())
    })
}

/// The variables with which any process works against the stand-in.
pub(crate) fn local_environment(stand_in: &StandIn) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("AWS_ENDPOINT_URL", stand_in.endpoint()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
    ];
    for (variable, _) in LOCAL_SETTINGS {
        variables.extend(local_setting(variable).map(|value| (variable, value)));
    }
    variables
}

/// The function's configuration against the stand-in.
///
/// # Errors
/// What is wrong with the variables that the environment does set.
pub(crate) fn local_config(stand_in: &StandIn) -> Result<Config, Failure> {
    let given = local_environment(stand_in);
    let config = Config::read(|variable| {
        let own = given.iter().find(|(name, _)| *name == variable);
        match own {
            Some((_, value)) => Some(value.clone()),
            // Real credentials and endpoints stay out of a local try.
            None if variable.starts_with("AWS_") => None,
            None => environment(variable),
        }
    })?;
    Ok(config)
}

/// An event's file, or standard input.
#[derive(Args)]
pub(crate) struct EventFile {
    /// A file of events/, or any event of yours; - reads standard input.
    #[arg(value_name = "EVENT")]
    path: PathBuf,
}

impl EventFile {
    /// The event.
    ///
    /// # Errors
    /// A file that cannot be read, or holds no JSON object.
    pub(crate) fn read(&self) -> Result<Value, Failure> {
        let name = self.path.display();
        let text = if self.path == Path::new("-") {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(&self.path)
        }
        .map_err(|error| format!("{name} cannot be read: {error}"))?;
        let event: Value =
            serde_json::from_str(&text).map_err(|error| format!("{name} is not JSON: {error}"))?;
        if event.is_object() {
            Ok(event)
        } else {
            Err(format!("{name} is not an event: it holds no JSON object").into())
        }
    }
}
