-- A page of decided batches, latest ids first.
-- Arguments: last id of the previous page, maximum rows. Rows: first_order_id, batch_id, order_count.
SELECT first_order_id, batch_id, order_count FROM batches WHERE first_order_id < ? ORDER BY first_order_id DESC LIMIT ?
