//! The one place where the order store is chosen. Nothing else in this crate names a database.

use std::sync::Arc;

use flashgate_order_store::server::{ServerStore, StoreDriver, StoreUrl};
use flashgate_order_store_mysql::MySql;
use flashgate_service::config::ConfigError;
use flashgate_supervision::Supervisor;

use crate::config::StoreConfig;

/// The supported databases, the default first. Another database is a crate, and its entry here.
const DRIVERS: [&dyn StoreDriver; 1] = [&MySql];

/// The key of [`StoreConfig::url`].
const URL: &str = "order_store.url";

/// The default URL of the store.
pub(crate) fn default_url() -> StoreUrl {
    let [default, ..] = DRIVERS;
    default.default_url()
}

/// Checks the URL of `config`. Connects to nothing.
///
/// # Errors
/// The expected form of the URL.
pub(crate) fn check(config: &StoreConfig) -> Result<(), ConfigError> {
    let driver = driver(&config.url)?;
    if driver.accepts(&config.url) { Ok(()) } else { Err(unfit(driver.url_form())) }
}

/// The store that `config` names, which connects at its first use.
///
/// # Errors
/// The expected form of the URL.
pub(crate) fn open(
    config: &StoreConfig,
    seed: u64,
    supervisor: &Supervisor,
) -> Result<Arc<dyn ServerStore>, ConfigError> {
    let driver = driver(&config.url)?;
    let store = driver.open(&config.url, config.settings(), seed, supervisor);
    store.ok_or_else(|| unfit(driver.url_form()))
}

fn driver(url: &StoreUrl) -> Result<&'static dyn StoreDriver, ConfigError> {
    let named = DRIVERS.iter().find(|driver| driver.scheme() == url.scheme());
    named.copied().ok_or_else(|| {
        let forms: Vec<&str> = DRIVERS.iter().map(|driver| driver.url_form()).collect();
        unfit(&forms.join(" or "))
    })
}

fn unfit(form: &str) -> ConfigError {
    ConfigError::unfit(URL, format!("must be {form}"))
}
