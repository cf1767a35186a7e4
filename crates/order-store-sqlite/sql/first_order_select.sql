-- The first order of a sale: reads the primary key up to it. Arguments: sale id. Rows: at most one: id.
SELECT id FROM orders WHERE sale_id = ? ORDER BY id LIMIT 1
