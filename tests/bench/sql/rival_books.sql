-- What was sold of the rival's sale, by the row and by its orders. Arguments: sale, sale.
SELECT CAST(initial_stock - saleable AS UNSIGNED) AS taken,
       (SELECT COUNT(*) FROM rival_orders WHERE sale_id = ?) AS orders
FROM rival_sales WHERE id = ?
