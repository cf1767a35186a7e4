//! Opens the file: checks its owner and integrity, and reports what an operator must fix.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, Error, ErrorCode, OpenFlags};
use thiserror::Error as ThisError;

use crate::{
    schema::{self, APPLICATION_ID, Marks},
    settings::{self, SqliteSettings},
};

/// Why the order store cannot be opened. A file that is no order store, damaged or newer is unchanged.
#[derive(Debug, ThisError)]
pub enum OpenError {
    /// The file is not a database, or belongs to another program.
    #[error("{} is not an order store of flashgate", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("{} is damaged: {finding}", path.display())]
    Corrupted {
        /// The file.
        path: PathBuf,
        /// The first finding of the check.
        finding: String,
    },
    /// A later version has migrated it.
    #[error("{}: schema version {found} is newer than {known}; use a newer flashgate", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The last version that this build supports.
        known: u32,
    },
    /// Another process has it open, or this one has already.
    #[error("{} is in use by another process", path.display())]
    Held {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be created or written.
    #[error("cannot write {}: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: &'static str,
    },
    /// There is no disk space for it.
    #[error("cannot write {}: the disk is full", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Any other error.
    #[error("cannot open {}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of SQLite or of the system.
        reason: String,
    },
}

impl OpenError {
    fn of(path: &Path, error: &Error) -> Self {
        let (path, reason) = (path.to_owned(), error.to_string());
        let Some(code) = error.sqlite_error_code() else { return Self::Io { path, reason } };
        if code == ErrorCode::NotADatabase {
            Self::Foreign { path }
        } else if code == ErrorCode::DatabaseCorrupt {
            Self::Corrupted { path, finding: reason }
        } else if matches!(code, ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) {
            Self::Held { path }
        } else if matches!(code, ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) {
            let why = obstacle(&path);
            Self::Unusable { path, why }
        } else if code == ErrorCode::DiskFull {
            Self::Full { path }
        } else {
            Self::Io { path, reason }
        }
    }
}

/// The minimum size of a page of SQLite. It takes a shorter file for an empty one, and would overwrite it.
const DATABASE_BYTES_MIN: u64 = 512;

/// Whether the file has contents that cannot be a database.
fn is_scrap(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && (1..DATABASE_BYTES_MIN).contains(&file.len()))
}

/// Why a file cannot be opened for writing. Never opens the file: closing it again would release the locks that this
/// process may have on it.
fn obstacle(path: &Path) -> &'static str {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() {
        return "it is a folder";
    }
    match fs::metadata(folder) {
        Ok(folder) if folder.is_dir() => "the file or its folder is read-only",
        Ok(_file) => "its folder is a file",
        Err(_missing) => "its folder does not exist, or is not accessible",
    }
}

/// Opens or creates the file, and migrates it to the schema of this version.
pub(crate) fn open(path: &Path, settings: &SqliteSettings) -> Result<Connection, OpenError> {
    if is_scrap(path) {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    // No URIs, so that a path is a path; no mutex, since one thread has the connection.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let fault = |error: Error| OpenError::of(path, &error);
    let mut connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    settings::before_first_look(&connection).map_err(fault)?;
    let marks = schema::marks(&connection).map_err(fault)?;
    check(path, marks)?;
    if connection.is_readonly("main").map_err(fault)? {
        return Err(OpenError::Unusable { path: path.to_owned(), why: obstacle(path) });
    }
    check_pages(path, &connection)?;
    let mode = settings::before_first_write(&connection, settings).map_err(fault)?;
    if mode != "wal" {
        let reason = format!("its journal mode is {mode}, not wal");
        return Err(OpenError::Io { path: path.to_owned(), reason });
    }
    schema::migrate(&mut connection, marks.version).map_err(fault)?;
    Ok(connection)
}

/// Checks that the file is an order store that this version can read, or new.
fn check(path: &Path, marks: Marks) -> Result<(), OpenError> {
    let path = path.to_owned();
    let is_new = marks == Marks { application_id: 0, version: 0, is_empty: true };
    let known = schema::known_version();
    if marks.application_id != APPLICATION_ID && !is_new {
        Err(OpenError::Foreign { path })
    } else if marks.version > known {
        Err(OpenError::Newer { path, found: marks.version, known })
    } else {
        Ok(())
    }
}

/// Reports at most three findings: one is enough to restore a backup.
const QUICK_CHECK: &str = "PRAGMA quick_check(3)";

/// Reads every page once. Later damage is found by the call that reads it.
fn check_pages(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let finding = connection.query_row(QUICK_CHECK, (), |row| row.get::<_, String>(0));
    match finding {
        Ok(finding) if finding == "ok" => Ok(()),
        Ok(finding) => Err(OpenError::Corrupted { path: path.to_owned(), finding }),
        Err(error) => Err(OpenError::of(path, &error)),
    }
}
