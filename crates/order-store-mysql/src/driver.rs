//! The driver that opens this store by its URL.

use std::{borrow::Cow, sync::Arc};

use flashgate_order_store::server::{ServerSettings, ServerStore, StoreDriver, StoreTarget, StoreUrl};
use flashgate_supervision::Supervisor;
use sqlx::mysql::MySqlConnectOptions;

use crate::MySqlStore;

/// MySQL 8.0, at `mysql://user:password@host:port/database`.
#[derive(Clone, Copy, Debug)]
pub struct MySql;

impl StoreDriver for MySql {
    fn scheme(&self) -> &'static str {
        "mysql"
    }

    fn url_form(&self) -> &'static str {
        "mysql://user:password@host:port/database"
    }

    fn default_url(&self) -> StoreUrl {
        StoreUrl::of(Cow::Borrowed("mysql://flashgate@127.0.0.1:3306/flashgate"))
    }

    /// The parser's error is omitted: it may quote the password.
    fn parse(&self, url: &StoreUrl) -> Option<Box<dyn StoreTarget>> {
        let options: MySqlConnectOptions = url.secret().parse().ok()?;
        options.get_database().filter(|name| !name.is_empty())?;
        Some(Box::new(Target(options)))
    }
}

struct Target(MySqlConnectOptions);

impl StoreTarget for Target {
    fn open(
        self: Box<Self>,
        settings: ServerSettings,
        seed: u64,
        supervisor: &Supervisor,
    ) -> Arc<dyn ServerStore> {
        Arc::new(MySqlStore::new(self.0, &settings, seed, supervisor.clone()))
    }
}
