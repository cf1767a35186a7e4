//! Numbers on the command line; errors give the expected range.

use std::str::FromStr;

/// An integer from `low` to `high`.
pub fn whole<N: FromStr>(low: u64, high: u64) -> impl Fn(&str) -> Result<N, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| (low..=high).contains(number));
        let number = number.and_then(|_in_range: u64| text.parse().ok());
        number.ok_or_else(|| expected(low, high))
    }
}

/// An integer in the type's range.
pub fn any<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_why| "must be a whole number, not negative".to_owned())
}

/// A price in the currency's minor unit; the error for a price with a point gives it without one.
pub fn price_minor(high: u64) -> impl Fn(&str) -> Result<u64, String> + Clone {
    move |text| {
        whole(0, high)(text).map_err(|expected: String| {
            let written = text.split_once(['.', ',']).filter(|(_, cents)| cents.len() == 2);
            let minor = written.and_then(|(units, cents)| format!("{units}{cents}").parse::<u64>().ok());
            let (written, minor) = minor.map_or(("19.99", 1_999), |minor| (text, minor));
            format!("{expected}, in the currency's minor unit: {written} in cents is {minor}")
        })
    }
}

fn expected(low: u64, high: u64) -> String {
    match high {
        u64::MAX => format!("must be a whole number, {} or more", grouped(low)),
        high => format!("must be a whole number from {} to {}", grouped(low), grouped(high)),
    }
}

/// A number with separators: `1,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_its_range_or_with_a_point_says_what_is_expected() {
        let number = whole::<u32>(1, 1_000_000);
        assert_eq!(number("1000000"), Ok(1_000_000));
        for text in ["0", "1000001", "19.99", "-1", "", "99999999999999999999"] {
            assert_eq!(number(text).unwrap_err(), "must be a whole number from 1 to 1,000,000", "{text:?}");
        }
        assert_eq!(whole::<u64>(1, u64::MAX)("x").unwrap_err(), "must be a whole number, 1 or more");
    }

    #[test]
    fn a_price_with_a_point_is_told_without_one() {
        let price = price_minor(1_000_000);
        assert_eq!(price("1999"), Ok(1_999));
        assert!(price("19.99").unwrap_err().ends_with("19.99 in cents is 1999"));
        assert!(price("0,99").unwrap_err().ends_with("0,99 in cents is 99"));
        assert!(price("much").unwrap_err().ends_with("19.99 in cents is 1999"));
    }
}
