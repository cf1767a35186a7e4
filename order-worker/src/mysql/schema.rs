//! The version of the schema: applied by `order-worker migrate`, compared before the worker serves.

use sqlx::{
    Connection, MySqlConnection, Row,
    migrate::{MigrateError, Migrator},
    mysql::MySqlDatabaseError,
};
use thiserror::Error;

use super::{MySqlStore, fault::Trouble, lend, within};
use crate::store::StoreFault;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/mysql");
const MIGRATIONS_SELECT: &str = include_str!("../../sql/migrations_select.sql");
/// `ER_NO_SUCH_TABLE`.
const NO_SUCH_TABLE: u16 = 1146;

/// Why this version of the worker cannot serve on the database.
#[derive(Debug, Error)]
pub enum SchemaFault {
    /// Migrations are missing.
    #[error("the schema is old: it is at {found}, this version needs {needed}; run `order-worker migrate`")]
    Old {
        /// The last migration that was applied; 0 for none.
        found: i64,
        /// The last migration of this version.
        needed: i64,
    },
    /// A later version has migrated it.
    #[error("the schema is newer than this version: it is at {found}, this version knows {known}")]
    New {
        /// The last migration that was applied.
        found: i64,
        /// The last migration of this version.
        known: i64,
    },
    /// A migration failed half way, or another text was applied under its number.
    #[error("migration {version} was not applied as this version has it; an operator must look")]
    Different {
        /// The migration.
        version: i64,
    },
    /// The database does not answer, so nobody knows.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

struct Applied {
    version: i64,
    checksum: Vec<u8>,
    success: bool,
}

impl MySqlStore {
    /// Applies the migrations that are missing. Safe to run twice, and twice at once.
    ///
    /// # Errors
    /// What the migration that failed was told. MySQL cannot undo the statements of it that succeeded.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        // A connection of its own: a migration may take as long as it needs, also with the lock that keeps others out.
        let mut connection = MySqlConnection::connect_with(self.pool.options()).await?;
        MIGRATIONS.run(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// Whether the schema is the one of this version.
    ///
    /// # Errors
    /// [`SchemaFault::Store`] passes when the database is back; the others need an operator.
    pub async fn check_schema(&self) -> Result<(), SchemaFault> {
        compare(&lend!(self, self.call_timeout, |connection| applied(connection)).map_err(StoreFault::from)?)
    }
}

async fn applied(connection: &mut MySqlConnection) -> Result<Vec<Applied>, Trouble> {
    let rows = match sqlx::query(MIGRATIONS_SELECT).fetch_all(connection).await {
        Err(error) if is_missing_table(&error) => Vec::new(),
        rows => rows?,
    };
    let applied = rows.iter().map(|row| {
        let (version, checksum) = (row.try_get("version")?, row.try_get("checksum")?);
        Ok(Applied { version, checksum, success: row.try_get("success")? })
    });
    applied.collect()
}

fn is_missing_table(error: &sqlx::Error) -> bool {
    let error = error.as_database_error().and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
    error.is_some_and(|error| error.number() == NO_SUCH_TABLE)
}

fn compare(applied: &[Applied]) -> Result<(), SchemaFault> {
    let needed = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found = applied.iter().map(|row| row.version).max().unwrap_or(0);
    for row in applied {
        let ours = MIGRATIONS.iter().find(|migration| migration.version == row.version);
        match ours {
            Some(ours) if row.success && ours.checksum.as_ref() == row.checksum => {}
            Some(_) => return Err(SchemaFault::Different { version: row.version }),
            None if row.version > needed => return Err(SchemaFault::New { found, known: needed }),
            None => return Err(SchemaFault::Different { version: row.version }),
        }
    }
    if applied.len() < MIGRATIONS.iter().count() { Err(SchemaFault::Old { found, needed }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{Applied, MIGRATIONS, SchemaFault, compare};

    fn ours() -> Vec<Applied> {
        let applied = MIGRATIONS.iter().map(|migration| Applied {
            version: migration.version,
            checksum: migration.checksum.to_vec(),
            success: true,
        });
        applied.collect()
    }

    #[test]
    fn only_the_schema_of_this_version_is_served() {
        assert!(compare(&ours()).is_ok());
        assert!(matches!(compare(&[]), Err(SchemaFault::Old { found: 0, .. })));

        let mut newer = ours();
        newer.push(Applied { version: 9_999, checksum: Vec::new(), success: true });
        assert!(matches!(compare(&newer), Err(SchemaFault::New { found: 9_999, .. })));

        let mut half_applied = ours();
        half_applied[0].success = false;
        assert!(matches!(compare(&half_applied), Err(SchemaFault::Different { version: 1 })));

        let mut altered = ours();
        altered[0].checksum = vec![0];
        assert!(matches!(compare(&altered), Err(SchemaFault::Different { version: 1 })));
    }
}
