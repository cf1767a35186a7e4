//! A time limit that costs nothing while requests are answered in time.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// The moment at which a request has waited too long. The alarm behind it is not set anew for every request: when
/// it rings for one that is long over, it is set to the present one.
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

    /// The limit is `timeout` from now.
    pub(super) fn set(&mut self, timeout: Duration) {
        self.at = Instant::now() + timeout;
    }

    /// What `future` gives, or `None` if it takes past the limit.
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
