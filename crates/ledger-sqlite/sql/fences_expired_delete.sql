-- Lets fences go whose retention is over, the longest first. Arguments: now, how many at most.
DELETE FROM fences WHERE base IN
  (SELECT base FROM fences WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?)
