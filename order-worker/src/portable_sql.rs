//! The statements that MySQL and SQLite both run as they are. What differs is in the folder of each store.

pub(crate) const BATCHES_AFTER_SELECT: &str = include_str!("../sql/batches_after_select.sql");
pub(crate) const BATCHES_PAGE_SELECT: &str = include_str!("../sql/batches_page_select.sql");
pub(crate) const BATCH_ORDERS_SELECT: &str = include_str!("../sql/batch_orders_select.sql");
pub(crate) const DEAD_LETTER_DECIDE: &str = include_str!("../sql/dead_letter_decide.sql");
pub(crate) const DEAD_LETTER_SELECT: &str = include_str!("../sql/dead_letter_select.sql");
pub(crate) const IDENTITY_SELECT: &str = include_str!("../sql/identity_select.sql");
pub(crate) const LEDGER_REGISTER: &str = include_str!("../sql/ledger_register.sql");
pub(crate) const REPAIRS_SELECT: &str = include_str!("../sql/repairs_select.sql");
pub(crate) const REPAIR_END: &str = include_str!("../sql/repair_end.sql");
pub(crate) const REPAIR_INSERT: &str = include_str!("../sql/repair_insert.sql");
pub(crate) const REPAIR_SELECT: &str = include_str!("../sql/repair_select.sql");
pub(crate) const SALES_SELECT: &str = include_str!("../sql/sales_select.sql");
pub(crate) const SALE_ADJUSTED_SELECT: &str = include_str!("../sql/sale_adjusted_select.sql");
pub(crate) const SALE_BY_KEY_SELECT: &str = include_str!("../sql/sale_by_key_select.sql");
pub(crate) const SALE_CLOSE: &str = include_str!("../sql/sale_close.sql");
pub(crate) const SALE_COMPENSATE: &str = include_str!("../sql/sale_compensate.sql");
pub(crate) const SALE_CONFIRM_PREHEAT: &str = include_str!("../sql/sale_confirm_preheat.sql");
pub(crate) const SALE_INSERT: &str = include_str!("../sql/sale_insert.sql");
pub(crate) const SALE_NEXT_GENERATION: &str = include_str!("../sql/sale_next_generation.sql");
pub(crate) const SALE_PREHEAT: &str = include_str!("../sql/sale_preheat.sql");
pub(crate) const SALE_SELECT: &str = include_str!("../sql/sale_select.sql");
pub(crate) const TAKE_STOCK: &str = include_str!("../sql/take_stock.sql");
