-- The idempotency key with which a sale was created: the same key again finds that sale, and makes no second one. NULL
-- in sales that were created without one; a unique key allows any number of those.
ALTER TABLE sales
    ADD COLUMN idempotency_key VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD UNIQUE KEY sales_idempotency_key (idempotency_key);
