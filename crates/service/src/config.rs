//! Configuration: one TOML file, then the environment; what neither names has its default. Parsed once; a wrong key or value stops
//! the start with its name.

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is not there, or cannot be read.
    #[error("the configuration file {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key is unknown, or its value is of the wrong type or out of range. The text names the key, what was
    /// expected, and whether the file or the environment said it.
    #[error("the configuration is wrong: {0}")]
    Wrong(#[from] Box<figment::Error>),
    /// Each value is right, but they do not fit each other.
    #[error("the configuration is wrong: {key} {expected}")]
    Unfit {
        /// The key.
        key: &'static str,
        /// What it must be.
        expected: String,
    },
}

impl ConfigError {
    /// `key` must be as `expected` says.
    pub fn unfit(key: &'static str, expected: impl ToString) -> Self {
        Self::Unfit { key, expected: expected.to_string() }
    }
}

/// A configuration of `T`: the file (if one is named), overlaid with the variables that begin with `env_prefix` (`FLASHGATE_GATEWAY__LEDGER__PREFIX=x` is `ledger.prefix = "x"`).
///
/// `T` must deny unknown fields, so that a misspelt key is an error and not a default.
pub fn load<T: DeserializeOwned>(file: Option<&Path>, env_prefix: &str) -> Result<T, ConfigError> {
    let mut figment = Figment::new();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        figment = figment.merge(Toml::string(&text));
    }
    figment.merge(Env::prefixed(env_prefix).split("__")).extract().map_err(|wrong| Box::new(wrong).into())
}
