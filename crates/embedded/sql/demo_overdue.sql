-- Orders that should have been cancelled, because they were not paid in time. Arguments: sale id, time in milliseconds.
-- Row: count. The id of a batch is that of its first order: its orders differ from it in the last 10 bits.
SELECT count(*) FROM orders
JOIN batches ON batches.first_order_id = orders.id - orders.id % 1024
JOIN sales ON sales.id = orders.sale_id
WHERE orders.sale_id = ? AND orders.state = 'confirmed' AND sales.pay_within_ms > 0
  AND batches.created_at_ms + sales.pay_within_ms < ?
