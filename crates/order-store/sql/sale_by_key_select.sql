-- The sale that was created with a key. Arguments: idempotency key. Rows: at most one.
SELECT id, title, price_minor, currency, opens_at_ms, closes_at_ms, initial_stock, limit_per_buyer,
       quantity_max, deduct_policy, state, generation, saleable, restocked, returned
FROM sales WHERE idempotency_key = ?
