//! Amounts of money for people.

/// Currencies whose minor unit is not a hundredth, and how many digits it has (ISO 4217, list one).
const MINOR_DIGITS: [(&str, u32); 25] = [
    ("BHD", 3),
    ("BIF", 0),
    ("CLF", 4),
    ("CLP", 0),
    ("DJF", 0),
    ("GNF", 0),
    ("IQD", 3),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KMF", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("LYD", 3),
    ("OMR", 3),
    ("PYG", 0),
    ("RWF", 0),
    ("TND", 3),
    ("UGX", 0),
    ("UYI", 0),
    ("UYW", 4),
    ("VND", 0),
    ("VUV", 0),
    ("XAF", 0),
    ("XOF", 0),
];

/// `19.99 EUR` for 1999 minor units.
pub(super) fn money(minor: u64, currency: &str) -> String {
    let known = MINOR_DIGITS.iter().find(|(code, _)| *code == currency);
    let digits = known.map_or(2, |(_, digits)| *digits);
    if digits == 0 {
        return format!("{minor} {currency}");
    }
    let unit = 10_u64.pow(digits);
    let width = usize::try_from(digits).unwrap_or(0);
    format!("{}.{:0width$} {currency}", minor / unit, minor % unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_the_digits_of_its_currency() {
        assert_eq!(money(1_999, "EUR"), "19.99 EUR");
        assert_eq!(money(1, "CNY"), "0.01 CNY");
        assert_eq!(money(2_000, "JPY"), "2000 JPY");
        assert_eq!(money(12_345, "KWD"), "12.345 KWD");
    }
}
