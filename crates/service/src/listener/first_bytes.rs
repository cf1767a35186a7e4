//! Closes the connection of a peer that sends nothing, or too little to distinguish HTTP/1 from HTTP/2: hyper's own
//! timeouts begin only after that.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Sleep, sleep},
};

/// The length of the preface of HTTP/2, and less than any HTTP/1.1 request: the shortest head has 25 bytes.
const FIRST_BYTES: usize = 24;

/// The timeout for the first bytes of a connection.
#[derive(Debug)]
pub(super) struct FirstBytes {
    /// Until they have arrived: the number of missing bytes, and the deadline.
    missing: Option<(usize, Pin<Box<Sleep>>)>,
}

impl FirstBytes {
    pub(super) fn within(time_max: Duration) -> Self {
        Self { missing: Some((FIRST_BYTES, Box::pin(sleep(time_max)))) }
    }

    /// Reads from `stream`; fails with [`io::ErrorKind::TimedOut`] if the first bytes take too long.
    pub(super) fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some((_missing, too_late)) = &mut self.missing
            && too_late.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        self.missing = self
            .missing
            .take()
            .and_then(|(missing, too_late)| Some((missing.checked_sub(read)?, too_late)))
            .filter(|(missing, _too_late)| *missing > 0);
        Poll::Ready(Ok(()))
    }
}
