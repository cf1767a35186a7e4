//! Adds a body to hyper's own answers, and lets peers read them.
//!
//! hyper answers a request of HTTP/1 that it cannot parse, or finds too large, by itself, with a status and no body,
//! and closes the connection. It has no hook for this, so the answer is replaced here, where its bytes pass. Unread
//! bytes of the request would make the kernel reset the connection when it is closed, and the peer would lose the
//! answer; so they are read for a while, and discarded.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{first_bytes::FirstBytes, head};
use crate::{error::ApiError, problem};

/// How long the rest of a request is read after its answer.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Maximum bytes of that rest.
const LINGER_BYTES: usize = 1024 * 1024;
/// Maximum bytes of the head of hyper's own answers.
const OWN_HEAD_BYTES_MAX: usize = 256;

/// A connection whose first bytes have a timeout, and whose refusals are complete answers.
#[derive(Debug)]
pub(super) struct Explained<S> {
    stream: S,
    first_bytes: FirstBytes,
    /// The bytes that replace those of hyper, and how many of them are written.
    instead: Option<(Vec<u8>, usize)>,
    /// The last answer was a refusal (4xx): its request may not have been read completely.
    refused: bool,
    linger: Option<Linger>,
}

#[derive(Debug)]
struct Linger {
    over: Pin<Box<Sleep>>,
    bytes_left: usize,
    /// The end of the answer has been sent to the peer.
    closed: bool,
}

impl<S> Explained<S> {
    pub(super) const fn new(stream: S, first_bytes: FirstBytes) -> Self {
        Self { stream, first_bytes, instead: None, refused: false, linger: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, first_bytes, .. } = &mut *self;
        first_bytes.poll_read(stream, cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> Explained<S> {
    /// Writes the replacement of `asked` bytes.
    fn poll_instead(&mut self, cx: &mut Context<'_>, asked: usize) -> Poll<io::Result<usize>> {
        while let Some((bytes, written)) = &mut self.instead {
            let rest = bytes.get(*written..).unwrap_or_default();
            if rest.is_empty() {
                self.instead = None;
                break;
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *written += count,
            }
        }
        Poll::Ready(Ok(asked))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.instead.is_none() {
            self.refused = bytes.starts_with(b"HTTP/1.1 4");
            self.instead = explained(bytes).map(|bytes| (bytes, 0));
        }
        if self.instead.is_some() {
            self.refused = true;
            return self.poll_instead(cx, bytes.len());
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // hyper's own answers are a head alone, and are written at once.
        match bytes.iter().find(|slice| !slice.is_empty()) {
            Some(first) if self.instead.is_some() || (bytes.len() == 1 && first.ends_with(b"\r\n\r\n")) => {
                self.poll_write(cx, first)
            }
            first => {
                self.refused = first.is_some_and(|first| first.starts_with(b"HTTP/1.1 4"));
                Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, first_bytes, refused, linger, .. } = &mut *self;
        if !*refused {
            return Pin::new(stream).poll_shutdown(cx);
        }
        let linger = linger.get_or_insert_with(|| Linger {
            over: Box::pin(sleep(LINGER_TIME)),
            bytes_left: LINGER_BYTES,
            closed: false,
        });
        if !linger.closed {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            linger.closed = true;
        }
        let mut scrap = [0; 4 * 1024];
        while linger.bytes_left > 0 && linger.over.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut scrap);
            // A peer that has disconnected needs nothing more.
            match ready!(first_bytes.poll_read(stream, cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    linger.bytes_left = linger.bytes_left.saturating_sub(buffer.filled().len());
                }
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// `written` with a problem document as the body of the answer at its end, if that is one of hyper's own.
fn explained(written: &[u8]) -> Option<Vec<u8>> {
    if !written.ends_with(b"\r\n\r\n") {
        return None;
    }
    // Answers to earlier requests may precede it.
    let tail_at = written.len().saturating_sub(OWN_HEAD_BYTES_MAX);
    let tail = written.get(tail_at..)?;
    let begin = b"HTTP/1.1 4";
    let head_at = tail_at + tail.windows(begin.len()).rposition(|window| window == begin)?;
    let (before, head) = written.split_at_checked(head_at)?;
    let head = std::str::from_utf8(head).ok()?;
    let error = match head.get(9..12)? {
        "400" => ApiError::malformed("head", "must be a request of HTTP/1.1 or HTTP/2"),
        "414" => head::uri_too_long(),
        "431" => head::too_large(),
        _other => return None,
    };
    let empty = "content-length: 0\r\n";
    if !head.contains(empty) {
        return None;
    }
    let body = problem::write(&error);
    let fields = format!("content-type: {}\r\ncontent-length: {}\r\n", problem::MEDIA_TYPE, body.len());
    Some([before, head.replace(empty, &fields).as_bytes(), &body].concat())
}

#[cfg(test)]
mod tests {
    use super::explained;

    #[test]
    fn only_an_answer_without_a_body_gets_one() {
        let own = "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\ndate: now\r\n\r\n";
        let earlier = "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";
        let told = String::from_utf8(explained(format!("{earlier}{own}").as_bytes()).unwrap()).unwrap();
        let (head, body) = told.strip_prefix(earlier).unwrap().split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        assert!(head.contains("content-type: application/problem+json\r\n"), "{head}");
        assert!(body.contains(r#""code":"head_too_large""#), "{body}");
        for other in [
            earlier,
            "HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 7\r\n\r\n",
            "\r\n\r\n",
            "",
        ] {
            assert_eq!(explained(other.as_bytes()), None, "{other}");
        }
    }
}
