-- The refunds of an order, by ascending attempt and number. Arguments: order id.
SELECT order_id, number, refund_number, amount_minor, currency, cause, state, tries, last_error, created_at_ms,
    changed_at_ms, retry_operator, retry_cause
FROM refunds WHERE order_id = ? ORDER BY number, refund_number
