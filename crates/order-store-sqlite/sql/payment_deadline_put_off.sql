-- Stores another deadline of a batch. Ignored if it is stored. Arguments: time, first order id. Affected rows: 1, or 0.
INSERT OR IGNORE INTO payment_deadlines (at_ms, first_order_id) VALUES (?, ?)
