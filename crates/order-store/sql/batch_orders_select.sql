-- The orders of one batch: a range of the primary key.
-- Arguments: first id, last id of the range that the batch can have. Rows: the orders by ascending id.
SELECT id, sale_id, buyer_id, idempotency_key, quantity, state, cancel_reason
FROM orders WHERE id BETWEEN ? AND ? ORDER BY id
