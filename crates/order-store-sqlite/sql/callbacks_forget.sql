-- Forgets the earliest callbacks before a time. Arguments: upper bound of the time, excluded; maximum rows. Affected
-- rows: one a callback.
DELETE FROM payment_callbacks WHERE callback_id IN
    (SELECT callback_id FROM payment_callbacks WHERE received_at_ms < ? ORDER BY received_at_ms LIMIT ?)
