-- The idempotency key with which a sale was created: the same key again finds that sale, and makes no second one. NULL
-- in sales that were created without one; a unique index allows any number of those.
ALTER TABLE sales ADD COLUMN idempotency_key TEXT;
CREATE UNIQUE INDEX sales_idempotency_key ON sales (idempotency_key);
