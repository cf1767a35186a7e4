//! The counts: requests by outcome and code, and their latencies.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{
    latencies::{Latencies, Precision},
    outcome::{Fault, Outcome},
};

/// Maximum distinct codes; further codes are counted together: a broken server could send a new one each time.
const CODES_MAX: usize = 64;
const OTHER_CODE: &str = "other";

/// The count of each code. A short list: the frequent codes come first by themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Codes(Vec<(Outcome, Cow<'static, str>, u64)>);

impl Codes {
    fn add(&mut self, outcome: Outcome, code: Cow<'static, str>, count: u64) {
        if let Some(total) = self.find(outcome, &code) {
            *total += count;
            return;
        }
        let code = if self.0.len() < CODES_MAX { code } else { Cow::Borrowed(OTHER_CODE) };
        match self.find(outcome, &code) {
            Some(total) => *total += count,
            None => self.0.push((outcome, code, count)),
        }
    }

    fn find(&mut self, outcome: Outcome, code: &str) -> Option<&mut u64> {
        let found = self.0.iter_mut().find(|(known, name, _)| *known == outcome && name == code);
        found.map(|(_, _, total)| total)
    }

    /// The number of requests with the outcome.
    pub(super) fn of(&self, outcome: Outcome) -> u64 {
        self.0.iter().filter(|(known, _, _)| *known == outcome).map(|(_, _, count)| count).sum()
    }

    /// The number of all requests.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|(_, _, count)| count).sum()
    }

    /// The count of each code.
    pub(super) fn by_code(&self) -> BTreeMap<&str, u64> {
        let mut codes = BTreeMap::new();
        for (_, code, count) in &self.0 {
            *codes.entry(code.as_ref()).or_default() += count;
        }
        codes
    }
}

/// The counts of a period.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Completed requests, by outcome and code.
    pub(super) codes: Codes,
    /// Latency of answered requests: from the due time (open loop) or the send time (closed loop).
    pub(super) answered: Latencies,
    /// Latency of accepted requests.
    pub(super) accepted: Latencies,
    /// Open loop: how late requests were sent, because every connection was busy or this process was late.
    pub(super) send_lag: Latencies,
    /// For followed orders: the time from the answer until the order was seen confirmed or cancelled.
    pub(super) confirmed: Latencies,
    /// Followed orders that were not decided in time.
    pub(super) unconfirmed: u64,
    /// Connections that were opened.
    pub(super) connects: u64,
    /// From the first request to the end of the last one.
    pub(super) span: Option<(Instant, Instant)>,
}

impl Tally {
    /// An empty tally.
    pub(super) fn new(precision: Precision) -> Self {
        let none = || Latencies::new(precision);
        Self {
            codes: Codes::default(),
            answered: none(),
            accepted: none(),
            send_lag: none(),
            confirmed: none(),
            unconfirmed: 0,
            connects: 0,
            span: None,
        }
    }

    /// Counts a completed request.
    pub(super) fn count(&mut self, outcome: Outcome, code: Cow<'static, str>) {
        self.codes.add(outcome, code, 1);
    }

    /// Extends the span by a request from `begun` to `ended`.
    pub(super) fn extend_span(&mut self, begun: Instant, ended: Instant) {
        let (first, last) = self.span.unwrap_or((begun, ended));
        self.span = Some((first.min(begun), last.max(ended)));
    }

    /// The duration of the span.
    pub(super) fn time(&self) -> Duration {
        self.span.map_or(Duration::ZERO, |(first, last)| last - first)
    }

    /// Requests that were never sent, without a connection.
    pub(super) fn never_sent(&self) -> u64 {
        let codes = Fault::WITHOUT_CONNECTION.map(Fault::code);
        let never_sent = self.codes.0.iter().filter(|(_, code, _)| codes.contains(&code.as_ref()));
        never_sent.map(|(_, _, count)| count).sum()
    }

    /// Adds all counts of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        for (outcome, code, count) in &other.codes.0 {
            self.codes.add(*outcome, code.clone(), *count);
        }
        self.answered.merge(&other.answered);
        self.accepted.merge(&other.accepted);
        self.send_lag.merge(&other.send_lag);
        self.confirmed.merge(&other.confirmed);
        self.unconfirmed += other.unconfirmed;
        self.connects += other.connects;
        if let Some((first, last)) = other.span {
            self.extend_span(first, last);
        }
    }

    /// The number of requests with any answer.
    pub(super) fn answers(&self) -> u64 {
        self.codes.total() - self.codes.of(Outcome::Failed)
    }
}
