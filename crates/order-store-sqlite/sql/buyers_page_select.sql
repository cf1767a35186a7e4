-- The orders of a sale whose buyer follows `after`. Reads every order: an index on buyers would halve the rate at which
-- orders are placed.
-- Arguments: sale id, the last buyer of the previous page ('': none). Rows: buyer_id, units (0 of a cancelled order).
SELECT buyer_id, IIF(cancel_reason IS NULL, quantity, 0) AS units FROM orders WHERE sale_id = ? AND buyer_id > ?
