-- Every sale. No arguments. Rows: the columns, as they are written by sale_upsert.sql.
SELECT id, state, generation, sequence, epoch, opens_at_ms, closes_at_ms, limit_per_buyer, initial, restocked,
  returned, deducted, written_off, reclaimed, available, pending_orders, pending_units, born, expires_at_ms,
  adjustments, released
FROM sales
