-- The units left of a sale. Arguments: sale id. Rows: at most one.
SELECT saleable FROM sales WHERE id = ?
