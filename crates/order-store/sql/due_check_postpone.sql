-- Makes a check due at another time, if it is due when the caller thinks. Arguments: at; then order id, number, and the
-- time as the caller names it. Affected rows: 1, or 0.
UPDATE due_checks SET at_ms = ? WHERE order_id = ? AND number = ? AND at_ms = ?
