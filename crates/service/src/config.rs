//! Configuration: one TOML file, then the environment; what neither names has its default. Parsed once; a wrong key or value stops
//! the start with its name.

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    error::Kind,
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
    Wrong(String),
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
    load_over("", file, env_prefix)
}

/// As [`load`], with `defaults`, in TOML, below both: for a `T` whose parts have other defaults than elsewhere, also
/// for the keys that a file leaves out of a table.
pub fn load_over<T: DeserializeOwned>(
    defaults: &str,
    file: Option<&Path>,
    env_prefix: &str,
) -> Result<T, ConfigError> {
    let mut figment = Figment::from(Toml::string(defaults));
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        figment = figment.merge(Toml::string(&text));
    }
    figment.merge(Env::prefixed(env_prefix).split("__")).extract().map_err(|wrong| {
        let told: Vec<String> = wrong.into_iter().map(|one| tell(&one, file, env_prefix)).collect();
        ConfigError::Wrong(told.join("; "))
    })
}

/// The key or the variable, what is wrong with it, and where it stands.
fn tell(wrong: &figment::Error, file: Option<&Path>, env_prefix: &str) -> String {
    let what = if let Kind::UnknownField(_, known) = &wrong.kind {
        format!("there is no such key; there are: {}", known.join(", "))
    } else {
        wrong.kind.to_string()
    };
    let is_variable =
        wrong.metadata.as_ref().is_some_and(|metadata| metadata.name.contains("environment variable"));
    let key = if is_variable {
        format!("{env_prefix}{}", wrong.path.join("__").to_uppercase())
    } else {
        wrong.path.join(".")
    };
    let whose = if key.is_empty() { String::new() } else { format!("{key}: ") };
    let place = match file {
        Some(path) if wrong.metadata.is_some() && !is_variable => format!("{}: ", path.display()),
        Some(_) | None => String::new(),
    };
    format!("{place}{whose}{what}")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        #[expect(dead_code, reason = "only parsed")]
        listen: Listen,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Listen {
        port: u16,
    }

    #[test]
    fn a_wrong_file_is_named_with_the_key_and_what_was_expected() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        let mut check = |text: &str| {
            file.as_file().set_len(0).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            load::<Config>(Some(&path), "FLASHGATE_NO_SUCH_PREFIX__").map_err(|wrong| wrong.to_string())
        };
        let place = format!("the configuration is wrong: {}: ", path.display());
        check("[listen]\nport = 1").unwrap();
        for (text, told) in [
            ("[listen]\nprot = 1", "listen.prot: there is no such key; there are: port"),
            ("[listen]\nport = \"x\"", "listen.port: invalid type: found string \"x\", expected u16"),
            ("listen = 1\nport", ""),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.starts_with(&format!("{place}{told}")), "{error}");
        }
    }
}
