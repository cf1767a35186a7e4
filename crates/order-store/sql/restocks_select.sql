-- The restocks of a sale, the latest first. Arguments: sale id, maximum rows.
SELECT idempotency_key, units, operator, cause, restocked, at_ms FROM restocks WHERE sale_id = ? ORDER BY id DESC LIMIT ?
