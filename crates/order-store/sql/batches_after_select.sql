-- A page of decided batches, the earliest ids first.
-- Arguments: id before the page, rows at most. Rows: first_order_id, batch_id, order_count.
SELECT first_order_id, batch_id, order_count FROM batches WHERE first_order_id > ? ORDER BY first_order_id LIMIT ?
