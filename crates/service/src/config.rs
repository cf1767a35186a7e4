//! Configuration: one TOML file, overridden by the environment; other keys have defaults. Parsed once; an error stops
//! the start and names the key.

#[cfg(feature = "contract")]
pub mod contract;
mod variables;

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    error::Kind,
    providers::{Format, Toml},
};
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why a configuration is invalid.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file does not exist, or cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A key is unknown, or its value is of the wrong type or out of range. The text names the key, the expected
    /// value, and the source: file or environment.
    #[error("invalid configuration: {0}")]
    Wrong(String),
    /// Each value is valid, but not together with the others.
    #[error("invalid configuration: {key} {expected}")]
    Unfit {
        /// The key.
        key: &'static str,
        /// What it must be.
        expected: String,
    },
}

impl ConfigError {
    /// An error: `key` must be as `expected` describes.
    pub fn unfit(key: &'static str, expected: impl ToString) -> Self {
        Self::Unfit { key, expected: expected.to_string() }
    }
}

/// Loads a `T`: the file (if given), overridden by the variables that begin with `env_prefix`
/// (`FLASHGATE_GATEWAY__REDIS__PREFIX=x` is `redis.prefix = "x"`). Where a setting takes text, a variable is text,
/// even if it looks like a number, `true` or a list.
///
/// `T` must deny unknown fields, so that a misspelt key is an error and not a default.
pub fn load<T: DeserializeOwned>(file: Option<&Path>, env_prefix: &str) -> Result<T, ConfigError> {
    load_over("", file, env_prefix)
}

/// As [`load`], with `defaults`, in TOML, below both: for a `T` whose components have other defaults than elsewhere,
/// also for the keys that a file omits in a table.
pub fn load_over<T: DeserializeOwned>(
    defaults: &str,
    file: Option<&Path>,
    env_prefix: &str,
) -> Result<T, ConfigError> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    load_from(defaults, file, env_prefix, env::vars_os().map(|(name, value)| (text(name), text(value))))
}

/// As [`load_over`], with these variables instead of the process's own.
fn load_from<T: DeserializeOwned>(
    defaults: &str,
    file: Option<&Path>,
    env_prefix: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let mut figment = Figment::from(Toml::string(defaults));
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        figment = figment.merge(Toml::string(&text));
    }
    variables::extract(&figment, env_prefix, variables).map_err(|wrong| {
        let told: Vec<String> = (*wrong).into_iter().map(|one| tell(&one, file, env_prefix)).collect();
        ConfigError::Wrong(told.join("; "))
    })
}

/// The key or the variable, the error, and its source.
fn tell(wrong: &figment::Error, file: Option<&Path>, env_prefix: &str) -> String {
    let what = if let Kind::UnknownField(_, known) = &wrong.kind {
        format!("unknown key; valid keys: {}", known.join(", "))
    } else {
        wrong.kind.to_string()
    };
    let is_variable =
        wrong.metadata.as_ref().is_some_and(|metadata| metadata.name.contains(variables::METADATA));
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

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Mixed {
        name: String,
        count: u32,
        share: f64,
        is_on: bool,
        names: Vec<String>,
        table: Table,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Table {
        name: Option<String>,
        count: Option<u16>,
    }

    fn from_variables(variables: &[(&str, &str)]) -> Result<Mixed, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load_from("", None, "T__", variables).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn a_variable_is_text_where_text_is_expected_and_else_what_it_says() {
        for text in ["2026", "true", "1e5", "1.5", "[x", "[x]", "{a=1}", "x", "x=y, z"] {
            let read = from_variables(&[("T__NAME", text), ("T__TABLE__NAME", text)]).unwrap();
            assert_eq!((read.name.as_str(), read.table.name.as_deref()), (text, Some(text)));
        }
        let read = from_variables(&[
            ("t__count", "7"),
            ("T__SHARE", "0.5"),
            ("T__IS_ON", "true"),
            ("T__NAMES", "[a, b]"),
            ("T__NAME", "\"quoted\""),
            ("T__TABLE__COUNT", "9"),
            ("T__TABLE", "{name=x, count=1}"),
            ("OTHER__COUNT", "x"),
        ]);
        let table = Table { name: Some("x".to_owned()), count: Some(9) };
        let names = vec!["a".to_owned(), "b".to_owned()];
        let expected = Mixed { name: "quoted".to_owned(), count: 7, share: 0.5, is_on: true, names, table };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn a_wrong_variable_is_named_with_what_was_expected() {
        let told = |name, value| from_variables(&[(name, value)]).unwrap_err();
        let wrong = "invalid configuration: ";
        assert_eq!(
            told("T__COUNT", "x"),
            format!("{wrong}T__COUNT: invalid type: found string \"x\", expected u32")
        );
        assert_eq!(
            told("T__TABLE__COUNT", "-1"),
            format!("{wrong}T__TABLE__COUNT: invalid value signed int `-1`, expected u16")
        );
        assert!(told("T__CUONT", "1").starts_with(&format!("{wrong}T__CUONT: unknown key")));
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
        let place = format!("invalid configuration: {}: ", path.display());
        check("[listen]\nport = 1").unwrap();
        for (text, told) in [
            ("[listen]\nprot = 1", "listen.prot: unknown key; valid keys: port"),
            ("[listen]\nport = \"x\"", "listen.port: invalid type: found string \"x\", expected u16"),
            ("listen = 1\nport", ""),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.starts_with(&format!("{place}{told}")), "{error}");
        }
    }
}
