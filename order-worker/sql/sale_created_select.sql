-- When a sale was created, and how many compensating steps it has seen. Arguments: sale id. Rows: at most one.
SELECT created_at_ms, adjustments FROM sales WHERE id = ?
