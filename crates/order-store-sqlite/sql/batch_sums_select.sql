-- The orders of one sale within a range of ids, by batch and state. The first id of a batch is that of any of its
-- orders with the lowest 10 bits cleared.
-- Arguments: first id, last id, sale id. Rows: first_order_id, state, cancel_reason, orders, units.
SELECT id - id % 1024 AS first_order_id, state, cancel_reason, COUNT(*), SUM(quantity)
FROM orders WHERE id BETWEEN ? AND ? AND sale_id = ? GROUP BY first_order_id, state, cancel_reason
