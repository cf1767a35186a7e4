-- One sale. Arguments: sale id. Rows: at most one.
SELECT id, /*draft*/, state, generation, saleable, reserved, restocked, returned
FROM sales WHERE id = ?
