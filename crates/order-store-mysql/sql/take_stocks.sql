-- Takes units of several sales: the conditional update of take_stock.sql, in one statement. STRAIGHT_JOIN makes it lock
-- the rows in the order of the argument, as every transaction does.
-- Arguments: [[sale id, units], …] as JSON, ascending ids. Affected rows: one for each sale that had enough.
UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           sale_id BIGINT UNSIGNED PATH '$[0]' ERROR ON EMPTY ERROR ON ERROR,
           units BIGINT UNSIGNED PATH '$[1]' ERROR ON EMPTY ERROR ON ERROR)) AS taken
       STRAIGHT_JOIN sales ON sales.id = taken.sale_id
SET sales.saleable = sales.saleable - IF(sales.deduct_policy = 'at_order', taken.units, 0),
    sales.reserved = sales.reserved + IF(sales.deduct_policy = 'at_order', 0, taken.units),
    sales.lock_version = sales.lock_version + 1
WHERE sales.saleable >= sales.reserved + taken.units
