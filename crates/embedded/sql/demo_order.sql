-- One order, unless it was refused when it was placed: it was confirmed then. Arguments: order id, sale id.
-- Row: buyer, key.
SELECT buyer_id, idempotency_key FROM orders
WHERE id = ? AND sale_id = ? AND coalesce(cancel_reason, '') NOT IN ('out_of_stock', 'duplicate_key')
