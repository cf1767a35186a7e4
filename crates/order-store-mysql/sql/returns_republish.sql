-- Makes the events by which the orders of a sale gave their units up unpublished again. Reads the index on purchases
-- and looks up the events of each order, without locks.
-- Arguments: sale id. Affected rows: one for each event that was published.
INSERT IGNORE INTO unpublished_events (at_ms, order_id, version)
SELECT e.at_ms, e.order_id, e.version
FROM orders o FORCE INDEX (orders_sale_buyer_key) STRAIGHT_JOIN order_events e ON e.order_id = o.id
WHERE o.sale_id = ? AND e.from_state IN ('confirmed', 'paid', 'shipped', 'finished')
  AND e.to_state IN ('cancelled', 'refunding', 'refunded')
