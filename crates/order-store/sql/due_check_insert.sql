-- Makes the check of a new attempt due. Arguments: order id, number, at.
INSERT INTO due_checks (order_id, number, at_ms) VALUES (?, ?, ?)
