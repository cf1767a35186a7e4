//! Ids and tokens in JSON, as every OpenAPI document describes them: exactly as the code checks them.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ObjectBuilder, Schema, Type},
    },
};
/// The decimal numbers from 1 to 2^63 - 1, without a leading zero.
const ID_PATTERN: &str = "^([1-9][0-9]{0,17}|[1-8][0-9]{18}|9[0-1][0-9]{17}|92[0-1][0-9]{16}|922[0-2][0-9]{15}|\
    9223[0-2][0-9]{14}|92233[0-6][0-9]{13}|922337[0-1][0-9]{12}|92233720[0-2][0-9]{10}|\
    922337203[0-5][0-9]{9}|9223372036[0-7][0-9]{8}|92233720368[0-4][0-9]{7}|\
    922337203685[0-3][0-9]{6}|9223372036854[0-6][0-9]{5}|92233720368547[0-6][0-9]{4}|\
    922337203685477[0-4][0-9]{3}|9223372036854775[0-7][0-9]{2}|922337203685477580[0-7])$";

fn text(pattern: &str, length_max: usize, example: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .min_length(Some(1))
        .max_length(Some(length_max))
        .examples([example])
        .into()
}

/// Defines the description of a text in JSON: its pattern, its maximum length and an example.
macro_rules! described {
    ($(#[$about:meta])* $text:ident: $pattern:expr, $length_max:literal, $example:literal) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        pub struct $text;

        impl PartialSchema for $text {
            fn schema() -> RefOr<Schema> {
                text($pattern, $length_max, $example)
            }
        }

        impl ToSchema for $text {
            fn name() -> Cow<'static, str> {
                stringify!($text).into()
            }
        }
    };
}

described! {
    /// The id of a sale or an order. A string: it is larger than what JavaScript's numbers hold.
    Id: ID_PATTERN, 19, "1"
}

described! {
    /// The id of a buyer.
    Buyer: "^[!-~]{1,128}$", 128, "buyer-1"
}

described! {
    /// An idempotency key.
    Key: "^[!-~]{1,255}$", 255, "order-4711"
}

#[cfg(test)]
mod tests {
    use super::ID_PATTERN;

    /// Tests the alternatives of the pattern, as ranges of each digit; only `[0-9]{n}` and plain digits occur.
    fn matches(text: &str) -> bool {
        let alternatives = ID_PATTERN.trim_start_matches("^(").trim_end_matches(")$").split('|');
        alternatives.into_iter().any(|alternative| matches_one(alternative, text))
    }

    fn matches_one(mut pattern: &str, mut text: &str) -> bool {
        while let Some(first) = pattern.chars().next() {
            let (low, high, rest) = match pattern.strip_prefix('[') {
                Some(range) => {
                    let (range, rest) = range.split_once(']').unwrap();
                    (range.chars().next().unwrap(), range.chars().last().unwrap(), rest)
                }
                None => (first, first, &pattern[1..]),
            };
            let (least, most, rest) = match rest.strip_prefix('{') {
                Some(counts) => {
                    let (counts, rest) = counts.split_once('}').unwrap();
                    let (least, most) = counts.split_once(',').unwrap_or((counts, counts));
                    (least.parse().unwrap(), most.parse().unwrap(), rest)
                }
                None => (1_usize, 1_usize, rest),
            };
            let count = text.chars().take_while(|digit| (low..=high).contains(digit)).count().min(most);
            if count < least {
                return false;
            }
            text = &text[count..];
            pattern = rest;
        }
        text.is_empty()
    }

    #[test]
    fn the_pattern_of_ids_ends_where_ids_end() {
        let max = u64::try_from(i64::MAX).unwrap();
        let mut numbers = vec![0, 1, 9, 10, 99, u64::MAX];
        // Around the maximum, and around each power of ten below it: every alternative, and the values next to each.
        for power in (0..19).map(|exponent| 10_u64.pow(exponent)) {
            let rounded = max / power * power;
            numbers.extend([
                power - 1,
                power,
                rounded - 1,
                rounded,
                max - power,
                max - power + 1,
                max + power,
            ]);
            numbers.extend(rounded.checked_add(power - 1));
            numbers.extend(rounded.checked_add(power));
        }
        numbers.extend([max - 1, max, max + 1, max + 2]);
        for number in numbers {
            assert_eq!(matches(&number.to_string()), (1..=max).contains(&number), "{number}");
        }
        for text in ["", "01", "-1", "+1", "1.0", "a"] {
            assert!(!matches(text), "{text}");
        }
    }
}
