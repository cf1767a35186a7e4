-- What `order-worker migrate` has applied, oldest first. No arguments.
SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version
