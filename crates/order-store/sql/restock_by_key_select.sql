-- The restock that was made with a key. Arguments: idempotency key. Rows: at most one.
SELECT sale_id, units FROM restocks WHERE idempotency_key = ?
