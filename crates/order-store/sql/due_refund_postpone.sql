-- Makes a refund due at another time, if it is due when the caller thinks. Arguments: at; then order id, number of its
-- attempt, its number, and the time as the caller names it. Affected rows: 1, or 0.
UPDATE due_refunds SET at_ms = ? WHERE order_id = ? AND number = ? AND refund_number = ? AND at_ms = ?
