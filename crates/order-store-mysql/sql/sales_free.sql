-- The sales of these that no transaction locks, locked for this statement. Arguments: sale ids. Rows: id.
SELECT id FROM sales WHERE id IN (/*each*/?/*each*/) FOR UPDATE SKIP LOCKED
