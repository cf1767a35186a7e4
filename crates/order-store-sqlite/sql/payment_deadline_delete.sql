-- Deletes a payment deadline. Arguments: time, first order id. Affected rows: 1, or 0 if it was not stored.
DELETE FROM payment_deadlines WHERE at_ms = ? AND first_order_id = ?
