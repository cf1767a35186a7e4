-- Purchases (a buyer's key in a sale) with more than one order that holds units. Arguments: sale id. Row: count.
SELECT count(*) FROM
  (SELECT 1 FROM orders WHERE sale_id = ? AND state <> 'cancelled'
   GROUP BY buyer_id, idempotency_key HAVING count(*) > 1)
