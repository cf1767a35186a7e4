-- Stores a new sale, all of its stock saleable.
-- Arguments: what the operator asked for, state, stock, created, updated, idempotency key (or NULL). The id is the
-- statement's last insert id.
INSERT INTO sales (/*draft*/, state, saleable, created_at_ms, updated_at_ms, idempotency_key)
VALUES (/*draft values*/, ?, ?, ?, ?, ?)
