-- Locks the confirmed orders of these, each with its batch (see order_select.sql) and the terms of its sale, neither of
-- which is locked. STRAIGHT_JOIN makes it lock the rows in the order of the argument, as every transaction does.
-- Arguments: [id, …] as JSON, ascending. Rows: the confirmed orders.
SELECT o.id, o.sale_id, o.buyer_id, o.idempotency_key, o.quantity, o.state, o.cancel_reason, o.version,
       o.created_at_ms, b.batch_id, s.price_minor, s.pay_within_ms
FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT UNSIGNED PATH '$' ERROR ON EMPTY ERROR ON ERROR)) AS asked
     STRAIGHT_JOIN orders o ON o.id = asked.id
     STRAIGHT_JOIN batches b ON b.first_order_id = o.id - o.id % 1024
     STRAIGHT_JOIN sales s ON s.id = o.sale_id
WHERE o.state = 'confirmed' FOR UPDATE OF o
