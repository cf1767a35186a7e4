-- The events of one order, by ascending version, each with the order and its batch (see order_select.sql).
-- Arguments: id of the first order of its batch, order id, maximum rows.
SELECT o.id, o.sale_id, o.buyer_id, o.idempotency_key, o.quantity, e.to_state AS state, e.to_reason AS cancel_reason,
       b.batch_id, e.from_state, e.from_reason, e.version, e.actor, e.cause, e.at_ms
FROM order_events e JOIN orders o ON o.id = e.order_id JOIN batches b ON b.first_order_id = ?
WHERE e.order_id = ? ORDER BY e.version LIMIT ?
