//! A timeout that costs nothing while requests are answered in time.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// The deadline of a request. Its timer is not reset for every request: when it fires for an earlier deadline, it is
/// set to the current one.
#[derive(Debug)]
pub(super) struct Deadline {
    at: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Deadline {
    pub(super) fn new() -> Self {
        let at = Instant::now();
        Self { at, alarm: Box::pin(sleep_until(at)) }
    }

    /// Sets the deadline to `timeout` from now.
    pub(super) fn set(&mut self, timeout: Duration) {
        self.at = Instant::now() + timeout;
    }

    /// The output of `future`, or `None` if the deadline passes first.
    pub(super) async fn limit<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => self.poll_passed(cx).map(|()| None),
        })
        .await
    }

    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if Instant::now() >= self.at {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(self.at);
        }
    }
}
