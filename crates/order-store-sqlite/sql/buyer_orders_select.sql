-- A page of the orders of one buyer, newest first, each with its batch and the terms of its sale (see order_select.sql).
-- Arguments: buyer id, greatest order id, maximum rows.
SELECT o.id, o.sale_id, o.buyer_id, o.idempotency_key, o.quantity, o.state, o.cancel_reason, b.batch_id,
       o.version, b.created_at_ms, s.price_minor, s.pay_within_ms
FROM orders o JOIN batches b ON b.first_order_id = o.id - o.id % 1024 JOIN sales s ON s.id = o.sale_id
WHERE o.buyer_id = ? AND o.id <= ? ORDER BY o.id DESC LIMIT ?
