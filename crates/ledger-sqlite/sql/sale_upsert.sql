-- A sale as it is now, whole. Arguments: its columns in the order in which they are named.
INSERT OR REPLACE INTO sales (id, state, generation, sequence, epoch, opens_at_ms, closes_at_ms, limit_per_buyer,
  initial, restocked, returned, deducted, written_off, reclaimed, available, pending_orders, pending_units, born,
  expires_at_ms, adjustments)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
