-- Which of these sales nobody holds, locked for this one statement. Arguments: sale ids. Rows: id.
SELECT id FROM sales WHERE id IN (/*each*/?/*each*/) FOR UPDATE SKIP LOCKED
