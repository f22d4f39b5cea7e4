//! Log lines -> one event's story, in the order of time.

use std::fmt::Write as _;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use cognito_sender::destination::PhoneNumber;
use serde_json::{Map, Value, json};

use crate::page::{WIDTH, labelled, wrapped};

/// What was found of one event.
pub(super) struct Story {
    /// As it was asked for.
    id: String,
    /// The event's own; `None` if the function logged nothing.
    pub(super) request_id: Option<String>,
    /// Lambda hands an event over again when a delivery failed.
    pub(super) deliveries: Vec<Delivery>,
    /// What SNS logged of the message.
    pub(super) statuses: Vec<Status>,
    /// Whether SNS logs, where it logged nothing of a message that was sent.
    pub(super) logging: Option<Logging>,
    pub(super) sms_region: String,
    /// `EMAIL_CONFIGURATION_SET`.
    pub(super) configuration_set: Option<String>,
    /// The function's log group comes first.
    pub(super) searched: Vec<Searched>,
    from: i64,
    until: i64,
}

/// A log group that was looked into.
pub(super) struct Searched {
    pub(super) group: String,
    pub(super) found: Found,
}

pub(super) enum Found {
    Lines(usize),
    NoGroup,
    /// In AWS's words.
    Refused(String),
}

/// Whether SNS logs deliveries.
pub(super) enum Logging {
    Off,
    On {
        /// Of the successes, in per cent.
        sampled: String,
    },
    /// In AWS's words.
    Unknown(String),
}

/// One try of Lambda's.
pub(super) struct Delivery {
    /// Milliseconds since 1970.
    at: i64,
    told: Told,
}

enum Told {
    /// The function's own line.
    Line(Map<String, Value>),
    /// It told nothing: Lambda ended it, for this reason.
    Ended(String),
}

impl Delivery {
    /// Reads a line of the function's log; `None` for one that tells no end.
    pub(super) fn read(at: i64, text: &str, request_id: &str) -> Option<Self> {
        let told = match serde_json::from_str(text) {
            Ok(Value::Object(mut line)) if line.contains_key("outcome") => {
                (line.get("requestId")?.as_str()? == request_id).then_some(())?;
                line.remove("_aws");
                Told::Line(line)
            }
            // Lambda's own, as JSON.
            Ok(line) => {
                let status = line.pointer("/record/status").and_then(Value::as_str);
                let status = status.filter(|status| matches!(*status, "timeout" | "failure"))?;
                let report = line["type"] == "platform.report";
                let took = line.pointer("/record/metrics/durationMs");
                let took = took.and_then(Value::as_f64).unwrap_or_default();
                let how = format!("{status} after {took:.0} ms");
                report.then_some(Told::Ended(how))?
            }
            // Lambda's own, as text.
            Err(_) => {
                let (_, how) = text.split_once("Task timed out after ")?;
                Told::Ended(format!("timeout after {}", clean(how.trim())))
            }
        };
        Some(Self { at, told })
    }

    fn field(&self, name: &str) -> String {
        match &self.told {
            Told::Line(line) => text(line, name),
            Told::Ended(_) => String::new(),
        }
    }

    fn outcome(&self) -> String {
        self.field("outcome")
    }

    /// What happened, in a few words.
    fn headline(&self) -> String {
        match self.outcome().as_str() {
            "sent" => format!("sent as {}", self.field("messageId")),
            "duplicate" => "not sent again".to_owned(),
            "withheld" => format!("withheld: {}", self.field("reason")),
            "error" => format!("failed: {}", self.field("errorType")),
            _ => match &self.told {
                Told::Ended(how) => format!("ended by Lambda: {how}"),
                Told::Line(_) => self.field("message"),
            },
        }
    }

    /// Why, and what to do.
    fn reasons(&self) -> Vec<String> {
        let Told::Line(line) = &self.told else {
            return vec![
                "The function told nothing of it, and whether a message went out is not known. \
                 Give it more time (Timeout) or memory."
                    .to_owned(),
            ];
        };
        let mut reasons = Vec::new();
        match self.outcome().as_str() {
            "duplicate" => reasons.push("This very code had been sent before.".to_owned()),
            "withheld" => reasons.push(text(line, "advice")),
            "error" => {
                let (message, name) = (text(line, "message"), text(line, "errorType"));
                let words = message.strip_prefix(&format!("{name}: "));
                reasons.push(words.unwrap_or(&message).to_owned());
            }
            _ => (),
        }
        reasons.extend(times(line));
        for (doubt, what) in DOUBTS {
            if line.contains_key(doubt) {
                reasons.push(format!("{doubt}: {what}"));
            }
        }
        reasons.retain(|reason| !reason.is_empty());
        reasons
    }
}

/// What was sent all the same (see the library's `report`).
const DOUBTS: [(&str, &str); 4] = [
    (
        "SandboxUnknown",
        "the account did not tell whether it is in the sandbox. If it is, SNS took the message and \
         delivered nothing.",
    ),
    (
        "OriginationUnknown",
        "the account's numbers could not be read, so SNS chose the sender.",
    ),
    (
        "LedgerUnavailable",
        "the ledger's table did not answer, so that another delivery may send again.",
    ),
    (
        "TextBroken",
        "a text of your own was passed over; `cognito-sender messages check` tells why.",
    ),
];

/// How long each stage took, and how often it was tried.
fn times(line: &Map<String, Value>) -> Option<String> {
    let stages = ["decrypt", "claim", "account", "lookup", "send"];
    let mut told: Vec<String> = Vec::new();
    for stage in stages {
        let Some(took) = line.get(&format!("{stage}Ms")).and_then(Value::as_f64) else {
            continue;
        };
        let tries = line.get(&format!("{stage}Tries")).and_then(Value::as_u64);
        let tries = tries.map(|tries| format!(" ({tries} tries)"));
        told.push(format!("{stage} {took} ms{}", tries.unwrap_or_default()));
    }
    let all = line.get("durationMs").and_then(Value::as_f64)?;
    told.push(format!("{all} ms in all"));
    Some(format!("{}.", told.join(", ")))
}

/// What SNS logged of a message (SNS guide, "Viewing CloudWatch Logs").
pub(super) struct Status {
    at: i64,
    success: bool,
    response: String,
    /// Without the number.
    log: Map<String, Value>,
}

impl Status {
    /// Reads a line of SNS's log groups.
    pub(super) fn read(at: i64, text: &str) -> Option<Self> {
        let Ok(Value::Object(mut log)) = serde_json::from_str(text) else {
            return None;
        };
        let delivery = log.get_mut("delivery")?.as_object_mut()?;
        let number = delivery.remove("destination");
        let number = number.as_ref().and_then(Value::as_str);
        if let Some(number) = number.and_then(|number| PhoneNumber::parse(number).ok()) {
            delivery.insert("destination".to_owned(), json!(number.to_string()));
        }
        let response = self::text(delivery, "providerResponse");
        Some(Self {
            at,
            success: log.get("status")? == "SUCCESS",
            response,
            log,
        })
    }

    fn headline(&self) -> String {
        let verdict = if self.success {
            "delivered"
        } else {
            "not delivered"
        };
        format!("SNS: {verdict}, \"{}\"", self.response)
    }

    fn details(&self) -> String {
        let delivery = self.log.get("delivery").and_then(Value::as_object);
        let Some(delivery) = delivery else {
            return String::new();
        };
        let number = |name: &str| delivery.get(name).and_then(Value::as_f64);
        let mut details = Vec::new();
        let carrier = text(delivery, "phoneCarrier");
        details.extend((!carrier.is_empty()).then_some(carrier));
        details.extend(number("dwellTimeMs").map(|took| format!("{took} ms in SNS")));
        let device = number("dwellTimeMsUntilDeviceAck");
        details.extend(device.map(|took| format!("{took} ms until the phone's answer")));
        let parts = number("numberOfMessageParts");
        details.extend(parts.map(|parts| match parts {
            1.0 => "1 part".to_owned(),
            parts => format!("{parts} parts"),
        }));
        details.extend(number("priceInUSD").map(|price| format!("{price} USD")));
        details.join(", ")
    }
}

/// What to do about SNS's words for a failure (SNS guide, "SMS delivery
/// failure reasons").
fn remedy(response: &str) -> &'static str {
    let response = response.to_ascii_lowercase();
    let knows = |words: &str| response.contains(words);
    if knows("spam") || knows("carrier has blocked") || knows("body is invalid") {
        "The carrier filters the message: register the number or sender ID for the country, and \
         keep the text to its registered template."
    } else if knows("opted out") {
        "The recipient answered STOP. They answer START; once in 30 days you can opt them in: aws \
         sns opt-in-phone-number."
    } else if knows("max price") {
        "SMS_MAX_PRICE is below what the country costs: raise it, or leave it empty."
    } else if knows("invalid phone") {
        "The number does not exist as a mobile number. Correct the user's phone_number."
    } else if knows("blocked list") || knows("blocked sms") {
        "The number is blocked, by its owner or by AWS. Offer another channel; AWS Support knows \
         why."
    } else if knows("quota") || knows("spend") {
        "The month's SMS budget is spent: ask AWS for a higher spend limit."
    } else if knows("unreachable") || knows("unavailable") {
        "The phone was off or out of reach. Nothing to mend: the user asks for another code."
    } else {
        "SNS knows no more. Where it befalls many numbers of a country, look at the sender \
         registered for it: cognito-sender doctor."
    }
}

impl Story {
    pub(super) fn new(id: &str, from: i64, until: i64) -> Self {
        Self {
            id: id.to_owned(),
            request_id: None,
            deliveries: Vec::new(),
            statuses: Vec::new(),
            logging: None,
            sms_region: String::new(),
            configuration_set: None,
            searched: Vec::new(),
            from,
            until,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.deliveries.is_empty() && self.statuses.is_empty()
    }

    /// The id of the text message that went out, if one did.
    pub(super) fn sent_sms(&self) -> Option<&str> {
        self.sent().and_then(|line| {
            let sms = line.get("channel")? == "sms";
            line.get("messageId")?.as_str().filter(|_| sms)
        })
    }

    fn sent(&self) -> Option<&Map<String, Value>> {
        self.deliveries
            .iter()
            .find_map(|delivery| match &delivery.told {
                Told::Line(line) if line.get("outcome")? == "sent" => Some(line),
                _ => None,
            })
    }

    /// `sent`, `delivered`, `undelivered`, `withheld`, `duplicate`, `error`,
    /// `ended`, or `unknown`.
    fn verdict(&self) -> &'static str {
        match (self.statuses.last(), self.sent(), self.deliveries.last()) {
            (Some(status), _, _) if status.success => "delivered",
            (Some(_), _, _) => "undelivered",
            (None, Some(_), _) => "sent",
            (None, None, None) => "unknown",
            (None, None, Some(last)) => match (last.outcome().as_str(), &last.told) {
                (_, Told::Ended(_)) => "ended",
                ("withheld", _) => "withheld",
                ("duplicate", _) => "duplicate",
                _ => "error",
            },
        }
    }

    /// The story for a machine.
    pub(super) fn json(&self) -> Value {
        let searched: Vec<Value> = self
            .searched
            .iter()
            .map(|searched| match &searched.found {
                Found::Lines(lines) => json!({"logGroup": searched.group, "lines": lines}),
                Found::NoGroup => json!({"logGroup": searched.group, "absent": true}),
                Found::Refused(why) => json!({"logGroup": searched.group, "refused": why}),
            })
            .collect();
        let deliveries = self.deliveries.iter().map(|delivery| {
            let mut line = match &delivery.told {
                Told::Line(line) => line.clone(),
                Told::Ended(how) => Map::from_iter([
                    ("outcome".to_owned(), json!("ended")),
                    ("message".to_owned(), json!(how)),
                ]),
            };
            line.insert("at".to_owned(), json!(instant(delivery.at)));
            Value::Object(line)
        });
        let statuses = self.statuses.iter();
        json!({
            "id": self.id,
            "requestId": self.request_id,
            "verdict": self.verdict(),
            "advice": self.ending("").join("\n"),
            "deliveries": deliveries.collect::<Vec<_>>(),
            "deliveryStatus": statuses.map(|status| &status.log).collect::<Vec<_>>(),
            "searched": searched,
            "from": instant(self.from),
            "until": instant(self.until),
        })
    }

    /// The story for a person. `flags` are those of the next command.
    pub(super) fn text(&self, flags: &str) -> String {
        if self.is_empty() {
            return self.nothing(flags);
        }
        let mut page = self.title();
        let several = self.deliveries.len() > 1;
        for (index, delivery) in self.deliveries.iter().enumerate() {
            let number = match several {
                true => format!("delivery {}: ", index + 1),
                false => String::new(),
            };
            let headline = format!("{number}{}", delivery.headline());
            let _ = writeln!(page, "\n{}", entry(delivery.at, &headline));
            for reason in delivery.reasons() {
                let _ = writeln!(page, "{}", labelled("", TIME, &reason));
            }
        }
        for status in &self.statuses {
            let _ = writeln!(page, "\n{}", entry(status.at, &status.headline()));
            let _ = writeln!(page, "{}", labelled("", TIME, &status.details()));
        }
        for searched in &self.searched {
            if let Found::Refused(why) = &searched.found {
                let unread = format!("not read: {} (logs:FilterLogEvents): {why}", searched.group);
                let _ = write!(page, "\n{}\n", wrapped(&unread, WIDTH));
            }
        }
        for part in self.ending(flags) {
            let part = match part.starts_with("  ") {
                true => part,
                false => wrapped(&part, WIDTH),
            };
            let _ = write!(page, "\n{part}\n");
        }
        page.trim_end().to_owned()
    }

    fn title(&self) -> String {
        let day = instant(self.first()).chars().take(10).collect::<String>();
        let Some(request_id) = &self.request_id else {
            return format!(
                "Message {}, {day} (UTC)\nof no event of this function\n",
                self.id
            );
        };
        let mut title = format!("Event {request_id}, {day} (UTC)\n");
        let mut lines = self
            .deliveries
            .iter()
            .filter_map(|delivery| match &delivery.told {
                Told::Line(line) => Some(line),
                Told::Ended(_) => None,
            });
        if let Some(line) = lines
            .next_back()
            .filter(|line| line.contains_key("channel"))
        {
            let channel = match text(line, "channel").as_str() {
                "sms" => "SMS",
                _ => "e-mail",
            };
            let (occasion, pool) = (text(line, "occasion"), text(line, "userPoolId"));
            let _ = write!(title, "{occasion} by {channel}");
            for (before, name) in [(" to ", "destination"), (", ", "country")] {
                let value = text(line, name);
                if !value.is_empty() {
                    let _ = write!(title, "{before}{value}");
                }
            }
            let _ = writeln!(title, ", user pool {pool}");
        }
        title
    }

    fn first(&self) -> i64 {
        let deliveries = self.deliveries.iter().map(|delivery| delivery.at);
        let statuses = self.statuses.iter().map(|status| status.at);
        deliveries.chain(statuses).min().unwrap_or(self.from)
    }

    /// What it comes to, and the next step; commands are indented.
    fn ending(&self, flags: &str) -> Vec<String> {
        let after = match self.deliveries.as_slice() {
            [first, .., last] => format!(", {} after the first delivery", span(last.at - first.at)),
            _ => String::new(),
        };
        match self.verdict() {
            "delivered" => vec![format!(
                "In the end: delivered{after}, as far as SNS knows: the carrier took it. What the \
                 phone did with it, no log knows."
            )],
            "undelivered" => {
                let response = self.statuses.last().map(|status| status.response.as_str());
                let remedy = remedy(response.unwrap_or_default());
                vec![format!(
                    "In the end: sent{after}, and not delivered. {remedy}"
                )]
            }
            "sent" if self.sent_sms().is_some() => self.sent_by_sms(&after),
            "sent" => self.sent_by_email(&after),
            "withheld" => vec!["In the end: nothing was sent.".to_owned()],
            "duplicate" => vec![
                "In the end: nothing was sent by this event, since another had sent its code. Look \
                 for that one by its destination."
                    .to_owned(),
            ],
            "unknown" => Vec::new(),
            _ => {
                let last = self.deliveries.last();
                let passes = last.is_some_and(|last| last.field("curedBy") == "time");
                let again = match (passes, self.deliveries.len()) {
                    (true, 1 | 2) => {
                        "Time mends it, and Lambda hands the event over again: about one minute \
                         after the first delivery, and two after the second. Ask anew then."
                    }
                    (false, 1 | 2) => {
                        "Lambda hands the event over again, but a person has to mend it first."
                    }
                    _ => "Lambda gives up after three: the event is in the failure queue.",
                };
                vec![
                    format!("In the end: nothing is known to be sent. {again}"),
                    format!("  cognito-sender doctor{flags}"),
                ]
            }
        }
    }

    fn sent_by_sms(&self, after: &str) -> Vec<String> {
        let region = &self.sms_region;
        let took = format!("In the end: sent{after}. SNS took it; whether the phone got it");
        let is_refused = |searched: &Searched| matches!(searched.found, Found::Refused(_));
        match &self.logging {
            _ if self.searched.iter().skip(1).any(is_refused) => vec![format!(
                "{took} stands in SNS's log groups, which could not be read."
            )],
            Some(Logging::Off) => vec![
                format!(
                    "{took} is logged where delivery-status logging is on, and in {region} it is \
                     off. Turn it on, with a role that sns.amazonaws.com may take to write logs:"
                ),
                format!(
                    "  aws sns set-sms-attributes --region {region} \\\n    --attributes \
                     DeliveryStatusIAMRole=<role ARN>,DeliveryStatusSuccessSamplingRate=100"
                ),
            ],
            Some(Logging::On { sampled }) => vec![format!(
                "{took} is not logged yet: SNS logs every failure and {sampled} % of the successes, \
                 within minutes, as far as carriers answer. Past its spend limit, or to an \
                 unverified number in the sandbox, it says nothing: cognito-sender doctor."
            )],
            Some(Logging::Unknown(why)) => vec![format!(
                "{took} may be logged; whether delivery-status logging is on could not be read \
                 (sns:GetSMSAttributes): {why}"
            )],
            None => vec![format!("{took} was not looked for.")],
        }
    }

    fn sent_by_email(&self, after: &str) -> Vec<String> {
        let took = format!(
            "In the end: sent{after}. SES took it, and keeps no log of single messages, unless a \
             configuration set publishes their events (delivery, bounce, complaint)."
        );
        match &self.configuration_set {
            Some(set) => vec![
                format!("{took} EMAIL_CONFIGURATION_SET is {set}; where its events go:"),
                format!(
                    "  aws sesv2 get-configuration-set-event-destinations \\\n    \
                     --configuration-set-name {set}"
                ),
            ],
            None => vec![format!(
                "{took} None is set: create one with an event destination, and name it in \
                 EMAIL_CONFIGURATION_SET. Meanwhile: the spam folder."
            )],
        }
    }

    /// Nothing was found: where, and what now.
    fn nothing(&self, flags: &str) -> String {
        let mut page = format!(
            "Nothing found of {}\nfrom {} to {}, in:\n\n",
            self.id,
            instant(self.from),
            instant(self.until)
        );
        for searched in &self.searched {
            let found = match &searched.found {
                Found::Lines(0) => "nothing",
                Found::Lines(_) => "no end",
                Found::NoGroup => "no such",
                Found::Refused(_) => "not read",
            };
            let _ = writeln!(page, "  {found:9} {}", searched.group);
            if let Found::Refused(why) = &searched.found {
                let why = format!("(logs:FilterLogEvents): {why}");
                let _ = writeln!(page, "{}", labelled("", 12, &why));
            }
        }
        let next = "A request id is Lambda's, as in the log's requestId; a message id that of SNS \
                    or SES, as in messageId. Was it earlier? And if the function never ran, its \
                    pool or its permission is the place to look:";
        let _ = write!(page, "\n{}\n\n", wrapped(next, WIDTH));
        let _ = writeln!(
            page,
            "  cognito-sender explain {} --since 7d{flags}",
            self.id
        );
        let _ = write!(page, "  cognito-sender doctor{flags}");
        page
    }
}

/// The width of a time and its space.
const TIME: usize = 10;

fn entry(at: i64, headline: &str) -> String {
    let time = instant(at);
    labelled(time.get(11..19).unwrap_or_default(), TIME, headline)
}

/// `2026-11-24T20:01:02Z`
fn instant(milliseconds: i64) -> String {
    let time = DateTime::from_secs(milliseconds.div_euclid(1000));
    time.fmt(Format::DateTime).unwrap_or_default()
}

/// `4 min 5 s`
fn span(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// A member's text, fit for a terminal.
fn text(line: &Map<String, Value>, name: &str) -> String {
    clean(line.get(name).and_then(Value::as_str).unwrap_or_default())
}

/// A log may hold what a terminal would obey.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
