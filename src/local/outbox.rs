//! Everything that was sent, dropped, refused or answered by the function, newest last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use crate::sms_length::SmsLength;

use super::state::{lock, now};

/// The oldest records give way to new ones beyond this.
const KEPT: usize = 1000;

/// One entry of the outbox.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// Counts up from 1.
    pub id: u64,
    /// Milliseconds since 1970.
    pub time: u64,
    /// The Region that the request was signed for, or that the event names.
    pub region: String,
    /// Whom it was for: a phone number, an address, or what the event said of it.
    pub to: String,
    /// What it is.
    #[serde(flatten)]
    pub content: Content,
}

/// What an outbox entry is.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Content {
    /// A `Publish` to a phone number, or a sandbox verification.
    Sms(Sms),
    /// A `SendEmail`.
    Email(Box<Email>),
    /// What the function made of an event.
    Outcome(Outcome),
}

/// A text message.
#[derive(Debug, Clone, Serialize)]
pub struct Sms {
    /// What `Publish` answered; absent when it refused.
    pub message_id: Option<String>,
    /// The text.
    pub text: String,
    /// The number that it came from.
    pub origination_number: Option<String>,
    /// The sender ID that it came from.
    pub sender_id: Option<String>,
    /// Whether SNS chose the sender, because the request named none.
    pub chosen_by_sns: bool,
    /// Every message attribute of the request, by name.
    pub attributes: BTreeMap<String, String>,
    /// Encoding, units and segments of the text.
    #[serde(flatten)]
    pub length: SmsLength,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// A mail.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Email {
    /// What `SendEmail` answered; absent when it refused.
    pub message_id: Option<String>,
    /// The From header.
    pub from: String,
    /// Every recipient: To, Cc and Bcc.
    pub recipients: Vec<String>,
    /// The Reply-To addresses.
    pub reply_to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The plain part.
    pub text: Option<String>,
    /// The HTML part.
    pub html: Option<String>,
    /// Headers of the request, in its order.
    pub headers: Vec<(String, String)>,
    /// `EmailTags`, by name.
    pub tags: BTreeMap<String, String>,
    /// `ConfigurationSetName`.
    pub configuration_set: Option<String>,
    /// `FromEmailAddressIdentityArn`.
    pub identity_arn: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// The function's answer to an event.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// Lambda's request id; absent for an error of the function's init.
    pub request_id: Option<String>,
    /// The event's `triggerSource`.
    pub trigger_source: Option<String>,
    /// `sent`, `duplicate`, `withheld`, or `error`; `answered` for an answer in no form of this product.
    pub outcome: String,
    /// `sms` or `email`.
    pub channel: Option<String>,
    /// Why it was withheld.
    pub reason: Option<String>,
    /// The provider's id of what was sent.
    pub message_id: Option<String>,
    /// Lambda's `errorType`.
    pub error_type: Option<String>,
    /// Lambda's `errorMessage`.
    pub error_message: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", content = "why", rename_all = "lowercase")]
pub enum Fate {
    /// It arrived.
    #[default]
    Delivered,
    /// The service took it, answered a message id and delivers nothing: `sandbox`, `opted_out`,
    /// `no_origination_number` or `suppressed`.
    Dropped(String),
    /// The service answered this error.
    Refused(String),
}

impl Record {
    /// The text message, if it is one.
    #[must_use]
    pub fn sms(&self) -> Option<&Sms> {
        match &self.content {
            Content::Sms(sms) => Some(sms),
            _ => None,
        }
    }

    /// The mail, if it is one.
    #[must_use]
    pub fn email(&self) -> Option<&Email> {
        match &self.content {
            Content::Email(email) => Some(email),
            _ => None,
        }
    }

    /// The function's answer, if it is one.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.content {
            Content::Outcome(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn kind(&self) -> &'static str {
        match &self.content {
            Content::Sms(_) => "sms",
            Content::Email(_) => "email",
            Content::Outcome(_) => "outcome",
        }
    }

    fn is_for(&self, to: &str) -> bool {
        self.to == to
            || self
                .email()
                .is_some_and(|email| email.recipients.iter().any(|other| other == to))
    }
}

/// Which records are asked for.
#[derive(Default)]
pub(super) struct Query {
    pub(super) to: Option<String>,
    pub(super) kind: Option<String>,
    /// Only records with a greater id.
    pub(super) after: u64,
}

impl Query {
    fn matches(&self, record: &Record) -> bool {
        record.id > self.after
            && self.to.as_ref().is_none_or(|to| record.is_for(to))
            && self.kind.as_ref().is_none_or(|kind| record.kind() == kind)
    }
}

/// The records, and a bell for those who wait.
pub(super) struct Outbox {
    records: Mutex<VecDeque<Record>>,
    /// The id of the newest record; rung also when the outbox is cleared.
    newest: watch::Sender<u64>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            records: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }
}

impl Outbox {
    pub(super) fn record(&self, region: &str, to: &str, content: Content) {
        let mut records = lock(&self.records);
        let id = *self.newest.borrow() + 1;
        if records.len() == KEPT {
            records.pop_front();
        }
        records.push_back(Record {
            id,
            time: now(),
            region: region.to_owned(),
            to: to.to_owned(),
            content,
        });
        // Under the lock, so that ids and records agree.
        self.newest.send_replace(id);
    }

    pub(super) fn all(&self) -> Vec<Record> {
        lock(&self.records).iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        lock(&self.records).clear();
        self.newest.send_modify(|_| {});
    }

    /// The records that match, at once if there are any; else those that come within `wait`.
    ///
    /// An outbox cleared while waiting ends the wait of one who watches all of it (the page), so that it looks again.
    pub(super) async fn wait(&self, query: &Query, wait: Duration) -> Vec<Record> {
        let mut newest = self.newest.subscribe();
        let search = async {
            loop {
                let seen = *newest.borrow_and_update();
                let found: Vec<_> = lock(&self.records)
                    .iter()
                    .filter(|record| query.matches(record))
                    .cloned()
                    .collect();
                if !found.is_empty() || newest.changed().await.is_err() {
                    return found;
                }
                if query.to.is_none() && *newest.borrow() == seen {
                    return Vec::new();
                }
            }
        };
        tokio::time::timeout(wait, search).await.unwrap_or_default()
    }
}
