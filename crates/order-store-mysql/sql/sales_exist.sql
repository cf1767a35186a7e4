-- The sales of these that exist. Locks nothing. Arguments: sale ids. Rows: id.
SELECT id FROM sales WHERE id IN (/*each*/?/*each*/)
