//! Passwords: from the configuration, its environment, or a file.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de};

use crate::file::{self, FileError};

/// The key of the file with the password.
const FILE: &str = "password_file";

/// A password. `Debug` omits the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, to log in with.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_string(TextOnly)
    }
}

/// The errors of serde's own visitors quote the value.
struct TextOnly;

impl TextOnly {
    fn refuse<E: de::Error>() -> Result<Secret, E> {
        Err(E::custom("must be text in quotes"))
    }
}

impl de::Visitor<'_> for TextOnly {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        if text.is_empty() { Err(E::custom("must not be empty")) } else { Ok(Secret(text.to_owned())) }
    }

    fn visit_bool<E: de::Error>(self, _value: bool) -> Result<Secret, E> {
        Self::refuse()
    }

    fn visit_i64<E: de::Error>(self, _value: i64) -> Result<Secret, E> {
        Self::refuse()
    }

    fn visit_u64<E: de::Error>(self, _value: u64) -> Result<Secret, E> {
        Self::refuse()
    }

    fn visit_f64<E: de::Error>(self, _value: f64) -> Result<Secret, E> {
        Self::refuse()
    }
}

/// Where the password of a connection comes from: `password` and `password_file` of a section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Password {
    /// From the URL, or there is none.
    #[default]
    OfUrl,
    /// From the configuration or its environment.
    Text(Secret),
    /// From a file, read for each connection.
    File(PathBuf),
}

impl Password {
    /// The password of a section with these two keys, whose URL has a password if `in_url`.
    ///
    /// # Errors
    /// There is more than one.
    pub fn of(text: Option<&Secret>, file: Option<&PathBuf>, in_url: bool) -> Result<Self, FileError> {
        match (text, file) {
            (None, None) => Ok(Self::OfUrl),
            (Some(_), None) if in_url => {
                Err(FileError::Unfit { key: "password", expected: "must be omitted: the URL has a password" })
            }
            (None, Some(_)) if in_url => {
                Err(FileError::Unfit { key: FILE, expected: "must be omitted: the URL has a password" })
            }
            (Some(text), None) => Ok(Self::Text(text.clone())),
            (None, Some(file)) => Ok(Self::File(file.clone())),
            (Some(_), Some(_)) => {
                Err(FileError::Unfit { key: FILE, expected: "must be omitted: there is a password" })
            }
        }
    }

    /// The password now; `None`: that of the URL. One line break at the end of a file does not belong to it.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold one line of text.
    pub fn read(&self) -> Result<Option<Secret>, FileError> {
        let path = match self {
            Self::OfUrl => return Ok(None),
            Self::Text(secret) => return Ok(Some(secret.clone())),
            Self::File(path) => path,
        };
        read_secret(FILE, path).map(Some)
    }
}

/// The secret in the file that `key` names. One line break at the end of the file does not belong to it.
///
/// # Errors
/// The file cannot be read, or does not hold one line of text.
pub fn read_secret(key: &'static str, path: &Path) -> Result<Secret, FileError> {
    let content = String::from_utf8(file::read(key, path)?).unwrap_or_default();
    let line = content.strip_suffix('\n').map_or(&*content, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() || line.contains('\n') {
        return Err(FileError::unusable(key, path, "one line of text"));
    }
    Ok(Secret(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_password_comes_from_one_place() {
        let (text, file) = (Secret::from("hunter2".to_owned()), PathBuf::from("/run/secrets/x"));
        let password =
            |text, file, in_url| Password::of(text, file, in_url).map_err(|wrong| wrong.to_string());
        assert_eq!(password(None, None, true), Ok(Password::OfUrl));
        assert_eq!(password(Some(&text), None, false), Ok(Password::Text(text.clone())));
        assert_eq!(password(None, Some(&file), false), Ok(Password::File(file.clone())));
        for (text, file, in_url, key) in [
            (Some(&text), Some(&file), false, "password_file must be omitted"),
            (Some(&text), None, true, "password must be omitted"),
            (None, Some(&file), true, "password_file must be omitted"),
        ] {
            assert!(password(text, file, in_url).unwrap_err().starts_with(key));
        }
    }

    #[test]
    fn a_file_is_read_each_time_and_its_last_line_break_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let password = Password::File(path.clone());
        for (content, expected) in
            [("one", "one"), ("two\n", "two"), ("three\r\n", "three"), (" 4 \n", " 4 ")]
        {
            fs::write(&path, content).unwrap();
            assert_eq!(password.read().unwrap().unwrap().expose(), expected);
        }
        for content in ["", "\n", "hunter2\nmore\n", "\n\n"] {
            fs::write(&path, content).unwrap();
            let wrong = password.read().unwrap_err().to_string();
            assert!(wrong.starts_with("password_file: ") && !wrong.contains("hunter2"), "{wrong}");
        }
        fs::remove_file(&path).unwrap();
        assert!(password.read().unwrap_err().to_string().contains("cannot read"));
    }

    #[test]
    fn a_password_is_never_shown() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only parsed and shown")]
        struct Section {
            password: Secret,
        }
        let section: Section = toml::from_str("password = \"hunter2\"").unwrap();
        assert!(!format!("{section:?}").contains("hunter2"));
        for wrong in ["password = 4711", "password = 47.11", "password = true", "password = \"\""] {
            let wrong = toml::from_str::<Section>(wrong).unwrap_err();
            assert!(wrong.message().starts_with("must "), "{}", wrong.message());
        }
    }
}
