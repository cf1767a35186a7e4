-- Stores why the last call for a refund failed. Arguments: error (or NULL); then order id, number of its attempt, its
-- number. Affected rows: 1.
UPDATE refunds SET last_error = ? WHERE order_id = ? AND number = ? AND refund_number = ?
