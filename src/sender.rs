//! The pipeline: event -> request -> code -> message -> outcome.

use std::sync::Arc;
use std::time::Instant;

use aws_sdk_cognitoidentityprovider::operation::admin_get_user::AdminGetUserError;
use serde_json::Value;

use crate::clients::Clients;
use crate::code::{Opener, SealedCode, Secret};
use crate::config::{Config, OriginationIdentity};
use crate::destination::{EmailAddress, PhoneNumber};
use crate::email::Email;
use crate::error::{Error, Fault};
use crate::event::{Channel, Content, Occasion, Request};
use crate::message::{EmailMessage, SmsMessage, Texts};
use crate::outcome::{Outcome, Reason};
use crate::report::{Doubt, Report, Stage};
use crate::routing::{Route, Routing};
use crate::sandbox::{Sandbox, Verdict};
use crate::sms::Sms;

/// Delivers what Cognito asks for. Built once, shared by all invocations.
pub struct Sender {
    config: Config,
    opener: Opener,
    texts: Texts,
    sandbox: Arc<Sandbox>,
    routing: Arc<Routing>,
    sms: Sms,
    /// `None` when the e-mail channel is off.
    email: Option<Email>,
    cognito: aws_sdk_cognitoidentityprovider::Client,
}

/// A request that nothing speaks against, ready to go out; or one that is
/// withheld.
#[derive(Debug)]
pub enum Prepared<'a> {
    /// Through SNS.
    Sms {
        /// The recipient.
        to: PhoneNumber,
        /// From where; `None`: SNS chooses.
        from: Option<OriginationIdentity>,
        /// What it says.
        message: SmsMessage,
    },
    /// Through SES.
    Email {
        /// By this sender.
        by: &'a Email,
        /// The recipient.
        to: EmailAddress,
        /// What it is for.
        occasion: Occasion,
        /// What it says.
        message: EmailMessage,
    },
    /// Not to be sent.
    Withheld(Reason),
}

impl Sender {
    /// Puts the parts together. No calls; reads the folder of own texts.
    pub async fn new(config: Config, clients: Clients) -> Self {
        Self {
            opener: Opener::new(clients.kms.clone(), &config.kms_key).await,
            texts: Texts::new(&config.texts),
            sandbox: Arc::new(Sandbox::new(&clients)),
            routing: Arc::new(Routing::new(config.sms.origination.clone(), &clients)),
            sms: Sms::new(&clients.sns, config.sms.clone()),
            email: config
                .email
                .clone()
                .map(|email| Email::new(&clients.ses, email)),
            cognito: clients.cognito,
            config,
        }
    }

    /// Asks the account, where it is time to, what a message of the channels
    /// will need to know, so that none waits for it. Returns at once: begun
    /// with the function's start, and again beside the opening of each code
    /// (`aws-esdk` blocks the task that it runs on, so these are tasks of
    /// their own).
    pub fn start_probes(&self, channels: &[Channel]) {
        let checked = |channel| self.config.sandbox_check && channels.contains(&channel);
        if checked(Channel::Sms) && self.sandbox.sms_is_due() {
            let sandbox = Arc::clone(&self.sandbox);
            tokio::spawn(async move { sandbox.probe_sms().await });
        }
        if checked(Channel::Email) && self.email.is_some() && self.sandbox.email_is_due() {
            let sandbox = Arc::clone(&self.sandbox);
            tokio::spawn(async move { sandbox.probe_email().await });
        }
        if channels.contains(&Channel::Sms) && self.routing.is_due() {
            let routing = Arc::clone(&self.routing);
            tokio::spawn(async move { routing.probe().await });
        }
    }

    /// One event, from Cognito's JSON to its outcome; `report` hears of every
    /// step.
    ///
    /// # Errors
    /// What an operator should know of, and Lambda may try again.
    pub async fn handle(&self, event: &Value, report: &mut Report) -> Result<Outcome, Error> {
        let request = Request::parse(event)?;
        report.request(&request, self.region(request.channel));
        let prepared = self.prepare(&request, report).await?;
        self.deliver(prepared, report).await
    }

    /// The Region that a channel sends from.
    pub fn region(&self, channel: Channel) -> &str {
        match (channel, &self.config.email) {
            (Channel::Sms, _) => &self.config.sms.region,
            (Channel::Email, Some(email)) => &email.region,
            (Channel::Email, None) => &self.config.region,
        }
    }

    /// Everything but the sending.
    ///
    /// # Errors
    /// As [`Sender::handle`].
    pub async fn prepare(
        &self,
        request: &Request,
        report: &mut Report,
    ) -> Result<Prepared<'_>, Error> {
        let served = &self.config.user_pools;
        if !served.is_empty() && !served.contains(&request.user_pool) {
            return Err(Error::UserPoolMismatch {
                event: request.user_pool.clone(),
                not_served: true,
            });
        }
        match (request.channel, &self.email) {
            (Channel::Sms, _) => self.prepare_sms(request, report).await,
            (Channel::Email, Some(email)) => self.prepare_email(email, request, report).await,
            (Channel::Email, None) => Ok(Prepared::Withheld(Reason::ChannelOff)),
        }
    }

    async fn prepare_sms(
        &self,
        request: &Request,
        report: &mut Report,
    ) -> Result<Prepared<'_>, Error> {
        let Some(number) = request.attributes.get(Channel::Sms.attribute()) else {
            return Ok(Prepared::Withheld(Reason::NoDestination));
        };
        let Ok(to) = PhoneNumber::parse(number) else {
            return Ok(Prepared::Withheld(Reason::InvalidDestination));
        };
        report.phone_number(&to);
        // Threat protection knows no SMS; what is not a code is nothing here.
        let Content::Code(sealed) = &request.content else {
            return Ok(Prepared::Withheld(Reason::NoCode));
        };
        let code = self.open(sealed, request, report).await?;
        let asking = Instant::now();
        let (verdict, route) = tokio::join!(
            self.may_reach(self.sandbox.sms(&to)),
            self.routing.to(to.country())
        );
        report.spent(Stage::Account, asking);
        match verdict {
            Verdict::Deliverable => (),
            Verdict::Unverified => return Ok(Prepared::Withheld(Reason::UnverifiedDestination)),
            Verdict::Unknown => report.doubt(Doubt::SandboxUnknown),
        }
        let from = match route {
            Route::From(identity) => Some(identity),
            Route::ChosenBySns => None,
            Route::Unknown => {
                report.doubt(Doubt::OriginationUnknown);
                None
            }
            Route::Unreachable => return Ok(Prepared::Withheld(Reason::NoOriginationNumber)),
        };
        let (message, broken) = self.texts.sms(request, &code, to.country());
        report.broken(&broken);
        Ok(Prepared::Sms { to, from, message })
    }

    async fn prepare_email<'a>(
        &self,
        by: &'a Email,
        request: &Request,
        report: &mut Report,
    ) -> Result<Prepared<'a>, Error> {
        let attribute = request.attributes.get(Channel::Email.attribute());
        let address = match (&request.content, attribute) {
            (_, Some(address)) => Some(address.to_owned()),
            (Content::Notice(_), None) => {
                let asking = Instant::now();
                let address = self.look_up_address(request).await;
                report.spent(Stage::Lookup, asking);
                address?
            }
            (Content::Code(_) | Content::Nothing, None) => None,
        };
        let Some(address) = address else {
            return Ok(Prepared::Withheld(Reason::NoDestination));
        };
        let Ok(to) = EmailAddress::parse(&address) else {
            return Ok(Prepared::Withheld(Reason::InvalidDestination));
        };
        report.email_address(&to);
        let (message, broken) = match &request.content {
            Content::Nothing => return Ok(Prepared::Withheld(Reason::NoCode)),
            Content::Notice(notice) => self.texts.notice(request, notice),
            Content::Code(sealed) => {
                let code = self.open(sealed, request, report).await?;
                self.texts.email(request, &code)
            }
        };
        report.broken(&broken);
        let asking = Instant::now();
        let verdict = self.may_reach(self.sandbox.email(&to)).await;
        report.spent(Stage::Account, asking);
        match verdict {
            Verdict::Deliverable => (),
            Verdict::Unverified => return Ok(Prepared::Withheld(Reason::UnverifiedDestination)),
            Verdict::Unknown => report.doubt(Doubt::SandboxUnknown),
        }
        Ok(Prepared::Email {
            by,
            to,
            occasion: request.occasion,
            message,
        })
    }

    async fn open(
        &self,
        sealed: &SealedCode,
        request: &Request,
        report: &mut Report,
    ) -> Result<Secret, Error> {
        self.start_probes(&[request.channel]);
        let opening = Instant::now();
        let code = self.opener.open(sealed, &request.user_pool).await;
        report.spent(Stage::Decrypt, opening);
        code
    }

    /// The sandbox's verdict, unless `SANDBOX_CHECK` is off.
    async fn may_reach(&self, verdict: impl Future<Output = Verdict>) -> Verdict {
        if self.config.sandbox_check {
            verdict.await
        } else {
            Verdict::Deliverable
        }
    }

    /// The address of a user whom threat protection's notice is for, since the
    /// event carries none. `None` where the role may not ask, or the user has
    /// none: the notice is then withheld.
    async fn look_up_address(&self, request: &Request) -> Result<Option<String>, Error> {
        let answer = self
            .cognito
            .admin_get_user()
            .user_pool_id(request.user_pool.as_str())
            .username(&request.user_name)
            .send()
            .await;
        match answer {
            Ok(user) => Ok(user
                .user_attributes
                .unwrap_or_default()
                .into_iter()
                .find(|attribute| attribute.name == Channel::Email.attribute())
                .and_then(|attribute| attribute.value)
                .filter(|address| !address.is_empty())),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(AdminGetUserError::is_user_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => {
                let fault = Fault::new("Cognito AdminGetUser", &error);
                // A role that may not ask is a choice; bad credentials are not.
                match fault.code.as_deref() {
                    Some("AccessDeniedException" | "NotAuthorizedException") => Ok(None),
                    _ => Err(Error::UserLookup(fault)),
                }
            }
        }
    }

    /// Sends what is prepared.
    ///
    /// # Errors
    /// As [`Sender::handle`].
    pub async fn deliver(
        &self,
        prepared: Prepared<'_>,
        report: &mut Report,
    ) -> Result<Outcome, Error> {
        let sending = Instant::now();
        let outcome = match prepared {
            Prepared::Withheld(reason) => return Ok(Outcome::Withheld(reason)),
            Prepared::Sms { to, from, message } => {
                self.sms.send(&to, from.as_ref(), &message).await
            }
            Prepared::Email {
                by,
                to,
                occasion,
                message,
            } => by.send(&to, occasion, &message).await,
        };
        report.spent(Stage::Send, sending);
        outcome
    }
}
