//! SIGTERM and SIGINT as a token that every long-lived task watches, and the limits of a shutdown.
//!
//! The first signal cancels the token, which the process itself may do as well. Then the limit runs. A second signal
//! ends the process at once, with the exit code that a shell gives it: 143 for SIGTERM, 130 for SIGINT. A process
//! that still runs when its limit has passed is ended with [`EXPIRED_EXIT_CODE`], and the log names what it was
//! [waiting for](waiting_for). Signals and the limit are watched by a thread of their own, since the others may hang.

use std::{collections::BTreeMap, io, process, sync::mpsc, thread, time::Duration};

use parking_lot::Mutex;
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// The exit code of a process that did not shut down within its limit: that of `timeout`.
pub const EXPIRED_EXIT_CODE: i32 = 124;
/// Time for batches, offsets and connections after the grace period of open requests.
pub const AFTER_DRAIN: Duration = Duration::from_secs(5);
/// Timeout of a log line of a process that ends: standard error can be a pipe without a reader.
const LOG_TIME: Duration = Duration::from_secs(1);

/// A token that is cancelled at the first SIGTERM or SIGINT. Once it is cancelled, by any caller, the process has
/// `limit` to shut down.
///
/// # Errors
/// The signal handlers, or the thread that watches them, cannot be set up.
pub fn on_signal(limit: Duration) -> io::Result<CancellationToken> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _entered = runtime.enter();
        Signals::new()?
    };
    let token = CancellationToken::new();
    let cancelled = token.clone();
    thread::Builder::new()
        .name("shutdown".to_owned())
        .spawn(move || runtime.block_on(watch(signals, limit, cancelled)))?;
    Ok(token)
}

async fn watch(mut signals: Signals, limit: Duration, token: CancellationToken) {
    let signal = tokio::select! {
        first = signals.next() => first.name,
        () = token.cancelled() => "none",
    };
    token.cancel();
    let limit_ms = limit.as_millis();
    log_aside(move || info!(signal, limit_ms, "shutting down"));
    tokio::select! {
        second = signals.next() => end(second.exit_code, move || {
            warn!(signal = second.name, waiting_for = waits(), "terminated by a second signal");
        }),
        () = sleep(limit) => end(EXPIRED_EXIT_CODE, move || {
            error!(limit_ms, waiting_for = waits(), "shutdown timed out; terminated");
        }),
    }
}

/// Ends the process, whatever its other threads do.
fn end(exit_code: i32, log: impl FnOnce() + Send + 'static) -> ! {
    let (done, logged) = mpsc::channel();
    log_aside(move || {
        log();
        // The process may have ended meanwhile.
        let _ = done.send(());
    });
    let _late = logged.recv_timeout(LOG_TIME);
    process::exit(exit_code)
}

fn log_aside(log: impl FnOnce() + Send + 'static) {
    // Without a thread the line is lost; the process ends all the same.
    let _ = thread::Builder::new().name("shutdown-log".to_owned()).spawn(log);
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

#[derive(Clone, Copy)]
struct Received {
    name: &'static str,
    exit_code: i32,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> Received {
        tokio::select! {
            _ = self.terminate.recv() => Received { name: "SIGTERM", exit_code: 143 },
            _ = self.interrupt.recv() => Received { name: "SIGINT", exit_code: 130 },
        }
    }
}

static WAITS: Mutex<BTreeMap<&'static str, usize>> = Mutex::new(BTreeMap::new());

/// Something that the process waits for, until dropped.
#[derive(Debug)]
#[must_use]
pub struct Waiting(&'static str);

/// Records `what` as something that a shutdown waits for.
pub fn waiting_for(what: &'static str) -> Waiting {
    *WAITS.lock().entry(what).or_default() += 1;
    Waiting(what)
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits = WAITS.lock();
        if let Some(count) = waits.get_mut(self.0) {
            *count -= 1;
            if *count == 0 {
                waits.remove(self.0);
            }
        }
    }
}

/// Everything that the process waits for now, separated by commas.
fn waits() -> String {
    let waits = WAITS.lock();
    waits.keys().copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{waiting_for, waits};

    #[test]
    fn a_wait_is_named_until_its_last_holder_is_gone() {
        let (first, second) = (waiting_for("a test"), waiting_for("a test"));
        drop(first);
        assert!(waits().contains("a test"));
        drop(second);
        assert!(!waits().contains("a test"));
    }
}
