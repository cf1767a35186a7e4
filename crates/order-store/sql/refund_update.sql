-- Moves a refund to another state. Arguments: state, changed; then order id, number of its attempt, its number.
-- Affected rows: 1.
UPDATE refunds SET state = ?, changed_at_ms = ? WHERE order_id = ? AND number = ? AND refund_number = ?
