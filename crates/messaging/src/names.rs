//! Names of topics and groups, validated once.

use std::{fmt, sync::Arc};

/// RocketMQ's `Validators.TOPIC_MAX_LENGTH`; groups may be longer, but one limit is easier to remember.
const NAME_BYTES_MAX: usize = 120;

/// A name that the broker would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid name {name:?}: must be 1 to {NAME_BYTES_MAX} characters of a-z A-Z 0-9 _ -")]
pub struct InvalidName {
    name: String,
}

fn checked(name: &str) -> Result<Arc<str>, InvalidName> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        return Err(InvalidName { name: name.to_owned() });
    }
    Ok(name.into())
}

/// The name of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

/// The name of a producer group or of a consumer group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(Arc<str>);

impl Topic {
    /// Validates `name`.
    ///
    /// # Errors
    /// [`InvalidName`] for an empty or long name, or one with other characters than letters, digits, `_`, `-`.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        checked(name).map(Self)
    }

    /// The name as the broker stores it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Group {
    /// Validates `name`.
    ///
    /// # Errors
    /// [`InvalidName`] for an empty or long name, or one with other characters than letters, digits, `_`, `-`.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        checked(name).map(Self)
    }

    /// The name as the broker stores it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The topic of this group's dead letters. RocketMQ's own name for it (`MixAll.getDLQTopic`), and the only topic
    /// with a `%` in it.
    pub fn dead_letters(&self) -> Topic {
        Topic(format!("%DLQ%{self}").into())
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, Topic};

    #[test]
    fn a_name_the_broker_would_refuse_is_refused_here() {
        for name in ["", "a b", "a%b", "é", &"x".repeat(121)] {
            assert!(Topic::new(name).is_err(), "{name:?}");
            assert!(Group::new(name).is_err(), "{name:?}");
        }
        assert_eq!(Topic::new("flashgate-batches_1").unwrap().as_str(), "flashgate-batches_1");
    }
}
