-- Buyers that hold more units of a sale than they may. Arguments: sale id. Row: count.
SELECT count(*) FROM
  (SELECT 1 FROM orders JOIN sales ON sales.id = orders.sale_id
   WHERE orders.sale_id = ? AND orders.state IN ('confirmed', 'paid', 'shipped', 'finished')
   GROUP BY orders.buyer_id HAVING sum(orders.quantity) > max(sales.limit_per_buyer))
