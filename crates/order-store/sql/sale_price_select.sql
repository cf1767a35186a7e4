-- What one unit of a sale costs. Arguments: sale id. Rows: at most one: price_minor, currency.
SELECT price_minor, currency FROM sales WHERE id = ?
