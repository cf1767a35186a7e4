//! Finds the end of an HTTP/1.1 response, and the few parts that count.

use http::StatusCode;
use httparse::{EMPTY_HEADER, Header, Response, Status};
use memchr::memmem;

use super::super::http_answer::{REPLAYED_HEADER, Reply};

/// Maximum headers of a valid response.
const HEADERS_MAX: usize = 48;

/// The result of parsing the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived<'b> {
    /// The response is incomplete.
    Part,
    /// A complete response, and nothing after it. The body of a chunked response still has the lines between its
    /// chunks, which only a search for a member tolerates.
    Whole {
        reply: Reply<'b>,
        /// `Connection: close`: no further request can be sent.
        close: bool,
    },
}

/// Bytes that are not a valid response to a request with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidResponse;

/// The length of the body.
enum Length {
    Bytes(usize),
    Chunked,
}

/// Parses everything that has arrived since the request was sent.
pub(super) fn parse(bytes: &[u8]) -> Result<Arrived<'_>, InvalidResponse> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut headers);
    let head_len = match response.parse(bytes).map_err(|_why| InvalidResponse)? {
        Status::Complete(head_len) => head_len,
        Status::Partial => return Ok(Arrived::Part),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(InvalidResponse)?;
    let mut said = Said { replayed: false, close: response.version == Some(0), length: None };
    for header in response.headers.iter() {
        said.listen(header)?;
    }
    let rest = &bytes[head_len..];
    // Without a length the body would end with the connection: no server of flashgate does that.
    let end = match said.length {
        None if status == StatusCode::NO_CONTENT => Some(0),
        None => return Err(InvalidResponse),
        Some(Length::Bytes(len)) => (len <= rest.len()).then_some(len),
        Some(Length::Chunked) => chunked_end(rest)?,
    };
    match end {
        None => Ok(Arrived::Part),
        Some(end) if end < rest.len() => Err(InvalidResponse),
        Some(_) => {
            let reply = Reply { status, replayed: said.replayed, body: rest };
            Ok(Arrived::Whole { reply, close: said.close })
        }
    }
}

/// The relevant headers.
struct Said {
    replayed: bool,
    close: bool,
    length: Option<Length>,
}

impl Said {
    fn listen(&mut self, header: &Header<'_>) -> Result<(), InvalidResponse> {
        // The length distinguishes most names without a comparison.
        match header.name.len() {
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                let digits = std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse().ok());
                self.length = Some(Length::Bytes(digits.ok_or(InvalidResponse)?));
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                if !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(InvalidResponse);
                }
                self.length = Some(Length::Chunked);
            }
            10 if header.name.eq_ignore_ascii_case("connection") => {
                self.close |= header.value.trim_ascii().eq_ignore_ascii_case(b"close");
            }
            20 if header.name.eq_ignore_ascii_case(REPLAYED_HEADER) => {
                self.replayed = header.value == b"true";
            }
            _ => {}
        }
        Ok(())
    }
}

/// The end of a chunked body, if complete.
fn chunked_end(body: &[u8]) -> Result<Option<usize>, InvalidResponse> {
    let mut at = 0;
    loop {
        let (line_len, chunk_len) =
            match httparse::parse_chunk_size(&body[at..]).map_err(|_why| InvalidResponse)? {
                Status::Complete(found) => found,
                Status::Partial => return Ok(None),
            };
        if chunk_len == 0 {
            // The last chunk: trailers, if any, and an empty line. Its own line end may be the first of the two.
            let trailers = at + line_len - 2;
            return Ok(memmem::find(&body[trailers..], b"\r\n\r\n").map(|found| trailers + found + 4));
        }
        let chunk_len = usize::try_from(chunk_len).map_err(|_too_long| InvalidResponse)?;
        let next =
            chunk_len.checked_add(line_len + 2).and_then(|len| at.checked_add(len)).ok_or(InvalidResponse)?;
        if next > body.len() {
            return Ok(None);
        }
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\n\
        location: /v1/orders/77\r\nidempotency-replayed: true\r\ncontent-length: 37\r\n\r\n\
        {\"order_id\":\"77\",\"status\":\"accepted\"}";

    fn whole(bytes: &[u8]) -> (Reply<'_>, bool) {
        match parse(bytes) {
            Ok(Arrived::Whole { reply, close }) => (reply, close),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_cut_of_a_response_waits_for_more() {
        for cut in 0..ACCEPTED.len() {
            assert_eq!(parse(&ACCEPTED[..cut]), Ok(Arrived::Part), "cut at {cut}");
        }
        let (reply, close) = whole(ACCEPTED);
        assert!(reply.replayed && !close);
        assert_eq!(reply.status, StatusCode::ACCEPTED);
        assert_eq!(reply.body, b"{\"order_id\":\"77\",\"status\":\"accepted\"}");
    }

    #[test]
    fn a_chunked_body_ends_with_its_last_chunk() {
        let bytes = b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n\
            f\r\n{\"code\":\"ended\"\r\n1\r\n}\r\n0\r\n\r\n";
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Ok(Arrived::Part), "cut at {cut}");
        }
        assert_eq!(&*whole(bytes).0.answer(false).code, "ended");
        let trailers = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n";
        assert_eq!(whole(trailers).0.status, StatusCode::OK);
    }

    #[test]
    fn a_server_that_closes_is_heard() {
        assert!(whole(b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").1);
        assert!(whole(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").1);
    }

    #[test]
    fn what_is_no_response_is_garbled() {
        let wrong: [&[u8]; 5] = [
            b"SSH-2.0-OpenSSH_9\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        ];
        for bytes in wrong {
            assert_eq!(parse(bytes), Err(InvalidResponse), "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
