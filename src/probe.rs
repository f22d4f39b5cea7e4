//! One fact about the account, asked seldom.
//!
//! SNS answers the sandbox questions ten times a second and lists numbers once
//! a second, for the whole account. So a fact is asked once at a time, however
//! many wait for it, and kept for as long as its answer says. When asking again
//! fails, what was known before still holds for a while: an account that is
//! throttled has not changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::error::Fault;

/// What a message waits for an account's answer, all pages and tries of it
/// together. Past it the answer is unknown, and the message goes out.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// After a failed question: soon, but not with every message.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(15);

/// An answer, and how long it may be relied on.
pub(crate) struct Reading<T> {
    pub(crate) value: T,
    pub(crate) fresh_for: Duration,
}

/// A fact that is asked when first needed and again when no longer fresh.
pub(crate) struct Probe<T> {
    /// How long a stale answer still holds when asking again fails.
    kept_for: Duration,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// The last answer, and until when it holds.
    known: Option<(Arc<T>, Instant)>,
    ask_at: Instant,
}

impl<T> Probe<T> {
    pub(crate) fn new(kept_for: Duration) -> Self {
        Self {
            kept_for,
            state: Mutex::new(State {
                known: None,
                ask_at: Instant::now(),
            }),
        }
    }

    /// Whether it is time to ask, and nobody is asking yet.
    pub(crate) fn is_due(&self) -> bool {
        self.state
            .try_lock()
            .is_ok_and(|state| state.ask_at <= Instant::now())
    }

    /// The fact, asked if need be; `None` if the account did not tell, lately.
    /// The lock is held while asking: whoever comes meanwhile waits for that
    /// answer instead of asking too.
    pub(crate) async fn get(
        &self,
        operation: &'static str,
        ask: impl AsyncFnOnce() -> Result<Reading<T>, Fault>,
    ) -> Option<Arc<T>> {
        let mut state = self.state.lock().await;
        if state.ask_at <= Instant::now() {
            match in_time(operation, ask()).await {
                Ok(reading) => {
                    let now = Instant::now();
                    state.ask_at = now + reading.fresh_for;
                    let until = state.ask_at + self.kept_for;
                    state.known = Some((Arc::new(reading.value), until));
                }
                Err(fault) => {
                    tracing::warn!(%fault, "the account did not tell: messages go out all the same");
                    state.ask_at = Instant::now() + ASK_AGAIN;
                }
            }
        }
        let (value, until) = state.known.as_ref()?;
        (Instant::now() < *until).then(|| Arc::clone(value))
    }
}

/// The answer, if it comes in time.
pub(crate) async fn in_time<T>(
    operation: &'static str,
    answer: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    timeout(LONGEST_WAIT, answer)
        .await
        .unwrap_or_else(|_| Err(Fault::silence(operation)))
}

/// Between the time and a quarter more, so that environments that started
/// together do not ask together.
pub(crate) fn with_jitter(time: Duration) -> Duration {
    time.mul_f64(1.0 + fastrand::f64() / 4.0)
}
