-- The units left of a sale, and the number of its compensating steps. Arguments: sale id. Rows: at most one.
SELECT saleable, adjustments FROM sales WHERE id = ?
