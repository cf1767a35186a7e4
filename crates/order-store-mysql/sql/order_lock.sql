-- Locks one order, with its batch and the terms of its sale (see order_select.sql), neither of which is locked.
-- Arguments: id of the first order of its batch, order id. Rows: at most one.
SELECT o.id, o.sale_id, o.buyer_id, o.idempotency_key, o.quantity, o.state, o.cancel_reason, o.version,
       o.created_at_ms, b.batch_id, s.price_minor, s.pay_within_ms
FROM orders o JOIN batches b ON b.first_order_id = ? JOIN sales s ON s.id = o.sale_id WHERE o.id = ? FOR UPDATE OF o
