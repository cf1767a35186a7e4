-- Stores a new sale, all of its stock saleable.
-- Arguments: title, price, currency, opens, closes, stock, limit per buyer, quantity max, policy, state, stock,
-- created, updated, idempotency key (or NULL). The id is the statement's last insert id.
INSERT INTO sales
    (title, price_minor, currency, opens_at_ms, closes_at_ms, initial_stock, limit_per_buyer, quantity_max,
     deduct_policy, state, saleable, created_at_ms, updated_at_ms, idempotency_key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
