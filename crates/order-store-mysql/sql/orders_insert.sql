-- Stores decided orders. 1062 if an id is taken, or if a row that holds its key finds another one that holds it.
-- Arguments of each row: id, sale id, buyer, key, holds_key (1 or NULL), quantity, state, reason (or NULL),
-- created, updated.
INSERT INTO orders
    (id, sale_id, buyer_id, idempotency_key, holds_key, quantity, state, cancel_reason, created_at_ms, updated_at_ms)
VALUES /*each*/(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)/*each*/
