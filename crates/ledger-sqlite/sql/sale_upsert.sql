-- Stores all columns of a sale. Arguments: its columns, in their order here.
INSERT OR REPLACE INTO sales (id, state, generation, sequence, epoch, opens_at_ms, closes_at_ms, limit_per_buyer,
  initial, restocked, returned, deducted, written_off, reclaimed, available, pending_orders, pending_units, born,
  expires_at_ms, adjustments, released)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
