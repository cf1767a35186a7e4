-- The orders of one batch with an open payment attempt: a range of the primary key.
-- Arguments: first id of the batch, last id of the range that it can have. Rows: order_id.
SELECT order_id FROM due_checks WHERE order_id BETWEEN ? AND ?
