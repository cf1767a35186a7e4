-- One order, its batch, whose first order has the same id with the lowest 10 bits cleared, and the terms of its sale.
-- Arguments: id of the first order of its batch, order id. Rows: at most one.
SELECT o.id, o.sale_id, o.buyer_id, o.idempotency_key, o.quantity, o.state, o.cancel_reason, b.batch_id,
       o.version, b.created_at_ms, s.price_minor, s.pay_within_ms
FROM orders o JOIN batches b ON b.first_order_id = ? JOIN sales s ON s.id = o.sale_id WHERE o.id = ?
