-- What is left of a sale, and how many compensating steps it has seen. Arguments: sale id. Rows: at most one.
SELECT saleable, adjustments FROM sales WHERE id = ?
