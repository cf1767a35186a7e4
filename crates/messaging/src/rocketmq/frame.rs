//! The frame of RocketMQ's remoting protocol: two lengths, a JSON header, a body.
//!
//! ```text
//! u32 length of all that follows | u8 serialization (0 = JSON), u24 header length | header | body
//! ```

use std::collections::HashMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use crate::fault::BusError;

const FLAG_RESPONSE: i32 = 1;
const FLAG_ONE_WAY: i32 = 2;
/// The protocol version that the client reports: 4.7.1, which every later broker serves alike.
const VERSION: i32 = 317;
const LENGTH_BYTES: usize = 4;
const HEADER_LENGTH_MASK: u32 = 0x00ff_ffff;

/// A request that is not assigned to a connection yet.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) code: i32,
    fields: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Request {
    pub(super) fn new(code: i32) -> Self {
        Self { code, fields: Vec::new(), body: Bytes::new() }
    }

    pub(super) fn field(mut self, name: &'static str, value: impl ToString) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The bytes of this request with the number `opaque` on its connection.
    pub(super) fn encode(&self, opaque: i32) -> Result<BytesMut, BusError> {
        let header = HeaderOut {
            code: self.code,
            flag: 0,
            opaque,
            fields: Fields(&self.fields),
            ..HeaderOut::default()
        };
        encode(&header, &self.body)
    }
}

/// A received frame: the answer to a request, or a request of the broker.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) code: i32,
    pub(super) opaque: i32,
    flag: i32,
    remark: Option<String>,
    fields: HashMap<String, String>,
    pub(super) body: Bytes,
}

impl Frame {
    pub(super) fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    pub(super) fn wants_response(&self) -> bool {
        self.flag & (FLAG_RESPONSE | FLAG_ONE_WAY) == 0
    }

    /// The first line of the peer's remark; Java's exceptions add a link in a second line.
    pub(super) fn remark(&self) -> String {
        let remark = self.remark.as_deref().unwrap_or_default();
        remark.lines().next().unwrap_or_default().to_owned()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Result<u64, BusError> {
        let text =
            self.text(name).ok_or_else(|| BusError::invalid_response(format!("field {name} is missing")))?;
        text.parse().map_err(|error| BusError::invalid_response(format!("field {name} is {text:?}: {error}")))
    }

    /// Takes one frame off the front of `buffer`, if it is complete.
    ///
    /// # Errors
    /// [`BusError::InvalidResponse`]: the rest of the stream cannot be decoded.
    pub(super) fn take(buffer: &mut BytesMut, bytes_max: usize) -> Result<Option<Self>, BusError> {
        let Some(prefix) = buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if length < LENGTH_BYTES || length > bytes_max {
            return Err(BusError::invalid_response(format!(
                "a frame of {length} bytes exceeds the limit of {bytes_max}"
            )));
        }
        if buffer.len() < LENGTH_BYTES + length {
            buffer.reserve(LENGTH_BYTES + length - buffer.len());
            return Ok(None);
        }
        let mut frame = buffer.split_to(LENGTH_BYTES + length).freeze();
        frame.advance(LENGTH_BYTES);
        let word = frame.get_u32();
        let header_length = usize::try_from(word & HEADER_LENGTH_MASK).unwrap_or(usize::MAX);
        if word & !HEADER_LENGTH_MASK != 0 || header_length > frame.len() {
            return Err(BusError::invalid_response("a frame header is not JSON, or exceeds its frame"));
        }
        let header = frame.split_to(header_length);
        let header: HeaderIn = serde_json::from_slice(&header)
            .map_err(|error| BusError::invalid_response(format!("frame header: {error}")))?;
        Ok(Some(Self {
            code: header.code,
            opaque: header.opaque,
            flag: header.flag,
            remark: header.remark,
            fields: header.fields.unwrap_or_default(),
            body: frame,
        }))
    }
}

/// The answer to a request of a kind that this client does not serve.
pub(super) fn refusal(request: &Frame) -> Result<BytesMut, BusError> {
    let header = HeaderOut {
        code: super::codes::response::REQUEST_CODE_NOT_SUPPORTED,
        flag: FLAG_RESPONSE,
        opaque: request.opaque,
        remark: Some("flashgate does not serve this request"),
        ..HeaderOut::default()
    };
    encode(&header, &[])
}

fn encode(header: &HeaderOut<'_>, body: &[u8]) -> Result<BytesMut, BusError> {
    let header = serde_json::to_vec(header).map_err(|error| BusError::invalid(error.to_string()))?;
    let too_long = |_| BusError::invalid("the frame exceeds its length field");
    let header_length = u32::try_from(header.len()).map_err(too_long)? & HEADER_LENGTH_MASK;
    let length = u32::try_from(LENGTH_BYTES + header.len() + body.len()).map_err(too_long)?;
    let mut frame = BytesMut::with_capacity(2 * LENGTH_BYTES + header.len() + body.len());
    frame.put_u32(length);
    frame.put_u32(header_length);
    frame.put_slice(&header);
    frame.put_slice(body);
    Ok(frame)
}

#[derive(Serialize)]
struct HeaderOut<'a> {
    code: i32,
    language: &'static str,
    version: i32,
    opaque: i32,
    flag: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'static str>,
    #[serde(rename = "extFields")]
    fields: Fields<'a>,
    #[serde(rename = "serializeTypeCurrentRPC")]
    serialization: &'static str,
}

impl Default for HeaderOut<'_> {
    fn default() -> Self {
        Self {
            code: 0,
            language: "RUST",
            version: VERSION,
            opaque: 0,
            flag: 0,
            remark: None,
            fields: Fields(&[]),
            serialization: "JSON",
        }
    }
}

struct Fields<'a>(&'a [(&'static str, String)]);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[derive(Deserialize)]
struct HeaderIn {
    code: i32,
    opaque: i32,
    #[serde(default)]
    flag: i32,
    #[serde(default)]
    remark: Option<String>,
    #[serde(default, rename = "extFields")]
    fields: Option<HashMap<String, String>>,
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{Frame, Request};

    #[test]
    fn a_frame_is_read_as_it_was_written_however_it_is_cut() {
        let request = Request::new(310).field("b", "topic \"x\"").field("e", 7).body(vec![0, 1, 2, 255]);
        let bytes = request.encode(42).unwrap();
        let mut buffer = BytesMut::new();
        for byte in &bytes[..bytes.len() - 1] {
            buffer.extend_from_slice(&[*byte]);
            assert!(Frame::take(&mut buffer, 1024).unwrap().is_none());
        }
        buffer.extend_from_slice(&bytes[bytes.len() - 1..]);
        let frame = Frame::take(&mut buffer, 1024).unwrap().unwrap();
        assert_eq!((frame.code, frame.opaque, frame.number("e").unwrap()), (310, 42, 7));
        assert_eq!((frame.text("b"), &frame.body[..]), (Some("topic \"x\""), &[0, 1, 2, 255][..]));
        assert!(buffer.is_empty() && frame.wants_response());
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_before_it_is_read() {
        let mut buffer = BytesMut::from(&[0x7f, 0xff, 0xff, 0xff][..]);
        assert!(Frame::take(&mut buffer, 1024).is_err());
    }
}
