-- Locks sales in ascending order, as every transaction does, until the end of this one.
-- Arguments: sale ids. Rows: id, and the units that no order has; a sale that does not exist has none.
SELECT id, saleable - LEAST(saleable, reserved) AS unreserved FROM sales WHERE id IN (/*each*/?/*each*/) ORDER BY id FOR UPDATE
