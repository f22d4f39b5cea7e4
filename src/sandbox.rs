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
use std::time::Duration;

use aws_sdk_sesv2::operation::get_email_identity::GetEmailIdentityError;
use aws_sdk_sns::types::SmsSandboxPhoneNumberVerificationStatus;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::clients::Clients;
use crate::destination::{EmailAddress, PhoneNumber};
use crate::error::Fault;
use crate::probe::{Probe, Reading, in_time};

/// In the sandbox things change while a developer watches: a number verified,
/// production granted.
const FRESH_IN_SANDBOX: Duration = Duration::from_secs(60);
/// Accounts are all but never put back; jitter keeps environments that started
/// together from asking together.
const FRESH_IN_PRODUCTION: Duration = Duration::from_secs(3600);
/// After a failed probe: soon, but not with every message.
const FRESH_WHEN_UNKNOWN: Duration = Duration::from_secs(15);
/// Looked-up e-mail identities that are kept. In the sandbox SES allows 200
/// messages a day.
const MOST_IDENTITIES: usize = 256;

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
    Unknown,
}

#[derive(Clone, Copy)]
enum EmailAccount {
    Production,
    Sandboxed,
    Unknown,
}

/// Both channels' sandboxes, each in its Region.
pub struct Sandbox {
    sns: aws_sdk_sns::Client,
    ses: aws_sdk_sesv2::Client,
    sms: Probe<SmsAccount>,
    email: Probe<EmailAccount>,
    /// E-mail identities: verified or not, and until when that is relied on.
    identities: Mutex<HashMap<String, (bool, Instant)>>,
}

impl Sandbox {
    /// Knows nothing yet.
    pub fn new(clients: &Clients) -> Self {
        Self {
            sns: clients.sns.clone(),
            ses: clients.ses.clone(),
            sms: Probe::new(),
            email: Probe::new(),
            identities: Mutex::new(HashMap::new()),
        }
    }

    /// Learns the SMS account's state now, for the first message's sake.
    pub(crate) async fn probe_sms(&self) {
        self.sms_account().await;
    }

    /// Learns the e-mail account's state now, for the first message's sake.
    pub(crate) async fn probe_email(&self) {
        self.email_account().await;
    }

    /// Asks for a phone number.
    pub async fn sms(&self, to: &PhoneNumber) -> Verdict {
        match self.sms_account().await.as_ref() {
            SmsAccount::Production => Verdict::Deliverable,
            SmsAccount::Sandboxed { verified } if verified.contains(to.expose()) => {
                Verdict::Deliverable
            }
            SmsAccount::Sandboxed { .. } => Verdict::Unverified,
            SmsAccount::Unknown => Verdict::Unknown,
        }
    }

    /// Asks for an e-mail address: verified itself, or by its domain or a
    /// parent domain; the mailbox simulator always passes (SES guide,
    /// "Sandbox" and "Mailbox simulator").
    pub async fn email(&self, to: &EmailAddress) -> Verdict {
        if to.domain().eq_ignore_ascii_case("simulator.amazonses.com") {
            return Verdict::Deliverable;
        }
        match *self.email_account().await {
            EmailAccount::Production => return Verdict::Deliverable,
            EmailAccount::Unknown => return Verdict::Unknown,
            EmailAccount::Sandboxed => (),
        }
        let mut unknown = false;
        for identity in identities_that_cover(to) {
            match self.is_verified(identity).await {
                Some(true) => return Verdict::Deliverable,
                Some(false) => (),
                None => unknown = true,
            }
        }
        if unknown {
            Verdict::Unknown
        } else {
            Verdict::Unverified
        }
    }

    async fn sms_account(&self) -> std::sync::Arc<SmsAccount> {
        self.sms
            .get(async || {
                let fetched = in_time("SNS sandbox", self.fetch_sms_account()).await;
                let value = fetched.unwrap_or_else(|fault| {
                    tracing::warn!(%fault, "the SMS sandbox state is unknown: messages are sent");
                    SmsAccount::Unknown
                });
                let fresh_for = match value {
                    SmsAccount::Production => with_jitter(FRESH_IN_PRODUCTION),
                    SmsAccount::Sandboxed { .. } => FRESH_IN_SANDBOX,
                    SmsAccount::Unknown => FRESH_WHEN_UNKNOWN,
                };
                Reading { value, fresh_for }
            })
            .await
    }

    async fn fetch_sms_account(&self) -> Result<SmsAccount, Fault> {
        let status = self
            .sns
            .get_sms_sandbox_account_status()
            .send()
            .await
            .map_err(|error| Fault::new("SNS GetSMSSandboxAccountStatus", &error))?;
        if !status.is_in_sandbox() {
            return Ok(SmsAccount::Production);
        }
        let mut pages = self
            .sns
            .list_sms_sandbox_phone_numbers()
            .max_results(100)
            .into_paginator()
            .send();
        let mut verified = HashSet::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| Fault::new("SNS ListSMSSandboxPhoneNumbers", &error))?;
            for number in page.phone_numbers {
                if number.status == Some(SmsSandboxPhoneNumberVerificationStatus::Verified) {
                    verified.extend(number.phone_number);
                }
            }
        }
        Ok(SmsAccount::Sandboxed { verified })
    }

    async fn email_account(&self) -> std::sync::Arc<EmailAccount> {
        self.email
            .get(async || {
                let fetched = in_time("SES GetAccount", self.fetch_email_account()).await;
                let value = fetched.unwrap_or_else(|fault| {
                    tracing::warn!(%fault, "the e-mail sandbox state is unknown: messages are sent");
                    EmailAccount::Unknown
                });
                let fresh_for = match value {
                    EmailAccount::Production => with_jitter(FRESH_IN_PRODUCTION),
                    EmailAccount::Sandboxed => FRESH_IN_SANDBOX,
                    EmailAccount::Unknown => FRESH_WHEN_UNKNOWN,
                };
                Reading { value, fresh_for }
            })
            .await
    }

    async fn fetch_email_account(&self) -> Result<EmailAccount, Fault> {
        let account = self.ses.get_account().send().await;
        let account = account.map_err(|error| Fault::new("SES GetAccount", &error))?;
        Ok(if account.production_access_enabled() {
            EmailAccount::Production
        } else {
            EmailAccount::Sandboxed
        })
    }

    /// Whether SES has verified the identity; `None` when it did not tell.
    async fn is_verified(&self, identity: String) -> Option<bool> {
        // Held while asking: SES answers this about once a second.
        let mut known = self.identities.lock().await;
        if let Some((verified, until)) = known.get(&identity)
            && Instant::now() < *until
        {
            return Some(*verified);
        }
        let verified = in_time("SES GetEmailIdentity", self.fetch_identity(&identity)).await;
        let verified = verified
            .inspect_err(
                |fault| tracing::warn!(%fault, "whether a recipient is verified is unknown"),
            )
            .ok()?;
        if known.len() >= MOST_IDENTITIES {
            known.clear();
        }
        known.insert(identity, (verified, Instant::now() + FRESH_IN_SANDBOX));
        Some(verified)
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
    let mut parent = domain.as_str();
    while parent.contains('.') {
        identities.push(parent.to_owned());
        parent = parent.split_once('.').map_or("", |(_, rest)| rest);
    }
    identities
}

/// Between the time and a quarter more.
fn with_jitter(time: Duration) -> Duration {
    time.mul_f64(1.0 + fastrand::f64() / 4.0)
}
