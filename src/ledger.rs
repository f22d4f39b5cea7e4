//! One message per code, though the same event may come twice.
//!
//! Lambda hands an asynchronous event over at least once: again after a
//! failure, and now and then without one. Each code has a ciphertext of its
//! own, stable across deliveries (request ids need not be) and new for each
//! code that a user asks for. So whoever is about to send first *claims* the
//! ciphertext, and writes down that it was sent as soon as the provider took
//! it. What is guaranteed:
//!
//! * Once "sent" is written down, no delivery of the event sends again.
//! * While one delivery holds the claim, no other sends. A claim is a lease: a
//!   delivery that died holds it no longer than its invocation would have
//!   lasted.
//! * In between lies the window in which a second message is possible: a
//!   provider's answer that is lost after it took the message, a process that
//!   dies before it wrote, a table that does not take what is written. SNS and
//!   SES have no idempotency token that would close it.
//! * A table that is down, throttled or gone stops no message: to lose a code
//!   is worse than to send it twice. It is counted, `LedgerUnavailable`.
//!
//! Without a table the same holds within one execution environment.
//!
//! The ledger knows a code only by a keyed hash of its ciphertext, and of
//! whom it was for it knows nothing.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue as Attribute;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clients::Lazy;
use crate::error::{Fault, FaultKind};
use crate::retry::{Deadline, persist};

/// What claiming may take. It runs beside decrypting, which takes as long.
const CLAIM_TIME: Duration = Duration::from_millis(1500);
/// What writing "sent" may take. It is tried even where the table is left
/// alone: no person waits for it, the message is out.
const MARK_TIME: Duration = Duration::from_secs(2);
/// What one try of either may take: DynamoDB answers in milliseconds.
const PATIENCE: Duration = Duration::from_millis(700);
/// A table that is down is left alone so long, since each message would wait
/// for it.
const LEFT_ALONE: Duration = Duration::from_secs(15);
/// How much longer than the work a claim holds, for clocks that differ.
const LEASE_MARGIN: Duration = Duration::from_secs(2);
/// Lambda keeps an event for six hours at most.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// In memory: some hundred bytes each.
const MOST_REMEMBERED: usize = 2048;

/// A code, as the ledger knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// From what makes the event one of a kind. The parts are random enough to
    /// need no secret; the key tells deployments apart that share a table.
    pub(crate) fn new(deployment: &str, parts: &[&str]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, deployment.as_bytes());
        let mut context = hmac::Context::with_key(&key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        Self(hash)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// What the ledger says to someone about to send.
pub(crate) enum Answer {
    /// Go on.
    Yours(Claim),
    /// It was sent.
    Sent,
    /// Another delivery is at it.
    UnderWay,
}

/// The right to send one code. Given back when dropped, unless it was sent.
pub(crate) struct Claim {
    ledger: Arc<Ledger>,
    key: Key,
    token: u64,
    /// When the code was first seen here, or in the table.
    first_seen: SystemTime,
    /// Whether the table is asked no more, since it did not answer.
    table_failed: bool,
}

/// The codes that were sent and those that are being sent.
pub(crate) struct Ledger {
    memory: Mutex<Memory>,
    table: Option<Table>,
}

struct Table {
    dynamodb: Lazy<Client>,
    name: String,
    left_alone_until: Mutex<SystemTime>,
}

#[derive(Default)]
struct Memory {
    rows: HashMap<Key, Row>,
    /// The oldest first.
    order: VecDeque<Key>,
}

struct Row {
    first_seen: SystemTime,
    state: State,
}

enum State {
    Free,
    Claimed { token: u64, until: SystemTime },
    Sent,
}

impl Ledger {
    /// An empty memory, and a table if there is one.
    pub(crate) fn new(dynamodb: &Lazy<Client>, table: Option<&str>) -> Arc<Self> {
        Arc::new(Self {
            memory: Mutex::default(),
            table: table.map(|name| Table {
                dynamodb: dynamodb.clone(),
                name: name.to_owned(),
                left_alone_until: Mutex::new(SystemTime::UNIX_EPOCH),
            }),
        })
    }

    /// Asks for the right to send a code until `deadline`.
    pub(crate) async fn claim(self: Arc<Self>, key: Key, deadline: Deadline) -> Answer {
        let lease = deadline.left() + LEASE_MARGIN;
        let (token, first_seen) = match self.memory().claim(key, lease) {
            Ok(granted) => granted,
            Err(answer) => return answer,
        };
        let mut claim = Claim {
            key,
            token,
            first_seen,
            table_failed: false,
            ledger: Arc::clone(&self),
        };
        match &self.table {
            None => Answer::Yours(claim),
            Some(table) => match table.claim(&claim, lease, deadline).await {
                Ok(TableAnswer::Yours { first_seen }) => {
                    claim.first_seen = first_seen.min(claim.first_seen);
                    Answer::Yours(claim)
                }
                Ok(TableAnswer::Sent) => {
                    claim.settle();
                    Answer::Sent
                }
                Ok(TableAnswer::UnderWay) => Answer::UnderWay,
                Err(fault) => {
                    tracing::warn!(%fault, "the ledger did not answer: the message goes out all the same");
                    claim.table_failed = true;
                    Answer::Yours(claim)
                }
            },
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Whether the table was asked and did not answer.
    pub(crate) fn table_failed(&self) -> bool {
        self.table_failed
    }

    /// How long ago the code was first seen.
    pub(crate) fn age(&self) -> Duration {
        self.first_seen.elapsed().unwrap_or_default()
    }

    /// Writes down that the code was sent; false if the table did not take it.
    pub(crate) async fn sent(&self, message_id: &str, deadline: Deadline) -> bool {
        self.settle();
        match &self.ledger.table {
            None => true,
            Some(table) => match table.mark_sent(self, message_id, deadline).await {
                Ok(()) => true,
                Err(fault) => {
                    tracing::warn!(%fault, "the ledger did not take that a code was sent");
                    false
                }
            },
        }
    }

    /// Gives the right back, so that the next delivery need not wait for the
    /// lease to run out.
    pub(crate) async fn release(self, deadline: Deadline) {
        if let (Some(table), false) = (&self.ledger.table, self.table_failed)
            && let Err(fault) = table.release(&self, deadline).await
        {
            tracing::warn!(%fault, "a claim was not given back: it runs out by itself");
        }
    }

    fn settle(&self) {
        if let Some(row) = self.ledger.memory().rows.get_mut(&self.key) {
            row.state = State::Sent;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(row) = self.ledger.memory().rows.get_mut(&self.key)
            && matches!(row.state, State::Claimed { token, .. } if token == self.token)
        {
            row.state = State::Free;
        }
    }
}

impl Memory {
    /// A claim's token and when the code was first seen.
    fn claim(&mut self, key: Key, lease: Duration) -> Result<(u64, SystemTime), Answer> {
        let now = SystemTime::now();
        match self.rows.get(&key).map(|row| &row.state) {
            Some(State::Sent) => return Err(Answer::Sent),
            Some(State::Claimed { until, .. }) if now < *until => return Err(Answer::UnderWay),
            Some(_) => (),
            None => {
                if self.order.len() >= MOST_REMEMBERED
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.rows.remove(&oldest);
                }
                self.order.push_back(key);
            }
        }
        let token = fastrand::u64(..);
        let row = self.rows.entry(key).or_insert(Row {
            first_seen: now,
            state: State::Free,
        });
        row.state = State::Claimed {
            token,
            until: now + lease,
        };
        Ok((token, row.first_seen))
    }
}

enum TableAnswer {
    Yours { first_seen: SystemTime },
    Sent,
    UnderWay,
}

/// A row: `code` (the key's text), `claimedBy` and `leaseUntil` while claimed,
/// `sentAt` and `messageId` once sent, `firstSeen`, and `expires`, which is
/// the table's TTL. Times are milliseconds since 1970, `expires` seconds.
impl Table {
    async fn claim(
        &self,
        claim: &Claim,
        lease: Duration,
        deadline: Deadline,
    ) -> Result<TableAnswer, Fault> {
        // A claim of ours whose answer was lost is ours.
        const FREE: &str = "attribute_not_exists(sentAt) AND (attribute_not_exists(leaseUntil) \
                            OR leaseUntil < :now OR claimedBy = :me)";
        const CLAIM: &str = "SET claimedBy = :me, leaseUntil = :until, \
                             firstSeen = if_not_exists(firstSeen, :seen), \
                             expires = if_not_exists(expires, :expires)";
        if SystemTime::now() < *self.left_alone_until() {
            return Err(Fault::silence(OPERATION));
        }
        self.within(deadline.at_most(CLAIM_TIME), || async {
            let now = SystemTime::now();
            let claiming = self
                .update(claim, CLAIM)
                .condition_expression(FREE)
                .expression_attribute_values(":me", token(claim))
                .expression_attribute_values(":now", milliseconds(now))
                .expression_attribute_values(":until", milliseconds(now + lease))
                .expression_attribute_values(":seen", milliseconds(claim.first_seen))
                .expression_attribute_values(":expires", seconds(now + KEPT))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .send()
                .await;
            match claiming {
                Ok(row) => Ok(TableAnswer::Yours {
                    first_seen: row
                        .attributes
                        .and_then(|row| time(row.get("firstSeen")?))
                        .unwrap_or(now),
                }),
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(held)) => {
                        let sent = held.item().is_some_and(|row| row.contains_key("sentAt"));
                        Ok(if sent {
                            TableAnswer::Sent
                        } else {
                            TableAnswer::UnderWay
                        })
                    }
                    _ => Err(fault(&error)),
                },
            }
        })
        .await
    }

    /// Whoever holds the claim by now: it was sent.
    async fn mark_sent(
        &self,
        claim: &Claim,
        message_id: &str,
        deadline: Deadline,
    ) -> Result<(), Fault> {
        const SENT: &str = "SET sentAt = :now, messageId = :message, \
                            firstSeen = if_not_exists(firstSeen, :seen), \
                            expires = if_not_exists(expires, :expires) \
                            REMOVE claimedBy, leaseUntil";
        self.within(deadline.to_settle().at_most(MARK_TIME), || async {
            let now = SystemTime::now();
            let marking = self
                .update(claim, SENT)
                .expression_attribute_values(":now", milliseconds(now))
                .expression_attribute_values(":message", Attribute::S(message_id.to_owned()))
                .expression_attribute_values(":seen", milliseconds(claim.first_seen))
                .expression_attribute_values(":expires", seconds(now + KEPT));
            marking.send().await.map_err(|error| fault(&error))?;
            Ok(())
        })
        .await
    }

    async fn release(&self, claim: &Claim, deadline: Deadline) -> Result<(), Fault> {
        self.within(deadline.to_settle().at_most(CLAIM_TIME), || async {
            let releasing = self
                .update(claim, "REMOVE claimedBy, leaseUntil")
                .condition_expression("claimedBy = :me")
                .expression_attribute_values(":me", token(claim));
            match releasing.send().await {
                Ok(_) => Ok(()),
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
                {
                    Ok(())
                }
                Err(error) => Err(fault(&error)),
            }
        })
        .await
    }

    fn update(&self, claim: &Claim, expression: &str) -> UpdateItemFluentBuilder {
        self.dynamodb
            .update_item()
            .table_name(&self.name)
            .key("code", Attribute::S(claim.key.to_string()))
            .update_expression(expression)
    }

    /// Calls, and remembers when the table is down.
    async fn within<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        deadline: Deadline,
        call: impl FnMut() -> F,
    ) -> Result<T, Fault> {
        let (result, _) = persist(OPERATION, deadline, PATIENCE, call).await;
        if matches!(&result, Err(fault) if fault.kind == FaultKind::Unavailable) {
            *self.left_alone_until() = SystemTime::now() + LEFT_ALONE;
        }
        result
    }

    fn left_alone_until(&self) -> MutexGuard<'_, SystemTime> {
        let lock = self.left_alone_until.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }
}

const OPERATION: &str = "DynamoDB UpdateItem";

fn fault(error: &SdkError<UpdateItemError, aws_smithy_runtime_api::http::Response>) -> Fault {
    Fault::new(OPERATION, error)
}

fn token(claim: &Claim) -> Attribute {
    Attribute::S(format!("{:016x}", claim.token))
}

fn milliseconds(time: SystemTime) -> Attribute {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    Attribute::N(since.unwrap_or_default().as_millis().to_string())
}

fn seconds(time: SystemTime) -> Attribute {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    Attribute::N(since.unwrap_or_default().as_secs().to_string())
}

fn time(attribute: &Attribute) -> Option<SystemTime> {
    let milliseconds = attribute.as_n().ok()?.parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))
}
