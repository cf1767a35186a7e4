-- A page of the buyers of a sale, each with the units of its orders that are not cancelled. Reads the index on
-- purchases, in which the orders of a buyer are adjacent, and ends at the maximum number of buyers.
-- Arguments: sale id, the last buyer of the previous page ('': none), maximum rows. Rows: buyer_id, units.
SELECT buyer_id, CAST(SUM(IF(cancel_reason IS NULL, quantity, 0)) AS UNSIGNED) AS units
FROM orders FORCE INDEX (orders_sale_buyer_key) WHERE sale_id = ? AND buyer_id > ?
GROUP BY buyer_id ORDER BY buyer_id LIMIT ?
