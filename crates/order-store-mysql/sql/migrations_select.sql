-- The migrations that `order-worker migrate` applied, oldest first. No arguments.
SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version
