-- Makes the events by which the orders of a sale gave their units up unpublished again. Reads every event, and looks up
-- the orders: an index on sales would cost more than this rare repair (see buyers_page_select.sql).
-- Arguments: sale id. Affected rows: one for each event that was published.
INSERT OR IGNORE INTO unpublished_events (at_ms, order_id, version)
SELECT e.at_ms, e.order_id, e.version FROM order_events e CROSS JOIN orders o ON o.id = e.order_id
WHERE o.sale_id = ? AND e.from_state IN ('confirmed', 'paid', 'shipped', 'finished')
  AND e.to_state IN ('cancelled', 'refunding', 'refunded')
