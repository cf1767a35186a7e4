//! Waiting for a condition, never for a time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(30);

/// Looks until `look` returns `Ok`, and returns that.
///
/// # Panics
/// If it was still `Err` after `within`, with the last reason.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(reason) if Instant::now() >= deadline => panic!("{what}: not within {within:?}: {reason}"),
            Err(_not_yet) => sleep(LOOK_AGAIN).await,
        }
    }
}
