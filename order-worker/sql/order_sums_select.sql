-- The orders of one sale within a range of ids, by state. Walks the primary key: the index on purchases would look
-- up every row on its own.
-- Arguments: first id, last id, sale id. Rows: state, cancel_reason, orders, units.
SELECT state, cancel_reason, CAST(COUNT(*) AS UNSIGNED) AS orders, CAST(SUM(quantity) AS UNSIGNED) AS units
FROM orders FORCE INDEX (PRIMARY) WHERE id BETWEEN ? AND ? AND sale_id = ? GROUP BY state, cancel_reason
