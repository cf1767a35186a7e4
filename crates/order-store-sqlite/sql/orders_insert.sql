-- Stores decided orders. SQLITE_CONSTRAINT, and the transaction rolled back, if an id is taken.
-- Arguments of each row: id, sale id, buyer, key, quantity, state, reason (or NULL).
INSERT OR ROLLBACK INTO orders (id, sale_id, buyer_id, idempotency_key, quantity, state, cancel_reason)
VALUES /*each*/(?, ?, ?, ?, ?, ?, ?)/*each*/
