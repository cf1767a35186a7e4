//! Opens the file, creates it, or reports why it cannot be used. A file that is not this ledger's is unchanged.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use flashgate_domain::id::ShardCount;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use thiserror::Error;

use super::{index::LedgerIndex, store::Store};

/// Marks a file as a ledger of flashgate: "FLGL".
const APPLICATION_ID: i32 = 0x464C_474C;
/// The version of `sql/schema.sql`.
const SCHEMA_VERSION: i32 = 4;
/// Maximum findings reported of a damaged file.
const FINDINGS_MAX: u8 = 3;

/// The file cannot be opened as a ledger.
#[derive(Debug, Error)]
#[error("cannot open the ledger {path}: {reason}", path = path.display())]
pub struct SqliteOpenError {
    /// The file.
    pub path: PathBuf,
    /// The cause.
    #[source]
    pub reason: Unusable,
}

/// Why a file cannot be used as a ledger. The file is unchanged.
#[derive(Debug, Error)]
pub enum Unusable {
    /// The file has other contents.
    #[error("the file is not a SQLite database")]
    NotADatabase,
    /// A database of another program, or of another part of flashgate.
    #[error("the file is a database, but not a flashgate ledger")]
    NotALedger,
    /// It is a damaged ledger.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// A later version of flashgate created it.
    #[error("schema version {found} is newer than {known}; use a newer flashgate")]
    NewerSchema {
        /// The version in the file.
        found: i32,
        /// The newest version that this program supports.
        known: i32,
    },
    /// It was created with another number of shards, so that sales would not be found.
    #[error("the ledger has {found} shards, not {asked}; the number cannot change")]
    OtherShards {
        /// The number in the file.
        found: u16,
        /// The requested number.
        asked: u16,
    },
    /// Another process has it open.
    #[error("the file is in use by another process")]
    Locked,
    /// The file or its folder cannot be written.
    #[error("the file or its folder is read-only")]
    ReadOnly,
    /// Another error of the operating system: no such folder, a full disk, a broken disk.
    #[error("{0}")]
    Io(String),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error_code() else { return Self::Damaged(error.to_string()) };
        let is = |codes: &[ErrorCode]| codes.contains(&code);
        if is(&[ErrorCode::NotADatabase]) {
            Self::NotADatabase
        } else if is(&[ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked]) {
            Self::Locked
        } else if is(&[ErrorCode::ReadOnly, ErrorCode::PermissionDenied]) {
            Self::ReadOnly
        } else if is(&[ErrorCode::CannotOpen, ErrorCode::SystemIoFailure, ErrorCode::DiskFull]) {
            Self::Io(error.to_string())
        } else {
            Self::Damaged(error.to_string())
        }
    }
}

/// Opens the file, or creates it, and reads its contents.
pub(super) fn open(path: &Path, shards: ShardCount) -> Result<(Store, LedgerIndex), SqliteOpenError> {
    let fault = |reason| SqliteOpenError { path: path.to_owned(), reason };
    // SQLite takes a path that begins with "file:" for a URI.
    let whole = std::path::absolute(path).map_err(|error| fault(Unusable::Io(error.to_string())))?;
    let opened = connect(&whole).and_then(|store| {
        set_up(&store, shards)?;
        let index = LedgerIndex::load(&store, shards)?;
        Ok((store, index))
    });
    opened.map_err(|reason| fault(precise(reason, &whole)))
}

fn connect(path: &Path) -> Result<Store, Unusable> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // A process that has the file keeps it: waiting would not help.
    connection.busy_timeout(Duration::ZERO)?;
    connection.execute_batch(include_str!("../sql/settings.sql"))?;
    if connection.is_readonly("main")? {
        return Err(Unusable::ReadOnly);
    }
    Ok(Store::new(connection))
}

fn set_up(store: &Store, shards: ShardCount) -> Result<(), Unusable> {
    let connection = store.connection();
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let empty = (application, version, tables) == (0, 0, 0);
    if !empty && application != APPLICATION_ID {
        return Err(Unusable::NotALedger);
    }
    if version > SCHEMA_VERSION {
        return Err(Unusable::NewerSchema { found: version, known: SCHEMA_VERSION });
    }
    if !empty {
        check(connection)?;
    }
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Unusable::Io(format!("the file system supports no write-ahead log, only {mode}")));
    }
    if empty {
        store.begin()?;
        store.create(shards.get())?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        store.commit()?;
    } else if version < SCHEMA_VERSION {
        store.begin()?;
        store.upgrade(version)?;
        connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        store.commit()?;
    }
    // A killed process may have left data that it had written and not yet synced. The data counts as committed
    // from now on, so it must be on the disk before any call reads it.
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy { Err(Unusable::Locked) } else { Ok(()) }
}

fn check(connection: &Connection) -> Result<(), Unusable> {
    let mut statement = connection.prepare(&format!("PRAGMA quick_check({FINDINGS_MAX})"))?;
    let findings: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if findings == ["ok"] { Ok(()) } else { Err(Unusable::Damaged(findings.join("; "))) }
}

/// SQLite reports only that a file cannot be opened; its folder shows why.
fn precise(reason: Unusable, path: &Path) -> Unusable {
    let Unusable::Io(said) = &reason else { return reason };
    let folder = path.parent().unwrap_or(path);
    if path.is_dir() {
        return Unusable::Io("it is a folder, not a file".to_owned());
    }
    // Never the file itself: closing it would release the locks of another user of it in this process.
    let probe = folder.join(format!(".{}.probe", path.file_name().unwrap_or_default().display()));
    match fs::OpenOptions::new().write(true).create_new(true).open(&probe) {
        Ok(_made) => {
            let _left_behind = fs::remove_file(&probe);
            reason
        }
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            Unusable::ReadOnly
        }
        Err(error) => Unusable::Io(format!("{said} ({error})")),
    }
}
