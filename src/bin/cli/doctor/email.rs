//! The account's SES: sandbox, sending, quota, and the sender's identity.

use aws_sdk_sesv2::operation::get_account::GetAccountOutput;
use aws_sdk_sesv2::operation::get_email_identity::GetEmailIdentityOutput;
use aws_sdk_sesv2::types::{DkimStatus, MailFromDomainStatus, ReviewStatus};
use cognito_sender::config::EmailConfig;

use super::Subject;
use super::finding::{Check, Finding};
use super::pace::Pace;

/// From this share of the day's quota on.
const NEARLY: f64 = 0.8;

pub(crate) async fn look(subject: &Subject) -> Vec<Finding> {
    let Some(config) = &subject.config.email else {
        let what = "EMAIL_FROM is empty: the channel is off";
        let why = "the function withholds every e-mail (channel_off); without CustomEmailSender \
                   Cognito sends them itself";
        return vec![
            Finding::note(Check::EmailChannel, what, why)
                .advice("deploy the stack with EmailFrom, to send e-mail by this function"),
        ];
    };
    let mut account = Account {
        config,
        region: &config.region,
        flags: &subject.flags,
        ses: aws_sdk_sesv2::Client::new(&subject.in_region(&config.region)),
        pace: Pace::new(),
    };
    let mut findings = vec![Finding::ok(
        Check::EmailChannel,
        format!("e-mail comes from {}", config.from.address.expose()),
    )];
    findings.extend(account.account().await);
    findings.extend(account.identity().await);
    findings.extend(account.configuration_set().await);
    findings
}

struct Account<'a> {
    config: &'a EmailConfig,
    region: &'a str,
    flags: &'a str,
    ses: aws_sdk_sesv2::Client,
    pace: Pace,
}

impl Account<'_> {
    async fn account(&mut self) -> Vec<Finding> {
        self.pace.turn().await;
        match self.ses.get_account().send().await {
            Ok(account) => vec![
                self.sandbox(&account),
                sending(&account),
                self.quota(&account),
                self.suppression(&account),
            ],
            Err(error) => vec![Finding::untold(
                Check::EmailSandbox,
                "ses:GetAccount",
                &error,
            )],
        }
    }

    fn sandbox(&self, account: &GetAccountOutput) -> Finding {
        let check = Check::EmailSandbox;
        if account.production_access_enabled() {
            return Finding::ok(check, format!("production, in {}", self.region));
        }
        let review = account
            .details()
            .and_then(|details| details.review_details());
        let review = match review.and_then(|review| review.status()) {
            None => "production was not asked for",
            Some(ReviewStatus::Pending) => "AWS reviews the request for production",
            Some(ReviewStatus::Denied) => "AWS denied the request for production",
            Some(_) => "the request for production came to nothing",
        };
        let what = format!("SES in {} is in the sandbox; {review}", self.region);
        let why = "only verified addresses, and addresses of verified domains, get mail; the \
                   function withholds the others (unverified_destination)";
        Finding::warning(check, what, why)
            .command(format!(
                "aws sesv2 create-email-identity --region {} --email-identity <address>",
                self.region
            ))
            .command(format!("cognito-sender production{}", self.flags))
    }

    fn quota(&self, account: &GetAccountOutput) -> Finding {
        let check = Check::EmailQuota;
        let Some(quota) = account.send_quota() else {
            return Finding::ok(check, "SES tells no quota");
        };
        let (sent, most) = (quota.sent_last24_hours(), quota.max24_hour_send());
        // SES says -1 where there is no limit.
        let unlimited = most < 0.0;
        let day = if unlimited {
            format!("{sent:.0} sent in 24 hours, no limit")
        } else {
            format!("{sent:.0} of {most:.0} sent in 24 hours")
        };
        let what = format!("{day}; {:.0} a second", quota.max_send_rate());
        let raise = format!(
            "aws service-quotas list-service-quotas --region {} --service-code ses",
            self.region
        );
        if unlimited || sent < most * NEARLY {
            Finding::ok(check, what)
        } else if sent < most {
            let why =
                "past it, e-mail ends in EmailThrottled until 24 hours are over; ask for more";
            Finding::warning(check, what, why).command(raise)
        } else {
            let why = "e-mail ends in EmailThrottled until 24 hours are over; ask for more";
            Finding::failure(check, what, why).command(raise)
        }
    }

    fn suppression(&self, account: &GetAccountOutput) -> Finding {
        let own = account.suppression_attributes();
        let reasons = own.map_or(&[][..], |own| own.suppressed_reasons());
        if reasons.is_empty() {
            let what = "SES suppresses nobody";
            let why = "mail to addresses that bounced before goes out again, and each bounce \
                       weighs on your standing";
            return Finding::note(Check::EmailSuppression, what, why).command(format!(
                "aws sesv2 put-account-suppression-attributes --region {} --suppressed-reasons \
                 BOUNCE COMPLAINT",
                self.region
            ));
        }
        let names: Vec<String> = reasons
            .iter()
            .map(|reason| reason.as_str().to_lowercase())
            .collect();
        let what = format!("SES suppresses after: {}", names.join(", "));
        Finding::ok(Check::EmailSuppression, what)
    }

    /// The identity that covers `EMAIL_FROM`: the address, or its domain.
    async fn identity(&mut self) -> Vec<Finding> {
        let address = self.config.from.address.clone();
        if self.config.identity_arn.is_some() {
            let what = "EMAIL_IDENTITY_ARN names another account's identity: not looked at";
            let why = "whether it is verified, its owner sees";
            return vec![Finding::note(Check::EmailIdentity, what, why).advice(
                "run `aws sesv2 get-email-identity` with the credentials of that account",
            )];
        }
        let mut known = Vec::new();
        // An address's own identity goes before its domain's.
        for name in [address.expose(), address.domain()] {
            match self.fetch(name).await {
                Ok(Some(identity)) => known.push((name.to_owned(), identity)),
                Ok(None) => (),
                Err(finding) => return vec![*finding],
            }
        }
        let verified = known
            .iter()
            .find(|(_, identity)| identity.verified_for_sending_status());
        let mut findings = vec![match (verified, known.first()) {
            (Some((name, _)), _) => {
                Finding::ok(Check::EmailIdentity, format!("{name} is verified"))
            }
            (None, known) => self.unverified(known, address.domain()),
        }];
        if let Some((name, identity)) = verified.or(known.first()) {
            findings.push(self.dkim(name, identity));
            findings.push(self.mail_from(name, identity));
        }
        findings.push(dmarc(address.domain()));
        findings
    }

    async fn fetch(&mut self, name: &str) -> Result<Option<GetEmailIdentityOutput>, Box<Finding>> {
        self.pace.turn().await;
        match self
            .ses
            .get_email_identity()
            .email_identity(name)
            .send()
            .await
        {
            Ok(identity) => Ok(Some(identity)),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_not_found_exception()) =>
            {
                Ok(None)
            }
            Err(error) => {
                let action = "ses:GetEmailIdentity";
                Err(Box::new(Finding::untold(
                    Check::EmailIdentity,
                    action,
                    &error,
                )))
            }
        }
    }

    fn unverified(
        &self,
        known: Option<&(String, GetEmailIdentityOutput)>,
        domain: &str,
    ) -> Finding {
        let why = "SES refuses all mail (EmailRejected)";
        match known {
            None => {
                let what = format!("neither EMAIL_FROM's address nor {domain} is in SES here");
                Finding::failure(Check::EmailIdentity, what, why).command(format!(
                    "aws sesv2 create-email-identity --region {} --email-identity {domain}",
                    self.region
                ))
            }
            Some((name, identity)) => {
                let status = identity.verification_status();
                let status = status.map_or("unknown", |status| status.as_str());
                let what = format!("{name} is not verified ({status})");
                Finding::failure(Check::EmailIdentity, what, why).command(format!(
                    "aws sesv2 get-email-identity --region {} --email-identity {name}",
                    self.region
                ))
            }
        }
    }

    fn dkim(&self, name: &str, identity: &GetEmailIdentityOutput) -> Finding {
        let check = Check::EmailDkim;
        let dkim = identity.dkim_attributes();
        let signs = dkim.is_some_and(|dkim| {
            dkim.signing_enabled() && dkim.status() == Some(&DkimStatus::Success)
        });
        if signs {
            return Finding::ok(check, format!("mail is signed by {name}"));
        }
        let why = "mailbox providers put unsigned mail into spam, or refuse it";
        let tokens = dkim.map_or(&[][..], |dkim| dkim.tokens());
        let domain = self.config.from.address.domain();
        if name.contains('@') || tokens.is_empty() {
            let what = format!("mail of {name} is not signed (DKIM)");
            return Finding::warning(check, what, why).command(format!(
                "aws sesv2 create-email-identity --region {} --email-identity {domain}",
                self.region
            ));
        }
        let status = dkim
            .and_then(|dkim| dkim.status())
            .map_or("unknown", |status| status.as_str());
        let what = format!("DKIM of {name} is {status}");
        let records: Vec<String> = tokens
            .iter()
            .map(|token| format!("{token}._domainkey.{name} CNAME {token}.dkim.amazonses.com"))
            .collect();
        Finding::warning(check, what, why).advice(format!(
            "put these records into DNS: {}",
            records.join("; ")
        ))
    }

    fn mail_from(&self, name: &str, identity: &GetEmailIdentityOutput) -> Finding {
        let check = Check::EmailMailFrom;
        let own = identity.mail_from_attributes();
        let own = own.filter(|own| !own.mail_from_domain().is_empty());
        let domain = self.config.from.address.domain();
        let Some(own) = own else {
            let what = format!("{name} has no MAIL FROM domain of its own");
            let why = "bounces go to amazonses.com, so SPF says nothing for your domain; DKIM alone \
                       must carry DMARC";
            return Finding::note(check, what, why).command(format!(
                "aws sesv2 put-email-identity-mail-from-attributes --region {} --email-identity \
                 {name} --mail-from-domain mail.{domain}",
                self.region
            ));
        };
        let from = own.mail_from_domain();
        match own.mail_from_domain_status() {
            MailFromDomainStatus::Success => Finding::ok(check, format!("MAIL FROM is {from}")),
            status => {
                let what = format!("MAIL FROM {from} is {}", status.as_str());
                let why = "SES does not find its records: it falls back to amazonses.com, or \
                           refuses mail if so set";
                Finding::warning(check, what, why).advice(format!(
                    "put these records into DNS: {from} MX 10 feedback-smtp.{}.amazonses.com; \
                     {from} TXT \"v=spf1 include:amazonses.com ~all\"",
                    self.region
                ))
            }
        }
    }

    async fn configuration_set(&mut self) -> Option<Finding> {
        let check = Check::EmailConfigurationSet;
        let name = self.config.configuration_set.as_ref()?;
        self.pace.turn().await;
        let asking = self.ses.get_configuration_set();
        Some(match asking.configuration_set_name(name).send().await {
            Ok(set) => {
                let sends = set
                    .sending_options()
                    .is_none_or(|own| own.sending_enabled());
                if sends {
                    Finding::ok(check, format!("configuration set {name} is there"))
                } else {
                    let what = format!("configuration set {name} is paused");
                    let why = "SES refuses all mail that names it (EmailRejected)";
                    Finding::failure(check, what, why).command(format!(
                        "aws sesv2 put-configuration-set-sending-options --region {} \
                         --configuration-set-name {name} --sending-enabled",
                        self.region
                    ))
                }
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_not_found_exception()) =>
            {
                let what = format!("there is no configuration set {name}");
                let why = "SES refuses all mail that names it (EmailRejected)";
                Finding::failure(check, what, why).command(format!(
                    "aws sesv2 create-configuration-set --region {} --configuration-set-name {name}",
                    self.region
                ))
            }
            Err(error) => Finding::untold(check, "ses:GetConfigurationSet", &error),
        })
    }
}

fn sending(account: &GetAccountOutput) -> Finding {
    let check = Check::EmailSending;
    let enforcement = account.enforcement_status().unwrap_or("unknown");
    let advice = "answer AWS's message in the Support Center: SES console, Reputation metrics";
    if !account.sending_enabled() {
        let what = format!("sending is off (enforcement: {enforcement})");
        let why = "SES refuses all mail (EmailRejected)";
        return Finding::failure(check, what, why).advice(advice);
    }
    match enforcement {
        "HEALTHY" => Finding::ok(check, "sending is on, the account is healthy"),
        "PROBATION" => {
            let what = "sending is on, the account is under review (PROBATION)";
            let why = "AWS stops sending if the cause is not mended";
            Finding::warning(check, what, why).advice(advice)
        }
        other => {
            let what = format!("enforcement: {other}");
            Finding::failure(check, what, "SES refuses all mail (EmailRejected)").advice(advice)
        }
    }
}

/// DNS is not asked from here: whoever runs this may see another one.
fn dmarc(domain: &str) -> Finding {
    let what = format!("whether {domain} has a DMARC record, DNS says");
    let why = format!(
        "Gmail and Yahoo want one of all who send much, and without one anybody may send as you; \
         to begin with, put _dmarc.{domain} TXT \"v=DMARC1; p=none; rua=mailto:dmarc@{domain}\""
    );
    Finding::note(Check::EmailDmarc, what, why).command(format!("dig +short TXT _dmarc.{domain}"))
}
