-- The number of a sale's orders, and the first and last of their ids. Reads the index on purchases and no row: nothing
-- else limits the ids of a sale, since the clocks that made them may have been wrong by any time.
-- Arguments: sale id. Rows: one: orders, first_id, last_id (NULL twice if there is no order).
SELECT COUNT(*) AS orders, MIN(id) AS first_id, MAX(id) AS last_id
FROM orders FORCE INDEX (orders_sale_buyer_key) WHERE sale_id = ?
