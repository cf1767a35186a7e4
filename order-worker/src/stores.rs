//! The one place where the order store is chosen. Nothing else in this crate names a database.

use flashgate_order_store::server::{StoreDriver, StoreTarget, StoreUrl};
use flashgate_order_store_mysql::MySql;
use flashgate_service::config::ConfigError;

/// The supported databases, the default first. Another database is a crate, and its entry here.
const DRIVERS: [&dyn StoreDriver; 1] = [&MySql];

/// The key of the URL.
const URL: &str = "order_store.url";

/// The default URL of the store.
pub(crate) fn default_url() -> StoreUrl {
    let [default, ..] = DRIVERS;
    default.default_url()
}

/// The database at `url`. Connects to nothing.
///
/// # Errors
/// The expected form of the URL.
pub(crate) fn parse(url: &StoreUrl) -> Result<Box<dyn StoreTarget>, ConfigError> {
    let named = DRIVERS.iter().find(|driver| driver.scheme() == url.scheme());
    let Some(driver) = named else {
        let forms: Vec<&str> = DRIVERS.iter().map(|driver| driver.url_form()).collect();
        return Err(unfit(&forms.join(" or ")));
    };
    driver.parse(url).ok_or_else(|| unfit(driver.url_form()))
}

fn unfit(form: &str) -> ConfigError {
    ConfigError::unfit(URL, format!("must be {form}"))
}
