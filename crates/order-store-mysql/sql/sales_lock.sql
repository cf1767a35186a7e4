-- Locks sales in ascending order, as every transaction does, until the end of this one.
-- Arguments: sale ids. Rows: id, saleable; a sale that does not exist has none.
SELECT id, saleable FROM sales WHERE id IN (/*each*/?/*each*/) ORDER BY id FOR UPDATE
