//! Amounts of money: integers in minor units, never rounded.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{
    intent::{QUANTITY_MAX, Quantity},
    sale::PRICE_MINOR_MAX,
};

/// Maximum amount, in minor units: the maximum price times the maximum quantity. It fits a signed column.
pub const MONEY_MINOR_MAX: u64 = {
    // `u64::from` is not const. The maximum quantity has 20 bits.
    assert!(QUANTITY_MAX == 1_000_000, "MONEY_MINOR_MAX says so");
    match PRICE_MINOR_MAX.checked_mul(1_000_000) {
        Some(max) => max,
        None => panic!("it overflows"),
    }
};

/// An ISO 4217 code: three capital ASCII letters. Whether the code is assigned is not checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// A text that is no currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be three capital letters (ISO 4217)")]
pub struct InvalidCurrency;

impl Currency {
    /// The code.
    pub fn as_str(&self) -> &str {
        // The letters are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_length| InvalidCurrency)?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters)).ok_or(InvalidCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why an amount is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidMoney {
    /// It exceeds [`MONEY_MINOR_MAX`].
    #[error("must be at most {MONEY_MINOR_MAX} minor units")]
    TooMuch,
    /// A difference is negative.
    #[error("must not be negative")]
    Negative,
    /// Two amounts of a sum or a difference have different currencies.
    #[error("must be in {expected}, not in {actual}")]
    OtherCurrency {
        /// The currency of the first amount.
        expected: Currency,
        /// The currency of the second amount.
        actual: Currency,
    },
}

/// An amount: 0 to [`MONEY_MINOR_MAX`] minor units of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    minor: u64,
    currency: Currency,
}

impl Money {
    /// `minor` minor units; [`InvalidMoney::TooMuch`] above [`MONEY_MINOR_MAX`].
    pub fn new(minor: u64, currency: Currency) -> Result<Self, InvalidMoney> {
        (minor <= MONEY_MINOR_MAX).then_some(Self { minor, currency }).ok_or(InvalidMoney::TooMuch)
    }

    /// The price of `quantity` units.
    pub fn of_units(price_minor: u64, quantity: Quantity, currency: Currency) -> Result<Self, InvalidMoney> {
        let minor = price_minor.checked_mul(quantity.get().into()).ok_or(InvalidMoney::TooMuch)?;
        Self::new(minor, currency)
    }

    /// The minor units.
    pub const fn minor(self) -> u64 {
        self.minor
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The sum; an error if it is too much, or the currencies differ.
    pub fn checked_add(self, other: Self) -> Result<Self, InvalidMoney> {
        let other = self.minor_of(other)?;
        Self::new(self.minor.checked_add(other).ok_or(InvalidMoney::TooMuch)?, self.currency)
    }

    /// The difference; an error if it is negative, or the currencies differ.
    pub fn checked_sub(self, other: Self) -> Result<Self, InvalidMoney> {
        let other = self.minor_of(other)?;
        Self::new(self.minor.checked_sub(other).ok_or(InvalidMoney::Negative)?, self.currency)
    }

    /// The minor units of an amount in the same currency.
    fn minor_of(self, other: Self) -> Result<u64, InvalidMoney> {
        if self.currency == other.currency {
            Ok(other.minor)
        } else {
            Err(InvalidMoney::OtherCurrency { expected: self.currency, actual: other.currency })
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.minor, self.currency)
    }
}
