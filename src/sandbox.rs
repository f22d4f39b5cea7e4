//! Whether the account's sandbox lets a destination be reached.
//!
//! In the sandbox SNS takes a message for any number, answers a message id,
//! and delivers nothing to those that are not verified. Asking first is the
//! only way to know. SES does refuse; asking first tells the reason in words.
//!
//! Both sandboxes are per account *and Region*. In production no message costs
//! a call here. What could not be learned never stops mail (see
//! [`Verdict::Unknown`]).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sesv2::operation::get_email_identity::GetEmailIdentityError;
use aws_sdk_sns::types::SmsSandboxPhoneNumberVerificationStatus;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::clients::{Clients, Lazy};
use crate::destination::{EmailAddress, PhoneNumber};
use crate::error::Fault;
use crate::probe::{ASK_AGAIN, Probe, Reading, answer, in_time, with_jitter};
use crate::retry::Deadline;

/// In the sandbox things change while a developer watches: a number verified,
/// production granted.
const FRESH_IN_SANDBOX: Duration = Duration::from_secs(60);
/// Accounts are all but never put back.
const FRESH_IN_PRODUCTION: Duration = Duration::from_secs(3600);
/// While the account does not tell, what it told before.
const KEPT: Duration = Duration::from_secs(900);
/// Looked-up e-mail identities that are kept. In the sandbox SES allows 200
/// messages a day.
const MOST_IDENTITIES: usize = 256;

/// An address's domain and this many less one of its parents are looked up.
const MOST_PARENTS: usize = 5;

/// What the sandbox says to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Production, or a verified destination.
    Deliverable,
    /// Sandboxed, and the destination is not verified.
    Unverified,
    /// The account did not tell (throttled, denied, timed out).
    Unknown,
}

enum SmsAccount {
    Production,
    Sandboxed { verified: HashSet<String> },
}

#[derive(Clone, Copy)]
enum EmailAccount {
    Production,
    Sandboxed,
}

/// Both channels' sandboxes, each in its Region.
pub struct Sandbox {
    sns: Lazy<aws_sdk_sns::Client>,
    ses: Lazy<aws_sdk_sesv2::Client>,
    sms: Probe<SmsAccount>,
    email: Probe<EmailAccount>,
    /// E-mail identities: verified or not, `None` if SES did not tell, and
    /// until when that is relied on.
    identities: Mutex<HashMap<String, (Option<bool>, Instant)>>,
}

impl Sandbox {
    /// Knows nothing yet.
    pub fn new(clients: &Clients) -> Self {
        Self {
            sns: clients.sns.clone(),
            ses: clients.ses.clone(),
            sms: Probe::new(KEPT),
            email: Probe::new(KEPT),
            identities: Mutex::new(HashMap::new()),
        }
    }

    /// Whether the SMS account is to be asked.
    pub(crate) fn sms_is_due(&self) -> bool {
        self.sms.is_due()
    }

    /// Whether the e-mail account is to be asked.
    pub(crate) fn email_is_due(&self) -> bool {
        self.email.is_due()
    }

    /// Asks the SMS account, for the next message's sake.
    pub(crate) async fn probe_sms(&self) {
        self.sms_account().await;
    }

    /// Asks the e-mail account, for the next message's sake.
    pub(crate) async fn probe_email(&self) {
        self.email_account().await;
    }

    /// Asks for a phone number.
    pub async fn sms(&self, to: &PhoneNumber) -> Verdict {
        match self.sms_account().await.as_deref() {
            Some(SmsAccount::Production) => Verdict::Deliverable,
            Some(SmsAccount::Sandboxed { verified }) if verified.contains(to.expose()) => {
                Verdict::Deliverable
            }
            Some(SmsAccount::Sandboxed { .. }) => Verdict::Unverified,
            None => Verdict::Unknown,
        }
    }

    /// Asks for an e-mail address: verified itself, or by its domain or a
    /// parent domain; the mailbox simulator always passes (SES guide,
    /// "Sandbox" and "Mailbox simulator").
    pub async fn email(&self, to: &EmailAddress) -> Verdict {
        if to.domain().eq_ignore_ascii_case("simulator.amazonses.com") {
            return Verdict::Deliverable;
        }
        match self.email_account().await.as_deref() {
            Some(EmailAccount::Production) => return Verdict::Deliverable,
            Some(EmailAccount::Sandboxed) => (),
            None => return Verdict::Unknown,
        }
        let asked = self.any_verified(to, in_time()).await;
        match asked {
            Ok(true) => Verdict::Deliverable,
            Ok(false) => Verdict::Unverified,
            Err(fault) => {
                tracing::warn!(%fault, "whether a recipient is verified is unknown");
                Verdict::Unknown
            }
        }
    }

    async fn sms_account(&self) -> Option<Arc<SmsAccount>> {
        let ask = |deadline| async move {
            let value = self.fetch_sms_account(deadline).await?;
            let fresh_for = match value {
                SmsAccount::Production => with_jitter(FRESH_IN_PRODUCTION),
                SmsAccount::Sandboxed { .. } => FRESH_IN_SANDBOX,
            };
            Ok(Reading { value, fresh_for })
        };
        self.sms.get(ask).await
    }

    async fn email_account(&self) -> Option<Arc<EmailAccount>> {
        let ask = |deadline| async move {
            let value = self.fetch_email_account(deadline).await?;
            let fresh_for = match value {
                EmailAccount::Production => with_jitter(FRESH_IN_PRODUCTION),
                EmailAccount::Sandboxed => FRESH_IN_SANDBOX,
            };
            Ok(Reading { value, fresh_for })
        };
        self.email.get(ask).await
    }

    async fn fetch_sms_account(&self, deadline: Deadline) -> Result<SmsAccount, Fault> {
        const STATUS: &str = "SNS GetSMSSandboxAccountStatus";
        const LIST: &str = "SNS ListSMSSandboxPhoneNumbers";
        let status = answer(STATUS, deadline, || async {
            let status = self.sns.get_sms_sandbox_account_status().send().await;
            status.map_err(|error| Fault::new(STATUS, &error))
        })
        .await?;
        if !status.is_in_sandbox() {
            return Ok(SmsAccount::Production);
        }
        let mut verified = HashSet::new();
        let mut next = None;
        loop {
            let page = answer(LIST, deadline, || async {
                let list = self.sns.list_sms_sandbox_phone_numbers().max_results(100);
                let page = list.set_next_token(next.clone()).send().await;
                page.map_err(|error| Fault::new(LIST, &error))
            })
            .await?;
            next = page.next_token;
            for number in page.phone_numbers {
                if number.status == Some(SmsSandboxPhoneNumberVerificationStatus::Verified) {
                    verified.extend(number.phone_number);
                }
            }
            if next.is_none() {
                break;
            }
        }
        Ok(SmsAccount::Sandboxed { verified })
    }

    async fn fetch_email_account(&self, deadline: Deadline) -> Result<EmailAccount, Fault> {
        const OPERATION: &str = "SES GetAccount";
        let account = answer(OPERATION, deadline, || async {
            let account = self.ses.get_account().send().await;
            account.map_err(|error| Fault::new(OPERATION, &error))
        })
        .await?;
        Ok(if account.production_access_enabled() {
            EmailAccount::Production
        } else {
            EmailAccount::Sandboxed
        })
    }

    /// Whether an identity that covers the address is verified.
    async fn any_verified(&self, to: &EmailAddress, deadline: Deadline) -> Result<bool, Fault> {
        for identity in identities_that_cover(to) {
            if self.is_verified(identity, deadline).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether SES has verified the identity. A failed question is one that
    /// the next message asks again, after [`ASK_AGAIN`].
    async fn is_verified(&self, identity: String, deadline: Deadline) -> Result<bool, Fault> {
        const OPERATION: &str = "SES GetEmailIdentity";
        // Held while asking: SES answers this about once a second.
        let mut known = self.identities.lock().await;
        if let Some((verified, until)) = known.get(&identity)
            && Instant::now() < *until
        {
            return verified.ok_or_else(|| Fault::silence(OPERATION));
        }
        let verified = answer(OPERATION, deadline, || async {
            self.fetch_identity(&identity).await
        })
        .await;
        let fresh_for = match verified {
            Ok(_) => FRESH_IN_SANDBOX,
            Err(_) => ASK_AGAIN,
        };
        if known.len() >= MOST_IDENTITIES {
            known.clear();
        }
        let answer = verified.as_ref().ok().copied();
        known.insert(identity, (answer, Instant::now() + fresh_for));
        verified
    }

    async fn fetch_identity(&self, identity: &str) -> Result<bool, Fault> {
        let answer = self.ses.get_email_identity().email_identity(identity);
        match answer.send().await {
            Ok(found) => Ok(found.verified_for_sending_status()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetEmailIdentityError::is_not_found_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(Fault::new("SES GetEmailIdentity", &error)),
        }
    }
}

/// The identities whose verification lets the address be reached, likeliest
/// first: the address, the domain, its parents.
///
/// SES documents addresses as case sensitive, and not how case and plus-labels
/// act for recipients. So the plain forms count too: where that is wrong, SES
/// itself refuses, and the refusal is told just the same.
fn identities_that_cover(address: &EmailAddress) -> Vec<String> {
    let (local, domain) = (address.local_part(), address.domain().to_ascii_lowercase());
    let lower = local.to_ascii_lowercase();
    let unlabelled = lower.split_once('+').map_or(&*lower, |(name, _)| name);
    let mut identities = vec![
        format!("{local}@{domain}"),
        format!("{lower}@{domain}"),
        format!("{unlabelled}@{domain}"),
    ];
    identities.dedup();
    // The nearest parents only: a user might have chosen a domain of a hundred.
    let parents = std::iter::successors(Some(domain.as_str()), |domain| {
        domain.split_once('.').map(|(_, parent)| parent)
    });
    let parents = parents.filter(|domain| domain.contains('.'));
    identities.extend(parents.take(MOST_PARENTS).map(str::to_owned));
    identities
}
