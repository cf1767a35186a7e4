//! The schema version: `PRAGMA user_version`, migrated to this version's when the store is opened.

use rusqlite::{Connection, Result, TransactionBehavior};

/// `PRAGMA application_id` of an order store of flashgate: "FGor".
pub(crate) const APPLICATION_ID: u32 = 0x4647_6F72;
/// Migration `i` leads to version `i + 1`. Version, description and text of the files of `migrations/sqlite`.
const MIGRATIONS: &[(i64, &str, &str)] = &include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// The marks in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The owner: [`APPLICATION_ID`], or 0 if it is not set.
    pub(crate) application_id: u32,
    /// The last applied migration; 0 for none.
    pub(crate) version: u32,
    /// Whether there is any table, index or view.
    pub(crate) is_empty: bool,
}

/// The version that this build writes.
pub(crate) fn known_version() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Reads the marks: the first access to the file.
pub(crate) fn marks(connection: &Connection) -> Result<Marks> {
    let objects: u64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // Both are signed in the file; a negative value is neither ours nor a known version.
    let number = |signed: i64| u32::try_from(signed).unwrap_or(u32::MAX);
    Ok(Marks {
        application_id: number(pragma("application_id")?),
        version: number(pragma("user_version")?),
        is_empty: objects == 0,
    })
}

/// Applies the migrations after `version`, all or none.
pub(crate) fn migrate(connection: &mut Connection, version: u32) -> Result<()> {
    let applied = usize::try_from(version).unwrap_or(usize::MAX);
    let Some(missing) = MIGRATIONS.get(applied..).filter(|missing| !missing.is_empty()) else {
        return Ok(());
    };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    for (_version, _description, text) in missing {
        transaction.execute_batch(text)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known_version())?;
    transaction.commit()
}
