//! Closes the connection of a peer that sends nothing, or too little to distinguish HTTP/1 from HTTP/2: hyper's own
//! timeouts begin only after that.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// The length of the preface of HTTP/2, and less than any HTTP/1.1 request: the shortest head has 25 bytes.
const FIRST_BYTES: usize = 24;

/// A connection with a timeout for its first bytes.
#[derive(Debug)]
pub(super) struct InTime {
    stream: TcpStream,
    /// Until they have arrived: the number of missing bytes, and the deadline.
    missing: Option<(usize, Pin<Box<Sleep>>)>,
}

impl InTime {
    /// `stream`, which fails with [`io::ErrorKind::TimedOut`] if its first bytes take longer than `time_max`.
    pub(super) fn new(stream: TcpStream, time_max: Duration) -> Self {
        Self { stream, missing: Some((FIRST_BYTES, Box::pin(sleep(time_max)))) }
    }
}

impl AsyncRead for InTime {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some((_missing, too_late)) = &mut self.missing
            && too_late.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        self.missing = self
            .missing
            .take()
            .and_then(|(missing, too_late)| Some((missing.checked_sub(read)?, too_late)))
            .filter(|(missing, _too_late)| *missing > 0);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for InTime {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
