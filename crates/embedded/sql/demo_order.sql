-- One order, if it holds units. Arguments: order id, sale id. Row: buyer, key.
SELECT buyer_id, idempotency_key FROM orders WHERE id = ? AND sale_id = ? AND state <> 'cancelled'
