//! Trying again: at once, for as long as it is worth it, and only what passes.
//!
//! Cognito has told its app that the code was sent, and a person waits. Lambda
//! tries a failed event again after one and three minutes, when a sign-in code
//! (3 minutes) is all but dead. So what passes is tried again here, within
//! seconds.
//!
//! The SDK's own retries are switched off for it: they know no deadline, and
//! after some hundred failures their token bucket stops retrying altogether,
//! which in a burst of throttled sends would lose codes.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, timeout};

use crate::error::Fault;

/// The longest that one event is worked on, whatever Lambda allows: by then its
/// person has asked for another code.
const LONGEST: Duration = Duration::from_secs(25);

/// The most that is kept back of an invocation's time, to tell what happened.
const RESERVE: Duration = Duration::from_secs(1);

/// A Lambda function runs for a quarter of an hour at most. A deadline that is
/// further away, or past, is none: `cargo lambda watch` says 1970.
const LONGEST_INVOCATION: Duration = Duration::from_secs(15 * 60 + 5);

/// How long a provider may be silent on a message. It may have taken it, and
/// another try would be a second message: so long, though most answer within a
/// fifth of a second.
pub(crate) const SEND_PATIENCE: Duration = Duration::from_secs(7);

/// Pauses grow from this to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Until when an event is worked on; and, a little later, until when what came
/// of it may be written down.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    work: Instant,
    settle: Instant,
}

impl Deadline {
    /// From an invocation's own: Lambda's `lambda-runtime-deadline-ms`, in
    /// milliseconds since 1970.
    pub fn of_invocation(milliseconds: u64) -> Self {
        let deadline = SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
        let left = deadline.duration_since(SystemTime::now()).ok();
        let left = left.filter(|left| *left <= LONGEST_INVOCATION);
        let reserve = left.map_or(RESERVE, |left| RESERVE.min(left / 5));
        Self::new(left.map_or(LONGEST, |left| left - reserve), reserve)
    }

    /// So long from now, and 25 s at most.
    pub fn after(time: Duration) -> Self {
        Self::new(time, RESERVE)
    }

    fn new(time: Duration, reserve: Duration) -> Self {
        let work = Instant::now() + time.min(LONGEST);
        let settle = work + reserve / 2;
        Self { work, settle }
    }

    /// What is left.
    pub(crate) fn left(self) -> Duration {
        self.work.saturating_duration_since(Instant::now())
    }

    /// This share of what is left.
    pub(crate) fn share(self, share: f64) -> Self {
        self.at_most(self.left().mul_f64(share))
    }

    /// This, or so long from now if that is sooner.
    pub(crate) fn at_most(self, time: Duration) -> Self {
        let work = self.work.min(Instant::now() + time);
        Self { work, ..self }
    }

    /// For writing down what came of the event, even when all time for the
    /// work is used up.
    pub(crate) fn to_settle(self) -> Self {
        let work = self.settle;
        Self { work, ..self }
    }

    /// Waits between half of `time` and all of it; false if that is longer than
    /// what is left.
    pub(crate) async fn pause(self, time: Duration) -> bool {
        let time = time.mul_f64(0.5 + fastrand::f64() / 2.0);
        let in_time = time < self.left();
        if in_time {
            sleep(time).await;
        }
        in_time
    }
}

/// Calls until there is an answer, a fault that would only come again, or no
/// time. The second value is how many tries it took.
///
/// A try may last `patience`. A service that was silent that long may be slow
/// rather than gone, and a send may well have been taken: so the next try may
/// last twice as long, and there are few of them. Pauses are drawn from zero to
/// a bound that doubles ("full jitter", AWS Architecture Blog), so that those
/// who were throttled together do not come back together.
///
/// # Errors
/// The last fault.
pub(crate) async fn persist<T, F: Future<Output = Result<T, Fault>>>(
    operation: &'static str,
    deadline: Deadline,
    mut patience: Duration,
    mut call: impl FnMut() -> F,
) -> (Result<T, Fault>, u32) {
    let mut bound = FIRST_PAUSE;
    for tries in 1.. {
        let fault = match timeout(patience.min(deadline.left()), call()).await {
            Ok(Ok(value)) => return (Ok(value), tries),
            Ok(Err(fault)) => fault,
            Err(_) => {
                patience *= 2;
                Fault::silence(operation)
            }
        };
        let pause = bound.mul_f64(fastrand::f64());
        if !fault.kind.passes() || pause >= deadline.left() {
            return (Err(fault), tries);
        }
        sleep(pause).await;
        bound = LONGEST_PAUSE.min(bound * 2);
    }
    // Four thousand million tries do not fit into 25 seconds.
    (Err(Fault::silence(operation)), u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FaultKind;

    fn fault(kind: FaultKind) -> Fault {
        Fault {
            kind,
            ..Fault::silence("SNS Publish")
        }
    }

    async fn tries(kind: FaultKind, seconds: u64) -> (u32, Duration) {
        let begin = Instant::now();
        let deadline = Deadline::after(Duration::from_secs(seconds));
        let patience = Duration::from_secs(7);
        let (result, tries) = persist("SNS Publish", deadline, patience, || async move {
            Err::<(), _>(fault(kind))
        })
        .await;
        assert_eq!(result, Err(fault(kind)));
        (tries, begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_tried_until_the_deadline_and_the_rest_once() {
        for kind in [FaultKind::Throttled, FaultKind::Unavailable] {
            let (tries, time) = tries(kind, 20).await;
            assert!((12..60).contains(&tries), "{tries}");
            assert!(time <= Duration::from_secs(20) && time > Duration::from_secs(17));
        }
        for kind in [FaultKind::Denied, FaultKind::Rejected] {
            assert_eq!(tries(kind, 20).await.0, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_service_gets_twice_as_long_the_next_time() {
        let mut begins = Vec::new();
        let deadline = Deadline::after(Duration::from_secs(25));
        let (result, tries) = persist("SNS Publish", deadline, Duration::from_secs(7), || {
            begins.push(Instant::now());
            std::future::pending::<Result<(), Fault>>()
        })
        .await;
        assert_eq!(result, Err(Fault::silence("SNS Publish")));
        assert!((2..=3).contains(&tries), "{tries}");
        assert!(begins[1] - begins[0] >= Duration::from_secs(7));
        assert_eq!(deadline.left(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn an_implausible_deadline_is_none() {
        let now = SystemTime::now();
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let in_ms = |seconds: u64| now.as_millis() as u64 + seconds * 1000;
        for none in [0, 600_000, in_ms(0) - 1000, in_ms(3600), u64::MAX / 2] {
            assert_eq!(Deadline::of_invocation(none).left(), LONGEST, "{none}");
        }
        for (seconds, least, most) in [(30, 25, 25), (10, 8, 9), (3, 2, 3), (600, 25, 25)] {
            let left = Deadline::of_invocation(in_ms(seconds)).left();
            assert!(left >= Duration::from_secs(least), "{left:?}");
            assert!(left <= Duration::from_secs(most), "{left:?}");
        }
    }
}
