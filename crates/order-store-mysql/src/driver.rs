//! The driver that opens this store by its URL.

use std::{borrow::Cow, sync::Arc};

use flashgate_order_store::server::{ServerSettings, ServerStore, StoreDriver, StoreUrl};
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

    fn accepts(&self, url: &StoreUrl) -> bool {
        options(url).is_some()
    }

    fn open(
        &self,
        url: &StoreUrl,
        settings: ServerSettings,
        seed: u64,
        supervisor: &Supervisor,
    ) -> Option<Arc<dyn ServerStore>> {
        Some(Arc::new(MySqlStore::new(options(url)?, &settings, seed, supervisor.clone())))
    }
}

/// The parser's error is omitted: it may quote the password.
fn options(url: &StoreUrl) -> Option<MySqlConnectOptions> {
    let options: MySqlConnectOptions = url.secret().parse().ok()?;
    options.get_database().is_some_and(|name| !name.is_empty()).then_some(options)
}
