//! The pipeline: event -> request -> code -> message -> outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_cognitoidentityprovider::operation::admin_get_user::AdminGetUserError;
use serde_json::Value;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::clients::{Clients, Lazy};
use crate::code::{Opener, SealedCode, Secret};
use crate::config::{Config, OriginationIdentity};
use crate::decision;
use crate::destination::{EmailAddress, PhoneNumber};
use crate::email::Email;
use crate::error::{Error, Fault};
use crate::event::{Channel, Content, Occasion, Request};
use crate::ledger::{Answer, Claim, Key, Ledger};
use crate::message::{EmailMessage, SmsMessage, Texts};
use crate::outcome::{Outcome, Reason};
use crate::report::{Doubt, Report, Stage};
use crate::retry::{Deadline, persist};
use crate::routing::{Route, Routing};
use crate::sandbox::{Sandbox, Verdict};
use crate::sms::Sms;
use crate::suppression::Suppression;

/// How much of what is left of an event's time each step before sending may
/// take: opening its code, looking an address up, waiting for the account.
const PREPARING: f64 = 0.6;
/// How long Cognito may take to tell an address, for a try.
const LOOKUP_PATIENCE: Duration = Duration::from_millis(2500);
/// Between two looks at a code that another delivery is sending.
const NEXT_LOOK: Duration = Duration::from_millis(400);

/// Delivers what Cognito asks for. Built once, shared by all invocations.
pub struct Sender {
    config: Config,
    opener: Opener,
    ledger: Arc<Ledger>,
    texts: Texts,
    sandbox: Arc<Sandbox>,
    routing: Arc<Routing>,
    suppression: Arc<Suppression>,
    sms: Sms,
    /// `None` when the e-mail channel is off.
    email: Option<Email>,
    cognito: Lazy<aws_sdk_cognitoidentityprovider::Client>,
}

/// One delivery of one event.
struct Delivery<'a> {
    deadline: Deadline,
    report: &'a mut Report,
    /// The right to send, once it is had.
    claim: Option<Claim>,
}

/// A message that nothing speaks against.
enum Prepared<'a> {
    Sms {
        to: PhoneNumber,
        /// `None`: SNS chooses.
        from: Option<OriginationIdentity>,
        message: SmsMessage,
    },
    Email {
        by: &'a Email,
        to: EmailAddress,
        occasion: Occasion,
        message: EmailMessage,
    },
}

/// Why preparing ended early.
enum Stop {
    /// Nothing is to be sent.
    Not(Outcome),
    Failed(Error),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Not(Outcome::Withheld(reason))
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Sender {
    /// Puts the parts together. No calls; reads the folder of own texts.
    pub async fn new(config: Config, clients: Clients) -> Self {
        let configuration_set = config.email.as_ref();
        let configuration_set = configuration_set.and_then(|own| own.configuration_set.as_deref());
        Self {
            opener: Opener::new(clients.kms.clone(), &config.kms_key).await,
            ledger: Ledger::new(&clients.dynamodb, config.ledger_table.as_deref()),
            texts: Texts::new(&config.texts),
            sandbox: Arc::new(Sandbox::new(&clients)),
            routing: Arc::new(Routing::new(config.sms.origination.clone(), &clients)),
            suppression: Suppression::new(&clients, configuration_set),
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
    /// will need to know, so that none waits for it. Returns at once. It is
    /// done beside the opening of each code (`aws-esdk` blocks the task that it
    /// runs on, so these are tasks of their own), and may be done before there
    /// is one.
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

    /// One event, from Cognito's JSON to its outcome, by `deadline`; `report`
    /// hears of every step.
    ///
    /// # Errors
    /// What an operator should know of, and Lambda may try again.
    pub async fn handle(
        &self,
        event: &Value,
        deadline: Deadline,
        report: &mut Report,
    ) -> Result<Outcome, Error> {
        let request = Request::parse(event)?;
        report.request(&request, self.region(request.channel));
        let mut delivery = Delivery {
            deadline,
            report,
            claim: None,
        };
        let result = match self.prepare(&request, &mut delivery).await {
            Ok(prepared) => self.deliver(prepared, &mut delivery).await,
            Err(Stop::Not(outcome)) => Ok(outcome),
            Err(Stop::Failed(error)) => Err(error),
        };
        match (delivery.claim.take(), &result) {
            (Some(claim), Ok(Outcome::Sent { message_id })) => {
                if !claim.sent(message_id, deadline).await {
                    delivery.report.doubt(Doubt::LedgerUnavailable);
                }
            }
            (Some(claim), _) => claim.release(deadline).await,
            (None, _) => (),
        }
        result
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
    async fn prepare(
        &self,
        request: &Request,
        delivery: &mut Delivery<'_>,
    ) -> Result<Prepared<'_>, Stop> {
        let served = &self.config.user_pools;
        if !served.is_empty() && !served.contains(&request.user_pool) {
            return Err(Stop::Failed(Error::UserPoolMismatch {
                event: request.user_pool.clone(),
                not_served: true,
            }));
        }
        match (request.channel, &self.email) {
            (Channel::Sms, _) => self.prepare_sms(request, delivery).await,
            (Channel::Email, Some(email)) => self.prepare_email(email, request, delivery).await,
            (Channel::Email, None) => Err(Reason::ChannelOff.into()),
        }
    }

    async fn prepare_sms(
        &self,
        request: &Request,
        delivery: &mut Delivery<'_>,
    ) -> Result<Prepared<'_>, Stop> {
        let number = request.attributes.get(Channel::Sms.attribute());
        let number = number.ok_or(Reason::NoDestination)?;
        let to = PhoneNumber::parse(number).map_err(|_| Reason::InvalidDestination)?;
        delivery.report.phone_number(&to);
        // Threat protection knows no SMS; what is not a code is nothing here.
        let Content::Code(sealed) = &request.content else {
            return Err(Reason::NoCode.into());
        };
        let opted_out = tokio::spawn({
            let (suppression, to) = (Arc::clone(&self.suppression), to.clone());
            async move { suppression.sms(&to).await }
        });
        let code = self.open(sealed, request, delivery).await?;
        let asking = Instant::now();
        let wait = delivery.deadline.share(PREPARING).left();
        let (verdict, route, opted_out) = tokio::join!(
            timeout(wait, self.may_reach(self.sandbox.sms(&to))),
            timeout(wait, self.routing.to(to.country())),
            timeout(wait, opted_out)
        );
        delivery.report.spent(Stage::Account, asking);
        let from = decision::sms(
            verdict.unwrap_or(Verdict::Unknown),
            route.unwrap_or(Route::Unknown),
            told(opted_out),
            |doubt| delivery.report.doubt(doubt),
        )?;
        let (message, broken) = self.texts.sms(request, &code, to.country());
        delivery.report.broken(&broken);
        Ok(Prepared::Sms { to, from, message })
    }

    async fn prepare_email<'a>(
        &self,
        by: &'a Email,
        request: &Request,
        delivery: &mut Delivery<'_>,
    ) -> Result<Prepared<'a>, Stop> {
        let attribute = request.attributes.get(Channel::Email.attribute());
        let address = match (&request.content, attribute) {
            (_, Some(address)) => Some(address.to_owned()),
            (Content::Notice(_), None) => self.look_up_address(request, delivery).await?,
            (Content::Code(_) | Content::Nothing, None) => None,
        };
        let address = address.ok_or(Reason::NoDestination)?;
        let to = EmailAddress::parse(&address).map_err(|_| Reason::InvalidDestination)?;
        delivery.report.email_address(&to);
        let suppressed = tokio::spawn({
            let (suppression, to) = (Arc::clone(&self.suppression), to.clone());
            async move { suppression.email(&to).await }
        });
        let (message, broken) = match &request.content {
            Content::Nothing => return Err(Reason::NoCode.into()),
            Content::Notice(notice) => {
                self.claim(self.start_claim(request, delivery), request, delivery)
                    .await?;
                self.texts.notice(request, notice)
            }
            Content::Code(sealed) => {
                let code = self.open(sealed, request, delivery).await?;
                self.texts.email(request, &code)
            }
        };
        delivery.report.broken(&broken);
        let asking = Instant::now();
        let wait = delivery.deadline.share(PREPARING).left();
        let (verdict, suppressed) = tokio::join!(
            timeout(wait, self.may_reach(self.sandbox.email(&to))),
            timeout(wait, suppressed)
        );
        delivery.report.spent(Stage::Account, asking);
        decision::email(
            verdict.unwrap_or(Verdict::Unknown),
            told(suppressed),
            |doubt| delivery.report.doubt(doubt),
        )?;
        Ok(Prepared::Email {
            by,
            to,
            occasion: request.occasion,
            message,
        })
    }

    /// Opens the code and claims it, side by side.
    async fn open(
        &self,
        sealed: &SealedCode,
        request: &Request,
        delivery: &mut Delivery<'_>,
    ) -> Result<Secret, Stop> {
        self.start_probes(&[request.channel]);
        let claiming = self.start_claim(request, delivery);
        let opening = Instant::now();
        let deadline = delivery.deadline.share(PREPARING);
        // `aws-esdk` blocks, so the patience that counts is the KMS client's.
        let patience = deadline.left();
        let (opened, tries) = persist("KMS Decrypt", deadline, patience, || async {
            match self.opener.open(sealed, &request.user_pool).await {
                Err(Error::Kms(fault)) => Err(fault),
                opened => Ok(opened),
            }
        })
        .await;
        delivery.report.spent(Stage::Decrypt, opening);
        delivery.report.tries(Stage::Decrypt, tries);
        let code = opened.map_err(Error::Kms).and_then(|opened| opened);
        match self.claim(claiming, request, delivery).await {
            // A code that does not open is nothing to wait for.
            Err(Stop::Failed(error)) => Err(Stop::Failed(code.err().unwrap_or(error))),
            Err(stop) => Err(stop),
            Ok(()) => Ok(code?),
        }
    }

    /// Begins to claim what the request carries; `None` for what is not one of
    /// a kind.
    fn start_claim(
        &self,
        request: &Request,
        delivery: &Delivery<'_>,
    ) -> Option<(Key, JoinHandle<Answer>)> {
        let channel = request.channel.name();
        let pool = request.user_pool.as_str();
        let parts = match &request.content {
            Content::Code(sealed) => ["code", channel, pool, sealed.as_str()],
            Content::Notice(_) => ["notice", channel, pool, request.attributes.get("EVENT_ID")?],
            Content::Nothing => return None,
        };
        let key = Key::new(self.config.kms_key.as_str(), &parts);
        let ledger = Arc::clone(&self.ledger);
        Some((key, tokio::spawn(ledger.claim(key, delivery.deadline))))
    }

    /// Waits for the right to send. While another delivery has it, looks again:
    /// that one may fail.
    async fn claim(
        &self,
        claiming: Option<(Key, JoinHandle<Answer>)>,
        request: &Request,
        delivery: &mut Delivery<'_>,
    ) -> Result<(), Stop> {
        let Some((key, claiming)) = claiming else {
            return Ok(());
        };
        let waiting = Instant::now();
        let deadline = delivery.deadline;
        let patience = deadline.share(PREPARING);
        let mut answer = claiming.await.map_err(|_| Error::Internal)?;
        let claim = loop {
            match answer {
                Answer::Yours(claim) => break claim,
                Answer::Sent => return Err(Stop::Not(Outcome::Duplicate)),
                Answer::UnderWay if patience.pause(NEXT_LOOK).await => {
                    answer = Arc::clone(&self.ledger).claim(key, deadline).await;
                }
                Answer::UnderWay => return Err(Error::DeliveryUnderWay.into()),
            }
        };
        delivery.report.spent(Stage::Claim, waiting);
        if claim.table_failed() {
            delivery.report.doubt(Doubt::LedgerUnavailable);
        }
        let expired = claim.age() > self.texts.life(request.occasion);
        delivery.claim = Some(claim);
        if expired {
            return Err(Reason::Expired.into());
        }
        Ok(())
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
    async fn look_up_address(
        &self,
        request: &Request,
        delivery: &mut Delivery<'_>,
    ) -> Result<Option<String>, Error> {
        const OPERATION: &str = "Cognito AdminGetUser";
        let asking = Instant::now();
        let deadline = delivery.deadline.share(PREPARING);
        let (answer, tries) = persist(OPERATION, deadline, LOOKUP_PATIENCE, || async {
            let user = self
                .cognito
                .admin_get_user()
                .user_pool_id(request.user_pool.as_str())
                .username(&request.user_name);
            match user.send().await {
                Ok(user) => Ok(user.user_attributes.unwrap_or_default()),
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(AdminGetUserError::is_user_not_found_exception) =>
                {
                    Ok(Vec::new())
                }
                Err(error) => Err(Fault::new(OPERATION, &error)),
            }
        })
        .await;
        delivery.report.spent(Stage::Lookup, asking);
        delivery.report.tries(Stage::Lookup, tries);
        match answer {
            Ok(attributes) => Ok(attributes
                .into_iter()
                .find(|attribute| attribute.name == Channel::Email.attribute())
                .and_then(|attribute| attribute.value)
                .filter(|address| !address.is_empty())),
            // A role that may not ask is a choice; bad credentials are not.
            Err(fault) => match fault.code.as_deref() {
                Some("AccessDeniedException" | "NotAuthorizedException") => Ok(None),
                _ => Err(Error::UserLookup(fault)),
            },
        }
    }

    /// Sends what is prepared.
    async fn deliver(
        &self,
        prepared: Prepared<'_>,
        delivery: &mut Delivery<'_>,
    ) -> Result<Outcome, Error> {
        let sending = Instant::now();
        let deadline = delivery.deadline;
        let (outcome, tries) = match prepared {
            Prepared::Sms { to, from, message } => {
                self.sms.send(&to, from.as_ref(), &message, deadline).await
            }
            Prepared::Email {
                by,
                to,
                occasion,
                message,
            } => by.send(&to, occasion, &message, deadline).await,
        };
        delivery.report.spent(Stage::Send, sending);
        delivery.report.tries(Stage::Send, tries);
        outcome
    }
}

/// What a question told that was asked beside the code's opening, if it came to
/// an end in time.
fn told(answer: Result<Result<Option<bool>, JoinError>, Elapsed>) -> Option<bool> {
    answer.ok()?.ok()?
}
