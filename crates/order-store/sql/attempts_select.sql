-- The payment attempts of an order, by ascending number. Arguments: order id.
SELECT order_id, number, amount_minor, currency, state, paid_minor, paid_currency, tries, opened_at_ms, changed_at_ms
FROM payment_attempts WHERE order_id = ? ORDER BY number
