-- The stock and the price of a sale in the order store. Arguments: sale id.
-- Row: initial stock, saleable, returned, price in minor units, currency.
SELECT initial_stock, saleable, returned, price_minor, currency FROM sales WHERE id = ?
