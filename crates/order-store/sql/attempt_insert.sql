-- Stores a new payment attempt. Arguments: order id, number, amount, its currency, state, opened, changed.
INSERT INTO payment_attempts
    (order_id, number, amount_minor, currency, state, tries, opened_at_ms, changed_at_ms)
VALUES (?, ?, ?, ?, ?, 0, ?, ?)
