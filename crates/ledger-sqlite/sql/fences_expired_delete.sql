-- Deletes fences whose retention is over, the earliest expired first. Arguments: now, maximum rows.
DELETE FROM fences WHERE base IN
  (SELECT base FROM fences WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?)
