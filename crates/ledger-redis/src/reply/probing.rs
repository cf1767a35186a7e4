//! Health checks and the server's time.

use flashgate_domain::Timestamp;
use redis::Value;

use super::Fields;

/// The reply of `probe.lua`: the commands that failed, each with its error.
pub(crate) fn probed(value: &Value) -> Option<Vec<String>> {
    let Value::Array(errors) = value else { return None };
    let text = |error: &Value| {
        let Value::BulkString(bytes) = error else { return None };
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    errors.iter().map(text).collect()
}

/// The eviction policy in the memory section of INFO.
pub(crate) fn eviction_policy(value: &Value) -> Option<String> {
    let text = if let Value::VerbatimString { text, .. } = value {
        text.as_str()
    } else {
        Fields::new(value)?.text()?
    };
    let policy = text.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"))?;
    Some(policy.trim().to_owned())
}

/// The time: seconds, and microseconds of the second.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    let mut fields = Fields::new(value)?;
    let (seconds, micros): (u64, u64) = (fields.number()?, fields.number()?);
    Some(Timestamp::from_millis(seconds.checked_mul(1_000)?.checked_add(micros / 1_000)?))
}
