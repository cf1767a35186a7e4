//! The chain of causes of an error.
//!
//! A crate of its own, since `flashgate-embedded-broker` needs it, which takes minutes to compile: it depends on no crate
//! that changes.

use std::{error::Error, iter::successors};

/// The causes of `error`, the nearest first, without `error` itself.
pub fn sources<'e>(error: &'e dyn Error) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    successors(error.source(), |cause| (*cause).source())
}

/// `error` and its causes as one line, joined by colons. A cause is left out if the text before already ends with it.
pub fn causes(error: &dyn Error) -> String {
    sources(error).map(ToString::to_string).fold(error.to_string(), |text, cause| {
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::causes;

    #[derive(Debug, Error)]
    #[error("{text}")]
    struct Level {
        text: &'static str,
        source: Option<Box<Level>>,
    }

    fn chain(texts: &[&'static str]) -> Option<Box<Level>> {
        let (text, rest) = texts.split_first()?;
        Some(Box::new(Level { text, source: chain(rest) }))
    }

    #[test]
    fn each_cause_is_named_once() {
        let error = chain(&["cannot start: no port", "no port", "address in use"]).unwrap();
        assert_eq!(causes(&error), "cannot start: no port: address in use");
    }
}
