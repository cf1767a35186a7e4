-- Whether an order has an open payment attempt. Locks nothing. Arguments: order id. Rows: at most one.
SELECT order_id FROM due_checks WHERE order_id = ? LIMIT 1
