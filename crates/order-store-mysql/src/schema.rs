//! The schema version: applied by `order-worker migrate`, checked before the worker starts.

use std::sync::LazyLock;

use async_trait::async_trait;
use flashgate_order_store::{
    StoreError,
    server::{MigrationError, SchemaError, ServerStore},
};
use sqlx::{
    Connection, Executor, MySqlConnection, Row, SqlSafeStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    mysql::MySqlDatabaseError,
};

use crate::{MySqlStore, fault::QueryError, lend, within};

/// Version, description and text of the files of `migrations/mysql`.
const MIGRATION_FILES: &[(i64, &str, &str)] = &include!(concat!(env!("OUT_DIR"), "/migrations.rs"));
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let migration = |(version, description, text): &(i64, &'static str, &'static str)| {
        Migration::new(*version, (*description).into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATION_FILES.iter().map(migration).collect())
});
const MIGRATIONS_SELECT: &str = include_str!("../sql/migrations_select.sql");
const RIGHTS_CHECK: &str = include_str!("../sql/rights_check.sql");
/// `ER_NO_SUCH_TABLE`.
const NO_SUCH_TABLE: u16 = 1146;

struct Applied {
    version: i64,
    checksum: Vec<u8>,
    success: bool,
}

#[async_trait]
impl ServerStore for MySqlStore {
    async fn check_schema(&self) -> Result<(), SchemaError> {
        let failed = |error: QueryError| match self.pool.connector().refusal(error) {
            Ok(refused) => SchemaError::Access(refused),
            Err(error) => SchemaError::Store(StoreError::from(error)),
        };
        compare(&lend!(self, self.call_timeout, |connection| applied(connection)).map_err(failed)?)?;
        lend!(self, self.call_timeout, |connection| check_rights(connection)).map_err(failed)
    }

    /// MySQL cannot undo the statements of a failed migration that succeeded.
    async fn migrate(&self) -> Result<(), MigrationError> {
        let connector = self.pool.connector();
        let failed = |error: QueryError| match connector.refusal(error) {
            Ok(refused) => MigrationError::Access(refused),
            Err(error) => MigrationError::Failed(error.into()),
        };
        // A separate connection: a migration may take any time, including the lock that excludes other migrations.
        let mut connection = connector.connect().await.map_err(failed)?;
        // Not `run`, whose future is not `Send` here: its `Acquire` is not general enough (as sqlx documents).
        if let Err(error) = MIGRATIONS.run_direct(None, &mut connection, false).await {
            let refused =
                if let MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) = &error {
                    connector.refusal_of(cause)
                } else {
                    None
                };
            return Err(refused.map_or_else(|| MigrationError::Failed(error.into()), MigrationError::Access));
        }
        connection.close().await.map_err(|error| failed(error.into()))
    }
}

/// Fails at the first right that the user lacks. The statements read and write no row.
async fn check_rights(connection: &mut MySqlConnection) -> Result<(), QueryError> {
    for statement in RIGHTS_CHECK.lines().filter(|line| !line.is_empty() && !line.starts_with("--")) {
        connection.execute(statement).await?;
    }
    Ok(())
}

async fn applied(connection: &mut MySqlConnection) -> Result<Vec<Applied>, QueryError> {
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

fn compare(applied: &[Applied]) -> Result<(), SchemaError> {
    let needed = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found = applied.iter().map(|row| row.version).max().unwrap_or(0);
    for row in applied {
        let ours = MIGRATIONS.iter().find(|migration| migration.version == row.version);
        match ours {
            Some(ours) if row.success && ours.checksum.as_ref() == row.checksum => {}
            Some(_) => return Err(SchemaError::Different { version: row.version }),
            None if row.version > needed => return Err(SchemaError::New { found, known: needed }),
            None => return Err(SchemaError::Different { version: row.version }),
        }
    }
    if applied.len() < MIGRATIONS.iter().count() { Err(SchemaError::Old { found, needed }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{Applied, MIGRATIONS, SchemaError, compare};

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
        assert!(matches!(compare(&[]), Err(SchemaError::Old { found: 0, .. })));

        let mut newer = ours();
        newer.push(Applied { version: 9_999, checksum: Vec::new(), success: true });
        assert!(matches!(compare(&newer), Err(SchemaError::New { found: 9_999, .. })));

        let mut half_applied = ours();
        half_applied[0].success = false;
        assert!(matches!(compare(&half_applied), Err(SchemaError::Different { version: 1 })));

        let mut altered = ours();
        altered[0].checksum = vec![0];
        assert!(matches!(compare(&altered), Err(SchemaError::Different { version: 1 })));
    }
}
