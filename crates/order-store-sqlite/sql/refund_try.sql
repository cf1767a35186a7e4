-- Counts a try of a refund. Arguments: order id, number of its attempt, its number. Rows: the refund, as
-- refunds_select.sql.
UPDATE refunds SET tries = tries + 1 WHERE order_id = ? AND number = ? AND refund_number = ?
RETURNING order_id, number, refund_number, amount_minor, currency, cause, state, tries, last_error, created_at_ms,
    changed_at_ms, retry_operator, retry_cause
