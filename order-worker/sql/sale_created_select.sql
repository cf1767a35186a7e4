-- When a sale was created. Arguments: sale id. Rows: at most one.
SELECT created_at_ms FROM sales WHERE id = ?
