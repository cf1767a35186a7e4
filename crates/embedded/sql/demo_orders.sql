-- The orders of a sale by what became of them. Arguments: sale id. Rows: state, reason, orders, units.
SELECT state, coalesce(cancel_reason, ''), count(*), sum(quantity) FROM orders WHERE sale_id = ?
GROUP BY state, cancel_reason ORDER BY state, cancel_reason
