-- A page of payment deadlines, earliest first. Reads the primary key from the time of the previous page's last deadline
-- to the end of this page.
-- Arguments: time of the last deadline of the previous page (0: no page), upper bound of the time, included; again the
-- time of that deadline, its first order (0: no page), maximum rows. Rows: at_ms, first_order_id.
SELECT at_ms, first_order_id FROM payment_deadlines
WHERE at_ms >= ? AND at_ms <= ? AND (at_ms > ? OR first_order_id > ?)
ORDER BY at_ms, first_order_id LIMIT ?
