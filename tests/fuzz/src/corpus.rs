//! What fuzzing begins with.

use std::{fs, path::PathBuf};

use anyhow::Context;

use crate::target::Target;

/// `corpus/<target>` in this package.
pub fn folder(target: Target) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// Every input of the target, by the names of their files.
///
/// # Errors
/// If one cannot be read.
pub fn inputs(target: Target) -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = folder(target);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(|path| fs::read(path).with_context(|| path.display().to_string())).collect()
}
