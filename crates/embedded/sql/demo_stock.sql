-- The stock of a sale in the order store. Arguments: sale id.
-- Row: initial stock, saleable, restocked, returned, limit per buyer.
SELECT initial_stock, saleable, restocked, returned, limit_per_buyer FROM sales WHERE id = ?
