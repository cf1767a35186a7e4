-- Makes a new refund due. Arguments: order id, number of its attempt, its number, at.
INSERT INTO due_refunds (order_id, number, refund_number, at_ms) VALUES (?, ?, ?, ?)
