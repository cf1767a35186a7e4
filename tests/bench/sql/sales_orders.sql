-- The orders of a range of sales, cancelled ones too. Arguments: first sale, last sale.
SELECT COUNT(*) AS orders FROM orders WHERE sale_id BETWEEN ? AND ?
