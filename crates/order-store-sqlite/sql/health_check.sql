-- The write of a health check. No arguments. Affected rows: 1.
UPDATE health_checks SET checks = checks + 1, checked_at_ms = CAST(unixepoch('subsec') * 1000 AS INTEGER)
WHERE singleton = 1
