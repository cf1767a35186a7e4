//! The statements that every store runs unchanged. Statements that differ are in the crate of each store.

#![expect(missing_docs, reason = "named after the files, whose headers describe them")]

pub const BATCHES_AFTER_SELECT: &str = include_str!("../../sql/batches_after_select.sql");
pub const BATCHES_PAGE_SELECT: &str = include_str!("../../sql/batches_page_select.sql");
pub const BATCH_ORDERS_SELECT: &str = include_str!("../../sql/batch_orders_select.sql");
pub const DEAD_LETTER_SELECT: &str = include_str!("../../sql/dead_letter_select.sql");
pub const IDENTITY_SELECT: &str = include_str!("../../sql/identity_select.sql");
pub const LEDGER_REGISTER: &str = include_str!("../../sql/ledger_register.sql");
pub const ORDER_EVENTS_INSERT: &str = include_str!("../../sql/order_events_insert.sql");
pub const ORDER_EVENTS_SELECT: &str = include_str!("../../sql/order_events_select.sql");
pub const PAYMENT_DEADLINES_SELECT: &str = include_str!("../../sql/payment_deadlines_select.sql");
pub const REPAIRS_SELECT: &str = include_str!("../../sql/repairs_select.sql");
pub const REPAIR_END: &str = include_str!("../../sql/repair_end.sql");
pub const REPAIR_INSERT: &str = include_str!("../../sql/repair_insert.sql");
pub const REPAIR_SELECT: &str = include_str!("../../sql/repair_select.sql");
pub const RETURN_STOCK: &str = include_str!("../../sql/return_stock.sql");
pub const SALE_ADJUSTED_SELECT: &str = include_str!("../../sql/sale_adjusted_select.sql");
pub const SALE_CLOSE: &str = include_str!("../../sql/sale_close.sql");
pub const SALE_COMPENSATE: &str = include_str!("../../sql/sale_compensate.sql");
pub const SALE_CONFIRM_PREHEAT: &str = include_str!("../../sql/sale_confirm_preheat.sql");
pub const SALE_NEXT_GENERATION: &str = include_str!("../../sql/sale_next_generation.sql");
pub const SALE_PREHEAT: &str = include_str!("../../sql/sale_preheat.sql");
pub const TAKE_STOCK: &str = include_str!("../../sql/take_stock.sql");
pub const UNPUBLISHED_EVENTS_INSERT: &str = include_str!("../../sql/unpublished_events_insert.sql");
pub const UNPUBLISHED_EVENTS_SELECT: &str = include_str!("../../sql/unpublished_events_select.sql");
