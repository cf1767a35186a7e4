-- The confirmed orders of one batch, each with its batch and the terms of its sale (see order_select.sql): a range of
-- the primary key.
-- Arguments: first id of the batch, last id of the range that it can have. Rows: the orders by ascending id.
SELECT o.id, o.sale_id, o.buyer_id, o.idempotency_key, o.quantity, o.state, o.cancel_reason, b.batch_id,
       o.version, b.created_at_ms, s.price_minor, s.pay_within_ms
FROM batches b CROSS JOIN orders o ON o.id BETWEEN b.first_order_id AND ?2 CROSS JOIN sales s ON s.id = o.sale_id
WHERE b.first_order_id = ?1 AND o.state = 'confirmed' ORDER BY o.id
