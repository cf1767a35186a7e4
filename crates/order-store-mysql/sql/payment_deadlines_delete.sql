-- Deletes payment deadlines. Arguments of each: time, first order id. Affected rows: one a deadline.
DELETE FROM payment_deadlines WHERE (at_ms, first_order_id) IN (/*each*/(?, ?)/*each*/)
