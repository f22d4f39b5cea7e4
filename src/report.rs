//! What an event's one log line says: for the one who searches, never for the
//! one who snoops.
//!
//! The line is a log record and a metric at once (CloudWatch embedded metric
//! format), so that metrics cost no call and every point on a graph leads to
//! its events. It holds no secret, no full destination, and nothing that the
//! user typed.

use std::time::{Instant, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Map, Value, json};

use crate::catalogue::Broken;
use crate::country::Country;
use crate::destination::{EmailAddress, PhoneNumber};
use crate::error::Error;
use crate::event::{Channel, Request};
use crate::outcome::Outcome;

/// The metrics' namespace.
pub const NAMESPACE: &str = "CognitoSender";

/// What takes time.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    /// Opening the code, KMS's answer included.
    Decrypt,
    /// Waiting for the ledger, beyond decrypting.
    Claim,
    /// Waiting for what the account tells: sandbox, numbers, lists.
    Account,
    /// Looking up the address of a notice's user.
    Lookup,
    /// SNS's or SES's answer.
    Send,
}

/// What was sent all the same, though a question stayed open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Whether the sandbox lets it through.
    SandboxUnknown,
    /// Which numbers the account has.
    OriginationUnknown,
    /// Whether it was sent before, or will be known to have been.
    LedgerUnavailable,
}

impl Doubt {
    /// The metric that counts it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SandboxUnknown => "SandboxUnknown",
            Self::OriginationUnknown => "OriginationUnknown",
            Self::LedgerUnavailable => "LedgerUnavailable",
        }
    }
}

/// What happened to one event, gathered on its way.
pub struct Report {
    started: Instant,
    function: String,
    request_id: String,
    about: Option<About>,
    destination: Option<String>,
    country: Option<Country>,
    stages: Map<String, Value>,
    tries: Vec<(&'static str, u32)>,
    doubts: Vec<&'static str>,
}

struct About {
    channel: Channel,
    occasion: &'static str,
    user_pool: String,
    client_id: Option<String>,
    region: String,
}

impl Report {
    /// Begins with the arrival of an event. Lambda names both: the function
    /// (`AWS_LAMBDA_FUNCTION_NAME`) and the request.
    pub fn new(function: &str, request_id: &str) -> Self {
        Self {
            started: Instant::now(),
            function: crate::error::printable(function),
            request_id: crate::error::printable(request_id),
            about: None,
            destination: None,
            country: None,
            stages: Map::new(),
            tries: Vec::new(),
            doubts: Vec::new(),
        }
    }

    pub(crate) fn request(&mut self, request: &Request, region: &str) {
        self.about = Some(About {
            channel: request.channel,
            occasion: request.occasion.name(),
            user_pool: request.user_pool.as_str().to_owned(),
            client_id: request.client_id.as_deref().map(crate::error::printable),
            region: region.to_owned(),
        });
    }

    pub(crate) fn phone_number(&mut self, to: &PhoneNumber) {
        self.destination = Some(to.to_string());
        self.country = to.country();
    }

    pub(crate) fn email_address(&mut self, to: &EmailAddress) {
        self.destination = Some(to.to_string());
    }

    pub(crate) fn spent(&mut self, stage: Stage, since: Instant) {
        let name = match stage {
            Stage::Decrypt => "decryptMs",
            Stage::Claim => "claimMs",
            Stage::Account => "accountMs",
            Stage::Lookup => "lookupMs",
            Stage::Send => "sendMs",
        };
        self.stages.insert(name.to_owned(), milliseconds(since));
    }

    pub(crate) fn doubt(&mut self, doubt: Doubt) {
        let name = doubt.name();
        if !self.doubts.contains(&name) {
            self.doubts.push(name);
        }
    }

    /// How often a stage was tried, where once was not enough.
    pub(crate) fn tries(&mut self, stage: Stage, tries: u32) {
        let name = match stage {
            Stage::Decrypt => "decryptTries",
            Stage::Send => "sendTries",
            Stage::Lookup => "lookupTries",
            // Not tried for the message's sake alone.
            Stage::Account | Stage::Claim => return,
        };
        if tries > 1 {
            self.tries.push((name, tries));
        }
    }

    /// Texts of one's own that were passed over.
    pub(crate) fn broken(&mut self, broken: &[Broken]) {
        for text in broken {
            tracing::warn!(%text, "a text of your own was passed over");
        }
        if !broken.is_empty() {
            self.doubts.push("TextBroken");
        }
    }

    /// The channel, once the event has told it.
    pub fn channel(&self) -> Option<Channel> {
        self.about.as_ref().map(|about| about.channel)
    }

    /// The log line, as JSON without a line break.
    pub fn line(&self, result: &Result<Outcome, Error>) -> String {
        let mut line = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                line.insert(name.to_owned(), value);
            }
        };
        let about = self.about.as_ref();
        let now = DateTime::from(SystemTime::now());
        let (level, outcome) = match result {
            Ok(Outcome::Withheld(_)) => ("WARN", "withheld"),
            Ok(outcome) => ("INFO", outcome.name()),
            Err(_) => ("ERROR", "error"),
        };
        put("timestamp", json!(rfc_3339(now)));
        put("level", json!(level));
        put("function", json!(self.function));
        put("requestId", json!(self.request_id));
        put("message", json!(self.summary(result)));
        put("outcome", json!(outcome));
        if let Some(about) = about {
            put("channel", json!(about.channel.name()));
            put("occasion", json!(about.occasion));
            put("userPoolId", json!(about.user_pool));
            put("clientId", json!(about.client_id));
            put("region", json!(about.region));
        }
        put(
            "country",
            json!(self.country.map(|country| country.to_string())),
        );
        put("destination", json!(self.destination));
        match result {
            Ok(Outcome::Sent { message_id }) => put("messageId", json!(message_id)),
            Ok(Outcome::Withheld(reason)) => {
                put("reason", json!(reason.name()));
                if let Some(about) = about {
                    put("advice", json!(reason.advice(about.channel, &about.region)));
                }
            }
            Ok(Outcome::Duplicate) => (),
            Err(error) => {
                put("errorType", json!(error.name()));
                put("curedBy", json!(error.cured_by()));
            }
        }
        put("durationMs", milliseconds(self.started));
        for (name, value) in &self.stages {
            put(name, value.clone());
        }
        for (name, tries) in &self.tries {
            put(name, json!(tries));
        }
        put("Messages", json!(1));
        for doubt in &self.doubts {
            put(doubt, json!(1));
        }
        put("_aws", self.metrics(now, result));
        Value::Object(line).to_string()
    }

    fn summary(&self, result: &Result<Outcome, Error>) -> String {
        let to = self.destination.as_deref().unwrap_or("no destination");
        match result {
            Ok(Outcome::Sent { .. }) => format!("sent to {to}"),
            Ok(Outcome::Duplicate) => format!("sent before to {to}"),
            Ok(Outcome::Withheld(reason)) => format!("withheld from {to}: {}", reason.name()),
            Err(error) => format!("{}: {error}", error.name()),
        }
    }

    /// The `_aws` member: which of the line's members are metrics, and by what
    /// they are told apart (CloudWatch guide, "Embedded metric format
    /// specification"). Every pair of both is billed as a metric of its own, so
    /// only the count has the fine dimensions. The function is always one: two
    /// deployments in a Region share the namespace.
    fn metrics(&self, now: DateTime, result: &Result<Outcome, Error>) -> Value {
        let mut fine = vec![json!(["function", "outcome"])];
        let mut coarse = json!([["function"]]);
        if self.about.is_some() {
            fine.push(json!(["function", "channel", "occasion", "outcome"]));
            coarse = json!([["function", "channel"]]);
        }
        match result {
            // For alarms, which cannot add metrics up.
            Ok(Outcome::Withheld(_)) => fine.extend([
                json!(["function", "channel", "reason"]),
                json!(["function", "reason"]),
            ]),
            Err(_) => fine.extend([
                json!(["function", "errorType"]),
                json!(["function", "curedBy"]),
            ]),
            Ok(_) => (),
        }
        let times = self.stages.keys().map(String::as_str);
        let times = times.chain(["durationMs"]);
        let times = times.map(|name| json!({"Name": name, "Unit": "Milliseconds"}));
        let mut directives = vec![
            json!({
                "Namespace": NAMESPACE,
                "Dimensions": fine,
                "Metrics": [{"Name": "Messages", "Unit": "Count"}],
            }),
            json!({
                "Namespace": NAMESPACE,
                "Dimensions": coarse,
                "Metrics": times.collect::<Vec<_>>(),
            }),
        ];
        if !self.doubts.is_empty() {
            let doubts = self.doubts.iter();
            let doubts = doubts.map(|name| json!({"Name": name, "Unit": "Count"}));
            directives.push(json!({
                "Namespace": NAMESPACE,
                "Dimensions": [["function"], ["function", "channel"]],
                "Metrics": doubts.collect::<Vec<_>>(),
            }));
        }
        json!({
            "Timestamp": now.to_millis().unwrap_or_default(),
            "CloudWatchMetrics": directives,
        })
    }
}

/// Milliseconds to a tenth: noise beyond that.
fn milliseconds(since: Instant) -> Value {
    json!((since.elapsed().as_secs_f64() * 10_000.0).round() / 10.0)
}

/// As Lambda's own JSON logs have it.
fn rfc_3339(time: DateTime) -> Option<String> {
    time.fmt(Format::DateTime).ok()
}
