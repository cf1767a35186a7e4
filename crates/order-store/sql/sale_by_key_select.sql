-- The sale that was created with a key. Arguments: idempotency key. Rows: at most one.
SELECT id, /*draft*/, state, generation, saleable, reserved, restocked, returned
FROM sales WHERE idempotency_key = ?
