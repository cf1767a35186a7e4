-- The units that a range of sales has given. Arguments: first sale, last sale.
SELECT CAST(COALESCE(SUM(initial_stock + restocked + returned - saleable), 0) AS UNSIGNED) AS taken
FROM sales WHERE id BETWEEN ? AND ?
