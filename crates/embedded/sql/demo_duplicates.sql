-- Purchases (a buyer's key in a sale) with more than one order, those not counted that were refused for their key.
-- Arguments: sale id. Row: count.
SELECT count(*) FROM
  (SELECT 1 FROM orders WHERE sale_id = ? AND coalesce(cancel_reason, '') <> 'duplicate_key'
   GROUP BY buyer_id, idempotency_key HAVING count(*) > 1)
