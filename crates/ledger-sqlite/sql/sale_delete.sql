-- Deletes a sale whose retention is over. Arguments: sale id.
DELETE FROM sales WHERE id = ?
