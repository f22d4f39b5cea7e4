//! Whether the recipient is on a list of those who get nothing.
//!
//! SNS takes a message for a number that answered STOP, and SES one for an
//! address on the suppression list: both answer a message id and deliver
//! nothing. SNS answers the question 50 times a second for the whole account,
//! SES about once. So it is asked beside decrypting, once, and where the rate
//! allows: seldom enough per environment, not again for a while when it failed,
//! and a message that cannot ask goes out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sesv2::operation::get_suppressed_destination::GetSuppressedDestinationError;
use aws_sdk_sesv2::types::SuppressionListReason;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::clients::{Clients, Lazy};
use crate::destination::{EmailAddress, PhoneNumber};
use crate::error::{Fault, FaultKind};
use crate::probe::{ASK_AGAIN, Probe, Reading, answer, with_jitter};
use crate::retry::Deadline;

/// What an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two questions of one environment: 4 a second of SNS's 50.
const SNS_PAUSE: Duration = Duration::from_millis(250);
/// Between two questions of one environment: SES's own rate.
const SES_PAUSE: Duration = Duration::from_secs(1);
/// After a refusal. A role changes seldom.
const DENIED_PAUSE: Duration = Duration::from_secs(15 * 60);
/// A person asks for a second code within a minute or so.
const FRESH: Duration = Duration::from_secs(60);
const MOST_KNOWN: usize = 256;
/// Which reasons SES suppresses for changes seldom.
const REASONS_FRESH: Duration = Duration::from_secs(3600);
const REASONS_KEPT: Duration = Duration::from_secs(86_400);

/// Both channels' lists.
pub struct Suppression {
    sns: Lazy<aws_sdk_sns::Client>,
    ses: Lazy<aws_sdk_sesv2::Client>,
    configuration_set: Option<String>,
    opted_out: List<bool>,
    suppressed: List<Option<SuppressionListReason>>,
    /// The reasons for which SES suppresses mail of ours.
    reasons: Probe<Vec<SuppressionListReason>>,
}

impl Suppression {
    /// Knows nothing yet. A configuration set may suppress for other reasons
    /// than the account.
    pub fn new(clients: &Clients, configuration_set: Option<&str>) -> Arc<Self> {
        Arc::new(Self {
            sns: clients.sns.clone(),
            ses: clients.ses.clone(),
            configuration_set: configuration_set.map(str::to_owned),
            opted_out: List::new(SNS_PAUSE),
            suppressed: List::new(SES_PAUSE),
            reasons: Probe::new(REASONS_KEPT),
        })
    }

    /// Whether the number has opted out; `None`: SNS did not tell.
    pub async fn sms(&self, to: &PhoneNumber) -> Option<bool> {
        let ask = async {
            let asking = self.sns.check_if_phone_number_is_opted_out();
            let answer = asking.phone_number(to.expose()).send().await;
            answer
                .map(|answer| answer.is_opted_out())
                .map_err(|error| Fault::new("SNS CheckIfPhoneNumberIsOptedOut", &error))
        };
        self.opted_out.get(to.expose(), ask).await
    }

    /// Whether SES suppresses mail to the address; `None`: it did not tell.
    pub async fn email(&self, to: &EmailAddress) -> Option<bool> {
        let ask = async {
            let asking = self.ses.get_suppressed_destination();
            match asking.email_address(to.expose()).send().await {
                Ok(found) => Ok(found.suppressed_destination.map(|found| found.reason)),
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(GetSuppressedDestinationError::is_not_found_exception) =>
                {
                    Ok(None)
                }
                Err(error) => Err(Fault::new("SES GetSuppressedDestination", &error)),
            }
        };
        let Some(reason) = self.suppressed.get(to.expose(), ask).await? else {
            return Some(false);
        };
        // An old entry does no harm where suppressing was turned off since.
        let ask = |deadline| async move {
            Ok(Reading {
                value: self.fetch_reasons(deadline).await?,
                fresh_for: with_jitter(REASONS_FRESH),
            })
        };
        let reasons = self.reasons.get(ask).await?;
        Some(reasons.contains(&reason))
    }

    async fn fetch_reasons(&self, deadline: Deadline) -> Result<Vec<SuppressionListReason>, Fault> {
        const SET: &str = "SES GetConfigurationSet";
        const ACCOUNT: &str = "SES GetAccount";
        if let Some(name) = &self.configuration_set {
            let set = answer(SET, deadline, || async {
                let asking = self.ses.get_configuration_set();
                let set = asking.configuration_set_name(name).send().await;
                set.map_err(|error| Fault::new(SET, &error))
            })
            .await?;
            let own = set.suppression_options;
            if let Some(reasons) = own.and_then(|own| own.suppressed_reasons) {
                return Ok(reasons);
            }
        }
        let account = answer(ACCOUNT, deadline, || async {
            let account = self.ses.get_account().send().await;
            account.map_err(|error| Fault::new(ACCOUNT, &error))
        })
        .await?;
        let own = account.suppression_attributes;
        Ok(own
            .and_then(|own| own.suppressed_reasons)
            .unwrap_or_default())
    }
}

/// One service's list: what was learned of it lately, and when to ask again.
struct List<T> {
    pause: Duration,
    state: Mutex<State<T>>,
}

struct State<T> {
    known: HashMap<String, (T, Instant)>,
    ask_at: Instant,
}

impl<T: Clone> List<T> {
    fn new(pause: Duration) -> Self {
        Self {
            pause,
            state: Mutex::new(State {
                known: HashMap::new(),
                ask_at: Instant::now(),
            }),
        }
    }

    /// What is known of a recipient, asked if the rate allows.
    async fn get(&self, recipient: &str, ask: impl Future<Output = Result<T, Fault>>) -> Option<T> {
        {
            let mut state = self.state.lock().await;
            let now = Instant::now();
            if let Some((answer, until)) = state.known.get(recipient)
                && now < *until
            {
                return Some(answer.clone());
            }
            if now < state.ask_at {
                return None;
            }
            state.ask_at = now + self.pause;
        }
        let answer = match timeout(PATIENCE, ask).await {
            Ok(answer) => answer,
            Err(_) => Err(Fault::silence("the list of opted-out or suppressed")),
        };
        let mut state = self.state.lock().await;
        let now = Instant::now();
        match answer {
            Ok(answer) => {
                if state.known.len() >= MOST_KNOWN {
                    state.known.clear();
                }
                let until = now + FRESH;
                state
                    .known
                    .insert(recipient.to_owned(), (answer.clone(), until));
                Some(answer)
            }
            Err(fault) => {
                tracing::warn!(%fault, "whether the recipient gets nothing is unknown");
                let denied = fault.kind == FaultKind::Denied;
                state.ask_at = now + if denied { DENIED_PAUSE } else { ASK_AGAIN };
                None
            }
        }
    }
}
