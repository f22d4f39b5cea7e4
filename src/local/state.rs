//! The account behind the services: what is registered, verified, blocked, and how it is started.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::dynamodb::Rows;
use super::faults::Faults;
use super::kms::{ImportedKey, KeyState};
use super::outbox::Outbox;
use super::runtime::Runtime;

/// What a [`StandIn`](super::StandIn) starts with. The default is a healthy production account with the US toll-free
/// number `+18005550100` and the verified domain `example.com`.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// The account that ARNs without one belong to.
    pub account_id: String,
    /// Keys that do not answer. Every other key ARN is an enabled key.
    pub keys: HashMap<String, KeyState>,
    /// Whether SMS reaches verified numbers only.
    pub sms_sandbox: bool,
    /// Numbers verified in the SMS sandbox.
    pub verified_numbers: Vec<String>,
    /// Numbers added to the SMS sandbox and not verified yet.
    pub pending_numbers: Vec<String>,
    /// What `ListOriginationNumbers` lists.
    pub origination_numbers: Vec<OriginationNumber>,
    /// Numbers whose owners answered STOP.
    pub opted_out: Vec<String>,
    /// Whether mail reaches verified identities only.
    pub email_sandbox: bool,
    /// Addresses and domains known to SES.
    pub identities: Vec<Identity>,
    /// Addresses on the account's suppression list.
    pub suppressed: Vec<String>,
    /// Cognito's users: name to attributes, the same in every pool.
    pub users: HashMap<String, BTreeMap<String, String>>,
    /// The DynamoDB table of every Region, with the string `code` for its key.
    pub ledger_table: Option<String>,
    /// How long the function may take for an event, and how long `invoke` waits for its answer.
    pub invoke_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            account_id: "123456789012".to_owned(),
            keys: HashMap::new(),
            sms_sandbox: false,
            verified_numbers: Vec::new(),
            pending_numbers: Vec::new(),
            origination_numbers: vec![OriginationNumber::us("+18005550100")],
            opted_out: Vec::new(),
            email_sandbox: false,
            identities: vec![Identity::verified("example.com")],
            suppressed: Vec::new(),
            users: HashMap::new(),
            ledger_table: Some("ledger".to_owned()),
            invoke_timeout: Duration::from_secs(30),
        }
    }
}

/// A number as `ListOriginationNumbers` shows it. Source: the SNS model's `PhoneNumberInformation`.
#[derive(Debug, Clone)]
pub struct OriginationNumber {
    /// E.164.
    pub number: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// `ACTIVE`, `PENDING`, ...
    pub status: String,
    /// `Transactional`, `Promotional` or `Premium`.
    pub route_type: String,
    /// Of `SMS`, `MMS` and `VOICE`.
    pub capabilities: Vec<String>,
}

impl OriginationNumber {
    /// An active number of the United States for transactional SMS.
    #[must_use]
    pub fn us(number: &str) -> Self {
        Self::active(number, "US")
    }

    /// An active number of `country` for transactional SMS.
    #[must_use]
    pub fn active(number: &str, country: &str) -> Self {
        Self {
            number: number.to_owned(),
            country: country.to_owned(),
            status: "ACTIVE".to_owned(),
            route_type: "Transactional".to_owned(),
            capabilities: vec!["SMS".to_owned()],
        }
    }
}

/// An address or a domain known to SES.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `user@example.com` or `example.com`.
    pub name: String,
    /// Whether its owner has confirmed it.
    pub verified: bool,
}

impl Identity {
    /// A verified one.
    #[must_use]
    pub fn verified(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            verified: true,
        }
    }

    /// One whose verification is pending.
    #[must_use]
    pub fn pending(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            verified: false,
        }
    }
}

/// A number in the SMS sandbox.
#[derive(Default)]
pub(super) struct SandboxNumber {
    pub(super) verified: bool,
    /// The one-time password last texted to it.
    pub(super) password: Option<String>,
    /// How many it was texted; a day has no end here.
    pub(super) passwords: usize,
    /// Whether it was verified, or tried to be, which keeps it for a day.
    pub(super) tried: bool,
}

/// A line of CloudWatch Logs.
pub(super) struct LogLine {
    pub(super) group: String,
    /// Milliseconds since 1970.
    pub(super) timestamp: u64,
    pub(super) text: String,
}

/// The account at run time.
pub(super) struct Account {
    pub(super) id: String,
    pub(super) keys: HashMap<String, KeyState>,
    pub(super) imported_keys: Vec<ImportedKey>,
    pub(super) sms_sandbox: bool,
    pub(super) sandbox_numbers: BTreeMap<String, SandboxNumber>,
    pub(super) origination_numbers: Vec<OriginationNumber>,
    pub(super) opted_out: BTreeSet<String>,
    pub(super) sms_attributes: BTreeMap<String, String>,
    pub(super) email_sandbox: bool,
    /// Name to whether it is verified.
    pub(super) identities: BTreeMap<String, bool>,
    pub(super) suppressed: BTreeSet<String>,
    /// What lists an address for the account: of `BOUNCE` and `COMPLAINT`.
    pub(super) suppressed_reasons: Vec<String>,
    /// Sets with suppression reasons of their own, and sets that there are not (`None`). Every other name is a set
    /// without any.
    pub(super) configuration_sets: HashMap<String, Option<Vec<String>>>,
    /// What `PutAccountDetails` last said.
    pub(super) details: Option<Value>,
    pub(super) users: HashMap<String, BTreeMap<String, String>>,
    /// User pools that were set or updated.
    pub(super) user_pools: HashMap<String, Value>,
    /// Pools' MFA factors and passkeys that were set.
    pub(super) mfa_configs: HashMap<String, Value>,
    /// JSON merge patches of the pool and of its MFA factors, which every `UpdateUserPool` applies unasked.
    pub(super) beside_updates: Option<(Value, Value)>,
    /// The statements of the function's policy, once changed.
    pub(super) function_policy: Option<Vec<Value>>,
    /// IAM actions that the function's role lacks.
    pub(super) denied_to_role: BTreeSet<String>,
    /// What CloudWatch Logs holds.
    pub(super) log: Vec<LogLine>,
    /// JSON merge patches of what operations answer.
    pub(super) changed_answers: HashMap<String, Value>,
    pub(super) ledger_table: Option<String>,
    pub(super) ledger: Rows,
}

/// Everything that requests share.
pub(super) struct Shared {
    pub(super) account: Mutex<Account>,
    pub(super) outbox: Outbox,
    pub(super) faults: Faults,
    pub(super) runtime: Runtime,
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        let pending = options
            .pending_numbers
            .into_iter()
            .map(|number| (number, false));
        let verified = options
            .verified_numbers
            .into_iter()
            .map(|number| (number, true));
        let account = Account {
            keys: options.keys,
            imported_keys: Vec::new(),
            sms_sandbox: options.sms_sandbox,
            sandbox_numbers: pending
                .chain(verified)
                .map(|(number, verified)| {
                    (
                        number,
                        SandboxNumber {
                            verified,
                            ..SandboxNumber::default()
                        },
                    )
                })
                .collect(),
            origination_numbers: options.origination_numbers,
            opted_out: options.opted_out.into_iter().collect(),
            sms_attributes: BTreeMap::new(),
            email_sandbox: options.email_sandbox,
            identities: options
                .identities
                .into_iter()
                .map(|identity| (identity.name, identity.verified))
                .collect(),
            suppressed: options.suppressed.into_iter().collect(),
            suppressed_reasons: ["BOUNCE", "COMPLAINT"].map(ToOwned::to_owned).into(),
            configuration_sets: HashMap::new(),
            details: None,
            users: options.users,
            user_pools: HashMap::new(),
            mfa_configs: HashMap::new(),
            beside_updates: None,
            function_policy: None,
            denied_to_role: BTreeSet::new(),
            log: Vec::new(),
            changed_answers: HashMap::new(),
            ledger_table: options.ledger_table,
            ledger: Rows::new(),
            id: options.account_id,
        };
        Self {
            runtime: Runtime::new(&account.id, options.invoke_timeout),
            account: Mutex::new(account),
            outbox: Outbox::default(),
            faults: Faults::default(),
        }
    }

    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        lock(&self.account)
    }
}

/// Every critical section here leaves its data whole, so a poisoned lock is as good as any.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
