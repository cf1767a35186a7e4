-- The write of a health check. No arguments. Affected rows: 1.
UPDATE health_checks SET checks = checks + 1, checked_at_ms = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)
WHERE singleton = 1
