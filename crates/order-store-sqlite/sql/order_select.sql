-- One order and its batch, whose first order has the same id with the lowest 10 bits cleared.
-- Arguments: id of the first order of its batch, order id. Rows: at most one.
SELECT o.id, o.sale_id, o.buyer_id, o.idempotency_key, o.quantity, o.state, o.cancel_reason, b.batch_id,
       o.version, b.created_at_ms
FROM orders o JOIN batches b ON b.first_order_id = ? WHERE o.id = ?
