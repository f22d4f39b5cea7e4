//! What the account says of one destination: asked by the function's own parts
//! (`sandbox`, `routing`, `suppression`), and decided as it decides, but with
//! the credentials of whoever looks instead of its role's.

use cognito_sender::config::{EmailConfig, OriginationIdentity};
use cognito_sender::destination::{EmailAddress, PhoneNumber};
use cognito_sender::report::Doubt;
use cognito_sender::routing::{Route, Routing};
use cognito_sender::sandbox::{Sandbox, Verdict};
use cognito_sender::suppression::Suppression;
use cognito_sender::{Clients, Config, Reason, decision};

/// How often the account is asked: from afar, the first answer comes late.
const TRIES: u32 = 3;

/// The way of a text message.
pub(crate) struct SmsWay {
    pub(crate) verdict: Verdict,
    pub(crate) route: Route,
    pub(crate) opted_out: Option<bool>,
    /// From where it goes (`None`: SNS chooses), or why it does not.
    pub(crate) end: Result<Option<OriginationIdentity>, Reason>,
    /// What the account did not tell.
    pub(crate) doubts: Vec<Doubt>,
}

/// The way of a mail.
pub(crate) struct EmailWay {
    pub(crate) verdict: Verdict,
    pub(crate) suppressed: Option<bool>,
    /// Why it does not go.
    pub(crate) end: Result<(), Reason>,
    /// What the account did not tell.
    pub(crate) doubts: Vec<Doubt>,
}

/// Asks SNS.
pub(crate) async fn of_sms(config: &Config, clients: &Clients, to: &PhoneNumber) -> SmsWay {
    let suppression = Suppression::new(clients, None);
    // Parts of their own for each try: they keep a failure for a while.
    let (verdict, route, opted_out) = tokio::join!(
        may_reach(config, async || Sandbox::new(clients).sms(to).await),
        told(
            async || Routing::new(config.sms.origination.clone(), clients)
                .to(to.country())
                .await,
            |route| *route != Route::Unknown
        ),
        suppression.sms(to)
    );
    let mut doubts = Vec::new();
    SmsWay {
        end: decision::sms(verdict, route.clone(), opted_out, |doubt| {
            doubts.push(doubt)
        }),
        verdict,
        route,
        opted_out,
        doubts,
    }
}

/// Asks SES, one question after the other: it answers about once a second.
pub(crate) async fn of_email(
    config: &Config,
    own: &EmailConfig,
    clients: &Clients,
    to: &EmailAddress,
) -> EmailWay {
    let suppression = Suppression::new(clients, own.configuration_set.as_deref());
    let suppressed = suppression.email(to).await;
    let verdict = may_reach(config, async || Sandbox::new(clients).email(to).await).await;
    let mut doubts = Vec::new();
    EmailWay {
        end: decision::email(verdict, suppressed, |doubt| doubts.push(doubt)),
        verdict,
        suppressed,
        doubts,
    }
}

/// The sandbox's verdict, unless `SANDBOX_CHECK` is off.
async fn may_reach(config: &Config, ask: impl AsyncFn() -> Verdict) -> Verdict {
    if !config.sandbox_check {
        return Verdict::Deliverable;
    }
    told(ask, |verdict| *verdict != Verdict::Unknown).await
}

/// Asks until the answer says something, at most [`TRIES`] times.
async fn told<T>(ask: impl AsyncFn() -> T, says_something: impl Fn(&T) -> bool) -> T {
    let mut answer = ask().await;
    for _ in 1..TRIES {
        if says_something(&answer) {
            break;
        }
        answer = ask().await;
    }
    answer
}
