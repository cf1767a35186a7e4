-- Stores a new refund. Arguments: order id, number of its attempt, its number, amount, currency, cause, state, operator and
-- cause of a retry, created, changed.
INSERT INTO refunds
    (order_id, number, refund_number, amount_minor, currency, cause, state, tries, retry_operator, retry_cause,
    created_at_ms, changed_at_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)
