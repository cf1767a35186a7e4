-- How many orders a sale has, and between which ids they lie. Reads the index on purchases and no row: nothing else
-- tells which ids a sale can have, since the clocks that made them may have been wrong by any time.
-- Arguments: sale id. Rows: one: orders, first_id, last_id (NULL twice if there is no order).
SELECT COUNT(*) AS orders, MIN(id) AS first_id, MAX(id) AS last_id
FROM orders FORCE INDEX (orders_sale_buyer_key) WHERE sale_id = ?
