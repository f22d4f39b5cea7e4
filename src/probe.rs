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
use tokio::time::Instant;

use crate::error::Fault;
use crate::retry::{Deadline, persist};

/// What a message waits for an account's answer, all pages and tries of it
/// together. Past it the answer is unknown, and the message goes out.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What one try may take.
const PATIENCE: Duration = Duration::from_millis(800);

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
    pub(crate) async fn get<F: Future<Output = Result<Reading<T>, Fault>>>(
        &self,
        ask: impl FnOnce(Deadline) -> F,
    ) -> Option<Arc<T>> {
        let mut state = self.state.lock().await;
        if state.ask_at <= Instant::now() {
            match ask(in_time()).await {
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

/// The time for all of an answer.
pub(crate) fn in_time() -> Deadline {
    Deadline::after(LONGEST_WAIT)
}

/// One call of an answer, tried again if need be.
pub(crate) async fn answer<T, F: Future<Output = Result<T, Fault>>>(
    operation: &'static str,
    deadline: Deadline,
    call: impl FnMut() -> F,
) -> Result<T, Fault> {
    persist(operation, deadline, PATIENCE, call).await.0
}

/// Between the time and a quarter more, so that environments that started
/// together do not ask together.
pub(crate) fn with_jitter(time: Duration) -> Duration {
    time.mul_f64(1.0 + fastrand::f64() / 4.0)
}
