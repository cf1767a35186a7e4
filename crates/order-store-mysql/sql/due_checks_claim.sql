-- Locks the checks that are due, earliest first, without those that another transaction has locked.
-- Arguments: upper bound of the time, included; maximum rows. Rows: order_id, number.
SELECT order_id, number FROM due_checks FORCE INDEX (due_checks_at)
WHERE at_ms <= ? ORDER BY at_ms, order_id, number LIMIT ? FOR UPDATE SKIP LOCKED
