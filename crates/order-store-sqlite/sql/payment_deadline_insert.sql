-- Stores the deadline of a batch's orders of one sale, which are placed now, unless the sale has none or costs nothing.
-- Ignored if the orders of another sale have the same one.
-- Arguments: now, id of the first order of the batch, sale id. Affected rows: 1, or 0.
INSERT OR IGNORE INTO payment_deadlines (at_ms, first_order_id)
SELECT ? + pay_within_ms, ? FROM sales WHERE id = ? AND price_minor > 0 AND pay_within_ms > 0
