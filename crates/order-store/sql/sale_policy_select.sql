-- When the units of a sale leave the order store. Arguments: sale id. Rows: at most one.
SELECT deduct_policy FROM sales WHERE id = ?
