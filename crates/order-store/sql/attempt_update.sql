-- Moves a payment attempt to another state. Arguments: state, amount taken (or NULL), its currency (or NULL), changed;
-- then order id, number. Affected rows: 1.
UPDATE payment_attempts SET state = ?, paid_minor = ?, paid_currency = ?, changed_at_ms = ?
WHERE order_id = ? AND number = ?
