-- The orders of one sale within a range of ids, by state. Reads the primary key: the index on purchases would look up
-- every row separately. Nearly all orders were confirmed and are not cancelled: they are summed as confirmed, whatever
-- their states, since grouping costs MySQL 25 times as much per row as summing.
-- Arguments: first id, last id, sale id, and the same again. Rows: state, cancel_reason, orders, units.
SELECT 'confirmed' AS state, NULL AS cancel_reason, CAST(COUNT(*) AS UNSIGNED) AS orders,
       CAST(COALESCE(SUM(quantity), 0) AS UNSIGNED) AS units
FROM orders FORCE INDEX (PRIMARY) WHERE id BETWEEN ? AND ? AND sale_id = ?
  AND cancel_reason IS NULL AND state IN ('confirmed', 'paid', 'shipped', 'finished')
UNION ALL
SELECT state, cancel_reason, CAST(COUNT(*) AS UNSIGNED) AS orders, CAST(SUM(quantity) AS UNSIGNED) AS units
FROM orders FORCE INDEX (PRIMARY) WHERE id BETWEEN ? AND ? AND sale_id = ?
  AND NOT (cancel_reason IS NULL AND state IN ('confirmed', 'paid', 'shipped', 'finished'))
GROUP BY state, cancel_reason
