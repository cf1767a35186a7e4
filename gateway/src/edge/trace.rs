//! The trace context in the headers of a request.

use flashgate_domain::{
    TraceContext,
    trace::{PARENT, STATE},
};
use http::HeaderMap;

/// The trace context, if it is valid and sampled; an invalid one counts as absent, as the standard asks.
pub(super) fn trace_context(headers: &HeaderMap) -> Option<Box<TraceContext>> {
    let mut parents = headers.get_all(PARENT).iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
    let states: Vec<&[u8]> = headers.get_all(STATE).iter().map(|state| state.as_bytes()).collect();
    // Several headers are one list.
    let state = (!states.is_empty()).then(|| states.join(&b','));
    TraceContext::sampled(parent.as_bytes(), state.as_deref()).map(Box::new)
}
