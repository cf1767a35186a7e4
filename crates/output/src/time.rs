//! Durations on the command line.

use std::time::Duration;

use jiff::SignedDuration;

/// Parses `500ms`, `30s`, `2m`, `1h30m`.
///
/// # Errors
/// The expected form.
pub fn parse(text: &str) -> Result<Duration, String> {
    let parsed: Result<SignedDuration, _> = text.parse();
    let time = parsed.ok().and_then(|time| Duration::try_from(time).ok());
    time.ok_or_else(|| "must be a time such as 500ms, 30s or 2m".to_owned())
}
