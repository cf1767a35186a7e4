-- Marks events as published; unknown and marked ones are ignored. STRAIGHT_JOIN looks up the events first: their times
-- lead to the rows.
-- Arguments of each event: order id, version. Affected rows: one for each event that was unpublished.
DELETE u FROM order_events e STRAIGHT_JOIN unpublished_events u
ON u.at_ms = e.at_ms AND u.order_id = e.order_id AND u.version = e.version
WHERE (e.order_id, e.version) IN (/*each*/(?, ?)/*each*/)
