//! What goes wrong on request, and what was counted: calls, how many at once, and connections.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state::lock;
use super::wire::{Refusal, Service};

/// A fault of a service, with its own code and status where services differ.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Too many requests: `Throttling`, `Throttled`, `ThrottlingException` or `TooManyRequestsException`.
    Throttle,
    /// The caller has no permission: `AuthorizationError` or `AccessDeniedException`.
    Denied,
    /// The service fails with this status (500 or 503).
    ServerError {
        /// The HTTP status.
        status: u16,
    },
    /// Any other error of the service, such as `SendingPausedException`.
    Error {
        /// The HTTP status; 400 for most.
        status: u16,
        /// The error's code on the wire.
        code: String,
        /// Its text.
        message: String,
    },
    /// The answer comes late.
    Slow {
        /// By so many milliseconds.
        millis: u64,
    },
    /// The answer never comes, and nothing is done.
    Hang,
    /// The connection closes before anything is done.
    Cut,
    /// The request is carried out and the connection closes without an answer.
    AcceptedThenCut,
    /// The answer is 200 and unreadable; nothing is done.
    Garbage,
}

/// Which operation a fault befalls, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FaultRule {
    /// `Publish`, `Decrypt`, ...; `*` is every operation of every service.
    pub operation: String,
    /// What happens.
    #[serde(flatten)]
    pub fault: Fault,
    /// How many calls it befalls; `None` is every one.
    #[serde(default)]
    pub times: Option<u32>,
}

/// How often an operation was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// Calls that arrived, faults included.
    pub count: usize,
    /// The most that were under way at the same time.
    pub max_concurrent: usize,
    #[serde(skip)]
    under_way: usize,
}

#[derive(Default)]
pub(super) struct Faults {
    rules: Mutex<Vec<FaultRule>>,
    calls: Mutex<BTreeMap<String, Calls>>,
    connections: Mutex<BTreeMap<Service, usize>>,
    regions: Mutex<HashSet<String>>,
}

impl Faults {
    pub(super) fn add(&self, rule: FaultRule) {
        lock(&self.rules).push(rule);
    }

    pub(super) fn clear(&self) {
        lock(&self.rules).clear();
    }

    /// The fault of this call: the oldest rule that fits, which is then used up by one.
    pub(super) fn take(&self, operation: &str) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        rules.retain(|rule| rule.times != Some(0));
        let rule = rules
            .iter_mut()
            .find(|rule| rule.operation == "*" || rule.operation == operation)?;
        rule.times = rule.times.map(|times| times - 1);
        Some(rule.fault.clone())
    }

    /// Counts a call until the guard is dropped, which a cancelled request also does.
    pub(super) fn enter(&self, operation: &str, region: &str) -> UnderWay<'_> {
        lock(&self.regions).insert(region.to_owned());
        let mut all = lock(&self.calls);
        let calls = all.entry(operation.to_owned()).or_default();
        calls.count += 1;
        calls.under_way += 1;
        calls.max_concurrent = calls.max_concurrent.max(calls.under_way);
        UnderWay {
            faults: self,
            operation: operation.to_owned(),
        }
    }

    pub(super) fn calls(&self) -> BTreeMap<String, Calls> {
        lock(&self.calls).clone()
    }

    pub(super) fn connected(&self, service: Service) {
        *lock(&self.connections).entry(service).or_default() += 1;
    }

    pub(super) fn connections(&self) -> BTreeMap<Service, usize> {
        lock(&self.connections).clone()
    }

    pub(super) fn reset_counts(&self) {
        // Calls under way must still find themselves when they end.
        lock(&self.calls).values_mut().for_each(|calls| {
            (calls.count, calls.max_concurrent) = (0, calls.under_way);
        });
        lock(&self.connections).clear();
    }

    pub(super) fn regions(&self) -> Vec<String> {
        let mut regions: Vec<_> = lock(&self.regions).iter().cloned().collect();
        regions.sort();
        regions
    }
}

/// A call under way.
pub(super) struct UnderWay<'a> {
    faults: &'a Faults,
    operation: String,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(calls) = lock(&self.faults.calls).get_mut(&self.operation) {
            calls.under_way = calls.under_way.saturating_sub(1);
        }
    }
}

/// What befalls a call, in the order of its way.
pub(super) enum Plan {
    /// Nothing, after this delay.
    Answer(Duration),
    /// This error.
    Refuse(Refusal),
    Hang,
    Cut,
    AcceptedThenCut,
    Garbage,
}

impl Fault {
    pub(super) fn plan(self, service: Service, operation: &str, account: &str) -> Plan {
        match self {
            Self::Throttle => Plan::Refuse(throttled(service, operation)),
            Self::Denied => Plan::Refuse(denied(service, operation, account)),
            Self::ServerError { status } => Plan::Refuse(server_error(service, status)),
            Self::Error {
                status,
                code,
                message,
            } => Plan::Refuse(Refusal {
                status,
                code,
                message: Some(message),
                item: None,
            }),
            Self::Slow { millis } => Plan::Answer(Duration::from_millis(millis)),
            Self::Hang => Plan::Hang,
            Self::Cut => Plan::Cut,
            Self::AcceptedThenCut => Plan::AcceptedThenCut,
            Self::Garbage => Plan::Garbage,
        }
    }
}

fn throttled(service: Service, operation: &str) -> Refusal {
    match (service, operation) {
        (Service::Kms, _) => Refusal::new(
            "ThrottlingException",
            "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
        ),
        // Publish models no throttling; what it answers is the query protocol's common error.
        (Service::Sns, "Publish") => Refusal::new("Throttling", "Rate exceeded"),
        (Service::Sns, _) => Refusal::new("Throttled", "Rate exceeded").status(429),
        (Service::Ses, _) => Refusal::new("TooManyRequestsException", "Rate exceeded").status(429),
        (Service::Cognito, _) => Refusal::new("TooManyRequestsException", "Rate exceeded"),
        // Of a table on demand; one with provisioned capacity has a ProvisionedThroughputExceededException.
        (Service::DynamoDb, _) => Refusal::new(
            "ThrottlingException",
            "Throughput exceeds the current capacity of your table or index.",
        ),
        (Service::Lambda, _) => {
            Refusal::new("TooManyRequestsException", "Rate exceeded").status(429)
        }
        (Service::Iam, _) => Refusal::new("Throttling", "Rate exceeded"),
        (Service::Logs | Service::Sqs | Service::SmsVoice | Service::CloudWatch, _) => {
            Refusal::new("ThrottlingException", "Rate exceeded")
        }
    }
}

fn denied(service: Service, operation: &str, account: &str) -> Refusal {
    let who = format!("arn:aws:sts::{account}:assumed-role/cognito-sender/local");
    let action = format!("{}:{operation}", service.name());
    let message = format!(
        "User: {who} is not authorized to perform: {action} because no identity-based policy allows the {action} action"
    );
    match service {
        Service::Sns => Refusal::new("AuthorizationError", message).status(403),
        Service::Ses => Refusal::new("AccessDeniedException", message).status(403),
        Service::Lambda => Refusal::new("AccessDeniedException", message).status(403),
        Service::Iam => Refusal::new("AccessDenied", message).status(403),
        Service::CloudWatch => Refusal::new("AccessDenied", message),
        Service::Kms
        | Service::Cognito
        | Service::DynamoDb
        | Service::Logs
        | Service::Sqs
        | Service::SmsVoice => Refusal::new("AccessDeniedException", message),
    }
}

fn server_error(service: Service, status: u16) -> Refusal {
    let code = match (service, status) {
        (_, 503) => "ServiceUnavailable",
        (Service::Kms, _) => "KMSInternalException",
        (Service::Sns, _) => "InternalFailure",
        (Service::Ses, _) => "InternalServiceErrorException",
        (Service::Cognito, _) => "InternalErrorException",
        (Service::DynamoDb, _) => "InternalServerError",
        (Service::Lambda, _) => "ServiceException",
        (Service::Iam, _) => "ServiceFailure",
        (Service::Logs | Service::Sqs | Service::SmsVoice | Service::CloudWatch, _) => {
            "InternalServerException"
        }
    };
    Refusal::new(
        code,
        "The request processing has failed because of an unknown error.",
    )
    .status(status)
}
