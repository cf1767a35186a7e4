-- Locks payment deadlines, without those that another transaction has locked. The index is named since the optimizer
-- would read, and lock, all rows of a small table.
-- Arguments of each: time, first order id. Rows: at_ms, first_order_id.
SELECT at_ms, first_order_id FROM payment_deadlines FORCE INDEX (PRIMARY)
WHERE (at_ms, first_order_id) IN (/*each*/(?, ?)/*each*/) FOR UPDATE SKIP LOCKED
