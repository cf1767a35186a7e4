//! The ways to misbehave. As text: a name, and a number behind a colon where there is one: `slow:500`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};
use thiserror::Error;

/// Maximum delay.
pub const DELAY_MAX: Duration = Duration::from_mins(10);
/// Maximum number of failures.
pub const FAILURES_MAX: u32 = 1_000;

const DELAY: Duration = Duration::from_secs(1);
const FAILURES: u32 = 3;

/// How the provider behaves about an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// `prompt`: takes the money and sends the callback at once.
    #[default]
    Prompt,
    /// `slow[:MS]`: the merchant's calls about the attempt take effect at once, and are answered after MS.
    Slow(Duration),
    /// `lost`: sends no callback about the attempt. Only a query shows its state.
    Lost,
    /// `twice`: sends the callback of the payment twice at the same time, with one id.
    Twice,
    /// `late[:MS]`: sends the callback of the payment after MS.
    Late(Duration),
    /// `reversed[:MS]`: gives the money back by itself after MS, 0 by default.
    Reversed(Duration),
    /// `failing[:N]`: answers the next N calls of the merchant about the attempt with 500 and does nothing.
    Failing(u32),
    /// `wrong_amount`: takes one minor unit more than the buyer was asked for.
    WrongAmount,
    /// `wrong_currency`: takes the amount in another currency.
    WrongCurrency,
}

/// How the provider behaves about the refunds of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefundBehaviour {
    /// `succeed`: returns the money at once.
    #[default]
    Succeed,
    /// `pending[:MS]`: returns the money after MS.
    Pending(Duration),
    /// `failing[:N]`: answers the first N requests of a refund with 500 and does nothing; then `succeed`.
    Failing(u32),
    /// `requires_action`: waits for an operator.
    RequiresAction,
    /// `succeed_then_fail[:MS]`: returns the money, and reports after MS that it did not reach the buyer.
    SucceedThenFail(Duration),
    /// `refuse`: refuses the refund for good, with 422.
    Refuse,
    /// `never_answer`: returns the money at once, and never answers.
    NeverAnswer,
}

/// A text that names no behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidBehaviour {
    /// Of an attempt.
    #[error(
        "must be prompt, slow[:MS], lost, twice, late[:MS], reversed[:MS], failing[:N], wrong_amount or \
         wrong_currency; MS at most 600000, N at most {FAILURES_MAX}"
    )]
    OfAttempt,
    /// Of refunds.
    #[error(
        "must be succeed, pending[:MS], failing[:N], requires_action, succeed_then_fail[:MS], refuse or \
         never_answer; MS at most 600000, N at most {FAILURES_MAX}"
    )]
    OfRefund,
}

/// A name and its number.
struct Words<'a> {
    name: &'a str,
    number: Option<&'a str>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        match text.split_once(':') {
            Some((name, number)) => Self { name, number: Some(number) },
            None => Self { name: text, number: None },
        }
    }

    fn is_alone(&self) -> bool {
        self.number.is_none()
    }

    /// The delay; `None` if it is invalid or too long.
    fn delay(&self, default: Duration) -> Option<Duration> {
        let Some(number) = self.number else { return Some(default) };
        number.parse().ok().map(Duration::from_millis).filter(|delay| *delay <= DELAY_MAX)
    }

    /// The number of failures; `None` if it is invalid or too great.
    fn failures(&self) -> Option<u32> {
        let Some(number) = self.number else { return Some(FAILURES) };
        number.parse().ok().filter(|failures| *failures <= FAILURES_MAX)
    }
}

impl FromStr for Behaviour {
    type Err = InvalidBehaviour;

    fn from_str(text: &str) -> Result<Self, InvalidBehaviour> {
        let words = Words::of(text);
        let parsed = match words.name {
            "prompt" if words.is_alone() => Some(Self::Prompt),
            "slow" => words.delay(DELAY).map(Self::Slow),
            "lost" if words.is_alone() => Some(Self::Lost),
            "twice" if words.is_alone() => Some(Self::Twice),
            "late" => words.delay(DELAY).map(Self::Late),
            "reversed" => words.delay(Duration::ZERO).map(Self::Reversed),
            "failing" => words.failures().map(Self::Failing),
            "wrong_amount" if words.is_alone() => Some(Self::WrongAmount),
            "wrong_currency" if words.is_alone() => Some(Self::WrongCurrency),
            _other => None,
        };
        parsed.ok_or(InvalidBehaviour::OfAttempt)
    }
}

impl FromStr for RefundBehaviour {
    type Err = InvalidBehaviour;

    fn from_str(text: &str) -> Result<Self, InvalidBehaviour> {
        let words = Words::of(text);
        let parsed = match words.name {
            "succeed" if words.is_alone() => Some(Self::Succeed),
            "pending" => words.delay(DELAY).map(Self::Pending),
            "failing" => words.failures().map(Self::Failing),
            "requires_action" if words.is_alone() => Some(Self::RequiresAction),
            "succeed_then_fail" => words.delay(DELAY).map(Self::SucceedThenFail),
            "refuse" if words.is_alone() => Some(Self::Refuse),
            "never_answer" if words.is_alone() => Some(Self::NeverAnswer),
            _other => None,
        };
        parsed.ok_or(InvalidBehaviour::OfRefund)
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt => f.write_str("prompt"),
            Self::Slow(delay) => write!(f, "slow:{}", delay.as_millis()),
            Self::Lost => f.write_str("lost"),
            Self::Twice => f.write_str("twice"),
            Self::Late(delay) => write!(f, "late:{}", delay.as_millis()),
            Self::Reversed(delay) => write!(f, "reversed:{}", delay.as_millis()),
            Self::Failing(failures) => write!(f, "failing:{failures}"),
            Self::WrongAmount => f.write_str("wrong_amount"),
            Self::WrongCurrency => f.write_str("wrong_currency"),
        }
    }
}

impl fmt::Display for RefundBehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeed => f.write_str("succeed"),
            Self::Pending(delay) => write!(f, "pending:{}", delay.as_millis()),
            Self::Failing(failures) => write!(f, "failing:{failures}"),
            Self::RequiresAction => f.write_str("requires_action"),
            Self::SucceedThenFail(delay) => write!(f, "succeed_then_fail:{}", delay.as_millis()),
            Self::Refuse => f.write_str("refuse"),
            Self::NeverAnswer => f.write_str("never_answer"),
        }
    }
}

impl<'de> Deserialize<'de> for Behaviour {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for RefundBehaviour {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_behaviour_is_read_back_from_its_text() {
        let ms = Duration::from_millis(250);
        for behaviour in [
            Behaviour::Prompt,
            Behaviour::Slow(ms),
            Behaviour::Lost,
            Behaviour::Twice,
            Behaviour::Late(ms),
            Behaviour::Reversed(ms),
            Behaviour::Failing(7),
            Behaviour::WrongAmount,
            Behaviour::WrongCurrency,
        ] {
            assert_eq!(behaviour.to_string().parse(), Ok(behaviour));
        }
        for behaviour in [
            RefundBehaviour::Succeed,
            RefundBehaviour::Pending(ms),
            RefundBehaviour::Failing(7),
            RefundBehaviour::RequiresAction,
            RefundBehaviour::SucceedThenFail(ms),
            RefundBehaviour::Refuse,
            RefundBehaviour::NeverAnswer,
        ] {
            assert_eq!(behaviour.to_string().parse(), Ok(behaviour));
        }
        assert_eq!("slow".parse(), Ok(Behaviour::Slow(DELAY)));
        assert_eq!("failing".parse(), Ok(RefundBehaviour::Failing(FAILURES)));
    }

    #[test]
    fn every_delay_and_count_has_a_limit() {
        for text in ["", "prompt:1", "slow:600001", "slow:", "slow:-1", "failing:1001", "late:1:2", "Lost"] {
            assert_eq!(text.parse::<Behaviour>(), Err(InvalidBehaviour::OfAttempt), "{text:?}");
        }
        for text in ["", "succeed:1", "pending:600001", "failing:1001", "lost"] {
            assert_eq!(text.parse::<RefundBehaviour>(), Err(InvalidBehaviour::OfRefund), "{text:?}");
        }
    }
}
