//! The trace context of a request: <https://www.w3.org/TR/trace-context/>.

/// The name of the parent, as a header, as gRPC metadata, and as a property of a message.
pub const PARENT: &str = "traceparent";
/// The name of the vendors' state.
pub const STATE: &str = "tracestate";

/// The parent of version 00: `00-<trace id>-<parent id>-<flags>`, in hex digits. Later versions may append fields.
const PARENT_LENGTH: usize = 55;
const FLAG_SAMPLED: u8 = 1;
/// What the standard asks everybody to pass on.
const STATE_BYTES_MAX: usize = 512;

/// The trace context of a request that is sampled. It is passed on unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    state: Option<String>,
}

impl TraceContext {
    /// Reads a parent and a state. `None` if the parent is invalid, which the standard treats as absent, or not
    /// sampled. An invalid state is left out.
    pub fn sampled(parent: &[u8], state: Option<&[u8]>) -> Option<Self> {
        let parent = text(parent).filter(|parent| is_sampled(parent))?.to_owned();
        let state = state.and_then(text).filter(|state| state.len() <= STATE_BYTES_MAX).map(str::to_owned);
        Some(Self { parent, state })
    }

    /// The properties of a message that carry it.
    pub fn to_properties(&self) -> Vec<(String, String)> {
        let state = self.state.as_ref().map(|state| (STATE.to_owned(), state.clone()));
        [(PARENT.to_owned(), self.parent.clone())].into_iter().chain(state).collect()
    }

    /// The context that the properties of a message carry.
    pub fn of_properties(properties: &[(String, String)]) -> Option<Self> {
        let value =
            |wanted| properties.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_bytes());
        Self::sampled(value(PARENT)?, value(STATE))
    }
}

/// Visible ASCII and blanks, as in a header; not empty.
fn text(bytes: &[u8]) -> Option<&str> {
    let is_visible = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    str::from_utf8(bytes).ok().filter(|_| !bytes.is_empty() && bytes.iter().all(is_visible))
}

fn is_sampled(parent: &str) -> bool {
    let Some((known, later)) = parent.split_at_checked(PARENT_LENGTH) else { return false };
    let mut fields = known.split('-');
    let [Some(version), Some(trace), Some(span), Some(flags), None] = std::array::from_fn(|_| fields.next())
    else {
        return false;
    };
    let is_hex = |digits: &str, length| {
        digits.len() == length && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |digits: &str, length| is_hex(digits, length) && digits.bytes().any(|digit| digit != b'0');
    let may_be_longer = later.is_empty() || (version != "00" && later.starts_with('-'));
    let sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & FLAG_SAMPLED != 0);
    is_hex(version, 2)
        && version != "ff"
        && is_id(trace, 32)
        && is_id(span, 16)
        && is_hex(flags, 2)
        && may_be_longer
        && sampled
}

#[cfg(test)]
mod tests {
    use super::TraceContext;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_sampled_context_comes_through_a_message_unchanged() {
        for state in [None, Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")] {
            let context = TraceContext::sampled(PARENT.as_bytes(), state.map(str::as_bytes)).unwrap();
            let mut properties = context.to_properties();
            assert_eq!(properties.len(), 1 + usize::from(state.is_some()));
            properties.insert(0, ("other".to_owned(), "property".to_owned()));
            assert_eq!(TraceContext::of_properties(&properties), Some(context));
        }
    }

    #[test]
    fn what_is_no_sampled_context_is_absent() {
        let absent =
            |parent: &str| assert_eq!(TraceContext::sampled(parent.as_bytes(), None), None, "{parent}");
        absent("");
        absent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
        absent("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01");
        absent("00-00000000000000000000000000000000-00f067aa0ba902b7-01");
        absent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01");
        absent("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        absent("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-001");
        absent(&format!("{PARENT}-more"));
        absent(&format!("{PARENT}\u{1}"));
        let later = format!("cc{}-more", &PARENT[2..]);
        assert!(TraceContext::sampled(later.as_bytes(), None).is_some(), "{later}");
    }

    #[test]
    fn an_invalid_state_is_left_out() {
        let context = TraceContext::sampled(PARENT.as_bytes(), None);
        for state in ["", "a=\u{2}", "é=1", &format!("a={}", "1".repeat(511))] {
            assert_eq!(TraceContext::sampled(PARENT.as_bytes(), Some(state.as_bytes())), context, "{state}");
        }
    }
}
