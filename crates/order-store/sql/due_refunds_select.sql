-- The refunds that are due, earliest first. Reads the first entries of the index. Arguments: upper bound of the time,
-- included; maximum rows.
SELECT at_ms, order_id, number, refund_number FROM due_refunds
WHERE at_ms <= ? ORDER BY at_ms, order_id, number, refund_number LIMIT ?
