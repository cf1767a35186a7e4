-- Stores batches as decided. SQLITE_CONSTRAINT if one is decided already, or another has its order ids; the
-- transaction is then rolled back, which spares SQLite a journal of the statement.
-- Arguments of each row: id of the first order, batch id, number of orders, created.
INSERT OR ROLLBACK INTO batches (first_order_id, batch_id, order_count, created_at_ms)
VALUES /*each*/(?, ?, ?, ?)/*each*/
