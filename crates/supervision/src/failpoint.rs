//! Injected faults, for tests: a process that exits, a task that panics.
//!
//! At a named place the process exits as in a crash: at once, with nothing flushed or closed. A place is
//! `failpoint::hit("name");`, which does nothing without the feature `failpoints`. The variable `FLASHGATE_FAILPOINT`
//! arms one: `after_commit` at its first hit, `after_commit:7` at its seventh. [`PANIC_VARIABLE`] names a task.

use std::{
    env, process,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

/// The variable that arms a place.
pub const VARIABLE: &str = "FLASHGATE_FAILPOINT";
/// The variable that names a task: `settle` panics some time after its start, `settle@0` at once.
pub const PANIC_VARIABLE: &str = "FLASHGATE_PANIC_IN_TASK";
/// The time after which the task panics.
const WORKS_FOR: Duration = Duration::from_millis(1_000);

#[derive(Debug)]
struct Armed {
    name: String,
    hits_left: AtomicU64,
}

impl Armed {
    /// `name` or `name:n`. Any other text arms no existing place, and the test that waits for the crash fails.
    fn parse(text: &str) -> Self {
        let counted = text.split_once(':').and_then(|(name, hits)| Some((name, hits.parse().ok()?)));
        let (name, hits): (&str, u64) = counted.unwrap_or((text, 1));
        Self { name: name.to_owned(), hits_left: AtomicU64::new(hits) }
    }

    /// Whether this is the armed hit.
    fn is_due(&self, name: &str) -> bool {
        self.name == name && self.hits_left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

/// Exits the process if the place `name` is armed and this is the armed hit.
pub fn hit(name: &str) {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| env::var(VARIABLE).ok().map(|text| Armed::parse(&text)));
    if armed.as_ref().is_some_and(|armed| armed.is_due(name)) {
        process::abort();
    }
}

/// Whether this is the n-th, 2n-th, … call, where `variable` contains n; never, if it is not a number.
pub fn every_nth(variable: &'static str) -> bool {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let every: Option<u64> = env::var(variable).ok().and_then(|text| text.parse().ok()).filter(|n| *n > 0);
    every.is_some_and(|n| (CALLS.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(n))
}

/// Runs `task`, unless the failpoint is due first.
pub(crate) async fn in_task(name: &'static str, task: impl Future<Output = ()> + Send) {
    let armed = env::var(PANIC_VARIABLE).unwrap_or_default();
    match armed.strip_prefix(name) {
        // A timer is never due at once, and a short task may be done before.
        Some("@0") => panic!("failpoint"),
        Some("") => tokio::select! {
            biased;
            () = sleep(WORKS_FOR) => panic!("failpoint"),
            () = task => {}
        },
        Some(_) | None => task.await,
    }
}

#[cfg(test)]
mod tests {
    use super::Armed;

    #[test]
    fn only_the_named_place_counts_and_only_its_nth_hit_is_due() {
        let armed = Armed::parse("after_commit:2");
        assert_eq!(
            ["after_commit", "after_begin", "after_commit"].map(|name| armed.is_due(name)),
            [false, false, true]
        );
        assert!(Armed::parse("after_poll").is_due("after_poll"));
    }
}
