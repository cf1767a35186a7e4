-- Counts a try of a payment attempt. Arguments: order id, number. Rows: the attempt, as attempts_select.sql.
UPDATE payment_attempts SET tries = tries + 1 WHERE order_id = ? AND number = ?
RETURNING order_id, number, amount_minor, currency, state, paid_minor, paid_currency, tries, opened_at_ms, changed_at_ms
