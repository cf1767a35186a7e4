-- The payment attempts of a sale. Arguments: sale id.
-- Rows: order, number, state, minor units that the provider took, their currency.
SELECT order_id, number, payment_attempts.state, paid_minor, paid_currency
FROM payment_attempts JOIN orders ON orders.id = order_id WHERE sale_id = ?
