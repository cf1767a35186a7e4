//! The fields of a JSON object; each error names the field by its path.

use std::fmt::Display;

use flashgate_domain::{AttemptId, Currency, Money, Timestamp, payment::MONEY_MINOR_MAX};
use serde_json::{Map, Value};

use super::CallbackError;

/// An object; `None` if it is missing, and every field of it then.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) Option<&'a Map<String, Value>>);

fn wrong(field: &'static str, expected: impl Display) -> CallbackError {
    CallbackError::Field { field, expected: expected.to_string() }
}

impl<'a> Fields<'a> {
    pub(super) fn object(self, name: &str) -> Self {
        Self(self.0.and_then(|fields| fields.get(name)?.as_object()))
    }

    fn value(self, name: &str, path: &'static str) -> Result<&'a Value, CallbackError> {
        self.0.and_then(|fields| fields.get(name)).ok_or_else(|| wrong(path, "is required"))
    }

    pub(super) fn text(self, name: &str, path: &'static str) -> Result<&'a str, CallbackError> {
        self.value(name, path)?.as_str().ok_or_else(|| wrong(path, "must be a string"))
    }

    pub(super) fn parsed<T, E: Display>(
        self,
        name: &str,
        path: &'static str,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<T, CallbackError> {
        parse(self.text(name, path)?).map_err(|expected| wrong(path, expected))
    }

    pub(super) fn attempt(self) -> Result<AttemptId, CallbackError> {
        self.parsed("attempt_id", "data.attempt_id", str::parse)
    }

    /// Integers only: a decimal fraction would have to be rounded.
    pub(super) fn money(self) -> Result<Money, CallbackError> {
        const AMOUNT: &str = "data.amount_minor";
        let expected = || wrong(AMOUNT, format_args!("must be an integer from 0 to {MONEY_MINOR_MAX}"));
        let minor = self.value("amount_minor", AMOUNT)?.as_u64().ok_or_else(expected)?;
        let currency: Currency = self.parsed("currency", "data.currency", str::parse)?;
        Money::new(minor, currency).map_err(|_too_much| expected())
    }

    pub(super) fn time(self, name: &'static str) -> Result<Timestamp, CallbackError> {
        let expected =
            || wrong(name, "must be a time of RFC 3339 from 1970 on, such as 2026-01-01T00:00:00Z");
        let time: Option<jiff::Timestamp> = self.text(name, name)?.parse().ok();
        let millis = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
        millis.map(Timestamp::from_millis).ok_or_else(expected)
    }
}

/// The inverse of [`Fields::time`]; the latest time that RFC 3339 can write for any later one.
pub(super) fn rfc3339(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).ok();
    let time = millis.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    time.unwrap_or(jiff::Timestamp::MAX).to_string()
}
