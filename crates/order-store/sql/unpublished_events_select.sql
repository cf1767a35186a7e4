-- The oldest unpublished events, each with its order and batch. Reads the first rows of the primary key, and looks up
-- the rows of the other tables by theirs; the hint is MySQL's, and a comment elsewhere.
-- Arguments: upper bound of the time, excluded; maximum rows.
SELECT /*+ JOIN_FIXED_ORDER() */
       o.id, o.sale_id, o.buyer_id, o.idempotency_key, o.quantity, e.to_state AS state, e.to_reason AS cancel_reason,
       b.batch_id, e.from_state, e.from_reason, e.version, e.actor, e.cause, e.at_ms
FROM unpublished_events u
JOIN order_events e ON e.order_id = u.order_id AND e.version = u.version
JOIN orders o ON o.id = u.order_id
JOIN batches b ON b.first_order_id = u.order_id - u.order_id % 1024
WHERE u.at_ms < ? ORDER BY u.at_ms, u.order_id, u.version LIMIT ?
