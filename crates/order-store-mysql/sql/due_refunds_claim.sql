-- Locks the refunds that are due, earliest first, without those that another transaction has locked.
-- Arguments: upper bound of the time, included; maximum rows. Rows: order_id, number, refund_number.
SELECT order_id, number, refund_number FROM due_refunds FORCE INDEX (due_refunds_at)
WHERE at_ms <= ? ORDER BY at_ms, order_id, number, refund_number LIMIT ? FOR UPDATE SKIP LOCKED
