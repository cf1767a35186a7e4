//! Reading the files that a configuration names.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Maximum bytes of a file: the certificates of every public authority take 0.25 MB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A file of the configuration cannot be used. `key` is relative to the section of the server: `tls.ca_file`.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("{key}: cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file has no usable content. The content itself is omitted.
    #[error("{key}: {} must be {expected}", .path.display())]
    Unusable {
        /// The key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The expected content.
        expected: String,
    },
    /// A key is missing, or does not fit the others.
    #[error("{key} {expected}")]
    Unfit {
        /// The key.
        key: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl FileError {
    /// An error: the file that `key` names must be as `expected` describes.
    pub fn unusable(key: &'static str, path: &Path, expected: impl ToString) -> Self {
        Self::Unusable { key, path: path.to_owned(), expected: expected.to_string() }
    }
}

/// The content of the file that `key` names: at most 1 MiB.
///
/// # Errors
/// The file cannot be read, or is longer.
pub fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content));
    let length = read.map_err(|source| FileError::Unreadable { key, path: path.to_owned(), source })?;
    if u64::try_from(length).is_ok_and(|length| length <= FILE_BYTES_MAX) {
        Ok(content)
    } else {
        Err(FileError::unusable(key, path, format!("at most {FILE_BYTES_MAX} bytes")))
    }
}
