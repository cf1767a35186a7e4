//! Integers in JSON as JSON Schema defines them: `1.0` and `1e0` are the integer 1. serde parses them as floating
//! point numbers, refuses them, and would otherwise round them.

use std::borrow::Cow;

/// Maximum digits of a `u64`.
const DIGITS_MAX: usize = 20;

/// `json` with every number that is an integer from 0 to 2^64 - 1, but has a fraction or an exponent, rewritten
/// in digits alone. Everything else stays unchanged, including invalid JSON. Exact: no number is ever rounded.
pub fn plain(json: &[u8]) -> Cow<'_, [u8]> {
    let mut plain: Option<Vec<u8>> = None;
    let (mut at, mut copied) = (0, 0);
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => at = string_end(json, at),
            b'0'..=b'9' | b'-' => {
                let end = number_end(json, at);
                if let Some(digits) = json.get(at..end).and_then(integer) {
                    let plain = plain.get_or_insert_with(|| Vec::with_capacity(json.len() + DIGITS_MAX));
                    plain.extend_from_slice(json.get(copied..at).unwrap_or_default());
                    plain.extend_from_slice(digits.as_bytes());
                    copied = end;
                }
                at = end;
            }
            _other => at += 1,
        }
    }
    match plain {
        Some(mut plain) => {
            plain.extend_from_slice(json.get(copied..).unwrap_or_default());
            Cow::Owned(plain)
        }
        None => Cow::Borrowed(json),
    }
}

/// The index after the quote that ends the string whose first quote is at `start`.
fn string_end(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _other => at += 1,
        }
    }
    json.len()
}

/// The index after all characters that could belong to a number.
fn number_end(json: &[u8], start: usize) -> usize {
    let rest = json.get(start..).unwrap_or_default();
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    start + rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len())
}

/// The digits of a number that has a fraction or an exponent, if its value is an integer.
fn integer(number: &[u8]) -> Option<String> {
    let number = std::str::from_utf8(number).ok()?;
    let (unsigned, is_negative) = match number.strip_prefix('-') {
        Some(unsigned) => (unsigned, true),
        None => (number, false),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    if fraction.is_none() && exponent.is_none() {
        return None;
    }
    let is_json = is_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(is_digits)
        && exponent.is_none_or(|exponent| is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
    if !is_json {
        return None;
    }
    let fraction = fraction.unwrap_or("");
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    if is_negative {
        return None;
    }
    // The value is 0.`all` × 10^point.
    let exponent: i64 = exponent.map_or(Ok(0), str::parse).ok()?;
    let point = exponent.checked_add(i64::try_from(whole.len()).ok()?)?;
    let leading = i64::try_from(all.len() - significant.len()).ok()?;
    let length = usize::try_from(point.checked_sub(leading)?).ok().filter(|length| *length <= DIGITS_MAX)?;
    let (digits, rest) = significant.split_at(length.min(significant.len()));
    let digits = format!("{digits:0<length$}");
    (rest.bytes().all(|digit| digit == b'0') && digits.parse::<u64>().is_ok()).then_some(digits)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::plain;

    fn said(json: &str) -> String {
        String::from_utf8(plain(json.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn integers_of_every_notation_become_digits_exactly() {
        for (written, integer) in [
            ("1.0", "1"),
            ("1e0", "1"),
            ("1E+0", "1"),
            ("10e-1", "1"),
            ("0.1e1", "1"),
            ("0.001e3", "1"),
            ("1.50e2", "150"),
            ("1200.00e-2", "12"),
            ("-0.0", "0"),
            ("0e99999999999999999", "0"),
            ("0.0", "0"),
            ("9007199254740993.0", "9007199254740993"),
            ("18446744073709551615.000", "18446744073709551615"),
            ("1.8446744073709551615e19", "18446744073709551615"),
        ] {
            assert_eq!(said(written), integer, "{written}");
            assert_eq!(said(&format!("{{\"a\" : {written}}}")), format!("{{\"a\" : {integer}}}"));
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for text in [
            "1",
            "-1",
            "1.5",
            "-1.0",
            "1.0000000000000000000000001",
            "1e-1",
            "18446744073709551616.0",
            "1e20",
            "1e999999999999999999999999",
            "01.0",
            "1.",
            ".0",
            "1e",
            "1e+",
            "1.0.0",
            "--1.0",
            "-",
            "1e0e0",
            r#"{"1.0":"1e0 \" 1.0"}"#,
            r#"{"a":"\"#,
            "\"1.0",
            "",
        ] {
            assert_eq!(said(text), text);
        }
        assert_eq!(said(r#"{"1.0":[1.0,"1.0",{"a":2e1}]}"#), r#"{"1.0":[1,"1.0",{"a":20}]}"#);
    }
}
