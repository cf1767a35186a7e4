-- One order. Arguments: id, sale, buyer, key.
INSERT INTO rival_orders
    (id, sale_id, buyer_id, idempotency_key, holds_key, quantity, state, cancel_reason, created_at_ms, updated_at_ms)
VALUES (?, ?, ?, ?, 1, 1, 'confirmed', NULL, 0, 0)
