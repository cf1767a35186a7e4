-- The units of a sale that no order has. Arguments: sale id. Rows: at most one.
SELECT MAX(saleable - reserved, 0) FROM sales WHERE id = ?
