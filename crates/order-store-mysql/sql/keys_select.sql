-- The keys of these that have an order already.
-- Arguments of each: sale id, buyer, key. Rows: sale_id, buyer_id, idempotency_key.
SELECT sale_id, buyer_id, idempotency_key FROM orders
WHERE (sale_id, buyer_id, idempotency_key) IN (/*each*/(?, ?, ?)/*each*/) AND holds_key = 1
