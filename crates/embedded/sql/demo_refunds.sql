-- The refunds of a sale. Arguments: sale id.
-- Rows: order, number of the attempt, number of the refund, minor units, currency, state.
SELECT order_id, number, refund_number, amount_minor, currency, refunds.state
FROM refunds JOIN orders ON orders.id = order_id WHERE sale_id = ?
