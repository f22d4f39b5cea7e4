//! No faster than a service answers.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// SES answers all but sends about once a second, and SNS lists once a second
/// (AWS General Reference, "Amazon SES endpoints and quotas" and "Amazon SNS
/// endpoints and quotas"): for the whole account, so also for the function.
const PAUSE: Duration = Duration::from_secs(1);

/// Calls of one kind, a second apart.
pub(crate) struct Pace {
    next: Instant,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            next: Instant::now(),
        }
    }

    /// Waits for its turn; the first is at once.
    pub(crate) async fn turn(&mut self) {
        sleep_until(self.next).await;
        self.next = Instant::now() + PAUSE;
    }
}
