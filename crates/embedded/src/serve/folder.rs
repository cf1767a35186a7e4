//! The data folder of a deployment in one process, and the lock that excludes other processes.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
};

use flashgate_output::exit::CliError;

use super::disk::Space;

/// A folder that is locked by this process until dropped, or until the process ends in any way.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// The default folder: in the user's data folder.
    pub(crate) fn default_path() -> Result<PathBuf, CliError> {
        let user = dirs::data_local_dir()
            .ok_or_else(|| CliError::flag("--data-dir", "is needed: this user has no data folder"))?;
        Ok(user.join("flashgate"))
    }

    /// Creates the folder if necessary, and locks it.
    ///
    /// # Errors
    /// [`CliError::FolderInUse`], [`CliError::NotWritable`] or [`CliError::DiskFull`]; then nothing in it was
    /// changed.
    pub(crate) fn take(path: &Path) -> Result<Self, CliError> {
        fs::create_dir_all(path).map_err(|why| unusable(path, &why))?;
        let path = fs::canonicalize(path).map_err(|why| unusable(path, &why))?;
        if path.to_str().is_none() {
            return Err(CliError::flag("--data-dir", "must be a path in Unicode: the broker needs one"));
        }
        let file = path.join("lock");
        let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file);
        let mut lock = lock.map_err(|why| unusable(&path, &why))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(&path, &mut lock)),
            Err(TryLockError::Error(why)) => return Err(unusable(&path, &why)),
        }
        enough_space(&path)?;
        // The process id, for a second process and for people.
        let written = lock.set_len(0).and_then(|()| write!(lock, "{}", process::id()));
        written.and_then(|()| lock.sync_all()).map_err(|why| unusable(&path, &why))?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the gateway's ledger: stock and deduction log.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.path.join("ledger.sqlite")
    }

    /// The file of the order worker's store: sales and orders.
    pub(crate) fn orders(&self) -> PathBuf {
        self.path.join("orders.sqlite")
    }

    /// The folder of the broker's messages.
    pub(crate) fn broker(&self) -> PathBuf {
        self.path.join("broker")
    }
}

fn in_use(path: &Path, lock: &mut File) -> CliError {
    let mut holder = String::new();
    let read = lock.read_to_string(&mut holder);
    let holder = match read {
        Ok(_) if !holder.is_empty() => format!("process {holder}"),
        Ok(_) | Err(_) => "another process".to_owned(),
    };
    let path = path.display();
    CliError::FolderInUse(format!("{path} is in use by {holder}; --data-dir FOLDER names another folder"))
}

/// Checks that the disk of `path` has enough space for a start.
pub(crate) fn enough_space(path: &Path) -> Result<(), CliError> {
    let space = Space::of(path).map_err(|why| unusable(path, &why))?;
    match space.too_small_to_start() {
        None => Ok(()),
        Some(why) => Err(CliError::DiskFull(format!(
            "{}: {why}; make room, or name a folder on another disk with --data-dir",
            path.display()
        ))),
    }
}

/// Maps a file system error to an error about the folder.
pub(crate) fn unusable(path: &Path, why: &io::Error) -> CliError {
    let text = format!("{}: {why}", path.display());
    if matches!(why.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return CliError::DiskFull(text);
    }
    CliError::NotWritable(format!("{text}; --data-dir FOLDER names another folder"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once_and_free_again_when_its_holder_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/here");
        let held = DataFolder::take(&path).unwrap();
        let second = DataFolder::take(&path).unwrap_err();
        assert!(matches!(second, CliError::FolderInUse(_)), "{second}");
        assert!(second.to_string().contains(&process::id().to_string()), "{second}");
        drop(held);
        assert!(DataFolder::take(&path).is_ok());
    }

    #[test]
    fn a_path_that_is_a_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let fault = DataFolder::take(file.path()).unwrap_err();
        assert!(matches!(fault, CliError::NotWritable(_)), "{fault}");
    }
}
