-- What a sale can still give. Arguments: sale id. Rows: at most one.
SELECT saleable FROM sales WHERE id = ?
