-- The orders of one sale within a range of ids, by state.
-- Arguments: first id, last id, sale id. Rows: state, cancel_reason, orders, units.
SELECT state, cancel_reason, COUNT(*), SUM(quantity)
FROM orders WHERE id BETWEEN ? AND ? AND sale_id = ? GROUP BY state, cancel_reason
