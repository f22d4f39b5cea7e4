//! One fact about the account, asked seldom.
//!
//! SNS answers the sandbox questions ten times a second and lists numbers once
//! a second, for the whole account. So a fact is asked once at a time, however
//! many wait for it, and kept for as long as it says.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::error::{Fault, FaultKind};

/// What a message waits for an account's answer, all pages and tries of it
/// together. Past it the answer is unknown, and the message goes out.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// The answer, if it comes in time.
pub(crate) async fn in_time<T>(
    operation: &'static str,
    answer: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let late = |_| {
        Err(Fault {
            operation,
            kind: FaultKind::Unavailable,
            code: None,
            request_id: None,
        })
    };
    timeout(LONGEST_WAIT, answer).await.unwrap_or_else(late)
}

/// What was learned, and how long it may be relied on.
pub(crate) struct Reading<T> {
    pub(crate) value: T,
    pub(crate) fresh_for: Duration,
}

/// A fact that is fetched when first needed and again when no longer fresh.
pub(crate) struct Probe<T> {
    known: Mutex<Option<(Arc<T>, Instant)>>,
}

impl<T> Probe<T> {
    pub(crate) fn new() -> Self {
        Self {
            known: Mutex::new(None),
        }
    }

    /// The fact, fetched if need be. The lock is held while fetching: whoever
    /// comes meanwhile waits for that answer instead of asking too.
    pub(crate) async fn get(&self, fetch: impl AsyncFnOnce() -> Reading<T>) -> Arc<T> {
        let mut known = self.known.lock().await;
        if let Some((value, until)) = known.as_ref()
            && Instant::now() < *until
        {
            return Arc::clone(value);
        }
        let reading = fetch().await;
        let value = Arc::new(reading.value);
        *known = Some((Arc::clone(&value), Instant::now() + reading.fresh_for));
        value
    }
}
