//! Times for people.

use std::time::Duration;

/// Three significant digits and the unit: `0.42 ms`, `3.71 ms`, `84.2 ms`, `2.31 s`.
pub(super) fn millis(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1_000.0;
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_that_count() {
        let shown = [420, 3_714, 84_249, 842_499, 2_314_000].map(|us| millis(Duration::from_micros(us)));
        assert_eq!(shown, ["0.42 ms", "3.71 ms", "84.2 ms", "842 ms", "2.31 s"]);
    }
}
